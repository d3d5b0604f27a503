"""The application keeps within its memory and is not restarted again and again."""

import pytest

from opsverify.rules import performance


@pytest.mark.requirement("APP-MEM-01")
def test_resident_memory_keeps_from_the_limit(usages, limits, judge):
    """The manual's own command measures a new process; what counts is the one that serves."""
    judge(performance.application_memory(usages, limits))


@pytest.mark.requirement("APP-RST-01")
def test_application_is_not_restarted_again_and_again(containers, limits, now, judge):
    """Restarting to free memory hides a leak until it outruns the restarts."""
    judge(performance.application_restarts(containers, limits, now))
