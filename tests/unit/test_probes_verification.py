"""Dumps are read in full, and again only when something has changed: with real files, real tools and a real ledger."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import stores
from opsverify.channels.ledger import LedgerChannel
from opsverify.channels.shell import Host
from opsverify.errors import CarrierError, UnansweredError
from opsverify.ledger import NAME
from opsverify.probes import archives, verification
from opsverify.probes.archives import StoredFile
from opsverify.probes.verification import COMPLETE, Verification, parse_digests, verified
from opsverify.progress import unseen
from opsverify.transcript import Transcript

WHOLE = f"CREATE TABLE x ();\n--\n{COMPLETE}\n--\n\n\\unrestrict abc\n\n".encode()
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def name_of(day: int) -> str:
    return f"backup_202611{day:02}_021500.sql.gz"


def nightly(folder: str) -> stores.Backups:
    return stores.Backups(
        name="nightly",
        host="here",
        database=folder,
        manifest=folder,
        sensitive=[folder],
        base=folder,
        wal=folder,
        provider="us",
        production=stores.Production(provider="us"),
        timeout_s=5,
    )


class Store:
    """A real store of dumps, and runs that verify it one after the other."""

    def __init__(self, host: Host, folder: Path, transcript: Transcript) -> None:
        self.host, self.transcript = host, transcript
        self.folder = folder / "store of may"  # the folder, unlike the names in it, may be called anything
        self.folder.mkdir()
        self.ledger = folder / NAME
        self.manifest: dict[str, str] = {}
        self.spec = nightly("/b").model_copy(update={"database": str(self.folder)})

    def add(self, day: int, data: bytes = packed(WHOLE)) -> Path:
        path = self.folder / name_of(day)
        path.write_bytes(data)
        self.manifest[path.name] = hashlib.sha256(data).hexdigest()
        return path

    def run(self, reread_after_days: float = 30, started: datetime = NOW) -> dict[str, Verification]:
        ledger = LedgerChannel("nightly", self.ledger, started, self.transcript)
        dumps = tuple(each for each in archives.files(self.host, str(self.folder)) if each.named)
        digests = tuple(sorted(self.manifest.items()))
        found = verified(self.host, ledger, self.spec, dumps, digests, unseen, reread_after_days)
        assert [each.dump for each in found] == list(dumps)
        return {each.name: each for each in found}

    def read_again(self, **how: Any) -> set[str]:
        return {name for name, each in self.run(**how).items() if not each.taken_over}


@pytest.fixture
def store(local: Host, tmp_path: Path, transcript: Transcript) -> Store:
    return Store(local, tmp_path, transcript)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(packed(WHOLE), "", id="whole"),
        pytest.param(packed(b"\xff" * 2000 + WHOLE), "", id="no text"),
        pytest.param(packed(b""), "does not end as a complete dump", id="empty pipe"),
        pytest.param(packed(WHOLE[:20]), "does not end as a complete dump", id="cut and packed again"),
        pytest.param(
            packed(b"7\tsays " + COMPLETE.encode() + b"\n8\tcut he"), "does not end as a complete dump", id="quoted"
        ),
        pytest.param(packed(WHOLE + b"x" * 2000), "does not end as a complete dump", id="goes on"),
        pytest.param(packed(b"x" * 2000 + WHOLE)[:-9], "does not decompress: gzip: .*unexpected end.*", id="cut"),
        pytest.param(packed(WHOLE) + b"more", "does not decompress: gzip: .*trailing garbage.*", id="garbage"),
        pytest.param(packed(WHOLE)[:-8] + b"\0" * 8, "does not decompress: gzip: .*", id="checksum"),
        pytest.param(b"", "does not (decompress|end).*", id="empty"),
        pytest.param(b"plain text", "does not decompress: gzip: .*not in gzip format", id="not packed"),
    ],
)
def test_a_dump_is_read_to_its_end(store: Store, data: bytes, problem: str) -> None:
    path = store.add(22, data)
    (found,) = store.run().values()
    assert (found.unanswered, found.digest) == ("", hashlib.sha256(data).hexdigest())
    assert bool(found.problem) is bool(problem)
    assert re.fullmatch(problem, found.problem)
    assert found.verified is not bool(problem)
    assert store.read_again() == ({path.name} if problem else set()), "what is bad is read again"


def test_what_is_unchanged_is_not_read_again(store: Store, exchanges: Callable[[], list[dict[str, Any]]]) -> None:
    names = {store.add(day).name for day in range(1, 21)}
    assert {each.name for each in store.run().values() if each.verified} == names
    before = len(exchanges())
    again = store.run(started=NOW + timedelta(days=1))
    assert {(each.taken_over, each.verified, each.read) for each in again.values()} == {(True, True, NOW)}
    asked = " ".join(str(each["question"]) for each in exchanges()[before:])
    assert "zcat" not in asked
    assert "sha256sum" not in asked


def rewritten(path: Path, data: bytes) -> None:
    """Altered in place; size and mtime are as before."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def replaced(path: Path) -> None:
    """Another file of the same content and mtime."""
    stat = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.utime(path, (1, 1)),
        lambda path: path.chmod(0o600),
        replaced,
        lambda path: rewritten(path, path.read_bytes()),
    ],
)
def test_what_was_touched_is_read_again_and_nothing_else(store: Store, change: Callable[[Path], None]) -> None:
    path = [store.add(day) for day in (20, 21, 22)][1]
    store.run()
    change(path)
    assert store.read_again() == {path.name}
    assert store.read_again() == set()


def test_a_dump_that_was_altered_behind_its_times_is_caught(store: Store) -> None:
    path = store.add(22)
    store.run()
    rewritten(path, path.read_bytes()[:-4] + b"abcd")
    (found,) = store.run().values()
    assert not found.taken_over
    assert not found.verified


def test_another_digest_in_the_manifest_is_no_verdict_of_before(store: Store) -> None:
    path = store.add(22)
    store.run()
    store.manifest[path.name] = "b" * 64
    assert [(each.taken_over, each.verified) for each in store.run().values()] == [(False, False)]
    del store.manifest[path.name]
    assert [(each.taken_over, each.manifest) for each in store.run().values()] == [(False, None)]


@pytest.mark.parametrize(
    ("days", "read_again"),
    [(0, False), (30, False), (30.01, True), (400, True), (-0.003, False), (-0.01, True), (-400, True)],
)
def test_a_verdict_is_good_for_so_many_days_and_none_is_of_tomorrow(
    store: Store, days: float, read_again: bool
) -> None:
    name = store.add(22).name
    store.run()
    assert (store.read_again(started=NOW + timedelta(days=days)) == {name}) is read_again


def test_the_newest_are_read_in_any_case_and_their_verdict_kept(store: Store) -> None:
    name = store.add(22).name
    store.run()
    later = NOW + timedelta(days=20)
    assert store.read_again(reread_after_days=0, started=later) == {name}
    assert store.run(started=later + timedelta(days=20))[name].read == later


def test_a_spoilt_ledger_spares_nothing_of_what_it_spoilt(store: Store) -> None:
    names = [store.add(day).name for day in (20, 21, 22)]
    store.run()
    lines = store.ledger.read_text().splitlines()
    store.ledger.write_text("\n".join([lines[0], lines[1][:-1], lines[2]]) + "\n")
    assert store.read_again() == {names[1]}
    store.ledger.unlink()
    assert store.read_again() == set(names)


def test_what_changes_while_it_is_read_is_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.add(22)
    real = verification._problem

    def touched(host: Host, dump: StoredFile, timeout_s: float) -> str | UnansweredError:
        os.utime(path, (1, 1))
        return real(host, dump, timeout_s)

    monkeypatch.setattr(verification, "_problem", touched)
    assert [each.verified for each in store.run().values()] == [True]
    monkeypatch.setattr(verification, "_problem", real)
    assert store.read_again() == {path.name}


def test_one_that_cannot_be_read_hides_nothing_of_the_others(store: Store) -> None:
    names = [store.add(day).name for day in (20, 21, 22)]
    ledger = LedgerChannel("nightly", store.ledger, NOW, store.transcript)
    dumps = tuple(archives.files(store.host, str(store.folder)))
    (store.folder / names[1]).unlink()
    found = verified(store.host, ledger, store.spec, dumps, tuple(store.manifest.items()), unseen)
    assert [bool(each.unanswered) for each in found] == [False, True, False]
    assert [each.verified for each in found] == [True, False, True]
    assert "No such file" in found[1].unanswered


def test_one_that_cannot_be_read_in_time_says_so(store: Store) -> None:
    spec = store.spec.model_copy(update={"timeout_s": 0.3})
    path = store.folder / name_of(22)
    os.mkfifo(path)
    dump = StoredFile(str(path), path.name, 1, NOW)
    (found,) = verified(
        store.host, LedgerChannel("nightly", store.ledger, NOW, store.transcript), spec, (dump,), (), unseen
    )
    assert "host here: no answer within 0.3 s to" in found.unanswered


def test_an_unreachable_host_is_no_fact_about_a_dump(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(22)
    dumps = tuple(archives.files(store.host, str(store.folder)))

    def gone(*_: object, **__: object) -> None:
        raise CarrierError("host here cannot be reached")

    monkeypatch.setattr(store.host, "run", gone)
    with pytest.raises(CarrierError):
        verified(
            store.host, LedgerChannel("nightly", store.ledger, NOW, store.transcript), store.spec, dumps, (), unseen
        )


def test_progress_goes_from_none_to_all(store: Store) -> None:
    for day in range(1, 21):
        store.add(day)
    told = list[tuple[str, int, int]]()
    ledger = LedgerChannel("nightly", store.ledger, NOW, store.transcript)
    dumps = tuple(archives.files(store.host, str(store.folder)))
    verified(store.host, ledger, store.spec, dumps, (), lambda *line: told.append(line))
    assert {(what, of) for what, _, of in told} == {("verifying backups of nightly", 20)}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert (told[0][1], told[-1][1]) == (0, 20)


DUMP = StoredFile("/b/backup_20261122_021500.dump", "backup_20261122_021500.dump", 9, NOW)


def answering(status: int, said: str) -> Any:
    def run(command: str, *_: object, **__: object) -> SimpleNamespace:
        text = f"{'a' * 64}  /b/x\n" if command.startswith("sha256sum") else ""
        mine = (0, "") if command.startswith("sha256sum") else (status, said)
        return SimpleNamespace(rc=mine[0], stderr=mine[1], stderr_bytes=mine[1].encode(), stdout_bytes=text.encode())

    return SimpleNamespace(name="node", run=run)


@pytest.mark.parametrize(
    ("status", "said", "problem"),
    [
        (0, "", ""),
        (0, "pg_restore: warning: line 1\n", ""),
        (1, "pg_restore: error: could not read from input file: end of file\n", "to its end: could not read from"),
        (1, "pg_restore: error: could not uncompress data: incorrect data check\n", "incorrect data check"),
        (1, "pg_restore: error: input file does not appear to be a valid archive (too short?)\n", "no.*valid archive"),
        (1, "", "to its end: status 1"),
        (137, "", "to its end: status 137"),
    ],
)
def test_a_dump_in_the_own_format_is_judged_by_pg_restore(status: int, said: str, problem: str) -> None:
    found = verification._problem(answering(status, said), DUMP, 5)
    assert isinstance(found, str)
    assert bool(found) is bool(problem)
    assert re.search(problem, found)


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [
        (127, "sh: 1: pg_restore: not found\n", "has no pg_restore"),
        (1, "Error: PostgreSQL version 15 is not installed\n", "has no pg_restore"),
        (1, "pg_restore: error: unsupported version (1.16) in file header\n", "is older than the dump .*1.16"),
        (1, 'pg_restore: error: could not open input file "/b/x": Permission denied\n', "cannot be read"),
        (1, 'pg_restore: error: could not open input file "/b/x": No such file or directory\n', "cannot be read"),
    ],
)
def test_what_pg_restore_cannot_tell_is_an_error_that_says_why(
    status: int, said: str, why: str, tmp_path: Path, transcript: Transcript
) -> None:
    ledger = LedgerChannel("nightly", tmp_path / NAME, NOW, transcript)
    found = verification._problem(answering(status, said), DUMP, 5)
    assert isinstance(found, UnansweredError)
    assert re.search(why, str(found))
    assert ledger.earlier().verdicts == {}


@pytest.mark.parametrize(("written", "known"), [("a" * 64, False), ("b" * 64, True), (None, True)])
def test_another_file_than_was_written_is_a_finding_even_if_it_cannot_be_read(written: str | None, known: bool) -> None:
    told = {DUMP.name: written} if written else {}
    how = verification.Reading(nightly("/b"), told, NOW, NOW)
    (found,) = verification._read(answering(127, "not found"), [DUMP], how, lambda _: None)
    assert bool(found.unanswered) is not known
    assert not found.verified


def test_what_was_read_is_kept_when_the_next_large_file_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "SMALL_BYTES", 10)
    names = [store.add(day).name for day in (20, 21, 22)]
    real = verification._problem

    def lost(host: Host, dump: StoredFile, timeout_s: float) -> str | UnansweredError:
        if dump.name == names[2]:
            raise CarrierError("host here cannot be reached")
        return real(host, dump, timeout_s)

    monkeypatch.setattr(verification, "_problem", lost)
    with pytest.raises(CarrierError):
        store.run()
    monkeypatch.setattr(verification, "_problem", real)
    assert store.read_again() == {names[2]}


def test_many_files_are_asked_about_in_few_questions_and_large_ones_alone() -> None:
    small = [StoredFile(f"/b/{each}", f"{each}", 1000, NOW) for each in range(40)]
    large = [StoredFile(f"/b/l{each}", f"l{each}", verification.SMALL_BYTES + 1, NOW) for each in range(2)]
    sizes = [len(each) for each in verification._batches([*small, *large])]
    assert sizes == [16, 16, 8, 1, 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{'a' * 64}  /b/x\n", ["a" * 64]),
        (f"\\{'a' * 64}  /b/x\\\\y\n{'b' * 64} */b/y\n", ["a" * 64, "b" * 64]),
    ],
)
def test_digests_are_told_in_the_order_of_the_files(text: str, found: list[str]) -> None:
    assert parse_digests(text, len(found)) == found


@given(st.text(max_size=200), st.integers(1, 3))
def test_any_other_answer_about_digests_is_an_error(text: str, count: int) -> None:
    with pytest.raises(UnansweredError, match="sha256sum: "):
        parse_digests(text, count)
