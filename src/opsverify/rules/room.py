"""Rules of room: the filesystems under backups and logs have space for all the days that these are to be kept.

What is there of these days already counts: a store that holds them in full needs no more. So this is about the rest,
and it tells on the first day of a new store, or after a jump in size, what would be found out when the disk is full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Observation, byte_size, holds
from opsverify.probes import Attempt
from opsverify.probes.room import Kept, Space
from opsverify.rules.statements import complete

Judged = Callable[[], list[Observation]]


@dataclass(frozen=True)
class Need:
    """What a folder takes: bytes a day, and those that are still to come until it holds all days."""

    folder: str
    daily: float
    more: float


def need(kept: Kept, days: int, now: datetime, held: int = 0) -> Need | None:
    """What a folder that is to hold so many days needs, by the complete UTC days among the last of them.

    A day is as large as the median of those on which something was written; where that is not on every day, as with
    base backups once a week, a day is its share of that. What is older than these days is not theirs, and makes no room
    for them unless somebody deletes it. Where no file is of a complete day, as with a log that is never rotated, a day
    is the mean of those that are known to be ``held`` in there; None without any.
    """
    today = now.astimezone(UTC).date()
    theirs = {day: size for day, size in kept.by_day.items() if today - timedelta(days=days) <= day <= today and size}
    written = {day: size for day, size in theirs.items() if day < today}
    if not written:
        mean = kept.total / held if held else 0.0
        return Need(kept.folder, mean, max(0.0, mean * days - kept.total)) if mean else None
    daily = median(written.values()) * len(written) / (today - min(written)).days
    return Need(kept.folder, daily, max(0.0, daily * days - sum(theirs.values())))


def with_room(
    judged: Judged, found: Attempt[tuple[Kept, ...]], days: int, now: datetime, held: int = 0
) -> list[Observation]:
    """What else was judged of a store, and that the filesystems under it have room; a finding of either beats an error.

    Raises:
        InsufficientFactsError: one of them cannot be told, and nothing speaks against the other.
    """
    observations: list[Observation] = []
    lacking: list[str] = []
    try:
        observations += judged()
    except InsufficientFactsError as error:
        lacking.append(str(error))
    try:
        observations += has_room(found, days, now, held)
    except InsufficientFactsError as error:
        lacking.append(str(error))
    return complete(observations, lacking)


def has_room(found: Attempt[tuple[Kept, ...]], days: int, now: datetime, held: int = 0) -> list[Observation]:
    """Each filesystem under the folders has room for what they still need, to hold so many days at their median size.

    ``held`` as of `need`.

    Raises:
        InsufficientFactsError: what lies there cannot be told, or there is not one complete day to go by.
    """
    if found.value is None:
        raise InsufficientFactsError(f"the room for {days} days cannot be told: {found.failure}")
    needs = needs_by_space(found.value, days, now, held)
    if not needs:
        folders = ", ".join(each.folder for each in found.value) or "a folder that is there"
        raise InsufficientFactsError(
            f"{folders}: nothing was written on any complete UTC day of the last {days}, "
            "so nobody knows what a day takes"
        )
    counted = {each.folder for _, mine in needs for each in mine}
    young = tuple(each.folder for each in found.value if each.folder not in counted)
    observations = [_fits(space, mine, days) for space, mine in needs]
    if young:
        observations.append(holds("folders that hold no complete day yet, not counted", young, "shown", met=True))
    return observations


def needs_by_space(found: Iterable[Kept], days: int, now: datetime, held: int = 0) -> list[tuple[Space, list[Need]]]:
    """The needs of folders by the filesystem that they lie on, told apart by its device."""
    by_source: dict[str, tuple[Space, list[Need]]] = {}
    for each in found:
        needed = need(each, days, now, held)
        if needed is not None:
            by_source.setdefault(each.space.source, (each.space, []))[1].append(needed)
    return list(by_source.values())


def _fits(space: Space, needs: Sequence[Need], days: int) -> Observation:
    more, daily = sum(each.more for each in needs), sum(each.daily for each in needs)
    folders = ", ".join(each.folder for each in needs)
    return Observation(
        f"space left on {space.mount} for {folders}",
        byte_size(space.available),
        f"at least {byte_size(more)}, to hold {days} days of {byte_size(daily)} (what is there counts)",
        space.available >= more,
    )
