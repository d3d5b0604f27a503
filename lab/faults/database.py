"""PostgreSQL: its settings, sessions, tables and statistics."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import time
from collections.abc import Iterator

from lab import engine, history, load
from lab.faults.core import wait_until


def sql(text: str, service: str = "postgres") -> str:
    """Ask PostgreSQL (or its replica) as its superuser; several statements are one transaction."""
    return engine.inside(service, "psql", "-XAtqc", text, "tokenswap", user="postgres").strip()


@contextlib.contextmanager
def sql_change(do: str, undo: str) -> Iterator[None]:
    """A statement is executed, and another one undoes it."""
    sql(do)
    try:
        yield
    finally:
        sql(undo)


@contextlib.contextmanager
def session(*statements: str, settle: float = 1) -> Iterator[None]:
    """A session of a client executes statements one after the other, then stays as it is."""
    name = f"fault-{secrets.token_hex(4)}"
    psql = ["psql", "-Xq", f"dbname=tokenswap application_name={name}"]
    command = ["docker", "exec", "-i", "-u", "postgres", engine.container_id("postgres"), *psql]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        assert client.stdin is not None
        client.stdin.write("".join(f"{each};\n" for each in statements).encode())
        client.stdin.flush()
        time.sleep(settle)
        try:
            yield
        finally:
            # What still waits is cancelled; at the end of its input psql leaves, and takes its transaction along.
            mine = f"application_name = '{name}' AND state = 'active'"
            sql(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {mine}")  # noqa: S608  a name made here
            client.stdin.close()
            client.wait(20)


@contextlib.contextmanager
def replay_paused() -> Iterator[None]:
    """The replica receives what the primary writes, and does not apply it: it lags by more than 1 MB."""
    sql("SELECT pg_wal_replay_pause()", "postgres-replica")
    try:
        sql("SELECT pg_logical_emit_message(true, 'lab', repeat(md5(random()::text), 100000))")
        wait_until(lambda: _replay_lag() > 1024 * 1024, "the replica lags")
        yield
    finally:
        sql("SELECT pg_wal_replay_resume()", "postgres-replica")
        wait_until(lambda: _replay_lag() < 64 * 1024, "the replica caught up")


def _replay_lag() -> float:
    of_replica = "FROM pg_stat_replication WHERE application_name = 'replica-1'"
    lag = sql(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) {of_replica}")
    return float(lag or "inf")  # nothing, while it is not connected


def extension_dropped() -> contextlib.AbstractContextManager[None]:
    """Nobody can see which statements are slow: pg_stat_statements is gone from the database."""
    return sql_change("DROP EXTENSION pg_stat_statements", "CREATE EXTENSION pg_stat_statements")


@contextlib.contextmanager
def invalid_index() -> Iterator[None]:
    """A unique index could not be built because of duplicates, and was left behind invalid."""
    build = "CREATE UNIQUE INDEX CONCURRENTLY swaps_pool_once ON swap.swaps (pool_id)"
    engine.inside("postgres", "psql", "-Xqc", build, "tokenswap", user="postgres", check=False)
    try:
        yield
    finally:
        sql("DROP INDEX swap.swaps_pool_once")


def stale_statistics() -> contextlib.AbstractContextManager[None]:
    """The planner knows nothing of a table: thousands of rows, never analyzed, and autovacuum keeps off."""
    return sql_change(
        "SET ROLE tokenswap_owner; CREATE TABLE swap.fees (id integer, usd numeric) WITH (autovacuum_enabled = false);"
        " INSERT INTO swap.fees SELECT g, g * 0.003 FROM generate_series(1, 5000) g",
        "DROP TABLE swap.fees",
    )


@contextlib.contextmanager
def cold_reads() -> Iterator[None]:
    """Most blocks come from disk: a table larger than shared_buffers is read from end to end, again and again."""
    # Unlogged, and a row a block: quickly made, and neither the archive nor the replica is troubled.
    sql(
        "SET ROLE tokenswap_owner; CREATE UNLOGGED TABLE swap.audit (id integer, note text);"
        " ALTER TABLE swap.audit ALTER note SET STORAGE PLAIN;"
        " INSERT INTO swap.audit SELECT g, repeat('x', 7000) FROM generate_series(1, 12000) g"
    )
    try:
        sql("SELECT pg_stat_reset()")
        sql("ANALYZE")  # the counters of the tables are gone too; without this nobody knows how fresh they are
        for _ in range(6):
            sql("SELECT count(*) FROM swap.audit")
        # Else its series would tell, for one scrape more, of a database that leaves most of this one out.
        told = "pg_database_size_bytes{datname='tokenswap'}"
        wait_until(lambda: not 0 < history.value(told) < 80e6, "its size is told, or none is")
        yield
    finally:
        sql("DROP TABLE swap.audit")
        sql("ANALYZE")  # reads what was pushed out of the buffers, so that the next one finds it there
        sql("SELECT pg_stat_reset()")
        sql("ANALYZE")


@contextlib.contextmanager
def counters_off() -> Iterator[None]:
    """PostgreSQL counts nothing any more."""
    sql("ALTER SYSTEM SET track_counts = off")
    _reload_until("off")
    try:
        yield
    finally:
        sql("ALTER SYSTEM RESET track_counts")
        _reload_until("on")


def _reload_until(track_counts: str) -> None:
    sql("SELECT pg_reload_conf()")
    wait_until(lambda: sql("SHOW track_counts") == track_counts, f"track_counts {track_counts}")


@contextlib.contextmanager
def slow_statement() -> Iterator[None]:
    """A statement of the application has become slow: the index it needs is gone, and its table has grown."""
    sql(
        "DROP INDEX swap.prices_symbol_at; INSERT INTO swap.prices (symbol, usd, at) SELECT 'ETH', 3000,"
        " timestamptz '2020-01-01' - g * interval '1 minute' FROM generate_series(1, 20000) g"
    )
    try:
        load.statements()
        yield
    finally:
        sql(
            "DELETE FROM swap.prices WHERE at < '2020-01-01';"
            " CREATE INDEX prices_symbol_at ON swap.prices (symbol, at DESC)"
        )
        sql("VACUUM (ANALYZE) swap.prices")
        slow = "query LIKE 'SELECT usd, at FROM prices%'"
        sql(f"SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements WHERE {slow}")  # noqa: S608
        load.statements()


@contextlib.contextmanager
def many_calls() -> Iterator[None]:
    """The application asks more often, at its normal speed."""
    load.statements()
    yield
