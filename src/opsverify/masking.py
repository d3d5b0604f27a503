"""What pytest itself says and keeps, redacted before any view of it is made: reports, warnings, broken collections.

A report of a check becomes a row of ``report.html`` and an element of ``junit.xml``, in this process or, having
travelled, in the one that controls parallel workers. So everything in it that may hold text is redacted where it is
made, and the count of what was masked travels with it. What pytest cuts or breaks into lines on the way there is
redacted before that, for no part of a secret looks like one.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import pytest
from _pytest._io.saferepr import DEFAULT_REPR_MAX_SIZE, saferepr, saferepr_unlimited

from opsverify.redaction import MASK, Redactor, Tally, rows

MASKED = "opsverify_masked"  # attribute of a report: what was masked in it, as `rows` has it
DEEPEST = 50


def mask_report(report: pytest.TestReport | pytest.CollectReport, redactor: Redactor) -> None:
    """Redact a report: why it failed, what was captured, its properties, and what plug-ins hung on it."""
    tally: Tally = Tally()
    if isinstance(report.longrepr, str):
        report.longrepr = redactor.text(report.longrepr, tally)
    elif isinstance(report.longrepr, tuple):  # of a skip: file, line, reason
        report.longrepr = (*report.longrepr[:2], redactor.text(report.longrepr[2], tally))
    elif report.longrepr is not None:
        report.longrepr = redactor.text(report.longreprtext, tally)
    report.sections = [(name, redactor.text(content, tally)) for name, content in report.sections]
    if isinstance(report, pytest.TestReport):
        report.user_properties = [
            (redactor.text(str(name), tally), redactor.text(str(value), tally))
            for name, value in report.user_properties
        ]
    for name in ("opsverify", "wasxfail", "extras"):
        if hasattr(report, name):
            setattr(report, name, redactor.value(getattr(report, name), tally))
    setattr(report, MASKED, [*getattr(report, MASKED, []), *rows(tally)])


def masked_in(report: pytest.TestReport | pytest.CollectReport) -> Tally:
    """What was masked in a report."""
    return Tally({(each["secret"], each["form"]): each["times"] for each in getattr(report, MASKED, [])})


class Masking:
    """Hooks that redact. Each process of a run has them."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self._patches = pytest.MonkeyPatch()

    def pytest_configure(self) -> None:
        """Redact arguments, locals and what an assertion is about before they are cut. Pytest has no hook for that."""
        self._patches.setattr("_pytest._code.code.saferepr", self._shown)
        self._patches.setattr("_pytest._code.code.safeformat", partial(self._shown, maxsize=None))
        self._patches.setattr("_pytest.assertion.rewrite.saferepr", self._shown)

    def pytest_unconfigure(self) -> None:
        """Leave pytest as it was."""
        self._patches.undo()

    def _shown(self, value: object, maxsize: int | None = DEFAULT_REPR_MAX_SIZE) -> str:
        """A value as a traceback shows it: redacted, then cut in its middle."""
        text = self.redactor.text(saferepr(value, maxsize=None))
        if maxsize is None or len(text) <= maxsize:
            return text
        half = maxsize // 2 - 2
        return f"{text[:half]}...{text[-half:]}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        """Show two values side by side where one of them holds a secret: a difference breaks them anywhere.

        A mask is treated as the secret is, so that a replay, which has but the mask, says the same.
        """
        shown = [saferepr_unlimited(each).replace("\n", "\\n") for each in (left, right)]
        masked = [self.redactor.text(each) for each in shown]
        return [f"{masked[0]} {op} {masked[1]}"] if any(MASK in each for each in masked) else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The last to see a report that is made: pytest-html hangs on it what checks attach."""
        report = yield
        mask_report(report, self.redactor)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """A module that breaks while it is loaded shows its lines, and what was in them."""
        report = yield
        mask_report(report, self.redactor)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_parametrize_id(self, val: object, argname: str) -> str | None:
        """What a test is given names it, on the terminal, in every view and in pytest's cache."""
        return f"{argname}-redacted" if self.redactor.leaks(saferepr(val, maxsize=None)) else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """A warning says what it was given."""
        said = str(warning_message.message)
        masked = self.redactor.text(said)
        if masked != said:
            warning_message.message = UserWarning(masked)  # its own class may take something else than a text

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        """A traceback of pytest or of a plug-in goes into ``junit.xml`` as it is."""
        _rewrite(excrepr, self.redactor, 0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Properties of a whole suite are handed to ``junit.xml`` past every report."""
        for plugin in session.config.pluginmanager.get_plugins():
            listed = getattr(plugin, "global_properties", None)
            if isinstance(listed, list):
                listed[:] = [tuple(self.redactor.text(str(each)) for each in pair) for pair in listed]


def _rewrite(value: Any, redactor: Redactor, depth: int) -> Any:
    """Redact every text in the representation of an exception, where it stands."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, list):
        value[:] = [_rewrite(each, redactor, depth + 1) for each in value]
    elif isinstance(value, tuple):
        return tuple(_rewrite(each, redactor, depth + 1) for each in value)
    elif is_dataclass(value) and not isinstance(value, type) and depth < DEEPEST:
        for each in fields(value):
            setattr(value, each.name, _rewrite(getattr(value, each.name), redactor, depth + 1))
    return value
