"""INFO of several Redis versions, and the file that a server starts from."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.cache import CacheChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes import about
from opsverify.probes.caches import CacheMemory, memory, number, parse_info, parse_policy, refused_for_memory


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


def cache(text: str) -> CacheChannel:
    """A cache that answers every question with this text."""
    return cast(CacheChannel, SimpleNamespace(target="redis", ask=lambda *_: text))


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


@pytest.mark.parametrize("text", ["", "count=", "count=x", "3", "count=-1"])
def test_a_count_of_refusals_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="no count in errorstat_OOM"):
        refused_for_memory({"errorstat_OOM": text})


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
