"""Facts about a Redis server, from INFO, CONFIG GET and the file that it was started with."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from opsverify.channels.cache import CacheChannel
from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, about, attempt, output

SAMPLE_SECONDS = 1.0
CLOSE_TO_FULL = 0.5  # below this share of maxmemory nothing is evicted, and no second sample is needed


@dataclass(frozen=True)
class CacheMemory:
    """Memory of a Redis server in bytes, ``evicted_per_second`` over about a second, the eviction policy in force."""

    used: int
    most: int
    fragmentation: float
    evicted_per_second: float
    refused_for_memory: int
    policy: str


@dataclass(frozen=True)
class Eviction:
    """The eviction policy in force, and the file that the server was started from."""

    live: str
    config_file: str


@dataclass(frozen=True)
class Commands:
    """Calls by command (``flushdb``, ``config|get``) since the server's statistics began; uptime in seconds."""

    calls: Mapping[str, int]
    uptime: int


def ping(cache: CacheChannel) -> Attempt[str]:
    """The answer to PING."""
    return attempt(lambda: str(cache.ask("PING")))


def memory(cache: CacheChannel) -> CacheMemory:
    """Memory and, where the cache is anywhere near full, how fast it evicts."""
    with about(f"cache {cache.target}"):
        first = parse_info(cache.ask("INFO"))
        rate = 0.0
        if number(first, "maxmemory") and number(first, "used_memory") > CLOSE_TO_FULL * number(first, "maxmemory"):
            begun = cache.runner.seconds()
            cache.runner.pause(SAMPLE_SECONDS)
            second = parse_info(cache.ask("INFO", "stats"))
            rate = (number(second, "evicted_keys") - number(first, "evicted_keys")) / (cache.runner.seconds() - begun)
        return CacheMemory(
            used=int(number(first, "used_memory")),
            most=int(number(first, "maxmemory")),
            fragmentation=number(first, "mem_fragmentation_ratio"),
            evicted_per_second=rate,
            refused_for_memory=refused_for_memory(first),
            policy=policy(first),
        )


def parse_info(text: str) -> dict[str, str]:
    """Parse INFO into its fields."""
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value.strip() for name, separator, value in pairs if separator}


def number(info: dict[str, str], field: str) -> float:
    """A numeric field of INFO.

    Raises:
        UnansweredError: it is not there, or no number.
    """
    try:
        value = float(info[field])
        if not math.isfinite(value):
            raise ValueError
        return value
    except (KeyError, ValueError):
        raise UnansweredError(f"INFO: no number for {field} (got {info.get(field)!r})") from None


def refused_for_memory(info: dict[str, str]) -> int:
    """How many commands INFO says were refused for lack of memory; an error that never happened has no line.

    Raises:
        UnansweredError: the line is not understood.
    """
    found = info.get("errorstat_OOM", "count=0")
    match = re.match(r"count=([0-9]{1,19})(,|$)", found)
    if match is None:
        raise UnansweredError(f"INFO: no count in errorstat_OOM (got {found!r})")
    return int(match[1])


def policy(info: dict[str, str]) -> str:
    """The eviction policy in force, by INFO.

    Raises:
        UnansweredError: it is not there.
    """
    if not info.get("maxmemory_policy"):
        raise UnansweredError("INFO: no maxmemory_policy")
    return info["maxmemory_policy"].lower()


def eviction(cache: CacheChannel) -> Eviction:
    """The eviction policy in force, by INFO: a provider that manages a cache refuses CONFIG."""
    info = parse_info(cache.ask("INFO"))
    with about(f"cache {cache.target}"):
        return Eviction(policy(info), info.get("config_file", ""))


def persisted_policy(host: Host, path: str) -> str:
    """The eviction policy in the file that the server is configured by."""
    with about(f"host {host.name}: {path}"):
        return parse_policy(output(host, shlex.join(["cat", path])))


def commands(cache: CacheChannel) -> Commands:
    """How often each command was called since the statistics began."""
    with about(f"cache {cache.target}"):
        return parse_commands(parse_info(cache.ask("INFO", "commandstats")), parse_info(cache.ask("INFO", "server")))


def parse_commands(stats: dict[str, str], server: dict[str, str]) -> Commands:
    """Calls by command, from the sections commandstats and server of INFO.

    Raises:
        UnansweredError: a line is not understood, or not even the INFO that asked before is counted.
    """
    calls = {}
    for name, value in stats.items():
        found = re.match(r"calls=([0-9]{1,19})(,|$)", value)
        if not name.startswith("cmdstat_") or found is None:
            raise UnansweredError(f"INFO commandstats: this line is not understood: {name}:{value}")
        calls[name.removeprefix("cmdstat_").lower()] = int(found[1])
    if not calls:
        raise UnansweredError("INFO commandstats is empty: the server does not count commands")
    return Commands(calls, int(number(server, "uptime_in_seconds")))


def users(cache: CacheChannel) -> dict[str, str]:
    """The rules of each ACL user, by name, as Redis lists them."""
    answer = cache.ask("ACL", "LIST")
    with about(f"cache {cache.target}"):
        return parse_users(answer)


def parse_users(answer: object) -> dict[str, str]:
    """Parse ACL LIST: ``user <name> <rules>`` each.

    Raises:
        UnansweredError: it is no such list.
    """
    found = {}
    for line in answer if isinstance(answer, list) else [answer]:
        match = re.fullmatch(r"user (\S+) (.+)", str(line))
        if match is None:
            raise UnansweredError(f"ACL LIST: this line is not understood: {str(line)[:100]!r}")
        found[match[1]] = match[2]
    return found


def protected_mode(cache: CacheChannel) -> Attempt[str] | None:
    """Whether Redis refuses strangers while anybody might get in: ``yes`` or ``no``.

    None where a provider keeps that to itself; he refuses the question, so it is not asked.
    """

    def ask() -> str:
        answer = cache.ask("CONFIG", "GET", "protected-mode")
        with about(f"cache {cache.target}"):
            return parse_protected_mode(answer)

    if cache.spec.managed:
        return None
    return attempt(ask)


def parse_protected_mode(answer: object) -> str:
    """Parse CONFIG GET protected-mode: its name and its value.

    Raises:
        UnansweredError: it is no such pair.
    """
    match answer:
        case ["protected-mode", ("yes" | "no") as value]:
            return str(value)
        case _:
            raise UnansweredError(f"CONFIG GET protected-mode: this is not understood: {str(answer)[:100]!r}")


def parse_policy(text: str) -> str:
    """The eviction policy that a configuration file asks for: its last word on it, Redis' default without one.

    Raises:
        UnansweredError: the file includes others, which may have a later word.
    """
    if re.search(r"^[ \t]*include[ \t]", text, re.MULTILINE | re.IGNORECASE):
        raise UnansweredError("the configuration file includes other files, which this probe does not read")
    entry = r"^[ \t]*maxmemory-policy[ \t]+[\"']?([\w-]+)[\"']?[ \t\r]*$"
    found = re.findall(entry, text, re.MULTILINE | re.IGNORECASE)
    return found[-1].lower() if found else "noeviction"
