"""Security updates are installed, and what says so is not out of date itself."""

import pytest

from opsverify.probes import packages
from opsverify.rules import patches


@pytest.mark.requirement("SEC-UPD-01")
def test_no_security_update_is_pending(host, fact, limits, now, judge):
    """A held package has its hole for good, and no simulated upgrade tells of it; nor do lists that are empty."""
    found, releases = fact(packages.packages, host), fact(packages.releases, host)
    judge(patches.security_updates_installed(found, releases, limits, now))


@pytest.mark.requirement("SEC-UPD-02")
def test_package_lists_are_fresh_and_valid(host, fact, limits, now, judge):
    """A mirror that stands still serves the day on which nothing was known yet, for as long as it is believed."""
    judge(patches.lists_are_fresh(fact(packages.releases, host), limits, now))
