"""Somebody is on duty whenever it was promised, and nobody for too long."""

import pytest

from opsverify.rules import people


@pytest.mark.requirement("CON-DUTY-01")
def test_weekdays_are_covered(roster, limits, missing, now, judge):
    """A gap in the roster is found by the first incident that falls into it."""
    judge(people.weekdays_are_covered(roster, limits, missing, now))


@pytest.mark.requirement("CON-DUTY-02")
def test_emergencies_are_covered_around_the_clock(roster, limits, missing, now, judge):
    """Nights, hand-overs and the hour in which the clocks change are where rosters have holes."""
    judge(people.emergencies_are_covered(roster, limits, missing, now))


@pytest.mark.requirement("CON-DUTY-03")
def test_duty_rotates(roster, limits, missing, now, judge):
    """Whoever is woken for the second week in a row sleeps through the third."""
    judge(people.duty_rotates(roster, limits, missing, now))
