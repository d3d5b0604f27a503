"""Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab import engine, state
from lab.faults.core import wait_healthy

REDIS_CONF = "/etc/redis/redis.conf"


def redis(*command: str) -> str:
    """Ask Redis as its administrator."""
    return engine.inside(
        "redis",
        "redis-cli",
        "--no-auth-warning",
        "--user",
        "admin",
        "--pass",
        state.secret("redis_admin"),
        *command,
    )


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
