"""Facts about restore drills: those on record, and what a live database has for them to be compared with."""

from __future__ import annotations

from dataclasses import dataclass

from opsverify import drills
from opsverify.channels.document import DocumentChannel
from opsverify.channels.sql import Query, SqlChannel
from opsverify.drills import Drill

TABLES = Query(
    "SELECT n.nspname AS schema, c.relname AS name, c.relpersistence AS persistence,"
    # Where nothing was counted (after a crash or a reset, and on a standby), the catalogue's own estimate.
    "       CASE WHEN coalesce(s.n_live_tup + s.n_dead_tup + s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0) = 0"
    "            THEN greatest(c.reltuples, 0) ELSE s.n_live_tup END AS live"
    "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid"
    " WHERE c.relkind = 'r' AND c.relpersistence <> 't'"
    "   AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    "   AND NOT EXISTS (SELECT 1 FROM pg_depend d"
    "                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
)
SIZE = Query("SELECT pg_database_size(current_database()) AS bytes")
# Asked of the live database and of what was restored from it: what is flawed there may be so here.
FLAWS = Query(
    "SELECT 'constraint' AS kind, n.nspname || '.' || o.conname AS name"
    "  FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace WHERE NOT o.convalidated"
    " UNION ALL"
    " SELECT 'index', n.nspname || '.' || c.relname"
    "  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE NOT i.indisvalid"
)


@dataclass(frozen=True)
class LiveTable:
    """An ordinary table of the live database, and about how many rows it has; ``logged``: it survives a crash."""

    schema: str
    name: str
    rows: int
    logged: bool


@dataclass(frozen=True)
class Live:
    """The live database: its tables, the constraints and indexes that are flawed in it, and its size in bytes."""

    tables: tuple[LiveTable, ...]
    flaws: frozenset[tuple[str, str]]
    size: int


def of_store(program: DocumentChannel, store: str) -> tuple[Drill, ...]:
    """The drills of a store that are on record, the last one last; none where there is no record.

    Raises:
        UnansweredError: the record cannot be read, or a line of it is not understood.
    """
    text = program.text("drills") or ""
    found = drills.parse(text, program.documents.shown("drills"))
    return tuple(sorted((each for each in found if each.store == store), key=lambda each: each.finished))


def live(database: SqlChannel) -> Live:
    """What the live database has, by its own statistics and without looking into any table."""
    tables = (
        LiveTable(row["schema"], row["name"], int(row["live"]), row["persistence"] == "p")
        for row in database.ask(TABLES)
    )
    flaws = frozenset((str(row["kind"]), str(row["name"])) for row in database.ask(FLAWS))
    return Live(tuple(tables), flaws, int(database.ask(SIZE)[0]["bytes"]))
