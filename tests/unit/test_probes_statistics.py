"""Rows of PostgreSQL's counters and of its standbys, as real servers of 13 to 17 gave them, and what they leave out."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import InsufficientFactsError
from opsverify.probes import replication, statistics
from opsverify.probes.replication import Connection, Replica, parse_replica
from opsverify.probes.statistics import Blocks, Index, Table, parse_blocks, parse_indexes, parse_tables
from tests.unit.conftest import Rows

VERSIONS = pytest.mark.parametrize("version", ["13", "14", "15", "16", "17"])
ACCOUNTS = pytest.mark.parametrize("account", ["verify", "managed"])
MOMENT = datetime(2026, 11, 23, 6, tzinfo=UTC)
TABLE: dict[str, Any] = {
    "schema": "swap",
    "name": "orders",
    "live": 10,
    "modified": 1,
    "analyzed": MOMENT,
    "bytes": None,
    "sequential_scans": 2,
    "index_scans": 3,
    "counted": "on",
}
STANDBY: dict[str, Any] = {"application_name": "replica-1", "state": "streaming", "lag": Decimal(8), "sees_all": True}


@VERSIONS
@ACCOUNTS
def test_tables_of_a_real_server(rows: Rows, version: str, account: str) -> None:
    found = {each.name: each for each in parse_tables(rows(version, account, "tables"))}
    assert set(found) == {"swap.accounts", "swap.orders", "swap.ledger_raw"}
    assert found["swap.accounts"].live >= 2000
    assert 0 <= found["swap.accounts"].modified < found["swap.accounts"].live
    assert {each.bytes for each in found.values()} == {None}
    assert found["swap.ledger_raw"].analyzed is None
    assert (found["swap.ledger_raw"].live, found["swap.ledger_raw"].modified) == (1500, 1500)
    analyzed = found["swap.orders"].analyzed
    assert analyzed is not None
    assert analyzed.tzinfo is not None
    assert not any(each.unknown for each in found.values())


@VERSIONS
@ACCOUNTS
def test_indexes_of_a_real_server(rows: Rows, version: str, account: str) -> None:
    found = parse_indexes(rows(version, account, "indexes"))
    assert [each.name for each in found if not each.valid] == ["swap.accounts_email_key"]
    assert not any(each.being_built for each in found)
    assert {each.name for each in found if each.scans is None} == {
        each.name for each in found if each.name.startswith("pg_toast.")
    }
    assert "swap.orders_state_created_unused_idx" in [each.name for each in found if each.scans == 0]


@VERSIONS
@ACCOUNTS
def test_blocks_of_a_real_server(rows: Rows, version: str, account: str) -> None:
    found = parse_blocks(rows(version, account, "blocks"))
    assert found.hit > 300_000 > found.read > 0
    assert (found.since is None) is (version not in ("13", "14"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Table("swap.orders", 10, 1, MOMENT, None, 2, 3)),
        ({"live": None, "modified": None, "bytes": 0}, Table("swap.orders", 0, 0, MOMENT, 0, 2, 3)),
        ({"analyzed": None}, Table("swap.orders", 10, 1, None, None, 2, 3)),
        ({"schema": "a b", "name": "\u202ex"}, Table("a b.\u202ex", 10, 1, MOMENT, None, 2, 3)),
    ],
)
def test_a_table_is_read(change: dict[str, Any], expected: Table) -> None:
    assert parse_tables([TABLE | change]) == (expected,)


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        ({"live": 0, "modified": 0, "analyzed": None, "bytes": 8192}, True),
        ({"live": None, "modified": None, "analyzed": None, "bytes": 1}, True),
        ({"live": 0, "modified": 0, "analyzed": None, "bytes": 0}, False),
        ({"live": 0, "modified": 0, "analyzed": None}, False),  # gone before its size was looked at
        ({}, False),
    ],
)
def test_a_table_with_content_that_no_counter_knows_is_unknown(change: dict[str, Any], unknown: bool) -> None:
    assert parse_tables([TABLE | change])[0].unknown is unknown


def test_the_size_is_asked_for_only_where_the_counters_know_nothing() -> None:
    # It waits for a lock: to ask it of every table would hold up the run behind any ALTER TABLE.
    asked = " ".join(statistics.TABLES.text.split())
    assert asked.count("pg_relation_size(") == asked.count("THEN pg_relation_size(t.relid) END AS bytes") == 1
    condition = asked[asked.index("CASE WHEN") : asked.index("THEN")]
    for counter in ("t.n_live_tup", "t.n_mod_since_analyze", "t.last_analyze IS NULL", "t.last_autoanalyze IS NULL"):
        assert counter in condition


@pytest.mark.parametrize("counted", ["off", None, "", "ON"])
def test_a_server_that_does_not_count_tells_nothing(counted: str | None) -> None:
    with pytest.raises(InsufficientFactsError, match="track_counts is off"):
        parse_tables([TABLE | {"counted": counted}])
    with pytest.raises(InsufficientFactsError, match="track_counts is off"):
        parse_blocks([{"hit": 1, "read": 1, "since": None, "counted": counted}])


def test_no_row_is_blindness_not_peace() -> None:
    with pytest.raises(InsufficientFactsError, match="no table of users is visible"):
        parse_tables([])
    with pytest.raises(InsufficientFactsError, match="not even one of the system"):
        parse_indexes([])
    with pytest.raises(InsufficientFactsError):
        parse_blocks([])


def test_an_index_and_blocks_are_read() -> None:
    row = {"schema": "s", "name": "i", "valid": False, "uniq": True, "scans": None, "being_built": True}
    assert parse_indexes([row]) == (Index("s.i", valid=False, being_built=True, unique=True, scans=None),)
    assert parse_blocks([{"hit": 9, "read": 1, "since": MOMENT, "counted": "on"}]) == Blocks(9, 1, MOMENT)


@VERSIONS
def test_the_standby_of_a_real_server_streams(rows: Rows, version: str) -> None:
    found = parse_replica("replica-1", rows(version, "verify", "standbys"))
    assert [each.state for each in found.connections] == ["streaming"]
    assert 0 <= found.connections[0].lag < 1024 * 1024
    assert parse_replica("replica-2", rows(version, "verify", "standbys")).connections == ()


@VERSIONS
def test_without_pg_monitor_a_standby_is_not_called_absent(rows: Rows, version: str) -> None:
    for name in ("replica-1", "replica-2"):
        with pytest.raises(InsufficientFactsError, match=r"^what standbys do is hidden .* grant it pg_monitor"):
            parse_replica(name, rows(version, "managed", "standbys"))


@pytest.mark.parametrize(
    ("found", "connections"),
    [
        ([STANDBY], (Connection("streaming", 8.0),)),
        ([STANDBY | {"lag": "8"}], (Connection("streaming", 8.0),)),
        ([STANDBY | {"lag": Decimal(-8)}], (Connection("streaming", -8.0),)),
        ([STANDBY | {"state": None}], (Connection("unknown", 8.0),)),
        (
            [STANDBY, STANDBY | {"state": "catchup"}, STANDBY | {"application_name": "x"}],
            (Connection("streaming", 8.0), Connection("catchup", 8.0)),
        ),
        ([STANDBY | {"application_name": "pg_basebackup", "state": "backup"}], ()),
        ([STANDBY | {"application_name": "Replica-1"}], ()),
        ([STANDBY | {"application_name": "replica-1 "}], ()),
        ([STANDBY | {"application_name": ""}], ()),
        ([STANDBY | {"application_name": None, "state": None}], ()),
    ],
)
def test_a_standby_is_known_by_its_name_alone(found: list[dict[str, Any]], connections: tuple[Connection, ...]) -> None:
    assert parse_replica("replica-1", found) == Replica("replica-1", connections)


def test_a_lag_that_is_no_number_stays_none() -> None:
    assert math.isnan(parse_replica("replica-1", [STANDBY | {"lag": Decimal("NaN")}]).connections[0].lag)


@pytest.mark.parametrize("found", [[], [STANDBY | {"sees_all": False}], [STANDBY | {"sees_all": None}]])
def test_who_may_not_see_standbys_does_not_know_that_there_is_none(found: list[dict[str, Any]]) -> None:
    with pytest.raises(InsufficientFactsError, match="grant it pg_monitor"):
        parse_replica("replica-1", found)


@pytest.mark.parametrize("query", [statistics.TABLES, statistics.INDEXES, statistics.BLOCKS, replication.STANDBYS])
def test_the_queries_stand_up_to_the_guard(query: Query) -> None:
    assert Query(query.text) == query


def test_an_error_names_the_database() -> None:
    database = cast(SqlChannel, SimpleNamespace(target="main", ask=lambda _: []))
    for probe in (statistics.tables, statistics.indexes, statistics.blocks):
        with pytest.raises(InsufficientFactsError, match=r"^database main: "):
            probe(database)
    with pytest.raises(InsufficientFactsError, match=r"^database main: .*pg_monitor"):
        replication.replica(database, "replica-1")
