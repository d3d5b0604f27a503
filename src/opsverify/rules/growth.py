"""Rules of a database's growth: what is left on its filesystem lasts for as long as the manual looks ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import linear_regression

from opsverify.days import Daily, ends_at, trend
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, byte_size, holds
from opsverify.past_runs import History
from opsverify.probes import Attempt
from opsverify.probes.documents import Attested
from opsverify.probes.growth import Present, Sizes
from opsverify.probes.room import Kept, Space
from opsverify.rules.forecast import FARTHEST
from opsverify.rules.room import needs_by_space
from opsverify.rules.statements import attested

# The history has to be that of this database: a series may be of another one, or leave out the largest.
LEAST_SHARE = 0.9
SIZE = "size of the database"  # as an observation is called, in this run as in earlier ones


@dataclass(frozen=True)
class Outlook:
    """Growth in bytes a day, by the line of Theil and Sen and by linear regression; ``now`` is the size today."""

    robust: float
    linear: float
    now: float

    @property
    def daily(self) -> float:
        """The worse of both; a database that shrinks is taken not to grow."""
        return max(0.0, self.robust, self.linear)


def window(days: Sequence[Daily], limits: Limits, now: datetime) -> list[Daily]:
    """The days that a forecast rests on: those that have a value among the last complete UTC days."""
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=limits.history_days.number)
    return [each for each in days if first <= each.day < today and math.isfinite(each.value)]


def too_short(days: Sequence[Daily], limits: Limits, now: datetime) -> str:
    """Why the history is no ground for a forecast; empty where it is.

    It has to reach back for so many days, and of the last so many enough have to be there.
    """
    known = [each.day for each in days if math.isfinite(each.value)]
    wanted = int(limits.history_days.number)
    today = now.astimezone(UTC).date()
    reaches = (today - min(known)).days if known else 0
    if not limits.history_days.met(reaches):
        return f"the history of its size reaches back {reaches} days, {limits.history_days} are needed"
    share = len(window(days, limits, now)) / wanted
    if not limits.history_coverage.met(share):
        return f"{share:.0%} of the last {wanted} days have a size, {limits.history_coverage.number:.0%} are needed"
    return ""


def outlook(sizes: Sizes, limits: Limits, now: datetime) -> Outlook:
    """What the history says of the days ahead.

    Raises:
        InsufficientFactsError: there is no line through it, or a figure is no number.
    """
    line = trend(window(sizes.days, limits, now))
    if line is None or not math.isfinite(sizes.current) or not math.isfinite(sizes.predicted):
        raise InsufficientFactsError("no line can be drawn through the history of its size")
    return Outlook(line.slope, (sizes.predicted - sizes.current) / limits.forecast_days.number, sizes.current)


def has_room(
    sizes: Sizes,
    present: Present,
    space: Space,
    archived: Attempt[tuple[Kept, ...]],
    retention_days: int,
    limits: Limits,
    now: datetime,
) -> list[Observation]:
    """The space that is left takes the growth of all days ahead, the write-ahead log at its largest, and the archive.

    What backups that lie on the same filesystem (``archived``) still need, to hold ``retention_days``, is not there for
    the database. A part of that which cannot be told makes an error of what would else be met, never of a finding.

    Raises:
        InsufficientFactsError: the history is too short, or not of this database.
    """
    short = too_short(sizes.days, limits, now)
    if short:
        raise InsufficientFactsError(short)
    if sizes.current < LEAST_SHARE * present.size:
        raise InsufficientFactsError(
            f"the series tells of {byte_size(sizes.current)}, but the database says that it takes "
            f"{byte_size(present.size)}: the selector leaves something out"
        )
    seen = outlook(sizes, limits, now)
    ahead = limits.forecast_days.number
    beside = present.wal_most - present.wal + _archive(archived, space, retention_days, now)
    growth = seen.daily * ahead
    needed = growth + beside
    parts = f"{byte_size(growth)} of growth in {ahead:g} days, {byte_size(beside)} of write-ahead log and backups there"
    observations = [
        Observation(
            f"space left on {space.mount}",
            byte_size(space.available),
            f"at least {byte_size(needed)}: {parts}",
            space.available >= needed,
        ),
        holds("growth a day, by Theil and Sen", _rate(seen.robust), "shown", met=True),
        holds("growth a day, by linear regression", _rate(seen.linear), "shown", met=True),
        holds("history", _history(window(sizes.days, limits, now), limits), "enough", met=True),
        reaches(space, beside, seen, now),
    ]
    if archived.value is None and all(each.met for each in observations):
        raise InsufficientFactsError(f"what backups on this filesystem still need cannot be told: {archived.failure}")
    return observations


def _archive(found: Attempt[tuple[Kept, ...]], space: Space, days: int, now: datetime) -> float:
    """What the backups on the database's own filesystem still need."""
    needs = needs_by_space(found.value or (), days, now)
    return sum(each.more for where, mine in needs if where.source == space.source for each in mine)


def reaches(space: Space, beside: float, seen: Outlook, now: datetime) -> Observation:
    """When the filesystem is full, as things go; shown, for the limit is what judges."""
    left, daily = max(0.0, space.available - beside), seen.daily
    days = left / daily if daily > 0 else math.inf
    if math.isinf(days):
        told = "never: it does not grow"
    elif days > FARTHEST:
        told = f"in more than {FARTHEST} days, {_rate(daily)} a day"
    else:
        told = f"in {days:.0f} days, about {now.astimezone(UTC).date() + timedelta(days=days)}, {_rate(daily)} a day"
    return holds(f"the database reaches the end of {space.mount}", told, "shown", met=True)


def now_takes(size: float) -> Observation:
    """The size of today, as a number: where nobody else remembers, later runs read it from the record of this one."""
    return Observation(SIZE, float(size), "any number of", met=True, unit="bytes")


def of_own_runs(earlier: History, requirement: str, target: str, present: Present, limits: Limits) -> Sizes:
    """The history of the size as earlier runs of the suite observed it, and what linear regression makes of it."""
    days = earlier.daily(requirement, target).get(SIZE, ())
    return Sizes(days, float(present.size), present.size + regression(days) * limits.forecast_days.number)


def regression(days: Sequence[Daily]) -> float:
    """The slope a day of the least squares' line through daily values; 0 where there are not two of them."""
    points = [(each.day.toordinal(), each.value) for each in days if math.isfinite(each.value)]
    if len(points) < 2:
        return 0.0
    return linear_regression(*zip(*points, strict=True)).slope


def _rate(daily: float) -> str:
    return f"{'-' if daily < 0 else '+'}{byte_size(abs(daily))}"


def _history(days: Sequence[Daily], limits: Limits) -> str:
    return f"{len(days)} of {limits.history_days.number:g} days, {days[0].day} to {days[-1].day}"


def filed(short: str, forecast: Attested | None, now: datetime) -> list[Observation]:
    """A dated, reviewed forecast in place of a history that is too ``short``.

    Raises:
        InsufficientFactsError: there is none; says why one would be needed.
    """
    if forecast is None:
        raise InsufficientFactsError(f"{short}, and no forecast is attested in its place")
    return [
        holds("history", short, "a forecast is attested in its place", met=True),
        *attested(forecast, "error", now),
    ]


def points(sizes: Sizes, now: datetime) -> list[tuple[float, float]]:
    """The history as points of a picture, up to now."""
    return [*((ends_at(each.day), each.value) for each in sizes.days), (now.timestamp(), sizes.current)]


def line(sizes: Sizes, limits: Limits, now: datetime) -> list[tuple[float, float]]:
    """The forecast as the two ends of a line: from now on, for as long as the manual looks ahead; none without one."""
    if too_short(sizes.days, limits, now):
        return []
    seen = outlook(sizes, limits, now)
    ahead = limits.forecast_days.number
    return [
        (now.timestamp(), seen.now),
        ((now + timedelta(days=ahead)).timestamp(), seen.now + seen.daily * ahead),
    ]
