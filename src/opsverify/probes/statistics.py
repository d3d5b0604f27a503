"""Facts from PostgreSQL's own counters: how fresh the planner's statistics are, and how tables and indexes are used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import InsufficientFactsError
from opsverify.probes import about

# The size is asked for only where the counters know nothing: it waits for whoever holds the table exclusively.
TABLES = Query("""
SELECT t.schemaname AS schema, t.relname AS name, t.n_live_tup AS live, t.n_mod_since_analyze AS modified,
       greatest(t.last_analyze, t.last_autoanalyze) AS analyzed,
       CASE WHEN greatest(t.n_live_tup, t.n_dead_tup, t.n_mod_since_analyze, 0) = 0
             AND t.last_analyze IS NULL AND t.last_autoanalyze IS NULL
            THEN pg_relation_size(t.relid) END AS bytes,
       coalesce(t.seq_scan, 0) AS sequential_scans, coalesce(t.idx_scan, 0) AS index_scans,
       current_setting('track_counts') AS counted
  FROM pg_stat_user_tables t
 WHERE t.schemaname NOT LIKE 'pg_temp%' AND t.schemaname NOT LIKE 'pg_toast_temp%'
""")
# What CREATE INDEX and REINDEX build CONCURRENTLY is invalid until it is done; that is work in progress, no ruin.
INDEXES = Query("""
SELECT n.nspname AS schema, c.relname AS name, i.indisvalid AS valid, i.indisunique AS uniq,
       s.idx_scan AS scans,
       EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS being_built
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
 WHERE n.nspname NOT LIKE 'pg_temp%' AND n.nspname NOT LIKE 'pg_toast_temp%'
""")
BLOCKS = Query("""
SELECT d.blks_hit AS hit, d.blks_read AS read, d.stats_reset AS since, current_setting('track_counts') AS counted
  FROM pg_stat_database d WHERE d.datname = current_database()
""")


@dataclass(frozen=True)
class Table:
    """A table of users: rows that live, rows changed since its last analysis (None: none is known), scans.

    ``bytes`` is the size of one that the counters know nothing of, None for any other.
    """

    name: str
    live: int
    modified: int
    analyzed: datetime | None
    bytes: int | None
    sequential_scans: int
    index_scans: int

    @property
    def unknown(self) -> bool:
        """Whether the counters know nothing of a table that has content: they were lost, say in a crash."""
        return bool(self.bytes)


@dataclass(frozen=True)
class Index:
    """An index: ``scans`` is None for those of the system."""

    name: str
    valid: bool
    being_built: bool
    unique: bool
    scans: int | None


@dataclass(frozen=True)
class Blocks:
    """Blocks that were asked for since the counters began: found in PostgreSQL's own cache, or read."""

    hit: int
    read: int
    since: datetime | None


def tables(database: SqlChannel) -> tuple[Table, ...]:
    """All tables of users.

    Raises:
        InsufficientFactsError: there is none, or the server does not count.
    """
    with about(f"database {database.target}"):
        return parse_tables(database.ask(TABLES))


def parse_tables(rows: list[dict[str, Any]]) -> tuple[Table, ...]:
    """Parse the rows of `TABLES`.

    Raises:
        InsufficientFactsError: there is none, or the server does not count.
    """
    _counted(rows)
    return tuple(
        Table(
            f"{row['schema']}.{row['name']}",
            row["live"] or 0,
            row["modified"] or 0,
            row["analyzed"],
            row["bytes"],
            row["sequential_scans"],
            row["index_scans"],
        )
        for row in rows
    )


def indexes(database: SqlChannel) -> tuple[Index, ...]:
    """All indexes, those of the system too.

    Raises:
        InsufficientFactsError: there is none, which cannot be.
    """
    with about(f"database {database.target}"):
        return parse_indexes(database.ask(INDEXES))


def parse_indexes(rows: list[dict[str, Any]]) -> tuple[Index, ...]:
    """Parse the rows of `INDEXES`.

    Raises:
        InsufficientFactsError: there is none, which cannot be: the system has its own.
    """
    if not rows:
        raise InsufficientFactsError("pg_index shows no index, not even one of the system")
    return tuple(
        Index(f"{row['schema']}.{row['name']}", row["valid"], row["being_built"], row["uniq"], row["scans"])
        for row in rows
    )


def blocks(database: SqlChannel) -> Blocks:
    """How many blocks were found in the cache, and how many were not.

    Raises:
        InsufficientFactsError: the server does not count.
    """
    with about(f"database {database.target}"):
        return parse_blocks(database.ask(BLOCKS))


def parse_blocks(rows: list[dict[str, Any]]) -> Blocks:
    """Parse the row of `BLOCKS`.

    Raises:
        InsufficientFactsError: there is none, or the server does not count.
    """
    _counted(rows)
    return Blocks(rows[0]["hit"], rows[0]["read"], rows[0]["since"])


def _counted(rows: list[dict[str, Any]]) -> None:
    if not rows:
        raise InsufficientFactsError("no table of users is visible in this database: is it the application's?")
    if rows[0]["counted"] != "on":
        raise InsufficientFactsError("the server does not count what is done (track_counts is off)")
