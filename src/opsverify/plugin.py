"""The pytest plugin: options, targets, markers, states, and the record that a run leaves behind.

Pytest's own means do the rest: ``-k``, ``-m``, node ids, ``-x``, ``--lf`` and ``-n`` work as everywhere.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsverify import catalogue, documents, inputs, profile, replaying
from opsverify.errors import OpsverifyError, UsageError
from opsverify.evidence import controls, signing
from opsverify.fixtures import *  # noqa: F403  the fixtures that checks ask for
from opsverify.fixtures import RUN
from opsverify.judgement import Observation
from opsverify.masking import Masking
from opsverify.record import GREEN, RECORDER, Record, recorder_of, subject_of
from opsverify.recorded import Recorded
from opsverify.recording import Recording, plain
from opsverify.reports.lock import going_on
from opsverify.run import Run, Subject, identity, new_id
from opsverify.waivers import Waivers
from opsverify.waiving import excuse

PURPOSES = ("ad-hoc", "daily", "pre", "post", "audit")
NO_TARGET = ""  # of a check on a kind of target that the profile does not have


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a verification run."""
    group = parser.getgroup("opsverify", "operational verification")
    group.addoption("--profile", metavar="NAME", help="environment to verify: a folder of profiles/, or a .toml file")
    group.addoption("--reports", metavar="DIR", help="where runs are recorded (default: reports/ of the project)")
    group.addoption("--purpose", choices=PURPOSES, default="ad-hoc", help="why this run is made (default: ad-hoc)")
    group.addoption("--change", metavar="ID", default="", help="the change that this run is made before or after")
    replaying.options(group)
    group.addoption("--run-id", metavar="HEX", type=identity, help="the id of this run: 8 hex digits (default: any)")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Validate everything that is input, before anything is asked of any system."""
    config.addinivalue_line(
        "markers", "requirement(*ids, on=None): what of the manual this check proves, on which kind of target"
    )
    checks = config.rootpath / "checks"
    try:
        again = replaying.begin(config)
        demands = again.catalogue if again else catalogue.load(checks)
        for word in (*demands.chapters, *catalogue.SEVERITIES):
            config.addinivalue_line("markers", f"{word}: set from the catalogue")
        if again:
            config.stash[RUN] = again
            config.pluginmanager.register(Masking(again.redactor), "opsverify-masking")
        elif config.getoption("profile"):
            _start(config, demands)
        elif _asks_for_checks(config, checks):
            known = ", ".join(sorted(each.parent.name for each in config.rootpath.glob("profiles/*/profile.toml")))
            raise UsageError(f"checks ask live systems: choose which with --profile NAME (there are: {known})")
    except OpsverifyError as error:
        raise pytest.UsageError(str(error)) from None


def _asks_for_checks(config: pytest.Config, checks: Path) -> bool:
    paths = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return any(path.resolve().is_relative_to(checks) for path in paths)


def _start(config: pytest.Config, demands: catalogue.Catalogue) -> None:
    worker = getattr(config, "workerinput", None)
    now = datetime.now(UTC) if worker is None else datetime.fromisoformat(worker["run_start"])
    loaded = profile.load(config.getoption("profile"), config.rootpath, today=now.date())
    demands = demands.with_overrides(loaded.profile.limits, file=loaded.file)
    kept = documents.validated(
        documents.Project(config.rootpath, loaded, demands, documents.of(loaded, config.rootpath)), now.date()
    )
    if worker is None:
        id_, name = new_id(now, config.getoption("run_id"))
        directory = Path(config.getoption("reports") or config.rootpath / "reports") / loaded.profile.name / name
    else:
        id_, directory = worker["run_id"], Path(worker["run_directory"])
    run = Run(
        root=config.rootpath,
        loaded=loaded,
        catalogue=demands,
        directory=directory.absolute(),
        id=id_,
        started=now,
        purpose=config.getoption("purpose"),
        change=config.getoption("change"),
        worker=worker["workerid"] if worker else "",
        waivers=Waivers.unpacked(worker["waivers"]) if worker else kept.waivers,
        controls=controls.load(config.rootpath / "checks", demands).document,
        # Workers seal nothing, and need no key.
        signing=signing.Signing() if worker else signing.of(loaded.profile.evidence, config.rootpath, loaded.file),
    )
    run.check_sight()
    run.check_secrets()
    config.stash[RUN] = run
    config.pluginmanager.register(Masking(run.redactor), "opsverify-masking")
    if worker is None and not config.getoption("collectonly"):
        try:
            run.directory.mkdir(parents=True)
            ending = contextlib.ExitStack()
            ending.enter_context(going_on(run.directory.parent))
            config.add_cleanup(ending.close)
            inputs.write(run)
        except OSError as error:
            raise UsageError(f"{run.directory.parent}: runs cannot be recorded there: {error.strerror}") from None
        record = Record(run, selection=_selection(config))
        config.pluginmanager.register(Recording(config, run, record), "opsverify-recording")


def _selection(config: pytest.Config) -> str:
    """What narrows this run, in words; empty for a whole run."""
    words = []
    if config.option.keyword:
        words.append(f"-k {config.option.keyword!r}")
    if config.option.markexpr:
        words.append(f"-m {config.option.markexpr!r}")
    if config.getoption("lf", False):
        words.append("--lf")
    for option in ("deselect", "ignore", "ignore_glob"):
        words += [f"--{option.replace('_', '-')} {each}" for each in config.getoption(option, None) or []]
    whole = {str(config.rootpath / "checks"), str(config.rootpath)}
    paths = [each for each in config.args if str((config.invocation_params.dir / each).resolve()) not in whole]
    return " ".join(words + paths)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a check once for each of its requirements on each target that the profile has for it."""
    marker = metafunc.definition.get_closest_marker("requirement")
    if marker is None:
        return
    run = metafunc.config.stash.get(RUN, None)
    if run is None:
        raise pytest.UsageError("checks ask live systems: choose which with --profile NAME")
    on = marker.kwargs.get("on")
    subjects = [each for each in run.population() if each.requirement in marker.args and on in (None, each.kind)]
    # What it is about is there in another kind, or declared not to be; or a run that is replayed knew nothing of it.
    if not subjects and (on is not None or isinstance(run.transcript, Recorded)):
        subjects = [Subject(each, on or "program", NO_TARGET) for each in marker.args]
    if "subject" not in metafunc.fixturenames:
        metafunc.fixturenames.append("subject")
    metafunc.parametrize("subject", subjects, indirect=True, ids=str)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each check the markers of its requirement's chapter and severity."""
    run = config.stash.get(RUN, None)
    items[:] = [each for each in items if (subject := subject_of(each)) is None or subject.target != NO_TARGET]
    for item in items:
        subject = subject_of(item)
        if run is not None and subject is not None:
            requirement = run.catalogue[subject.requirement]
            item.add_marker(requirement.severity)
            item.add_marker(requirement.chapter)
            # All questions to one target from one worker: it is connected to, and found unreachable, once.
            item.add_marker(pytest.mark.xdist_group(run.profile.place(subject.kind, subject.target)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what the profile declares not applicable, and say which check the transcript is of."""
    run, subject = item.config.stash.get(RUN, None), subject_of(item)
    if run is None or subject is None:
        return
    recorder = recorder_of(item)
    run.transcript.check = plain(item.nodeid)
    item.stash[EXCHANGES] = run.transcript.count
    recorder.exemption = run.profile.exemption(subject.requirement, subject.target)
    recorder.waiver = run.waivers.of(subject.requirement, subject.target)
    if recorder.exemption is not None:
        pytest.skip(f"{recorder.exemption.reason} (until {recorder.exemption.expires})")


EXCHANGES = pytest.StashKey[int]()


def pytest_assertion_pass(item: pytest.Item, orig: str, expl: str) -> None:
    """A plain assertion of a check that holds is an observation too. Libraries assert as well, which shows nothing."""
    recorder = item.stash.get(RECORDER, None)
    if recorder is not None and subject_of(item) is not None and _asserted_in(item.config.rootpath / "checks"):
        recorder.observe([Observation(orig, expl, "it holds", True)])


def _asserted_in(folder: Path) -> bool:
    """Whether the assertion that just held stands in a file below ``folder``."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("opsverify", "_pytest", "pluggy"):
        frame = frame.f_back
    return Path(frame.f_code.co_filename).is_relative_to(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Derive the state of the check and let every report of it carry its entry; `Masking` redacts all of it."""
    report = yield
    run, subject = item.config.stash.get(RUN, None), subject_of(item)
    if run is None or subject is None:
        return report
    recorder = recorder_of(item)
    failure = call.excinfo.value if call.excinfo else None
    recorder.end_phase(call.when, failure, call.duration)
    recorder.use(run.transcript.ids_since(item.stash.get(EXCHANGES, 0)))
    if isinstance(failure, OpsverifyError):
        report.longrepr = str(failure)  # the message is written for people, a traceback is not
    if report.outcome == "passed" and call.when == "call" and recorder.state not in GREEN:
        report.outcome, report.longrepr = "failed", recorder.message
    if report.outcome == "failed" and recorder.waiver is not None and recorder.state == "waived":
        # To pytest it is a failure that was foreseen: no reason to exit as failed, and none to stop at it.
        report.outcome, report.longrepr = "skipped", recorder.message
        report.wasxfail = f"{excuse(recorder.waiver)} | {recorder.message}"
    report.nodeid = plain(item.nodeid)
    entry = recorder.entry(subject, run.catalogue[subject.requirement], report.nodeid, run.today)
    entry["worker"] = run.worker
    report.opsverify = entry  # type: ignore[attr-defined]
    if report.failed and not isinstance(report.longrepr, str):
        judged = isinstance(failure, pytest.fail.Exception) and not failure.pytrace
        report.longrepr = str(failure) if judged else report.longreprtext
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """Keep *could not determine* apart from *failed*, whichever phase it came up in, and both from *waived*."""
    entry = getattr(report, "opsverify", None)
    if entry and report.failed and report.when == "call" and entry["state"] == "error":
        return "error", "E", "ERROR"
    if entry and report.when == "call" and entry["state"] == "waived":
        return "waived", "w", "WAIVED"
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of every connection."""
    run = config.stash.get(RUN, None)
    if run is not None:
        run.close()
