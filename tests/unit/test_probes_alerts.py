"""What Prometheus and Alertmanager tell of rules and alerts, and what is not understood."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes import alert_rules, alerts

# As Prometheus 2.42 and 3.x (keepFiringFor, no evaluation yet) tell their rules.
RULES = {
    "status": "success",
    "data": {
        "groups": [
            {
                "name": "capacity",
                "file": "/etc/prometheus/rules.yml",
                "interval": 60,
                "limit": 0,
                "rules": [
                    {
                        "state": "inactive",
                        "name": "CPUAboveTarget",
                        "query": "cpu:used > 60",
                        "duration": 900,
                        "keepFiringFor": 300,
                        "labels": {"severity": "warning"},
                        "annotations": {"summary": "x"},
                        "alerts": [],
                        "health": "ok",
                        "type": "alerting",
                    },
                    {"name": "cpu:used", "query": "1", "health": "unknown", "type": "recording"},
                ],
            }
        ]
    },
}
# As Alertmanager 0.25 answers; the times have up to nine digits, and any zone.
ALERT = {
    "annotations": {},
    "endsAt": "2026-11-23T13:45:00.000Z",
    "fingerprint": "f1",
    "receivers": [{"name": "critical"}],
    "startsAt": "2026-11-23T14:28:57.104592433+01:00",
    "status": {"inhibitedBy": ["f0"], "silencedBy": [], "state": "suppressed"},
    "updatedAt": "2026-11-23T13:40:00.000Z",
    "labels": {"alertname": "APIDown", "severity": "critical"},
}
SILENCE = {
    "id": "0a",
    "status": {"state": "expired"},
    "updatedAt": "2026-11-23T13:40:00.000Z",
    "comment": "on it",
    "createdBy": "Mara",
    "endsAt": "2026-11-23T14:00:00.000Z",
    "startsAt": "2026-11-23T13:30:00.000Z",
    "matchers": [
        {"isEqual": True, "isRegex": False, "name": "alertname", "value": "APIDown"},
        {"isEqual": False, "isRegex": True, "name": "instance", "value": "b.*"},
        {"isRegex": False, "name": "severity", "value": "critical"},
    ],
}


def test_rules_are_read_with_what_they_record() -> None:
    (group,) = alert_rules.parse_groups(json.dumps(RULES))
    alert, recording = group.rules
    assert (alert.alert, alert.wait_s, alert.keep_s, alert.labels) == (True, 900, 300, {"severity": "warning"})
    assert group.interval_s == 60
    assert (recording.alert, recording.query, recording.labels) == (False, "1", {})


def test_labels_of_the_server_are_read_from_its_configuration() -> None:
    def answer(yaml: str) -> str:
        return json.dumps({"status": "success", "data": {"yaml": yaml}})

    told = alert_rules.parse_sender(answer("global:\n  external_labels: {cluster: lab, rack: 7}\n"))
    assert told.sent({"a": "b"}) == {"a": "b", "cluster": "lab", "rack": "7"}
    assert alert_rules.parse_sender(answer("global: {}")).sent({}) == {}


def relabelled(steps: str, labels: dict[str, str]) -> dict[str, str] | None:
    """As Prometheus tells its configuration: with the defaults of each step."""
    text = f"alerting: {{alert_relabel_configs: {steps}}}\nglobal: {{external_labels: {{replica: a}}}}"
    return alert_rules.parse_sender(json.dumps({"data": {"yaml": text}})).sent(labels)


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ("[{separator: ;, regex: replica, replacement: $1, action: labeldrop}]", {"x": "1", "y": "ab"}),
        ("[{regex: x|y, action: labelkeep}]", {"x": "1", "y": "ab"}),
        ("[{source_labels: [x, y], regex: 1;ab, action: drop}]", None),
        ("[{source_labels: [x], regex: '2', action: Keep}]", None),
        ("[{source_labels: [y], regex: (.)b, target_label: z, replacement: '${1}-$$'}]", {"z": "a-$"}),
        ("[{source_labels: [y], target_label: x}]", {"x": "ab"}),
        ("[{target_label: x, replacement: ''}, {regex: replica, action: labeldrop}]", {"y": "ab"}),
        ("[{source_labels: [x], regex: no, target_label: x, replacement: other}]", {"x": "1"}),
    ],
)
def test_alerts_are_relabelled_as_prometheus_does(steps: str, found: dict[str, str] | None) -> None:
    told = relabelled(steps, {"x": "1", "y": "ab"})
    assert told == found or (told is not None and found is not None and told.items() > found.items())
    assert "replica" not in (told or {}) or "labeldrop" not in steps
    assert relabelled("[]", {"x": "1"}) == {"x": "1", "replica": "a"}


@pytest.mark.parametrize(
    "alerting",
    [
        "alert_relabel_configs: [{action: hashmod}]",
        "alert_relabel_configs: [{regex: (}]",
        "alert_relabel_configs: 5",
        "alertmanagers: [{alert_relabel_configs: [{action: drop}]}]",
    ],
)
def test_a_relabelling_that_is_not_understood_is_an_error(alerting: str) -> None:
    with pytest.raises(UnansweredError):
        alert_rules.parse_sender(json.dumps({"data": {"yaml": f"alerting: {{{alerting}}}"}}))


def test_alerts_are_read_with_their_moment_and_what_holds_them_back() -> None:
    found = alerts.parse_alerts(json.dumps([ALERT]), "Mon, 23 Nov 2026 13:30:00 GMT")
    (alert,) = found.firing
    assert found.moment == datetime(2026, 11, 23, 13, 30, tzinfo=UTC)
    assert alert.started == datetime(2026, 11, 23, 13, 28, 57, 104592, UTC)
    assert alert.held_back_by == ("f0",)
    assert alerts.parse_alerts("[]", "") == alerts.Alerts((), None)


def test_a_silence_covers_by_all_of_its_matchers() -> None:
    (silence,) = alerts.parse_silences(json.dumps([SILENCE]))
    critical = {"alertname": "APIDown", "severity": "critical"}
    assert silence.covers(critical)
    assert not silence.covers({**critical, "instance": "b1"})
    assert not silence.covers({"alertname": "APIDown"})
    assert not alerts.Silence("0b", "Mara", (), silence.start, silence.end).covers(critical)


def matrix(*times: float, lag: float = 0) -> str:
    metric = {"__name__": "ALERTS", "alertname": "A", "alertstate": "firing", "severity": "warning"}
    series = {"metric": metric, "values": [[each, str(each - lag)] for each in times]}
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [series] if times else []}})


def test_firings_are_told_apart_by_holes() -> None:
    found = alerts.parse_episodes(matrix(0, 60, 120, 300, 540, 600))
    stretches = [(each.start.timestamp(), each.end.timestamp()) for each in found]
    assert stretches == [(0, 300), (540, 600)]
    rarely = alerts.parse_episodes(matrix(0, 60, 300, 900, 960, 1200, 1800), {"A": 900 + alerts.HOLE_S, "B": 1})
    assert [each.end - each.start for each in rarely] == [timedelta(minutes=30)]  # evaluated every quarter of an hour
    assert found[0].labels == {"alertname": "A", "severity": "warning"}
    assert alerts.parse_episodes(matrix()) == ()
    late = alerts.parse_episodes(matrix(600, 660, lag=290))
    assert [(each.start.timestamp(), each.end.timestamp()) for each in late] == [(310, 370)]


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1))
def test_firings_cover_every_sample_and_no_hole(times: list[int]) -> None:
    found = alerts.parse_episodes(matrix(*times))
    for each in times:
        moment = datetime.fromtimestamp(each, UTC)
        assert sum(one.start <= moment <= one.end for one in found) == 1
    for before, after in pairwise(found):
        assert after.start - before.end > timedelta(seconds=alerts.HOLE_S)


NOT_UNDERSTOOD: list[tuple[Callable[[str], Any], str]] = [
    (alert_rules.parse_groups, "{}"),
    (alert_rules.parse_groups, '{"status": "error", "error": "no"}'),
    (
        alert_rules.parse_groups,
        '{"status": "success", "data": {"groups": [{"name": "a", "interval": 60, "rules": [{"type": "odd"}]}]}}',
    ),
    (alert_rules.parse_sender, '{"data": {"yaml": "- a"}}'),
    (alert_rules.parse_sender, "<html>"),
    (lambda text: alerts.parse_alerts(text, ""), "{}"),
    (lambda text: alerts.parse_alerts(text, ""), '[{"fingerprint": "a"}]'),
    (lambda text: alerts.parse_alerts(text, ""), json.dumps([{**ALERT, "startsAt": "2026-11-23T13:00:00"}])),
    (alerts.parse_silences, json.dumps([{**SILENCE, "startsAt": "yesterday"}])),
    (alerts.parse_episodes, '{"status": "success", "data": {"resultType": "vector", "result": []}}'),
]


@pytest.mark.parametrize(("parse", "text"), NOT_UNDERSTOOD)
def test_what_is_not_understood_is_an_error(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises((UnansweredError, KeyError, TypeError, ValueError)):
        parse(text)
