"""What is measured is measured without gaps, and does not creep upwards."""

import pytest

from opsverify.probes import collection
from opsverify.rules import performance


@pytest.mark.requirement("BP-PERF-02")
def test_key_metrics_have_no_gaps(prometheus, fact, limits, judge):
    """An average over the hours that happen to be there says nothing of the hour that is not."""
    metrics, hours = tuple(map(str, limits.metrics.values)), limits.window_hours.number
    judge(performance.collected_without_gaps(fact(collection.coverage, prometheus, metrics, hours), limits))


@pytest.mark.requirement("APP-HEAP-01")
def test_heap_does_not_creep_upwards(prometheus, fact, limits, judge):
    """The manual's command starts a new process and measures that; a leak shows in the floor that collection leaves."""
    judge(performance.heap_grows_not(fact(collection.heap_floors, prometheus, prometheus.spec.api_job), limits))
