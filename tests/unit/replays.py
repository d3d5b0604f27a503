"""A small project that is run, and its runs replayed, in a process that can reach nobody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from opsverify.evidence import manifest
from tests.unit.small_project import SECRET, Outcome, Project, entries

CHECKS = """
import os

import pytest

from opsverify.errors import UnansweredError
from opsverify.judgement import holds, within
from opsverify.probes import attempt, output


def text(host, path):
    return output(host, f"cat {path}").strip()


@pytest.mark.requirement("RPL-FACT-01", "RPL-FACT-02")
def test_a_fact_of_two_checks(host, fact, judge):
    judge([holds("state", fact(text, host, "ROOT/state"), "up", met=fact(text, host, "ROOT/state") == "up")])


@pytest.mark.requirement("RPL-POLL-01")
def test_the_same_question_has_an_answer_each_time(host, now, judge):
    seen = tuple(host.run("date +%N").stdout.strip() for _ in range(3))
    judge([holds("polls", seen, "three", met=len(set(seen)) == 3), holds("now", now.isoformat(), "a moment", met=True)])


@pytest.mark.requirement("RPL-RAW-01")
def test_bytes(host, judge):
    raw = host.channel.ask("cat ROOT/raw")[1]
    judge([holds("bytes", raw.hex(), "as they are", met=raw == bytes(range(256)))])


@pytest.mark.requirement("RPL-LIMIT-01")
def test_a_number_against_a_limit(host, limits, judge):
    judge([within("used", float(output(host, "cat ROOT/used")), limits.used)])


@pytest.mark.requirement("RPL-UP-01")
def test_what_is_down_is_a_finding(host, judge):
    found = attempt(lambda: output(host, "cat ROOT/up"))
    judge([holds("up", found.failure or "up", "up", met=not found.failure)])


@pytest.mark.requirement("RPL-MASK-01")
def test_what_was_masked(host, judge):
    judge([holds("secret", output(host, "cat ROOT/leak"), "shown", met=True)])
"""
NAMES = ("RPL-FACT-01", "RPL-FACT-02", "RPL-POLL-01", "RPL-RAW-01", "RPL-LIMIT-01", "RPL-UP-01", "RPL-MASK-01")
FILES = {"state": "up\n", "used": "0.5\n", "up": "yes\n", "leak": f"it is {SECRET}\u2028!\n"}
PROFILE = """
name = "test"
description = "${RPL_WORDS:-d}"
hosts = [{ name = "one", connection = "local://" }, { name = "two", connection = "local://" }]
[[databases]]
name = "pg"
address = "127.0.0.1:1"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
"""


class Replayed(NamedTuple):
    status: int
    output: str


def replay(project: Project, run: Path, *arguments: str) -> Replayed:
    """By the command, from the project's folder, without the secret."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "opsverify.cli", "replay", str(run), *arguments],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Replayed(done.returncode, done.stdout + done.stderr)


def made(root: Path, **files: str) -> Project:
    project = Project(root)
    project.write("checks/health/requirements.toml", entries(*NAMES))
    project.write("checks/health/test_it.py", CHECKS.replace("ROOT", str(root)))
    project.write("profiles/test/profile.toml", PROFILE)
    for name, text in {**FILES, **files}.items():
        project.write(name, text)
    (root / "raw").write_bytes(bytes(range(256)))
    return project


def gone(project: Project) -> None:
    """Whoever asked a live system now would hear something else."""
    for name in (*FILES, "raw"):
        (project.root / name).unlink(missing_ok=True)


def sealed_anew(run: Path) -> None:
    """As whoever altered it does who knows how, and has no key."""
    (run / manifest.SUMS).write_bytes(manifest.dump(manifest.digests_of(run)))


class Kept(NamedTuple):
    project: Project
    outcome: Outcome

    def copy(
        self, to: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda found: found
    ) -> Path:
        """The run, with another transcript, and sealed anew."""
        assert self.outcome.directory is not None
        run = to / "copy"
        shutil.copytree(self.outcome.directory, run)
        lines = [json.dumps(each, ensure_ascii=False) for each in change(self.outcome.exchanges)]
        (run / "transcript.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        sealed_anew(run)
        return run
