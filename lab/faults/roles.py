"""Who may do what in PostgreSQL and Redis."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from lab.faults.cache import redis
from lab.faults.core import file_edited, wait_until
from lab.faults.database import sql

PG_HBA = "/etc/postgresql/pg_hba.conf"
LAST_RULE = "hostssl  replication  replica     samenet  scram-sha-256\n"


@contextlib.contextmanager
def hba_rule(rule: str) -> Iterator[None]:
    """pg_hba.conf has one more rule at its end, and PostgreSQL has read it."""
    try:
        with file_edited("postgres", PG_HBA, LAST_RULE, f"{LAST_RULE}{rule}\n"):
            sql("SELECT pg_reload_conf()")
            yield
    finally:
        sql("SELECT pg_reload_conf()")


@contextlib.contextmanager
def server_setting(name: str, value: str) -> Iterator[None]:
    """A setting of PostgreSQL is changed, as ALTER SYSTEM does it."""
    before = sql(f"SHOW {name}")
    try:
        sql(f"ALTER SYSTEM SET {name} = '{value}'")
        _reloaded(name, value)
        yield
    finally:
        sql(f"ALTER SYSTEM RESET {name}")
        _reloaded(name, before)


def _reloaded(name: str, value: str) -> None:
    sql("SELECT pg_reload_conf()")
    wait_until(lambda: sql(f"SHOW {name}") == value, f"{name} {value}")


@contextlib.contextmanager
def redis_user(rules: str, name: str = "") -> Iterator[None]:
    """Redis has one more user, live and not in its file; or its default user is another one than there."""
    made = name or f"fault-{secrets.token_hex(4)}"
    redis("ACL", "SETUSER", made, *rules.split())
    try:
        yield
    finally:
        if made == "default":
            redis("ACL", "SETUSER", made, "reset", "off")
        else:
            redis("ACL", "DELUSER", made)
