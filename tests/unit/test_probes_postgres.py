"""Rows of PostgreSQL's views, with what they leave out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import InsufficientFactsError
from opsverify.probes import postgres
from opsverify.probes.postgres import Connections, Session, parse_connections, parse_sessions

ROW: dict[str, Any] = {
    "pid": 7,
    "account": "app",
    "backend_type": "client backend",
    "state": "active",
    "query_seconds": 1.5,
    "state_seconds": 0.5,
    "blocked_by": 0,
    "wait_seconds": None,
}


def test_reserved_connections_are_not_usable() -> None:
    assert parse_connections({"used": 12, "hidden": 0, "most": 100, "reserved": 3}) == Connections(12, 97)


def test_connections_that_are_hidden_are_not_counted_as_none() -> None:
    with pytest.raises(InsufficientFactsError, match=r"^what 9 of .* hidden from this account; grant it pg_monitor"):
        parse_connections({"used": 1, "hidden": 9, "most": 100, "reserved": 3})


def test_a_session_is_read_with_its_ages() -> None:
    assert parse_sessions([ROW]) == (Session(7, "app", "active", 1.5, 0.5, 0, 0.0),)


def test_a_session_without_an_account_is_of_someone_unknown() -> None:
    assert str(parse_sessions([ROW | {"account": None}])[0]) == "pid 7 of unknown"


def test_a_session_that_is_hidden_makes_all_of_them_insufficient() -> None:
    with pytest.raises(
        InsufficientFactsError, match="1 of 2 sessions are hidden from this account; grant it pg_monitor"
    ):
        parse_sessions([ROW, ROW | {"backend_type": None, "state": None}])


def test_a_session_that_does_not_track_what_it_does_makes_all_of_them_insufficient() -> None:
    with pytest.raises(InsufficientFactsError, match=r"1 of 2 sessions do not tell .* turn track_activities on"):
        parse_sessions([ROW, ROW | {"state": "disabled"}])


def test_a_session_that_is_just_starting_is_passed_over() -> None:
    assert parse_sessions([ROW, ROW | {"pid": 8, "state": None}]) == parse_sessions([ROW])


@pytest.mark.parametrize("query", [postgres.CONNECTIONS, postgres.SESSIONS_13, postgres.SESSIONS_14])
def test_hidden_sessions_are_asked_for(query: Query) -> None:
    assert "backend_type IS NULL" in query.text


@pytest.mark.parametrize("rows", [[], [ROW | {"state": None}]])
def test_no_session_at_all_means_that_the_probe_was_blind(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(InsufficientFactsError, match="not even the one that asks"):
        parse_sessions(rows)


def test_an_error_names_the_database() -> None:
    hidden = {"version": 160000, "used": 1, "hidden": 9, "most": 100, "reserved": 3, "backend_type": None}
    database = cast(SqlChannel, SimpleNamespace(target="main", ask=lambda _: [hidden]))
    for probe in (postgres.connections, postgres.sessions):
        with pytest.raises(InsufficientFactsError, match=r"^database main: .*pg_monitor"):
            probe(database)
