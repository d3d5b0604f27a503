"""A small project with this plugin, its checks ending in every state there is, run by pytest for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SECRET = "hunter22hunter22"

ENTRY = """
[[requirement]]
id = "{id}"
title = "t"
title_zh = "题"
manual = "m"
lines = "1"
statement = "s {{used}}"
statement_zh = "述 {{used}}"
severity = "{severity}"
kind = ["live"]
missing = "error"
must_pass = false
remedy = "r"
remedy_zh = "办"
target = "{target}"
{more}
[requirement.limits.used]
at_most = 0.8
unit = "ratio"
origin = "{origin}"
"""

HEALTH = """
import os

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import holds


def seen(met, observed="x", name="it"):
    return [holds(name, observed, "x", met=met)]


@pytest.mark.requirement("TST-PASS-01")
def test_pass(judge):
    judge(seen(True))


@pytest.mark.requirement("TST-FAIL-01")
def test_fail(judge):
    judge([*seen(True, name="first"), *seen(False, "y", "second")])


@pytest.mark.requirement("TST-PLAIN-01")
def test_plain_assertions_on_testinfras_host(host):
    passwd = host.file("/etc/passwd")
    assert passwd.exists
    assert passwd.mode == 0o644


@pytest.mark.requirement("TST-PLAIN-02")
def test_plain_failure(subject):
    assert subject.target == "other"


@pytest.mark.requirement("TST-RAISE-01")
def test_raises(limits):
    raise InsufficientFactsError(f"too little for {limits.used}")


@pytest.mark.requirement("TST-BOOM-01")
def test_boom():
    raise ValueError("boom")


@pytest.mark.requirement("TST-NOTHING-01")
def test_nothing():
    pass


@pytest.mark.requirement("TST-NOTHING-02")
def test_judges_nothing(judge):
    judge([])


@pytest.fixture
def broken():
    raise AssertionError("a probe failed")


@pytest.mark.requirement("TST-SETUP-01")
def test_setup(broken, judge):
    judge(seen(True))


@pytest.fixture
def breaks_later():
    yield
    raise OSError("late")


@pytest.mark.requirement("TST-TEARDOWN-01")
def test_teardown(breaks_later, judge):
    judge(seen(True))


@pytest.mark.requirement("TST-SKIP-01")
def test_skip():
    pytest.skip("not today, " + os.environ["TEST_SECRET"])


@pytest.mark.requirement("TST-XFAIL-01")
@pytest.mark.xfail
def test_xfail(judge):
    judge(seen(False))


@pytest.mark.requirement("TST-NA-01")
def test_not_applicable(judge):
    judge(seen(False))


@pytest.mark.requirement("TST-GUARD-01")
def test_guard(host, tmp_path):
    host.run(f"touch {tmp_path}/x")


@pytest.mark.requirement("TST-HOSTILE-01")
def test_hostile(judge):
    judge(seen(True, "\\ud800 \\u2028 </script><img src=x onerror=alert(1)> \\x1b[31m \\u202e", "\\x00 na\\nme"))


@pytest.mark.requirement("TST-SECRET-01")
def test_secret(host, request):
    found = host.file(str(request.config.rootpath / "leak")).content_string
    print(found)
    assert found == "something else"


def test_without_a_requirement():
    assert True
"""
SECURITY = """
import pytest

from opsverify.judgement import holds


@pytest.mark.requirement("TST-ONE-01")
def test_one(host, judge):
    judge([holds("root", host.user("root").uid, "0", met=host.user("root").uid == 0)])


@pytest.mark.slow
@pytest.mark.requirement("TST-SLOW-01")
def test_slow(host, judge):
    judge([holds("etc", host.file("/etc").is_directory, "yes", met=host.file("/etc").is_directory)])


@pytest.mark.requirement("TST-TWO-01", "TST-TWO-02")
def test_two(host, judge):
    judge([holds("passwd", host.file("/etc/passwd").exists, "yes", met=True)])
"""
PROFILE = """
name = "test"
description = "d"
[[hosts]]
name = "one"
connection = "local://"
[[hosts]]
name = "two"
connection = "local://"
[[databases]]
name = "pg"
address = "127.0.0.1:1"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
[[not_applicable]]
requirement = "TST-NA-01"
reason = "no such thing here"
approved_by = "someone"
expires = 2999-01-01
"""

STATES = {
    "TST-PASS-01": "pass",
    "TST-FAIL-01": "fail",
    "TST-PLAIN-01": "pass",
    "TST-PLAIN-02": "fail",
    "TST-RAISE-01": "error",
    "TST-BOOM-01": "error",
    "TST-NOTHING-01": "error",
    "TST-NOTHING-02": "error",
    "TST-SETUP-01": "error",
    "TST-TEARDOWN-01": "error",
    "TST-SKIP-01": "not-tested",
    "TST-XFAIL-01": "fail",
    "TST-NA-01": "not-applicable",
    "TST-GUARD-01": "error",
    "TST-HOSTILE-01": "pass",
    "TST-SECRET-01": "fail",
}
GREEN = ("TST-ONE-01", "TST-SLOW-01", "TST-TWO-01", "TST-TWO-02")


def entries(*names: str, severity: str = "high", more: str = "", origin: str = "manual", target: str = "host") -> str:
    return "".join(ENTRY.format(id=name, severity=severity, more=more, origin=origin, target=target) for name in names)


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    status: int
    output: str
    directory: Path | None

    @property
    def results(self) -> dict[str, Any]:
        assert self.directory is not None, self.output
        text = (self.directory / "results.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
        return found

    @property
    def exchanges(self) -> list[dict[str, Any]]:
        assert self.directory is not None, self.output
        text = (self.directory / "transcript.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    def states(self) -> dict[str, str]:
        return {f"{each['requirement']}-{each['target']}": each["state"] for each in self.results["checks"]}

    def entry(self, requirement: str, target: str = "one") -> dict[str, Any]:
        (found,) = [
            each for each in self.results["checks"] if (each["requirement"], each["target"]) == (requirement, target)
        ]
        return dict(found)


class Project:
    """A folder with a conftest, a catalogue, checks and a profile."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("conftest.py", "pyproject.toml"):
            shutil.copy(ROOT / name, root / name)
        self.write("profiles/test/profile.toml", PROFILE)
        self.write("leak", f"it is {SECRET}\u2028!\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def run(self, *arguments: str, profile: str | None = "test", paths: tuple[str, ...] = ("checks",)) -> Outcome:
        before = set(self.runs())
        chosen = ["--profile", profile] if profile else []
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TEST_"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", *paths, *chosen, *arguments],
            cwd=self.root,
            env={**environment, "TEST_SECRET": SECRET, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        new = sorted(set(self.runs()) - before)
        assert len(new) <= 1
        return Outcome(done.returncode, done.stdout + done.stderr, new[0] if new else None)

    def runs(self) -> list[Path]:
        return [each for each in self.root.glob("reports/*/*") if each.is_dir() and not each.is_symlink()]


def reconciles(outcome: Outcome, total: int) -> None:
    population = outcome.results["population"]
    assert population["reconciled"]
    assert population["strays"] == []
    assert population["total"] == total == len(outcome.results["checks"])
    counted = Counter(each["state"] for each in outcome.results["checks"])
    assert {state: count for state, count in population["states"].items() if count} == counted


def single(root: Path) -> Project:
    """A project with a single check, to be spoilt."""
    found = Project(root)
    found.write("checks/health/requirements.toml", entries("TST-PASS-01", "TST-NA-01"))
    found.write(
        "checks/health/test_it.py",
        "import pytest\nfrom opsverify.judgement import holds\n"
        '@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")\n'
        "def test_it(judge):\n    judge([holds('a', 1, '1', met=True)])\n",
    )
    return found
