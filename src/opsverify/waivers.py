"""Waivers: failures that people have decided to live with for a while, and who decided it, why, and until when.

``waivers.toml`` holds ``[[waiver]]`` tables and nothing else. Whatever is wrong with one of them stops every run: a
waiver that has run out, or that nobody else approved, is no waiver, and must not be taken for one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from opsverify.attestations import parsed, plausible, same_person
from opsverify.catalogue import Catalogue, Strict, Text
from opsverify.errors import UsageError
from opsverify.profile import Profile

EVERY = "*"  # as a subject: every target that the requirement is about
EXPIRING_DAYS = 14  # from when on every run says that a waiver runs out soon

Day = Annotated[dt.date, AfterValidator(plausible)]


class Waiver(Strict):
    """One waiver: a requirement on a target (or ``"*"``, on all of them), and the last day (UTC) on which it holds."""

    requirement: Text
    subject: Text
    reason: Text
    risk: Text
    requested_by: Text
    approved_by: Text
    ticket: Text
    created: Day
    expires: Day

    @model_validator(mode="after")
    def _approved_by_another_and_forward(self) -> Self:
        if same_person(self.requested_by, self.approved_by):
            raise ValueError(f"approved_by: {self.approved_by!r} requested it, expected another person")
        if self.expires < self.created:
            raise ValueError(f"expires: {self.expires} is before it was created ({self.created})")
        return self

    def __str__(self) -> str:
        return f"{self.requirement} on {'every target' if self.subject == EVERY else self.subject}"

    def about(self, requirement: str, target: str) -> bool:
        """Tell whether it speaks of a requirement on a target."""
        return self.requirement == requirement and self.subject in (EVERY, target)

    def days_left(self, today: dt.date) -> int:
        """Days from ``today`` on which it still holds after today."""
        return (self.expires - today).days

    def shown(self, today: dt.date) -> dict[str, str | int]:
        """As the record keeps it."""
        return {**self.model_dump(mode="json"), "days_left": self.days_left(today)}


class Waivers(NamedTuple):
    """All waivers of a profile, with the file that they stand in and its digest; ``""`` where there is no file."""

    entries: tuple[Waiver, ...] = ()
    file: str = ""
    sha256: str = ""

    def of(self, requirement: str, target: str) -> Waiver | None:
        """The waiver of a requirement on a target, if there is one; there is never more than one."""
        return next((each for each in self.entries if each.about(requirement, target)), None)

    def packed(self) -> list[str]:
        """As a parallel worker is handed them, so that all of a run goes by the same ones."""
        return [self.file, self.sha256, *(each.model_dump_json() for each in self.entries)]

    @classmethod
    def unpacked(cls, packed: Sequence[str]) -> Self:
        """What `packed` gave."""
        file, digest, *entries = packed
        return cls(tuple(Waiver.model_validate_json(each) for each in entries), file, digest)


class _File(Strict):
    waiver: list[Waiver] = Field(default_factory=list)


def parse(text: str, file: str) -> Waivers:
    """The waivers of a file, in its order.

    Raises:
        UsageError: one line with file and key.
    """
    return Waivers(tuple(parsed(_File, text, file).waiver), file, hashlib.sha256(text.encode()).hexdigest())


def check(kept: Waivers, catalogue: Catalogue, profile: Profile, today: dt.date) -> None:
    """Hold all waivers of a file against catalogue, profile and calendar (``today`` in UTC).

    Raises:
        UsageError: an unknown requirement or target; a waiver from the future, one that has run out, or that holds for
            longer than the profile allows; two for the same thing.
    """
    for position, entry in enumerate(kept.entries):
        key = f"{kept.file}: waiver.{position}."
        _is_about_something(entry, catalogue, profile, key)
        _holds(entry, profile.program.waiver_days, key, today)
        _is_the_only_one(entry, kept.entries[:position], key)


def _is_about_something(entry: Waiver, catalogue: Catalogue, profile: Profile, key: str) -> None:
    if entry.requirement not in catalogue:
        raise UsageError(f"{key}requirement: {entry.requirement!r} is not in the catalogue")
    kinds = profile.kinds(catalogue[entry.requirement])
    known = profile.names(*kinds)
    if not known or entry.subject not in (EVERY, *known):
        raise UsageError(
            f"{key}subject: no {' or '.join(kinds)} {entry.subject!r} in the profile "
            f'(it has: {", ".join(known) or "none"}; "{EVERY}" stands for all of them)'
        )


def _holds(entry: Waiver, most_days: int, key: str, today: dt.date) -> None:
    if entry.created > today:
        raise UsageError(f"{key}created: {entry.created} is in the future, expected at most {today} (UTC)")
    if entry.expires < today:
        raise UsageError(f"{key}expires: the waiver of {entry} expired on {entry.expires}; review it, or take it out")
    latest = entry.created + dt.timedelta(days=most_days)
    if entry.expires > latest:
        days = (entry.expires - entry.created).days
        raise UsageError(
            f"{key}expires: {entry.expires} is {days} days after it was created, "
            f"expected at most {most_days} days ({latest})"
        )


def _is_the_only_one(entry: Waiver, earlier: Sequence[Waiver], key: str) -> None:
    for position, other in enumerate(earlier):
        same = entry.subject == other.subject or EVERY in (entry.subject, other.subject)
        if entry.requirement == other.requirement and same:
            raise UsageError(f"{key}subject: {entry} is waived by waiver.{position} ({other}) already")


def running_out(entries: Iterable[Waiver], within: int, today: dt.date) -> list[Waiver]:
    """Those that hold for so many days after today at most, the next to run out first."""
    found = [each for each in entries if each.days_left(today) <= within]
    return sorted(found, key=lambda each: (each.expires, each.requirement, each.subject))
