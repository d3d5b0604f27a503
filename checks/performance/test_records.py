"""What is on record of performance: a baseline to compare with, and a test that is not too old."""

import pytest

from opsverify.rules import statements


@pytest.mark.requirement("BP-PERF-01")
def test_a_baseline_exists(baseline, missing, now, judge):
    """Without a figure from a good day nobody can say that today's is bad."""
    judge(statements.baseline_holds(baseline, missing, now))


@pytest.mark.requirement("BP-PERF-03")
def test_performance_is_tested_regularly(attestation, limits, missing, now, judge):
    """The load of last year's test is not the load of this year's launch."""
    judge(statements.attested(attestation, missing, now, limits.test_age_days))
