"""The triggers of scaling out."""

import pytest

from opsverify.days import ends
from opsverify.probes import daily, series
from opsverify.rules import capacity


@pytest.mark.requirement("CAP-TRG-CPU-01", on="prometheus")
def test_cpu_does_not_call_for_scaling_out(prometheus, fact, outlook, limits, judge, now):
    """A mean over the week would fire on one spike; days that nobody measured would pass for cool ones."""
    ahead = outlook(limits.daily_mean, limits.coverage, "daily mean CPU use", daily.cpu)
    moments = ends(now, int(limits.consecutive_days.number))
    found = fact(daily.cpu, prometheus, moments)
    judge([*capacity.in_a_row(found, prometheus.spec.instances, moments, limits, "mean CPU use"), *ahead])


@pytest.mark.requirement("CAP-TRG-MEM-01", on="prometheus")
def test_memory_does_not_call_for_scaling_out(prometheus, fact, outlook, limits, judge, now):
    """Memory that stays this full for days is no peak: the load has outgrown the host."""
    ahead = outlook(limits.daily_mean, limits.coverage, "daily mean memory use", daily.memory)
    moments = ends(now, int(limits.consecutive_days.number))
    found = fact(daily.memory, prometheus, moments)
    judge([*capacity.in_a_row(found, prometheus.spec.instances, moments, limits, "mean memory use"), *ahead])


@pytest.mark.requirement("CAP-TRG-DISK-01")
def test_disks_have_room(filesystems, own_outlook, limits, judge):
    """A database that cannot write its log stops at once, and does not start again until there is room."""
    left = capacity.disk_left(filesystems, limits)
    used = {capacity.disk_name(each): capacity.disk_used(each) for each in filesystems}
    judge([*left, *own_outlook(limits.disk_used, used)])


@pytest.mark.requirement("CAP-TRG-P95-01")
def test_requests_are_answered_in_time(prometheus, fact, outlook, limits, judge):
    """An average hides the slow twentieth of the requests, which is where customers give up."""
    job, requests = prometheus.spec.api_job, limits.requests.number
    ahead = outlook(limits.p95_seconds, None, "P95 of the day", daily.latency, job, requests, of=[job])
    histogram = fact(series.latency, prometheus, job, limits.window_hours.number)
    judge([*capacity.latency(histogram, limits), *ahead])
