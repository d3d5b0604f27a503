"""Facts about physical replication, as the primary sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import InsufficientFactsError
from opsverify.probes import about

# The row of a standby that has not replayed anything yet has no replay_lsn; what it was sent, or nothing, counts then.
STANDBYS = Query("""
SELECT application_name, state,
       pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, sent_lsn, '0/0')) AS lag,
       pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
  FROM (SELECT 1) AS one LEFT JOIN pg_stat_replication ON true
""")


@dataclass(frozen=True)
class Connection:
    """A standby's connection: its state, and the log in bytes that it has not replayed yet."""

    state: str
    lag: float


@dataclass(frozen=True)
class Replica:
    """A standby by name, with its connections to the primary; none when it is not connected."""

    name: str
    connections: tuple[Connection, ...]


def replica(database: SqlChannel, name: str) -> Replica:
    """The standby of that application_name, as its primary sees it.

    Raises:
        UnansweredError: the server is itself a standby, or does not answer.
        InsufficientFactsError: this account may not see what standbys do (it lacks pg_monitor).
    """
    with about(f"database {database.target}"):
        return parse_replica(name, database.ask(STANDBYS))


def parse_replica(name: str, rows: list[dict[str, Any]]) -> Replica:
    """The connections of one standby among the rows of `STANDBYS`; base backups run under names of their own.

    Raises:
        InsufficientFactsError: the account may not see what standbys do.
    """
    if not rows or not rows[0]["sees_all"]:
        raise InsufficientFactsError("what standbys do is hidden from this account; grant it pg_monitor")
    mine = [each for each in rows if each["application_name"] == name]
    return Replica(name, tuple(Connection(each["state"] or "unknown", float(each["lag"])) for each in mine))
