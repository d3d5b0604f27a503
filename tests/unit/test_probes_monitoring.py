"""Answers of Prometheus 2 and 3, Alertmanager, Elasticsearch, Grafana and Jaeger, and what comes in place of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.dashboards import Dashboard, parse_drawn, parse_health, parse_listed, parse_sources
from opsverify.probes.delivery import (
    DROPPED,
    FAILED,
    MOST_ROUTES,
    SETTLING_S,
    Alert,
    Lost,
    Route,
    Series,
    lost_in,
    parse_alertmanagers,
    parse_alerts,
    parse_matrix,
    parse_routes,
    parse_status,
)
from opsverify.probes.monitoring import (
    parse_accepted,
    parse_active,
    parse_clock,
    parse_cluster,
    parse_ready,
    parse_rules,
)
from opsverify.probes.series import Sample
from opsverify.probes.traces import Spans, parse_spans

CAPTURED = Path(__file__).with_name("captured")
NOW = datetime(2026, 11, 23, 13, 24, tzinfo=UTC)
LOGIN = "<!DOCTYPE html><html><title>Log in</title><form></form></html>"
NOTHING = ["", "ok", "null", "[]", "{}", "7", '"ok"', LOGIN, '{"status":"success"}', "[" * 100_000, '{"data":' * 50_000]
ERROR = '{"status":"error","errorType":"internal","error":"try again"}'


def captured(name: str) -> str:
    return (CAPTURED / name).read_text(encoding="utf-8")


def success(data: Any) -> str:
    return json.dumps({"status": "success", "data": data})


# What is ready


@pytest.mark.parametrize(
    ("text", "kind"),
    [("Prometheus Server is Ready.\n", "prometheus"), ("Prometheus is Ready.\n", "prometheus"), ("OK", "alertmanager")],
)
def test_ready_is_said_in_the_words_of_the_server_and_not_of_another_one(text: str, kind: str) -> None:
    (other,) = {"prometheus", "alertmanager"} - {kind}
    assert parse_ready(text, kind) == "ready"
    assert parse_ready(text, other) == text.strip()


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("", "nothing"),
        ("Service Unavailable", "Service Unavailable"),
        (LOGIN, "an HTML page"),
        ("OK, please log in", "OK, please log in"),
        ("Prometheus Agent is Ready.", "Prometheus Agent is Ready."),  # it evaluates no rules
        ("<b>Prometheus Server is Ready.</b>", "an HTML page"),
        ("x" * 5000, "x" * 60),
    ],
)
def test_whatever_else_is_said_is_not_ready(text: str, claims: str) -> None:
    assert (parse_ready(text, "prometheus"), parse_ready(text, "alertmanager")) == (claims, claims)


@pytest.mark.parametrize("state", ["green", "yellow", "red"])
def test_a_cluster_tells_its_state(state: str) -> None:
    assert parse_cluster(json.dumps({"cluster_name": "logs", "status": state, "timed_out": False})) == state


@pytest.mark.parametrize("text", [*NOTHING[:-3], '{"error":{"type":"security_exception"},"status":401}', "{"])
def test_what_is_no_state_of_a_cluster_is_not_one(text: str) -> None:
    assert parse_cluster(text) not in ("green", "yellow", "red")


# What is scraped


def target(**changes: Any) -> dict[str, Any]:
    told = {
        "discoveredLabels": {"__address__": "api:3000"},
        "labels": {"instance": "api:3000", "job": "api"},
        "scrapePool": "api",
        "scrapeUrl": "http://api:3000/metrics",
        "lastError": "",
        "lastScrape": "2026-11-23T13:23:50.022568186Z",
        "lastScrapeDuration": 0.003,
        "health": "up",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    }
    return {name: value for name, value in {**told, **changes}.items() if value is not None}


def active(*told: Any) -> str:
    return success({"activeTargets": list(told), "droppedTargets": []})


def test_targets_of_prometheus_2_are_read() -> None:
    found = parse_active(captured("prometheus-2-targets.json"))
    assert [each.name for each in found] == [
        "alertmanager alertmanager:9093",
        "node node:9100",
        "tokenswap-api tokenswap-api:3000",
    ]
    assert {(each.interval, each.health, each.error, each.age) for each in found} == {(5.0, "up", "", None)}


def test_targets_of_prometheus_3_are_read() -> None:
    told = target(scrapePool="api", health="down", lastError="connection refused", labels={"job": "a", "instance": "b"})
    text = success({"activeTargets": [told], "droppedTargets": [], "droppedTargetCounts": {"api": 0}})
    (found,) = parse_active(text)
    assert (found.health, found.error, found.interval) == ("down", "connection refused", 15.0)


@pytest.mark.parametrize(
    "text",
    [
        *NOTHING,
        ERROR,
        success(None),
        success({}),
        success({"activeTargets": None}),
        success({"activeTargets": {"a": 1}}),
        active(None),
        active(target(), {}),
        active(target(health=None)),
        active(target(health=1)),
        active(target(scrapeInterval=None)),
        active(target(scrapeInterval="0s")),
        active(target(labels={"job": "api"})),
        active(target(labels={"job": "api", "instance": 1})),
        active(target(lastError=["x"])),
        json.dumps({"status": "error", "data": {"activeTargets": []}}),
    ],
)
def test_targets_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no active targets"):
        parse_active(text)


def test_no_targets_are_no_targets() -> None:
    assert parse_active(active()) == ()


# What is evaluated


def rule(**changes: Any) -> dict[str, Any]:
    told = {
        "state": "inactive",
        "name": "APIDown",
        "query": "up == 0",
        "duration": 60,
        "keepFiringFor": 0,
        "labels": {"severity": "critical"},
        "annotations": {},
        "alerts": [],
        "health": "ok",
        "evaluationTime": 0.0001,
        "lastEvaluation": "2026-11-23T13:23:45.5Z",
        "type": "alerting",
    }
    return {name: value for name, value in {**told, **changes}.items() if value is not None}


def groups(*rules: Any, interval: Any = 15) -> str:
    group = {"name": "g", "file": "/etc/r.yml", "rules": list(rules), "interval": interval, "limit": 0}
    return success({"groups": [group]})


def test_rules_of_prometheus_2_are_read() -> None:
    found = parse_rules(captured("prometheus-2-rules.json"), NOW)
    assert [(each.name, each.group, each.interval) for each in found] == [
        ("CPUAboveTarget", "capacity", 60.0),
        ("MemoryAboveTarget", "capacity", 60.0),
        ("HighCPUUsage", "tokenswap", 15.0),
        ("HighMemoryUsage", "tokenswap", 15.0),
    ]
    assert {(each.health, each.alerting, each.error) for each in found} == {("ok", True, "")}


def test_rules_of_prometheus_3_and_before_2_42_are_read() -> None:
    alert = {"labels": {}, "annotations": {}, "state": "firing", "activeAt": "2026-11-23T13:00:00Z", "value": "1e+00"}
    firing = rule(state="firing", alerts=[{**alert, "keepFiringSince": "0001-01-01T00:00:00Z"}])
    recording = {
        "name": "job:up",
        "query": "up",
        "health": "ok",
        "evaluationTime": 0.1,
        "lastEvaluation": "2026-11-23T14:23:45.123456789+01:00",
        "type": "recording",
    }
    found = parse_rules(groups(firing, rule(keepFiringFor=None), recording), NOW)
    assert [(each.name, each.alerting, each.age) for each in found] == [
        ("APIDown", True, 14.5),
        ("APIDown", True, 14.5),
        ("job:up", False, pytest.approx(14.876544)),
    ]


def test_a_rule_that_fails_or_waits_says_so() -> None:
    failing = rule(health="err", lastError="many-to-many matching not allowed")
    waiting = rule(health="unknown", lastEvaluation="0001-01-01T00:00:00Z")
    found = parse_rules(groups(failing, waiting), NOW)
    assert [(each.health, each.error, each.age) for each in found] == [
        ("err", "many-to-many matching not allowed", 14.5),
        ("unknown", "", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *NOTHING,
        ERROR,
        success([]),
        success({"groups": None}),
        success({"groups": [], "groupNextToken": "abc"}),  # of Prometheus 3: there are more of them
        success({"groups": [None]}),
        success({"groups": [{"name": "g", "interval": 15}]}),
        groups(None),
        groups(rule(health=None)),
        groups(rule(lastEvaluation=None)),
        groups(rule(lastEvaluation="")),
        groups(rule(lastEvaluation="yesterday")),
        groups(rule(lastEvaluation="2026-11-23T13:23:45")),
        groups(rule(lastEvaluation=1795440234)),
        groups(rule(type=None)),
        groups(rule(type="alert")),
        groups(rule(name=None)),
        groups(rule(), interval=0),
        groups(rule(), interval="15s"),
        groups(rule(), interval=True),
        groups(rule(), interval=None),
    ],
)
def test_rules_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no rules"):
        parse_rules(text, NOW)


@pytest.mark.parametrize("told", [True, False])
def test_prometheus_tells_whether_it_took_its_configuration(told: bool) -> None:
    assert parse_accepted(success({"startTime": "2026-11-23T08:00:00Z", "reloadConfigSuccess": told})) is told


@pytest.mark.parametrize("text", [*NOTHING, ERROR, success({}), success({"reloadConfigSuccess": "true"}), success([])])
def test_no_word_of_the_last_reload_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no word of the last reload"):
        parse_accepted(text)


def test_the_clock_of_prometheus_is_read() -> None:
    assert parse_clock((Sample({}, 1795440240.0),)) == NOW


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_a_clock_that_tells_no_time_is_an_error(value: float) -> None:
    for samples in ((), (Sample({}, 1.0), Sample({"a": "b"}, 2.0)), (Sample({}, value),)):
        with pytest.raises(UnansweredError, match="told no time"):
            parse_clock(samples)


# The way of an alert


def test_active_alertmanagers_are_those_that_prometheus_sends_to() -> None:
    url = "http://alertmanager:9093/api/v2/alerts"
    dropped = {"url": "http://old:9093/api/v1/alerts"}
    told = success({"activeAlertmanagers": [{"url": url}], "droppedAlertmanagers": [dropped]})
    assert parse_alertmanagers(told) == (url,)
    assert parse_alertmanagers(success({"activeAlertmanagers": [], "droppedAlertmanagers": [dropped]})) == ()


@pytest.mark.parametrize(
    "text",
    [*NOTHING, ERROR, success({}), success({"activeAlertmanagers": None}), success({"activeAlertmanagers": [{}]})]
    + [success({"activeAlertmanagers": [{"url": url}]}) for url in (None, "", 7, ["x"])],
)
def test_alertmanagers_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no list of active Alertmanagers"):
        parse_alertmanagers(text)


def test_the_configuration_of_alertmanager_0_25_is_read() -> None:
    assert parse_routes(parse_status(captured("alertmanager-status.json"))) == (
        Route("default route", "warning", ("webhook",)),
        Route('route severity="critical"', "critical", ("webhook",)),
        Route('route severity="warning"', "warning", ("webhook",)),
    )


ROUTES = """
global: { smtp_auth_password: <secret> }
route:
  receiver: team
  routes:
  - match: { severity: critical }
    match_re: { service: "api|web" }
    receiver: pager
    routes:
    - matchers: ['team="db"']
      continue: true
    - { receiver: void }
  - receiver: nobody
receivers:
- name: team
  slack_configs: [{ api_url: <secret>, channel: "#ops" }]
  email_configs: [{ to: ops@example.com }]
- name: pager
  pagerduty_configs: [{ routing_key: <secret> }]
  webhook_configs: []
- name: void
- name: unused
"""


def test_a_route_without_a_receiver_has_that_of_the_route_above() -> None:
    assert parse_routes(ROUTES) == (
        Route("default route", "team", ("slack", "email")),
        Route('route severity="critical", service=~"api|web"', "pager", ("pagerduty",)),
        Route('route team="db"', "pager", ("pagerduty",)),
        Route("route of all", "void", ()),
        Route("route of all", "nobody", ()),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "route",
        "[]",
        "route: {}",
        "receivers: []",
        "route: { receiver: a }",
        "route: {}\nreceivers: []",
        "route: []\nreceivers: []",
        "route: { receiver: [a] }\nreceivers: []",
        "route: { receiver: a, routes: [b] }\nreceivers: []",
        "route: { receiver: a }\nreceivers: [{}]",
        "route: { receiver: a }\nreceivers: [a]",
        "route: { receiver: a\nreceivers: []",
        "route: &r { receiver: a, routes: [*r] }\nreceivers: []",
        "route: &r { receiver: a, routes: [*r, *r, *r] }\nreceivers: []",
        f"route: {{ receiver: a, routes: [{'{},' * (MOST_ROUTES + 1)}] }}\nreceivers: []",
        "route: !!python/object/apply:os.system ['true']\nreceivers: []",
        "a: " + "[" * 5000,
        "#" * (1024 * 1024 + 1),
    ],
)
def test_a_configuration_without_routes_or_receivers_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^(no|a) configuration"):
        parse_routes(text)


@pytest.mark.parametrize(
    "text",
    [
        "route: { receiver: a, routes: [{ matchers: [*x14] }] }\nreceivers: []",
        "route: { receiver: a, routes: [{ match: { b: *x14 } }] }\nreceivers: []",
        "route: { receiver: a }\nreceivers: [{ name: *x14 }]",
    ],
)
def test_what_unfolds_to_more_than_memory_holds_is_an_error_at_once(text: str) -> None:
    unfolding = [f"x{number}: &x{number} [{', '.join([f'*x{number - 1}'] * 9)}]" for number in range(1, 15)]
    with pytest.raises(UnansweredError, match="no text, but a list"):
        parse_routes("\n".join(["x0: &x0 [x]", *unfolding, text]))


@pytest.mark.parametrize("text", [*NOTHING, '{"config":null}', '{"config":{"original":null}}', '{"config":{}}'])
def test_a_status_without_a_configuration_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no configuration"):
        parse_status(text)


def alert(**changes: Any) -> dict[str, Any]:
    told = {
        "annotations": {},
        "endsAt": "2026-11-23T13:28:00.000Z",
        "fingerprint": "f00",
        "receivers": [{"name": "heartbeat"}],
        "startsAt": "2026-11-23T13:00:00.000Z",
        "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": "2026-11-23T13:24:00.000Z",
        "generatorURL": "http://prometheus:9090/graph",
        "labels": {"alertname": "Watchdog", "severity": "none"},
    }
    return {name: value for name, value in {**told, **changes}.items() if value is not None}


def test_alerts_of_alertmanager_0_25_and_later_are_read() -> None:
    muted = {"inhibitedBy": [], "silencedBy": ["id"], "mutedBy": [], "state": "suppressed"}
    text = json.dumps([alert(), alert(status=muted, labels={}, receivers=[])])
    labels = {"alertname": "Watchdog", "severity": "none"}
    assert parse_alerts(text) == (Alert(labels, "active", ("heartbeat",)), Alert({}, "suppressed", ()))
    assert parse_alerts("[]") == ()


@pytest.mark.parametrize(
    "text",
    [each for each in NOTHING if each != "[]"]
    + [
        json.dumps([None]),
        json.dumps([alert(labels=None)]),
        json.dumps([alert(labels={"alertname": 1})]),
        json.dumps([alert(labels=[])]),
        json.dumps([alert(status=None)]),
        json.dumps([alert(status={"state": None})]),
        json.dumps([alert(receivers=None)]),
        json.dumps([alert(receivers=["heartbeat"])]),
        json.dumps({"status": "success", "data": [alert()]}),  # of the interface before version 2
    ],
)
def test_alerts_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no list of alerts"):
        parse_alerts(text)


# What got lost

AM, PROM = ("alertmanager", "am:9093"), ("prometheus", "localhost:9090")
CLOCK = 1_795_440_000.0


def counted(*values: float, source: tuple[str, str] = AM, after: float = 0) -> Series:
    """A counter, scraped every 15 seconds; it was not there before ``after``."""
    return Series(source, tuple((CLOCK + after + 15 * number, value) for number, value in enumerate(values)))


def begun(*starts: float, source: tuple[str, str] = AM) -> Series:
    """When the process began that answered each scrape, in seconds after the clock."""
    return Series(source, tuple((CLOCK + 15 * number, CLOCK + start) for number, start in enumerate(starts)))


@pytest.mark.parametrize(
    ("counters", "starts", "count"),
    [
        ([counted(0, 0, 0, 0)], [begun(-900, -900, -900, -900)], 0),
        ([counted(7, 7, 7, 7)], [begun(-900, -900, -900, -900)], 0),  # that was before the window
        ([counted(7, 7, 8, 8)], [begun(-900, -900, -900, -900)], 1),
        ([counted(0, 0), counted(2, 4)], [begun(-900, -900)], 2),  # two integrations of one process
        ([counted(0, 0, 0, 0), counted(1, 1, after=30)], [begun(-900, -900, -900, -900)], 1),  # it failed first then
        ([counted(5, 5, 0, 0)], [begun(-900, -900, 20, 20)], 0),  # restarted
        ([counted(5, 5, 2, 2)], [begun(-900, -900, 20, 20)], 2),
        ([counted(1, 1, 1, 1)], [begun(-900, -900, 20, 20)], 1),  # restarted, and failed as often as before
        ([counted(5, 5, 2, 2)], [], 2),  # a process that tells no start
        ([counted(0, 1)], [], 1),
        ([counted(0, 1)], [begun(-900, -900, source=PROM)], 1),
    ],
)
def test_what_got_lost_is_counted_by_process(counters: list[Series], starts: list[Series], count: float) -> None:
    assert lost_in(FAILED, counters, starts, settling=0) == [Lost(FAILED, "am:9093", count)]


@pytest.mark.parametrize(
    ("values", "start", "count"),
    [
        ((0, 1, 1, 1), 10, 0),  # before it had found its Alertmanager
        ((7, 1, 1, 1), 10, 0),
        ((0, 0, 1, 1), 10, 0),
        ((0, 0, 0, 1), 10, 1),  # counted 20 seconds after the start, or later
        ((0, 1, 1, 2), 10, 1),
        ((0, 1, 1, 1), -900, 1),  # it did not start at all
    ],
)
@pytest.mark.parametrize(
    "others", [[], [begun(*[-5000] * 4, source=PROM)]]
)  # with these it read its configuration anew
def test_what_prometheus_gives_up_while_it_starts_is_sent_again(
    values: tuple[float, ...], start: float, count: float, others: list[Series]
) -> None:
    starts = [*others, begun(-900, start, start, start, source=PROM)]
    found = lost_in(DROPPED, [counted(*values, source=PROM)], starts, settling=SETTLING_S)
    assert found == [Lost(DROPPED, "localhost:9090", count)]


def test_each_process_counts_by_itself_and_nothing_counts_as_nothing() -> None:
    found = lost_in(DROPPED, [counted(0, 1), counted(0, 2, source=PROM)], [], settling=SETTLING_S)
    assert found == [Lost(DROPPED, "am:9093", 1), Lost(DROPPED, "localhost:9090", 2)]
    assert lost_in(FAILED, [], [begun(0)], settling=0) == []
    assert lost_in(FAILED, [Series(AM, ())], [], settling=0) == []


def test_a_counter_that_is_no_number_is_none() -> None:
    (found,) = lost_in(FAILED, [counted(0, math.nan, 0)], [], settling=0)
    assert math.isnan(found.count)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 11))
def test_what_got_lost_is_what_was_added_however_often_it_restarted(added: list[int], restart: int) -> None:
    values, starts, total = [], [], 0
    for number, each in enumerate(added):
        total = each if number == restart else total + each
        values.append(total)
        starts.append(15 * restart - 5 if number >= restart else -900)
    (found,) = lost_in(FAILED, [counted(*values)], [begun(*starts)], settling=0)
    assert found.count == sum(added[1:])


def matrix(*series: Any) -> str:
    return success({"resultType": "matrix", "result": list(series)})


def test_a_range_of_samples_is_read() -> None:
    told = {"metric": {"job": "alertmanager", "instance": "am:9093", "integration": "email"}, "values": [[1.5, "0"]]}
    assert parse_matrix(matrix(told, {"metric": {}, "values": []})) == (
        Series(AM, ((1.5, 0.0),)),
        Series(("", ""), ()),
    )


@pytest.mark.parametrize(
    "text",
    [
        *NOTHING,
        ERROR,
        success({"resultType": "vector", "result": []}),
        matrix(None),
        matrix({"metric": {}}),
        matrix({"metric": {}, "values": [[1]]}),
        matrix({"metric": {}, "values": [[1, "x"]]}),
        matrix({"metric": {"job": 1}, "values": []}),
    ],
)
def test_a_range_of_samples_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no samples"):
        parse_matrix(text)


# Dashboards


def test_dashboards_are_known_by_their_titles_and_folders_are_none() -> None:
    rows = [
        {"id": 1, "uid": "a", "title": "API", "type": "dash-db", "folderTitle": "TokenSwap", "sortMeta": 0},
        {"id": 2, "uid": "b", "title": "Hosts", "type": "dash-db"},
        {"id": 3, "uid": "c", "title": "TokenSwap", "type": "dash-folder"},
    ]
    assert parse_listed(json.dumps(rows)) == (Dashboard("API", "a"), Dashboard("Hosts", "b"))
    assert parse_listed("[]") == ()


NO_LIST = [each for each in NOTHING if each != "[]"] + ['{"message":"Unauthorized"}', "[null]", "[{}]"]


@pytest.mark.parametrize(
    "text",
    [
        *NO_LIST,
        '[{"title":1,"uid":"a","type":"dash-db"}]',
        '[{"title":"a","uid":"a"}]',
        '[{"title":"a","type":"dash-db"}]',
    ],
)
def test_dashboards_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no list of dashboards"):
        parse_listed(text)


def dashboard(*panels: Any, **more: Any) -> str:
    return json.dumps({"meta": {"type": "db"}, "dashboard": {"title": "API", "panels": list(panels), **more}})


NAMED = {"type": "prometheus", "uid": "prom"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (dashboard(), ()),
        (dashboard({"datasource": NAMED, "targets": [{"datasource": NAMED, "expr": "up"}]}), ("prom",)),
        (dashboard({"datasource": "Logs"}, {"datasource": NAMED}), ("Logs", "prom")),  # before 8.3 by name
        (dashboard({"type": "row", "panels": [{"datasource": NAMED}]}), ("prom",)),
        (dashboard(rows=[{"panels": [{"targets": [{"datasource": NAMED}]}]}]), ("prom",)),
        (dashboard({"datasource": "-- Mixed --", "targets": [{"datasource": NAMED}]}), ("prom",)),
        (dashboard(annotations={"list": [{"datasource": {"type": "grafana", "uid": "-- Grafana --"}}]}), ()),
        (dashboard({"datasource": {"type": "__expr__", "uid": "-100"}}), ()),
        (dashboard({"datasource": {"type": "datasource", "uid": "grafana"}}), ()),
        (dashboard({"datasource": None}, {"datasource": {"type": "prometheus"}}, {"datasource": "default"}), ()),
        (dashboard({"datasource": "$ds"}, {"datasource": {"uid": "${ds}"}}, templating={"list": [{"name": "ds"}]}), ()),
        (dashboard({"datasource": "[[ds]]"}, {"datasource": "${ds:raw}"}, templating={"list": [{"name": "ds"}]}), ()),
        (dashboard({"datasource": "${DS_PROM}"}, templating={"list": [{"name": "ds"}]}), ("${DS_PROM}",)),
        (dashboard({"datasource": {"uid": "$DS_PROM"}}), ("$DS_PROM",)),
        (dashboard(templating={"list": [{"name": "job", "datasource": NAMED}]}), ("prom",)),
        (dashboard({"datasource": 7}, {"datasource": {"uid": ["x"]}}, None, "x", templating=None), ()),
    ],
)
def test_a_dashboard_names_its_data_sources(text: str, named: tuple[str, ...]) -> None:
    assert parse_drawn(text) == named


@pytest.mark.parametrize("text", [*NOTHING, "{", '{"dashboard":null}', '{"dashboard":[]}', dashboard(templating=[1])])
def test_a_dashboard_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no dashboard"):
        parse_drawn(text)


def source(uid: Any = "P1_a-b", name: Any = "Prometheus") -> dict[str, Any]:
    return {"id": 1, "uid": uid, "orgId": 1, "name": name, "type": "prometheus", "access": "proxy", "jsonData": {}}


def test_data_sources_are_known_by_name_kind_and_uid() -> None:
    assert parse_sources(json.dumps([source()])) == (("Prometheus", "prometheus", "P1_a-b"),)


@pytest.mark.parametrize("text", [*NO_LIST, json.dumps([source(uid=None)]), json.dumps([source(name=1)])])
def test_data_sources_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no list of data sources"):
        parse_sources(text)


@pytest.mark.parametrize("uid", ["", "a/b", "../../admin", "a?b", "a b", "x" * 41, "a\n", "a%2Fb"])
def test_a_uid_that_leads_elsewhere_is_an_error(uid: str) -> None:
    with pytest.raises(UnansweredError, match="has a uid that none can have"):
        parse_sources(json.dumps([source(uid)]))


@pytest.mark.parametrize(
    ("status", "text", "health"),
    [
        (200, '{"message":"Data source is working","status":"OK"}', "OK"),
        (400, '{"details":{},"message":"connection\\nrefused","status":"ERROR"}', "ERROR: connection refused"),
        (400, '{"message":"?","status":"OK"}', "OK: ?"),
        (200, '{"message":"?","status":"UNKNOWN"}', "UNKNOWN: ?"),
        (200, '{"message":"","status":"ok"}', "ok: "),
        (500, '{"message":"Plugin health check failed"}', "status 500: Plugin health check failed"),
    ],
)
def test_a_data_source_tells_its_health(status: int, text: str, health: str) -> None:
    assert parse_health(status, text) == (health, "")
    assert (health == "OK") == (status == 200 and '"OK"' in text)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (404, '{"message":"Method not implemented","messageId":"plugin.notImplemented","statusCode":404}'),
        (403, '{"message":"Access denied to datasource"}'),
        (401, '{"message":"Unauthorized"}'),
        (200, "{}"),
        (200, '{"status":200}'),
        (200, '{"status":null}'),
        (204, '{"status":"OK"}'),
        (302, '{"status":"OK"}'),
        (502, "<html>Bad gateway</html>"),
        *((200, text) for text in NOTHING if '"status"' not in text),
    ],
)
def test_a_data_source_that_cannot_tell_its_health_is_not_healthy(status: int, text: str) -> None:
    health, untold = parse_health(status, text)
    assert health == ""
    assert untold


# Traces


def span(start: Any = 1795440000_000_000, duration: Any = 500_000, process: str = "p1") -> dict[str, Any]:
    return {"traceID": "t", "spanID": "s", "startTime": start, "duration": duration, "processID": process, "tags": []}


def traces(*spans: Any, **more: Any) -> str:
    processes = {"p1": {"serviceName": "api", "tags": []}, "p2": {"serviceName": "other", "tags": []}}
    trace = {"traceID": "t", "spans": list(spans), "processes": processes, "warnings": None}
    return json.dumps({"data": [trace], "total": 0, "limit": 0, "offset": 0, "errors": None, **more})


def test_the_newest_span_is_the_one_of_the_service_that_ended_last() -> None:
    text = traces(span(), span(start=1795439000_000_000, duration=1_100_000_000), span(1795449999_000_000, 0, "p2"))
    assert parse_spans(text, "api") == Spans(2, datetime.fromtimestamp(1795440100, UTC))


@pytest.mark.parametrize("text", [traces(), traces(span(process="p2")), traces(data=None), traces(data=[])])
def test_without_a_span_of_the_service_there_is_no_newest_one(text: str) -> None:
    assert parse_spans(text, "api") == Spans(0, None)


@pytest.mark.parametrize(
    "text",
    [each for each in NOTHING if each != "{}"]
    + [
        "{}",
        traces(errors=[{"code": 500, "msg": "storage is down"}]),
        traces(data=[None]),
        traces(data=7),
        traces(None),
        traces({}),
        traces(span(process="p3")),
        traces(span(start="1795440000000000")),
        traces(span(start=1.5)),
        traces(span(start=True)),
        traces(span(start=-1)),
        traces(span(duration=None)),
        traces(span(start=10**30)),
    ],
)
def test_traces_that_are_none_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^(no traces|answered with errors)"):
        parse_spans(text, "api")


PARSERS: list[Callable[[str], Any]] = [
    parse_active,
    lambda text: parse_rules(text, NOW),
    parse_alertmanagers,
    parse_status,
    parse_routes,
    parse_alerts,
    parse_matrix,
    parse_listed,
    parse_drawn,
    parse_sources,
    lambda text: parse_spans(text, "api"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "data", "groups", "rules", "labels", "config", "route", "receivers", "spans"]),
            below,
        )
    ),
    max_leaves=10,
)


@given(st.text(max_size=60) | JSON.map(json.dumps))
def test_hostile_answers_are_an_error_or_empty_never_a_crash(text: str) -> None:
    for parse in PARSERS:
        try:
            found = parse(text)
        except UnansweredError:
            continue
        assert found in ((), Spans(0, None)) or isinstance(found, str | tuple)
