"""Bundles of real runs: sealed, signed with the lab's key, in one chain, and verified by whoever comes later."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsverify.evidence import bundle, manifest, signing, stream
from opsverify.evidence.manifest import SIGNATURE, SUMS
from opsverify.evidence.signing import Trust
from tests.lab.conftest import ROOT, Outcome, Verify

EVIDENCE = ROOT / "lab" / ".state" / "evidence"
RUNNER = "opsverify@lab"
SEEN = ("-k", "HLT-PG or HLT-RED or SEC-CERT-01")


def trusted() -> Trust:
    return signing.trust(datetime.now(UTC), EVIDENCE / "allowed_signers", None, RUNNER)


def stock(directory: Path) -> list[int]:
    """What sha256sum and ssh-keygen say of a run, by their exit status."""
    sums = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", SUMS], cwd=directory, check=False)
    command = ["ssh-keygen", "-Y", "verify", "-f", str(EVIDENCE / "allowed_signers"), "-I", RUNNER, "-n", "opsverify"]
    with (directory / SUMS).open("rb") as text:
        keygen = subprocess.run([*command, "-s", SIGNATURE], cwd=directory, stdin=text, check=False)
    return [sums.returncode, keygen.returncode]


def opsverify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "opsverify.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def copied(outcome: Outcome, to: Path) -> Outcome:
    """The run in a copy of its stream, to be spoilt."""
    stream_of = outcome.directory.parent
    shutil.copytree(stream_of, to / stream_of.name, symlinks=True)
    return replace(outcome, directory=to / stream_of.name / outcome.directory.name)


def last_lines(outcome: Outcome) -> str:
    return "\n".join(outcome.output.strip().splitlines()[-2:])


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_a_whole_run_of_the_lab_is_sealed_signed_and_verified(
    once: Verify, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    outcome = copied(once(*arguments), tmp_path)
    found = bundle.verify(outcome.directory, trusted())
    assert found.holds, found.told()
    assert found.findings == ()
    assert stock(outcome.directory) == [0, 0]
    assert f"SIGNED          by {RUNNER}" in last_lines(outcome)
    assert found.digest in last_lines(outcome)
    assert outcome.results["run"]["evidence"]["signed_by"] == RUNNER
    said = opsverify("bundle", "verify", str(outcome.directory))
    assert said.returncode == 0, said.stdout + said.stderr
    listed = manifest.parse((outcome.directory / SUMS).read_bytes())
    for name in ("results.json", "transcript.jsonl", "report.html", "junit.xml", "PREV", "seal.json"):
        assert name in listed
    for name in listed:
        path = outcome.directory / name
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert not bundle.verify(outcome.directory, trusted()).holds, name
        assert stock(outcome.directory)[0] != 0, name
        path.write_bytes(content)
    assert bundle.verify(outcome.directory, trusted()).holds


def test_runs_of_the_lab_are_a_chain_from_which_nothing_is_taken(verify: Verify) -> None:
    outcomes = [verify(*SEEN) for _ in range(3)]
    runs = outcomes[0].directory.parent
    found = stream.verify(runs, trusted())
    assert found.holds, found.told()
    digests = [manifest.digest_of((each.directory / SUMS).read_bytes()) for each in outcomes]
    said = opsverify("bundle", "chain", str(runs), "--head", digests[2])
    assert said.returncode == 0, said.stdout + said.stderr
    assert "3 runs in one chain" in said.stdout
    taken = outcomes[1].directory.rename(runs.parent / "taken")
    said = opsverify("bundle", "chain", str(runs))
    assert said.returncode == 1
    assert f"MISSING         {outcomes[1].directory.name}: is not there" in said.stdout
    taken.rename(outcomes[1].directory)
    shutil.rmtree(outcomes[2].directory)
    said = opsverify("bundle", "chain", str(runs))
    assert said.returncode == 1
    assert f"TRUNCATED       {outcomes[2].directory.name}" in said.stdout


def test_a_red_run_is_evidence_just_as_well(verify: Verify) -> None:
    outcome = verify(*SEEN, append="\n[limits.SEC-CERT-01]\nremaining_days = 3000\n")
    assert outcome.exit_status == 1
    assert bundle.verify(outcome.directory, trusted()).holds


def test_without_the_key_a_run_says_unsigned_and_stands(verify: Verify) -> None:
    outcome = verify(*SEEN, replace={"lab/.state/evidence/runner_ed25519": "lab/.state/evidence/none"})
    assert outcome.exit_status == 0, outcome.output
    assert "UNSIGNED        key file lab/.state/evidence/none is not there" in outcome.output
    found = bundle.verify(outcome.directory, trusted())
    assert [each.word for each in found.findings] == ["UNSIGNED"]
    assert "UNSIGNED" in (outcome.directory / "report.html").read_text(encoding="utf-8")


def test_the_digest_reaches_a_hook_and_a_review_lies_beside_the_run(verify: Verify, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text('#!/bin/sh\nprintf %s "$2" > "$1"\n', encoding="utf-8")
    hook.chmod(0o755)
    line = 'identity = "opsverify@lab"\n'
    got = tmp_path / "got"
    outcome = verify(*SEEN, replace={line: f"{line}publish = {json.dumps([str(hook), str(got)])}\n"})
    digest = got.read_text(encoding="utf-8")
    assert digest == manifest.digest_of((outcome.directory / SUMS).read_bytes())
    who = ["--reviewer", "Mara Lindqvist", "--role", "operations manager", "--verdict", "accepted"]
    said = opsverify("sign-off", str(outcome.directory), *who, "--key", str(EVIDENCE / "reviewer_ed25519"))
    assert said.returncode == 0, said.stdout + said.stderr
    said = opsverify("bundle", "verify", str(outcome.directory))
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Mara Lindqvist (operations manager): accepted" in said.stdout
    assert opsverify("bundle", "chain", str(outcome.directory.parent), "--head", digest).returncode == 0
