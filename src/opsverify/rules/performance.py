"""Rules of the chapter *performance*: the cache's memory and eviction, the application's memory and restarts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, holds, unmet, within
from opsverify.probes.caches import CacheMemory, Eviction
from opsverify.probes.containers import Container, Usage
from opsverify.rules.health import restarts_since


def cache_memory(memory: CacheMemory, limits: Limits) -> list[Observation]:
    """The cache is bounded, and either has room or, being full by design, evicts slowly; it wastes little.

    Full by design is only a cache that may evict every key: under any other policy a full cache refuses writes,
    or will as soon as the keys with an expiry are used up, and a low rate of evictions is no comfort.
    """
    observations = [holds("maxmemory", memory.most or "none", "a bound is set", memory.most > 0)]
    if memory.most > 0:
        used = memory.used / memory.most
        slow = memory.policy.startswith("allkeys-") and limits.evictions_per_second.met(memory.evicted_per_second)
        expected = f"{limits.memory_used}, or evicting {limits.evictions_per_second} keys/s by an allkeys- policy"
        observations += [
            Observation("memory used", used, expected, limits.memory_used.met(used) or slow, "ratio"),
            holds("eviction policy", memory.policy, "shown", met=True),
            within("evicted keys", memory.evicted_per_second, limits.evictions_per_second),
        ]
    if memory.used > limits.fragmentation_from_bytes.number:
        observations.append(within("fragmentation", memory.fragmentation, limits.fragmentation))
    refused = memory.refused_for_memory
    observations.append(holds("commands refused for lack of memory", refused, "none", refused == 0))
    return observations


def evicts_as_told(eviction: Eviction, limits: Limits) -> list[Observation]:
    """The policy is right now *and* will be after a restart: CONFIG SET alone is gone with the process."""
    return [
        within("policy live", eviction.live, limits.policy),
        within("policy in the configuration file", eviction.persisted, limits.policy),
        holds(
            "started from",
            eviction.config_file or "no file",
            "a configuration file",
            bool(eviction.config_file),
        ),
    ]


def application_memory(usages: Sequence[tuple[Container, Usage]], limits: Limits) -> list[Observation]:
    """The resident memory of the application keeps away from the limit of its container."""
    if not usages:
        raise InsufficientFactsError("the application does not run, so it uses no memory that could be judged")
    unlimited = [container.name for container, _ in usages if not container.memory_limit]
    if unlimited:
        raise InsufficientFactsError(f"no memory limit to measure against: {', '.join(unlimited)}")
    return [
        within(f"{container.name} resident memory", usage.resident / container.memory_limit, limits.memory_used)
        for container, usage in usages
    ]


def application_restarts(containers: Sequence[Container], limits: Limits, now: datetime) -> list[Observation]:
    """The application was not killed for memory, and is not restarted again and again.

    Raises:
        InsufficientFactsError: nothing speaks against it but a count of restarts that reaches back beyond the week.
    """
    if not containers:
        raise InsufficientFactsError("no container of the application exists")
    begun = now - timedelta(days=7)
    observations, unknown = [], []
    for each in containers:
        killed = each.oom_killed  # the engine forgets it at every start
        observations.append(holds(f"{each.name} killed for memory since its last start", killed, "no", not killed))
        restarts = restarts_since(each, begun)
        # One restart at least was in the week; with more of them allowed, older ones must not be counted in.
        if each.created < begun and not limits.restarts_7d.met(restarts) and limits.restarts_7d.number >= 1:
            unknown.append(f"{each.name} was restarted {restarts} times since {each.created:%Y-%m-%d %H:%M} UTC")
        else:
            observations.append(within(f"{each.name} restarts in 7 days", restarts, limits.restarts_7d))
    if unknown and not unmet(observations):
        raise InsufficientFactsError(
            f"{'; '.join(unknown)}, the last time in the last 7 days; the engine does not say how many fall in them"
        )
    return observations
