"""PostgreSQL accepts connections, lets its users in, has connections left, and nothing in it hangs."""

import pytest

from opsverify.probes import postgres
from opsverify.rules import health


@pytest.mark.requirement("HLT-PG-01")
def test_database_accepts_connections(database, fact, judge):
    """Necessary, not sufficient: the server says so even to accounts and databases that do not exist."""
    judge(health.accepts_connections(fact(postgres.ping, database)))


@pytest.mark.requirement("HLT-PG-02")
def test_login_and_query_work(database, fact, limits, judge):
    """A server that is "ready" while nobody can log in is down for everyone who matters."""
    judge(health.login_works(fact(postgres.login, database), limits))


@pytest.mark.requirement("HLT-PG-03")
def test_connections_leave_head_room(database, fact, limits, judge):
    """When the last free connection is gone, nobody can log in to find out why."""
    judge(health.connections_left(fact(postgres.connections, database), limits))


@pytest.mark.requirement("HLT-PG-04")
def test_nothing_hangs(database, fact, limits, judge):
    """One forgotten transaction blocks vacuum, then locks, then everyone behind it."""
    judge(health.nothing_hangs(fact(postgres.sessions, database), limits))
