"""Matrices of Prometheus 2 and 3, days out of them, and what exactly is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opsverify import targets
from opsverify.channels.web import WebChannel
from opsverify.days import DAY, Daily, ends
from opsverify.errors import UnansweredError
from opsverify.probes import daily
from opsverify.probes.daily import Days, parse_days
from opsverify.probes.series import Line, parse_matrix

ENDS = ends(datetime(2026, 11, 23, 12, tzinfo=UTC), 3)
LAST = [date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)]


def matrix(*lines: tuple[dict[str, str], list[Any]], **more: Any) -> str:
    result = [{"metric": labels, "values": values} for labels, values in lines]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **more})


def values(*of_days: str) -> list[Any]:
    return [[moment, value] for moment, value in zip(ENDS, of_days, strict=False)]


def test_a_matrix_of_a_real_server(captured: Callable[[str], str]) -> None:
    text = captured("prometheus-2-days.json")
    moments = sorted({int(moment) for each in json.loads(text)["data"]["result"] for moment, _ in each["values"]})
    found = {each.labels["instance"]: each for each in parse_matrix(text, moments)}
    assert set(found["seven-69"].values) == set(moments)
    assert found["seven-69"].values[moments[-1]] == pytest.approx(0.69)
    assert len(found["missing-one-cool"].values) == len(moments) - 1
    assert all(after - before == DAY for before, after in pairwise(moments))


def test_what_prometheus_3_adds_is_no_problem() -> None:
    text = matrix(({"instance": "a"}, values("1", "2", "NaN")), infos=["metric might not be a counter"], warnings=["x"])
    (found,) = parse_matrix(text, ENDS)
    assert [found.values[each] for each in ENDS[:2]] == [1.0, 2.0]
    assert math.isnan(found.values[ENDS[2]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "null",
        "{}",
        '{"status": "error", "errorType": "timeout", "error": "query timed out"}',
        '{"status": "success", "data": {"resultType": "vector", "result": []}}',
        '{"status": "success", "data": {"resultType": "matrix", "result": [{}]}}',
        '{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "histograms": []}]}}',
        matrix(({}, [[ENDS[0]]])),
        matrix(({}, [[ENDS[0], "x"]])),
        matrix(({}, [[ENDS[0], 10**400]])),
        matrix(({}, [["soon", "1"]])),
        matrix(({}, [[ENDS[0] + 1, "1"]])),  # a moment that was not asked for
        matrix(({}, [[ENDS[0] + 0.5, "1"]])),
        matrix(({}, [[ENDS[0], "1"], [ENDS[0], "0"]])),  # two values of one day
        "[" * 100_000,
    ],
)
def test_what_is_no_matrix_of_these_days_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_matrix(text, ENDS)


@given(st.text(max_size=100))
def test_hostile_text_is_an_error_never_a_crash(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_matrix(text, ENDS)


def test_days_are_put_together_with_what_was_measured_of_them() -> None:
    used = [Line({"instance": "a"}, {ENDS[0]: 0.5, ENDS[2]: math.nan}), Line({"instance": "b"}, {ENDS[1]: 0.7})]
    seen = [Line({"instance": "a"}, {ENDS[0]: 288, ENDS[2]: 144})]
    a, b = parse_days(used, seen)
    assert a.days[0] == Daily(LAST[0], 0.5, 1.0)
    assert (a.days[1].day, a.days[1].coverage) == (LAST[2], 0.5)
    assert b.days == (Daily(LAST[1], 0.7, 0.0),)  # nothing is known of its samples, so it is not covered


def test_two_series_of_one_instance_are_an_error() -> None:
    with pytest.raises(UnansweredError, match="two series of a"):
        parse_days([Line({"instance": "a"}, {}), Line({"instance": "a"}, {})], [])


def test_days_are_asked_for_their_last_second_in_one_question(
    prometheus: Callable[..., WebChannel], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    server = prometheus(matrix(({"instance": "a"}, values("0.5", "0.6"))))
    (found,) = daily.cpu(server, ENDS)
    assert [each.value for each in found.days] == [0.5, 0.6]
    asked = [each["question"]["params"] for each in exchanges()]
    assert [each["query"] for each in asked] == [
        '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1d]))',
        'count_over_time((count by (instance) (node_cpu_seconds_total{mode="idle"}))[1d:5m])',
    ]
    assert {(each["start"], each["end"], each["step"]) for each in asked} == {
        (str(ENDS[0]), str(ENDS[-1]), "86400"),
    }
    assert ENDS[-1] % DAY == DAY - 1
    server.close()


@pytest.mark.parametrize(
    ("probe", "function"), [(daily.memory, "avg_over_time("), (daily.memory_peaks, "quantile_over_time(0.95, ")]
)
def test_memory_is_taken_on_the_grid_that_its_coverage_is(
    prometheus: Callable[..., WebChannel],
    exchanges: Callable[[], list[dict[str, Any]]],
    probe: Callable[..., Any],
    function: str,
) -> None:
    server = prometheus(matrix(({"instance": "a"}, values("0.5"))))
    probe(server, ENDS)
    used = "(max by (instance) (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes))[1d:5m])"
    asked = [each["question"]["params"] for each in exchanges()]
    assert [each["query"] for each in asked] == [f"{function}{used}", f"count_over_time({used}"]
    assert {each["timeout"] for each in asked} == {"1.6"}  # before the channel's own two seconds are over
    server.close()


def test_the_speed_that_an_interface_tells_is_never_asked(
    prometheus: Callable[..., WebChannel], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    labels = {"instance": 'a"b:9100', "device": "eth0"}
    server = prometheus(matrix((labels, [[ENDS[-1], "12500000"]])))
    interfaces = (targets.Interface(instance='a"b:9100', device="eth0", capacity_mbit=200),)
    (found,) = daily.network(server, interfaces, 24, ENDS[-1:])
    assert found == Days('a"b:9100', (Daily(LAST[-1], 0.5, 12500000 / 288),), "eth0")
    asked = " ".join(each["question"]["params"]["query"] for each in exchanges())
    assert "speed" not in asked
    assert r'instance=~"a\"b:9100"' in asked
    assert all(way in asked for way in ("node_network_receive_bytes_total{", "node_network_transmit_bytes_total{"))
    server.close()


@pytest.mark.parametrize("capacity", [0.0, -1.0, math.inf, math.nan])
def test_a_capacity_is_one_that_a_share_can_be_of(capacity: float) -> None:
    with pytest.raises(ValidationError):
        targets.Interface(instance="a", device="eth0", capacity_mbit=capacity)


def test_interfaces_that_carry_something_are_asked_for_in_both_directions(
    prometheus: Callable[..., WebChannel], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    result = [{"metric": {"instance": "a", "device": device}, "value": [ENDS[-1], "5"]} for device in ("eth1", "eth0")]
    server = prometheus(json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}))
    assert daily.busy_interfaces(server, 24) == (("a", "eth0"), ("a", "eth1"))
    (asked,) = exchanges()
    ways = [
        f"sum by (instance, device) (increase(node_network_{way}_bytes_total"
        '{device!~"lo|veth.*|docker.*|br-.*"}[24h])) > 0'
        for way in ("receive", "transmit")
    ]
    assert asked["question"]["params"]["query"] == " or ".join(ways)
    server.close()


def test_no_interface_is_no_question(
    prometheus: Callable[..., WebChannel], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    server = prometheus("")
    assert daily.network(server, (), 24, ENDS) == ()
    assert exchanges() == []
    server.close()


def test_an_interface_that_was_not_asked_for_is_left_out(prometheus: Callable[..., WebChannel]) -> None:
    # Two instances and two devices are asked for at once, so their combinations come as well.
    lines = [({"instance": one, "device": two}, values("1", "1", "1")) for one in "ab" for two in ("eth0", "eth1")]
    server = prometheus(matrix(*lines))
    wanted = tuple(
        targets.Interface(instance=one, device=two, capacity_mbit=1) for one, two in (("a", "eth0"), ("b", "eth1"))
    )
    assert [(each.instance, each.device) for each in daily.network(server, wanted, 24, ENDS)] == [
        ("a", "eth0"),
        ("b", "eth1"),
    ]
    server.close()


def test_the_p95_of_days_that_had_requests(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus(
        matrix(
            ({"le": "1"}, values("950", "NaN", "10")),
            ({"le": "2.0"}, values("1000", "NaN", "10")),
            ({"le": "+Inf"}, values("1000", "NaN", "10")),
        )
    )
    (found,) = daily.latency(server, "api", 100, ENDS)
    assert found == Days("api", (Daily(LAST[0], 1.0),))
    server.close()


def test_a_history_that_cannot_be_had_is_told_and_no_error(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus('{"status":"error"}', 422)
    past = daily.history(daily.cpu, server, ENDS)
    assert past.value is None
    assert "answered with status 422" in past.failure
    server.close()
