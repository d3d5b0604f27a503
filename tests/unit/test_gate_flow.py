"""Whole gates, as their user holds them, on a small project of this machine: no lab, but real runs, files and signals.

Its configuration cannot be read here (nobody granted anything), neither before nor after: that is a WARN, and the best
that a gate can come to.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.conftest import Command
from tests.unit.small_project import Project, entries

pytestmark = pytest.mark.slow

CHECKS = """
import os, time
from pathlib import Path
import pytest
from opsverify.judgement import holds


@pytest.mark.requirement("TST-ONE-01", "TST-TWO-01")
def test_it(judge, subject, request):
    root = request.config.rootpath
    said = (root / subject.requirement).read_text().split()
    if "hang" in said:
        (root / "hanging").touch()
        time.sleep(300)
    if "error" in said:
        raise RuntimeError("cannot tell")
    if "flaky" in said:
        (root / subject.requirement).write_text("pass")
    judge([holds("it", " ".join(said), "pass", met=said == ["pass"])])
"""
PROFILE = """
name = "test"
description = "d"
[[hosts]]
name = "one"
connection = "local://"
[gate]
settle_polls = 2
settle_interval_seconds = 0.05
settle_seconds = 1
"""
RECORD = """
id = "CHG-1"
class = "standard"
reason = "feature"
summary = "A release"
on_no_go = ["./scripts/rollback.sh", "api; false"]
[request]
number = "1"
by = "Jonas Brandt"
at = 2026-01-01T09:00:00Z
[assessment]
impact = "i"
risk = "r"
by = "Jonas Brandt"
at = 2026-01-01T10:00:00Z
[test]
environment = "staging"
passed = true
result = "green"
by = "Tomasz Wieczorek"
at = 2026-01-01T11:00:00Z
artefact = "evidence/test.txt"
sha256 = "068d48ea288a4f2178367c403a39abbb8d7ade9766b5cf33bedfabf4fd6443f2"
[approval]
by = "Aylin Demir"
at = 2026-01-01T12:00:00Z
[window]
from = 2026-01-02T02:00:00Z
to = 2999-01-02T03:00:00Z
[rollback]
plan = "rollback.sh"
"""
ROLLBACK = '#!/bin/sh\necho "going back: $1"\necho pass > TST-ONE-01\n'


@dataclass(frozen=True)
class Held:
    """A gate that was held: exit status, what it said, and its story."""

    status: int
    out: str
    err: str
    story: dict[str, Any]


class Gates:
    """A small project whose checks say what its files tell them to."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root)
        self.root = root
        catalogue = entries("TST-ONE-01", severity="critical") + entries("TST-TWO-01")
        self.project.write("checks/health/requirements.toml", catalogue)
        self.project.write("checks/health/test_it.py", CHECKS)
        self.project.write("profiles/test/profile.toml", PROFILE)
        self.project.write("profiles/test/changes/CHG-1.toml", RECORD)
        self.project.write("profiles/test/evidence/test.txt", "green\n")
        self.project.write("scripts/rollback.sh", ROLLBACK)
        (root / "scripts/rollback.sh").chmod(0o755)
        self.says("TST-ONE-01", "pass")
        self.says("TST-TWO-01", "pass")

    def says(self, requirement: str, what: str) -> None:
        """What a check says from now on."""
        self.project.write(requirement, what)

    def record(self, old: str, new: str) -> None:
        """The change record says something else."""
        self.project.change("profiles/test/changes/CHG-1.toml", old, new)

    def command(self, *arguments: str) -> list[str]:
        heard = ["env", "--default-signal", sys.executable, "-m", "opsverify.cli", "gate"]
        return [*heard, *arguments, "--profile", "test"]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GITHUB"))}
        return {**kept, "GITHUB_STEP_SUMMARY": str(self.root / "summary.md"), "COLUMNS": "160"}

    def hold(self, *arguments: str) -> Held:
        """Run the command to its end."""
        before = set(self.kept())
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        new = [each for each in self.kept() if each not in before]
        assert len(new) <= 1
        story = json.loads((new[0] / "gate.json").read_text(encoding="utf-8")) if new else {}
        return Held(done.returncode, done.stdout, done.stderr, story)

    def kept(self) -> list[Path]:
        """What is there as a gate."""
        return sorted(each for each in self.root.glob("reports/test/gates/CHG-1/*-p*") if each.name[0] != ".")


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    return Gates(tmp_path)


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> Gates:
    """Where all was well before the change; nobody changes anything here."""
    found = Gates(tmp_path_factory.mktemp("passed"))
    held = found.hold("pre", "CHG-1")
    assert held.status == 0, held.out + held.err
    return found


@pytest.fixture
def baseline(gates: Gates, passed: Gates) -> Gates:
    """The same as ``gates``, with that baseline."""
    shutil.copytree(passed.root / "reports", gates.root / "reports", symlinks=True)
    return gates


def reasons(story: dict[str, Any], *effects: str) -> dict[str, str]:
    return {each["about"]: each["why"] for each in story["reasons"] if each["effect"] in effects}


def comparisons(story: dict[str, Any]) -> dict[str, str | None]:
    return {each["subject"]: each["comparison"] for each in story["checks"]}


def test_a_change_that_breaks_nothing_goes(gates: Gates) -> None:
    pre = gates.hold("pre", "CHG-1")
    assert pre.status == 0, pre.out + pre.err
    assert (pre.story["phase"], pre.story["verdict"]) == ("pre", "WARN")
    assert list(reasons(pre.story, "NO-GO", "INCONCLUSIVE")) == []
    post = gates.hold("post", "CHG-1")
    assert post.status == 0, post.out + post.err
    assert post.story["verdict"] == "WARN"
    assert comparisons(post.story) == {"TST-ONE-01-one": "ok", "TST-TWO-01-one": "ok"}
    assert post.story["baseline"]["id"] == pre.story["id"]
    run = gates.root / post.story["verification"]["directory"] / "results.json"
    about = json.loads(run.read_text(encoding="utf-8"))["run"]
    assert (about["purpose"], about["change"]) == ("post", "CHG-1")
    assert "! WARN for CHG-1" in post.out
    assert "## ! WARN: post CHG\\-1" in (gates.root / "summary.md").read_text(encoding="utf-8")
    show = gates.hold("show", "CHG-1")
    assert show.status == 0
    assert show.out.index("== pre CHG-1") < show.out.index("== post CHG-1")


def test_a_regression_is_taken_back_by_the_hook_and_green_again(baseline: Gates) -> None:
    baseline.says("TST-ONE-01", "broken")
    refused = baseline.hold("post", "CHG-1")
    assert refused.status == 10, refused.out + refused.err
    assert comparisons(refused.story)["TST-ONE-01-one"] == "regression"
    assert refused.story["rollback"] is None
    assert "is not run without --execute-rollback" in refused.out
    (failed,) = [each for each in refused.story["checks"] if each["subject"] == "TST-ONE-01-one"]
    assert failed["post"]["samples"] == ["fail"] * 3
    back = baseline.hold("post", "CHG-1", "--execute-rollback")
    assert back.status == 10, back.out + back.err
    rollback = back.story["rollback"]
    assert (rollback["exit_status"], rollback["output"]) == (0, "going back: api; false")
    assert rollback["verdict"] in ("GO", "WARN"), rollback["reasons"]
    assert rollback["verification"]["verdict"] == "met"
    assert "  | going back: api; false" in back.out
    assert (baseline.root / "TST-ONE-01").read_text() == "pass\n"


def test_what_does_not_say_the_same_twice_is_no_ground_to_go_back(baseline: Gates) -> None:
    baseline.says("TST-ONE-01", "flaky")
    held = baseline.hold("post", "CHG-1", "--execute-rollback")
    assert held.status == 20, held.out + held.err
    assert comparisons(held.story)["TST-ONE-01-one"] == "unstable"
    assert held.story["rollback"] is None


def test_without_a_baseline_nothing_can_be_said(gates: Gates) -> None:
    gates.says("TST-ONE-01", "broken")
    held = gates.hold("post", "CHG-1", "--execute-rollback")
    assert held.status == 20, held.out + held.err
    assert held.story["rollback"] is None
    assert {"baseline", "TST-ONE-01-one"} <= set(reasons(held.story, "INCONCLUSIVE"))
    assert comparisons(held.story) == {"TST-ONE-01-one": None, "TST-TWO-01-one": None}


def test_an_emergency_is_verified_by_what_is_critical(gates: Gates) -> None:
    gates.record('"standard"', '"emergency"')
    gates.record('"feature"', '"recovery"')
    gates.says("TST-TWO-01", "broken")
    held = gates.hold("pre", "CHG-1")
    assert held.status == 0, held.out + held.err
    assert list(comparisons(held.story)) == ["TST-ONE-01-one"]
    assert held.story["verification"]["selection"] == "-m 'critical'"


def test_a_record_that_lacks_a_step_is_refused_before_any_system_is_asked(gates: Gates) -> None:
    gates.record("[rollback]\nplan", "#")
    held = gates.hold("pre", "CHG-1")
    assert held.status == 10, held.out + held.err
    assert reasons(held.story, "NO-GO") == {"CHG-1": "has no rollback plan"}
    assert held.story["verification"] is None
    assert gates.project.runs() == [gates.root / "reports/test/gates"]
    assert gates.hold("post", "CHG-1").status == 20  # it is no baseline


@pytest.mark.parametrize(
    ("arguments", "old", "new", "said"),
    [
        (("pre", "CHG-2"), "", "", "CHG-2: has no record in profiles/test/changes/ (there are: CHG-1)"),
        (("pre", "../x"), "", "", "got '../x', expected the id of a change"),
        (("pre", "CHG-1"), 'number = "1"', "number = 1", "profiles/test/changes/CHG-1.toml: request.number: "),
        (("pre", "CHG-1"), "at = 2026-01-01T12:00:00Z", "at = 2026-01-01T12:00:00", "CHG-1.toml: approval.at: "),
        (("post", "CHG-1"), '"CHG-1"', '"CHG-9"', "CHG-1.toml: id: 'CHG-9' belongs in a file CHG-9.toml"),
        (("post", "CHG-1", "--execute-rollback"), "on_no_go", "# on_no_go", "on_no_go: --execute-rollback needs it"),
        (("post", "CHG-1", "--execute-rollback"), "rollback.sh", "none.sh", "'./scripts/none.sh' is no program"),
        (("pre", "CHG-1", "--execute-rollback"), "", "", "unrecognized arguments: --execute-rollback"),
        (("show", "CHG-2"), "", "", "CHG-2: has no record in profiles/test/changes/, and no gate was held on it"),
        (("pre", "CHG-1"), '"standard"', '"routine"\nareas = ["helth"]', "areas: 'helth' is no chapter"),
    ],
)
def test_wrong_input_ends_in_one_line_and_asks_nothing(
    arguments: tuple[str, ...],
    old: str,
    new: str,
    said: str,
    gates: Gates,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if old:
        gates.record(old, new)
    monkeypatch.chdir(gates.root)
    held = command("gate", *arguments)
    assert held.status == 64, held.out + held.err
    assert said in held.err
    assert held.err.count("\n") == 1
    assert gates.project.runs() == []


def test_a_baseline_that_was_tampered_with_is_told_in_one_line(baseline: Gates) -> None:
    file = baseline.kept()[0] / "gate.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"state": "pass"', '"state": "fail"'), encoding="utf-8")
    for phase in ("post", "show"):
        held = baseline.hold(phase, "CHG-1")
        assert held.status == 64, held.out + held.err
        assert "gate.json: is not what the gate wrote" in held.err
        assert held.err.count("\n") == 1


# ---- broken off


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(gates: Gates) -> Iterator[Start]:
    """Start a gate and wait until it is in the middle of its verification."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        gates.says("TST-ONE-01", "hang")
        child = subprocess.Popen(
            gates.command(*arguments),
            cwd=gates.root,
            env=gates.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(child)
        for _ in range(600):
            if (gates.root / "hanging").exists():
                return child
            assert child.poll() is None, child.communicate()[0]
            time.sleep(0.05)
        raise TimeoutError("the verification did not begin")

    yield begin
    for child in started:
        if child.poll() is None:
            child.kill()
        for each in running(gates.root):
            os.kill(int(each), signal.SIGKILL)
        if child.stdout is not None and not child.stdout.closed:
            child.communicate()


def running(root: Path) -> list[str]:
    """Verifications of this project that run."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"pytest" in each.read_bytes() and (each.parent / "cwd").readlink() == root:
                found.append(each.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_gate_that_is_told_to_end_leaves_no_baseline_and_no_child(
    told: signal.Signals, gates: Gates, start: Start
) -> None:
    child = start("pre", "CHG-1")
    assert running(gates.root)
    os.kill(child.pid, told)
    time.sleep(0.1)
    os.kill(child.pid, signal.SIGINT)  # by somebody who cannot wait
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 130, out
    assert gates.kept() == []
    assert running(gates.root) == []


def test_a_second_gate_is_refused_and_a_killed_one_leaves_no_baseline(gates: Gates, start: Start) -> None:
    child = start("pre", "CHG-1")
    second = gates.hold("post", "CHG-1")
    assert second.status == 64, second.out + second.err
    assert "CHG-1: another gate is on this change already: a pre gate of" in second.err
    assert second.err.count("\n") == 1
    child.kill()
    for each in running(gates.root):  # nobody is left who could end it
        os.kill(int(each), signal.SIGKILL)
    child.communicate()
    assert gates.kept() == []
    gates.says("TST-ONE-01", "pass")
    held = gates.hold("post", "CHG-1")
    assert held.status == 20, held.out + held.err
    assert reasons(held.story, "INCONCLUSIVE") == {
        "baseline": "no gate was held before CHG-1 in profile test: there is nothing to compare with"
    }
    left = {each.name for each in (gates.root / "reports/test/gates/CHG-1").iterdir()}
    assert left == {".lock", gates.kept()[0].name}


def test_a_rollback_that_is_broken_off_is_on_record(baseline: Gates) -> None:
    baseline.says("TST-ONE-01", "broken")
    baseline.project.write("scripts/rollback.sh", "#!/bin/sh\necho begun\ntouch begun\nsleep 300\n")
    child = subprocess.Popen(
        baseline.command("post", "CHG-1", "--execute-rollback"),
        cwd=baseline.root,
        env=baseline.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with child:
        for _ in range(1200):
            if (baseline.root / "begun").exists() or child.poll() is not None:
                break
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGTERM)
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 130, out
    story = json.loads((baseline.kept()[-1] / "gate.json").read_text(encoding="utf-8"))
    assert story["verdict"] == "NO-GO"
    assert story["rollback"]["exit_status"] is None
    assert story["rollback"]["reasons"][0]["effect"] == "INCONCLUSIVE"
