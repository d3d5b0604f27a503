"""What the terminal says at 3 a.m., tried in real runs of a small project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opsverify.terminal import cut, pad, width, wrap
from opsverify.texts import visible

Run = Callable[..., str]

REQUIREMENT = """
[[requirement]]
id = "{id}"
title = "Title of {id}"
title_zh = "标题"
manual = "性能优化 › 2. 缓存优化"
lines = "132-141"
statement = "It is so."
statement_zh = "如此。"
severity = "{severity}"
kind = ["live"]
missing = "fail"
must_pass = false
remedy = "Remedy of {id}."
remedy_zh = "处理。"
target = "host"
"""
CHECKS = r"""
import pytest
from opsverify.errors import UnreachableError
from opsverify.judgement import holds

@pytest.fixture
def down():
    raise UnreachableError("node: cannot be reached")

@pytest.mark.requirement("LOW-FAIL-01", "CRIT-FAIL-01")
def test_fails(judge):
    judge([holds("in order", "yes", "yes", True), holds("policy", "no\x1b[31mevict\u202eion", "allkeys-lru", False)])

@pytest.mark.requirement("DOWN-A-01", "DOWN-B-01")
def test_down(down, judge):
    judge([holds("up", "yes", "yes", True)])

@pytest.mark.requirement("BUG-A-01")
def test_bug():
    raise KeyError("nobody foresaw this")

@pytest.mark.requirement("FINE-A-01")
def test_fine(judge):
    judge([holds("up", "yes", "yes", True)])
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the checks of a small project and gives what the terminal showed."""
    checks = tmp_path / "checks" / "health"
    checks.mkdir(parents=True)
    severities = {
        "LOW-FAIL-01": "low",
        "CRIT-FAIL-01": "critical",
        "DOWN-A-01": "medium",
        "DOWN-B-01": "high",
        "BUG-A-01": "low",
        "FINE-A-01": "low",
    }
    entries = [REQUIREMENT.format(id=name, severity=severity) for name, severity in severities.items()]
    (checks / "requirements.toml").write_text("".join(entries), encoding="utf-8")
    (checks / "test_health.py").write_text(CHECKS, encoding="utf-8")
    (tmp_path / "profiles" / "demo").mkdir(parents=True)
    (tmp_path / "profiles" / "demo" / "profile.toml").write_text(
        'name = "demo"\ndescription = "demo"\nhosts = [{ name = "node", connection = "local://" }]\n', encoding="utf-8"
    )
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["opsverify.plugin"]\n', encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -ra --import-mode=importlib\n", encoding="utf-8")

    def run_(*options: str) -> str:
        command = [sys.executable, "-m", "pytest", "checks", "--profile", "demo", *options]
        source = str(Path(__file__).parents[2] / "src")
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": source, "COLUMNS": "100", "PYTHONUTF8": "1"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert not done.stderr
        return done.stdout

    return run_


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_says_what_failed_where_and_what_to_do(run: Run, options: tuple[str, ...]) -> None:
    shown = run(*options)
    failure = shown[shown.index("FAIL  CRIT-FAIL-01") : shown.index("FAIL  LOW-FAIL-01")]

    assert re.sub(r" +", " ", failure).splitlines()[:5] == [
        "FAIL CRIT-FAIL-01 critical node Title of CRIT-FAIL-01",
        r" observed policy: no\x1b[31mevict\u202eion",
        " expected allkeys-lru",
        " manual 性能优化 › 2. 缓存优化 (132-141)",
        " do Remedy of CRIT-FAIL-01.",
    ]
    assert "\x1b" not in shown
    assert "DOES NOT MEET THE MANUAL: 6 checks: 2 failed, 3 could not be determined, 1 green." in shown


def test_says_one_reason_once(run: Run) -> None:
    shown = run()

    assert shown.count("node: cannot be reached") == 1
    assert "high      DOWN-B-01 on node\n      medium    DOWN-A-01 on node" in shown


def test_takes_the_place_of_what_pytest_says_but_for_tracebacks(run: Run) -> None:
    shown = run()

    assert "= FAILURES =" not in shown
    assert "Generated html report" not in shown
    assert "ERROR at call of test_bug" in shown
    assert "ERROR at setup of test_down" not in shown


def test_ends_with_the_paths_as_seen_from_here(run: Run) -> None:
    report, evidence, results, _, unsigned, digest = run().splitlines()[-6:]

    assert re.fullmatch(r"report   reports/demo/[^/]+/report\.html", report)
    assert re.fullmatch(r"evidence reports/demo/[^/]+/evidence\.html", evidence)
    assert re.fullmatch(r"results  reports/demo/[^/]+/results\.json", results)
    assert unsigned.startswith("UNSIGNED        the profile names no key")
    assert re.fullmatch(r"digest          [0-9a-f]{64} \S+", digest)


def test_a_partial_run_says_that_it_is_one(run: Run) -> None:
    shown = run("-k", "FINE")

    assert "PARTIAL RUN: 5 of 6 checks not tested." in shown
    assert "left out by the selection (-k 'FINE'): health 5" in shown
    assert "WHAT WAS TESTED MEETS THE MANUAL: 1 of 6 checks tested: all green." in shown


def test_no_summary_is_kept_to(run: Run) -> None:
    assert "MANUAL" not in run("--no-summary")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("中文 – fine", "中文 – fine"),
        ("two\r\nlines", "two\nlines"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("half \udc80", r"half \udc80"),
        ("back\x08 bell\x07 null\x00", r"back\x08 bell\x07 null\x00"),
        ("para\u2029graph", r"para\u2029graph"),
    ],
)
def test_nothing_acts_on_the_terminal(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_chinese_takes_two_columns() -> None:
    assert width("缓存 ok") == 7
    assert pad("缓存", 6) == "缓存  "
    assert cut("缓存优化", 5) == "缓存"


def test_wraps_by_columns_and_loses_nothing() -> None:
    text = "切勿在高负载下重启 the server under load " + "x" * 50
    lines = list(wrap(text, 20))

    assert all(width(line) <= 20 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
