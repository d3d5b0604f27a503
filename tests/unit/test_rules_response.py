"""Alerts are answered in time: by a silence, by a record, or with the alert that holds them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsverify import routing
from opsverify.errors import InsufficientFactsError
from opsverify.incidents import Acknowledgement, Incident
from opsverify.judgement import Limit, Limits, unmet
from opsverify.probes.alert_rules import Group, Rule
from opsverify.probes.alerts import Alert, Alerts, Episode, Severity, Silence
from opsverify.relabelling import Sender, Step
from opsverify.routing import Matcher
from opsverify.rules import response

NOW = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
CONFIGURATION = routing.parse("""
route: {receiver: a}
inhibit_rules:
  - {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [service]}
""")
GROUPS = [
    Group("g", (Rule("Down", True, "1", {"severity": "critical"}), Rule("Slow", True, "1", {"severity": "warning"})))
]
DOWN = {"alertname": "Down", "severity": "critical", "service": "api", "cluster": "lab"}
SLOW = {"alertname": "Slow", "severity": "warning", "service": "api", "cluster": "lab"}


def limits(seconds: float) -> Limits:
    return Limits(
        "ALR-CRIT-01",
        [
            Limit("ack_seconds", "at_most", seconds, "seconds", "manual"),
            Limit("history_hours", "at_least", 96, "hours", "default"),
            Limit("history_coverage", "at_least", 0.9, "ratio", "default"),
            Limit("record_days", "at_least", 90, "days", "default"),
            Limit("ahead_days", "at_most", 14, "days", "default"),
        ],
    )


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def alert(labels: dict[str, str], minutes: float, *held_back_by: str) -> Alert:
    return Alert(labels["alertname"], labels, ago(minutes=minutes), held_back_by)


def silence(name: str, minutes: float, lasts: float = 120) -> Silence:
    start = ago(minutes=minutes)
    return Silence("0123456789", "Mara", (Matcher("alertname", "=", name),), start, start + timedelta(minutes=lasts))


def incident(
    minutes: float,
    acked: float | None,
    *,
    ended: float | None = None,
    severity: Severity = "critical",
    by: str = "Mara",
    **labels: str,
) -> Incident:
    """A record of so many minutes ago; acknowledged and ended so many minutes later."""
    start = ago(minutes=minutes)
    return Incident(
        id="INC-2026-1",
        severity=severity,
        alert="Down" if severity == "critical" else "Slow",
        labels=labels,
        started=start,
        ended=None if ended is None else start + timedelta(minutes=ended),
        acknowledged=None if acked is None else Acknowledgement(by=by, at=start + timedelta(minutes=acked)),
    )


def episode(labels: dict[str, str], minutes: float, lasts: float) -> Episode:
    """As Prometheus tells it: without the labels that it adds when it sends."""
    told = {name: value for name, value in labels.items() if name != "cluster"}
    return Episode(told, ago(minutes=minutes), ago(minutes=minutes - lasts))


def findings(severity: Severity = "critical", **facts: Any) -> list[str]:
    known: dict[str, Any] = {"firing": (), "silences": (), "past": (), "incidents": (), "remembered": 1.0, **facts}
    observations = response.answered(
        severity,
        known.get("groups", GROUPS),
        CONFIGURATION,
        known.get("sender", Sender({"cluster": "lab"})),
        Alerts(tuple(known["firing"]), known.get("moment", NOW)),
        known["silences"],
        known["past"],
        known["remembered"],
        known["incidents"],
        limits(300 if severity == "critical" else 1800),
        NOW,
    )
    return [each.name for each in unmet(observations)]


# Nobody has to renew it, and it covers what has no name yet.
EVERYTHING = Silence("0", "Mara", (Matcher("alertname", "=~", ".+"),), ago(days=1), NOW + timedelta(days=2000))

CRITICAL: list[tuple[str, dict[str, Any], int]] = [
    ("nothing fires", {}, 0),
    ("young", {"firing": [alert(DOWN, 4.9)]}, 0),
    ("exactly at the limit", {"firing": [alert(DOWN, 5)]}, 0),
    ("unanswered", {"firing": [alert(DOWN, 6)]}, 1),
    ("a warning is another matter", {"firing": [alert(SLOW, 60)]}, 0),
    ("silenced in time, still firing", {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 57)]}, 0),
    ("silenced in time, the silence over", {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 57, 10)]}, 0),
    ("silenced before", {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 90)]}, 0),
    ("silenced before, until just now", {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 90, 86)]}, 0),
    (
        "silenced before, and then heard by nobody",
        {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 90, 60)]},
        1,
    ),
    (
        "silenced before, and answered when that ended",
        {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 90, 60), silence("Down", 27)]},
        0,
    ),
    (
        "silenced before, twice",
        {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 70, 200), silence("Down", 90, 60)]},
        0,
    ),
    ("past, silenced before", {"past": [episode(DOWN, 600, 60)], "silences": [silence("Down", 700, 200)]}, 0),
    (
        "past, outlasted its silence",
        {"past": [episode(DOWN, 600, 60)], "silences": [silence("Down", 700, 110)]},
        1,
    ),
    ("everything silenced for years", {"firing": [alert(DOWN, 60)], "silences": [EVERYTHING]}, 1),
    ("everything silenced for years, in the past", {"past": [episode(DOWN, 600, 60)], "silences": [EVERYTHING]}, 1),
    ("silenced late", {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 54)]}, 1),
    ("silence over before it began", {"firing": [alert(DOWN, 60)], "silences": [silence("Down", 90, 20)]}, 1),
    ("silence to come", {"firing": [alert(DOWN, 6)], "silences": [silence("Down", -5)]}, 1),
    ("silence of another", {"firing": [alert(DOWN, 6)], "silences": [silence("Slow", 6)]}, 1),
    ("recorded in time", {"firing": [alert(DOWN, 20)], "incidents": [incident(20, 3)]}, 0),
    ("recorded late", {"firing": [alert(DOWN, 20)], "incidents": [incident(20, 6)]}, 2),
    ("recorded, with another start", {"firing": [alert(DOWN, 20)], "incidents": [incident(17, 3)]}, 1),
    ("recorded of another instance", {"firing": [alert(DOWN, 20)], "incidents": [incident(20, 3, service="b")]}, 1),
    ("record over before", {"firing": [alert(DOWN, 20)], "incidents": [incident(90, 3, ended=60)]}, 1),
    ("record without an answer", {"incidents": [incident(90, None, ended=60)]}, 1),
    ("record of what went away", {"incidents": [incident(90, None, ended=4)]}, 0),
    ("record of an answer before", {"incidents": [incident(90, -6)]}, 1),
    ("record of an answer to come", {"incidents": [incident(2, 9)]}, 2),
    (
        "record of another time, never closed",
        {"past": [episode(DOWN, 600, 60)], "incidents": [incident(15 * 1440, 4)]},
        1,
    ),
    ("answered by nobody", {"incidents": [incident(90, 3, by="TBD")]}, 1),
    ("old record", {"incidents": [incident(91 * 1440, 50, ended=60)]}, 0),
    ("past, unanswered", {"past": [episode(DOWN, 600, 6)]}, 1),
    ("past, gone in time", {"past": [episode(DOWN, 600, 4)]}, 0),
    ("past, recorded", {"past": [episode(DOWN, 600, 60)], "incidents": [incident(600, 4, ended=60)]}, 0),
    ("past, recorded late", {"past": [episode(DOWN, 600, 60)], "incidents": [incident(600, 7, ended=60)]}, 2),
    ("past, silenced", {"past": [episode(DOWN, 600, 60)], "silences": [silence("Down", 596)]}, 0),
    ("one firing, told of twice", {"firing": [alert(DOWN, 20)], "past": [episode(DOWN, 20, 20)]}, 1),
    ("one that Alertmanager was never told of", {"past": [episode(DOWN, 20, 20)]}, 1),
    ("told of late", {"firing": [alert(DOWN, 4)], "past": [episode(DOWN, 60, 60)]}, 1),
]


@pytest.mark.parametrize(("facts", "count"), [each[1:] for each in CRITICAL], ids=[each[0] for each in CRITICAL])
def test_critical_alerts(facts: dict[str, Any], count: int) -> None:
    assert len(findings(**facts)) == count


WARNING: list[tuple[str, dict[str, Any], int]] = [
    ("29 minutes", {"firing": [alert(SLOW, 29)]}, 0),
    ("31 minutes", {"firing": [alert(SLOW, 31)]}, 1),
    (
        "held back by one that is answered",
        {"firing": [alert(SLOW, 60, "Down"), alert(DOWN, 60)], "silences": [silence("Down", 58)]},
        0,
    ),
    ("held back by one that nobody answers", {"firing": [alert(SLOW, 60, "Down"), alert(DOWN, 60)]}, 1),
    (
        "held back only after the limit",
        {"firing": [alert(SLOW, 60, "Down"), alert(DOWN, 20)], "silences": [silence("Down", 18)]},
        1,
    ),
    (
        "held back by one that was silenced before",
        {"firing": [alert(SLOW, 60, "Down"), alert(DOWN, 60)], "silences": [silence("Down", 90)]},
        0,
    ),
    ("held back by one that is gone", {"firing": [alert(SLOW, 60, "other")]}, 1),
    (
        "was held back",
        {
            "past": [episode(SLOW, 600, 60), episode(DOWN, 600, 60)],
            "incidents": [incident(600, 4, ended=60)],
        },
        0,
    ),
    (
        "was held back for another service",
        {
            "past": [episode(SLOW, 600, 60), episode({**DOWN, "service": "b"}, 600, 60)],
            "incidents": [incident(600, 4, ended=60)],
        },
        1,
    ),
    (
        "was held back at first, and then heard by nobody",
        {
            "past": [episode(SLOW, 600, 300), episode(DOWN, 601, 60)],
            "incidents": [incident(601, 4, ended=60)],
        },
        1,
    ),
    (
        "outlasted what held it back by less than the limit",
        {
            "past": [episode(SLOW, 600, 80), episode(DOWN, 601, 60)],
            "incidents": [incident(601, 4, ended=60)],
        },
        0,
    ),
    ("record in time", {"incidents": [incident(90, 30, severity="warning")]}, 0),
    ("record late", {"incidents": [incident(90, 31, severity="warning")]}, 1),
]


@pytest.mark.parametrize(("facts", "count"), [each[1:] for each in WARNING], ids=[each[0] for each in WARNING])
def test_warnings(facts: dict[str, Any], count: int) -> None:
    assert len(findings("warning", **facts)) == count


def test_what_nothing_could_make_is_no_proof() -> None:
    with pytest.raises(InsufficientFactsError, match="no rule that is loaded makes a critical alert"):
        findings(groups=[])
    with pytest.raises(InsufficientFactsError, match="89% of the time"):
        findings(remembered=0.89)
    assert findings(remembered=0.89, firing=[alert(DOWN, 6)])  # a finding beats an error


@pytest.mark.parametrize("clock", [NOW - timedelta(minutes=6), NOW + timedelta(hours=1)])
def test_clocks_that_differ_tell_nothing(clock: datetime) -> None:
    """An Alertmanager an hour behind says that what began an hour ago begins just now."""
    with pytest.raises(InsufficientFactsError, match="Alertmanager's clock"):
        findings(moment=clock)
    with pytest.raises(InsufficientFactsError, match="begins in the future"):
        findings(firing=[alert(DOWN, -6)])


def test_a_past_alert_is_judged_by_the_severity_that_alertmanager_is_told() -> None:
    sender = Sender({}, (Step(source=("severity",), regex="P1", target="severity", replacement="critical"),))
    past = [episode({**DOWN, "severity": "P1"}, 600, 6)]
    groups = [Group("g", (Rule("Down", True, "1", {"severity": "P1"}),))]
    assert findings(past=past, groups=groups, sender=sender)
