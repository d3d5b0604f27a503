"""Dependencies are audited and the system is scanned, by those who can, and not a year ago."""

import pytest

from opsverify.probes import audits as probes
from opsverify.rules import audits, statements


@pytest.fixture
def audit(attestation, program, fact):
    """The result of the audit that is attested, where it is still the one."""
    if attestation is None or attestation.digest != attestation.entry.sha256:
        return None
    return fact(probes.audit, program, attestation.entry.artefact)


@pytest.mark.requirement("BP-SEC-01")
def test_dependencies_are_audited(attestation, audit, program, fact, limits, missing, now, judge):
    """A hole that everybody knows is found by everybody; most lie in what others have written."""
    accepted = fact(probes.accepted, program)
    judge(audits.dependencies_audited(attestation, audit, accepted, limits, missing, now))


@pytest.mark.requirement("BP-SEC-04")
def test_security_is_scanned_for(attestation, limits, missing, now, judge):
    """What was safe last year is listed in a tool of this one."""
    judge(statements.attested(attestation, missing, now, limits.scan_age_days))
