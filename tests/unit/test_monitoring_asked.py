"""What Prometheus and Grafana are asked, and how several answers become one fact."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsverify.channels.web import Answer, WebChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes import dashboards, delivery, monitoring

Reply = Callable[[str, dict[str, str]], Any]


class Server:
    """Answers as told; what is told to be raised is raised."""

    target = "server"
    timeout_s = 10.0

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.pauses: list[float] = []
        self.runner = SimpleNamespace(pause=self.pauses.append)

    def get(self, path: str = "", params: dict[str, str] | None = None) -> Answer:
        self.asked.append((path, params or {}))
        told = self.reply(path, params or {})
        if isinstance(told, Exception):
            raise told
        status, body = told if isinstance(told, tuple) else (200, told)
        return Answer(status, {}, json.dumps(body), 0.0)


def channel(reply: Reply) -> WebChannel:
    return cast(WebChannel, Server(reply))


def target(job: str, instance: str, interval: str, **labels: str) -> dict[str, Any]:
    return {"labels": {"job": job, "instance": instance, **labels}, "health": "up", "scrapeInterval": interval}


def vector(*samples: tuple[dict[str, str], float]) -> dict[str, Any]:
    result = [{"metric": labels, "value": [0, str(value)]} for labels, value in samples]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


ACTIVE = [
    target("api", "a:1", "5s"),
    target("api", "b:1", "5s"),
    target("node", "a:1", "1m"),
    target("node", "a:1", "1m", disk="x"),
]


def prometheus(path: str, params: dict[str, str]) -> dict[str, Any]:
    if path == "/api/v1/targets":
        return {"status": "success", "data": {"activeTargets": ACTIVE}}
    promql = params["query"]
    if promql.startswith("prometheus_build_info"):
        return vector(({"job": "api", "instance": "b:1"}, 1))
    if "http_requests_total" in promql:
        assert "[100000ms:500ms]" in promql
        return vector(({"instance": "a:1"}, 2.5))
    # Both intervals see all targets; a target has the age of its own interval.
    age = 3.0 if "[100000ms:500ms]" in promql else 70.0
    assert age == 3.0 or "[1200000ms:6000ms]" in promql
    return vector(
        ({"job": "api", "instance": "a:1"}, age), ({"job": "node", "instance": "a:1", "disk": "x"}, age), ({}, 1)
    )


def test_each_target_has_the_age_of_its_own_series() -> None:
    found = monitoring.scraped(channel(prometheus))
    assert [(each.name, each.labels.get("disk"), each.age) for each in found] == [
        ("api a:1", None, 3.0),
        ("api b:1", None, None),
        ("node a:1", None, None),
        ("node a:1", "x", 70.0),
    ]


def test_each_target_of_the_job_is_asked_what_it_delivers() -> None:
    found = monitoring.delivered(channel(prometheus), "api", "http_requests_total")
    assert [(each.instance, each.age, each.itself) for each in found] == [("a:1", 2.5, False), ("b:1", None, True)]
    assert monitoring.delivered(channel(prometheus), "other", "http_requests_total") == ()


def test_jobs_that_had_a_target_and_have_none_are_gone() -> None:
    remembered = ("api", "node", "postgres", "federated")

    def reply(path: str, params: dict[str, str], up: tuple[str, ...] = ("api", "new", "federated")) -> Any:
        if path == "/api/v1/targets":
            return prometheus(path, params)
        asked = {"count by (job) (up)": up, "count by (job) (last_over_time(up[86400s:10m]))": remembered}
        return vector(*(({"job": name}, 1) for name in asked[params["query"]]))

    found = monitoring.jobs(channel(reply), 24)
    assert found == monitoring.Jobs(frozenset({"api", "node", "new", "federated"}), frozenset({"postgres"}))
    just_started = monitoring.jobs(channel(lambda path, params: reply(path, params, up=())), 24)
    assert just_started.gone == {"postgres", "federated"}


def test_the_clock_is_asked_after_the_rules() -> None:
    rule = {"name": "R", "type": "recording", "health": "ok", "lastEvaluation": "2026-11-23T13:23:45Z"}
    group = {"name": "g", "interval": 15, "rules": [rule]}

    def reply(path: str, _: dict[str, str]) -> dict[str, Any]:
        rules = {"status": "success", "data": {"groups": [group]}}
        return rules if path == "/api/v1/rules" else vector(({}, 1795440240.0))

    server = Server(reply)
    (found,) = monitoring.rules(cast(WebChannel, server))
    assert found.age == 15.0
    assert [path for path, _ in server.asked] == ["/api/v1/rules", "/api/v1/query"]


@pytest.mark.parametrize("answer", [(503, "Service Unavailable"), UnreachableError("down")])
def test_a_server_that_does_not_answer_is_no_fact(answer: Any) -> None:
    silent = channel(lambda *_: answer)
    for ask in (
        monitoring.scraped,
        lambda asked: monitoring.jobs(asked, 24),
        monitoring.rules,
        monitoring.accepted,
        dashboards.listed,
        dashboards.sources,
    ):
        with pytest.raises(UnansweredError):
            ask(silent)
    asked = (delivery.alertmanagers, delivery.marks, delivery.routes, delivery.alerts)
    for attempted in (ask(silent) for ask in asked):
        assert (attempted.value, bool(attempted.failure)) == (None, True)
    assert delivery.losses(silent, 3600).value is None


@pytest.mark.parametrize("empty", [0, 1, 5, 6, 100])
def test_a_prometheus_that_has_just_read_its_configuration_is_given_time_to_find_its_alertmanagers(empty: int) -> None:
    def reply(*_: object) -> dict[str, Any]:
        there = [{"url": "http://am:9093/api/v2/alerts"}] if len(server.asked) > empty else []
        return {"status": "success", "data": {"activeAlertmanagers": there, "droppedAlertmanagers": []}}

    server = Server(reply)
    assert len(delivery.alertmanagers(cast(WebChannel, server)).value or ()) == (1 if empty <= 5 else 0)
    assert len(server.asked) == min(empty, 5) + 1
    assert sum(server.pauses) == 3 * min(empty, 5)


def test_only_those_who_count_are_asked_when_they_started() -> None:
    def series(job: str) -> dict[str, Any]:
        return {"metric": {"job": job, "instance": "x"}, "values": [[0, "0"], [3600, "0"]]}

    def reply(path: str, params: dict[str, str]) -> dict[str, Any]:
        if path == "/api/v1/targets":
            return prometheus(path, params)
        asked = params["query"]
        if not asked.endswith("[3600s]"):
            return vector()
        job = {delivery.FAILED: "alert.manager", delivery.DROPPED: "prometheus"}.get(asked.removesuffix("[3600s]"))
        return {"status": "success", "data": {"resultType": "matrix", "result": [series(job)] if job else []}}

    server = Server(reply)
    assert delivery.losses(cast(WebChannel, server), 3600).value is not None
    (started,) = (each["query"] for _, each in server.asked if delivery.STARTED in each.get("query", ""))
    assert started == r"""process_start_time_seconds{job=~"alert\\.manager|prometheus"}[3600s]"""


def page_of(titles: list[str]) -> Reply:
    def reply(_: str, params: dict[str, str]) -> list[dict[str, str]]:
        begin = (int(params["page"]) - 1) * int(params["limit"])
        return [
            {"title": title, "uid": title, "type": "dash-db"} for title in titles[begin : begin + int(params["limit"])]
        ]

    return reply


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_all_pages_of_dashboards_are_read(count: int) -> None:
    titles = [f"{number:05}" for number in range(count)]
    assert dashboards.listed(channel(page_of(titles))) == tuple(dashboards.Dashboard(each, each) for each in titles)


def test_dashboards_without_end_are_an_error() -> None:
    with pytest.raises(UnansweredError, match="more than 10000 dashboards"):
        dashboards.listed(channel(lambda *_: [{"title": "x", "uid": "x", "type": "dash-db"}] * 1000))


def test_a_data_source_that_does_not_answer_in_time_is_untold_and_the_others_are_asked() -> None:
    listed = [{"name": name, "type": "x", "uid": name} for name in ("slow", "good", "bad")]

    def reply(path: str, _: dict[str, str]) -> Any:
        if path == "/api/datasources":
            return listed
        told = {"slow": UnansweredError("no answer within 10 s"), "good": {"status": "OK", "message": ""}}
        return told.get(path.split("/")[4], (400, {"status": "ERROR", "message": "refused"}))

    slow, good, bad = dashboards.sources(channel(reply))
    assert (slow.health, slow.untold) == ("", "no answer within 10 s")
    assert (good.health, bad.health) == ("OK", "ERROR: refused")


def test_a_dashboard_that_cannot_be_read_is_untold_and_the_others_are_read() -> None:
    replies = {
        "/api/dashboards/uid/good": {"dashboard": {"panels": [{"datasource": "Logs"}]}},
        "/api/dashboards/uid/hidden": (403, {"message": "no"}),
    }
    asked = [dashboards.Dashboard(uid.title(), uid) for uid in ("hidden", "a/../b", "good")]
    hidden, elsewhere, good = dashboards.drawn(channel(lambda path, _: replies[path]), asked)
    assert "the account may not ask that" in hidden.untold
    assert "a uid that none can have" in elsewhere.untold
    assert (good.title, good.sources, good.untold) == ("Good", ("Logs",), "")
    with pytest.raises(UnreachableError):
        dashboards.drawn(channel(lambda *_: UnreachableError("gone")), asked)


def test_a_grafana_that_is_gone_meanwhile_is_not_asked_again() -> None:
    def reply(path: str, _: dict[str, str]) -> Any:
        if path == "/api/datasources":
            return [{"name": "a", "type": "x", "uid": "a"}]
        return UnreachableError("no answer, again")

    with pytest.raises(UnreachableError):
        dashboards.sources(channel(reply))


def test_more_data_sources_than_can_be_asked_are_an_error() -> None:
    many = [{"name": "a", "type": "x", "uid": "a"}] * 201
    with pytest.raises(UnansweredError, match="201 data sources"):
        dashboards.sources(channel(lambda *_: many))
