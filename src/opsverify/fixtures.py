"""What a check can ask for: the target that it is about, facts, limits, and the one way to judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import pytest

from opsverify import profile
from opsverify.channels.cache import CacheChannel
from opsverify.channels.shell import Host
from opsverify.channels.sql import SqlChannel
from opsverify.channels.tls import TlsChannel
from opsverify.channels.web import WebChannel
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.record import recorder_of
from opsverify.run import Run, Subject

F = TypeVar("F")
RUN = pytest.StashKey[Run]()

Facts = Callable[..., Any]
Judge = Callable[[Sequence[Observation]], None]


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """The run that this check belongs to."""
    if RUN not in pytestconfig.stash:
        raise pytest.UsageError("no profile was chosen: run checks with --profile NAME")
    return pytestconfig.stash[RUN]


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> Subject:
    """The requirement and target that this run of the check is about (set by its requirement marker)."""
    if not hasattr(request, "param"):
        raise pytest.UsageError(f"{request.node.nodeid}: carries no requirement marker, so it has no target")
    return cast(Subject, request.param)


def _of_kind(kind: str) -> Any:
    @pytest.fixture(name=kind)
    def target(run: Run, subject: Subject) -> Any:
        if subject.kind.partition(".")[0] != kind:
            raise pytest.UsageError(f"{subject.requirement} is about a {subject.kind}, not about a {kind}")
        return run.channel(kind, subject.target)

    return target


database = _of_kind("database")
cache = _of_kind("cache")
api = _of_kind("api")
websocket = _of_kind("websocket")
listener = _of_kind("listener")
prometheus = _of_kind("prometheus")
service = _of_kind("service")
backups = _of_kind("backups")


@pytest.fixture
def host(run: Run, subject: Subject) -> Host:
    """testinfra's host, guarded and recorded: the target itself, or the host that the target lives on."""
    spec: Any = run.profile.target(subject.kind, subject.target)
    match spec:
        case profile.Host():
            name = spec.name
        case profile.Service() | profile.Backups():
            name = spec.host
        case profile.Cache():
            name = spec.config_file.host
        case profile.Listener():
            name = spec.certificate.host
        case _:
            raise pytest.UsageError(f"{subject.requirement}: a {subject.kind} has no host in the profile")
    return cast(Host, run.channel("host", name))


@pytest.fixture
def fact(run: Run, request: pytest.FixtureRequest) -> Facts:
    """``fact(probe, *arguments)``: what the probe found, asked once per run and remembered."""

    def get(probe: Callable[..., F], *arguments: Any) -> F:
        found = run.fact(probe, *arguments)
        recorder_of(request.node).use(found.exchanges)
        if found.failure is not None:
            raise found.failure
        return cast(F, found.value)

    return get


@pytest.fixture
def limits(run: Run, subject: Subject) -> Limits:
    """The limits in force for the requirement: ``limits.connections_used``."""
    return run.catalogue.limits(subject.requirement)


@pytest.fixture
def now() -> datetime:
    """The moment by which this check judges ages (UTC)."""
    return datetime.now(UTC)


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """``judge(observations)``: record what was observed and expected, and fail where it is not met."""

    def judge_(observations: Sequence[Observation]) -> None:
        __tracebackhide__ = True
        if not observations:
            raise InsufficientFactsError("the rule observed nothing, so there is nothing to judge by")
        recorder_of(request.node).observe(observations)
        findings = unmet(observations)
        if findings:
            pytest.fail("; ".join(str(each) for each in findings), pytrace=False)

    return judge_


__all__ = [
    "RUN",
    "CacheChannel",
    "Facts",
    "Host",
    "Judge",
    "Limits",
    "SqlChannel",
    "TlsChannel",
    "WebChannel",
    "api",
    "backups",
    "cache",
    "database",
    "fact",
    "host",
    "judge",
    "limits",
    "listener",
    "now",
    "prometheus",
    "run",
    "service",
    "subject",
    "websocket",
]
