"""Vectors of Prometheus 2 and 3, and the figures drawn from them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes.series import Latency, Requests, latency, memory, parse_vector, query, request_rates


def vector(*samples: tuple[dict[str, str], Any]) -> str:
    result = [{"metric": labels, "value": [1795402582.399, value]} for labels, value in samples]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def test_buckets_of_a_real_server(captured: Callable[[str], str]) -> None:
    found = {each.labels["le"]: each.value for each in parse_vector(captured("prometheus-2-buckets.json"))}
    assert set(found) == {"0.1", "0.5", "1", "2", "5", "10", "+Inf"}
    assert found["2"] <= found["+Inf"]


@pytest.mark.parametrize(("text", "value"), [("+Inf", math.inf), ("-Inf", -math.inf), ("-1.5", -1.5), ("1e3", 1000.0)])
def test_a_sample_may_be_any_float(text: str, value: float) -> None:
    assert parse_vector(vector(({}, text)))[0].value == value


def test_a_sample_may_be_no_number() -> None:
    assert math.isnan(parse_vector(vector(({}, "NaN")))[0].value)


def test_an_empty_vector_is_empty() -> None:
    assert parse_vector(vector()) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "null",
        "{}",
        '{"status": "error", "errorType": "timeout"}',
        '{"status": "success", "data": {"resultType": "matrix", "result": []}}',
        '{"status": "success", "data": {"resultType": "vector", "result": [{}]}}',
        '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": []}]}}',
        '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]}}',
        vector(({"job": ["x"]}, "1")),  # type: ignore[dict-item]
        vector(([["job", 1]], "1")),  # type: ignore[arg-type]
        vector(({}, 10**400)),
        "[" * 100_000,
    ],
)
def test_what_is_no_vector_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no instant vector|^the answer is not understood"):
        parse_vector(text)


BUCKETS = Latency(((0.1, 0.0), (0.5, 50.0), (2.0, 95.0), (10.0, 99.0), (math.inf, 100.0)))


def test_the_share_at_an_edge_is_exact() -> None:
    assert BUCKETS.count == 100
    assert BUCKETS.share_within(2) == 0.95


def test_a_limit_that_is_no_edge_cannot_be_judged() -> None:
    with pytest.raises(UnansweredError, match=r"no bucket at 1\.5 s \(it has: 0\.1, 0\.5, 2, 10, inf\)"):
        BUCKETS.share_within(1.5)


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.5), (0.25, 0.3), (0.95, 2.0), (1.0, 10.0)])
def test_a_quantile_is_interpolated_and_saturates_at_the_last_edge(share: float, seconds: float) -> None:
    assert BUCKETS.quantile(share) == pytest.approx(seconds)


def test_an_idle_histogram_has_no_share_and_no_quantile() -> None:
    idle = Latency(((2.0, 0.0), (math.inf, 0.0)))
    assert math.isnan(idle.share_within(2))
    assert math.isnan(idle.quantile(0.95))
    assert math.isnan(Latency(()).count)


def test_the_server_gives_up_before_we_do(
    prometheus: Callable[..., WebChannel], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    server = prometheus(vector())
    query(server, "up")
    (asked,) = exchanges()
    assert asked["question"]["params"] == {"query": "up", "timeout": "1.6"}  # of the channel's two seconds
    server.close()


@pytest.mark.parametrize("two", ["2", "2.0"])
def test_both_spellings_of_an_edge_are_one_edge(prometheus: Callable[..., WebChannel], two: str) -> None:
    server = prometheus(vector(({"le": two}, "95"), ({"le": "+Inf"}, "100")))
    assert latency(server, "api", 1).share_within(2) == 0.95
    server.close()


def test_both_spellings_at_once_are_added_up(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus(vector(({"le": "2"}, "40"), ({"le": "2.0"}, "55"), ({"le": "+Inf"}, "100")))
    assert latency(server, "api", 1).share_within(2) == 0.95
    server.close()


@pytest.mark.parametrize("labels", [{}, {"le": "fast"}])
def test_a_bucket_without_an_edge_is_an_error(prometheus: Callable[..., WebChannel], labels: dict[str, str]) -> None:
    server = prometheus(vector((labels, "95")))
    with pytest.raises(UnansweredError, match=r"^prometheus prom: asked .*: a bucket without an edge"):
        latency(server, "api", 1)
    server.close()


def test_an_error_of_the_server_is_an_error(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus('{"status":"error"}', 422)
    with pytest.raises(UnansweredError, match=r"^prometheus prom: asked 'up': answered with status 422"):
        query(server, "up")
    server.close()


def test_an_answer_that_is_no_vector_names_the_server_and_the_question(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus("<html>")
    with pytest.raises(UnansweredError, match=r"^prometheus prom: asked 'up': the answer is not understood"):
        query(server, "up")
    server.close()


def test_requests_are_told_apart_by_status(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus(vector(*(({"status": status}, "2.5") for status in ("200", "404", "500", "503"))))
    assert request_rates(server, "api") == Requests(10.0, 5.0)
    server.close()


def test_no_series_with_5xx_is_an_honest_zero(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus(vector(({"status": "200"}, "2")))
    assert request_rates(server, "api") == Requests(2.0, 0.0)
    server.close()


@pytest.mark.parametrize(
    "labels", [{}, {"status": ""}, *({"status": s} for s in ("5xx", "error", "50", "5000", "000"))]
)
def test_requests_without_an_http_status_are_an_error(
    prometheus: Callable[..., WebChannel], labels: dict[str, str]
) -> None:
    server = prometheus(vector(({"status": "200"}, "2"), (labels, "1")))
    with pytest.raises(UnansweredError, match=r"^prometheus prom: asked .* needs the label status"):
        request_rates(server, "api")
    server.close()


def test_an_instance_that_two_jobs_scrape_is_one_instance(
    prometheus: Callable[..., WebChannel], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    server = prometheus(vector(({"instance": "a"}, "0.5")))
    memory(server, 24)
    asked = [each["question"]["params"]["query"] for each in exchanges()]
    assert len(asked) == 2
    assert all("(max by (instance) (1 - " in each for each in asked)
    server.close()


def test_no_series_at_all_is_no_rate(prometheus: Callable[..., WebChannel]) -> None:
    server = prometheus(vector())
    assert math.isnan(request_rates(server, "api").all)
    server.close()


@given(st.text(max_size=100))
def test_hostile_text_is_an_error_never_a_crash(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_vector(text)
