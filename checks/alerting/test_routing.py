"""Where alerts go: to whom, grouped how, and what is held back."""

import pytest

from opsverify.rules import alerting


@pytest.mark.requirement("BP-MON-02")
def test_critical_alerts_hold_back_their_warnings(configuration, groups, sender, limits, judge):
    """In an outage everything warns, and the page that tells of the cause drowns among the ones that do not."""
    judge(alerting.warnings_are_held_back(configuration, groups, sender, limits))


@pytest.mark.requirement("BP-MON-03")
def test_alerts_are_grouped(configuration, limits, judge):
    """A page for every instance, and again every minute, teaches people to turn the pager off."""
    judge(alerting.grouped(configuration, limits))


@pytest.mark.requirement("BP-MON-05")
def test_every_severity_has_a_route(configuration, groups, sender, limits, judge):
    """What falls through to the default route reaches whoever set up Alertmanager, or nobody."""
    judge(alerting.every_severity_has_a_route(configuration, groups, sender, limits))


@pytest.mark.requirement("ALR-PATH-01")
def test_critical_alerts_reach_a_pager(alertmanager, configuration, groups, sender, limits, judge):
    """Of the five minutes for an answer, none is left when the page itself waits for ten."""
    pagers = alertmanager.spec.pagers
    judge(alerting.critical_reaches_a_pager(configuration, groups, sender, pagers, limits))
