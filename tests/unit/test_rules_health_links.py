"""Health, as people and customers see it: pages, status interfaces, the API from outside; at the very limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.links import Page, State, parse_grafana, parse_kibana
from opsverify.probes.vantage import View
from opsverify.rules import health

LimitsOf = Callable[[str], Limits]
GRAFANA, KIBANA = "GET /api/health", "GET /api/status"


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


@pytest.mark.parametrize(
    ("status", "body", "good"),
    [
        (200, '{"database":"ok","version":"11.6.0"}', True),
        (200, '{"database":"ok","version":"7.5.17"}', True),
        (200, '{"database":"ok"}', True),
        (200, '{"database":"failing","version":"11.6.0"}', False),
        (503, '{"database":"ok","version":"11.6.0"}', False),
        (503, '{"database":"failing"}', False),
        (200, '{"version":"11.6.0"}', False),
        (200, "<!DOCTYPE html><title>Log in</title>", False),
        (302, "", False),
        (401, '{"message":"Unauthorized"}', False),
        (200, '{"database":"okay"}', False),
        (200, "[]", False),
    ],
)
def test_a_dashboard_has_its_database(limits_of: LimitsOf, status: int, body: str, good: bool) -> None:
    answer = Attempt(State(status, *parse_grafana(body)))
    assert met(health.link_state(GRAFANA, answer, limits_of("LNK-GRAF-01").database)) is good


@pytest.mark.parametrize(
    ("status", "body", "good"),
    [
        (200, '{"status":{"overall":{"level":"available"}},"version":{"number":"8.19.1"}}', True),
        (200, '{"status":{"overall":{"level":"available"}}}', True),
        (200, '{"status":{"overall":{"state":"green"}},"version":{"number":"7.17.29"}}', True),
        (200, '{"status":{"overall":{"state":"GREEN"}}}', True),
        (200, '{"status":{"overall":{"state":"yellow"}}}', False),
        (200, '{"status":{"overall":{"state":"red"}}}', False),
        (200, '{"status":{"overall":{"level":"degraded"}}}', False),
        (503, '{"status":{"overall":{"level":"unavailable"}}}', False),
        (503, '{"status":{"overall":{"level":"critical"}}}', False),
        (503, '{"status":{"overall":{"level":"available"}}}', False),
        (200, '{"status":{"overall":{"level":null}}}', False),
        (503, "Kibana server is not ready yet", False),
        (200, "<html><title>Elastic</title>", False),
        (200, "", False),
    ],
)
def test_a_log_search_is_available(limits_of: LimitsOf, status: int, body: str, good: bool) -> None:
    answer = Attempt(State(status, *parse_kibana(body)))
    assert met(health.link_state(KIBANA, answer, limits_of("LNK-KIB-01").states)) is good


def test_what_does_not_answer_is_not_well(limits_of: LimitsOf) -> None:
    assert not met(health.link_state(GRAFANA, Attempt(None, "refused"), limits_of("LNK-GRAF-01").database))
    assert not met(health.link_state(KIBANA, Attempt(None, "refused"), limits_of("LNK-KIB-01").states))
    assert not met(health.page_is_itself(Attempt(None, "refused"), "marker"))


PAGE = Page(200, True, "", "TokenSwap status", True)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({}, None),
        ({"title": ""}, None),
        ({"status": 404}, "status"),
        ({"status": 503}, "status"),
        ({"status": 204}, "status"),
        ({"tls": False}, "TLS"),
        ({"elsewhere": "https://parked.example/"}, "redirects to"),
        ({"has_marker": False, "title": "Log in"}, "marker"),
        ({"has_marker": False, "title": ""}, "marker"),
    ],
)
def test_a_page_is_itself(change: dict[str, object], finding: str | None) -> None:
    found = health.page_is_itself(Attempt(replace(PAGE, **change)), "TokenSwap status")  # type: ignore[arg-type]
    assert [each.name for each in unmet(found)] == ([finding] if finding else [])


def test_a_page_that_is_another_tells_its_title() -> None:
    found = health.page_is_itself(Attempt(replace(PAGE, has_marker=False, title="Domain for sale")), "x")
    assert "Domain for sale" in str(unmet(found)[0])


VIEW = View(success=True, status=200, seconds=0.2, tls=True, trusted=True)


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"seconds": 1.9}, True),
        ({"seconds": 2.0}, True),
        ({"seconds": 2.001}, False),
        ({"seconds": math.nan}, False),
        ({"seconds": math.inf}, False),
        ({"success": False}, False),
        ({"success": False, "status": 0}, False),
        ({"status": 503}, False),
        ({"status": 204}, False),
        ({"status": 301}, False),
        ({"tls": False}, False),
        ({"success": False, "trusted": False}, False),
    ],
)
def test_the_api_is_healthy_from_outside(limits_of: LimitsOf, change: dict[str, object], good: bool) -> None:
    view = replace(VIEW, **change)  # type: ignore[arg-type]
    assert met(health.seen_from_outside(view, limits_of("NET-EXT-01"))) is good


@pytest.mark.parametrize("more", [{}, {"status": 503}, {"seconds": 9.0}, {"tls": False}])
def test_a_success_that_took_less_than_it_should_is_no_proof(limits_of: LimitsOf, more: dict[str, object]) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^the probe's module is content with too little"):
        health.seen_from_outside(replace(VIEW, trusted=False, **more), limits_of("NET-EXT-01"))  # type: ignore[arg-type]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_failure_is_one_whatever_the_probe_is_content_with(limits_of: LimitsOf, trusted: bool) -> None:
    failed = replace(VIEW, success=False, status=0, tls=False, trusted=trusted)
    found = unmet(health.seen_from_outside(failed, limits_of("NET-EXT-01")))
    assert [(each.name, each.observed) for each in found] == [
        ("seen from outside", "failure"),
        ("HTTP status", "none"),
        ("TLS", False),
    ]


def test_a_page_that_came_without_tls_is_a_finding(limits_of: LimitsOf) -> None:
    (found,) = unmet(health.seen_from_outside(replace(VIEW, tls=False), limits_of("NET-EXT-01")))
    assert found.name == "TLS"
