"""The monitoring itself: up, scraped, evaluated, delivered, looked at and traced; and no data is never green."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsverify.catalogue import load
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.collection import Coverage
from opsverify.probes.dashboards import Dashboard, Drawn, Source
from opsverify.probes.delivery import DROPPED, FAILED, Alert, Losses, Lost, Route
from opsverify.probes.links import State
from opsverify.probes.monitoring import Delivered, Jobs, Rule, Scraped
from opsverify.probes.traces import Spans
from opsverify.rules import monitoring

LimitsOf = Callable[[str], Limits]
ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REQUIRED = "HighCPUUsage HighMemoryUsage DiskSpaceLow HighErrorRate SlowResponseTime APIDown LowTradingVolume "
REQUIRED += "PriceDeviation PoolLiquidityLow"


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (Attempt(State(200, "green", "")), True),
        (Attempt(State(200, "yellow", "")), True),
        (Attempt(State(200, "red", "")), False),
        (Attempt(State(200, "an HTML page", "")), False),
        (Attempt(State(200, "no state", "")), False),
        (Attempt(State(503, "green", "")), False),
        (Attempt(None, "cannot be reached"), False),
    ],
)
def test_a_part_of_the_stack_is_up_by_its_own_word(found: Attempt[State], good: bool) -> None:
    assert met(monitoring.is_up("GET /x", found, ("green", "yellow"))) is good


@pytest.mark.parametrize("status", [401, 403])
def test_a_part_that_refuses_to_tell_is_an_error(status: int) -> None:
    with pytest.raises(InsufficientFactsError, match="too few rights"):
        monitoring.is_up("GET /x", Attempt(State(status, "green", "")), ("green",))


# Targets

NODE = Scraped({"job": "node", "instance": "node:9100"}, 15.0, "up", "", 3.0)
API = Scraped({"job": "api", "instance": "api:3000"}, 5.0, "up", "", 3.0)
TOLD = Delivered("api:3000", 5.0, 3.0, itself=False)
JOBS = Jobs(frozenset({"api", "node"}), frozenset())


def scraped(
    limits_of: LimitsOf, *targets: Scraped, jobs: Jobs = JOBS, delivered: tuple[Delivered, ...] = (TOLD,)
) -> list[Observation]:
    return monitoring.targets_scraped(targets, jobs, delivered, ["node:9100"], "api", limits_of("MON-MET-01"))


@pytest.mark.parametrize(
    ("node", "good"),
    [
        (NODE, True),
        (replace(NODE, age=44.9), True),
        (replace(NODE, age=45.0), False),
        (replace(NODE, age=46.0), False),
        (replace(NODE, age=None), False),
        (replace(NODE, health="down", error="refused", age=29.0), True),  # one scrape was missed
        (replace(NODE, health="down", error="refused", age=None), False),
        (replace(NODE, interval=60.0, age=100.0), True),  # each target has an interval of its own
        (replace(NODE, interval=1.0, age=3.5), False),
    ],
)
def test_every_target_was_scraped_of_late(limits_of: LimitsOf, node: Scraped, good: bool) -> None:
    assert met(scraped(limits_of, API, node)) is good


@pytest.mark.parametrize(
    ("delivered", "good"),
    [
        ((TOLD,), True),
        ((TOLD, replace(TOLD, instance="api:3001")), True),
        ((), False),
        ((replace(TOLD, age=None),), False),
        ((replace(TOLD, age=15.0),), False),
        ((replace(TOLD, itself=True),), False),
        ((TOLD, replace(TOLD, instance="localhost:9090", age=None, itself=True)), False),
    ],
)
def test_the_job_of_the_api_delivers_the_metrics_of_the_api(
    limits_of: LimitsOf, delivered: tuple[Delivered, ...], good: bool
) -> None:
    assert met(scraped(limits_of, API, NODE, delivered=delivered)) is good


def test_a_host_that_is_not_scraped_at_all_is_missed(limits_of: LimitsOf) -> None:
    assert not met(scraped(limits_of, API))


def test_without_any_target_nothing_is_green(limits_of: LimitsOf) -> None:
    assert not met(scraped(limits_of, delivered=()))
    nothing = Jobs(frozenset(), frozenset())
    assert not met(monitoring.targets_scraped((), nothing, (), [], "api", limits_of("MON-MET-01")))


def test_a_job_that_has_no_target_any_more_is_missed(limits_of: LimitsOf) -> None:
    assert met(scraped(limits_of, API, NODE))
    (finding,) = unmet(scraped(limits_of, API, NODE, jobs=replace(JOBS, gone=frozenset({"postgres"}))))
    assert str(finding) == (
        "jobs scraped within the last 24 hours that have no target any more: observed postgres, expected none"
    )


def test_a_target_that_is_new_is_waited_for_unless_another_one_is_down(limits_of: LimitsOf) -> None:
    new = Scraped({"job": "new", "instance": "new:1"}, 15.0, "unknown", "")
    with pytest.raises(InsufficientFactsError, match="new new:1 was not scraped yet"):
        scraped(limits_of, API, NODE, new)
    assert not met(scraped(limits_of, API, replace(NODE, age=None), new))
    with pytest.raises(InsufficientFactsError, match="api api:3000 was not scraped yet"):
        scraped(limits_of, replace(API, health="unknown", age=None), NODE, delivered=(replace(TOLD, age=None),))


# Rules

RULES = tuple(Rule(name, "g", True, 15.0, "ok", "", 10.0) for name in REQUIRED.split())
OTHER = Rule("other", "h", False, 60.0, "ok", "", 100.0)
FIRST = RULES[0]
WAITING = {"health": "unknown", "age": None}


@pytest.mark.parametrize(
    ("rules", "good"),
    [
        (RULES, True),
        ((*RULES, OTHER), True),
        ((), False),
        (RULES[1:], False),
        ((replace(FIRST, alerting=False), *RULES[1:]), False),
        ((replace(FIRST, name="highcpuusage"), *RULES[1:]), False),
        ((replace(FIRST, health="err", error="many-to-many"), *RULES[1:]), False),
        ((replace(FIRST, health="unknown"), *RULES[1:]), False),
        ((replace(FIRST, age=44.9), *RULES[1:]), True),
        ((replace(FIRST, age=45.0), *RULES[1:]), False),
        ((replace(FIRST, age=-60.0), *RULES[1:]), False),
        ((replace(FIRST, age=None), *RULES[1:]), False),
        ((replace(FIRST, health="err", age=None), *RULES[1:]), False),
        ((*RULES, replace(FIRST, group="h", health="err")), False),  # the same alert a second time
        ((*RULES, replace(OTHER, health="err")), False),
        ((*RULES, replace(OTHER, age=180.0)), False),
        ((*RULES, replace(OTHER, **WAITING)), True),  # type: ignore[arg-type]
    ],
)
def test_rules_are_loaded_healthy_and_evaluated(limits_of: LimitsOf, rules: tuple[Rule, ...], good: bool) -> None:
    assert met(monitoring.rules_evaluated(rules, accepted=True, limits=limits_of("MON-RULE-01"))) is good


def test_a_configuration_that_was_refused_is_a_finding(limits_of: LimitsOf) -> None:
    (finding,) = unmet(monitoring.rules_evaluated(RULES, accepted=False, limits=limits_of("MON-RULE-01")))
    assert str(finding) == "configuration that was read last: observed refused, expected accepted"


def test_a_required_rule_that_was_just_loaded_is_waited_for_unless_another_fails(limits_of: LimitsOf) -> None:
    waiting: Any = WAITING
    with pytest.raises(InsufficientFactsError, match="HighCPUUsage was not evaluated yet"):
        monitoring.rules_evaluated(
            (replace(FIRST, **waiting), *RULES[1:]), accepted=True, limits=limits_of("MON-RULE-01")
        )
    assert not met(
        monitoring.rules_evaluated(
            (replace(FIRST, **waiting), *RULES[2:]), accepted=True, limits=limits_of("MON-RULE-01")
        )
    )


# Delivery

ROUTES = (Route("default route", "team", ("email",)), Route('route severity="critical"', "pager", ("pagerduty",)))
LOSSES = Losses(
    (Lost(FAILED, "am:9093", 0.0), Lost(DROPPED, "localhost:9090", 0.0)),
    (Coverage(FAILED, "am:9093", 240.0, 240.0), Coverage(DROPPED, "localhost:9090", 239.0, 240.0)),
)
BOTH = Losses(
    (*LOSSES.lost, Lost(FAILED, "am-2:9093", 0.0)), (*LOSSES.coverage, Coverage(FAILED, "am-2:9093", 240.0, 240.0))
)
WATCHDOG = Alert({"alertname": "Watchdog", "cluster": "prod"}, "active", ("team",))
GOOD: dict[str, Any] = {
    "alertmanagers": ("http://am:9093",),
    "routes": ROUTES,
    "losses": LOSSES,
    "alerts": (WATCHDOG,),
    "marks": {"cluster": "prod"},
}


def delivered(limits: Limits, missing: str = "fail", **changes: Any) -> list[Observation]:
    told = {name: each if isinstance(each, Attempt) else Attempt(each) for name, each in {**GOOD, **changes}.items()}
    return monitoring.alerts_delivered(**told, limits=limits, missing=missing)  # type: ignore[arg-type]


def lost(failed: float = 0.0, dropped: float = 0.0, samples: float = 240.0) -> Losses:
    return Losses(
        (Lost(FAILED, "am:9093", failed), Lost(DROPPED, "localhost:9090", dropped)),
        (Coverage(FAILED, "am:9093", samples, 240.0), Coverage(DROPPED, "localhost:9090", 240.0, 240.0)),
    )


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"alertmanagers": ()}, False),
        ({"alertmanagers": ("a", "a")}, True),
        ({"alertmanagers": ("a", "b")}, False),  # one of them is not scraped
        ({"alertmanagers": ("a", "b"), "losses": BOTH}, True),
        ({"alertmanagers": Attempt(None, "down")}, False),
        ({"routes": (*ROUTES, Route("route x", "void", ()))}, False),
        ({"routes": ()}, False),
        ({"routes": Attempt(None, "down")}, False),
        ({"losses": Attempt(None, "down")}, False),
        ({"losses": lost(failed=0.5)}, False),
        ({"losses": lost(failed=1.0)}, False),
        ({"losses": lost(dropped=3.0)}, False),
        ({"losses": lost(failed=math.nan)}, False),
        ({"losses": lost(samples=216.0)}, True),
        ({"losses": lost(samples=215.0)}, False),
        ({"losses": lost(samples=500.0)}, True),
        ({"losses": Losses((), ())}, False),
        ({"losses": Losses((), LOSSES.coverage)}, False),
        ({"losses": Losses(LOSSES.lost[:1], LOSSES.coverage)}, False),
        ({"losses": Losses((), (Coverage(FAILED, "no target", 0.0, 1.0),))}, False),
        ({"alerts": ()}, False),
        ({"alerts": Attempt(None, "down")}, False),
        ({"alerts": (replace(WATCHDOG, labels={"alertname": "Other"}),)}, False),
        ({"alerts": (replace(WATCHDOG, labels={"alertname": "Watchdog", "cluster": "staging"}),)}, False),
        ({"alerts": (replace(WATCHDOG, labels={"alertname": "Watchdog", "cluster": "staging"}), WATCHDOG)}, True),
        ({"alerts": (replace(WATCHDOG, labels={"alertname": "Watchdog"}),)}, True),  # relabelled on its way
        ({"marks": {}}, True),
        ({"marks": Attempt(None, "status 403")}, False),
        ({"alerts": (replace(WATCHDOG, state="suppressed"),)}, False),
        ({"alerts": (replace(WATCHDOG, state="unprocessed"),)}, False),
        ({"alerts": (replace(WATCHDOG, receivers=()),)}, False),
        ({"alerts": (replace(WATCHDOG, receivers=("elsewhere",)),)}, False),
        ({"alerts": (replace(WATCHDOG, state="suppressed"), WATCHDOG)}, True),
    ],
)
def test_an_alert_reaches_somebody(limits_of: LimitsOf, changes: dict[str, Any], good: bool) -> None:
    assert met(delivered(limits_of("MON-NOTIF-01"), **changes)) is good


@pytest.mark.parametrize("name", ["alertmanagers", "routes", "losses", "alerts", "marks"])
def test_what_cannot_be_told_is_an_error_where_the_requirement_says_so(limits_of: LimitsOf, name: str) -> None:
    changes: dict[str, Any] = {name: Attempt(None, "down")}
    with pytest.raises(InsufficientFactsError, match="down"):
        delivered(limits_of("MON-NOTIF-01"), missing="error", **changes)


def test_an_alertmanager_that_nobody_scrapes_is_told_of(limits_of: LimitsOf) -> None:
    (finding,) = unmet(delivered(limits_of("MON-NOTIF-01"), alertmanagers=("a", "b")))
    assert str(finding) == "counters of 2 Alertmanagers: observed of 1 alone, expected there is one"
    with pytest.raises(InsufficientFactsError, match="of 1 alone"):
        delivered(limits_of("MON-NOTIF-01"), missing="error", alertmanagers=("a", "b"))


def quiet() -> Limits:
    """The limits of a profile that has no alert that always fires."""
    catalogue = load(ROOT / "checks")
    changed = catalogue.with_overrides({"MON-NOTIF-01": {"always_firing": []}}, file=Path("profile.toml"))
    return changed.limits("MON-NOTIF-01")


def test_a_profile_may_name_other_alerts_that_always_fire_or_none() -> None:
    assert met(delivered(quiet(), alerts=()))
    catalogue = load(ROOT / "checks")
    changed = catalogue.with_overrides({"MON-NOTIF-01": {"always_firing": ["A", "B"]}}, file=Path("profile.toml"))
    limits = changed.limits("MON-NOTIF-01")
    one, other = (replace(WATCHDOG, labels={"alertname": name}) for name in "AB")
    assert met(delivered(limits, alerts=(one, other)))
    assert not met(delivered(limits, alerts=(one,)))


# Dashboards and traces

LISTED = (Dashboard("API", "a"), Dashboard("Hosts", "h"), Dashboard("Other", "o"))
DRAWN = (Drawn("API", ("prom", "Logs")), Drawn("Hosts", ()))
SOURCES = (Source("Prometheus", "prometheus", "prom", "OK"), Source("Logs", "elasticsearch", "es", "OK"))
BROKEN = Source("Traces", "jaeger", "t", "ERROR: refused")
UNTOLD = Source("Traces", "jaeger", "t", "", "status 404")


def dashboards(
    listed: tuple[Dashboard, ...] = LISTED,
    drawn: tuple[Drawn, ...] = DRAWN,
    sources: tuple[Source, ...] = SOURCES,
    required: tuple[str, ...] = ("API", "Hosts"),
) -> list[Observation]:
    return monitoring.dashboards_work(listed, drawn, sources, required, "bearer")


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"listed": (LISTED[0], Dashboard("hosts", "h"))}, False),
        ({"listed": LISTED[1:]}, False),
        ({"sources": (*SOURCES, BROKEN)}, False),
        ({"sources": (Source("Logs", "x", "es", ""), SOURCES[0])}, False),
        ({"sources": SOURCES[:1]}, False),  # the other one was deleted
        ({"drawn": (Drawn("API", ("prom", "another")),)}, False),
        ({"drawn": (Drawn("API", ("${DS_PROMETHEUS}",)),)}, False),
        ({"listed": LISTED[1:], "sources": ()}, False),  # a finding beats an error
        ({"listed": LISTED[1:], "sources": (*SOURCES, UNTOLD)}, False),
        ({"sources": (*SOURCES, UNTOLD, BROKEN)}, False),
        ({"listed": LISTED[1:], "drawn": (Drawn("Hosts", (), "status 403"),)}, False),
    ],
)
def test_dashboards_are_there_and_have_their_data(changes: dict[str, Any], good: bool) -> None:
    assert met(dashboards(**changes)) is good


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"required": ()}, "the profile names no dashboards"),
        ({"listed": ()}, r"no dashboard is visible to this account \(bearer\)"),
        ({"sources": ()}, "no data source is visible to this account"),
        ({"sources": (*SOURCES, UNTOLD)}, "its health cannot be told"),
        ({"drawn": (Drawn("API", (), "status 403"),)}, "dashboard API cannot be read: status 403"),
    ],
)
def test_what_an_account_does_not_see_is_an_error(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InsufficientFactsError, match=said):
        dashboards(**changes)


@pytest.mark.parametrize(
    ("age", "good"), [(0, True), (900, True), (901, False), (-200, True), (-400, False), (86400, False)]
)
def test_the_newest_span_is_young(limits_of: LimitsOf, age: float, good: bool) -> None:
    spans = Spans(3, NOW - timedelta(seconds=age))
    assert met(monitoring.traces_arrive(spans, "api", limits_of("MON-TRACE-01"), NOW)) is good


def test_no_span_is_a_finding(limits_of: LimitsOf) -> None:
    assert not met(monitoring.traces_arrive(Spans(0, None), "api", limits_of("MON-TRACE-01"), NOW))
