"""Facts about a PostgreSQL server, by constant queries that name their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import InsufficientFactsError
from opsverify.probes import Attempt, about, attempt

# To an account without pg_monitor PostgreSQL shows the sessions of others with no backend_type (and no state): not as
# client backends, so that a count of these alone would silently leave them out.
# reserved_connections exists from PostgreSQL 16 on.
CONNECTIONS = Query("""
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type IS NULL) AS hidden,
       current_setting('max_connections')::int AS most,
       current_setting('superuser_reserved_connections')::int
         + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved
""")

SESSIONS = """
SELECT a.pid, a.usename AS account, a.backend_type, a.state,
       extract(epoch FROM now() - a.query_start) AS query_seconds,
       extract(epoch FROM now() - a.state_change) AS state_seconds,
       cardinality(pg_blocking_pids(a.pid)) AS blocked_by,
       extract(epoch FROM now() - {waiting_since}) AS wait_seconds
  FROM pg_stat_activity a
 WHERE a.backend_type = 'client backend' OR a.backend_type IS NULL
"""
# pg_locks.waitstart exists from PostgreSQL 14 on; before, the start of the query is the nearest thing to it.
WAITSTART = "coalesce((SELECT min(l.waitstart) FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted), a.query_start)"
SESSIONS_14 = Query(SESSIONS.format(waiting_since=WAITSTART))
SESSIONS_13 = Query(SESSIONS.format(waiting_since="a.query_start"))
VERSION = Query("SELECT current_setting('server_version_num')::int AS version")


@dataclass(frozen=True)
class Connections:
    """Connections of clients in use, and how many there can be for accounts without privileges."""

    used: int
    usable: int


@dataclass(frozen=True)
class Session:
    """A client's session; ages in seconds. ``wait_seconds`` counts only where ``blocked_by`` is not 0."""

    pid: int
    account: str
    state: str
    query_seconds: float
    state_seconds: float
    blocked_by: int
    wait_seconds: float

    def __str__(self) -> str:
        return f"pid {self.pid} of {self.account}"


def ping(database: SqlChannel) -> str:
    """Whether the server accepts connections, as pg_isready says it (which proves no login)."""
    return database.ping()


def login(database: SqlChannel) -> Attempt[float]:
    """Seconds that a login of its own and ``SELECT 1`` take."""
    return attempt(database.login)


def connections(database: SqlChannel) -> Connections:
    """Connections in use and usable.

    Raises:
        InsufficientFactsError: this account may not see what others do (it lacks pg_monitor).
    """
    with about(f"database {database.target}"):
        return parse_connections(database.ask(CONNECTIONS)[0])


def parse_connections(row: dict[str, Any]) -> Connections:
    """What remains of max_connections for accounts without privileges.

    Raises:
        InsufficientFactsError: processes hide what they are, so the connections cannot be counted.
    """
    if row["hidden"]:
        raise InsufficientFactsError(
            f"what {row['hidden']} of the server's processes are is hidden from this account; grant it pg_monitor"
        )
    return Connections(row["used"], row["most"] - row["reserved"])


def sessions(database: SqlChannel) -> tuple[Session, ...]:
    """All client sessions with their ages.

    Raises:
        InsufficientFactsError: this account may not see what others do (it lacks pg_monitor).
    """
    with about(f"database {database.target}"):
        version = database.ask(VERSION)[0]["version"]
        return parse_sessions(database.ask(SESSIONS_14 if version >= 140000 else SESSIONS_13))


def parse_sessions(rows: list[dict[str, Any]]) -> tuple[Session, ...]:
    """Parse the rows of `SESSIONS`. A visible session without a state is just starting: there is nothing to hang yet.

    Raises:
        InsufficientFactsError: a session is hidden or not tracked, or there is not even this account's own session.
    """
    hidden = sum(row["backend_type"] is None for row in rows)
    if hidden:
        raise InsufficientFactsError(
            f"{hidden} of {len(rows)} sessions are hidden from this account; grant it pg_monitor"
        )
    untracked = sum(row["state"] == "disabled" for row in rows)
    if untracked:
        raise InsufficientFactsError(
            f"{untracked} of {len(rows)} sessions do not tell what they do; turn track_activities on"
        )
    started = [row for row in rows if row["state"] is not None]
    if not started:
        raise InsufficientFactsError("pg_stat_activity shows no client session, not even the one that asks")
    return tuple(
        Session(
            row["pid"],
            row["account"] or "unknown",
            row["state"],
            float(row["query_seconds"] or 0),
            float(row["state_seconds"] or 0),
            row["blocked_by"],
            float(row["wait_seconds"] or 0),
        )
        for row in started
    )
