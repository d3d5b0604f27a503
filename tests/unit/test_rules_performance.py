"""Performance: the cache evicts by the manual, the application keeps within its memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.caches import CacheMemory, Eviction
from opsverify.probes.containers import Container, Usage
from opsverify.rules import performance

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MB = 1024 * 1024
MEMORY = CacheMemory(
    used=50 * MB,
    most=64 * MB,
    fragmentation=1.0,
    evicted_per_second=0.0,
    refused_for_memory=0,
    policy="allkeys-lru",
)


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"used": 64 * MB, "evicted_per_second": 9.0}, True),
        ({"used": 64 * MB, "evicted_per_second": 10.0}, True),
        ({"used": 64 * MB, "evicted_per_second": 11.0}, False),
        ({"used": 64 * MB, "policy": "allkeys-lfu"}, True),
        ({"used": 64 * MB, "policy": "noeviction"}, False),
        ({"used": 64 * MB, "policy": "volatile-lru", "evicted_per_second": 9.0}, False),
        ({"policy": "noeviction"}, True),
        ({"used": 10 * MB, "evicted_per_second": 11.0}, False),
        ({"used": 10 * MB, "evicted_per_second": math.nan}, False),
        ({"most": 0}, False),
        ({"fragmentation": 11.5}, True),
        ({"used": 100 * MB, "most": 200 * MB, "fragmentation": 1.6}, True),
        ({"used": 101 * MB, "most": 200 * MB, "fragmentation": 1.5}, True),
        ({"used": 101 * MB, "most": 200 * MB, "fragmentation": 1.6}, False),
        ({"refused_for_memory": 1}, False),
    ],
)
def test_a_cache_is_bounded_and_may_be_full_while_it_evicts_slowly(
    limits_of: LimitsOf, change: dict[str, float | str], good: bool
) -> None:
    found = replace(MEMORY, **change)  # type: ignore[arg-type]
    assert met(performance.cache_memory(found, limits_of("RED-MEM-01"))) is good


@pytest.mark.parametrize(
    ("eviction", "persisted", "good"),
    [
        (Eviction("allkeys-lru", "/etc/redis.conf"), "allkeys-lru", True),
        (Eviction("noeviction", "/etc/redis.conf"), "allkeys-lru", False),
        (Eviction("allkeys-lru", "/etc/redis.conf"), "noeviction", False),
        (Eviction("allkeys-lru", ""), "allkeys-lru", False),
        (Eviction("volatile-lru", "/etc/redis.conf"), "volatile-lru", False),
        (Eviction("", ""), "", False),
    ],
)
def test_the_policy_is_right_now_and_after_a_restart(
    limits_of: LimitsOf, eviction: Eviction, persisted: str, good: bool
) -> None:
    assert met(performance.evicts_as_told(eviction, persisted, limits_of("RED-POL-01"))) is good


APP = Container(
    id="1",
    name="api_1",
    project="p",
    service="api",
    status="running",
    health=None,
    restart_count=0,
    started_at=NOW - timedelta(days=30),
    restart_policy="always",
    memory_limit=1000,
    oom_killed=False,
    published=(),
    created=NOW,
    log_driver="json-file",
)


@pytest.mark.parametrize(("resident", "good"), [(800, True), (801, False)])
def test_resident_memory_keeps_from_the_limit(limits_of: LimitsOf, resident: int, good: bool) -> None:
    usage = Usage(999, resident, 1000, 1.0)
    assert met(performance.application_memory([(APP, usage)], limits_of("APP-MEM-01"))) is good


def test_without_a_limit_or_without_an_application_there_is_nothing_to_measure(limits_of: LimitsOf) -> None:
    limits = limits_of("APP-MEM-01")
    for usages in ([], [(replace(APP, memory_limit=0), Usage(1, 1, 1, 1.0))]):
        with pytest.raises(InsufficientFactsError):
            performance.application_memory(usages, limits)


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"oom_killed": True}, False),
        ({"restart_count": 1, "started_at": NOW - timedelta(days=1)}, True),
        ({"restart_count": 2, "started_at": NOW - timedelta(days=1)}, False),
        ({"restart_count": 1, "started_at": NOW - timedelta(days=1), "created": NOW - timedelta(days=30)}, True),
        ({"restart_count": 9, "started_at": NOW - timedelta(days=7)}, True),
    ],
)
def test_an_application_is_not_restarted_again_and_again(
    limits_of: LimitsOf, change: dict[str, object], good: bool
) -> None:
    found = replace(APP, **change)  # type: ignore[arg-type]
    assert met(performance.application_restarts([found], limits_of("APP-RST-01"), NOW)) is good


LONG_LIVED = replace(APP, created=NOW - timedelta(days=30), started_at=NOW - timedelta(days=1), restart_count=2)


def test_restarts_that_may_be_older_than_the_week_are_not_judged(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="api_1 was restarted 2 times since 2026-10-24 12:00 UTC"):
        performance.application_restarts([LONG_LIVED], limits_of("APP-RST-01"), NOW)


def test_what_is_known_to_be_wrong_is_found_beside_what_is_not_known(limits_of: LimitsOf) -> None:
    found = performance.application_restarts([LONG_LIVED, replace(APP, oom_killed=True)], limits_of("APP-RST-01"), NOW)
    assert [each.name for each in unmet(found)] == ["api_1 killed for memory since its last start"]


def test_an_application_that_does_not_exist_cannot_be_judged(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError):
        performance.application_restarts([], limits_of("APP-RST-01"), NOW)
