"""PostgreSQL accepts connections, lets its users in, has connections left, nothing hangs, replicas keep up."""

import pytest

from opsverify.probes import postgres, replication
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


@pytest.mark.requirement("HLT-PG-05")
def test_replica_keeps_up(database, replica, fact, limits, judge):
    """A replica that stopped streaming still answers queries, with yesterday's balances; and it is no fail-over."""
    name = replica.application_name or replica.name
    judge(health.replica_keeps_up(fact(replication.replica, database, name), limits))
