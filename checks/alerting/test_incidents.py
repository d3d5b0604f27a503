"""What incident records tell: that each step of the manual was taken."""

import pytest

from opsverify.probes.alerts import Severity
from opsverify.rules import incident_records

STEPS: dict[str, tuple[Severity, incident_records.Look]] = {
    "ALR-CRIT-02": ("critical", incident_records.impact),
    "ALR-CRIT-03": ("critical", incident_records.plan),
    "ALR-CRIT-04": ("critical", incident_records.notified),
    "ALR-CRIT-05": ("critical", incident_records.timeline),
    "ALR-WARN-02": ("warning", incident_records.cause),
    "ALR-WARN-03": ("warning", incident_records.fixes),
    "ALR-WARN-04": ("warning", incident_records.prevention),
}


@pytest.mark.requirement(
    "ALR-CRIT-02", "ALR-CRIT-03", "ALR-CRIT-04", "ALR-CRIT-05", "ALR-WARN-02", "ALR-WARN-03", "ALR-WARN-04"
)
def test_incident_records_show_each_step(subject, incidents, limits, now, rest_on, judge):
    """What was not written down while it was fresh is told differently by everybody a month later."""
    severity, look = STEPS[subject.requirement]
    rest_on(incident_records.due(incidents, severity, limits, now))
    judge(incident_records.complete_in(incidents, severity, look, limits, now))
