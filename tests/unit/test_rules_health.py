"""Health: faults turn red and near misses stay green, at the very limits of the manual."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.containers import Container, Usage
from opsverify.probes.machine import Filesystem, Memory, Socket
from opsverify.probes.postgres import Connections, Session
from opsverify.probes.series import Requests
from opsverify.probes.web import Health, Metrics
from opsverify.rules import health

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
API = Container(
    id="1",
    name="api_1",
    project="p",
    service="api",
    status="running",
    health="healthy",
    restart_count=0,
    started_at=NOW - timedelta(days=3),
    restart_policy="unless-stopped",
    memory_limit=1000,
    oom_killed=False,
    published=(),
    created=NOW - timedelta(days=30),
    log_driver="json-file",
)


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def test_a_service_that_runs_and_is_healthy_is_up(limits_of: LimitsOf) -> None:
    assert met(health.service_up([API], limits_of("HLT-SVC-01"), NOW))


@pytest.mark.parametrize(
    ("change", "up"),
    [
        ({"status": "exited"}, False),
        ({"status": "restarting"}, False),
        ({"status": "paused"}, False),
        ({"health": "unhealthy"}, False),
        ({"health": "starting"}, False),
        ({"health": None}, True),
        ({"restart_count": 1, "started_at": NOW - timedelta(hours=23, minutes=59)}, False),
        ({"restart_count": 1, "started_at": NOW - timedelta(hours=24)}, True),
        ({"restart_count": 0, "started_at": NOW - timedelta(minutes=1)}, True),
    ],
)
def test_a_service_is_up_only_when_nothing_speaks_against_it(
    limits_of: LimitsOf, change: dict[str, object], up: bool
) -> None:
    changed = replace(API, **change)  # type: ignore[arg-type]
    assert met(health.service_up([API, changed], limits_of("HLT-SVC-01"), NOW)) is up


def test_a_service_without_a_container_is_down(limits_of: LimitsOf) -> None:
    assert not met(health.service_up([], limits_of("HLT-SVC-01"), NOW))
    assert not met(health.restart_policy([], limits_of("OPS-RESTART-01")))


@pytest.mark.parametrize(
    ("policy", "good"), [("always", True), ("unless-stopped", True), ("no", False), ("on-failure", False), ("", False)]
)
def test_a_service_has_to_come_back_by_itself(limits_of: LimitsOf, policy: str, good: bool) -> None:
    found = health.restart_policy([replace(API, restart_policy=policy)], limits_of("OPS-RESTART-01"))
    assert met(found) is good


@pytest.mark.parametrize(("used", "limit", "good"), [(800, 1000, True), (801, 1000, False), (1, 0, False)])
def test_a_container_has_a_limit_and_keeps_from_it(limits_of: LimitsOf, used: int, limit: int, good: bool) -> None:
    usage = (replace(API, memory_limit=limit), Usage(used, used, limit, 5.0))
    assert met(health.resources([usage], limits_of("HLT-RES-01"), NOW)) is good


def test_no_running_container_has_no_usage(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError):
        health.resources([], limits_of("HLT-RES-01"), NOW)


@pytest.mark.parametrize(
    ("status", "claims", "seconds", "good"),
    [
        (200, "healthy", 1.9, True),
        (200, "ok", 2.0, True),
        (200, "healthy", 2.1, False),
        (200, "unhealthy", 0.1, False),
        (200, "degraded", 0.1, False),
        (200, "no JSON", 0.1, False),
        (503, "healthy", 0.1, False),
        (204, "healthy", 0.1, False),
    ],
)
def test_an_api_is_healthy_by_status_body_and_time(
    limits_of: LimitsOf, status: int, claims: str, seconds: float, good: bool
) -> None:
    answer = Attempt(Health(status, claims, seconds))
    assert met(health.api_healthy(answer, limits_of("HLT-API-01"))) is good


def test_what_does_not_answer_is_not_healthy(limits_of: LimitsOf) -> None:
    assert not met(health.api_healthy(Attempt(None, "refused"), limits_of("HLT-API-01")))
    assert not met(health.metrics_exposed(Attempt(None, "refused"), limits_of("HLT-API-02")))
    assert not met(health.websocket_upgrades(Attempt(None, "refused")))
    assert not met(health.login_works(Attempt(None, "refused"), limits_of("HLT-PG-02")))
    assert not met(health.pong(Attempt(None, "refused")))


def test_metrics_may_have_more_families_but_not_fewer(limits_of: LimitsOf) -> None:
    limits = limits_of("HLT-API-02")
    wanted = frozenset(map(str, limits.families.values))
    page = Metrics(200, "text/plain; version=0.0.4", wanted | {"more"}, "")
    assert met(health.metrics_exposed(Attempt(page), limits))
    for changed in (
        replace(page, families=frozenset(sorted(wanted)[1:])),
        replace(page, families=frozenset()),
        replace(page, content_type="text/html"),
        replace(page, content_type="none"),
        replace(page, status=500),
        replace(page, problem="no exposition format"),
    ):
        assert not met(health.metrics_exposed(Attempt(changed), limits))


@pytest.mark.parametrize(
    ("answer", "good"),
    [((101, "websocket"), True), ((200, "websocket"), False), ((101, ""), False), ((101, "h2c"), False)],
)
def test_a_websocket_is_upgraded(answer: tuple[int, str], good: bool) -> None:
    assert met(health.websocket_upgrades(Attempt(answer))) is good


@pytest.mark.parametrize("word", ["rejecting connections", "no response", "not attempted", ""])
def test_only_accepting_is_accepting(word: str) -> None:
    assert met(health.accepts_connections("accepting connections"))
    assert not met(health.accepts_connections(word))


@pytest.mark.parametrize(("seconds", "good"), [(0.01, True), (1.0, True), (1.01, False), (math.nan, False)])
def test_a_login_is_quick(limits_of: LimitsOf, seconds: float, good: bool) -> None:
    assert met(health.login_works(Attempt(seconds), limits_of("HLT-PG-02"))) is good


@pytest.mark.parametrize(("used", "good"), [(0, True), (79, True), (80, True), (81, False), (100, False)])
def test_connections_leave_head_room(limits_of: LimitsOf, used: int, good: bool) -> None:
    assert met(health.connections_left(Connections(used, 100), limits_of("HLT-PG-03"))) is good


@pytest.mark.parametrize("usable", [0, -3])
def test_no_usable_connection_cannot_be_judged(limits_of: LimitsOf, usable: int) -> None:
    with pytest.raises(InsufficientFactsError):
        health.connections_left(Connections(1, usable), limits_of("HLT-PG-03"))


@pytest.mark.parametrize(
    ("session", "good"),
    [
        (Session(1, "a", "active", 300, 300, 0, 0), True),
        (Session(1, "a", "active", 301, 301, 0, 0), False),
        (Session(1, "a", "idle", 9e6, 9e6, 0, 0), True),
        (Session(1, "a", "idle in transaction", 9e6, 300, 0, 0), True),
        (Session(1, "a", "idle in transaction", 1, 360, 0, 0), False),
        (Session(1, "a", "idle in transaction (aborted)", 1, 360, 0, 0), False),
        (Session(1, "a", "active", 100, 100, 1, 60), True),
        (Session(1, "a", "active", 100, 100, 1, 61), False),
        (Session(1, "a", "active", math.nan, 1, 0, 0), False),
    ],
)
def test_nothing_hangs_longer_than_it_may(limits_of: LimitsOf, session: Session, good: bool) -> None:
    assert met(health.nothing_hangs([session], limits_of("HLT-PG-04"))) is good


def test_no_session_at_all_is_blindness(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError):
        health.nothing_hangs([], limits_of("HLT-PG-04"))


@pytest.mark.parametrize("word", ["PONG", "pong", "LOADING", "", "NOAUTH"])
def test_only_pong_is_pong(word: str) -> None:
    assert met(health.pong(Attempt(word))) is (word == "PONG")


@pytest.mark.parametrize(
    ("failed", "good"), [(0, True), (4, True), (5, True), (5.00001, False), (6, False), (100, False)]
)
def test_few_requests_fail(limits_of: LimitsOf, failed: float, good: bool) -> None:
    assert met(health.error_share(Requests(100, failed), limits_of("HLT-ERR-01"))) is good


@pytest.mark.parametrize(
    "requests",
    [Requests(0, 0), Requests(math.nan, 0), Requests(math.inf, 1), Requests(10, math.nan), Requests(-1, 0)],
)
def test_an_idle_api_has_no_share_of_errors(limits_of: LimitsOf, requests: Requests) -> None:
    with pytest.raises(InsufficientFactsError):
        health.error_share(requests, limits_of("HLT-ERR-01"))


def disk(inodes: int, used: int) -> Filesystem:
    return Filesystem("/m", "/dev/x", "ext4", 100, 1, 99, inodes, used)


@pytest.mark.parametrize(("used", "good"), [(800_000, True), (800_001, False), (1_000_000, False)])
def test_inodes_are_left(limits_of: LimitsOf, used: int, good: bool) -> None:
    found = [disk(0, 0), disk(1_000_000, used)]
    assert met(health.inodes_left(found, limits_of("HLT-INODE-01"))) is good


@pytest.mark.parametrize("found", [[], [disk(0, 0)]])
def test_without_inodes_nothing_can_be_said_of_them(limits_of: LimitsOf, found: list[Filesystem]) -> None:
    with pytest.raises(InsufficientFactsError):
        health.inodes_left(found, limits_of("HLT-INODE-01"))


@pytest.mark.parametrize(("available", "good"), [(1000, True), (200, True), (199, False), (0, False)])
def test_memory_is_available(limits_of: LimitsOf, available: int, good: bool) -> None:
    assert met(health.memory_available(Memory(1000, available), limits_of("HLT-MEM-01"))) is good


GOOD = [Socket("0.0.0.0", 80), Socket("::", 443), Socket("127.0.0.1", 3000), Socket("10.0.0.5", 8080)]


@pytest.mark.parametrize(
    ("more", "fewer", "good"),
    [
        ([], [], True),
        ([Socket("::1", 3000)], [], True),
        ([Socket("0.0.0.0", 3000)], [], False),
        ([Socket("::", 8080)], [], False),
        ([Socket("2600::1", 3000)], [], False),
        ([], [80], False),
        ([Socket("127.0.0.1", 80)], [80], False),
        ([], [3000], False),
        ([Socket("0.0.0.0", 22)], [], True),
    ],
)
def test_ports_listen_where_designed(limits_of: LimitsOf, more: list[Socket], fewer: list[int], good: bool) -> None:
    found = [each for each in GOOD if each.port not in fewer] + more
    assert met(health.ports_as_designed(found, limits_of("NET-PORT-01"))) is good


@pytest.mark.parametrize(
    ("socket", "good"),
    [
        (Socket("127.0.0.1", 5432), True),
        (Socket("10.0.0.5", 5432), True),
        (Socket("0.0.0.0", 5432), False),
        (Socket("::", 6379), False),
        (Socket("*", 9090), False),
        (Socket("0.0.0.0", 54321), True),
    ],
)
def test_inner_services_listen_inside_only(limits_of: LimitsOf, socket: Socket, good: bool) -> None:
    assert met(health.no_wide_bind([*GOOD, socket], limits_of("NET-PORT-02"))) is good


def test_no_socket_at_all_is_blindness(limits_of: LimitsOf) -> None:
    for rule, requirement in ((health.ports_as_designed, "NET-PORT-01"), (health.no_wide_bind, "NET-PORT-02")):
        with pytest.raises(InsufficientFactsError):
            rule([], limits_of(requirement))
