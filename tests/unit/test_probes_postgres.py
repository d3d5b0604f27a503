"""Rows of PostgreSQL's views, with what they leave out."""

from __future__ import annotations

from typing import Any

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.probes.postgres import Connections, Session, parse_connections, parse_sessions

ROW: dict[str, Any] = {
    "pid": 7,
    "account": "app",
    "state": "active",
    "query_seconds": 1.5,
    "state_seconds": 0.5,
    "blocked_by": 0,
    "wait_seconds": None,
}


def test_reserved_connections_are_not_usable() -> None:
    assert parse_connections({"used": 12, "most": 100, "reserved": 3}) == Connections(12, 97)


def test_a_session_is_read_with_its_ages() -> None:
    assert parse_sessions([ROW]) == (Session(7, "app", "active", 1.5, 0.5, 0, 0.0),)


def test_a_session_without_an_account_is_of_someone_unknown() -> None:
    assert str(parse_sessions([ROW | {"account": None}])[0]) == "pid 7 of unknown"


def test_a_session_whose_state_is_hidden_makes_all_of_them_insufficient() -> None:
    with pytest.raises(
        InsufficientFactsError, match="1 of 2 sessions is hidden from this account; grant it pg_monitor"
    ):
        parse_sessions([ROW, ROW | {"state": None}])


def test_no_session_at_all_means_that_the_probe_was_blind() -> None:
    with pytest.raises(InsufficientFactsError, match="not even the one that asks"):
        parse_sessions([])
