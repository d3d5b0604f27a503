"""When a limit will be reached, as things go: shown, never judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from opsverify.days import LEAST_DAYS, Daily, Trend, ends_at, trend
from opsverify.judgement import Limit, Observation, holds
from opsverify.past_runs import History
from opsverify.probes import Attempt
from opsverify.probes.daily import Days

FARTHEST = 3650  # days; of what lies further away it is only said that it does
STEADY = 0.01  # of the limit, in as many days: no change that anybody would speak of
PROMETHEUS = "by Prometheus"
OWN_RUNS = "by this suite's own runs"

Known = Mapping[str, Sequence[Daily]]


def remembered(past: Attempt[tuple[Days, ...]], expected: Sequence[str], coverage: Limit | None, what: str) -> Known:
    """The days of each instance (with device) that are covered: of the expected ones, and of others still there.

    By name of the instance and of ``what`` its days tell.
    """
    found = {f"{each.instance} {each.device}".strip(): each.days for each in past.value or ()}
    newest = max((each.day for days in found.values() for each in days), default=None)
    others = sorted(name for name, days in found.items() if days and days[-1].day == newest and name not in expected)
    return {
        f"{name} {what}": [each for each in found.get(name, ()) if coverage is None or coverage.met(each.coverage)]
        for name in (*expected, *others)
    }


def of_own_runs(
    history: History, requirement: str, target: str, now: Mapping[str, float], today: date
) -> dict[str, tuple[Daily, ...]]:
    """The days of what this run observes, by name with its value ``now``, as earlier runs observed it themselves."""
    earlier = history.daily(requirement, target)
    return {
        name: (*(each for each in earlier.get(name, ()) if each.day < today), Daily(today, value))
        for name, value in now.items()
    }


def rests_on(history: History, failure: str = "") -> Observation:
    """That a history is that of the suite's own runs: how many there were, and how many could not be read."""
    if failure:
        return holds("history", f"not told: {failure}", "shown", met=True)
    some = f"{', '.join(history.damaged[:3])}{' …' * (len(history.damaged) > 3)}"
    damaged = f"; {len(history.damaged)} could not be read: {some}" if history.damaged else ""
    left_out = f"; {history.left_out} more were not looked at" if history.left_out else ""
    told = f"{len(history.runs)} earlier runs of this profile{left_out}{damaged}"
    return holds("history", told, "shown", met=True)


def untils(known: Known, limit: Limit, source: str) -> list[Observation]:
    """When each of what is ``known`` by name reaches its limit; ``source`` says who remembers it."""
    return [until(name, days, limit, source) for name, days in known.items()]


def until(name: str, days: Sequence[Daily], limit: Limit, source: str) -> Observation:
    """When ``name`` reaches its limit, by a robust line through the daily values that exist; it says on how many."""
    return holds(
        f"{name} reaches {_amount(limit.number, limit.unit)}", _told(trend(days), days, limit, source), "shown", True
    )


def _amount(value: float, unit: str, sign: str = "") -> str:
    """A value as a person reads it: shares of one in per cent."""
    return f"{value * 100:{sign}.3g} %" if unit == "ratio" else f"{value:{sign}.3g} {unit}"


def _told(found: Trend | None, days: Sequence[Daily], limit: Limit, source: str) -> str:
    if found is None:
        return f"cannot be told on {len(days)} day{'s' * (len(days) != 1)} ({source}), at least {LEAST_DAYS} are needed"
    rests = f"on {found.days} of {(found.last - found.first).days + 1} days up to {found.last}, {source}"
    rate = f"{_amount(found.slope, limit.unit, '+')} a day"
    wait = found.days_until(limit.number)
    if found.latest > limit.number:
        told = f"already beyond it at {_amount(found.latest, limit.unit)}, {rate}"
    elif abs(found.slope) * FARTHEST < STEADY * abs(limit.number):
        told = f"steady at {_amount(found.latest, limit.unit)}"
    elif wait is None or found.slope <= 0:
        told = f"not growing, {rate}"
    elif wait > FARTHEST:
        told = f"in more than {FARTHEST} days, {rate}"
    else:
        told = f"in {wait:.0f} days, about {found.last + timedelta(days=round(wait))}, {rate}"
    return f"{told} ({rests})"


def points(days: Sequence[Daily]) -> list[tuple[float, float]]:
    """Daily values as points of a picture: seconds since 1970 and value."""
    return [(ends_at(each.day), each.value) for each in days]


def line(days: Sequence[Daily]) -> list[tuple[float, float]]:
    """The forecast as the two ends of a line in a picture: from the last day on, as far as the days reach back.

    Points as of `points`; none where there is no trend.
    """
    found = trend(days)
    if found is None:
        return []
    ahead = timedelta(days=(found.last - found.first).days + 1)
    there = found.latest + found.slope * ahead.days
    return [(ends_at(found.last), found.latest), (ends_at(found.last + ahead), there)]
