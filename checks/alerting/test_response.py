"""Alerts are answered in time."""

import pytest

from opsverify.probes import alerts
from opsverify.rules import response

SEVERITIES: dict[str, alerts.Severity] = {"ALR-CRIT-01": "critical", "ALR-WARN-01": "warning"}


@pytest.mark.requirement("ALR-CRIT-01", "ALR-WARN-01")
def test_alerts_are_answered_in_time(
    subject, alertmanager, prometheus, groups, sender, configuration, incidents, fact, limits, now, rest_on, judge
):
    """An alert that nobody takes on burns on while everybody believes that somebody has."""
    severity, window = SEVERITIES[subject.requirement], limits.history_hours.number * 3600
    until = int(now.timestamp())
    rest_on(response.recent(incidents, severity, limits, now))
    judge(
        response.answered(
            severity,
            groups,
            configuration,
            sender,
            fact(alerts.firing, alertmanager),
            fact(alerts.silences, alertmanager),
            fact(alerts.episodes, prometheus, list(groups), window, until),
            fact(alerts.remembered, prometheus, window, until),
            incidents,
            limits,
            now,
        )
    )
