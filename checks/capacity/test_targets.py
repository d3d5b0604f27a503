"""CPU and memory keep to their steady targets."""

import pytest

from opsverify.probes import series
from opsverify.rules import capacity


@pytest.mark.requirement("CAP-CPU-01")
def test_cpu_keeps_to_its_target(prometheus, fact, limits, judge):
    """The steady target leaves room for a host to fail; the mean of a week does not fire on one spike."""
    found = fact(series.cpu, prometheus, limits.window_days.number)
    judge(capacity.utilisation(found, prometheus.spec.instances, limits.cpu_used, limits.coverage, "mean CPU use"))


@pytest.mark.requirement("CAP-MEM-01")
def test_memory_keeps_to_its_target(prometheus, fact, limits, judge):
    """Memory that is nearly used up turns the next peak into swapping or a killed process."""
    found = fact(series.memory, prometheus, limits.window_hours.number)
    judge(capacity.utilisation(found, prometheus.spec.instances, limits.memory_used, limits.coverage, "P95 memory use"))
