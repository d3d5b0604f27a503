"""What is configured of alerts: grouping, inhibition, a route for every severity, and the pager for critical ones."""

from __future__ import annotations

from typing import Any

import pytest

from opsverify import routing
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limit, Limits, unmet
from opsverify.probes.alert_rules import Group, Rule
from opsverify.relabelling import Sender, Step
from opsverify.rules import alerting

LIMITS = Limits(
    "ALR-PATH-01",
    [
        Limit("inhibit_rules", "at_least", 1, "count", "default"),
        Limit("repeat_seconds", "at_least", 3600, "seconds", "default"),
        Limit("severities", "equals", ("critical", "warning", "info", "none"), "name", "default"),
        Limit("group_wait_seconds", "at_most", 60, "seconds", "default"),
    ],
)
SENDER = Sender({"cluster": "lab"})


def groups(*rules: tuple[str, dict[str, str]]) -> list[Group]:
    return [Group("g", tuple(Rule(name, True, "1", labels) for name, labels in rules))]


USUAL = groups(
    ("Down", {"severity": "critical", "service": "api"}),
    ("Slow", {"severity": "warning", "service": "api"}),
)

WATCHDOG = groups(("Watchdog", {"severity": "none"}))


def inhibition(rule: str, loaded: list[Group] = USUAL) -> bool:
    configuration = routing.parse(f"route: {{receiver: a}}\ninhibit_rules: [{rule}]")
    return not unmet(alerting.warnings_are_held_back(configuration, loaded, SENDER, LIMITS))


@pytest.mark.parametrize(
    ("rule", "good"),
    [
        ('{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [service]}', True),
        ('{source_match: {severity: critical}, target_match_re: {severity: "warning|info"}, equal: [service]}', True),
        ('{source_matchers: [severity="critical"], target_matchers: [severity!="critical"], equal: [instance]}', True),
        ('{source_matchers: [severity="critical"], target_matchers: [severity="warning"]}', False),
        ('{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [alertname]}', False),
        ('{source_matchers: [severity="warning"], target_matchers: [severity="critical"], equal: [service]}', False),
        ('{source_matchers: [severity="critical"], target_matchers: [service="api"], equal: [service]}', False),
        (
            '{source_matchers: [severity="critical", alertname="Gone"], target_matchers: [severity="warning"], '
            "equal: [service]}",
            False,
        ),
        ('{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [cluster]}', False),
        ("", False),
    ],
)
def test_an_inhibition_counts_where_it_can_hold_back(rule: str, good: bool) -> None:
    assert inhibition(rule) is good


@pytest.mark.parametrize(
    ("rule", "hidden"),
    [
        ('{source_matchers: [alertname="Watchdog"], target_matchers: [severity=~".+"]}', True),
        ('{source_matchers: [severity="warning"], target_matchers: [severity="critical"], equal: [service]}', True),
        ('{source_matchers: [severity="warning"], target_matchers: [severity="critical"], equal: [alertname]}', False),
        ('{source_matchers: [alertname="Down"], target_matchers: [alertname!="Down"], equal: [service]}', False),
        ('{source_matchers: [severity="none"], target_matchers: [severity="info"]}', False),
    ],
)
def test_no_lesser_alert_holds_back_a_critical_one(rule: str, hidden: bool) -> None:
    """The alert that always fires, as a source, holds back everything for ever."""
    usual = '{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [service]}'
    configuration = routing.parse(f"route: {{receiver: a}}\ninhibit_rules: [{usual}, {rule}]")
    loaded = [*USUAL, *WATCHDOG, *groups(("Gone", {"severity": "critical"}))]
    found = unmet(alerting.warnings_are_held_back(configuration, loaded, SENDER, LIMITS))
    assert [each.name for each in found] == ["critical alerts held back by lesser ones"] * hidden


def test_an_alert_of_one_name_and_two_severities_may_be_equal_by_its_name() -> None:
    both = groups(("Disk", {"severity": "critical"}), ("Disk", {"severity": "warning"}))
    rule = '{source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [alertname]}'
    assert inhibition(rule, both)


@pytest.mark.parametrize(
    ("route", "count"),
    [
        ("{receiver: a, group_by: [alertname], routes: [{matchers: [severity=none], repeat_interval: 1m}]}", 0),
        ("{receiver: a, group_by: [alertname], routes: [{matchers: [alertname=Down], repeat_interval: 1m}]}", 1),
        ("{receiver: a, group_by: [alertname], routes: [{matchers: [severity!=critical], repeat_interval: 1m}]}", 1),
        ("{receiver: a, group_by: [alertname]}", 0),
        ("{receiver: a}", 1),
        ("{receiver: a, group_by: ['...']}", 1),
        ("{receiver: a, group_by: [alertname], repeat_interval: 1h}", 0),
        ("{receiver: a, group_by: [alertname], repeat_interval: 59m}", 1),
        ("{receiver: a, group_by: [alertname], routes: [{group_by: ['...']}, {repeat_interval: 5m}]}", 2),
        ("{receiver: a, group_by: [alertname], repeat_interval: 5m, routes: [{matchers: [a=b]}]}", 2),
    ],
)
def test_routes_group_and_do_not_repeat_too_often(route: str, count: int) -> None:
    observations = alerting.grouped(routing.parse(f"route: {route}"), LIMITS)
    assert len(unmet(observations)) == count
    assert len(observations) >= 2


OWN = "{matchers: [severity=critical]}, {matchers: [severity=warning]}"


@pytest.mark.parametrize(
    ("routes", "loaded", "count"),
    [
        (OWN, USUAL, 0),
        (f"{{matchers: [service=api], routes: [{OWN}]}}", USUAL, 0),
        ("{matchers: [severity=critical]}", USUAL, 1),
        ('{matchers: [severity=~"critical|warning"]}', USUAL, 2),
        ('{matchers: [severity=~".*"]}', USUAL, 2),
        (f"{{matchers: [service=api]}}, {OWN}", USUAL, 2),
        (f"{{matchers: [service=api], continue: true}}, {OWN}", USUAL, 0),
        (OWN, groups(("Down", {"severity": "critical"}), ("Odd", {})), 1),
        (OWN, groups(("Down", {"severity": "critical"}), ("Odd", {"severity": "page"})), 2),
        (OWN, groups(("Down", {"severity": "critical"}), ("Disk", {}), ("Disk", {"severity": "warning"})), 1),
        (f"{OWN}, {{matchers: [severity=Critical]}}", groups(("Down", {"severity": "Critical"})), 1),
        (OWN, [], 1),
    ],
)
def test_every_severity_has_a_route_of_its_own(routes: str, loaded: list[Group], count: int) -> None:
    configuration = routing.parse(f"route: {{receiver: a, routes: [{routes}]}}")
    assert len(unmet(alerting.every_severity_has_a_route(configuration, loaded, SENDER, LIMITS))) == count


def test_a_severity_made_by_a_template_is_not_known() -> None:
    configuration = routing.parse(f"route: {{receiver: a, routes: [{OWN}]}}")
    loaded = groups(("Any", {"severity": "{{ $labels.level }}"}))
    with pytest.raises(InsufficientFactsError, match="template"):
        alerting.every_severity_has_a_route(configuration, loaded, SENDER, LIMITS)


@pytest.mark.parametrize(
    ("routes", "wrong"),
    [
        ("{matchers: [severity=critical], receiver: pager, group_wait: 60s}", 0),
        ("{matchers: [severity=critical], receiver: pager, group_wait: 10m}", 1),
        ("{matchers: [severity=critical], receiver: mail}", 1),
        ("{matchers: [severity=critical], receiver: silent}", 1),
        ("{matchers: [severity=critical], receiver: sample}", 1),
        ("{matchers: [severity=critical], receiver: pager, mute_time_intervals: [nights]}", 1),
        ("{matchers: [severity=critical], receiver: mail, group_wait: 1h, continue: true}, {receiver: pager}", 0),
        # The way that is really taken: one alert has a route before that of its severity.
        ("{matchers: [alertname=Down], receiver: mail}, {matchers: [severity=critical], receiver: pager}", 1),
        ("{matchers: [cluster=lab], receiver: mail}, {matchers: [severity=critical], receiver: pager}", 1),
    ],
)
def test_critical_alerts_reach_a_pager_in_time(routes: str, wrong: int) -> None:
    receivers: Any = (
        "[{name: pager, webhook_configs: [{}]}, {name: mail, email_configs: [{}]}, {name: silent}, "
        '{name: sample, email_configs: [{to: on-call@ops.example.com}], webhook_configs: [{url: "https://pager.example/x"}]}]'
    )
    configuration = routing.parse(f"route: {{receiver: mail, routes: [{routes}]}}\nreceivers: {receivers}")
    pagers = ["pager", "silent", "sample"]
    assert len(unmet(alerting.critical_reaches_a_pager(configuration, USUAL, SENDER, pagers, LIMITS))) == wrong


@pytest.mark.parametrize(
    ("step", "wrong"),
    [
        (Step("labeldrop", regex="cluster"), 0),
        (Step("drop", ("alertname",), regex="Down"), 1),
        (Step("keep", ("severity",), regex="warning"), 1),
        (Step(source=("severity",), regex="(crit)ical", target="severity", replacement="${1}_$2"), 1),
        (Step("labelkeep", regex="alertname"), 1),
    ],
)
def test_what_prometheus_makes_of_critical_alerts_counts(step: Step, wrong: int) -> None:
    """Between the rule and Alertmanager there are relabellings, which may drop an alert or take its severity away."""
    configuration = routing.parse(
        f"route: {{receiver: mail, routes: [{{matchers: [severity=critical], receiver: pager}}, {OWN}]}}\n"
        "receivers: [{name: pager, webhook_configs: [{}]}, {name: mail, email_configs: [{}]}]"
    )
    sender = Sender({"cluster": "lab"}, (step,))
    found = alerting.critical_reaches_a_pager(configuration, USUAL, sender, ["pager"], LIMITS)
    assert bool(unmet(found)) is bool(wrong)
    assert bool(unmet(alerting.every_severity_has_a_route(configuration, USUAL, sender, LIMITS))) is bool(wrong)
