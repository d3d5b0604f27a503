"""How long the live systems take to answer: the same small question again and again, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
BUDGET_S = 60.0  # for the samples of one target; one that takes longer has shown enough with `ENOUGH` of them
ENOUGH = 5


@dataclass(frozen=True)
class Latencies:
    """Seconds of each answer by name (``api api``), in order; ``unmeasured`` are those of which a sample failed."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)


def latencies(run: Run, count: int) -> Latencies:
    """Take ``count`` samples of every API's health page, of ``SELECT 1`` in every database, of every cache's PING.

    Each over a connection that is open: the first question, which opens it, is thrown away. One sample that fails
    leaves a target without any: a refusal is quick, and quick is what these numbers call good.
    """
    found = Latencies()
    for name, kind, target, ask in _asked(run):
        try:
            found.samples[name] = sampled(partial(ask, run.channel(kind, target)), count)
        except OpsverifyError as error:
            found.unmeasured[name] = run.redactor.text(str(error))
        except Exception as error:  # an answer that no one thought of is no measurement either
            found.unmeasured[name] = run.redactor.text(f"{type(error).__name__}: {error}")
    return found


def _asked(run: Run) -> Iterator[tuple[str, str, str, Callable[[Any], float]]]:
    yield from ((f"api {each.name}", "api", each.name, page) for each in run.profile.apis)
    yield from ((f"database {each.name}", "database", each.name, query) for each in run.profile.databases)
    yield from ((f"cache {each.name}", "cache", each.name, ping) for each in run.profile.caches)


def sampled(ask: Callable[[], float], count: int, clock: Callable[[], float] = time.monotonic) -> list[float]:
    """``count`` samples after one that is thrown away; fewer, but `ENOUGH`, where they take longer than `BUDGET_S`.

    Raises:
        UnansweredError: as ``ask``, at the first sample that fails.
    """
    begun = clock()
    ask()
    found: list[float] = []
    while len(found) < count and (len(found) < ENOUGH or clock() - begun < BUDGET_S):
        found.append(ask())
    return found


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
