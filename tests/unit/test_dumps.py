"""The text of a dump: its rows are counted exactly, its roles found, and its end."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import dumps
from opsverify.errors import UnansweredError

WHOLE = b"-- PostgreSQL database dump complete"


def read(*lines: bytes) -> dumps.DumpText:
    return dumps.read(line + b"\n" for line in lines)


def test_a_real_dump_is_understood(captured: Callable[[str], str]) -> None:
    found = dumps.read(captured("dump.sql").encode().splitlines(keepends=True))
    assert {name: count for (schema, name), count in found.rows.items() if schema == "swap"} == {
        "api_keys": 3,
        "pools": 3,
        "prices": 3,
        "swaps": 3,
        "users": 3,
    }
    assert found.kept_apart == ["ops_verify", "tokenswap", "tokenswap_owner"]
    assert (found.major, found.restricted, found.complete, found.connects, found.cut) == (15, True, True, False, "")


def test_rows_are_lines_of_a_copy_block_whatever_they_hold() -> None:
    found = read(
        b'COPY "My Schema"."a""b" (id, "x y") FROM stdin;', WHOLE, b"", b"\\\\.", b"COPY x.y FROM stdin;", b"\\."
    )
    assert found.rows == {("My Schema", 'a"b'): 4}
    assert not found.complete


def test_an_empty_table_has_no_rows_and_is_expected_all_the_same() -> None:
    assert read(b"COPY a.b (id) FROM stdin;", b"\\.").rows == {("a", "b"): 0}


def test_a_dump_that_ends_in_the_rows_of_a_table_says_in_which() -> None:
    assert read(b"COPY a.b (id) FROM stdin;", b"1").cut == "a.b"


HEADING = b"-- Data for Name: b; Type: TABLE DATA; Schema: a; Owner: c"


@pytest.mark.parametrize("lines", [[HEADING, b"--", b"", b"INSERT INTO a.b VALUES (1);"], [b"COPY x FROM stdin;"]])
def test_rows_that_cannot_be_counted_are_an_error(lines: list[bytes]) -> None:
    with pytest.raises(UnansweredError):
        read(*lines)


def test_what_a_function_inserts_is_no_row_of_the_dump() -> None:
    function = [b"-- Name: f(); Type: FUNCTION; Schema: a; Owner: c", b"CREATE FUNCTION a.f() AS $$", b"BEGIN"]
    body = b"INSERT INTO a.b VALUES (1);"
    assert read(*function, body, HEADING, b"COPY a.b (id) FROM stdin;", b"1", b"\\.", *function, body).rows == {
        ("a", "b"): 1
    }


@pytest.mark.parametrize(
    "line",
    [
        b"GRANT " + b" TO A WITH" * 1_500,
        b"GRANT " + b" TO A GRANTED BY" * 1_000,
        b"ALTER " + b' OWNER TO "' * 1_400,
        b"CREATE POLICY " + b" TO A" * 3_000,
        b"COPY " + b"( " * 1_000_000 + b" FROM stdin",
        b"GRANT " + b" TO A WITH" * 1_000_000,
    ],
)
def test_no_line_takes_long(line: bytes) -> None:
    begun = time.monotonic()
    assert read(line).kept_apart == []
    assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize(
    ("line", "roles"),
    [
        (b"ALTER TABLE a.b OWNER TO c;", ["c"]),
        (b'ALTER TABLE a.b OWNER TO "C d""e";', ['"C d""e"']),
        (b"GRANT SELECT ON TABLE a.b TO c WITH GRANT OPTION;", ["c"]),
        (b"GRANT SELECT(id) ON TABLE a.b TO PUBLIC;", []),
        (b"GRANT pg_monitor TO c;", ["c"]),
        (b"REVOKE ALL ON SCHEMA public FROM c;", ["c"]),
        (b"REVOKE ALL ON SCHEMA public FROM pg_database_owner;", []),
        (b"ALTER DEFAULT PRIVILEGES FOR ROLE c IN SCHEMA a GRANT SELECT ON TABLES TO d;", ["c", "d"]),
        (b"CREATE POLICY p ON a.b FOR SELECT TO c, d USING (true);", ["c", "d"]),
        (b"SET SESSION AUTHORIZATION 'c';", ['"c"']),
        (b"SET SESSION AUTHORIZATION DEFAULT;", []),
        (b"ALTER TABLE a.b OWNER TO c; DROP TABLE a.b", []),
    ],
)
def test_the_roles_that_a_statement_needs(line: bytes, roles: list[str]) -> None:
    assert read(line).kept_apart == roles


@given(st.lists(st.sampled_from([b"COPY a.b FROM stdin;", b"\\.", b"1\t2", b"", b"\xff\x00", WHOLE, b"OWNER TO x;"])))
def test_no_line_is_counted_twice(lines: list[bytes]) -> None:
    found = read(*lines)
    assert sum(found.rows.values()) <= len(lines)
    assert found.rows.keys() <= {("a", "b")}


@given(st.lists(st.binary(max_size=40)))
def test_a_role_is_one_name_and_nothing_that_a_statement_could_hide_in(names: list[bytes]) -> None:
    found = read(*(b"ALTER TABLE a.b OWNER TO " + each + b";" for each in names))
    for role in found.kept_apart:
        inner = role[1:-1].replace('""', "") if role.startswith('"') else role
        assert '"' not in inner
        assert role.startswith('"') or not set(role) & set("; '\t\\")
