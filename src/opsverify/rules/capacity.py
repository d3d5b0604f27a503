"""Rules of the chapter *capacity*: steady targets and scale-out triggers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import EXACT, Limit, Limits, Observation, holds, within
from opsverify.probes.machine import Filesystem
from opsverify.probes.series import Latency, Utilisation


def disk_left(filesystems: Sequence[Filesystem], limits: Limits) -> list[Observation]:
    """Every filesystem on storage has room, by df's own measure: used ÷ (used + available), unrounded."""
    if not filesystems:
        raise InsufficientFactsError("no filesystem on storage is visible")
    return [
        within(
            f"{each.mount} used",
            each.used / (each.used + each.available) if each.used + each.available else 1.0,
            limits.disk_used,
        )
        for each in filesystems
    ]


def utilisation(
    found: Sequence[Utilisation], expected: Sequence[str], limit: Limit, coverage: Limit, what: str
) -> list[Observation]:
    """Every instance keeps to the limit, judged only where its samples cover the window.

    The expected ones have to be there. Any other that Prometheus knows is a host of this system all the same, or a
    host that nobody entered in the profile could be full unseen; it is judged after them once it has been there for
    the window (one that came or went meanwhile is no reason to doubt the rest).

    Raises:
        InsufficientFactsError: an expected instance has no samples, too few, or NaN.
    """
    by_instance = {each.instance: each for each in found}
    for instance in expected:
        each = by_instance.get(instance)
        if each is None or not math.isfinite(each.used):
            raise InsufficientFactsError(f"{instance}: no samples of {what} in the window")
        if not coverage.met(each.coverage):
            raise InsufficientFactsError(
                f"{instance}: samples cover {each.coverage:.1%} of the window, needed: {coverage} of it"
            )
    others = [each for each in found if math.isfinite(each.used) and coverage.met(each.coverage)]
    instances = [*expected, *sorted({each.instance for each in others} - set(expected))]
    return [within(f"{instance} {what}", by_instance[instance].used, limit) for instance in instances]


def latency(histogram: Latency, limits: Limits) -> list[Observation]:
    """95 % of the requests end within the limit, decided exactly by the bucket at that edge.

    Raises:
        InsufficientFactsError: too few requests.
        UnansweredError: the histogram has no bucket at the limit.
    """
    count = histogram.count
    if not limits.requests.met(count):
        raise InsufficientFactsError(f"{count:.0f} requests in the window, {limits.requests} are needed")
    edge = limits.p95_seconds.number
    share = histogram.share_within(edge)
    return [
        Observation(f"requests within {edge:g} s", share, "at least 0.95", share >= 0.95 - EXACT, "ratio"),
        holds(
            "P95 (estimate)",
            f"{histogram.quantile(0.95):.3g} s",
            f"{limits.p95_seconds} s",
            share >= 0.95 - EXACT,
        ),
        holds("requests", f"{count:.0f}", f"{limits.requests}", met=True),
    ]
