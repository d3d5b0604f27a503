"""What a case is: a fault with what it turns red, or a near miss with what stays green."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from lab import faults

Inject = Callable[[], AbstractContextManager[Any]]
EVERYTHING = ("checks",)


@dataclass(frozen=True)
class Fault:
    """A fault, exactly what it turns red, and what depends on it so closely that it may turn red as well.

    ``append`` is added to the lab's profile; ``paths`` are the checks that run, all of them where the fault is one
    of a live system.
    """

    name: str
    inject: Inject
    red: dict[str, str]
    dependents: dict[str, str] = field(default_factory=dict)
    append: str = ""
    paths: tuple[str, ...] = EVERYTHING


@dataclass(frozen=True)
class NearMiss:
    """Something that looks like a fault of these requirements and is none."""

    name: str
    inject: Inject
    green: tuple[str, ...]
    append: str = ""


def together(*parts: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """Several faults at once."""
    return faults.all_of(*parts)


def aged(part: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """A fault that has lasted for three seconds when it is looked at."""
    return faults.all_of(part, pause=3)
