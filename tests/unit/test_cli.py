"""The command: what it writes, what it lists, and that every wrong use ends in one line and changes nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import documents as lab
from opsverify import catalogue, cli
from opsverify.attest import needing
from opsverify.probes import postgres
from opsverify.probes.postgres import Statement
from tests.unit.conftest import Command, Said

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()
PROFILE = 'name = "test"\ndescription = "d"\n'
DATABASE = """
[[databases]]
name = "pg"
address = "127.0.0.1:1"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a profile in a project; the command is started two folders above."""
    found = tmp_path / "profiles" / "test"
    (found / "evidence").mkdir(parents=True)
    (found / "evidence" / "call.txt").write_text("answered\n", encoding="utf-8")
    (found / "evidence" / "empty").touch()
    (found / "profile.toml").write_text(PROFILE, encoding="utf-8")
    shutil.copytree(ROOT / "checks", tmp_path / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_now", lambda: NOW)
    monkeypatch.delenv("TEST_SECRET", raising=False)
    return found


ATTEST = {
    "": "CON-PHONE-01",
    "--statement": 'Called at 03:10, "yes"\n值班 answered',
    "--by": "Anna Smith",
    "--reviewed-by": "Tom Lang",
    "--artefact": "profiles/test/evidence/call.txt",
}


def attest(**change: str | None) -> list[str]:
    chosen = {**ATTEST, **{name.replace("_", "-"): value for name, value in change.items()}}
    found = ["attest"]
    for name, value in chosen.items():
        if value is not None:
            found += [value] if not name else [name if name.startswith("--") else f"--{name}", value]
    return found


def written(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "attestations.toml").read_text(encoding="utf-8")
    return list(tomllib.loads(text)["attestation"])


def test_an_attestation_is_appended_and_shown(command: Command, folder: Path) -> None:
    said = command(*attest())
    assert (said.status, said.err) == (0, "")
    (entry,) = written(folder)
    assert tomllib.loads(said.out)["attestation"] == [entry]
    assert entry == {
        "requirement": "CON-PHONE-01",
        "statement": 'Called at 03:10, "yes"\n值班 answered',
        "by": "Anna Smith",
        "reviewed_by": "Tom Lang",
        "date": TODAY,
        "valid_for": "90d",
        "artefact": "evidence/call.txt",
        "sha256": hashlib.sha256(b"answered\n").hexdigest(),
    }


def test_what_is_in_the_file_stays_as_it_is(command: Command, folder: Path) -> None:
    file = folder / "attestations.toml"
    file.write_text("# ours\n\n\n", encoding="utf-8")
    command(*attest())
    before = file.read_bytes()
    assert before.startswith(b"# ours\n\n[[attestation]]\n")
    assert command(*attest(**{"": "CON-MAIL-01"}, target="program", valid_for="30d")).status == 0
    assert file.read_bytes().startswith(before.rstrip())
    assert [each["requirement"] for each in written(folder)] == ["CON-PHONE-01", "CON-MAIL-01"]
    assert written(folder)[1]["target"] == "program"
    assert sorted(each.name for each in folder.iterdir()) == ["attestations.toml", "evidence", "profile.toml"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"": None}, "attest: needs REQUIREMENT"),
        ({"--statement": None, "--by": None}, "attest: needs --statement, --by"),
        ({"": "CON-PHONE-1"}, "attest: requirement: 'CON-PHONE-1' is not in the catalogue"),
        ({"": "HLT-PG-01"}, "attest: requirement: HLT-PG-01 is proven by a machine (live), not attested"),
        ({"--reviewed-by": "anna  SMITH"}, "attest: reviewed_by: 'anna SMITH' made the statement"),
        ({"--statement": " "}, "attest: statement: String should have at least 1 character"),
        ({"--artefact": "profiles/test/evidence/none"}, "--artefact profiles/test/evidence/none: no such file"),
        ({"--artefact": "profiles/test/evidence/empty"}, "evidence/empty: is empty, so it bears nothing out"),
        ({"--artefact": "profiles/test/evidence"}, "cannot be read: it is no regular file"),
        ({"--artefact": "profiles/test"}, "does not lie inside the folder"),
        ({"--artefact": "checks/people/requirements.toml"}, "lies outside of test/, the folder of the attestations"),
        ({"--target": "node"}, "attest: target: no program 'node' in the profile (it has: program)"),
        ({"--date": str(TODAY + timedelta(days=2))}, "is in the future"),
        ({"--date": "yesterday"}, "argument --date: got 'yesterday', expected a day such as"),
        ({"--valid-for": "400d"}, "argument --valid-for: got '400d', expected 1d to 366d"),
        ({"--due": "30d"}, "attest: --due lists what is due and goes without requirement"),
        ({"--colour": "red"}, "unrecognized arguments: --colour red"),
    ],
)
def test_wrong_use_ends_in_one_line_and_writes_nothing(
    command: Command, folder: Path, change: dict[str, str | None], said: str
) -> None:
    found = command(*attest(**change))
    assert found.status == 64
    assert said in found.err
    assert found.err.count("\n") == 1
    assert not (folder / "attestations.toml").exists()


@pytest.mark.parametrize(
    "text", ["attestation = 1\n", "attestation = []\n", "[[attestation]]\nby = 1\n", "[attestation\n", "x = 1\n"]
)
def test_a_file_that_is_not_in_order_is_left_as_it_is(command: Command, folder: Path, text: str) -> None:
    (folder / "attestations.toml").write_text(text, encoding="utf-8")
    found = command(*attest())
    assert found.status == 64
    assert found.err.startswith("opsverify: profiles/test/attestations.toml: ")
    assert (folder / "attestations.toml").read_text(encoding="utf-8") == text


@pytest.mark.usefixtures("folder")
def test_everything_that_people_owe_is_due_in_an_empty_profile(command: Command) -> None:
    said = command("attest", "--due", "30d")
    assert said.status == 1
    owed = [line.split()[2] for line in said.out.splitlines()[1:]]
    demands = catalogue.load(ROOT / "checks")
    of_all = [each for each in needing(ROOT / "checks") if demands[each].target_kinds == ("program",)]
    assert owed == sorted([*of_all, "roster", "baseline"])
    assert {"CON-PHONE-01", "BP-PERF-03", "BP-SEC-01", "BP-SEC-04"} <= set(owed)
    assert not {"CON-DUTY-02", "CON-ESC-01"} & set(owed)  # they rest on the roster


def fill(folder: Path, days_ago: int = 0) -> None:
    lab.write(folder, NOW - timedelta(days=days_ago))
    (folder / "baseline.toml").write_text(
        f'taken = {TODAY}T00:00:00Z\nvalid_for = "366d"\nby = "a"\nload = "l"\nversion = "1"\n', encoding="utf-8"
    )


def test_nothing_is_due_while_all_of_it_holds(command: Command, folder: Path) -> None:
    fill(folder)
    assert command("attest", "--due", "29d") == Said(0, "nothing is due within 29d\n", "")
    said = command("attest", "--due", "30d")
    assert said.status == 1
    last = str(TODAY + timedelta(days=30))
    assert [line.split()[:5] for line in said.out.splitlines()[1:]] == [
        *(["30", last, each, "due", "Aylin"] for each in ("BP-SEC-01", "BP-SEC-04")),
        ["30", last, "roster", "due", "Mara"],
    ]


def test_what_is_due_comes_with_the_most_urgent_first(command: Command, folder: Path) -> None:
    fill(folder, days_ago=31)
    (folder / "evidence" / "CON-TEAM-02.md").write_text("changed\n", encoding="utf-8")
    (folder / "evidence" / "CON-TEAM-03.md").unlink()
    lines = [line.split() for line in command("attest", "--due", "29d").out.splitlines()[1:]]
    assert [(line[0], line[2], line[3]) for line in lines[:5]] == [
        ("29", "CON-TEAM-02", "artefact"),
        ("29", "CON-TEAM-03", "artefact"),
        *(("-1", each, "expired") for each in ("BP-SEC-01", "BP-SEC-04", "roster")),
    ]
    assert {line[3] for line in lines[5:]} == {"due"}


def test_a_limit_on_the_age_can_be_reached_before_the_statement_runs_out(command: Command, folder: Path) -> None:
    fill(folder)
    command(*attest(date=str(TODAY - timedelta(days=85)), valid_for="366d", **{"": "CON-PHONE-01"}))
    file = folder / "attestations.toml"
    text = file.read_text(encoding="utf-8").replace(
        '"CON-PHONE-01"\nstatement = "Lab', '"CON-MAIL-01"\nstatement = "Lab'
    )
    file.write_text(text, encoding="utf-8")
    said = command("attest", "--due", "5d")
    assert [line.split()[:4] for line in said.out.splitlines()[1:]] == [
        ["5", str(TODAY + timedelta(days=5)), "CON-PHONE-01", "due"]
    ]


def test_what_is_declared_not_applicable_is_not_owed(command: Command, folder: Path) -> None:
    entry = '[[not_applicable]]\nrequirement = "CON-PHONE-01"\nreason = "r"\napproved_by = "a"\nexpires = 2999-01-01\n'
    (folder / "profile.toml").write_text(PROFILE + entry, encoding="utf-8")
    assert "CON-PHONE-01" not in command("attest", "--due", "1d").out


def test_a_malformed_roster_is_told_in_one_line(command: Command, folder: Path) -> None:
    (folder / "roster.toml").write_text("by = 1\n", encoding="utf-8")
    said = command("attest", "--due", "1d")
    assert said.status == 64
    assert said.err.startswith("opsverify: profiles/test/roster.toml: by: Input should be a valid string")
    assert said.err.count("\n") == 1


BASELINE = ("baseline", "--load", "20 orders/s", "--version", "2.4.1", "--by", "Anna Smith")


@pytest.fixture
def database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "profile.toml").write_text(PROFILE + DATABASE, encoding="utf-8")
    monkeypatch.setenv("TEST_SECRET", "hunter22hunter22")


@pytest.mark.usefixtures("database")
def test_a_baseline_is_taken_of_every_database(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = (Statement("1", 2, 3.0, "SELECT 1"), Statement("2", 1, 9.00049, "it is hunter22hunter22"))
    monkeypatch.setattr(postgres, "statements", lambda _: seen)
    said = command(*BASELINE)
    assert said.status == 0
    assert said.out.startswith("profiles/test/baseline.toml: 2 statements, good until ")
    found = tomllib.loads((folder / "baseline.toml").read_text(encoding="utf-8"))
    assert (found["load"], found["version"], found["valid_for"]) == ("20 orders/s", "2.4.1", "180d")
    assert found["statement"] == [
        {"database": "pg", "queryid": "2", "calls": 1, "total_ms": 9.0, "text": "it is [redacted]"},
        {"database": "pg", "queryid": "1", "calls": 2, "total_ms": 3.0, "text": "SELECT 1"},
    ]


@pytest.mark.usefixtures("database")
def test_a_database_that_does_not_answer_leaves_the_old_baseline(command: Command, folder: Path) -> None:
    (folder / "baseline.toml").write_text("old", encoding="utf-8")
    said = command(*BASELINE)
    assert said.status == 69
    assert said.err.count("\n") == 1
    assert "refused" in said.err
    assert (folder / "baseline.toml").read_text(encoding="utf-8") == "old"
    (transcript,) = Path("reports/test/baselines").glob("*/transcript.jsonl")
    assert "refused" in transcript.read_text(encoding="utf-8")


@pytest.mark.usefixtures("database")
def test_nothing_recorded_is_no_baseline(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "statements", lambda _: ())
    said = command(*BASELINE)
    assert said.status == 69
    assert "database pg: no statement is recorded" in said.err
    assert not (folder / "baseline.toml").exists()


def test_a_profile_without_a_database_has_no_baseline(command: Command, folder: Path) -> None:
    said = command(*BASELINE)
    assert (said.status, said.err) == (64, "opsverify: profile.toml: databases: has none to take a baseline of\n")
    assert not (folder / "baseline.toml").exists()


def test_a_folder_that_is_no_project_says_so(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    said = command("attest", "--due", "1d")
    assert said.status == 64
    assert "is not inside a project: expected folders checks/ and profiles/" in said.err


def test_a_project_is_found_from_any_folder_of_it(command: Command, folder: Path) -> None:
    os.chdir(folder / "evidence")
    assert command(*attest(artefact="call.txt")).status == 0


def test_an_internal_error_is_told_apart(command: Command, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(cli, "project", broken)
    said = command("attest", "--due", "1d")
    assert said.status == 70
    assert "ZeroDivisionError: boom" in said.err
