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
from opsverify.probes import Attempt, attempt, output

SAMPLE_SECONDS = 1.0
CLOSE_TO_FULL = 0.5  # below this share of maxmemory nothing is evicted, and no second sample is needed


@dataclass(frozen=True)
class CacheMemory:
    """Memory of a Redis server in bytes; ``evicted_per_second`` over a sample of about a second."""

    used: int
    most: int
    fragmentation: float
    evicted_per_second: float
    refused_for_memory: int


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
        refused_for_memory=int(first.get("errorstat_OOM", "count=0").removeprefix("count=").split(",")[0]),
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


def eviction(cache: CacheChannel, host: Host) -> Eviction:
    """The eviction policy, live and persisted."""
    answer = cache.ask("CONFIG", "GET", "maxmemory-policy")
    if len(answer) != 2:
        raise UnansweredError(
            f"cache {cache.target}: CONFIG GET maxmemory-policy gave {answer!r}, expected a name and a value"
        )
    running = parse_info(cache.ask("INFO", "server"))
    text = output(host, shlex.join(["cat", cache.spec.config_file.path]))
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
