"""The record of a run as it comes together: the entries of its checks, and what is written when it ends."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsverify import canary, timing
from opsverify.errors import UsageError, reason
from opsverify.evidence.finding import line
from opsverify.evidence.finishing import finish, show
from opsverify.html import HtmlReport
from opsverify.masking import masked_in
from opsverify.record import GREEN, Record, point_latest, subject_of
from opsverify.redaction import Tally
from opsverify.reports import index
from opsverify.run import Run
from opsverify.terminal import TerminalSummary
from opsverify.transcript import merge
from opsverify.waiving import is_met


def plain(node: str) -> str:
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
        self.masked.setdefault(plain(report.nodeid), Tally()).update(masked_in(report))
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
