"""The API answers with few errors."""

import pytest

from opsverify.probes import series
from opsverify.rules import health


@pytest.mark.requirement("HLT-ERR-01")
def test_few_requests_fail(prometheus, fact, limits, judge):
    """The share is taken of sums: a ratio of single series is always 100 % for the failing one."""
    judge(health.error_share(fact(series.request_rates, prometheus, prometheus.spec.api_job), limits))
