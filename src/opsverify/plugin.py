"""The pytest plugin: options, targets, markers, states, and the record that a run leaves behind.

Pytest's own means do the rest: ``-k``, ``-m``, node ids, ``-x``, ``--lf`` and ``-n`` work as everywhere.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsverify import canary, catalogue, documents, inputs, profile, replaying, timing
from opsverify.errors import OpsverifyError, UsageError, reason
from opsverify.evidence import controls, signing
from opsverify.evidence.finding import line
from opsverify.evidence.finishing import finish, show
from opsverify.fixtures import *  # noqa: F403  the fixtures that checks ask for
from opsverify.fixtures import RUN
from opsverify.html import HtmlReport
from opsverify.judgement import Observation
from opsverify.masking import Masking, masked_in
from opsverify.record import GREEN, RECORDER, Record, point_latest, recorder_of
from opsverify.recorded import Recorded
from opsverify.redaction import Tally
from opsverify.reports import index
from opsverify.reports.lock import going_on
from opsverify.run import Run, Subject, identity, new_id
from opsverify.terminal import TerminalSummary
from opsverify.transcript import merge
from opsverify.waivers import Waivers
from opsverify.waiving import excuse, is_met

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


def subject_of(item: pytest.Item) -> Subject | None:
    """The subject of a check; None for any other test."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("subject") if callspec else None
    return found if isinstance(found, Subject) else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what the profile declares not applicable, and say which check the transcript is of."""
    run, subject = item.config.stash.get(RUN, None), subject_of(item)
    if run is None or subject is None:
        return
    recorder = recorder_of(item)
    run.transcript.check = _plain(item.nodeid)
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
    report.nodeid = _plain(item.nodeid)
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


def _plain(node: str) -> str:
    """A node id without the group that xdist appends, so that ``--lf`` and ``-k`` know it in any run."""
    return re.sub(r"\]@[^\]]*$", "]", node)


def _subject_in(node: str) -> str:
    """The subject that a node id names: ``….py::test_x[HLT-PG-01-postgres]``, with or without xdist's ``@group``."""
    return node.partition("[")[2].rpartition("]")[0]


class Recording:
    """The controlling process' part: gathers entries (of parallel workers too) and writes the record."""

    def __init__(self, config: pytest.Config, run: Run, record: Record) -> None:
        self.config = config
        self.run = run
        self.record = record
        self.masked: dict[str, Tally] = {}  # in what checks said, by node id
        option = config.option
        if getattr(option, "dist", "no") == "load":
            option.dist = "loadgroup"
        if getattr(option, "maxworkerrestart", "") is None:
            # xdist gives the groups of a worker that died to a new one, and then waits for it for ever. What was lost
            # is an error, what was not reached not tested: the run ends, and is not green.
            option.maxworkerrestart = "0"
        option.htmlpath = option.htmlpath or str(run.directory / "report.html")
        option.self_contained_html = True
        for view in (HtmlReport(record), TerminalSummary(config, record)):
            config.pluginmanager.register(view)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a parallel worker which run it belongs to."""
        node.workerinput |= {
            "run_id": self.run.id,
            "run_directory": str(self.run.directory),
            "run_start": self.run.started.isoformat(),
            "waivers": self.run.waivers.packed(),
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn from a parallel worker what was selected."""
        self.record.selected |= {_subject_in(node) for node in ids}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn what was selected."""
        self.record.selected |= {str(subject) for item in session.items if (subject := subject_of(item))}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the entry of a check once it is complete, or once nothing can make it green any more."""
        self.masked.setdefault(_plain(report.nodeid), Tally()).update(masked_in(report))
        entry = getattr(report, "opsverify", None)
        if entry is not None:
            if report.when == "teardown" or entry["state"] not in GREEN:
                self.record.add(entry)
        elif report.failed:  # a worker that died took the check's own report with it
            self.record.lose(_subject_in(report.nodeid), report.longreprtext)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Write the record; whatever is not green must not exit as if it were.

        Each file is searched for each loaded secret, before the pages that are about all of them and after, and a find
        fails the run: the file is withheld. What is left is sealed, and nothing is written into its folder after that.
        """
        problem = None
        try:
            self._write(session, exitstatus)
        except OSError as error:
            problem = error
        try:
            yield
            merge(self.run.directory)  # workers that were broken off have ended only now
            if problem is None and self.record.written is not None:
                self._search(session)
                if not show(self.run, self.record.written, self._say):
                    session.exitstatus = pytest.ExitCode.TESTS_FAILED
        except OSError as error:
            problem = problem or error
        finally:
            try:
                self._search(session)
            except OSError as error:
                problem = problem or error
        if problem is None:
            if not finish(self.run, self._say) and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self._list(session)
        else:
            self._say(line("NOT SEALED", f"the record cannot be written: {reason(problem)}"), red=True, bold=True)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _search(self, session: pytest.Session) -> None:
        """Search what was written for secrets, however far the writing came; a find fails the run."""
        option = session.config.option
        beside = [Path(each) for each in (option.htmlpath, option.xmlpath, option.log_file) if each]
        complaints = canary.conclude(self.run.directory, self.run.redactor, beside=beside, checks=self.masked)
        for complaint in complaints:
            self._say(complaint, red=True, bold=True)
        if complaints:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _list(self, session: pytest.Session) -> None:
        """The pages that list the runs are a convenience: a run is no worse for one that could not be written."""
        stream = self.run.directory.parent
        try:
            index.write(stream.parent, stream.name)
        except UsageError as error:
            session.config.get_terminal_writer().line(str(error), yellow=True)

    def _say(self, text: str, **markup: bool) -> None:
        self.config.get_terminal_writer().line(text, **markup)

    def _write(self, session: pytest.Session, exitstatus: int) -> None:
        merge(self.run.directory)
        self.record.clocks = timing.measure(self.run)
        document = self.record.write(datetime.now(UTC))
        point_latest(self.run.directory)
        green = is_met(document["run"]["verdict"]) and not any(
            each["state"] == "not-tested"
            and (not self.record.selection or f"{each['requirement']}-{each['target']}" in self.record.selected)
            for each in document["checks"]
        )
        if exitstatus == pytest.ExitCode.OK and not green:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
