"""What a check can ask for: the target that it is about, facts, limits, and the one way to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

from opsverify import charts
from opsverify.baseline import Baseline
from opsverify.channels.base import Runner
from opsverify.channels.document import DocumentChannel
from opsverify.channels.history import HistoryChannel
from opsverify.channels.ledger import LedgerChannel
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import documents
from opsverify.probes.documents import Attested
from opsverify.progress import Progress, ProgressLine, unseen
from opsverify.record import recorder_of
from opsverify.roster import Roster
from opsverify.run import Run, Subject

if TYPE_CHECKING:
    from opsverify.channels.names import NamesChannel

F = TypeVar("F")
RUN = pytest.StashKey[Run]()

Facts = Callable[..., Any]
Judge = Callable[[Sequence[Observation]], None]
Chart = Callable[..., None]


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


def _of_kind(kind: str, name: str = "") -> Any:
    @pytest.fixture(name=name or kind)
    def target(run: Run, subject: Subject) -> Any:
        if subject.kind.partition(".")[0] == kind:
            return run.channel(kind, subject.target)
        named = getattr(run.profile.target(subject.kind, subject.target), kind, None)
        if not isinstance(named, str):
            raise pytest.UsageError(f"{subject.requirement}: a {subject.kind} has no {kind} in the profile")
        return run.channel(kind, named)

    return target


# Each is the target that the check is about, or the one that this target names: its host, its database.
host = _of_kind("host")
database = _of_kind("database")
replica = _of_kind("replica")
cache = _of_kind("cache")
api = _of_kind("api")
websocket = _of_kind("websocket")
link = _of_kind("link")
vantage = _of_kind("vantage")
listener = _of_kind("listener")
prometheus = _of_kind("prometheus")
alertmanager = _of_kind("alertmanager")
tracing = _of_kind("tracing")
service = _of_kind("service")
script = _of_kind("script")
backups = _of_kind("backups")
keystore = _of_kind("keystore")
logs_kept = _of_kind("logs", "logs_kept")  # `logs` are those of containers


@pytest.fixture
def fact(run: Run, request: pytest.FixtureRequest) -> Facts:
    """``fact(probe, *arguments)``: what the probe found, asked once per run and remembered."""

    def get(probe: Callable[..., F], *arguments: Any) -> F:
        found = run.fact(probe, *arguments)
        recorder_of(request.node).use(found.exchanges)
        return cast(F, found.get())

    return get


@pytest.fixture
def ledger(run: Run, subject: Subject) -> LedgerChannel:
    """What earlier runs found when they read the archives of the store that the check is about."""
    return cast(LedgerChannel, run.channel("ledger", subject.target))


@pytest.fixture
def history(run: Run) -> HistoryChannel:
    """What earlier runs of this profile observed."""
    return cast(HistoryChannel, run.channel("history", run.profile.name))


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config, run: Run) -> Progress:
    """Shows whoever waits how far a check has come; parallel workers have nobody watching."""
    if run.worker:
        return unseen
    terminal, capture = pytestconfig.get_terminal_writer(), pytestconfig.pluginmanager.getplugin("capturemanager")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            terminal.write(text, flush=True)

    return ProgressLine(write, tty=terminal.hasmarkup)


@pytest.fixture
def program(run: Run) -> DocumentChannel:
    """What people keep on file. There is one of it, whatever the check is about."""
    return cast(DocumentChannel, run.channel("program", run.profile.program.name))


@pytest.fixture
def names(run: Run) -> NamesChannel:
    """The name server that tells whether a domain takes mail."""
    return cast("NamesChannel", run.channel("names", run.profile.program.name))


@pytest.fixture
def roster(program: DocumentChannel, fact: Facts, request: pytest.FixtureRequest) -> Roster | None:
    """The roster, None when there is none; a check that passes by it is attested."""
    found: Roster | None = fact(documents.roster, program)
    if found is not None:
        recorder_of(request.node).rest_on(found.shown("The roster: contacts, people, shifts and levels of escalation"))
    return found


@pytest.fixture
def attestation(
    program: DocumentChannel, subject: Subject, fact: Facts, request: pytest.FixtureRequest
) -> Attested | None:
    """What was attested last of the requirement on its target, None when nothing was."""
    found: Attested | None = fact(documents.attestation, program, subject.requirement, subject.target)
    if found is not None:
        recorder_of(request.node).rest_on(found.entry.shown())
    return found


@pytest.fixture
def baseline(program: DocumentChannel, fact: Facts, request: pytest.FixtureRequest) -> Baseline | None:
    """The performance baseline, None when there is none."""
    found: Baseline | None = fact(documents.baseline, program)
    if found is not None:
        recorder_of(request.node).rest_on(found.shown())
    return found


@pytest.fixture
def missing(run: Run, subject: Subject) -> str:
    """What it means for the requirement that something is not there: ``fail`` or ``error``."""
    return run.catalogue[subject.requirement].missing


@pytest.fixture
def limits(run: Run, subject: Subject) -> Limits:
    """The limits in force for the requirement: ``limits.connections_used``."""
    return run.catalogue.limits(subject.requirement)


@pytest.fixture
def now(run: Run) -> datetime:
    """The moment by which this check judges ages (UTC); on a replay that of then."""
    return Runner(run.transcript).now()


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


@pytest.fixture
def chart(request: pytest.FixtureRequest) -> Chart:
    """``chart(name, unit, points, limit, forecast)``: a picture in the reports, of (Unix seconds, value) pairs."""

    def draw(
        name: str,
        unit: str,
        points: Iterable[charts.Point],
        limit: float | None = None,
        forecast: Iterable[charts.Point] = (),
    ) -> None:
        recorder_of(request.node).draw(charts.series(name, unit, points, limit, forecast))

    return draw


__all__ = [
    "RUN",
    "Chart",
    "Facts",
    "Judge",
    "Limits",
    "alertmanager",
    "api",
    "attestation",
    "backups",
    "baseline",
    "cache",
    "chart",
    "database",
    "fact",
    "history",
    "host",
    "judge",
    "keystore",
    "ledger",
    "limits",
    "link",
    "listener",
    "logs_kept",
    "missing",
    "names",
    "now",
    "program",
    "progress",
    "prometheus",
    "replica",
    "roster",
    "run",
    "script",
    "service",
    "subject",
    "tracing",
    "vantage",
    "websocket",
]
