"""Where alerts go by Alertmanager's configuration, and what a configuration has to be to be understood."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import routing
from opsverify.errors import UnansweredError
from opsverify.routing import Matcher
from tests.unit.routing_cases import CONFIGURATION, ROUTES

TREE = routing.parse(CONFIGURATION)


@pytest.mark.parametrize(("labels", "receivers"), ROUTES)
def test_alerts_go_where_alertmanager_sends_them(labels: dict[str, str], receivers: list[str]) -> None:
    assert [path[-1].receiver for path in TREE.route.taken(labels)] == receivers


def test_a_route_inherits_what_it_does_not_say() -> None:
    labels = {"severity": "critical", "team": "db", "service": "postgres", "instance": "pg-1"}
    (path,) = TREE.route.taken(labels)
    by_default, dba, postgres, instances = path
    assert (by_default.group_by, by_default.repeat_s) == (("alertname",), 4 * 3600)
    assert (dba.group_wait_s, dba.group_by) == (45, ("alertname",))
    assert (postgres.group_wait_s, postgres.repeat_s, postgres.receiver) == (45, 12 * 3600, "dba-pager")
    assert (instances.group_by, instances.repeat_s, instances.receiver) == (("...",), 12 * 3600, "dba-pager")
    assert routing.named(path[:2]) == '{severity="critical", team=~"db|cache"}'
    assert TREE.receivers["pager"] == ("webhook",)


def test_mute_times_are_not_inherited() -> None:
    muted = [path[-1].receiver for path in TREE.route.paths() if path[-1].muted]
    assert muted == ["chat"]


def test_an_inhibition_holds_back_what_is_equal() -> None:
    (rule,) = TREE.inhibitions
    critical, warning = {"severity": "critical", "cluster": "a"}, {"severity": "warning", "cluster": "a"}
    assert rule.holds_back(critical, warning)
    assert not rule.holds_back(critical, {**warning, "cluster": "b"})
    assert not rule.holds_back(critical, {**warning, "service": "x"})
    assert not rule.holds_back(warning, critical)


def test_alerts_that_are_both_source_and_target_do_not_hold_back_each_other() -> None:
    both = (Matcher("team", "=", "db"),)
    rule = routing.Inhibition(both, both, ("cluster",))
    assert not rule.holds_back({"team": "db", "name": "a"}, {"team": "db", "name": "b"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("severity=critical", [("severity", "=", "critical")]),
        ('{a="1",b!~"x|y"}', [("a", "=", "1"), ("b", "!~", "x|y")]),
        ('"name with . in it" != "v"', [("name with . in it", "!=", "v")]),
        (r'a=~"\\d+"', [("a", "=~", r"\d+")]),
        ("", []),
    ],
)
def test_matchers(text: str, found: list[tuple[str, str, str]]) -> None:
    assert [(each.label, each.operator, each.value) for each in routing.matchers(text)] == found


@pytest.mark.parametrize("text", ["severity", "=x", 'a="', 'a="x" b="y"', 'a=~"("', 'a=~"[[:alpha:]]"', r'a=~"\\pL"'])
def test_a_matcher_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError):
        routing.matchers(text)


@given(st.text())
def test_hostile_matchers_are_understood_or_refused(text: str) -> None:
    try:
        found = routing.matchers(text)
    except UnansweredError:
        return
    assert all(each.label for each in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "route: 5",
        "route: {}",
        "route: {receiver: a, routes: 7}",
        "route: {receiver: a, group_wait: soon}",
        "route: {receiver: a, matchers: x}",
        "receivers: [5]\nroute: {receiver: a}",
        "a: &a [*a]\nroute: *a",
        "&r {route: {receiver: a, routes: &x [{routes: *x}]}}",
        "{{",
    ],
)
def test_a_configuration_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError):
        routing.parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("30s", 30), ("1h30m", 5400), ("1w2d", 777600), ("500ms", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert routing.seconds(text) == seconds


@pytest.mark.parametrize(("name", "text"), [("service.name", "service.name=x"), ("服务", '{服务="x"}')])
def test_names_of_labels_are_of_any_characters(name: str, text: str) -> None:
    """As Alertmanager writes them since 0.27."""
    assert routing.matchers(text) == (Matcher(name, "=", "x"),)


@pytest.mark.parametrize("text", ["a=" + " " * 100_000 + '"', '"' * 50_001, "a=" + "\\" * 100_000])
def test_a_long_matcher_takes_no_long_time(text: str) -> None:
    began = time.monotonic()
    with contextlib.suppress(UnansweredError):
        routing.matchers(text)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "text", ["(a+)+", "(a|aa)*", "((a?){30}b)", "((a|b)c)+", ".*.*.*.*.*", "(?:x*)*", "a?" * 30, "(a|a)" * 30]
)
def test_an_expression_that_could_take_for_ever_is_refused(text: str) -> None:
    """Alertmanager takes them, for Go's expressions are of another kind; Python's would not come back."""
    with pytest.raises(UnansweredError):
        Matcher("a", "=~", text)


@pytest.mark.parametrize(
    "text",
    [
        "a|b|c",
        "pg-[0-9]+",
        "(foo|bar).*",
        ".*(a|b).*",
        "(node|db)-[a-z*+?]{2,3}(-new)?",
        "a.*|b.*|c.*|d.*|e.*",
        r"(\(\+)+",
    ],
)
def test_usual_expressions_are_understood(text: str) -> None:
    Matcher("a", "=~", text)


def test_a_configuration_without_end_is_refused() -> None:
    below = "".join(f"l{at}: &l{at} {{routes: [{', '.join([f'*l{at - 1}'] * 9)}]}}\n" for at in range(1, 9))
    with pytest.raises(UnansweredError, match="more than 2000 routes"):
        routing.parse(f"l0: &l0 {{receiver: a}}\n{below}route: {{receiver: a, routes: [*l8]}}")


def test_whether_an_alert_goes_on_is_told_in_one_way() -> None:
    told = "route: {{receiver: a, routes: [{{continue: {}, receiver: b}}]}}"
    assert [routing.parse(told.format(each)).route.routes[0].goes_on for each in ("true", "false")] == [True, False]
    with pytest.raises(UnansweredError, match="continue"):
        routing.parse(told.format("y"))


def test_a_configuration_as_alertmanager_tells_it(captured: Callable[[str], str]) -> None:
    told = json.loads(captured("alertmanager-status.json"))["config"]["original"]
    found = routing.parse(told)
    assert [(path[-1].receiver, path[-1].repeat_s) for path in found.route.paths()] == [
        ("warning", 14400),
        ("critical", 14400),
        ("warning", 14400),
    ]
    assert found.receivers == {"critical": ("webhook",), "warning": ("webhook",)}
