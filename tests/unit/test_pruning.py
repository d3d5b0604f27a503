"""Old runs go whole, with a tombstone, and never one that somebody still rests on."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opsverify.errors import UsageError
from opsverify.evidence import chain
from opsverify.evidence.manifest import SUMS
from opsverify.reports import pruning
from opsverify.reports.lock import RUNNING, going_on
from tests.unit.bundles import NOW, Keys, Runs, words

LATER = NOW + timedelta(days=500)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Five sealed runs, of a day before `NOW`, and one that is young at `LATER`."""
    found = Runs(tmp_path, Keys(tmp_path))
    for _ in range(5):
        found.sealed()
    found.now = LATER - timedelta(days=1)
    found.sealed()
    return found


def names(runs: Runs) -> list[str]:
    return chain.runs(runs.stream)


def prune(runs: Runs, days: int = 400, *, really: bool = True, now: datetime = LATER) -> pruning.Plan:
    return pruning.prune(runs.stream, days, now, really=really)


def test_what_is_older_than_the_policy_goes_and_the_chain_says_so(runs: Runs) -> None:
    before = names(runs)
    digests = {name: pruning._digest(runs.stream / name) for name in before}
    gone = prune(runs)
    assert [each.run for each in gone.going] == before[:5]
    assert names(runs) == before[5:]
    rows = [json.loads(line) for line in (runs.stream / pruning.LOG).read_text().splitlines()]
    assert [(row["run"], row["sha256sums"]) for row in rows] == [(name, digests[name]) for name in before[:5]]
    assert rows[0]["prev"] is None
    assert rows[1]["prev"] == {"run": before[0], "sha256sums": digests[before[0]]}
    assert {row["policy"] for row in rows} == {"older than 400 days"}
    assert all(row["pruned"] == LATER.isoformat() and " on " in row["by"] for row in rows)
    seen = runs.chain()
    assert seen.holds, seen.told()
    assert [each.word for each in seen.findings] == ["PRUNED"]
    assert not [each for each in runs.stream.iterdir() if each.name.startswith(pruning.DOOMED)]


def test_a_dry_run_takes_nothing_away(runs: Runs) -> None:
    before = sorted(each.name for each in runs.stream.iterdir())
    plan = prune(runs, really=False)
    assert len(plan.going) == 5
    assert "5 runs older than 400 days would go" in plan.told(done=False)
    assert set(before) | {RUNNING} == {each.name for each in runs.stream.iterdir()}


def test_the_newest_run_stays_however_old(runs: Runs) -> None:
    before = names(runs)
    plan = prune(runs, 1, now=LATER + timedelta(days=900))
    assert names(runs) == before[5:]
    assert [(each.run, each.why) for each in plan.kept] == [(before[5], "it is the newest")]


@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_run_that_a_gate_or_a_sign_off_refers_to_stays(runs: Runs, place: int) -> None:
    before = names(runs)
    gate = runs.stream / "gates" / "CHG-1" / "20261122T120000Z-0a0a0a0a-pre"
    gate.mkdir(parents=True)
    (gate / "gate.json").write_text(json.dumps({"verification": {"directory": f"reports/test/{before[place]}"}}))
    signed = runs.stream / f"{before[1]}.signoffs"
    signed.mkdir()
    (signed / "20261122T120000Z-0a0a0a0a.json").write_text("{}")
    plan = prune(runs)
    assert names(runs) == sorted({before[place], before[1], before[5]})
    assert {each.run: each.why for each in plan.kept}[before[1]] == "it is signed off"
    if place != 1:
        assert "gate CHG-1/" in {each.run: each.why for each in plan.kept}[before[place]]
    assert not pruning.breaks(runs.stream)
    assert all(each.word in ("PRUNED", "SIGN-OFF") for each in runs.chain().findings), runs.chain().told()


def test_pruning_goes_on_where_it_left_off(runs: Runs) -> None:
    prune(runs)
    for day in range(3):
        runs.now = LATER + timedelta(days=day)
        runs.sealed()
    plan = prune(runs, now=LATER + timedelta(days=450))
    assert len(plan.going) == 3
    assert runs.chain().holds
    assert len((runs.stream / chain.PRUNED).read_bytes().splitlines()) == 8


def test_who_is_broken_off_has_announced_more_than_was_done(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(runs)
    done: list[str] = []

    def broken(stream: Path, name: str) -> None:
        if done:
            (stream / name).rename(stream / f"{pruning.DOOMED}{name}-1")
            raise KeyboardInterrupt
        done.append(name)
        remove(stream, name)

    remove = pruning._remove
    monkeypatch.setattr(pruning, "_remove", broken)
    with pytest.raises(KeyboardInterrupt):
        prune(runs)
    monkeypatch.undo()
    assert runs.chain().holds, runs.chain().told()
    prune(runs)
    assert names(runs) == before[5:]
    assert runs.chain().holds
    assert len((runs.stream / pruning.LOG).read_text().splitlines()) == 5
    assert not list(runs.stream.glob(".pruned-*"))


def spoil(stream: Path, what: str) -> None:
    names = chain.runs(stream)
    match what:
        case "altered":
            (stream / names[2] / "results.json").write_text("{ }")
        case "missing":
            subprocess.run(["rm", "-r", str(stream / names[2])], check=True)
        case "cut off":
            subprocess.run(["rm", "-r", str(stream / names[5])], check=True)
        case "head":
            (stream / chain.HEAD).unlink()
        case "tombstone":
            (stream / chain.PRUNED).write_text("nothing\n")


@pytest.mark.parametrize("what", ["altered", "missing", "cut off", "head", "tombstone"])
def test_a_broken_chain_is_not_made_worse(runs: Runs, what: str) -> None:
    spoil(runs.stream, what)
    before = sorted(runs.stream.rglob("*"))
    with pytest.raises(UsageError, match="its chain is broken, so nothing is taken away"):
        prune(runs)
    assert set(before) | {runs.stream / RUNNING, runs.stream / chain.LOCK} == set(runs.stream.rglob("*"))


def _run(stream: Path, begun: object, over: object) -> None:
    with going_on(stream):
        begun.set()  # type: ignore[attr-defined]
        over.wait(20)  # type: ignore[attr-defined]


def test_while_a_run_goes_on_nothing_is_taken_away(runs: Runs) -> None:
    context = multiprocessing.get_context("spawn")
    begun, over = context.Event(), context.Event()
    process = context.Process(target=_run, args=(runs.stream, begun, over))
    process.start()
    assert begun.wait(20)
    with pytest.raises(UsageError, match="a run is going on; prune when it has ended"):
        prune(runs)
    over.set()
    process.join(20)
    assert len(names(runs)) == 6
    assert len(prune(runs).going) == 5


def test_while_a_run_is_sealed_nothing_is_taken_away(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = chain.locked
    monkeypatch.setattr(chain, "locked", lambda stream, _: locked(stream, 0.1))
    with (runs.stream / chain.LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another run has been sealing"):
            prune(runs)


def test_a_run_that_was_never_sealed_goes_too_and_leaves_no_line_in_the_chain(runs: Runs) -> None:
    old = runs.stream / "20250101T000000Z-0a0a0a0a"
    old.mkdir()
    (old / "transcript.jsonl").write_text("")
    plan = prune(runs)
    assert plan.going[0] == (old.name, "")
    assert not old.exists()
    assert f"{old.name} (was never sealed)" in plan.told(done=True)
    assert old.name not in (runs.stream / chain.PRUNED).read_text()
    row = json.loads((runs.stream / pruning.LOG).read_text().splitlines()[0])
    assert (row["run"], row["sha256sums"], row["prev"]) == (old.name, "is not sealed", None)


def test_what_is_no_run_is_let_be(runs: Runs) -> None:
    for name in ("19990101T000000Z-zzzzzzzz", "20250199T000000Z-0a0a0a0a", "notes"):
        (runs.stream / name).mkdir()
    prune(runs)
    assert {each.name for each in runs.stream.iterdir()} >= {"notes", "20250199T000000Z-0a0a0a0a"}
    assert (runs.stream / names(runs)[-1] / SUMS).exists()


def test_one_more_that_is_gone_is_missed_after_pruning(runs: Runs) -> None:
    runs.now = LATER
    runs.sealed()
    prune(runs)
    first = names(runs)[0]
    subprocess.run(["rm", "-r", str(runs.stream / first)], check=True)
    assert "MISSING" in words(runs.chain().findings), runs.chain().told()


def test_a_run_that_stayed_at_first_has_its_line_when_it_goes(runs: Runs) -> None:
    signed = runs.stream / f"{names(runs)[1]}.signoffs"
    signed.mkdir()
    (signed / "20261122T120000Z-0a0a0a0a.json").write_text("{}")
    kept = names(runs)[1]
    prune(runs)
    subprocess.run(["rm", "-r", str(signed)], check=True)
    assert [each.run for each in prune(runs).going] == [kept]
    rows = [json.loads(line)["run"] for line in (runs.stream / pruning.LOG).read_text().splitlines()]
    assert rows.count(kept) == 1
    assert len(rows) == 5
