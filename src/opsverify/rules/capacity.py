"""Rules of the chapter *capacity*: steady targets and scale-out triggers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from opsverify.days import LEAST_SHARE, Daily, day_of
from opsverify.days import in_a_row as days_in_a_row
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import EXACT, Limit, Limits, Observation, holds, show, unmet, within
from opsverify.probes.daily import Days
from opsverify.probes.machine import Filesystem
from opsverify.probes.series import Latency, Utilisation
from opsverify.rules.statements import complete
from opsverify.targets import Interface

SHOWN = 20  # of a list that may be as long as a host has containers


def disk_left(filesystems: Sequence[Filesystem], limits: Limits) -> list[Observation]:
    """Every filesystem on storage has room, by df's own measure: used ÷ (used + available), unrounded."""
    if not filesystems:
        raise InsufficientFactsError("no filesystem on storage is visible")
    return [within(disk_name(each), disk_used(each), limits.disk_used) for each in filesystems]


def disk_used(filesystem: Filesystem) -> float:
    """The share of a filesystem in use, of what ordinary processes can have; one that they can have none of is full."""
    room = filesystem.used + filesystem.available
    return filesystem.used / room if room else 1.0


def disk_name(filesystem: Filesystem) -> str:
    """What the use of a filesystem is called, in this run as in earlier ones."""
    return f"{filesystem.mount} used"


def utilisation(
    found: Sequence[Utilisation], expected: Sequence[str], limit: Limit, coverage: Limit, what: str
) -> list[Observation]:
    """Every instance keeps to the limit, judged only where its samples cover the window.

    The expected ones have to be there. Any other that Prometheus knows is a host of this system all the same, or a
    host that nobody entered in the profile could be full unseen; it is judged after them once it has been there for
    the window (one that came or went meanwhile is no reason to doubt the rest).

    Raises:
        InsufficientFactsError: nothing speaks against it, but an expected instance has no samples, too few, or such
            that are no share.
    """
    by_instance = {each.instance: each for each in found}
    observations, unknown = [], []
    for instance in [*expected, *sorted(set(by_instance) - set(expected))]:
        each = by_instance.get(instance)
        why = _unknown(each, coverage, what)
        if each is not None and not why:
            observations.append(within(f"{instance} {what}", each.used, limit))
        elif instance in expected:
            unknown.append(f"{instance}: {why}")
    return complete(observations, unknown)


def _unknown(each: Utilisation | None, coverage: Limit, what: str) -> str:
    """Why it cannot be told how much of an instance is used; empty where it can."""
    if each is None or not math.isfinite(each.used):
        return f"no samples of {what} in the window"
    if not _is_share(each.used):
        return f"{what} of {show(each.used)} is none: has a counter gone back?"
    if not coverage.met(each.coverage):
        return f"samples cover {each.coverage:.1%} of the window, needed: {coverage} of it"
    return ""


def _is_share(value: float) -> bool:
    return math.isfinite(value) and value >= LEAST_SHARE


def in_a_row(
    found: Sequence[Days], expected: Sequence[str], moments: Sequence[int], limits: Limits, what: str
) -> list[Observation]:
    """No instance is above the limit on every single one of the complete UTC days that end at ``moments``.

    One covered day at or below it will do. Instances that are not expected are judged as `utilisation` judges them.

    Raises:
        InsufficientFactsError: nothing speaks against it, but an expected instance has days without enough samples,
            and is above the limit on all others.
    """
    wanted = [day_of(moment) for moment in moments]
    by_instance = {each.instance: each.days for each in found}
    observations, unknown = [], []
    for instance in [*expected, *sorted(set(by_instance) - set(expected))]:
        days = by_instance.get(instance, ())
        known = [each for each in days if _is_share(each.value)]
        verdict = days_in_a_row(known, wanted, limits.daily_mean, limits.coverage)
        if verdict == "unknown":
            unknown += [f"{instance} {_covered(known, limits)} of {len(wanted)} days"] * (instance in expected)
            continue
        shown = tuple(f"{each.day} {_daily(each, limits)}" for each in days)
        rule = f"{limits.daily_mean} ratio on one of {len(wanted)} complete UTC days"
        observations.append(holds(f"{instance} {what} by day", shown, rule, verdict == "not above"))
    if unknown and not unmet(observations):
        raise InsufficientFactsError(
            f"{what}: enough samples has {'; '.join(unknown)}, none of them at or below the limit "
            f"(a day counts with {limits.coverage} of its samples)"
        )
    return observations


def _covered(days: Sequence[Daily], limits: Limits) -> int:
    return sum(limits.coverage.met(each.coverage) for each in days)


def _daily(day: Daily, limits: Limits) -> str:
    enough = "" if limits.coverage.met(day.coverage) else f" (samples cover {day.coverage:.0%})"
    return f"{show(day.value)}{enough}"


def bandwidth(
    found: Sequence[Days],
    interfaces: Sequence[Interface],
    expected: Sequence[str],
    busy: Sequence[tuple[str, str]],
    limits: Limits,
) -> list[Observation]:
    """The busier direction of each interface keeps to its share of what the profile says that it can carry.

    ``busy`` are instance and device of all that lead out and carry something. Those of instances that the profile does
    not expect, and gives no capacity, are shown.

    Raises:
        InsufficientFactsError: nothing speaks against it, but an expected instance has a busy interface, or no
            interface at all, that the profile gives a capacity, or an interface has no samples, or too few.
    """
    by_name = {(each.instance, each.device): each.days[-1] for each in found if each.days}
    observations, unknown = [], []
    for each in interfaces:
        day = by_name.get((each.instance, each.device))
        name = f"{each.instance} {each.device}"
        if day is None or not math.isfinite(day.value):
            unknown.append(f"{name}: no samples of both directions in the window")
        elif not limits.coverage.met(day.coverage):
            unknown.append(f"{name}: samples cover {day.coverage:.1%} of the window, needed: {limits.coverage} of it")
        else:
            observations.append(
                within(f"{name} P95 of {each.capacity_mbit:g} Mbit/s", day.value, limits.bandwidth_used)
            )
    known = {(each.instance, each.device) for each in interfaces}
    named = {each.instance for each in interfaces}
    for instance in sorted(set(expected) - named):
        unknown.append(f"{instance}: the profile names no interface of it with its capacity_mbit")
    for instance, device in sorted(set(busy) - known):
        if instance in expected and instance in named:
            unknown.append(f"{instance} {device}: it leads out and carries something; name it with its capacity_mbit")
    return complete([*observations, _not_judged(set(busy) - known, expected)], unknown)


def _not_judged(others: Iterable[tuple[str, str]], expected: Sequence[str]) -> Observation:
    """The busy interfaces of hosts that the profile does not expect: of what they can carry nothing is known."""
    names = [f"{instance} {device}" for instance, device in sorted(others) if instance not in expected]
    more = [f"and {len(names) - SHOWN} more"] * (len(names) > SHOWN)
    return holds("busy interfaces of other hosts, not judged", (*names[:SHOWN], *more) or "none", "shown", met=True)


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
        Observation(f"requests within {edge:g} s", share, "at least 0.95", share >= 0.95 - EXACT, "ratio", "lower"),
        holds(
            "P95 (estimate)",
            f"{histogram.quantile(0.95):.3g} s",
            f"{limits.p95_seconds} s",
            share >= 0.95 - EXACT,
        ),
        holds("requests", f"{count:.0f}", f"{limits.requests}", met=True),
    ]
