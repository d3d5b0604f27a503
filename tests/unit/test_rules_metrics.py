"""Performance of what is collected and cached: heaps, gaps, policies that last, a cache that nobody empties."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.caches import Commands, Eviction, parse_users
from opsverify.probes.collection import Coverage, HeapFloor
from opsverify.rules import performance

LimitsOf = Callable[[str], Limits]
MIB = 1024.0 * 1024


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


@pytest.mark.parametrize(
    ("last", "before", "coverage", "good"),
    [
        (40, 40, 1.0, True),
        (44, 40, 1.0, True),
        (44.001, 40, 1.0, False),
        (80, 40, 1.0, False),
        (10, 40, 1.0, True),
        (44, 40, 0.9, True),
        (40, 40, 1.2, True),
    ],
)
def test_the_floor_of_a_heap_does_not_rise(
    limits_of: LimitsOf, last: float, before: float, coverage: float, good: bool
) -> None:
    floor = HeapFloor("a:1", last * MIB, before * MIB, coverage)
    assert met(performance.heap_grows_not([floor], limits_of("APP-HEAP-01"))) is good


def test_one_leaking_process_of_several_is_found(limits_of: LimitsOf) -> None:
    floors = [HeapFloor("a:1", 40 * MIB, 40 * MIB, 1.0), HeapFloor("b:1", 60 * MIB, 40 * MIB, 1.0)]
    (finding,) = unmet(performance.heap_grows_not(floors, limits_of("APP-HEAP-01")))
    assert finding.name == "b:1 growth of the heap's floor"


@pytest.mark.parametrize(
    "floor",
    [
        HeapFloor("a:1", 40 * MIB, 40 * MIB, 0.899),
        HeapFloor("a:1", 40 * MIB, 40 * MIB, 0.0),
        HeapFloor("a:1", 40 * MIB, 40 * MIB, math.nan),
        HeapFloor("a:1", 80 * MIB, 40 * MIB, 0.899),
    ],
)
def test_a_heap_without_two_whole_days_has_no_trend(limits_of: LimitsOf, floor: HeapFloor) -> None:
    good = HeapFloor("b:1", 40 * MIB, 40 * MIB, 1.0)
    with pytest.raises(InsufficientFactsError, match=r"^a:1 has .* of the samples of two days, expected at least 0\.9"):
        performance.heap_grows_not([good, floor], limits_of("APP-HEAP-01"))


@pytest.mark.parametrize(
    ("last", "before", "said"),
    [
        (40.0, 0.0, "0.0 bytes, then 40.0"),
        (40.0, -1.0, "-1.0 bytes, then 40.0"),
        (40.0, math.nan, "nan bytes, then 40.0"),
        (math.nan, 40.0, "40.0 bytes, then nan"),
        (math.nan, math.nan, "nan bytes, then nan"),
        (math.inf, 40.0, "40.0 bytes, then inf"),
        (-math.inf, 40.0, "40.0 bytes, then -inf"),
        (40.0, math.inf, "inf bytes, then 40.0"),
        (-math.inf, math.inf, "inf bytes, then -inf"),
        (math.inf, math.inf, "inf bytes, then inf"),
    ],
)
def test_a_heap_that_is_no_number_of_bytes_is_named(limits_of: LimitsOf, last: float, before: float, said: str) -> None:
    floors = [HeapFloor("b:1", 40 * MIB, 40 * MIB, 1.0), HeapFloor("a:1", last, before, 1.0)]
    with pytest.raises(InsufficientFactsError, match=rf"^a:1 tells no heap in use: {said}$"):
        performance.heap_grows_not(floors, limits_of("APP-HEAP-01"))


def test_no_process_has_no_trend(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="no process of the API tells its heap in use"):
        performance.heap_grows_not([], limits_of("APP-HEAP-01"))


@pytest.mark.parametrize(
    ("samples", "good"),
    [
        (5760.0, True),
        (5472.0, True),  # exactly 95 %
        (5471.0, False),
        (5759.0, True),  # one scrape missed
        (5761.0, True),
        (0.0, False),
        (-1.0, False),
        (math.nan, False),
    ],
)
def test_a_metric_has_nearly_all_of_its_samples(limits_of: LimitsOf, samples: float, good: bool) -> None:
    found = [Coverage("up", "a:1", 5760.0, 5760.0), Coverage("heap", "a:1", samples, 5760.0)]
    assert met(performance.collected_without_gaps(found, limits_of("BP-PERF-02"))) is good


def test_a_metric_without_any_target_is_a_gap(limits_of: LimitsOf) -> None:
    (finding,) = unmet(
        performance.collected_without_gaps([Coverage("up", "no target", 0.0, 1.0)], limits_of("BP-PERF-02"))
    )
    assert finding.name == "up from no target"


def test_no_metric_at_all_cannot_be_judged(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="no metric was asked for"):
        performance.collected_without_gaps([], limits_of("BP-PERF-02"))


@pytest.mark.parametrize("file", ["", "/etc/redis/redis.conf"])
def test_a_managed_cache_with_the_right_policy_is_no_proof_for_the_next_restart(limits_of: LimitsOf, file: str) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^the policy live is allkeys-lru, as told, but .* is managed"):
        performance.evicts_as_told(Eviction("allkeys-lru", file), None, limits_of("RED-POL-01"))


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "allkeys-lfu", "", "allkeys-lru "])
def test_a_managed_cache_with_the_wrong_policy_is_red(limits_of: LimitsOf, policy: str) -> None:
    found = performance.evicts_as_told(Eviction(policy, ""), None, limits_of("RED-POL-01"))
    assert [each.name for each in unmet(found)] == ["policy live"]


@pytest.mark.parametrize(
    ("live", "persisted", "file", "findings"),
    [
        ("allkeys-lru", "allkeys-lru", "/f", []),
        ("noeviction", "allkeys-lru", "/f", ["policy live"]),
        ("allkeys-lru", "noeviction", "/f", ["policy in the configuration file"]),
        ("allkeys-lru", "allkeys-lru", "", ["started from"]),
        ("noeviction", "noeviction", "", ["policy live", "policy in the configuration file", "started from"]),
        ("allkeys-lru", "", "/f", ["policy in the configuration file"]),
    ],
)
def test_a_policy_holds_now_and_after_a_restart(
    limits_of: LimitsOf, live: str, persisted: str, file: str, findings: list[str]
) -> None:
    found = performance.evicts_as_told(Eviction(live, file), persisted, limits_of("RED-POL-01"))
    assert [each.name for each in unmet(found)] == findings


SAFE = {"default": "off ~* +@all", "app": "on #0 ~* &* +@all -@dangerous"}


@pytest.mark.parametrize(
    ("calls", "rules", "findings"),
    [
        ({"get": 9}, SAFE["app"], []),
        ({}, SAFE["app"], []),
        ({"config|resetstat": 3}, SAFE["app"], []),
        ({"flushdb": 0, "flushall": 0}, SAFE["app"], []),
        ({"flushdb": 1}, SAFE["app"], ["calls of FLUSHDB"]),
        ({"flushall": 1}, SAFE["app"], ["calls of FLUSHALL"]),
        ({"flushdb": 1, "flushall": 1}, SAFE["app"], ["calls of FLUSHDB", "calls of FLUSHALL"]),
        ({}, "on ~* +@all -@dangerous +info", []),
        ({}, "on ~* +@all", ["dangerous commands that app may run"]),
        ({}, "on ~* -@all +@read +@write", ["dangerous commands that app may run"]),
        ({}, "on ~* +@all -@dangerous +flushdb", ["dangerous commands that app may run"]),
        ({}, "on ~* +@all -@dangerous (~tmp:* +flushall)", ["dangerous commands that app may run"]),
        ({}, "on ~* +@all -flushdb -flushall", ["dangerous commands that app may run"]),
        ({}, "off ~* +@all", []),
    ],
)
def test_a_cache_is_never_emptied(limits_of: LimitsOf, calls: dict[str, int], rules: str, findings: list[str]) -> None:
    found = performance.never_emptied(Commands(calls, 86400), SAFE | {"app": rules}, "app", limits_of("RED-EXP-01"))
    assert [each.name for each in unmet(found)] == findings


@pytest.mark.parametrize("version", ["6", "7", "8"])
def test_users_of_a_real_server_are_told_apart(
    limits_of: LimitsOf, captured: Callable[[str], str], version: str
) -> None:
    users = parse_users(captured(f"redis-{version}-acl.txt").splitlines())
    for user, good in (("tokenswap", True), ("reporter", False), ("legacy", False), ("default", False)):
        assert met(performance.never_emptied(Commands({"get": 1}, 1), users, user, limits_of("RED-EXP-01"))) is good


def test_a_dangerous_command_is_named(limits_of: LimitsOf) -> None:
    users = {"app": "on ~* -@all +flushdb +keys +info"}
    (finding,) = unmet(performance.never_emptied(Commands({}, 1), users, "app", limits_of("RED-EXP-01")))
    assert finding.observed == ("flushdb", "keys")


@pytest.mark.parametrize("users", [{}, {"App": "on +@all -@dangerous"}, {"default": "on ~* -@all"}])
def test_what_a_user_that_does_not_exist_may_do_is_not_known(limits_of: LimitsOf, users: dict[str, str]) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^there is no user 'app' \(app_user of the profile\)"):
        performance.never_emptied(Commands({"get": 1}, 1), users, "app", limits_of("RED-EXP-01"))
    found = performance.never_emptied(Commands({"flushdb": 1}, 1), users, "app", limits_of("RED-EXP-01"))
    assert [each.name for each in unmet(found)] == ["calls of FLUSHDB"]
