"""Arithmetic of UTC days: which are complete, how long one stays above a limit, and where they lead.

Pure: no clock, no I/O. A UTC day has 86,400 seconds whatever clocks people live by, so no daylight saving comes in.
Moments are seconds since 1970.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import combinations
from statistics import median
from typing import Literal

from opsverify.judgement import Limit

DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()
# A share of use is never below zero, but for the last digits of a rate. A counter that went back without having begun
# anew, as on a machine that was moved or copied, makes idle time out of nothing, and a busy host cooler than any is.
LEAST_SHARE = -0.01
LEAST_DAYS = 3  # of two, a median of slopes is just the slope of both


@dataclass(frozen=True)
class Daily:
    """The value of one UTC day, and the share of its samples that are there."""

    day: date
    value: float
    coverage: float = 1.0


@dataclass(frozen=True)
class Span:
    """The mean of a value from one moment to a later one."""

    start: float
    end: float
    value: float


@dataclass(frozen=True)
class Trend:
    """A straight line through daily values by Theil and Sen; ``latest`` is its height on ``last``, the newest day.

    ``slope`` is by day. It rests on ``days`` values, the oldest of them of ``first``.
    """

    slope: float
    latest: float
    first: date
    last: date
    days: int

    def days_until(self, value: float) -> float | None:
        """Days from ``last`` on until the line reaches ``value``: 0 where it has, None where it does not rise."""
        if self.latest >= value:
            return 0.0
        return (value - self.latest) / self.slope if self.slope > 0 else None


def ends(now: datetime, count: int) -> tuple[int, ...]:
    """The last second of each of the last ``count`` complete UTC days before ``now``, oldest first.

    A question over one day is asked for that moment: at midnight itself a window of a day, which includes both of its
    ends in Prometheus 2, would take in the first sample of the next day.

    Raises:
        ValueError: ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("a moment without a time zone lies in no UTC day")
    midnight = math.floor(now.timestamp()) // DAY * DAY
    return tuple(midnight - 1 - DAY * back for back in range(count - 1, -1, -1))


def ends_at(day: date) -> int:
    """The last second of a UTC day."""
    return (day.toordinal() - EPOCH + 1) * DAY - 1


def day_of(moment: float) -> date:
    """The UTC day that a moment lies in."""
    return datetime.fromtimestamp(moment, UTC).date()


def highest(points: Iterable[tuple[float, float]]) -> tuple[Daily, ...]:
    """The highest value of each day that has one, oldest first, of points of moment and value; NaN is none."""
    found: dict[date, float] = {}
    for moment, value in points:
        if math.isfinite(value):
            day = day_of(moment)
            found[day] = max(found.get(day, value), value)
    return tuple(Daily(day, value) for day, value in sorted(found.items()))


def spread(spans: Iterable[Span]) -> tuple[Daily, ...]:
    """The mean of each UTC day that spans reach into, weighed by time; its coverage is the share that lies in any.

    The spans must not overlap. Of one that reaches over midnight both days have the same mean.
    """
    weights: dict[date, list[tuple[float, float]]] = {}
    for span in spans:
        for number in range(math.floor(span.start) // DAY, math.ceil(span.end) // DAY + 1):
            within = min(span.end, (number + 1) * DAY) - max(span.start, number * DAY)
            if within > 0:
                weights.setdefault(date.fromordinal(EPOCH + number), []).append((within, span.value))
    return tuple(Daily(day, *_weighed(found)) for day, found in sorted(weights.items()))


def _weighed(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    seconds = math.fsum(weight for weight, _ in found)
    return math.fsum(weight * value for weight, value in found) / seconds, seconds / DAY


def in_a_row(
    days: Iterable[Daily], wanted: Collection[date], limit: Limit, coverage: Limit
) -> Literal["above", "not above", "unknown"]:
    """Whether the value was above the limit on every single one of the days that are ``wanted``.

    One covered day at or below the limit breaks the row, however little is known of the others. Only where all are
    covered it is whole. A day of which several values are known is what all of them say: above it, or unknown.
    """
    known: dict[date, list[float]] = {}
    for each in days:
        if each.day in wanted and coverage.met(each.coverage) and math.isfinite(each.value):
            known.setdefault(each.day, []).append(each.value)
    if any(all(limit.met(value) for value in values) for values in known.values()):
        return "not above"
    above = [day for day, values in known.items() if not any(limit.met(value) for value in values)]
    return "above" if wanted and set(above) == set(wanted) else "unknown"


def trend(values: Mapping[date, float] | Sequence[Daily]) -> Trend | None:
    """The line through the days that have a value, gaps left out; None with fewer than `LEAST_DAYS` of them.

    Theil and Sen take the median of the slopes between all pairs of days: up to 29 days of 100 may be nonsense, as
    after a clean-up or a day of load tests, without the line following them.
    """
    pairs = values.items() if isinstance(values, Mapping) else [(each.day, each.value) for each in values]
    points = sorted({day.toordinal(): value for day, value in pairs if math.isfinite(value)}.items())
    if len(points) < LEAST_DAYS:
        return None
    slope = median((later - sooner) / (after - before) for (before, sooner), (after, later) in combinations(points, 2))
    last = points[-1][0]
    latest = median(value + slope * (last - day) for day, value in points)
    return Trend(slope, latest, date.fromordinal(points[0][0]), date.fromordinal(last), len(points))
