"""What a case is: a fault with what it turns red, or a near miss with what stays green; and which go together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lab import faults

# Lanes whose faults change the same thing and put back what was there: one after the other. All others: side by side.
TOGETHER = {
    **dict.fromkeys(("postgres", "roles", "privileges", "wal", "keys", "replica", "drills"), "database"),
    **dict.fromkeys(("links", "elasticsearch", "monitoring", "alerts"), "stand-ins"),
    **dict.fromkeys(("nginx", "listener"), "nginx"),
    **dict.fromkeys(("documents", "audits", "incidents"), "documents"),
    **dict.fromkeys(("backups", "sealed", "base", "copies"), "backups"),
}

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
    """The cases in few runs: those of one lane apart, and so are those that touch the same check.

    Otherwise one of them could hide that the other turns nothing red.
    """
    alone: list[list[Case]] = [[case] for case in cases if not case.lane]
    found: list[list[Case]] = []
    laned = [each for each in cases if each.lane]
    for case in sorted(laned, key=lambda each: -sum(_clash(each, other) for other in laned)):
        fitting = (batch for batch in found if not any(_clash(case, other) for other in batch))
        batch = next(fitting, None)
        if batch is None:
            found.append([case])
        else:
            batch.append(case)
    return [tuple(each) for each in alone + found]


def _clash(one: Fault | NearMiss, other: Fault | NearMiss) -> bool:
    if one.lane == other.lane:
        return True
    if isinstance(one, NearMiss) or isinstance(other, NearMiss):
        return False
    return not ({*one.red, *one.dependents}.isdisjoint(other.red) and {*one.red}.isdisjoint(other.dependents))


def named(batch: tuple[Fault, ...] | tuple[NearMiss, ...]) -> str:
    """The name of a batch, as a test's id."""
    return "; ".join(each.name for each in batch).replace(" ", "-")


@contextmanager
def injected(batch: tuple[Fault, ...] | tuple[NearMiss, ...]) -> Iterator[None]:
    """All cases of a batch at once: most of a fault's time is spent waiting, so they come and heal side by side."""
    groups: dict[str, ExitStack] = {}
    begun: list[Future[None]] = []

    def inject(cases: Sequence[Fault | NearMiss], stack: ExitStack) -> None:
        for case in cases:
            stack.enter_context(case.inject())

    with ThreadPoolExecutor(max_workers=8) as pool:
        try:
            for name in dict.fromkeys(TOGETHER.get(each.lane, each.lane) for each in batch):
                cases = [each for each in batch if TOGETHER.get(each.lane, each.lane) == name]
                groups[name] = ExitStack()
                begun.append(pool.submit(inject, cases, groups[name]))
            for each in begun:
                each.result()
            yield
        finally:
            wait(begun)
            healing = [pool.submit(stack.close) for stack in groups.values()]
            wait(healing)
            for each in healing:
                each.result()


def appended(batch: tuple[Fault, ...] | tuple[NearMiss, ...]) -> str:
    """What a batch adds to the profile."""
    return "".join(each.append if isinstance(each.append, str) else each.append() for each in batch)


def together(*parts: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """Several faults at once."""
    return faults.all_of(*parts)


def aged(part: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """A fault that has lasted for three seconds when it is looked at."""
    return faults.all_of(part, pause=3)
