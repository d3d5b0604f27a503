"""Runs that somebody has altered, replayed: what a replay says of the files, and of the record as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opsverify import recount, replay
from opsverify.cli import main
from tests.unit.replays import Kept, made, sealed_anew
from tests.unit.replays import replay as by_command
from tests.unit.small_project import entries

Document = dict[str, Any]


class Said(NamedTuple):
    status: int
    out: str
    err: str


Ask = Callable[..., Said]


@pytest.fixture
def run(kept: Kept, tmp_path: Path) -> Path:
    """A copy that may be altered."""
    return kept.copy(tmp_path)


@pytest.fixture
def ask(kept: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """The command, where each check says again what it said in the run that nobody has altered."""
    said = {recount.subject(each): each for each in kept.outcome.results["checks"]}
    monkeypatch.setattr(replay, "_checks", lambda *_: said)
    monkeypatch.chdir(kept.project.root)

    def command(run: Path, *arguments: str) -> Said:
        status = main(["replay", str(run), *arguments])
        return Said(status, *capsys.readouterr())

    return command


def flipped(run: Path) -> None:
    file = run / "report.html"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def unsealed(run: Path) -> None:
    for name in ("SHA256SUMS", "seal.json", "PREV"):
        (run / name).unlink()


def relisted(run: Path) -> None:
    sums = run / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines(keepends=True)
    sums.write_text("".join(each for each in lines if "transcript" not in each), encoding="utf-8")


def test_a_run_as_it_was_sealed_says_so_and_who_tells_the_signature(run: Path, ask: Ask) -> None:
    said = ask(run)
    assert said.status == 0, said
    assert "files as SHA256SUMS has them; who signed that, opsverify bundle verify tells" in said.out
    assert "EQUAL" in said.out
    assert "SEALED" not in said.out


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (flipped, "ALTERED         report.html: its SHA-256 is"),
        (lambda run: (run / "junit.xml").unlink(), "MISSING         junit.xml"),
        (lambda run: (run / "inputs" / "more").write_text(""), "ADDED           inputs/more"),
        (lambda run: (run / "SHA256SUMS").unlink(), "MISSING         SHA256SUMS: is not there, and seal.json is"),
        (lambda run: (run / "SHA256SUMS").write_text(""), "ALTERED         SHA256SUMS: it is empty"),
        (relisted, "ADDED           transcript.jsonl"),
    ],
)
def test_a_run_that_is_not_as_it_was_sealed_is_none_to_rely_on(
    run: Path, ask: Ask, spoil: Callable[[Path], Any], named: str
) -> None:
    spoil(run)
    said = ask(run)
    assert named in said.out
    assert said.out.strip().splitlines()[-1] == "NOT AS SEALED: 1 finding, see at the top"
    assert said.status == 1
    again = ask(run, "--altered-ok")
    assert again.status == 0
    assert again.out == said.out


def test_a_run_that_was_never_sealed_is_said_to_be_unsealed(run: Path, ask: Ask) -> None:
    unsealed(run)
    said = ask(run)
    assert said.out.startswith("UNSEALED        there is no SHA256SUMS")
    assert said.status == 0


@pytest.mark.parametrize("terminal", [True, False])
def test_on_a_terminal_it_is_red(run: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    flipped(run)
    said = ask(run)
    assert said.out.startswith("\x1b[1;31mALTERED") is terminal
    assert ("\x1b[1;31mNOT AS SEALED: 1" in said.out) is terminal


def test_what_was_cut_off_in_a_line_is_told_to_be_altered_before_it_is_refused(run: Path, ask: Ask) -> None:
    file = run / "transcript.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    said = ask(run)
    assert "ALTERED         transcript.jsonl" in said.out
    assert "is no exchange: not readable as JSON" in said.err
    assert said.status == 64


def lines(run: Path, change: Callable[[list[str]], list[str]]) -> None:
    file = run / "transcript.jsonl"
    found = file.read_text(encoding="utf-8").split("\n")[:-1]
    file.write_text("".join(f"{each}\n" for each in change(found)), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda found: [*found[:4], found[3], *found[4:]], "line 5: exchange '4' stands there for the second time"),
        (lambda found: [found[-1], *found[:-1]], "line 2: exchange '1' is of an earlier time than the one above it"),
    ],
)
def test_a_transcript_that_no_run_writes_is_refused(
    run: Path, ask: Ask, change: Callable[[list[str]], list[str]], problem: str
) -> None:
    lines(run, change)
    sealed_anew(run)
    said = ask(run)
    assert problem in said.err
    assert said.status == 64


def test_a_question_that_was_taken_out_everywhere_leaves_its_number(run: Path, ask: Ask) -> None:
    lines(run, lambda found: [*found[:2], *found[3:]])
    file = run / "results.json"
    found = json.loads(file.read_bytes())
    for each in found["checks"]:
        each["exchanges"] = [name for name in each["exchanges"] if name != "3"]
    file.write_text(json.dumps(found), encoding="utf-8")
    sealed_anew(run)
    said = ask(run)
    assert "record: the transcript has no exchange 3, and has later ones" in said.out
    assert said.status == 1


def drop(found: Document) -> None:
    del found["checks"][0]


def hide(found: Document) -> None:
    found["checks"][0] |= {"check": "", "exchanges": []}


def twice(found: Document) -> None:
    found["checks"].append(found["checks"][0])


def stranger(found: Document) -> None:
    found["checks"].append({**found["checks"][0], "target": "three", "check": ""})


def unheard(found: Document) -> None:
    found["checks"][0]["exchanges"].append("77")


def sterner(found: Document) -> None:
    found["coverage"][0]["limits"][0]["expected"] = "at most 0.1"


def told(found: Document) -> None:
    found["checks"][0]["statements"] = [
        {"statement": "s", "by": "a", "reviewed_by": "b", "date": "2026-11-23", "expires": "2026-12-23"}
    ]


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        (drop, "RPL-FACT-01-one: was to be verified, and results.json does not have it"),
        (hide, "RPL-FACT-01-one: is on record as pass, and was not performed"),
        (twice, "RPL-FACT-01-one: stands in results.json 2 times"),
        (stranger, "RPL-FACT-01-three: stands in results.json, and was not to be verified"),
        (unheard, "RPL-FACT-01-one: rests on exchange 77, which the transcript lacks"),
        (sterner, "coverage: is not what the checks of results.json add up to"),
        (told, "statements: recorded [{"),
        (lambda found: found["checks"][0].update(severity="low"), "severity: recorded low, replayed high"),
        (lambda found: found["run"].update(verdict="not met"), "run.verdict: results.json says 'not met', its checks"),
        (lambda found: found["run"].update(id="0badcafe"), "run.id: results.json says '0badcafe', inputs/ say"),
        (lambda found: found["population"].update(total=9), "population: is not what the checks"),
        (lambda found: found["scores"].update(with_waivers={}), "scores: is not what the checks"),
    ],
)
def test_a_record_that_does_not_agree_with_itself_is_no_equal(
    run: Path, ask: Ask, forge: Callable[[Document], Any], problem: str
) -> None:
    file = run / "results.json"
    found = json.loads(file.read_bytes())
    forge(found)
    file.write_text(json.dumps(found), encoding="utf-8")
    sealed_anew(run)
    said = ask(run)
    assert problem in said.out
    assert "\nDIFFERENT: " in said.out
    assert "\nEQUAL" not in said.out
    assert said.status == 1


def test_a_record_in_which_nothing_was_performed_is_not_equal_to_anything(run: Path, ask: Ask) -> None:
    file = run / "results.json"
    found = json.loads(file.read_bytes())
    for each in found["checks"]:
        each |= {"check": "", "state": "not-tested", "exchanges": []}
    file.write_text(json.dumps(found), encoding="utf-8")
    sealed_anew(run)
    said = ask(run)
    assert "no check was performed in this run" in said.err
    assert said.status == 64


@pytest.mark.parametrize("spoil", [{}, {"id": 7}, {"start": "today"}])
def test_a_record_that_lacks_what_is_shown_of_it_is_one_line(run: Path, ask: Ask, spoil: Document) -> None:
    file = run / "results.json"
    found = json.loads(file.read_bytes())
    found["run"] = {**found["run"], **spoil} if spoil else {}
    file.write_text(json.dumps(found), encoding="utf-8")
    said = ask(run)
    assert "results.json: is no record of a run: " in said.err
    assert said.err.count("\n") == 1
    assert said.status == 64


def test_a_left_out_check_that_had_asked_something_is_named(run: Path, ask: Ask) -> None:
    file = run / "results.json"
    found = json.loads(file.read_bytes())
    found["checks"][0] |= {"check": "", "state": "not-tested", "message": "not reached", "exchanges": []}
    file.write_text(json.dumps(found), encoding="utf-8")
    sealed_anew(run)
    assert "1 of these had asked something, as the transcript has it: RPL-FACT-01-one" in ask(run).out


def test_hostile_words_of_a_record_forge_no_line(run: Path, ask: Ask) -> None:
    file = run / "results.json"
    found = json.loads(file.read_bytes())
    found["run"]["id"] = "x\nEQUAL: every check says what is on record (14)\x1b[2K"
    found["checks"][0]["target"] = "one\nEQUAL: \u202e"
    file.write_text(json.dumps(found), encoding="utf-8")
    sealed_anew(run)
    said = ask(run)
    assert "\nEQUAL" not in said.out
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out


@pytest.mark.parametrize(("commit", "said"), [("0123456789ab", "ANOTHER SUITE: "), ("unknown", "SUITE UNKNOWN: ")])
def test_a_suite_that_is_not_known_to_be_that_of_the_run_is_told(
    run: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch, commit: str, said: str
) -> None:
    monkeypatch.setattr(replay, "commit", lambda _: commit)
    assert said in ask(run).out


def test_a_mask_explains_other_words_and_no_other_finding(kept: Kept) -> None:
    entry = kept.outcome.entry("RPL-MASK-01")
    (observation,) = entry["observations"]
    other = {**entry, "observations": [{**observation, "observed": "it is [redacted]!"}]}
    unmet = {**entry, "observations": [{**observation, "met": False}]}
    assert replay.Difference("x", entry, other, masked=True).words_of_a_mask
    assert not replay.Difference("x", entry, unmet, masked=True).words_of_a_mask
    assert not replay.Difference("x", entry, other, masked=False).words_of_a_mask


def test_limits_of_what_was_not_judged_are_not_tried(tmp_path: Path, ask: Ask, run: Path) -> None:
    file = run / "results.json"
    found = json.loads(file.read_bytes())
    for each in found["checks"]:
        if each["requirement"] == "RPL-LIMIT-01":
            each |= {"check": "", "state": "not-tested", "message": "left out", "exchanges": []}
    file.write_text(json.dumps(found), encoding="utf-8")
    (tmp_path / "limits.toml").write_text("[limits.RPL-LIMIT-01]\nused = 0.9\n", encoding="utf-8")
    said = ask(run, "--limits", str(tmp_path / "limits.toml"))
    assert "limits.RPL-LIMIT-01: the run judged nothing by it, so there is nothing to try" in said.err
    assert said.status == 64


def test_checks_that_cannot_be_performed_are_no_crash(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    project = made(tmp_path / "other")
    project.write("checks/health/test_it.py", "import no_such_module\n")
    project.write("checks/health/requirements.toml", entries("RPL-FACT-01"))
    found = by_command(project, kept.copy(tmp_path))
    assert found.status == 64
    assert "the checks cannot be performed: pytest ended with status 2" in found.output
    assert "no_such_module" in found.output
