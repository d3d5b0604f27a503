"""Every change took the steps of the manual, in their order, by its record."""

import pytest

from opsverify.rules import changes


@pytest.mark.requirement("CHG-CLASS-01")
def test_class_fits_the_reason(records, limits, missing, judge):
    """Whoever calls a new feature an emergency has found the way around the approval."""
    judge(changes.class_fits(records, limits, missing))


@pytest.mark.requirement("CHG-REQ-01")
def test_change_was_requested(records, limits, missing, now, judge):
    """A change that nobody asked for is one that nobody can be asked about."""
    judge(changes.requested(records, limits, missing, now))


@pytest.mark.requirement("CHG-RISK-01")
def test_impact_and_risk_were_assessed(records, missing, now, judge):
    """Whoever approves without knowing what may go wrong has approved nothing."""
    judge(changes.assessed(records, missing, now))


@pytest.mark.requirement("CHG-TEST-01")
def test_change_was_tested(records, missing, now, judge):
    """What was never tried out is tried out in production, by the customers."""
    judge(changes.tested(records, missing, now))


@pytest.mark.requirement("CHG-APPR-01")
def test_change_was_approved_by_another_person(records, limits, missing, now, judge):
    """The second pair of eyes is worth nothing when it is the first one again."""
    judge(changes.approved(records, limits, missing, now))


@pytest.mark.requirement("CHG-EXEC-01")
def test_change_was_carried_out_as_planned(records, limits, missing, now, judge):
    """Outside of its window a change meets people who rely on nothing changing."""
    judge(changes.executed(records, limits, missing, now))


@pytest.mark.requirement("CHG-VER-01")
def test_result_was_verified(records, limits, missing, now, judge):
    """A change that nobody looked at afterwards is found out by an incident."""
    judge(changes.verified(records, limits, missing, now))


@pytest.mark.requirement("CHG-DOC-01")
def test_documents_were_updated(records, limits, missing, now, judge):
    """The manual of yesterday is followed tonight, on the system of today."""
    judge(changes.documented(records, limits, missing, now))
