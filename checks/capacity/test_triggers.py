"""The triggers of scaling out."""

import pytest

from opsverify.probes import series
from opsverify.rules import capacity


@pytest.mark.requirement("CAP-TRG-DISK-01")
def test_disks_have_room(filesystems, limits, judge):
    """A database that cannot write its log stops at once, and does not start again until there is room."""
    judge(capacity.disk_left(filesystems, limits))


@pytest.mark.requirement("CAP-TRG-P95-01")
def test_requests_are_answered_in_time(prometheus, fact, limits, judge):
    """An average hides the slow twentieth of the requests, which is where customers give up."""
    histogram = fact(series.latency, prometheus, prometheus.spec.api_job, limits.window_hours.number)
    judge(capacity.latency(histogram, limits))
