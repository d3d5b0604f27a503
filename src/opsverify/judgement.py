"""The small vocabulary that rules speak: a limit, and what was observed against it.

A rule turns facts into a list of observations. Each says what was seen, what was expected, and whether that is
met. The list *is* the evidence, on a pass as well as on a failure; an empty list is never a pass, because a rule
that observed nothing has shown nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]
Relation = Literal["at_most", "at_least", "more_than", "less_than", "equals"]
# Which way a number gets worse. What is "older" gets higher by the clock alone, whatever is done to the system.
Worse = Literal["higher", "lower", "older"]

CLOCK_TOLERANCE = timedelta(minutes=5)  # by which the clocks of two machines may differ
EXACT = 1e-9  # a quotient that equals its limit must not fail on the last bit of its arithmetic

BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

WORDS: dict[Relation, str] = {
    "at_most": "at most",
    "at_least": "at least",
    "more_than": "more than",
    "less_than": "less than",
    "equals": "exactly",
}
WORSE_THAN: dict[Relation, Worse | None] = {
    "at_most": "higher",
    "at_least": "lower",
    "more_than": "lower",
    "less_than": "higher",
    "equals": None,
}


@dataclass(frozen=True)
class Limit:
    """One number (or exact value) of the manual: ``relation`` ``value`` ``unit``, and who gave it."""

    name: str
    relation: Relation
    value: Value
    unit: str
    origin: Literal["manual", "sibling", "default"]

    def met(self, observed: Value) -> bool:
        """Tell whether ``observed`` keeps to the limit. NaN and None never do."""
        if self.relation == "equals":
            return observed == self.value
        if not isinstance(observed, int | float) or not isinstance(self.value, int | float):
            return False
        slack = abs(self.value) * EXACT
        return {
            "at_most": observed <= self.value + slack,
            "at_least": observed >= self.value - slack,
            "more_than": observed > self.value + slack,
            "less_than": observed < self.value - slack,
        }[self.relation]

    def loosened_by(self, value: Value) -> bool:
        """Tell whether replacing this limit's value by ``value`` would demand less than the manual does."""
        if self.relation == "equals":
            return value != self.value
        if not isinstance(value, int | float) or not isinstance(self.value, int | float):
            return True
        return value > self.value if self.relation in ("at_most", "less_than") else value < self.value

    @property
    def worse(self) -> Worse | None:
        """Which way a number that is held against it gets worse; None where a value is either right or wrong."""
        return WORSE_THAN[self.relation]

    @property
    def number(self) -> float:
        """The value as a number.

        Raises:
            TypeError: when the limit is an exact, non-numeric value.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise TypeError(f"limit {self.name} is {self.value!r}, not a number")
        return float(self.value)

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The value as a tuple, for limits that list what is allowed."""
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def __str__(self) -> str:
        return f"{WORDS[self.relation]} {show(self.value)}"


class Limits:
    """The limits of one requirement as attributes: ``limits.connections_used``."""

    def __init__(self, requirement: str, limits: Iterable[Limit]) -> None:
        self._requirement = requirement
        self._limits = {limit.name: limit for limit in limits}

    def __getattr__(self, name: str) -> Limit:
        try:
            return self._limits[name]
        except KeyError:
            known = ", ".join(sorted(self._limits)) or "none"
            raise AttributeError(f"{self._requirement} has no limit {name!r} (it has: {known})") from None

    def __iter__(self) -> Iterator[Limit]:
        return iter(self._limits.values())


@dataclass(frozen=True)
class Observation:
    """What one look at the system showed: ``observed`` against ``expected``, in ``unit``.

    ``worse`` is the way in which a number gets worse, so that two looks can be held against each other.
    """

    name: str
    observed: Value
    expected: str
    met: bool
    unit: str = ""
    worse: Worse | None = None

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit and not isinstance(self.observed, str) else ""
        return f"{self.name}: observed {show(self.observed)}{unit}, expected {self.expected}{unit}"


def within(name: str, observed: Value, limit: Limit) -> Observation:
    """Observe a value against a limit of the catalogue."""
    return Observation(name, observed, str(limit), limit.met(observed), limit.unit, limit.worse)


def holds(name: str, observed: Value, expected: str, met: bool) -> Observation:
    """Observe a fact that is no number: ``expected`` says in words what would have been right."""
    return Observation(name, observed, expected, met)


def aged(name: str, moment: datetime, now: datetime, limit: Limit) -> Observation:
    """Observe how old something is, in the limit's unit. What lies in the future, but for clocks, is not young."""
    age = now - moment
    in_unit = age / timedelta(**{limit.unit: 1})
    worse: Worse | None = "older" if limit.worse == "higher" else limit.worse
    return Observation(name, in_unit, str(limit), limit.met(in_unit) and age >= -CLOCK_TOLERANCE, limit.unit, worse)


def none_of(name: str, offenders: Iterable[str], *, seen: int, of: str) -> Observation:
    """Observe that nothing of a kind is there, having looked at ``seen`` things (``of``: their name).

    ``seen`` is what proves visibility. The caller raises `InsufficientFactsError` where nothing could be seen
    and that means that the probe was blind.
    """
    found = tuple(sorted(offenders))
    return Observation(name, found if found else f"none among {seen} {of}", "none", not found)


def unmet(observations: Sequence[Observation]) -> list[Observation]:
    """The findings: observations that are not met."""
    return [each for each in observations if not each.met]


def byte_size(size: float) -> str:
    """A number of bytes as a person reads it, in the unit of 1024s that fits: ``1.5 GiB``."""
    power = min(len(BYTES) - 1, int(math.log(abs(size), 1024))) if abs(size) >= 1 else 0
    return f"{size / 1024**power:.4g} {BYTES[power]}"


def show(value: Value) -> str:
    """Write a value as a person reads it: six significant digits, lists without brackets."""
    if isinstance(value, tuple):
        return ", ".join(show(each) for each in value) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return "nothing" if value is None or value == "" else str(value)
