"""Facts that the checks of alerting share."""

import pytest

from opsverify.probes import alert_rules, alerts, documents
from opsverify.record import recorder_of


@pytest.fixture
def groups(prometheus, fact):
    """The groups of rules that Prometheus has loaded."""
    return fact(alert_rules.groups, prometheus)


@pytest.fixture
def sender(prometheus, fact):
    """What Prometheus does to the labels of its alerts before it sends them."""
    return fact(alert_rules.sender, prometheus)


@pytest.fixture
def configuration(alertmanager, fact):
    """How Alertmanager is configured."""
    return fact(alerts.configuration, alertmanager)


@pytest.fixture
def promtool(run, prometheus):
    """What the rules of this Prometheus are tested with."""
    return run.channel("promtool", prometheus.target)


@pytest.fixture
def incidents(program, fact):
    """Every incident record."""
    return fact(documents.incidents, program)


@pytest.fixture
def rest_on(request):
    """``rest_on(incidents)``: what passes by these records is attested by those who wrote them."""

    def keep(found):
        for each in found:
            recorder_of(request.node).rest_on(each.shown())

    return keep
