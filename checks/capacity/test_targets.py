"""CPU, memory and network keep to their steady targets."""

import pytest

from opsverify.probes import daily, series
from opsverify.rules import capacity


@pytest.mark.requirement("CAP-CPU-01", on="prometheus")
def test_cpu_keeps_to_its_target(prometheus, fact, outlook, limits, judge):
    """The steady target leaves room for a host to fail; the mean of a week does not fire on one spike."""
    ahead = outlook(limits.cpu_used, limits.coverage, "mean CPU use", daily.cpu)
    found = fact(series.cpu, prometheus, limits.window_days.number)
    used = capacity.utilisation(found, prometheus.spec.instances, limits.cpu_used, limits.coverage, "mean CPU use")
    judge([*used, *ahead])


@pytest.mark.requirement("CAP-MEM-01", on="prometheus")
def test_memory_keeps_to_its_target(prometheus, fact, outlook, limits, judge):
    """Memory that is nearly used up turns the next peak into swapping or a killed process."""
    ahead = outlook(limits.memory_used, limits.coverage, "P95 memory use", daily.memory_peaks)
    found = fact(series.memory, prometheus, limits.window_hours.number)
    used = capacity.utilisation(found, prometheus.spec.instances, limits.memory_used, limits.coverage, "P95 memory use")
    judge([*used, *ahead])


@pytest.mark.requirement("CAP-NET-01")
def test_bandwidth_keeps_to_its_target(prometheus, fact, outlook, limits, judge, now):
    """A full line drops packets of everything, and virtual interfaces do not know how wide theirs is."""
    interfaces, hours = tuple(prometheus.spec.interfaces), limits.window_hours.number
    names = [f"{each.instance} {each.device}" for each in interfaces]
    share = "P95 share of its capacity"
    ahead = outlook(limits.bandwidth_used, limits.coverage, share, daily.network, interfaces, 24.0, of=names)
    found = fact(daily.network, prometheus, interfaces, hours, (int(now.timestamp()),))
    busy = fact(daily.busy_interfaces, prometheus, hours)
    judge([*capacity.bandwidth(found, interfaces, prometheus.spec.instances, busy, limits), *ahead])
