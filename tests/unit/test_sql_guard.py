"""The SQL guard: a query is a constant that selects, and calls nothing but what is listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsverify import targets
from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import RefusedError, UnreachableError
from opsverify.probes import postgres
from opsverify.transcript import Transcript


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "  select count(*) FROM pg_stat_activity WHERE state = 'active; DROP'",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "SHOW max_connections",
        "SELECT pg_is_in_recovery()",
        "SELECT current_setting('max_connections')::int",
        "SELECT a.privilege_type FROM aclexplode(acldefault('d', 10)) a WHERE isfinite(now())",
    ],
)
def test_a_query_that_reads_is_accepted(text: str) -> None:
    assert Query(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE x SET a = 1",
        "DELETE FROM x",
        "SELECT 1; DROP TABLE x",
        "SELECT 1 -- x",
        "SELECT 1 /* x */",
        "WITH x AS (DELETE FROM y RETURNING 1) SELECT 1 FROM x",
        "SELECT a INTO b FROM c",
        "SELECT 1 FROM x FOR UPDATE",
        "SELECT 1 FROM x FOR NO KEY UPDATE",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_catalog.pg_terminate_backend (1)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_create(0)",
        "SELECT pg_sleep(10)",
        "SELECT set_config('a', 'b', false)",
        "SELECT pg_advisory_lock(1)",
        "SELECT nextval('s')",
        "SELECT acldefault('d', 10), lo_unlink(1)",
        "VACUUM",
        "REINDEX TABLE x",
        "ANALYZE",
        "SET x = 1",
        "EXPLAIN SELECT 1",
        "TABLE x",
        "",
        'SELECT "pg_sleep"(10)',
        "SELECT E'a\\'', pg_sleep(1), ''",
        "SELECT $a$'$a$, pg_sleep(1), $a$'$a$",
        "SELECT $$x$$",
        "SELECT 'unfinished, pg_sleep(1)",
    ],
)
def test_any_other_query_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match=r"query refused"):
        Query(text)


def test_the_queries_of_the_probes_stand_up_to_the_guard() -> None:
    for each in (postgres.CONNECTIONS, postgres.SESSIONS_13, postgres.SESSIONS_14, postgres.VERSION):
        assert Query(each.text) == each


@pytest.fixture
def closed(transcript: Transcript, tmp_path: Path, closed_port: int) -> SqlChannel:
    spec = targets.Database(
        name="pg",
        address=f"127.0.0.1:{closed_port}",
        dbname="x",
        user="u",
        password=targets.Secret(env="X"),
        sslmode="disable",
        timeout_s=2.0,
    )
    return SqlChannel(spec, "hunter22", tmp_path, transcript)


def test_a_server_that_is_down_is_unreachable_and_is_asked_once(closed: SqlChannel, transcript: Transcript) -> None:
    with pytest.raises(UnreachableError, match=r"gives u no session"):
        closed.ask(Query("SELECT 1"))
    with pytest.raises(UnreachableError):
        closed.login()
    assert transcript.count == 1


def test_a_ping_to_a_closed_port_says_no_response(closed: SqlChannel, transcript: Transcript) -> None:
    assert closed.ping() == "no response"
    assert transcript.count == 1


def test_a_ping_is_neither_kept_back_by_a_login_that_failed_nor_does_it_lift_that(
    closed: SqlChannel, transcript: Transcript
) -> None:
    with pytest.raises(UnreachableError):
        closed.login()
    assert closed.ping() == "no response"
    assert transcript.count == 2
    with pytest.raises(UnreachableError):
        closed.login()
    assert transcript.count == 2


def test_an_ipv6_address_is_dialled_without_its_brackets(transcript: Transcript, tmp_path: Path) -> None:
    spec = targets.Database(
        name="pg", address="[::1]:1", dbname="x", user="u", password=targets.Secret(env="X"), sslmode="disable"
    )
    with pytest.raises(UnreachableError, match=r"::1.*refused"):
        SqlChannel(spec, "x", tmp_path, transcript).login()
