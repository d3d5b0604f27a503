"""What incident records tell, and when they have to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsverify import incidents
from opsverify.errors import InsufficientFactsError
from opsverify.incidents import Incident
from opsverify.judgement import Limit, Limits, unmet
from opsverify.rules import incident_records
from opsverify.rules.incident_records import Look

NOW = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
LIMITS = Limits("ALR-CRIT-02", [Limit("written_days", "at_most", 1, "days", "default")])
RECORD = """
id = "INC-2026-1"
severity = "critical"
alert = "APIDown"
started = 2026-11-20T08:00:00Z
ended = 2026-11-20T09:00:00+00:00
acknowledged = { by = "Mara Lindqvist", at = 2026-11-20T08:03:00Z }
impact = { services = "the API", users = "all", data = "none" }
plan = { name = "API outage", by = "Mara Lindqvist", at = 2026-11-20T09:05:00+01:00 }
notified = [{ team = "support", at = 2026-11-20T08:10:00Z }]
root_cause = "a full disk"
prevention = "an alert that comes earlier"

[[timeline]]
at = 2026-11-20T08:00:00Z
by = "Alertmanager"
what = "APIDown fires"

[[timeline]]
at = 2026-11-20T09:00:00Z
by = "Mara Lindqvist"
what = "the API answers again"

[[fixes]]
what = "a larger disk"
owner = "Tomasz Wieczorek"
due = 2026-12-01
"""
LOOKS: dict[str, Look] = {
    "impact": incident_records.impact,
    "plan": incident_records.plan,
    "notified": incident_records.notified,
    "timeline": incident_records.timeline,
    "cause": incident_records.cause,
    "fixes": incident_records.fixes,
    "prevention": incident_records.prevention,
}


def record(old: str = "", new: str = "") -> Incident:
    assert old in RECORD
    return incidents.parse(RECORD.replace(old, new) if old else RECORD, "incidents/INC-2026-1.toml")


def findings(look: str, found: Incident) -> list[str]:
    return [each.name for each in unmet(incident_records.complete_in([found], "critical", LOOKS[look], LIMITS, NOW))]


@pytest.mark.parametrize("look", LOOKS)
def test_a_whole_record_shows_every_step(look: str) -> None:
    assert findings(look, record()) == []


@pytest.mark.parametrize(
    ("look", "old", "new"),
    [
        ("impact", 'impact = { services = "the API", users = "all", data = "none" }', ""),
        ("impact", 'users = "all"', 'users = "TBD"'),
        ("plan", 'plan = { name = "API outage", by = "Mara Lindqvist", at = 2026-11-20T09:05:00+01:00 }', ""),
        ("plan", 'by = "Mara Lindqvist", at = 2026-11-20T09:05', 'by = "John Doe", at = 2026-11-20T09:05'),
        ("plan", "09:05:00+01:00", "09:05:00+02:00"),  # an hour before the alert
        ("plan", "at = 2026-11-20T09:05:00+01:00", "at = 2026-11-21T12:00:00Z"),  # not written down within a day
        ("notified", "at = 2026-11-20T08:10:00Z", "at = 2026-11-21T12:00:00Z"),
        ("notified", 'notified = [{ team = "support", at = 2026-11-20T08:10:00Z }]', ""),
        ("notified", "at = 2026-11-20T08:10:00Z", "at = 2026-11-29T08:10:00Z"),
        ("timeline", "at = 2026-11-20T08:00:00Z\nby", "at = 2026-11-20T09:30:00Z\nby"),  # out of order
        ("timeline", "at = 2026-11-20T08:00:00Z\nby", "at = 2026-11-20T08:30:00Z\nby"),  # begins late
        ("timeline", "at = 2026-11-20T09:00:00Z", "at = 2026-11-20T08:30:00Z"),  # ends early
        ("timeline", 'what = "APIDown fires"', 'what = "..."'),
        ("cause", 'root_cause = "a full disk"', ""),
        ("cause", "a full disk", "待定"),
        ("fixes", "Tomasz Wieczorek", "tbd"),
        ("fixes", "2026-12-01", "2026-11-01"),
        ("prevention", 'prevention = "an alert that comes earlier"', ""),
    ],
)
def test_a_step_that_is_not_shown_is_a_finding(look: str, old: str, new: str) -> None:
    assert findings(look, record(old, new))


def test_a_timeline_of_one_entry_and_no_fix_are_findings() -> None:
    whole = record()
    assert findings("timeline", whole.model_copy(update={"timeline": whole.timeline[:1]}))
    assert findings("fixes", whole.model_copy(update={"fixes": []}))


@pytest.mark.parametrize("change", [{"started": NOW - timedelta(hours=23), "ended": None}, {"severity": "warning"}])
def test_what_is_not_due_or_of_another_severity_shows_nothing(change: dict[str, Any]) -> None:
    with pytest.raises(InsufficientFactsError, match="no record of a critical alert"):
        findings("impact", record().model_copy(update=change))


def test_who_wrote_a_record_is_shown() -> None:
    assert record().shown()["by"] == "Mara Lindqvist"
    assert record().model_copy(update={"acknowledged": None, "timeline": []}).shown()["by"] == "nobody by name"
