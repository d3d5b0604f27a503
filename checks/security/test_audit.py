"""The host is audited, and someone would notice if it were not."""

import pytest

from opsverify.rules import health


@pytest.mark.requirement("SEC-AUD-01")
def test_security_audit_is_in_place_and_runs(script, found, runs, limits, now, judge):
    """It runs as root: whoever may change it, or the folder it lies in, is root too."""
    judge(health.script_is_trusted(script.path, found, runs, limits, now))
