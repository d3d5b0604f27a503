"""Services run, are healthy, come back by themselves and keep within their memory."""

import pytest

from opsverify.rules import health


@pytest.mark.requirement("HLT-SVC-01", "HLT-SVC-02", "HLT-SVC-03", "HLT-SVC-04")
def test_service_is_up(containers, limits, now, judge):
    """A service that restarts in circles is "up" in every list that is looked at once; its count tells."""
    judge(health.service_up(containers, limits, now))


@pytest.mark.requirement("OPS-RESTART-01")
def test_service_comes_back_by_itself(containers, limits, judge):
    """After a crash or a boot at night nobody is there to type ``docker-compose up``."""
    judge(health.restart_policy(containers, limits))


@pytest.mark.requirement("HLT-RES-01")
def test_service_keeps_within_its_memory(usages, limits, now, judge):
    """Without a limit one leaking container takes the whole host with it; close to it, the kernel kills."""
    judge(health.resources(usages, limits, now))


@pytest.mark.requirement("HLT-LOG-01")
def test_service_is_heard(service, logs, limits, now, judge):
    """A service that has gone silent hangs, or logs where nobody looks; without a driver its last words are lost."""
    judge(health.logs_kept(logs, limits, now, continuous=service.logs == "continuous"))
