"""What runs comes from an approved change."""

import pytest

from opsverify.probes import changes as probes
from opsverify.rules import changes


@pytest.fixture
def delay(run):
    """How long after its execution an emergency may be approved."""
    return run.catalogue.limits("CHG-APPR-01").approval_delay_seconds


@pytest.fixture
def change(service, records, delay, now):
    """The change that what runs of the service has to come from."""
    return changes.behind(records, service.name, delay, now)


@pytest.fixture
def files(host, service, change, fact):
    """The digests of the service's configuration, as it lies on the host."""
    running = change.runs(service.name) if change else None
    return fact(probes.digests, host, tuple(running.config)) if running and running.config else {}


@pytest.mark.requirement("CHG-TRACE-01")
def test_what_runs_comes_from_an_approved_change(service, containers, change, files, missing, judge):
    """An image that no record knows was put there by somebody, for something, and past everybody."""
    judge(changes.traced(service.name, containers, change, files, missing))
