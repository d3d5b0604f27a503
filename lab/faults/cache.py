"""Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab import engine, state
from lab.faults.core import wait_healthy

REDIS_CONF = "/etc/redis/redis.conf"


def redis(*command: str, user: str = "admin") -> str:
    """Ask Redis, as its administrator or as another of its users."""
    login = ("--no-auth-warning", "--user", user, "--pass", state.secret(f"redis_{user}"))
    return engine.inside("redis", "redis-cli", *login, *command)


@contextlib.contextmanager
def redis_setting(name: str, value: str) -> Iterator[None]:
    """A setting of Redis is changed live, as CONFIG SET does it: until the next restart."""
    before = redis("CONFIG", "GET", name).splitlines()[1]
    redis("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        redis("CONFIG", "SET", name, before)


@contextlib.contextmanager
def flushed() -> Iterator[None]:
    """Somebody emptied a database of Redis (one in which there is nothing), and Redis counted that."""
    redis("-n", "15", "FLUSHDB")
    try:
        yield
    finally:
        redis("CONFIG", "RESETSTAT")


@contextlib.contextmanager
def dangerous_user() -> Iterator[None]:
    """The application may use the dangerous commands: live, not in the file."""
    redis("ACL", "SETUSER", "tokenswap", "+@dangerous")
    try:
        yield
    finally:
        redis("ACL", "LOAD")
        wait_healthy("tokenswap-api")  # its connection was closed


@contextlib.contextmanager
def cache_full() -> Iterator[None]:
    """The cache is full of keys that it may evict, and its bound is what it uses."""
    fill = "for i = 1, 4000 do redis.call('SET', 'padding:' .. i, string.rep('x', 4096), 'EX', 600) end"
    empty = "for i = 1, 4000 do redis.call('DEL', 'padding:' .. i) end"
    redis("EVAL", fill, "0")
    used = next(each for each in redis("INFO", "memory").splitlines() if each.startswith("used_memory:"))
    try:
        with redis_setting("maxmemory", used.partition(":")[2].strip()):
            yield
    finally:
        redis("EVAL", empty, "0")


@contextlib.contextmanager
def flush_refused() -> Iterator[None]:
    """The application tries to empty the cache and is refused; keys expire by themselves meanwhile."""
    redis("-n", "15", "SET", "fleeting", "1", "PX", "50")
    said = redis("FLUSHDB", user="tokenswap")
    if "NOPERM" not in said:
        raise ValueError(f"the application was not refused: {said!r}")
    yield
