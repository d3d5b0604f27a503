"""Facts about a PostgreSQL server, by constant queries that name their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
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

# pg_stat_statements lies in the schema that it was created in, which is on nobody's search path here: one constant for
# each schema that is usual. Its columns go by the version of the extension, not of the server: pg_upgrade keeps it.
EXTENSION = Query("""
SELECT e.extversion AS version, a.default_version, n.nspname AS schema
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
  JOIN pg_available_extensions a ON a.name = e.extname
 WHERE e.extname = 'pg_stat_statements'
""")
STATEMENTS = """
SELECT s.queryid::text AS queryid, sum(s.calls)::bigint AS calls, sum(s.total_exec_time) AS total_ms,
       sum(s.{read_time}) AS read_ms, {since} AS since,
       min(CASE WHEN s.query ~* '^ *(select|insert|update|delete|with|merge)' THEN left(s.query, 200) END) AS text,
       bool_or(s.query ~* '^ *reindex') AS rebuild, s.queryid IS NULL AS hidden
  FROM {schema}.pg_stat_statements s
 WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
   AND s.userid <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
 GROUP BY s.queryid
"""
SCHEMAS = ("public", "extensions", "monitoring", "pg_catalog")
NO_SINCE = "NULL::timestamptz"
STATEMENTS_BY = {  # by schema, and by the first version of the extension that has these columns
    (schema, first): Query(STATEMENTS.format(schema=schema, read_time=read_time, since=since.format(schema=schema)))
    for schema in SCHEMAS
    for first, read_time, since in (
        ((1, 11), "shared_blk_read_time", "(SELECT i.stats_reset FROM {schema}.pg_stat_statements_info i)"),
        ((1, 9), "blk_read_time", "(SELECT i.stats_reset FROM {schema}.pg_stat_statements_info i)"),
        ((1, 8), "blk_read_time", NO_SINCE),
    )
}
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


@dataclass(frozen=True)
class Extension:
    """pg_stat_statements as it is installed: its version, the one that the server ships, and its schema."""

    version: str
    default_version: str
    schema: str


@dataclass(frozen=True)
class Statement:
    """A statement, normalised: how often it was executed and how long that took in milliseconds, all in all.

    ``text`` holds its first 200 characters, or nothing for a utility statement, which may hold a password.
    """

    queryid: str
    calls: int
    total_ms: float
    text: str = ""

    @property
    def mean_ms(self) -> float:
        """Milliseconds of one execution, on average."""
        return self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Recorded:
    """What pg_stat_statements has recorded of this database by others than this account.

    ``since`` is when its counters were last reset, None where the version does not tell; ``rebuilds`` counts REINDEX.
    """

    extension: Extension
    statements: tuple[Statement, ...]
    since: datetime | None
    rebuilds: int


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


def recorded(database: SqlChannel) -> Recorded:
    """What pg_stat_statements has recorded.

    Raises:
        UnansweredError: the extension is not loaded by the server.
        InsufficientFactsError: it is not installed in this database, hides what others execute, or records nothing.
    """
    with about(f"database {database.target}"):
        extension = parse_extension(database.ask(EXTENSION))
        return parse_statements(extension, database.ask(statements_query(extension)))


def statements(database: SqlChannel) -> tuple[Statement, ...]:
    """The statements that pg_stat_statements has recorded; raises as `recorded`."""
    return recorded(database).statements


def parse_extension(rows: list[dict[str, Any]]) -> Extension:
    """The row of `EXTENSION`.

    Raises:
        InsufficientFactsError: there is none.
    """
    if not rows:
        raise InsufficientFactsError("the extension pg_stat_statements is not installed in this database")
    row = rows[0]
    return Extension(row["version"], row["default_version"] or row["version"], row["schema"])


def statements_query(extension: Extension) -> Query:
    """The query with the columns and the schema of this extension.

    Raises:
        InsufficientFactsError: it is too old, or in a schema that the suite has no constant for.
    """
    parts = re.match(r"([0-9]{1,4})\.([0-9]{1,4})(\.|\Z)", extension.version)
    version = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    fitting = [first for schema, first in STATEMENTS_BY if schema == extension.schema and version >= first]
    if extension.schema not in SCHEMAS:
        raise InsufficientFactsError(
            f"pg_stat_statements lies in the schema {extension.schema}, expected one of {', '.join(SCHEMAS)}"
        )
    if not fitting:
        raise InsufficientFactsError(
            f"pg_stat_statements {extension.version} is of a server before 13; "
            "update it: ALTER EXTENSION pg_stat_statements UPDATE"
        )
    return STATEMENTS_BY[extension.schema, max(fitting)]


def parse_statements(extension: Extension, rows: list[dict[str, Any]]) -> Recorded:
    """Parse the rows of `STATEMENTS`.

    Raises:
        InsufficientFactsError: there are none, or some are hidden from this account.
    """
    if any(row["hidden"] for row in rows):
        raise InsufficientFactsError("what others execute is hidden from this account; grant it pg_monitor")
    if not rows:
        raise InsufficientFactsError("pg_stat_statements has recorded no statement of others (is its track none?)")
    return Recorded(
        extension,
        tuple(Statement(row["queryid"], row["calls"], float(row["total_ms"]), row["text"] or "") for row in rows),
        rows[0]["since"],
        sum(row["calls"] for row in rows if row["rebuild"]),
    )
