"""Cases of statements, statistics, indexes, the cache, and what is measured of them."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import Any

from lab import faults
from tests.lab.cases import people
from tests.lab.cases.kinds import Fault, NearMiss, together


def rebuilt() -> AbstractContextManager[Any]:
    """An index was rebuilt, and the server's statistics of statements know it."""
    return faults.sql_change("REINDEX INDEX swap.prices_symbol_at", FORGET.format("REINDEX"))


FORGET = "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements WHERE query ILIKE '{}%'"

FAULTS = [
    Fault(
        "statements are not recorded",
        faults.extension_dropped,
        dict.fromkeys(("PERF-PGSS-01-postgres", "PERF-PGSS-02-postgres", "PERF-IDX-01-postgres"), "error"),
        lane="postgres",
    ),
    Fault(
        "the extension is older than the server",
        lambda: faults.sql_change(
            "DROP EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_statements VERSION '1.9'",
            "ALTER EXTENSION pg_stat_statements UPDATE",
        ),
        {"PERF-PGSS-01-postgres": "fail"},
        lane="postgres",
    ),
    Fault(
        "a statement has become slow",
        faults.slow_statement,
        {"PERF-PGSS-02-postgres": "fail"},
        append="\n[limits.PERF-PGSS-02]\nadded_ms = 0.5\n",
        lane="postgres",
    ),
    Fault(
        "an index was left behind invalid",
        faults.invalid_index,
        {"PERF-IDX-01-postgres": "fail"},
        lane="postgres",
    ),
    Fault(
        "an index was rebuilt and nobody knows of a window",
        rebuilt,
        {"PERF-IDX-01-postgres": "fail"},
        lane="postgres",
    ),
    Fault(
        "the planner knows nothing of a table",
        faults.stale_statistics,
        {"PERF-STAT-01-postgres": "fail"},
        lane="postgres",
    ),
    Fault(
        "most blocks are read from disk",
        faults.cold_reads,
        {"BP-PERF-04-postgres": "fail"},
        lane="postgres",
    ),
    Fault(
        "the server counts nothing",
        faults.counters_off,
        {"PERF-STAT-01-postgres": "error", "BP-PERF-04-postgres": "error"},
        lane="postgres",
    ),
    Fault(
        "somebody has emptied the cache",
        faults.flushed,
        {"RED-EXP-01-redis": "fail"},
        lane="redis",
    ),
    Fault(
        "the application may empty the cache",
        faults.dangerous_user,
        {"RED-EXP-01-redis": "fail"},
        lane="redis",
    ),
    Fault(
        "the baseline has run out",
        lambda: faults.document(
            "baseline.toml", lambda text: re.sub(r"taken = \S+", "taken = 2026-01-01T00:00:00Z", text)
        ),
        {"BP-PERF-01-program": "fail", "PERF-PGSS-02-postgres": "error"},
        lane="postgres",
    ),
    Fault(
        "the report of the performance test was changed afterwards",
        lambda: faults.document("evidence/BP-PERF-03.md", lambda text: text + "and it was faster than that\n"),
        {"BP-PERF-03-program": "fail"},
        lane="audits",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "the application asks more often",
        faults.many_calls,
        ("PERF-PGSS",),
        lane="postgres",
    ),
    NearMiss(
        "a new table is empty",
        lambda: faults.sql_change("CREATE TABLE swap.fresh (id integer)", "DROP TABLE swap.fresh"),
        ("PERF-STAT", "BP-PERF-04"),
        lane="postgres",
    ),
    NearMiss(
        "an index was rebuilt in a window on record",
        lambda: together(
            rebuilt(), faults.document("attestations.toml", lambda text: text.replace('"BP-PERF-03"', '"PERF-IDX-01"'))
        ),
        ("PERF-IDX",),
        lane="postgres",
    ),
    NearMiss(
        "the cache is full, as caches are",
        faults.cache_full,
        ("RED-MEM", "HLT-RED"),
        lane="redis",
    ),
    NearMiss(
        "the application is refused to empty the cache, and keys expire",
        faults.flush_refused,
        ("RED-EXP",),
        lane="redis",
    ),
    NearMiss(
        "baseline and performance test are in their last days",
        lambda: together(
            faults.document(
                "baseline.toml",
                lambda text: re.sub(r"valid_for = \S+", 'valid_for = "1d"', text),
            ),
            people.attestation("BP-PERF-03", people.dated(-90, "90d")),
        ),
        ("BP-PERF-01", "BP-PERF-03", "PERF-PGSS"),
        lane="postgres",
    ),
]
