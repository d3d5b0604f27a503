"""Backups are verified by the host itself, every night."""

import pytest

from opsverify.rules import health


@pytest.mark.requirement("BAK-VERIFY-01")
def test_backup_verification_is_in_place_and_runs(script, found, runs, limits, now, judge):
    """This suite looks when it is run; the script looks every night, and its record shows that it did."""
    judge(health.script_is_trusted(script.path, found, runs, limits, now))
