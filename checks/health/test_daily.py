"""The daily look at the system is taken."""

import pytest

from opsverify.rules import health


@pytest.mark.requirement("HLT-DAILY-01")
def test_daily_health_check_is_in_place_and_runs(script, found, runs, limits, now, judge):
    """A script that is gone, or that anyone may change, complains as little as one that finds nothing wrong."""
    judge(health.script_is_trusted(script.path, found, runs, limits, now))
