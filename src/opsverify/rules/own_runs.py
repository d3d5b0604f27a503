"""Rules of the chapter *capacity* where there is no Prometheus: what lies between the suite's own runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from opsverify.days import Daily, Span, day_of, ends, spread
from opsverify.judgement import Limits, Observation
from opsverify.probes.daily import Days
from opsverify.probes.series import Utilisation
from opsverify.readings import LONGEST, Memory, covered, memory_spans
from opsverify.rules import capacity


def by_day(host: str, what: str, spans: Sequence[Span]) -> dict[str, tuple[Daily, ...]]:
    """The days of a host by the name that they are shown under."""
    return {f"{host} {what}": spread(spans)}


def cpu_use(host: str, spans: Sequence[Span], now: datetime, days: int) -> Utilisation:
    """Mean CPU use of a host over the last complete UTC days, and how much of them is known."""
    known = {each.day: each for each in spread(spans)}
    wanted = [known[day] for moment in ends(now, days) if (day := day_of(moment)) in known]
    seconds = math.fsum(each.coverage for each in wanted)
    used = math.fsum(each.value * each.coverage for each in wanted) / seconds if seconds else math.nan
    return Utilisation(host, used, seconds / days)


def memory_use(host: str, readings: Sequence[Memory], now: datetime, hours: float) -> Utilisation:
    """The highest memory use that runs of the last ``hours`` saw, and how much of that time lies between runs.

    The run that the first of that time follows counts with them: without it nothing would be known of that.
    """
    end = now.timestamp()
    start = end - hours * 3600
    first = max((each.at for each in readings if start - LONGEST <= each.at <= start), default=start)
    highest = max((each.used for each in readings if each.at >= first), default=math.nan)
    return Utilisation(host, highest, covered(memory_spans(readings), start, end))


def in_a_row(host: str, days: Mapping[str, tuple[Daily, ...]], now: datetime, limits: Limits) -> list[Observation]:
    """As `capacity.in_a_row`, of the one host whose days are given by their name.

    Raises:
        InsufficientFactsError: as there.
    """
    moments = ends(now, int(limits.consecutive_days.number))
    wanted = {day_of(moment) for moment in moments}
    ((name, found),) = days.items()
    own = Days(host, tuple(each for each in found if each.day in wanted))
    return capacity.in_a_row([own], [host], moments, limits, name.removeprefix(f"{host} "))
