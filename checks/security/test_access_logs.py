"""Whoever comes is written down, by the proxy and by the database."""

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.probes import access as probes
from opsverify.rules import access


@pytest.fixture
def own_request(api, host, containers, fact):
    """A request of our own through the proxy, and what its log has of it."""
    running = tuple(each.id for each in containers if each.status == "running")
    if not running:
        raise InsufficientFactsError("no container of the proxy is running")
    return fact(probes.own_request, api, host, running)


@pytest.mark.requirement("BP-SEC-03", on="service.nginx")
def test_requests_are_logged(own_request, judge):
    """An access log that stands still looks like a quiet night; a request of our own has to be in it."""
    judge(access.requests_are_logged(own_request))


@pytest.mark.requirement("BP-SEC-03", on="database")
def test_connections_are_logged(database, fact, judge):
    """After a leak the first question is who was connected, and nobody can answer it afterwards."""
    judge(access.connections_are_logged(fact(probes.connection_logging, database)))
