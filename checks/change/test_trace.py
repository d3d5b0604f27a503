"""What runs comes from an approved change."""

import pytest

from opsverify.probes import changes as probes
from opsverify.rules import changes


@pytest.fixture
def delay(run):
    """How long after its execution an emergency may be approved."""
    return run.catalogue.limits("CHG-APPR-01").approval_delay_seconds


@pytest.fixture
def brought(service, records, delay, now):
    """What has to run of the service by the records."""
    return changes.behind(records, service.name, delay, now)


@pytest.fixture
def files(host, brought, fact):
    """The digests of the service's configuration, as it lies on the host."""
    return fact(probes.digests, host, tuple(brought.config)) if brought and brought.config else {}


@pytest.mark.requirement("CHG-TRACE-01")
def test_what_runs_comes_from_an_approved_change(service, containers, brought, files, missing, judge):
    """An image that no record knows was put there by somebody, for something, and past everybody."""
    judge(changes.traced(service.name, containers, brought, files, missing))
