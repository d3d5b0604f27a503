"""Gates are kept whole or not at all, one at a time on a change, and nobody's hand gets by unnoticed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsverify.errors import UsageError
from opsverify.gate import keeping
from opsverify.gate.story import Phase
from opsverify.redaction import Redactor
from tests.unit.gates import START, reason, story

NAME = "20261123T120000Z-0a1b2c3d"


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    found = keeping.folder(tmp_path, "test", "CHG-1")
    found.mkdir(parents=True)
    return found


def drafted(gates: Path, name: str = NAME, phase: Phase = "pre") -> Path:
    found = keeping.draft(gates, name, phase)
    found.mkdir()
    return found


def kept(gates: Path) -> Path:
    return keeping.keep(drafted(gates), story(), "<html></html>", Redactor())


def test_a_gate_is_read_back_as_it_was_kept(gates: Path, tmp_path: Path) -> None:
    directory = kept(gates)
    assert directory.name == f"{NAME}-pre"
    assert sorted(each.name for each in directory.iterdir()) == [
        "SHA256SUMS",
        "gate.html",
        "gate.json",
        "redactions.json",
        "transcript.jsonl",
    ]
    assert keeping.stories(gates, tmp_path) == ([(directory, story())], [])
    assert keeping.stories(gates, tmp_path, "post") == ([], [])


def test_gates_come_in_the_order_in_which_they_were_held(gates: Path, tmp_path: Path) -> None:
    for minute, (phase, identity) in enumerate((("pre", "ffffffff"), ("post", "00000000"), ("pre", "11111111"))):
        held = story(phase, identity, start=START.replace(minute=minute))  # type: ignore[arg-type]
        keeping.keep(drafted(gates, f"20261123T120000Z-{identity}", held.phase), held, "", Redactor())
    assert [each.story.id for each in keeping.stories(gates, tmp_path).kept] == ["ffffffff", "00000000", "11111111"]


def test_no_gate_is_no_story(tmp_path: Path) -> None:
    assert keeping.stories(tmp_path / "none", tmp_path) == ([], [])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_text(path.read_text().replace('"GO"', '"WARN"')), "is not what the gate wrote"),
        (lambda path: path.write_text(path.read_text()[:200]), "is not what the gate wrote"),
        (lambda path: path.write_bytes(b"\xff\x00"), "is not what the gate wrote"),
        (lambda path: path.unlink(), "cannot be read (No such file or directory)"),
        (lambda path: path.with_name("SHA256SUMS").unlink(), "cannot be read (No such file or directory)"),
        (lambda path: path.with_name("SHA256SUMS").write_bytes(b"\xff"), "cannot be read (is no UTF-8)"),
        (lambda path: path.with_name("SHA256SUMS").write_text(""), "is not what the gate wrote"),
        (lambda path: path.parent.rename(path.parent.with_name(f"{NAME[:-1]}e-pre")), "is of gate 0a1b2c3d (pre)"),
        (lambda path: path.parent.rename(path.parent.with_name(f"{NAME}-post")), "is of gate 0a1b2c3d (pre)"),
    ],
)
def test_what_is_not_what_a_gate_wrote_is_told_in_one_line(spoil, said, gates: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    spoil(kept(gates) / "gate.json")
    found = keeping.stories(gates, tmp_path)
    assert found.kept == []
    (line,) = found.damaged
    assert said in line
    assert line.startswith("reports/test/gates/CHG-1/2026")
    assert "\n" not in line


def test_what_has_the_right_digest_and_is_no_story_is_told_with_its_key(gates: Path, tmp_path: Path) -> None:
    import hashlib  # noqa: PLC0415

    directory = kept(gates)
    text = (directory / "gate.json").read_text().replace('"GO"', '"MAYBE"')
    (directory / "gate.json").write_text(text)
    (directory / "SHA256SUMS").write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  gate.json\n")
    (line,) = keeping.stories(gates, tmp_path).damaged
    assert "gate.json: verdict: Input should be 'GO'" in line


def test_a_secret_is_not_kept(gates: Path, tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.add("hunter22hunter22")
    draft = drafted(gates)
    leaky = story(summary="it is hunter22hunter22")
    with pytest.raises(keeping.LeakError, match=r"SECRET a secret \(plain, line \d+\) in gate\.json") as raised:
        keeping.keep(draft, leaky, "", redactor)
    assert "hunter22" not in str(raised.value)
    assert not draft.exists()
    assert keeping.stories(gates, tmp_path) == ([], [])
    assert keeping.redacted(leaky, redactor).summary == "it is [redacted]"


def test_what_cannot_be_written_is_no_wrong_use(gates: Path) -> None:
    draft = drafted(gates)
    (gates / f"{NAME}-pre" / "in the way").mkdir(parents=True)
    with pytest.raises(keeping.NotKeptError, match="cannot be kept: Directory not empty"):
        keeping.keep(draft, story(), "", Redactor())


def test_a_draft_is_no_gate(gates: Path, tmp_path: Path) -> None:
    draft = drafted(gates)
    (draft / "gate.json").write_text(story().model_dump_json())
    assert keeping.stories(gates, tmp_path) == ([], [])


# ---- one at a time, with real processes

SPAWN = multiprocessing.get_context("spawn")


def _hold(gates: Path, ready: Path) -> None:
    with keeping.held(gates, "pre", START):
        drafted(gates).joinpath("gate.json").write_text("{", encoding="utf-8")
        ready.touch()
        time.sleep(60)


@pytest.fixture
def holder(gates: Path, tmp_path: Path) -> Iterator[int]:
    """Another process that is in the middle of a gate; its number."""
    child = SPAWN.Process(target=_hold, args=(gates, tmp_path / "ready"))
    child.start()
    while not (tmp_path / "ready").exists():
        assert child.is_alive()
        time.sleep(0.02)
    assert child.pid is not None
    yield child.pid
    if child.is_alive():
        child.kill()
    child.join()


def test_a_second_gate_is_refused_in_one_line_that_says_who_holds_the_first(gates: Path, holder: int) -> None:
    with pytest.raises(UsageError) as refused, keeping.held(gates, "post", START):
        pytest.fail("two gates at once")
    line = str(refused.value)
    assert line.startswith("CHG-1: another gate is on this change already: a pre gate of ")
    assert f"since 2026-11-23 12:00:00 UTC, process {holder}" in line
    assert "\n" not in line
    assert (gates / f".{NAME}-pre" / "gate.json").exists()  # nothing of the other one was touched


def test_a_gate_that_was_killed_leaves_no_baseline_and_its_draft_goes_with_the_next_one(
    gates: Path, holder: int, tmp_path: Path
) -> None:
    os.kill(holder, signal.SIGKILL)
    assert keeping.stories(gates, tmp_path) == ([], [])
    for _ in range(100):
        try:
            with keeping.held(gates, "pre", START):
                assert [each.name for each in gates.iterdir()] == [".lock"]
                break
        except UsageError:  # it is not dead yet
            time.sleep(0.05)
    else:
        pytest.fail("the lock outlives who held it")


def _keep_on(gates: Path, ready: Path) -> None:
    many = [reason(why=f"{number} {'x' * 2000}") for number in range(200)]
    for number in range(100_000):
        held = story(identity=f"{number:08x}", reasons=many)
        keeping.keep(drafted(gates, f"20261123T120000Z-{held.id}"), held, "page" * 5000, Redactor())
        ready.touch()


@pytest.mark.parametrize("after", [0.0, 0.003, 0.011, 0.023])
def test_whenever_a_gate_is_killed_what_is_there_is_whole(after: float, gates: Path, tmp_path: Path) -> None:
    child = SPAWN.Process(target=_keep_on, args=(gates, tmp_path / "ready"))
    child.start()
    while not (tmp_path / "ready").exists():
        assert child.is_alive()
        time.sleep(0.001)
    time.sleep(after)
    child.kill()
    child.join()
    found = keeping.stories(gates, tmp_path)
    assert found.damaged == []
    assert found.kept
    assert all(len(each.story.reasons) == 200 for each in found.kept)


def test_gates_on_different_changes_do_not_wait_for_each_other(gates: Path, holder: int) -> None:
    with keeping.held(gates.with_name("CHG-2"), "pre", START):
        pass


def test_what_is_not_a_gates_own_is_left_alone(gates: Path) -> None:
    (gates / ".notes").mkdir()
    (gates / "notes").mkdir()
    kept(gates)
    with keeping.held(gates, "pre", START):
        pass
    assert sorted(each.name for each in gates.iterdir()) == [".lock", ".notes", f"{NAME}-pre", "notes"]


def test_a_folder_that_cannot_be_written_to_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file", encoding="utf-8")
    with (
        pytest.raises(UsageError, match="CHG-1: gates cannot be kept in gates/: Not a directory"),
        keeping.held(keeping.folder(tmp_path, "test", "CHG-1"), "pre", START),
    ):
        pass
