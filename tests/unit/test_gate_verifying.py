"""What the gate makes of a verification run: how it ended, what it left on record, and what is asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from opsverify.errors import UsageError
from opsverify.gate.comparing import Scope
from opsverify.gate.verifying import Suite, VerificationError

CRITICAL = Scope(frozenset({"critical"}), frozenset({"health"}))


def entry(name: str, state: str, message: str = "") -> dict[str, Any]:
    check = "" if state == "not-tested" else f"checks/x.py::t[{name}-one]"
    return {"requirement": name, "target": "one", "state": state, "message": message, "check": check}


class Played:
    """Stands in for pytest: ends with a status, and leaves a record behind that has these checks."""

    def __init__(self, root: Path, *plays: tuple[int, list[dict[str, Any]] | str | None]) -> None:
        self.root = root
        self.plays = list(plays)
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str], root: Path) -> int:
        self.commands.append(list(command))
        status, left = self.plays.pop(0)
        directory = root / "reports/test" / f"20261123T120000Z-{command[command.index('--run-id') + 1]}"
        directory.mkdir(parents=True)
        if isinstance(left, str):
            (directory / "results.json").write_text(left, encoding="utf-8")
        elif left is not None:
            document = {
                "run": {"selection": "-m 'critical'", "verdict": "met"},
                "population": {"reconciled": True},
                "checks": left,
            }
            (directory / "results.json").write_text(json.dumps(document), encoding="utf-8")
        return status


def suite(root: Path, *plays: tuple[int, list[dict[str, Any]] | str | None]) -> tuple[Suite, Played]:
    played = Played(root, *plays)
    return Suite(root, "test", "test", "post", "CHG-1", CRITICAL, lambda _: None, played), played


def test_the_suite_is_run_as_anybody_runs_it(tmp_path: Path) -> None:
    runner, played = suite(tmp_path, (0, [entry("A-01", "pass"), entry("B-01", "not-tested", "left out by …")]))
    found = runner.verify()
    words = played.commands[0][1:]
    assert words[:9] == ["-m", "pytest", "checks", "-m", "critical or health", "--profile", "test", "--purpose", "post"]
    assert words[9:11] == ["--change", "CHG-1"]
    assert found.run.directory.startswith("reports/test/20261123T120000Z-")
    assert len(found.run.results_sha256) == 64
    assert len(found.document["checks"]) == 2


@pytest.mark.parametrize(
    ("status", "left", "error", "said"),
    [
        (2, [entry("A-01", "not-tested", "not reached")], VerificationError, "ended with status 2: see"),
        (3, None, VerificationError, "ended with status 3, and left no results.json behind"),
        (4, None, UsageError, "was refused"),
        (5, None, UsageError, "no check is in scope (requirements that are critical or health)"),
        (-9, None, VerificationError, "was ended by signal 9"),
        (0, None, VerificationError, "ended with status 0, and left no results.json behind"),
        (1, [entry("A-01", "pass")], VerificationError, "ended red though no check is"),
        (1, "{", VerificationError, "is no record of a run"),
        (1, "[]", VerificationError, "is no record of a run"),
        (1, '{"run": {}}', VerificationError, "is no record of a run"),
    ],
)
def test_a_run_that_came_to_no_good_end_says_nothing_of_any_system(
    status: int, left: list[dict[str, Any]] | str | None, error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as told:
        suite(tmp_path, (status, left))[0].verify()
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_what_fails_is_asked_again_as_long_as_it_always_fails(tmp_path: Path) -> None:
    first = [entry("A-01", "fail"), entry("B-01", "fail"), entry("C-01", "error"), entry("D-01", "pass")]
    runner, played = suite(
        tmp_path,
        (1, first),
        (1, [entry("A-01", "fail"), entry("B-01", "pass")]),
        (1, [entry("A-01", "fail")]),
    )
    whole = runner.verify()
    again = runner.again(whole, 2)
    assert (tmp_path / "reports/test/latest").resolve() == (tmp_path / whole.run.directory).resolve()
    asked = [[word for word in command if "::" in word] for command in played.commands]
    assert asked == [[], ["checks/x.py::t[A-01-one]", "checks/x.py::t[B-01-one]"], ["checks/x.py::t[A-01-one]"]]
    assert [len(each.document["checks"]) for each in again] == [2, 1]


def test_nothing_is_asked_again_where_nothing_failed_or_nobody_wants_it(tmp_path: Path) -> None:
    runner, _ = suite(tmp_path, (1, [entry("A-01", "error")]), (1, [entry("A-01", "fail")]))
    assert runner.again(runner.verify(), 2) == []
    assert runner.again(runner.verify(), 0) == []
