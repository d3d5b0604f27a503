"""The operator's view of a run: columns, details and a summary of its own in the report of pytest-html.

pytest-html puts what it is given into the page as it is, and attaches extras to the call phase alone. So
every text is escaped here, and all that is shown comes from the entry that a report carries in every phase.
"""

from __future__ import annotations

from collections import Counter
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from opsverify.catalogue import SEVERITIES
from opsverify.overview import badge, excused, lines, overview, pictures, safe, side_by_side
from opsverify.record import STATES, Entry, Record, State
from opsverify.summary import SIGNS, Document, Seen, document_of, headline, observations, says_it_all, statement
from opsverify.texts import visible

CSS = Path(__file__).with_name("report.css")
MOST_LINES = 20  # of unmet observations in a row
MOST_MET_LINES = 4  # what is in order only needs a glance
MOST_DETAILS = 100
MOST_CHARACTERS = 1000

# pytest-html filters by its own outcomes alone; this is where each state goes.
OUTCOMES: dict[State, str] = {
    "fail": "Failed",
    "error": "Error",
    "not-tested": "Skipped",
    "not-applicable": "Skipped",
    "waived": "XFailed",
    "attested": "XPassed",
    "pass": "Passed",
}
FILTERS = {
    "failed": "✗ fail",
    "passed": "✓ pass",
    "skipped": "○ not applicable or not tested",
    "xfailed": "≈ waived",
    "xpassed": "✎ attested",
    "error": "? error",
}
HEADER = [
    '<th class="sortable" data-column-type="requirement">Requirement 要求</th>',
    '<th class="sortable" data-column-type="severity">Severity 级别</th>',
    '<th class="sortable" data-column-type="target">Target 对象</th>',
    "<th>Observed 实测</th>",
    "<th>Expected 要求值</th>",
    '<th class="sortable" data-column-type="state">State 状态</th>',
    '<th class="sortable" data-column-type="duration">Duration</th>',
    '<th class="sortable" data-column-type="result">Result</th>',
]


class HtmlReport:
    """Hooks of pytest-html."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._report: Any = None
        self._outcomes: Counter[str] = Counter()

    def pytest_configure(self, config: pytest.Config) -> None:
        """Let pytest-html take the style sheet of this package into the page."""
        config.option.css = [str(CSS), *config.option.css]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """Replace the environment, which holds addresses of the CI system, and begin with what is worst."""
        self._report = report
        report.title = "opsverify"
        report.set_data("environment", {})
        report.set_data("initialSort", "state")
        for outcome, label in FILTERS.items():
            report.outcomes[outcome]["label"] = label

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Name the columns."""
        cells[:] = HEADER

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.CollectReport | pytest.TestReport, cells: list[str]) -> None:
        """Show what a check saw: one row each, however it ended."""
        entry = self._entry(report)
        duration = cells[2]
        if entry is None:
            outcome = cells[0]
            self._count(report, unescape(outcome.partition(">")[2].partition("<")[0]))
            name = f'<td class="col-requirement">{safe(report.nodeid)}</td>'
            state_cell = outcome.replace("col-result", "col-state")
            cells[:] = [name, *['<td class="muted">–</td>'] * 4, state_cell, duration, outcome]
            return
        ended_well = report.passed or getattr(report, "opsverify", entry)["state"] == "waived"
        if report.when == "call" and ended_well and entry["state"] == "error":
            cells.clear()  # its end failed; that has a row of its own
            return
        state: State = "error" if report.when == "teardown" else entry["state"]
        self._count(report, OUTCOMES[state])
        cells[:] = [*_cells(entry, state), duration, f'<td class="col-result">{OUTCOMES[state]}</td>']

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: pytest.CollectReport | pytest.TestReport, data: list[str]) -> None:
        """Say what it means: message, manual, remedy, exchanges; then whatever pytest kept."""
        entry = self._entry(report)
        kept = data[:]
        if entry is not None and says_it_all(entry, report):
            kept = data[bool(report.longreprtext) :] if report.sections else []
        text = self.record.run.redactor.text(unescape("\n".join(kept)))
        data.clear()
        if entry is not None:
            data.append(self._details(entry))
        if text.strip():
            data.append(f'<pre class="kept">{escape(visible(text))}</pre>')

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Say it all in brief, in plain HTML: it can be read where scripts are forbidden."""
        document = document_of(self.record)
        run = document["run"]
        self._report.title = f"opsverify – {run['profile']} – {headline(document)[0].lower()}"
        self._report.set_data("environment", _versions(document))
        for outcome, each in self._report.outcomes.items():
            each["value"] = self._outcomes[outcome]
        prefix.append(overview(document))

    def _entry(self, report: pytest.CollectReport | pytest.TestReport) -> Entry | None:
        """The entry of the report's check, in its last version: its end may yet change its state."""
        entry: Entry | None = getattr(report, "opsverify", None)
        if entry is None:
            return None
        return self.record.entries.get(f"{entry['requirement']}-{entry['target']}", entry)

    def _count(self, report: pytest.CollectReport | pytest.TestReport, outcome: str) -> None:
        if report.when in ("call", "collect") or not report.passed:
            self._outcomes[outcome.lower()] += 1

    def _details(self, entry: Entry) -> str:
        name = entry["requirement"]
        parts = [f'<p class="message">{safe(entry["message"], 4 * MOST_CHARACTERS)}</p>'] if entry["message"] else []
        texts = {
            "The manual demands 手册要求": (
                f"{safe(statement(self.record, name))}<br>{safe(statement(self.record, name, chinese=True))}"
            ),
            "Where 出处": safe(entry["manual"]),
            "If not met 处理": f"{safe(entry['remedy'])}<br>{safe(entry['remedy_zh'])}",
        }
        exemption = entry["not_applicable"]
        if exemption:
            approval = f"approved by {exemption['approved_by']}, until {exemption['expires']}"
            texts["Not applicable 不适用"] = safe(f"{exemption['reason']} ({approval})")
        if entry["waiver"]:
            texts["Waived 豁免"] = excused(entry["waiver"])
        if entry["statements"]:
            texts["Attested 书面确认"] = "<br>".join(map(_statement, entry["statements"]))
        seen = observations(entry)
        if seen:
            texts["Observed 实测"] = _table(seen)
        if entry["series"]:
            texts["Over time 趋势"] = pictures(entry)
        texts["Exchanges 记录"] = safe(", ".join(entry["exchanges"]) or "none: nothing was asked")
        texts["Check 检查项"] = safe(entry["check"])
        listed = "".join(f"<dt>{title}</dt><dd>{text}</dd>" for title, text in texts.items())
        return f'<div class="details">{"".join(parts)}<dl>{listed}</dl></div>'


def _statement(said: dict[str, str]) -> str:
    reviewed = f"by {said['by']}, reviewed by {said['reviewed_by']}, {said['date']}, good until {said['expires']}"
    return safe(f"{said['statement']} ({reviewed})")


def _cells(entry: Entry, state: State) -> list[str]:
    sign, severity = SIGNS[state], entry["severity"]
    rank = SEVERITIES.index(severity)
    order = f"<i hidden>{STATES.index(state)}{rank}</i>"
    seen = observations(entry)
    if state in ("pass", "fail", "attested", "waived"):
        observed, expected = side_by_side(seen, unmet=MOST_LINES, met=MOST_MET_LINES, characters=MOST_CHARACTERS)
    else:
        observed, expected = [f"<em>{safe(entry['message'], MOST_CHARACTERS)}</em>"], ["–"]
    return [
        f'<td class="col-requirement"><b>{safe(entry["requirement"])}</b><br>{safe(entry["title"])}'
        f'<br><span class="muted">{safe(entry["title_zh"])}</span></td>',
        f'<td class="col-severity"><i hidden>{rank}</i>{badge(severity)}</td>',
        f'<td class="col-target">{safe(entry["target"])}</td>',
        f'<td class="col-observed">{lines(observed)}</td>',
        f'<td class="col-expected">{lines(expected)}</td>',
        f'<td class="col-state">{order}<span class="state {state}">{sign.symbol} {state}<br>{sign.chinese}</span></td>',
    ]


def _table(seen: list[Seen]) -> str:
    rows = "".join(
        f"<tr><td>{'✓' if each.met else '✗'}</td><td>{safe(each.name, MOST_CHARACTERS)}</td>"
        f"<td>{safe(each.observed, MOST_CHARACTERS)}</td><td>{safe(each.expected, MOST_CHARACTERS)}</td></tr>"
        for each in seen[:MOST_DETAILS]
    )
    more = f"<p>and {len(seen) - MOST_DETAILS} more in results.json</p>" if len(seen) > MOST_DETAILS else ""
    head = "<tr><th></th><th>What</th><th>Observed 实测</th><th>Expected 要求值</th></tr>"
    return f'<table class="observations"><thead>{head}</thead><tbody>{rows}</tbody></table>{more}'


def _versions(document: Document) -> dict[str, str]:
    """The only things of the environment that are worth showing and harmless to show."""
    run = document["run"]
    suite = {"opsverify": f"{run['suite_version']} ({run['suite_commit']})", "Python": run["python"]}
    return {name: safe(version) for name, version in {**suite, **run["dependencies"]}.items()}
