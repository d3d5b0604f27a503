"""What a case is: a fault with what it turns red, or a near miss with what stays green; and which go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TypeVar

from lab import faults

Inject = Callable[[], AbstractContextManager[Any]]
Append = str | Callable[[], str]


@dataclass(frozen=True)
class Fault:
    """A fault, exactly what it turns red, and what depends on it so closely that it may turn red as well.

    ``append`` is added to the lab's profile, or makes what is, before the fault is there. Faults of different lanes
    have nothing in common, so one run looks at one of each; those without a lane are looked at alone.
    """

    name: str
    inject: Inject
    red: dict[str, str]
    dependents: dict[str, str] = field(default_factory=dict)
    append: Append = ""
    lane: str = ""


@dataclass(frozen=True)
class NearMiss:
    """Something that looks like a fault of these requirements and is none; ``append`` and ``lane`` as of a fault."""

    name: str
    inject: Inject
    green: tuple[str, ...]
    append: Append = ""
    lane: str = ""


Case = TypeVar("Case", Fault, NearMiss)


def batches(cases: Sequence[Case]) -> list[tuple[Case, ...]]:
    """The cases in as few runs as their lanes allow, in their order."""
    found: list[tuple[Case, ...]] = [(case,) for case in cases if not case.lane]
    lanes: dict[str, list[Case]] = {}
    for case in cases:
        if case.lane:
            lanes.setdefault(case.lane, []).append(case)
    for batch in zip_longest(*lanes.values()):
        found.append(tuple(each for each in batch if each is not None))
    return found


def named(batch: tuple[Fault, ...] | tuple[NearMiss, ...]) -> str:
    """The name of a batch, as a test's id."""
    return "; ".join(each.name for each in batch).replace(" ", "-")


def injected(batch: tuple[Fault, ...] | tuple[NearMiss, ...]) -> AbstractContextManager[Any]:
    """All cases of a batch at once."""
    return faults.all_of(*(each.inject() for each in batch))


def appended(batch: tuple[Fault, ...] | tuple[NearMiss, ...]) -> str:
    """What a batch adds to the profile."""
    return "".join(each.append if isinstance(each.append, str) else each.append() for each in batch)


def together(*parts: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """Several faults at once."""
    return faults.all_of(*parts)


def aged(part: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """A fault that has lasted for three seconds when it is looked at."""
    return faults.all_of(part, pause=3)
