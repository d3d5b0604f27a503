"""The chain of a stream: whatever is taken away, moved, put in or cut off is named; what goes on by itself is not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from opsverify.errors import UsageError
from opsverify.evidence import chain, manifest
from opsverify.evidence.chain import ChainError, Entry
from opsverify.evidence.manifest import SIGNATURE, SUMS
from opsverify.evidence.stream import Stream
from tests.unit.bundles import Runs, words


@pytest.fixture
def five(runs: Runs) -> list[Path]:
    """Five sealed runs."""
    return [runs.sealed() for _ in range(5)]


def digest(directory: Path) -> str:
    return manifest.digest_of((directory / SUMS).read_bytes())


def said(found: Stream, *texts: str) -> bool:
    return all(each in found.told() for each in texts)


def test_runs_are_one_chain_and_stock_tools_agree(runs: Runs, five: list[Path]) -> None:
    found = runs.chain()
    assert found.holds
    assert found.findings == ()
    assert said(found, "5 runs in one chain", "SIGNED by runner@test", f"{digest(five[4])} {five[4].name}")
    assert (five[0] / "PREV").read_text(encoding="utf-8").startswith("none")
    for prev in [*(f"{each.name}/PREV" for each in five[1:]), "HEAD"]:
        assert (
            subprocess.run(["sha256sum", "--strict", "--quiet", "-c", prev], cwd=runs.stream, check=False).returncode
            == 0
        )


@pytest.mark.parametrize("which", [0, 1, 3])
def test_a_run_in_the_middle_that_is_taken_away_is_missing(runs: Runs, five: list[Path], which: int) -> None:
    shutil.rmtree(five[which])
    found = runs.chain()
    assert words(found.findings) == ["MISSING"]
    assert said(found, f"{five[which].name}: is not there, and {five[which + 1].name} follows it")


def test_the_last_run_that_is_taken_away_is_truncated(runs: Runs, five: list[Path]) -> None:
    shutil.rmtree(five[4])
    found = runs.chain()
    assert words(found.findings) == ["TRUNCATED"]
    assert said(found, f"{five[4].name}: is the newest run by HEAD")


def test_a_tidy_cut_is_found_by_the_digest_that_others_keep(runs: Runs, five: list[Path]) -> None:
    """Whoever may write in the folder can cut a chain so that it looks whole: HEAD is no secret, and not signed."""
    published = digest(five[4])
    assert runs.chain(head=published).holds
    assert runs.chain(head=digest(five[2])).holds  # published earlier, and there are later ones since
    shutil.rmtree(five[4])
    chain.point(runs.stream, Entry(five[3].name, digest(five[3])))
    assert runs.chain().holds
    found = runs.chain(head=published)
    assert words(found.findings) == ["TRUNCATED"]
    assert said(found, f"no run has the digest {published}")


def test_runs_that_changed_places_are_reordered(runs: Runs, five: list[Path]) -> None:
    five[1].rename(runs.stream / "x")
    five[2].rename(five[1])
    (runs.stream / "x").rename(five[2])
    found = runs.chain()
    assert set(words(found.findings)) == {"REORDERED"}
    assert said(found, f"{five[1].name}: was sealed as {five[2].name}")


def test_a_run_of_another_name_is_reordered(runs: Runs, five: list[Path]) -> None:
    moved = runs.stream / "20250101T000000Z-00000000"
    five[4].rename(moved)
    found = runs.chain()
    assert set(words(found.findings)) == {"REORDERED"}
    assert said(found, f"{moved.name}: is the run that HEAD names, where it was called {five[4].name}")


def test_links_that_changed_places_are_altered(runs: Runs, five: list[Path]) -> None:
    one, two = (five[2] / "PREV").read_bytes(), (five[3] / "PREV").read_bytes()
    (five[2] / "PREV").write_bytes(two)
    (five[3] / "PREV").write_bytes(one)
    found = runs.chain()
    assert said(found, f"{five[2].name}: PREV: its SHA-256 is", f"{five[3].name}: PREV: its SHA-256 is")


def test_a_run_that_was_made_anew_is_not_the_one_that_the_next_follows(runs: Runs, five: list[Path]) -> None:
    """Even with the key: who changes a run has to make every later one anew, and others keep their digests."""
    for name in (SUMS, SIGNATURE):
        (five[2] / name).unlink()
    head = (runs.stream / "HEAD").read_bytes()
    (five[2] / "results.json").write_bytes(b"better\n")
    chain.point(runs.stream, Entry(five[1].name, digest(five[1])))
    for each in five[3:]:
        each.rename(each.with_suffix(".away"))
    runs.seal(five[2])
    for each in five[3:]:
        each.with_suffix(".away").rename(each)
    (runs.stream / "HEAD").write_bytes(head)
    assert runs.verify(five[2]).holds
    found = runs.chain()
    assert "ALTERED" in words(found.findings)
    assert said(found, f"{five[2].name}: its SHA256SUMS is not the one that {five[3].name} follows")


def test_a_manifest_that_is_taken_away_is_missing_where_a_later_run_follows_it(runs: Runs, five: list[Path]) -> None:
    (five[2] / SUMS).unlink()
    found = runs.chain()
    assert words(found.findings) == ["MISSING"]
    assert said(found, f"{five[2].name}: its SHA256SUMS is not there, and {five[3].name} follows it")
    (five[4] / SUMS).unlink()
    assert said(runs.chain(), f"{five[4].name}: is the newest run by HEAD, and its SHA256SUMS is not there")


def test_a_run_that_was_killed_is_unfinished_and_breaks_nothing(runs: Runs, five: list[Path]) -> None:
    killed = runs.written()
    after = runs.sealed()
    found = runs.chain()
    assert found.holds
    assert [(each.word, each.fatal) for each in found.findings] == [("UNFINISHED", False)]
    assert said(found, f"{killed.name}: there is no SHA256SUMS", "6 runs in one chain")
    assert chain.read(after / "PREV") == Entry(five[4].name, digest(five[4]))
    assert words(runs.verify(killed).findings) == ["UNFINISHED"]


def test_a_run_that_was_killed_before_head_was_written_is_followed_all_the_same(runs: Runs, five: list[Path]) -> None:
    chain.point(runs.stream, Entry(five[3].name, digest(five[3])))
    found = runs.chain()
    assert found.holds
    assert said(found, f"{five[4].name}: was sealed after {five[3].name}, which HEAD names")
    assert chain.read(runs.sealed() / "PREV") == Entry(five[4].name, digest(five[4]))
    assert runs.chain().findings == ()


@pytest.mark.parametrize("content", [None, b"", b"x\n", b"\xff", b"0" * 64 + b"  ../SHA256SUMS\n"])
def test_a_head_that_is_lost_is_named_and_found_anew(runs: Runs, five: list[Path], content: bytes | None) -> None:
    head = runs.stream / "HEAD"
    head.unlink() if content is None else head.write_bytes(content)
    assert words(runs.chain().findings) == ["TRUNCATED"]
    directory = runs.written()
    assert f"the chain goes on after {five[4].name}" in runs.seal(directory).remark
    assert runs.chain().findings == ()


def test_the_next_run_follows_what_head_names_although_it_is_gone(runs: Runs, five: list[Path]) -> None:
    """So that it stays missing, whatever comes after it."""
    shutil.rmtree(five[4])
    following = runs.written()
    assert f"{five[4].name}: is the newest run by HEAD, and is not there" in runs.seal(following).remark
    assert words(runs.chain().findings) == ["MISSING"]
    assert said(runs.chain(), f"{five[4].name}: is not there, and {following.name} follows it")


def test_a_stream_has_one_beginning_and_each_run_one_successor(runs: Runs, five: list[Path]) -> None:
    aside = [each.rename(each.with_suffix(".away")) for each in five[1:]]
    chain.point(runs.stream, Entry(five[0].name, digest(five[0])))
    twin = runs.sealed()
    for each in aside:
        each.rename(each.with_suffix(""))
    found = runs.chain()
    assert "FORKED" in words(found.findings)
    assert said(found, f"each follow {five[0].name}")
    shutil.rmtree(twin)
    (runs.stream / "HEAD").unlink()
    aside = [each.rename(each.with_suffix(".away")) for each in five]
    runs.sealed()
    for each in aside:
        each.rename(each.with_suffix(""))
    assert said(runs.chain(), "each say that they are the first")


def test_what_was_taken_away_on_purpose_is_told(runs: Runs, five: list[Path]) -> None:
    gone = Entry(five[0].name, digest(five[0]))
    (runs.stream / "PRUNED").write_bytes(gone.line)
    shutil.rmtree(five[0])
    found = runs.chain()
    assert found.holds
    assert [each.word for each in found.findings] == ["PRUNED"]
    (runs.stream / "PRUNED").write_bytes(Entry(five[0].name, "0" * 64).line)
    assert words(runs.chain().findings) == ["MISSING"]
    (runs.stream / "PRUNED").write_bytes(b"all of them\n")
    assert "ALTERED" in words(runs.chain().findings)


def test_what_else_lies_in_a_stream_is_no_run(runs: Runs, five: list[Path]) -> None:
    (runs.stream / "latest").symlink_to(five[4].name)
    (runs.stream / "20260101T000000Z-00000000").symlink_to(five[4].name)
    (runs.stream / "verified.jsonl").touch()
    for name in ("drills/20260101T000000Z-00000000", "baselines", "gates/CHG-1", "index.html"):
        (runs.stream / name).mkdir(parents=True)
    assert runs.chain().findings == ()
    assert len(runs.chain().bundles) == 5


def test_a_run_of_another_stream_is_told(runs: Runs, five: list[Path], tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(runs.stream, copied)
    runs.stream = copied
    found = runs.chain()
    assert found.holds
    assert said(found, "was sealed in the stream test, not in copy")


def test_a_clock_that_was_set_back_is_found(runs: Runs) -> None:
    runs.sealed()
    directory = runs.written()
    runs.now = runs.now.replace(year=2025)
    runs.seal(directory)
    assert words(runs.chain().findings) == ["REORDERED"]


def test_an_empty_folder_is_no_stream(runs: Runs) -> None:
    with pytest.raises(UsageError, match="there is no run in it"):
        runs.chain()


def test_whoever_seals_is_alone_and_is_not_waited_for_without_end(runs: Runs) -> None:
    with (
        chain.locked(runs.stream),
        pytest.raises(ChainError, match="another run has been sealing"),
        chain.locked(runs.stream, 0.2),
    ):
        pass


def taken_away(runs: Runs, directory: Path) -> Entry:
    """Take a run away and say that this was on purpose, as anybody can who may write in the folder."""
    gone = Entry(directory.name, digest(directory))
    with (runs.stream / "PRUNED").open("ab") as file:
        file.write(gone.line)
    shutil.rmtree(directory)
    return gone


@pytest.mark.parametrize("back", [True, False])
def test_the_newest_run_is_never_taken_away_on_purpose(runs: Runs, five: list[Path], back: bool) -> None:
    taken_away(runs, five[0])
    gone = taken_away(runs, five[4])
    if back:
        chain.point(runs.stream, Entry(five[3].name, digest(five[3])))
        assert runs.chain().holds
    found = runs.chain(head=gone.digest)
    assert set(words(found.findings)) == {"TRUNCATED"}
    assert said(found, f"{gone.run}: has the digest")


def test_a_published_run_that_was_taken_away_is_told(runs: Runs, five: list[Path]) -> None:
    first, second = taken_away(runs, five[0]), taken_away(runs, five[1])
    for gone in (first, second):
        found = runs.chain(head=gone.digest)
        assert found.holds
        assert said(found, f"{gone.run}: has the digest {gone.digest}")


def elsewhere(runs: Runs, folder: Path, *, stream: str = "test") -> Path:
    """A run of another stream, the first one there, sealed with the same key."""
    other = Runs(folder, runs.keys)
    other.stream, other.now = other.stream.rename(folder / stream), runs.now
    return other.sealed()


@pytest.mark.parametrize("stream", ["test", "staging"])
def test_a_run_that_was_put_in_is_no_part_of_a_chain_whose_beginning_is_gone(
    runs: Runs, five: list[Path], tmp_path: Path, stream: str
) -> None:
    taken_away(runs, five[0])
    strange = elsewhere(runs, tmp_path / "elsewhere", stream=stream)
    shutil.copytree(strange, runs.stream / strange.name)
    found = runs.chain()
    assert words(found.findings) == ["FORKED"]
    assert said(found, f"{strange.name}: is no part of the chain")


def test_an_old_run_of_another_stream_is_no_part_of_a_chain(runs: Runs, tmp_path: Path) -> None:
    strange = elsewhere(runs, tmp_path / "elsewhere", stream="staging")
    runs.now = runs.now.replace(year=2027)
    gone, *_ = [runs.sealed() for _ in range(3)]
    taken_away(runs, gone)
    shutil.copytree(strange, runs.stream / strange.name)
    assert words(runs.chain().findings) == ["FORKED"]


def test_a_run_that_stayed_when_others_were_taken_away_is_part_of_the_chain(runs: Runs, five: list[Path]) -> None:
    for each in (five[1], five[3]):
        taken_away(runs, each)
    assert runs.chain().holds, runs.chain().told()


def test_a_head_that_says_that_there_is_no_run_begins_no_second_chain(runs: Runs, five: list[Path]) -> None:
    (runs.stream / "HEAD").write_text(chain.FIRST, encoding="utf-8")
    directory = runs.written()
    assert f"the chain goes on after {five[4].name}" in runs.seal(directory).remark
    assert runs.chain().findings == ()
