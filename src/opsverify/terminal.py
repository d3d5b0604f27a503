"""The terminal's view of a run, for a tired person at 3 a.m.: what failed, where, and what to do about it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsverify.catalogue import SEVERITIES
from opsverify.record import Entry, Record
from opsverify.summary import (
    SIGNS,
    Document,
    by_reason,
    chapters,
    clock_notices,
    counts,
    document_of,
    headline,
    in_state,
    left,
    notices,
    observations,
    says_it_all,
    score,
    sentence,
    waived,
)
from opsverify.texts import clip, number, visible
from opsverify.waiving import weighty

COLOURS = {"fail": "red", "error": "yellow", "not-tested": "yellow", "waived": "yellow", "pass": "green"}
VERDICT_COLOURS = {"met": "green", "not met": "red", "undetermined": "yellow"}
INDENT = 6  # as wide as the word of a state and the gap after it
LABEL = 10
MOST_OBSERVATIONS = 6
MOST_CHARACTERS = 400


def width(text: str) -> int:
    """How many columns a text takes: Chinese characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def pad(text: str, columns: int) -> str:
    """Fill a text up to a width."""
    return text + " " * max(0, columns - width(text))


def cut(text: str, columns: int) -> str:
    """Cut a text down to a width."""
    taken = 0
    for position, each in enumerate(text):
        taken += width(each)
        if taken > columns:
            return text[:position]
    return text


def wrap(text: str, columns: int) -> Iterator[str]:
    """Break a text into lines of a width, at spaces where there are any."""
    for line in text.split("\n"):
        rest = line.rstrip()
        while width(rest) > columns:
            head = cut(rest, columns)
            if rest[len(head) - 1].isascii() and rest[len(head)].isascii() and not rest[len(head)].isspace():
                head = head[: head.rfind(" ") + 1].rstrip() or head
            yield head.rstrip()
            rest = rest[len(head) :].lstrip()
        yield rest


class TerminalSummary:
    """Hooks that say on the terminal how a run goes and how it ended."""

    def __init__(self, config: pytest.Config, record: Record) -> None:
        self.config = config
        self.record = record
        self._session: pytest.Session | None = None
        self._live = False
        self._seen: set[str] = set()
        self._now = ""

    # ---- while it runs: one line that is rewritten, where there is a terminal to rewrite it on

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take over the progress from pytest's dots, on a terminal at normal verbosity."""
        self._session = session
        reporter = self._reporter()
        self._live = bool(
            reporter is not None
            and reporter.isatty()
            and reporter.hasmarkup
            and self.config.get_verbosity() == 0
            and self.config.getoption("capture") != "no"
        )
        if self._live and reporter is not None:
            reporter.showfspath = False

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> Generator[None, tuple[str, str, Any], tuple[str, str, Any]]:
        """The rewritten line stands in for the letters of the checks."""
        category, letter, word = yield
        return category, "" if self._live and hasattr(report, "opsverify") else letter, word

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say which check runs now."""
        named = re.search(r"\[([A-Z0-9-]+-\d\d)-(.+?)\]", nodeid)
        self._now = f"{named[1]} on {named[2]}" if named else nodeid.rpartition("::")[2]
        self._rewrite()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a check once it is done."""
        if report.when == "teardown":
            self._seen.add(report.nodeid)
            self._rewrite()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Leave no half line behind."""
        try:
            return (yield)
        finally:
            self._rewrite(clear=True)

    def _rewrite(self, *, clear: bool = False) -> None:
        reporter = self._reporter()
        if not self._live or reporter is None or self._session is None:
            return
        columns = self._columns()
        states = [entry["state"] for entry in self.record.entries.values()]
        bad = [f"{states.count(state)} {state}" for state in ("fail", "error") if state in states]
        line = "  ".join([f"{len(self._seen)}/{self._session.testscollected}", *bad, f"{visible(self._now)} …"])
        reporter.write_raw("\r" + pad("" if clear else cut(line, columns), columns) + "\r" * clear, flush=True)

    def _reporter(self) -> pytest.TerminalReporter | None:
        return self.config.pluginmanager.get_plugin("terminalreporter")

    def _columns(self) -> int:
        return max(40, self.config.get_terminal_writer().fullwidth - 1)

    # ---- at the end

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Keep pytest-html, which has written its report by now, from saying so: the summary does."""
        try:
            return (yield)
        finally:
            for plugin in self.config.pluginmanager.get_plugins():
                if type(plugin).__module__.startswith("pytest_html."):
                    self.config.pluginmanager.unregister(plugin)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, object, object]:
        """Say how the run ended, last of all, in place of what pytest would say about each check."""
        stats = terminalreporter.stats
        everything = {category: list(reports) for category, reports in stats.items()}
        for category, reports in everything.items():
            stats[category] = [each for each in reports if not self._says_it_better(each)]
        try:
            result = yield
        finally:
            stats.update(everything)
        if not terminalreporter.no_summary:
            self._write(document_of(self.record))
        return result

    def _says_it_better(self, report: Any) -> bool:
        """Whether the summary replaces pytest's own section; a traceback that no one foresaw stays."""
        entry = getattr(report, "opsverify", None)
        if entry is None:
            return False
        if says_it_all(entry, report):
            return True
        return bool(entry["state"] == "fail") and report.when == "call" and self.config.get_verbosity() <= 0

    def _write(self, document: Document) -> None:
        run = document["run"]
        self._line()
        self.config.get_terminal_writer().sep("=", f"{run['profile']}, run {run['id']}")
        for entry in in_state(document, "fail"):
            self._failure(entry)
        for reason, entries in by_reason(in_state(document, "error")).items():
            self._error(reason, entries)
        for entry in waived(document):
            self._waived(entry)
        self._partial(document)
        self._notices(document)
        for state, count in counts(document):
            self._line(f"{SIGNS[state].symbol} {count:>4}  {state}", COLOURS.get(state))
        self._line(f"  {document['population']['total']:>4}  in all")
        self._line()
        colour = (
            "yellow" if run["partial"] and run["verdict"] == "met" else VERDICT_COLOURS.get(run["verdict"], "yellow")
        )
        self._paragraph(f"{headline(document)[0]}: {sentence(document)}", colour)
        self._line(f"score: {score(document)[0]}")
        self._line()
        self._line(f"report   {self._path(Path(self.config.option.htmlpath))}")
        self._line(f"evidence {self._path(self.record.run.directory / 'evidence.html')}")
        self._line(f"results  {self._path(self.record.run.directory / 'results.json')}")

    def _failure(self, entry: Entry) -> None:
        self._head("FAIL", "red", _columns_of(entry), entry["title"])
        self._unmet(entry)
        self._labelled("manual", entry["manual"])
        self._labelled("do", entry["remedy"])
        self._line()

    def _waived(self, entry: Entry) -> None:
        """A failure that is waived is no less visible than another one, and says who has let it be."""
        waiver = entry["waiver"]
        self._head("WAIVED", "red" if weighty(entry) else "yellow", _columns_of(entry), entry["title"])
        if entry["must_pass"]:
            self._labelled("note", "This must pass: without the waiver it blocks every change.")
        self._unmet(entry)
        approval = f"{left(waiver)[0]}; approved by {waiver['approved_by']} for {waiver['requested_by']}"
        self._labelled("waiver", visible(f"{approval} ({waiver['ticket']})"))
        self._labelled("reason", clip(visible(waiver["reason"]), MOST_CHARACTERS))
        self._labelled("risk", clip(visible(waiver["risk"]), MOST_CHARACTERS))
        self._line()

    def _notices(self, document: Document) -> None:
        found = clock_notices(document) + notices(document)
        for english, _ in found:
            self._paragraph(english, "yellow")
        if found:
            self._line()

    def _unmet(self, entry: Entry) -> None:
        unmet = [each for each in observations(entry) if not each.met]
        shown = unmet[:MOST_OBSERVATIONS]
        alike = len({seen.expected for seen in shown}) == 1
        for position, seen in enumerate(shown, start=1):
            self._labelled("observed", f"{seen.name}: {clip(seen.observed, MOST_CHARACTERS)}")
            if position == len(shown) and len(unmet) > position:
                self._labelled("", f"… and {len(unmet) - position} more in results.json")
            if not alike or position == len(shown):
                self._labelled("expected", clip(seen.expected, MOST_CHARACTERS))

    def _error(self, reason: str, entries: list[Entry]) -> None:
        first = entries[0]
        if len(entries) == 1:
            self._head("ERROR", "yellow", _columns_of(first), first["title"])
        else:
            targets = ", ".join(dict.fromkeys(each["target"] for each in entries))
            self._head("ERROR", "yellow", (number(len(entries), "check"), f"{first['severity']} at worst", targets))
        self._labelled("reason", clip(visible(reason), MOST_CHARACTERS))
        if len(entries) == 1:
            self._labelled("manual", first["manual"])
        else:
            for severity in SEVERITIES:
                hit = [f"{each['requirement']} on {each['target']}" for each in entries if each["severity"] == severity]
                if hit:
                    self._labelled(severity, ", ".join(hit))
        profile = visible(str(self.config.getoption("profile")))
        self._labelled("do", f"Remove the reason, then ask again: pytest checks --profile {profile} --lf")
        self._line()

    def _partial(self, document: Document) -> None:
        left_out = in_state(document, "not-tested")
        if not left_out:
            return
        total = document["population"]["total"]
        self._paragraph(f"PARTIAL RUN: {len(left_out)} of {number(total, 'check')} not tested.", "yellow")
        for reason, entries in by_reason(left_out).items():
            self._labelled(f"{len(entries)}", f"{clip(visible(reason), MOST_CHARACTERS)}: {chapters(entries)}")
        self._line()

    def _head(self, word: str, colour: str, columns: tuple[str, str, str], title: str = "") -> None:
        name, severity, target = columns
        writer = self.config.get_terminal_writer()
        taken = max(INDENT, len(word) + 1)
        writer.write(pad(word, taken), bold=True, **{colour: True})
        line = f"{pad(name, 16)}  {pad(severity, 8)}  {pad(visible(target), 12)}"
        if title and width(line) + 2 + width(title) > self._columns() - taken:
            line, title = line.rstrip(), f"\n{title}"
        for position, part in enumerate(wrap(f"{line}  {title}" if title else line, self._columns() - taken)):
            writer.line(" " * INDENT * bool(position) + part.strip(), bold=True)

    def _labelled(self, label: str, text: str) -> None:
        wrapped = [line for line in wrap(text, self._columns() - INDENT - LABEL) if line]
        for position, line in enumerate(wrapped):
            self._line(" " * INDENT + pad("" if position else label, LABEL) + line)

    def _paragraph(self, text: str, colour: str | None = None) -> None:
        for line in wrap(text, self._columns()):
            self._line(line, colour, bold=colour is not None)

    def _line(self, text: str = "", colour: str | None = None, *, bold: bool = False) -> None:
        self.config.get_terminal_writer().line(text, **({colour: True, "bold": bold} if colour else {}))

    def _path(self, path: Path) -> str:
        here = self.config.invocation_params.dir
        path = here / path.expanduser()
        return visible(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _columns_of(entry: Entry) -> tuple[str, str, str]:
    return entry["requirement"], entry["severity"], entry["target"]
