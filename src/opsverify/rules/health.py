"""Rules of the chapter *health*: services, API, database, cache, ports and host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limit, Limits, Observation, aged, holds, none_of, within
from opsverify.probes import Attempt
from opsverify.probes.containers import Container, Log, Usage
from opsverify.probes.links import Page, State
from opsverify.probes.machine import Filesystem, Memory, Socket
from opsverify.probes.postgres import Connections, Session
from opsverify.probes.replication import Replica
from opsverify.probes.scripts import Runs, Script
from opsverify.probes.series import Requests
from opsverify.probes.vantage import View
from opsverify.probes.web import EXPOSITION, HEALTHY, Health, Metrics

ANSWERS = "an answer"


def service_up(containers: Sequence[Container], limits: Limits, now: datetime) -> list[Observation]:
    """Every container of the service runs, is healthy where that is defined, and was not restarted of late."""
    if not containers:
        return [holds("container", "none exists", "at least one, running", met=False)]
    observations = []
    for each in containers:
        observations.append(holds(f"{each.name} status", each.status, "running", each.status == "running"))
        if each.health is not None:
            observations.append(holds(f"{each.name} health", each.health, "healthy", each.health == "healthy"))
        restarts = restarts_since(each, now - timedelta(hours=24))
        observations.append(within(f"{each.name} restarts in 24 h", restarts, limits.restarts_24h))
    return observations


def logs_kept(
    logs: Sequence[tuple[Container, Log | None]], limits: Limits, now: datetime, *, continuous: bool
) -> list[Observation]:
    """The engine keeps what each container writes, and is still hearing from it.

    Of a service that logs only when something happens (``continuous`` is False) the age of its newest line says
    nothing, but that there is one shows that it is heard.
    """
    if not logs:
        return [holds("container", "none exists", "at least one", met=False)]
    observations = []
    for container, log in logs:
        driver = container.log_driver
        observations.append(holds(f"{container.name} log driver", driver, "one that keeps logs", log is not None))
        if log is None:
            continue
        if log.newest is None or not continuous:
            heard = log.newest is not None
            seen = f"{log.newest:%Y-%m-%d %H:%M:%S} UTC" if log.newest else "none"
            observations.append(holds(f"{container.name} newest line", seen, "there is one", heard))
        else:
            observations.append(aged(f"{container.name} newest line", log.newest, now, limits.newest_line_seconds))
        errors = f"{log.errors} of the last {log.lines} lines"
        observations.append(holds(f"{container.name} records of level error", errors, "shown", met=True))
    return observations


def script_is_trusted(
    path: str, script: Script | None, runs: Runs | None, limits: Limits, now: datetime
) -> list[Observation]:
    """A script is there, parses, can be changed by root alone, and its last run on record succeeded of late."""
    if script is None:
        return [holds(path, "does not exist", "a script", met=False)]
    regular = script.entry.kind == "regular file"
    changeable = [str(each) for each in (script.entry, *script.above) if each.changeable_by_others]
    return [
        holds(path, script.entry.kind, "a regular file with content", regular),
        holds("syntax", script.syntax or "parses", "parses", not script.syntax),
        none_of("changeable by others than root", changeable, seen=1 + len(script.above), of="files and folders above"),
        *_run_well(PurePosixPath(path).name, runs, limits, now),
    ]


def _run_well(name: str, runs: Runs | None, limits: Limits, now: datetime) -> list[Observation]:
    """The record is root's, so it is no one else's word, and the newest run in it ended well and is young."""
    if runs is None:
        return [holds("record of runs", "does not exist", "at least one run", met=False)]
    mine = [each for each in runs.latest if each.script == name]
    kept = holds("record of runs", str(runs.entry), "changed by root alone", not runs.entry.changeable_by_others)
    if not mine:
        return [kept, holds("last run", "none on record", "at least one", met=False)]
    last = mine[-1]
    return [
        kept,
        holds("last run ended with status", last.status, "0", last.status == 0),
        aged("age of the last run", last.finished, now, limits.run_age_hours),
        holds("last run finished at", f"{last.finished:%Y-%m-%d %H:%M} UTC", "shown", met=True),
    ]


def restarts_since(container: Container, moment: datetime) -> int:
    """At most how often the engine restarted a container since ``moment``.

    The engine counts restarts over the container's life but knows the time of the last one only; one that
    started before ``moment`` was certainly not restarted since.
    """
    return container.restart_count if container.started_at > moment else 0


def restart_policy(containers: Sequence[Container], limits: Limits) -> list[Observation]:
    """The engine brings every container of the service back by itself."""
    if not containers:
        return [holds("container", "none exists", "at least one", met=False)]
    allowed = limits.policies.values
    return [
        holds(
            f"{each.name} restart policy",
            each.restart_policy,
            f"one of {', '.join(map(str, allowed))}",
            each.restart_policy in allowed,
        )
        for each in containers
    ]


def resources(usages: Sequence[tuple[Container, Usage]], limits: Limits, now: datetime) -> list[Observation]:
    """Every container has a memory limit and keeps away from it; its CPU use is shown."""
    if not usages:
        raise InsufficientFactsError("no running container to sample")
    observations = []
    for container, usage in usages:
        limit = container.memory_limit
        observations.append(holds(f"{container.name} memory limit", limit or "none", "a limit is set", limit > 0))
        if limit > 0:
            observations.append(within(f"{container.name} memory used", usage.memory / limit, limits.memory_used))
        running = max((now - container.started_at).total_seconds(), 1.0)
        cores = usage.cpu_seconds / running
        observations.append(holds(f"{container.name} CPU since start", f"{cores:.3f} cores", "sampled", met=True))
    return observations


def api_healthy(answer: Attempt[Health], limits: Limits) -> list[Observation]:
    """The API says in its body that it is healthy, with status 200, soon enough."""
    if answer.value is None:
        return [holds("GET /health", answer.failure, ANSWERS, met=False)]
    health = answer.value
    return [
        holds("status", health.status, "200", health.status == 200),
        holds("claims to be", health.claims, " or ".join(HEALTHY), health.claims in HEALTHY),
        within("answered after", health.seconds, limits.response_seconds),
    ]


def metrics_exposed(answer: Attempt[Metrics], limits: Limits) -> list[Observation]:
    """The metrics page is an exposition, not a page that merely answers, and has the families asked for."""
    if answer.value is None:
        return [holds("GET /metrics", answer.failure, ANSWERS, met=False)]
    metrics = answer.value
    kind = metrics.content_type
    missing = [str(each) for each in limits.families.values if each not in metrics.families]
    return [
        holds("status", metrics.status, "200", metrics.status == 200),
        holds("content type", kind, " or ".join(EXPOSITION), kind.startswith(EXPOSITION)),
        holds("format", metrics.problem or "parsed", "parses as exposition format", not metrics.problem),
        none_of("missing families", missing, seen=len(metrics.families), of="families exposed"),
    ]


def link_state(asked: str, answer: Attempt[State], expected: Limit) -> list[Observation]:
    """The status interface behind a link says in its body that all is well; a login page with status 200 does not."""
    if answer.value is None:
        return [holds(asked, answer.failure, ANSWERS, met=False)]
    state = answer.value
    words = [str(each) for each in expected.values]
    return [
        holds("status", state.status, "200", state.status == 200),
        holds("claims to be", state.claims, " or ".join(words), state.claims in words),
        holds("version", state.version, "shown", met=True),
    ]


def page_is_itself(answer: Attempt[Page], marker: str) -> list[Observation]:
    """A public page is the right one, over TLS that a browser accepts, and does not send people elsewhere."""
    if answer.value is None:
        return [holds("page", answer.failure, ANSWERS, met=False)]
    page = answer.value
    seen = marker if page.has_marker else f"not in the page (its title: {page.title or 'none'})"
    return [
        holds("status", page.status, "200", page.status == 200),
        holds("TLS", "verified" if page.tls else "none", "verified", page.tls),
        holds("redirects to", page.elsewhere or "nowhere else", "nowhere else", not page.elsewhere),
        holds("marker", seen, marker, page.has_marker),
    ]


def seen_from_outside(view: View, limits: Limits) -> list[Observation]:
    """A probe off the host gets a healthy answer over TLS that it verifies, soon enough.

    Raises:
        InsufficientFactsError: it is content with less, so its success shows too little.
    """
    if view.success and not view.trusted:
        raise InsufficientFactsError(
            "the probe's module is content with too little: expected a fail_if_body_not_matches_regexp that an "
            "unhealthy body does not match, and a certificate that is verified for the target's own name"
        )
    return [
        holds("seen from outside", "success" if view.success else "failure", "success", view.success),
        holds("HTTP status", view.status or "none", "200", view.status == 200),
        holds("TLS", view.tls, "yes", view.tls),
        within("answered after", view.seconds, limits.response_seconds),
    ]


def websocket_upgrades(answer: Attempt[tuple[int, str]]) -> list[Observation]:
    """The handshake ends in 101 and names the protocol."""
    if answer.value is None:
        return [holds("handshake", answer.failure, ANSWERS, met=False)]
    status, upgrade = answer.value
    return [
        holds("status", status, "101", status == 101),
        holds("upgraded to", upgrade or "nothing", "websocket", upgrade == "websocket"),
    ]


def accepts_connections(word: str) -> list[Observation]:
    """The server accepts connections. Necessary only: it says so even for accounts that cannot log in."""
    return [holds("server", word, "accepting connections", word == "accepting connections")]


def login_works(answer: Attempt[float], limits: Limits) -> list[Observation]:
    """A real login and a query succeed, soon enough."""
    if answer.value is None:
        return [holds("login and SELECT 1", answer.failure, "works", met=False)]
    return [within("login and SELECT 1 took", answer.value, limits.login_seconds)]


def connections_left(connections: Connections, limits: Limits) -> list[Observation]:
    """Connections leave head room, measured against what accounts without privileges can use."""
    if connections.usable <= 0:
        raise InsufficientFactsError(f"no connection is usable without privileges ({connections})")
    return [
        within("connections used", connections.used / connections.usable, limits.connections_used),
        holds("connections", f"{connections.used} of {connections.usable} usable", "shown", met=True),
    ]


def nothing_hangs(sessions: Sequence[Session], limits: Limits) -> list[Observation]:
    """No query, no idle transaction and no wait for a lock lasts too long."""
    if not sessions:
        raise InsufficientFactsError("no session is visible, not even the one that asks")
    kinds = (
        (
            f"queries active for more than {limits.active_seconds.number:g} s",
            [(each, each.query_seconds) for each in sessions if each.state == "active" and not each.blocked_by],
            limits.active_seconds,
        ),
        (
            f"transactions idle for more than {limits.idle_in_transaction_seconds.number:g} s",
            [(each, each.state_seconds) for each in sessions if each.state.startswith("idle in transaction")],
            limits.idle_in_transaction_seconds,
        ),
        (
            f"sessions blocked for more than {limits.blocked_seconds.number:g} s",
            [(each, each.wait_seconds) for each in sessions if each.blocked_by],
            limits.blocked_seconds,
        ),
    )
    return [
        none_of(
            name,
            [f"{session} for {age:.0f} s" for session, age in found if not limit.met(age)],
            seen=len(sessions),
            of="sessions",
        )
        for name, found, limit in kinds
    ]


def replica_keeps_up(replica: Replica, limits: Limits) -> list[Observation]:
    """The replica streams, and has replayed all but a little of what the primary wrote.

    The lag is counted in bytes of log: on an idle primary the time of the last replay is old, and means nothing.
    """
    if not replica.connections:
        return [holds(f"connection of {replica.name}", "none", "one that streams", met=False)]
    observations = []
    for each in replica.connections:
        observations.append(holds(f"{replica.name} state", each.state, "streaming", each.state == "streaming"))
        observations.append(within(f"{replica.name} lag", each.lag, limits.lag_bytes))
    return observations


def pong(answer: Attempt[str]) -> list[Observation]:
    """The cache answers PING with PONG."""
    word = answer.value if answer.value is not None else answer.failure
    return [holds("PING", word, "PONG", word == "PONG")]


def error_share(requests: Requests, limits: Limits) -> list[Observation]:
    """The share of requests that end in 5xx is small.

    Raises:
        InsufficientFactsError: there was no request, so there is no share.
    """
    if not requests.all > 0 or not math.isfinite(requests.all + requests.failed):  # also NaN
        raise InsufficientFactsError(f"no requests in the last 5 minutes (rate {requests.all:g}/s)")
    return [
        within("share of 5xx answers in 5 min", requests.failed / requests.all, limits.error_share),
        holds("requests", f"{requests.all:.3g}/s", "shown", met=True),
    ]


def inodes_left(filesystems: Sequence[Filesystem], limits: Limits) -> list[Observation]:
    """Every filesystem with a fixed number of inodes has enough of them left."""
    fixed = [each for each in filesystems if each.inodes]
    if not fixed:
        raise InsufficientFactsError("no filesystem with a fixed number of inodes is visible")
    return [within(f"{each.mount} inodes used", each.inodes_used / each.inodes, limits.inodes_used) for each in fixed]


def memory_available(memory: Memory, limits: Limits) -> list[Observation]:
    """Enough memory can be had without swapping, by the kernel's estimate."""
    return [within("memory available", memory.available / memory.total, limits.memory_available)]


def ports_as_designed(sockets: Sequence[Socket], limits: Limits) -> list[Observation]:
    """The public ports are open to the outside, the application's own ports listen inside only."""
    if not sockets:
        raise InsufficientFactsError("no listening socket is visible, not even the one that this question came through")
    observations = []
    for port in limits.public_ports.values:
        here = [each for each in sockets if each.port == port]
        listens = any(each.wide for each in here)
        observations.append(holds(f"port {port}", _where(here), "listens publicly", listens))
    for port in limits.private_ports.values:
        here = [each for each in sockets if each.port == port]
        inside = bool(here) and not any(each.wide for each in here)
        observations.append(
            holds(f"port {port}", _where(here), "listens on loopback or private addresses only", inside)
        )
    return observations


def _where(sockets: Sequence[Socket]) -> str:
    return ", ".join(sorted(map(str, sockets))) or "does not listen"


def no_wide_bind(sockets: Sequence[Socket], limits: Limits) -> list[Observation]:
    """No port of an inner service listens publicly."""
    if not sockets:
        raise InsufficientFactsError("no listening socket is visible, not even the one that this question came through")
    wide = [str(each) for each in sockets if each.wide and each.port in limits.private_ports.values]
    return [none_of("inner ports that listen publicly", wide, seen=len(sockets), of="listening sockets")]
