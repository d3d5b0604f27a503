"""INFO of several Redis versions, and the file that a server starts from."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.cache import CacheChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes import about, caches
from opsverify.probes.caches import (
    CacheMemory,
    Commands,
    Eviction,
    commands,
    eviction,
    memory,
    number,
    parse_commands,
    parse_info,
    parse_policy,
    parse_users,
    refused_for_memory,
)


def test_info_of_a_real_server(captured: Callable[[str], str]) -> None:
    found = parse_info(captured("redis-7-info.txt"))
    assert found["redis_version"].startswith("7.")
    assert found["config_file"] == "/etc/redis/redis.conf"
    assert number(found, "maxmemory") == 67108864
    assert number(found, "used_memory") > 0
    assert number(found, "mem_fragmentation_ratio") > 0


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("# Memory\nused_memory:1\nmaxmemory:0", "maxmemory", "0"),  # 6
        ("# Errorstats\nerrorstat_OOM:count=3", "errorstat_OOM", "count=3"),  # 7
        ("# Errorstats\nerrorstat_OOM:count=3,x=1\nhash_max:1", "errorstat_OOM", "count=3,x=1"),
        ("# Server\nredis_version:8.0.0\nconfig_file:", "config_file", ""),  # 8
        ("executable:/a:b", "executable", "/a:b"),
    ],
)
def test_info_is_read_whatever_the_version(newline: str, text: str, field: str, value: str) -> None:
    assert parse_info(text.replace("\n", newline))[field] == value


@pytest.mark.parametrize("value", ["nan", "-nan", "inf", "-inf", "", "1.2M", "0x10"])
def test_a_figure_that_is_no_number_is_an_error(value: str) -> None:
    with pytest.raises(UnansweredError, match="INFO: no number for used_memory"):
        number({"used_memory": value}, "used_memory")


def test_a_figure_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UnansweredError, match=r"no number for maxmemory \(got None\)"):
        number(parse_info("# Memory\nused_memory:1"), "maxmemory")


RUNNER = SimpleNamespace(seconds=time.monotonic, pause=time.sleep)


def cache(text: str) -> CacheChannel:
    """A cache that answers every question with this text."""
    return cast(CacheChannel, SimpleNamespace(target="redis", ask=lambda *_: text, runner=RUNNER))


INFO = "used_memory:1\nmaxmemory:4\nmem_fragmentation_ratio:1.5\nmaxmemory_policy:allkeys-lru\n"


def test_memory_is_read_with_the_policy_in_force() -> None:
    assert memory(cache(INFO)) == CacheMemory(1, 4, 1.5, 0.0, 0, "allkeys-lru")
    assert memory(cache(INFO + "errorstat_OOM:count=3")).refused_for_memory == 3


def test_memory_of_a_real_server(captured: Callable[[str], str]) -> None:
    assert memory(cache(captured("redis-7-info.txt"))).policy == "allkeys-lru"


@pytest.mark.parametrize("field", ["used_memory", "maxmemory", "mem_fragmentation_ratio", "maxmemory_policy"])
def test_an_error_names_the_cache(field: str) -> None:
    with pytest.raises(UnansweredError, match=rf"^cache redis: INFO: no .*{field}"):
        memory(cache(INFO.replace(f"{field}:", "x:")))


@pytest.mark.parametrize(
    "text", ["", "count=", "count=x", "3", "count=-1", "count=" + "9" * 20, "count=" + "9" * 5000, "count=٣"]
)
def test_a_count_of_refusals_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="no count in errorstat_OOM"):
        refused_for_memory({"errorstat_OOM": text})


def test_a_count_may_be_as_high_as_the_server_counts() -> None:
    most = 2**63 - 1
    assert refused_for_memory({"errorstat_OOM": f"count={most}"}) == most
    assert parse_commands({"cmdstat_get": f"calls={most},usec=1"}, {"uptime_in_seconds": "1"}).calls == {"get": most}


def test_what_an_error_is_about_is_said_once() -> None:
    with pytest.raises(UnansweredError, match=r"^cache a: x$"), about("cache a"), about("cache a"):
        raise UnansweredError("x")
    with pytest.raises(UnreachableError, match=r"^down$"), about("cache a"):
        raise UnreachableError("down")


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("maxmemory-policy allkeys-lru\n", "allkeys-lru"),
        ('  MaxMemory-Policy   "allkeys-lru"  \n', "allkeys-lru"),
        ("maxmemory-policy noeviction\nmaxmemory-policy allkeys-lru\n", "allkeys-lru"),
        ('\tmaxmemory-policy "allkeys-lru" \r\n', "allkeys-lru"),
        ("\n" * 100_000, "noeviction"),
        ("# maxmemory-policy allkeys-lru\n", "noeviction"),
        ("maxmemory 64mb\n", "noeviction"),
        ("", "noeviction"),
        ("x maxmemory-policy allkeys-lru\n", "noeviction"),
        ("maxmemory-policy-x allkeys-lru\n", "noeviction"),
    ],
)
def test_the_last_word_of_the_file_counts_and_redis_default_without_one(text: str, policy: str) -> None:
    assert parse_policy(text) == policy


@given(st.text(max_size=200))
def test_hostile_text_is_never_a_crash(text: str) -> None:
    parse_policy(text)
    for name, value in parse_info(text).items():
        assert ":" not in name
        assert value == value.strip()


def section(info: str, name: str) -> dict[str, str]:
    """One section of INFO, as the server gives it when it is asked for by name."""
    _, _, rest = info.partition(f"# {name}")
    return parse_info(rest.partition("#")[0])


REAL = {"6": "redis-6-info.txt", "7": "redis-7-info-everything.txt", "8": "redis-8-info.txt"}


@pytest.mark.parametrize("version", REAL)
def test_commands_of_a_real_server(captured: Callable[[str], str], version: str) -> None:
    info = captured(REAL[version])
    found = parse_commands(section(info, "Commandstats"), section(info, "Server"))
    assert (found.calls["flushdb"], found.calls["set"], found.uptime) == (2, 41, 3)
    assert "flushall" not in found.calls
    assert ("config|set" in found.calls) is (version != "6")


@pytest.mark.parametrize("version", REAL)
def test_policy_and_file_of_a_real_server(captured: Callable[[str], str], version: str) -> None:
    assert eviction(cache(captured(REAL[version]))) == Eviction("noeviction", "/etc/redis/redis.conf")


@pytest.mark.parametrize("version", REAL)
def test_memory_and_refusals_of_a_real_server(
    captured: Callable[[str], str], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "SAMPLE_SECONDS", 0.0)
    found = memory(cache(captured(REAL[version])))
    assert (found.most, found.policy, found.evicted_per_second) == (1536000, "noeviction", 0.0)
    assert found.refused_for_memory == (6 if version != "6" else 0)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("maxmemory_policy:AllKeys-LRU\r\nconfig_file:\r\n", Eviction("allkeys-lru", "")),
        ("maxmemory_policy:allkeys-lru\r\n", Eviction("allkeys-lru", "")),
        ("maxmemory_policy: noeviction \nconfig_file:/a:b\n", Eviction("noeviction", "/a:b")),
    ],
)
def test_the_policy_is_told_by_info_and_the_file_may_be_none(info: str, expected: Eviction) -> None:
    assert eviction(cache(info)) == expected


@pytest.mark.parametrize("info", ["", "maxmemory_policy:", "maxmemory_policy:  \r\n", "maxmemory-policy:x", "<html>"])
def test_without_a_policy_there_is_no_answer(info: str) -> None:
    with pytest.raises(UnansweredError, match=r"^cache redis: INFO: no maxmemory_policy"):
        eviction(cache(info))


def test_commands_are_counted_by_their_names_in_lower_case() -> None:
    stats = {"cmdstat_FLUSHDB": "calls=1,usec=2", "cmdstat_config|get": "calls=0", "cmdstat_": "calls=7"}
    assert parse_commands(stats, {"uptime_in_seconds": "86400"}) == Commands(
        {"flushdb": 1, "config|get": 0, "": 7}, 86400
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cmdstat_get", ""),
        ("cmdstat_get", "calls="),
        ("cmdstat_get", "calls=x"),
        ("cmdstat_get", "calls=-1"),
        ("cmdstat_get", "calls=1.5"),
        ("cmdstat_get", "calls=1;usec=2"),
        ("cmdstat_get", "usec=2,calls=1"),
        ("cmdstat_get", "calls=nan"),
        ("cmdstat_get", "calls=" + "9" * 20),
        ("cmdstat_get", "calls=" + "9" * 5000 + ",usec=2"),
        ("cmdstat_get", "calls=٣"),
        ("used_memory", "calls=1"),
        ("used_memory", "1"),
    ],
)
def test_a_count_of_calls_that_is_not_understood_is_an_error(name: str, value: str) -> None:
    with pytest.raises(UnansweredError, match=r"^INFO commandstats: this line is not understood"):
        parse_commands({"cmdstat_set": "calls=1", name: value}, {"uptime_in_seconds": "1"})


def test_a_server_that_counts_nothing_is_no_server_that_was_never_emptied() -> None:
    with pytest.raises(UnansweredError, match="INFO commandstats is empty"):
        parse_commands({}, {"uptime_in_seconds": "1"})


@pytest.mark.parametrize("uptime", [{}, {"uptime_in_seconds": ""}, {"uptime_in_seconds": "nan"}])
def test_a_server_without_an_uptime_does_not_say_since_when_it_counts(uptime: dict[str, str]) -> None:
    with pytest.raises(UnansweredError, match="INFO: no number for uptime_in_seconds"):
        parse_commands({"cmdstat_set": "calls=1"}, uptime)


def test_an_error_about_commands_names_the_cache() -> None:
    with pytest.raises(UnansweredError, match=r"^cache redis: INFO commandstats is empty"):
        commands(cache("# Commandstats\r\n"))


@pytest.mark.parametrize("version", REAL)
def test_users_of_a_real_server(captured: Callable[[str], str], version: str) -> None:
    found = parse_users(captured(f"redis-{version}-acl.txt").splitlines())
    assert found["default"].startswith("on nopass ")
    assert found["tokenswap"].endswith("-@dangerous" + (" -@admin" if version == "8" else ""))


@pytest.mark.parametrize(
    ("answer", "users"),
    [
        ([], {}),
        (["user a on"], {"a": "on"}),
        ("user a on", {"a": "on"}),
        (["user off on", "user user off ~*"], {"off": "on", "user": "off ~*"}),
        (["user \u202ea on"], {"\u202ea": "on"}),
    ],
)
def test_users_are_told_by_name(answer: object, users: dict[str, str]) -> None:
    assert parse_users(answer) == users


@pytest.mark.parametrize(
    "answer",
    [
        None,
        0,
        b"user a on",
        {"user a on": 1},
        [None],
        [b"user a on"],
        [["user a on"]],
        ["a on"],
        ["user a"],
        ["user  on"],
        ["User a on"],
        ["user a on", ""],
        ["user a on\nuser b on"],
        ["x" * 1_000_000],
    ],
)
def test_a_list_of_users_that_is_not_understood_is_an_error(answer: object) -> None:
    with pytest.raises(UnansweredError, match=r"^ACL LIST: this line is not understood") as error:
        parse_users(answer)
    assert len(str(error.value)) < 200


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=20), max_size=3))
def test_hostile_counts_are_an_answer_or_an_error_never_a_crash(stats: dict[str, str]) -> None:
    with contextlib.suppress(UnansweredError):
        assert all(count >= 0 for count in parse_commands(stats, {"uptime_in_seconds": "1"}).calls.values())


@given(st.lists(st.text(max_size=30) | st.none() | st.integers(), max_size=3))
def test_hostile_users_are_an_answer_or_an_error_never_a_crash(answer: list[object]) -> None:
    with contextlib.suppress(UnansweredError):
        assert all(parse_users(answer).values())
