"""How long the live systems take to answer: the same small question again and again, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from opsverify.channels.cache import CacheChannel
from opsverify.channels.sql import SqlChannel
from opsverify.channels.web import WebChannel
from opsverify.errors import OpsverifyError, UnansweredError
from opsverify.probes import web
from opsverify.run import Run

OK = 200
PAUSE_S = 0.1  # between two rounds: a machine that is busy for a moment is to show in a few samples, not in all
BUDGET_S = 60.0  # for the samples of one target; one that takes longer has shown enough with `ENOUGH` of them
ENOUGH = 5

Sleep = Callable[[float], object]


@dataclass(frozen=True)
class Latencies:
    """Seconds of each answer by name (``api api``), in order; ``unmeasured`` are those of which a sample failed."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)


def latencies(run: Run, count: int, sleep: Sleep = time.sleep) -> Latencies:
    """Take ``count`` samples of every API's health page, of ``SELECT 1`` in every database, of every cache's PING.

    One question after the other, in rounds, each over a connection that is open: the first round, which opens them, is
    thrown away. One sample that fails leaves a target without any: a refusal is quick, and quick is what these
    numbers call good.
    """
    asked = {name: partial(_ask, run, kind, target, ask) for name, kind, target, ask in _asked(run)}
    return rounds(asked, count, sleep, run.redactor.text)


def rounds(
    asked: Mapping[str, Callable[[], float]], count: int, sleep: Sleep, shown: Callable[[str], str] = str
) -> Latencies:
    """As `latencies`, by name; ``shown`` redacts why a target is unmeasured.

    A target whose samples take longer than `BUDGET_S` together has fewer of them, but `ENOUGH`.
    """
    found: dict[str, list[float]] = {name: [] for name in asked}
    unmeasured: dict[str, str] = {}
    for number in range(count + 1):
        for name, ask in asked.items():
            mine = found[name]
            if name in unmeasured or (len(mine) >= ENOUGH and sum(mine) >= BUDGET_S):
                continue
            try:
                seconds = ask()
            except OpsverifyError as error:
                unmeasured[name] = shown(str(error))
            except Exception as error:  # an answer that no one thought of is no measurement either
                unmeasured[name] = shown(f"{type(error).__name__}: {error}")
            else:
                mine += [seconds] if number else []
        if number < count:
            sleep(PAUSE_S)
    return Latencies({name: some for name, some in found.items() if name not in unmeasured}, unmeasured)


def _asked(run: Run) -> Iterator[tuple[str, str, str, Callable[[Any], float]]]:
    yield from ((f"api {each.name}", "api", each.name, page) for each in run.profile.apis)
    yield from ((f"database {each.name}", "database", each.name, query) for each in run.profile.databases)
    yield from ((f"cache {each.name}", "cache", each.name, ping) for each in run.profile.caches)


def _ask(run: Run, kind: str, target: str, ask: Callable[[Any], float]) -> float:
    return ask(run.channel(kind, target))


def page(api: WebChannel) -> float:
    """Seconds that the health page takes.

    Raises:
        UnansweredError: it does not answer, or not that all is well.
    """
    found = web.health(api).required()
    if found.status != OK or found.claims not in web.HEALTHY:
        raise UnansweredError(f"{api.target}: answers with status {found.status} and claims to be: {found.claims}")
    return found.seconds


def query(database: SqlChannel) -> float:
    """Seconds that ``SELECT 1`` takes in the open session."""
    return database.roundtrip()


def ping(cache: CacheChannel) -> float:
    """Seconds that PING takes."""
    return cache.roundtrip()
