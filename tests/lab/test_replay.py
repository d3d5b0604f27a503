"""Real runs, green and red, judged again from what they left behind, with every way to the lab closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import faults
from tests.lab.conftest import ROOT, Outcome, Verify

# A network of its own, with nothing in it: neither the lab nor anything else is there.
ALONE = ("unshare", "--user", "--map-root-user", "--net", "--")


@pytest.fixture(scope="module")
def alone() -> tuple[str, ...]:
    if shutil.which(ALONE[0]) is None or subprocess.run([*ALONE, "true"], check=False).returncode != 0:
        pytest.fail("this machine gives no process a network of its own (unshare --user --net)", pytrace=False)
    return ALONE


def replay(alone: tuple[str, ...], run: Path, *arguments: str) -> tuple[int, str]:
    """Without network, and without any secret in the environment."""
    done = subprocess.run(
        [*alone, sys.executable, "-m", "opsverify.cli", "replay", str(run), *arguments],
        cwd=ROOT,
        env={name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def moved(outcome: Outcome, to: Path) -> Path:
    """The run alone, away from the runs and the ledger beside it."""
    return Path(shutil.copytree(outcome.directory, to / "evidence"))


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one", "two"])
def test_a_green_run_says_the_same(
    once: Verify, tmp_path: Path, alone: tuple[str, ...], workers: tuple[str, ...]
) -> None:
    outcome = once(*workers)
    assert outcome.red == {}, outcome.output
    status, said = replay(alone, moved(outcome, tmp_path))
    assert status == 0, said
    assert f"{len(outcome.states)} checks performed again" in said


def test_a_red_run_says_the_same(verify: Verify, tmp_path: Path, alone: tuple[str, ...]) -> None:
    with faults.stopped("redis", "tokenswap-api"):
        outcome = verify()
    assert "fail" in outcome.states.values(), outcome.output
    status, said = replay(alone, moved(outcome, tmp_path))
    assert status == 0, said


def test_a_run_that_did_not_reach_a_host_says_the_same(once: Verify, tmp_path: Path, alone: tuple[str, ...]) -> None:
    outcome = once(replace={"127.0.0.1:${LAB_PORT_SSH:-12222}": "127.0.0.1:1"})
    assert "error" in outcome.states.values()
    status, said = replay(alone, moved(outcome, tmp_path))
    assert status == 0, said
