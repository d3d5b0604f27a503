"""Runs of a small project, replayed from what they left behind, in a process that can reach nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsverify.cli import main
from tests.unit.replays import CHECKS, NAMES, PROFILE, Kept, gone, made, replay, sealed_anew
from tests.unit.small_project import entries


@pytest.fixture
def refused(kept: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the command complains of, in one line, before it starts anything."""

    def ask(run: Path, *arguments: str) -> str:
        monkeypatch.chdir(kept.project.root)
        assert main(["replay", str(run), *arguments]) == 64
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    return ask


def test_a_green_run_says_the_same_without_its_systems(kept: Kept) -> None:
    assert kept.outcome.directory is not None
    before = sorted((each, each.stat().st_mtime_ns) for each in kept.outcome.directory.rglob("*"))
    found = replay(kept.project, kept.outcome.directory)
    assert found.status == 0, found.output
    assert "14 checks performed again" in found.output
    assert "EQUAL: every check says what is on record (14)" in found.output
    assert sorted((each, each.stat().st_mtime_ns) for each in kept.outcome.directory.rglob("*")) == before


def test_inputs_hold_what_was_in_force_and_no_secret(kept: Kept) -> None:
    assert kept.outcome.directory is not None
    inputs = kept.outcome.directory / "inputs"
    assert sorted(each.name for each in inputs.iterdir()) == [
        "catalogue.json",
        "profile.json",
        "profile.toml",
        "run.json",
    ]
    assert (inputs / "profile.toml").read_text(encoding="utf-8") == PROFILE
    profile = json.loads((inputs / "profile.json").read_text(encoding="utf-8"))
    assert profile["description"] == "d"
    assert profile["databases"][0]["password"] == {"env": "TEST_SECRET", "file": None}
    assert profile["program"]["roster"] == "profiles/test/roster.toml"
    about = json.loads((inputs / "run.json").read_text(encoding="utf-8"))
    assert about["start"].startswith(kept.outcome.results["run"]["start"][:23])
    demands = json.loads((inputs / "catalogue.json").read_text(encoding="utf-8"))["requirements"]
    assert [each["id"] for each in demands] == list(NAMES)
    assert demands[0]["limits"]["used"]["at_most"] == 0.8


def test_a_red_run_says_the_same(tmp_path: Path) -> None:
    project = made(tmp_path, state="down\n", used="0.9\n")
    outcome = project.run()
    assert outcome.status == 1
    assert [outcome.states()[f"{name}-one"] for name in ("RPL-FACT-01", "RPL-LIMIT-01")] == ["fail", "fail"]
    gone(project)
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 0, found.output


def test_a_run_that_could_not_see_says_the_same_and_asks_nobody(tmp_path: Path) -> None:
    project = made(tmp_path)
    (tmp_path / "state").unlink()
    project.change(
        "profiles/test/profile.toml",
        'name = "two", connection = "local://"',
        'name = "two", connection = "ssh://u@127.0.0.1:1"',
    )
    outcome = project.run()
    assert outcome.states()["RPL-FACT-01-one"] == "error"
    assert {state for name, state in outcome.states().items() if name.endswith("-two")} == {"error"}
    (failure,) = [each for each in outcome.exchanges if each["channel"] == "shell" and each["target"] == "two"]
    assert failure["error"] == "CarrierError"
    gone(project)
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 0, found.output


def test_parallel_workers_each_hear_their_own_answers(tmp_path: Path) -> None:
    project = made(tmp_path)
    outcome = project.run("-n", "2")
    assert outcome.status == 0, outcome.output
    assert {each["worker"] for each in outcome.results["checks"]} == {"gw0", "gw1"}
    gone(project)
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 0, found.output


def test_a_selection_is_replayed_as_far_as_it_went(tmp_path: Path) -> None:
    project = made(tmp_path)
    outcome = project.run("-k", "RPL-POLL")
    gone(project)
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 0, found.output
    assert "2 checks performed again" in found.output
    assert "12 checks had not been performed" in found.output


LACKING = {"/state": "RPL-FACT-01", "/used": "RPL-LIMIT-01", "date": "RPL-POLL-01", "/up": "RPL-UP-01"}


def test_a_question_that_the_transcript_lacks_is_an_error(kept: Kept, tmp_path: Path) -> None:
    def without(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        of_one = [each for each in found if each["target"] == "one"]
        lost = [next(each for each in of_one if question in str(each["question"])) for question in LACKING]
        return [each for each in found if each not in lost]

    found = replay(kept.project, kept.copy(tmp_path, without))
    assert found.status == 1
    for requirement in LACKING.values():
        assert f"{requirement}-one: recorded pass, replayed error" in found.output
        assert f"{requirement}-two: " not in found.output
    assert found.output.count("the transcript lacks the question") >= len(LACKING)


def test_an_altered_answer_is_seen(kept: Kept, tmp_path: Path) -> None:
    def altered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for each in found:
            if str(each["question"]).endswith("/used") and each["target"] == "two":
                each["answer"]["stdout"] = "0.7\n"
        return found

    found = replay(kept.project, kept.copy(tmp_path, altered))
    assert found.status == 1
    assert "RPL-LIMIT-01-two: recorded pass, replayed pass" in found.output
    assert "recorded used: 0.5, expected at most 0.8 (met)" in found.output
    assert "replayed used: 0.7, expected at most 0.8 (met)" in found.output
    assert "DIFFERENT: 1 check of 14" in found.output


@pytest.mark.parametrize("answer", [None, "text", {"exit_status": 0}, {"exit_status": 0, "stdout": 7, "stderr": ""}])
def test_an_answer_that_no_run_writes_is_an_error(kept: Kept, tmp_path: Path, answer: object) -> None:
    def altered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**each, "answer": answer} if str(each["question"]).endswith("/up") else each for each in found]

    found = replay(kept.project, kept.copy(tmp_path, altered))
    assert found.status == 1
    assert "RPL-UP-01-one: recorded pass, replayed error" in found.output


def test_a_changed_verdict_on_record_is_seen(tmp_path: Path) -> None:
    project = made(tmp_path, used="0.9\n")
    outcome = project.run()
    assert outcome.directory is not None
    file = outcome.directory / "results.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"state": "fail"', '"state": "pass"'), encoding="utf-8")
    sealed_anew(outcome.directory)
    found = replay(project, outcome.directory)
    assert found.status == 1
    assert "RPL-LIMIT-01-one: recorded pass, replayed fail" in found.output


LOOSE = "[limits.RPL-LIMIT-01]\nused = 0.95\n"
TIGHT = "[limits.RPL-LIMIT-01]\nused = 0.4\n"


def test_other_limits_are_tried_and_said_to_be_a_trial(kept: Kept, tmp_path: Path) -> None:
    assert kept.outcome.directory is not None
    (tmp_path / "tight.toml").write_text(TIGHT, encoding="utf-8")
    (tmp_path / "loose.toml").write_text(LOOSE, encoding="utf-8")
    tight = replay(kept.project, kept.outcome.directory, "--limits", str(tmp_path / "tight.toml"))
    assert tight.status == 1
    assert "TRIAL under the limits of" in tight.output
    assert "RPL-LIMIT-01-one: recorded pass, replayed fail" in tight.output
    assert "TRIAL: 2 checks would have come to another state" in tight.output
    loose = replay(kept.project, kept.outcome.directory, "--limits", str(tmp_path / "loose.toml"))
    assert loose.status == 0
    assert "2 checks would have expected something else and come to the same" in loose.output


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ("[limits.NO-01]\nused = 1\n", "limits.NO-01: no such requirement in the catalogue"),
        ("[limits.RPL-LIMIT-01]\nother = 1\n", "limits.RPL-LIMIT-01.other: no such limit; RPL-LIMIT-01 has: used"),
        ('[limits.RPL-LIMIT-01]\nused = "x"\n', "got 'x', expected a number of ratio"),
        ("[other]\n", "Field required"),
        ("[limits]\n", "limits: Dictionary should have at least 1 item"),
        ("[limits.RPL-LIMIT-01]\n", "limits.RPL-LIMIT-01: Dictionary should have at least 1 item"),
        ("[limits.RPL-LIMIT-01]\nused = nan\n", "got nan, expected a number of ratio"),
        ("", "limits: Field required"),
        ("[", "not readable as TOML"),
        (f"limits = {'[' * 9000}", "not readable as TOML"),
        (None, "cannot be read: No such file"),
    ],
)
def test_limits_that_are_none_are_one_line(
    kept: Kept, tmp_path: Path, refused: Callable[..., str], limits: str | None, problem: str
) -> None:
    assert kept.outcome.directory is not None
    if limits is not None:
        (tmp_path / "limits.toml").write_text(limits, encoding="utf-8")
    assert problem in refused(kept.outcome.directory, "--limits", str(tmp_path / "limits.toml"))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda run: (run / "results.json").unlink(), "is no finished run"),
        (lambda run: shutil.rmtree(run / "inputs"), "has no inputs/"),
        (lambda run: (run / "transcript.jsonl").unlink(), "transcript.jsonl: cannot be read"),
        (lambda run: (run / "transcript.jsonl").write_text('{"id": 1}\n'), "line 1: is no exchange"),
        (lambda run: (run / "transcript.jsonl").write_bytes(b"\xff\n"), "it is no UTF-8"),
        (lambda run: (run / "inputs/run.json").write_text("{}"), "run.json: format: Field required"),
        (lambda run: (run / "inputs/profile.json").write_text("["), "profile.json"),
        (lambda run: (run / "results.json").write_text("[]"), "results.json: is no record of a run"),
        (shutil.rmtree, "there is no such folder"),
    ],
)
def test_what_is_no_run_is_one_line(
    kept: Kept, tmp_path: Path, refused: Callable[..., str], spoil: Callable[[Path], Any], problem: str
) -> None:
    run = kept.copy(tmp_path)
    spoil(run)
    assert problem in refused(run)


REACHING = """
import socket
import subprocess

import pytest

from opsverify.judgement import holds


@pytest.mark.requirement("RPL-NET-01")
def test_it(request, judge):
    socket.create_server(("127.0.0.1", 0)).close()
    judge([holds("a", 1, "1", met=True)])


@pytest.mark.requirement("RPL-RUN-01")
def test_run(judge):
    subprocess.run(["true"], check=True)
    judge([holds("a", 1, "1", met=True)])
"""


def test_a_check_that_goes_its_own_way_reaches_nobody(tmp_path: Path) -> None:
    project = made(tmp_path)
    project.write("checks/security/requirements.toml", entries("RPL-NET-01", "RPL-RUN-01"))
    project.write("checks/security/test_net.py", REACHING)
    outcome = project.run("-k", "RPL-NET or RPL-RUN")
    assert outcome.status == 0, outcome.output
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 1
    assert "a replay asks no system and starts no program (socket.bind)" in found.output
    assert "a replay asks no system and starts no program (subprocess.Popen)" in found.output


def test_a_check_that_came_later_is_left_out_and_one_that_went_is_told(kept: Kept, tmp_path: Path) -> None:
    run = kept.copy(tmp_path)
    (tmp_path / "later").mkdir()
    project = made(tmp_path / "later")
    gone(project)
    source = CHECKS.replace("ROOT", str(kept.project.root)).replace('"RPL-RAW-01"', '"RPL-NEW-01"')
    project.write("checks/health/test_it.py", source)
    project.write("checks/health/requirements.toml", entries(*NAMES).replace("RPL-RAW-01", "RPL-NEW-01"))
    found = replay(project, run)
    assert found.status == 1
    assert "RPL-RAW-01-one: recorded pass, not replayed: today's suite has no such check" in found.output
    assert "DIFFERENT: 2 checks of 14" in found.output
