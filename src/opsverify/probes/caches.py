"""Facts about a Redis server, from INFO, CONFIG GET and the file that it was started with."""

from __future__ import annotations

import math
import re
import shlex
import time
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
    """The eviction policy in force, the file that the server would start from again, and the policy in it."""

    live: str
    config_file: str
    persisted: str


def ping(cache: CacheChannel) -> Attempt[str]:
    """The answer to PING."""
    return attempt(lambda: str(cache.ask("PING")))


def memory(cache: CacheChannel) -> CacheMemory:
    """Memory and, where the cache is anywhere near full, how fast it evicts."""
    with about(f"cache {cache.target}"):
        first = parse_info(cache.ask("INFO"))
        begun = time.monotonic()
        rate = 0.0
        if number(first, "maxmemory") and number(first, "used_memory") > CLOSE_TO_FULL * number(first, "maxmemory"):
            time.sleep(SAMPLE_SECONDS)
            second = parse_info(cache.ask("INFO", "stats"))
            rate = (number(second, "evicted_keys") - number(first, "evicted_keys")) / (time.monotonic() - begun)
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
    match = re.match(r"count=([0-9]+)(,|$)", found)
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


def eviction(cache: CacheChannel, host: Host) -> Eviction:
    """The eviction policy, live and persisted."""
    answer = cache.ask("CONFIG", "GET", "maxmemory-policy")
    if len(answer) != 2:
        raise UnansweredError(
            f"cache {cache.target}: CONFIG GET maxmemory-policy gave {answer!r}, expected a name and a value"
        )
    running = parse_info(cache.ask("INFO", "server"))
    text = output(host, shlex.join(["cat", cache.spec.config_file.path]))
    with about(f"cache {cache.target}"):
        return Eviction(str(answer[1]), running.get("config_file", ""), parse_policy(text))


def parse_policy(text: str) -> str:
    """The eviction policy that a configuration file asks for: its last word on it, Redis' default without one.

    Raises:
        UnansweredError: the file includes others, which may have a later word.
    """
    if re.search(r"^\s*include\s", text, re.MULTILINE | re.IGNORECASE):
        raise UnansweredError("the configuration file includes other files, which this probe does not read")
    found = re.findall(r"^\s*maxmemory-policy\s+[\"']?([\w-]+)[\"']?\s*$", text, re.MULTILINE | re.IGNORECASE)
    return found[-1].lower() if found else "noeviction"
