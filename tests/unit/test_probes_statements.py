"""Rows of pg_stat_statements, as real servers of 13 to 17 gave them to accounts with and without pg_monitor."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from opsverify.channels.sql import Query
from opsverify.errors import InsufficientFactsError
from opsverify.probes import postgres
from opsverify.probes.postgres import (
    Connections,
    Extension,
    Recorded,
    Statement,
    parse_connections,
    parse_extension,
    parse_sessions,
    parse_statements,
    statements_query,
)
from tests.unit.conftest import Rows

VERSIONS = ["13", "14", "15", "16", "17"]
SHIPPED = {"13": "1.8", "14": "1.9", "15": "1.10", "16": "1.10", "17": "1.11"}
COUNT = "SELECT count(*), sum(amount) FROM swap.orders WHERE account_id = $1"
EXTENSION = Extension("1.10", "1.10", "public")
ROW: dict[str, Any] = {
    "queryid": "-42",
    "calls": 3,
    "total_ms": 1.5,
    "read_ms": 0.0,
    "since": datetime(2026, 11, 1, tzinfo=UTC),
    "text": "SELECT 1",
    "rebuild": False,
    "hidden": False,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("account", ["verify", "managed"])
def test_the_extension_of_a_real_server_is_current(rows: Rows, version: str, account: str) -> None:
    found = parse_extension(rows(version, account, "extension"))
    assert found == Extension(SHIPPED[version], SHIPPED[version], "public")


@pytest.mark.parametrize("version", VERSIONS)
def test_statements_of_a_real_server(rows: Rows, version: str) -> None:
    found = parse_statements(
        parse_extension(rows(version, "verify", "extension")), rows(version, "verify", "statements")
    )
    (counted,) = [each for each in found.statements if each.text == COUNT]
    assert counted.calls == 150
    assert 0 < counted.mean_ms < 1
    assert len(found.statements) == 6
    assert found.rebuilds == 1
    assert (found.since is None) is (version == "13")


@pytest.mark.parametrize("version", VERSIONS)
def test_without_pg_monitor_statements_are_hidden_and_that_is_an_error(rows: Rows, version: str) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^what others execute is hidden .* grant it pg_monitor"):
        parse_statements(EXTENSION, rows(version, "managed", "statements"))


def test_one_hidden_row_hides_all() -> None:
    with pytest.raises(InsufficientFactsError, match="hidden from this account"):
        parse_statements(EXTENSION, [ROW, ROW | {"queryid": None, "hidden": True}])


def test_no_row_is_no_record() -> None:
    with pytest.raises(InsufficientFactsError, match="has recorded no statement of others"):
        parse_statements(EXTENSION, [])


@pytest.mark.parametrize(
    ("change", "statement"),
    [
        ({}, Statement("-42", 3, 1.5, "SELECT 1")),
        ({"total_ms": "1.5"}, Statement("-42", 3, 1.5, "SELECT 1")),
        ({"total_ms": Decimal("1.5")}, Statement("-42", 3, 1.5, "SELECT 1")),
        ({"text": None}, Statement("-42", 3, 1.5, "")),
        ({"text": "SELECT '\x1b[31m\u202e'"}, Statement("-42", 3, 1.5, "SELECT '\x1b[31m\u202e'")),
    ],
)
def test_a_statement_is_read_with_what_it_cost(change: dict[str, Any], statement: Statement) -> None:
    assert parse_statements(EXTENSION, [ROW | change]) == Recorded(EXTENSION, (statement,), ROW["since"], 0)


def test_rebuilds_are_counted_by_their_calls() -> None:
    found = parse_statements(EXTENSION, [ROW, ROW | {"rebuild": True, "calls": 2}, ROW | {"rebuild": True}])
    assert found.rebuilds == 5


@pytest.mark.parametrize(("calls", "total", "mean"), [(4, 10.0, 2.5), (0, 10.0, 0.0), (0, 0.0, 0.0), (1, 0.0, 0.0)])
def test_the_mean_of_a_statement(calls: int, total: float, mean: float) -> None:
    assert Statement("1", calls, total).mean_ms == mean


def test_a_mean_of_no_number_is_no_number() -> None:
    assert math.isnan(parse_statements(EXTENSION, [ROW | {"total_ms": "NaN"}]).statements[0].mean_ms)


def test_without_the_extension_nothing_is_recorded() -> None:
    with pytest.raises(InsufficientFactsError, match="pg_stat_statements is not installed in this database"):
        parse_extension([])


def test_an_extension_that_the_server_ships_no_longer_is_its_own_measure() -> None:
    row = {"version": "1.8", "default_version": None, "schema": "public"}
    assert parse_extension([row]) == Extension("1.8", "1.8", "public")


@pytest.mark.parametrize("schema", ["public", "extensions", "monitoring", "pg_catalog"])
@pytest.mark.parametrize(
    ("version", "column", "reset"),
    [
        ("1.8", " s.blk_read_time", False),
        ("1.9", " s.blk_read_time", True),
        ("1.10", " s.blk_read_time", True),
        ("1.11", " s.shared_blk_read_time", True),
        ("1.12", " s.shared_blk_read_time", True),
        ("2.0", " s.shared_blk_read_time", True),
        ("1.10.1", " s.blk_read_time", True),
        ("1.11.x", " s.shared_blk_read_time", True),
        ("1.8.99", " s.blk_read_time", False),
    ],
)
def test_the_columns_go_by_the_version_of_the_extension(schema: str, version: str, column: str, reset: bool) -> None:
    text = statements_query(Extension(version, "9.9", schema)).text
    assert f"(s.{column.strip().removeprefix('s.')})" in text
    assert f"FROM {schema}.pg_stat_statements s" in text
    assert (f"FROM {schema}.pg_stat_statements_info i" in text) is reset
    assert "total_exec_time" in text


@pytest.mark.parametrize(
    "version",
    [
        "1.7",
        "1.6",
        "1.0",
        "0.9",
        "1",
        "",
        "x",
        "x.9",
        "1.²",
        "²",
        "1.x",
        "1.10x",
        "1.",
        ".10",
        "-1.10",
        "1.٩",
        "1." + "9" * 5000,
        "1.7.99",
    ],
)
def test_an_extension_of_a_server_before_13_is_too_old(version: str) -> None:
    with pytest.raises(InsufficientFactsError, match="update it: ALTER EXTENSION pg_stat_statements UPDATE"):
        statements_query(Extension(version, "1.11", "public"))


@pytest.mark.parametrize("schema", ["", "ops", "Public", "public.x", "public; DROP"])
def test_an_extension_in_a_schema_that_is_not_known_is_named_not_asked(schema: str) -> None:
    with pytest.raises(
        InsufficientFactsError, match=r"pg_stat_statements lies in the schema .*, expected one of public"
    ):
        statements_query(Extension("1.10", "1.10", schema))


@pytest.mark.parametrize("query", [postgres.EXTENSION, *postgres.STATEMENTS_BY.values()])
def test_every_query_of_statements_stands_up_to_the_guard(query: Query) -> None:
    assert Query(query.text) == query


@pytest.mark.parametrize("version", VERSIONS)
def test_connections_and_sessions_of_a_real_server(rows: Rows, version: str) -> None:
    assert parse_connections(rows(version, "verify", "connections")[0]) == Connections(1, 37)
    (session,) = parse_sessions(rows(version, "verify", "sessions"))
    assert (session.account, session.state, session.blocked_by) == ("ops_verify", "active", 0)
    assert abs(session.query_seconds) < 1


@pytest.mark.parametrize("version", VERSIONS)
def test_without_pg_monitor_connections_and_sessions_are_an_error(rows: Rows, version: str) -> None:
    with pytest.raises(InsufficientFactsError, match="grant it pg_monitor"):
        parse_connections(rows(version, "managed", "connections")[0])
    with pytest.raises(InsufficientFactsError, match="grant it pg_monitor"):
        parse_sessions(rows(version, "managed", "sessions"))
