"""Attestations: dated, reviewed statements of people, for what no machine can see.

``attestations.toml`` holds ``[[attestation]]`` tables and nothing else. The newest one of a requirement counts; older
ones stay in the file as history.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError, model_validator

from opsverify.catalogue import Catalogue, Strict, Text, first_problem
from opsverify.errors import UsageError
from opsverify.profile import Profile

M = TypeVar("M", bound=BaseModel)
D = TypeVar("D", bound=dt.date)


def plausible(value: D) -> D:
    """A day or time near enough to ours to calculate with."""
    if not 2000 <= value.year < 3000:
        raise ValueError("expected a year from 2000 to 2999")
    return value


def _at_most_a_leap_year(value: str) -> str:
    if not 1 <= int(value[:-1]) <= 366:
        raise ValueError('expected 1 to 366 days, such as "90d"')
    return value


def _inside(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or value != path.as_posix() or value == ".":
        raise ValueError("expected a path inside the folder of this file, without .. and not absolute")
    return value


Days = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}d$"), AfterValidator(_at_most_a_leap_year)]
Inside = Annotated[Text, AfterValidator(_inside)]


def days(value: str) -> int:
    """The number of days in ``"90d"``."""
    return int(value.removesuffix("d"))


def same_person(one: str, other: str) -> bool:
    """Tell whether two names are one person's, however they are written.

    Spacing, capitals, accents and what cannot be seen make no difference, nor "Brandt, Jonas", "Jonas Brandt <address>"
    or the address jonas.brandt@… itself.
    """
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    """A name as it is compared; an address counts as the name before its @."""
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    seen = "".join(each for each in parts if unicodedata.category(each) not in ("Mn", "Cf"))
    named = re.sub(r"<[^<>]*>", " ", seen) if seen.strip()[:1] != "<" else seen.strip().strip("<>")
    if "@" in named:
        named = re.sub(r"[._+-]", " ", named.partition("@")[0])
    last, _, first = named.partition(",")
    return " ".join(f"{first} {last}".split())


class Statement(Strict):
    """What a person says, who read it over, when, and how many days it holds."""

    by: Text
    reviewed_by: Text
    date: Annotated[dt.date, AfterValidator(plausible)]
    valid_for: Days

    @model_validator(mode="after")
    def _reviewed_by_another(self) -> Self:
        if same_person(self.by, self.reviewed_by):
            raise ValueError(f"reviewed_by: {self.reviewed_by!r} made the statement, expected another person")
        return self

    @property
    def expires(self) -> dt.date:
        """The last day (UTC) on which it holds."""
        return self.date + dt.timedelta(days=days(self.valid_for))

    def shown(self, statement: str) -> dict[str, str]:
        """As the record keeps it."""
        return {
            "statement": statement,
            "by": self.by,
            "reviewed_by": self.reviewed_by,
            "date": self.date.isoformat(),
            "expires": self.expires.isoformat(),
        }


class Attestation(Statement):
    """A statement about one requirement (on one target, or on all), and the file that bears it out."""

    requirement: Text
    target: Text | None = None
    statement: Text
    artefact: Inside
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

    def shown(self, statement: str = "") -> dict[str, str]:
        """As the record keeps it, with the artefact."""
        return {**super().shown(statement or self.statement), "artefact": self.artefact, "sha256": self.sha256}

    def about(self, requirement: str, target: str) -> bool:
        """Tell whether it speaks of a requirement on a target."""
        return self.requirement == requirement and self.target in (None, target)


class _File(Strict):
    attestation: list[Attestation] = Field(default_factory=list)


def parsed(model: type[M], text: str, file: str) -> M:
    """A TOML text as ``model``.

    Raises:
        UsageError: one line with file and key.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
        return model.model_validate(data)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not readable as TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{file}: not readable as TOML: brackets within brackets, too deep") from None
    except ValidationError as error:
        raise UsageError(f"{file}: {first_problem(error)}") from None


def parse(text: str, file: str) -> list[Attestation]:
    """The attestations of a file, in its order.

    Raises:
        UsageError: one line with file and key.
    """
    return parsed(_File, text, file).attestation


def check(entries: Iterable[Attestation], catalogue: Catalogue, profile: Profile, file: str, today: dt.date) -> None:
    """Hold all attestations of a file against catalogue, profile and calendar.

    Raises:
        UsageError: as `check_entry`.
    """
    for position, entry in enumerate(entries):
        check_entry(entry, catalogue, profile, f"{file}: attestation.{position}.", today)


def check_entry(entry: Attestation, catalogue: Catalogue, profile: Profile, key: str, today: dt.date) -> None:
    """Hold an attestation against catalogue, profile and calendar (``today`` in UTC); ``key`` says which one it is.

    Raises:
        UsageError: an unknown requirement or target, a requirement that no one can attest, a date to come.
    """
    if entry.requirement not in catalogue:
        raise UsageError(f"{key}requirement: {entry.requirement!r} is not in the catalogue")
    requirement = catalogue[entry.requirement]
    if "attested" not in requirement.kind:
        kinds = ", ".join(requirement.kind)
        raise UsageError(f"{key}requirement: {entry.requirement} is proven by a machine ({kinds}), not attested")
    known = profile.names(*requirement.target_kinds)
    if entry.target not in (None, *known):
        there = ", ".join(known) or "none"
        kinds = " or ".join(requirement.target_kinds)
        raise UsageError(f"{key}target: no {kinds} {entry.target!r} in the profile (it has: {there})")
    if entry.date > today:
        raise UsageError(f"{key}date: {entry.date} is in the future, expected at most {today} (UTC)")


def newest(entries: Iterable[Attestation], requirement: str, target: str) -> Attestation | None:
    """The attestation that counts: the latest date; of two on one day, the one further down."""
    found = None
    for entry in entries:
        if entry.about(requirement, target) and (found is None or entry.date >= found.date):
            found = entry
    return found
