"""The ledger: verdicts survive a round trip, and what is no verdict counts for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import ledger
from opsverify.channels.ledger import LedgerChannel
from opsverify.errors import UnansweredError
from opsverify.ledger import Verdict
from opsverify.transcript import Transcript

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = Verdict(
    store="nightly",
    path="/b/backup_20261122_021500.sql.gz",
    size=7,
    mtime_ns=1795227302123456789,
    ctime_ns=1795227302123456790,
    inode=2**63 + 1,
    sha256="a" * 64,
    whole=True,
    as_written=True,
    read=NOW,
)


def of(**changes: Any) -> Verdict:
    return GOOD.model_copy(update=changes)


@given(
    path=st.text(min_size=1).filter(lambda text: text.strip() == text),
    numbers=st.tuples(*[st.integers(0, 2**63 - 1)] * 4),
)
def test_what_is_written_is_read_again(path: str, numbers: tuple[int, int, int, int]) -> None:
    size, mtime_ns, ctime_ns, inode = numbers
    path = path.encode("utf-8", "backslashreplace").decode("utf-8")
    verdict = of(path=path, size=size, mtime_ns=mtime_ns, ctime_ns=ctime_ns, inode=inode)
    assert ledger.parse(ledger.dump([verdict, of(path="/other")])) == ledger.Ledger(
        {("nightly", path): verdict, ("nightly", "/other"): of(path="/other")}
    )


def line(**changes: object) -> str:
    return json.dumps({**GOOD.model_dump(mode="json"), **changes})


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "null",
        line(size=-1),
        line(size="7"),
        line(size=7.5),
        line(inode=2**64),
        line(whole="yes"),
        line(whole=1),
        line(sha256="A" * 64),
        line(sha256="a" * 64 + "\n"),
        line(read="2026-11-23T12:00:00"),
        line(read="yesterday"),
        line(store=""),
        line(extra=1),
        line()[:-1],
        line() + line(),
    ],
)
def test_a_line_that_is_no_verdict_is_said_and_hides_no_other(bad: str) -> None:
    other = of(path="/other")
    found = ledger.parse(f"{bad}\n{ledger.dump([other])}")
    assert found == ledger.Ledger({("nightly", "/other"): other}, (1,))


def test_two_verdicts_on_one_archive_count_for_nothing() -> None:
    found = ledger.parse(ledger.dump([GOOD, of(path="/z")]) + line(whole=False) + "\n" + line() + "\n")
    assert found == ledger.Ledger({("nightly", "/z"): of(path="/z")}, (1, 3, 4))


@given(st.text(max_size=200))
def test_any_text_is_a_ledger_or_lines_that_are_none(text: str) -> None:
    found = ledger.parse(text)
    assert len(found.malformed) + len(found.verdicts) == len([each for each in text.split("\n") if each])


Open = Callable[..., LedgerChannel]


@pytest.fixture
def opened(tmp_path: Path, transcript: Transcript) -> Open:
    return lambda store="nightly": LedgerChannel(store, tmp_path / ledger.NAME, NOW, transcript)


def kept(folder: Path) -> dict[tuple[str, str], ledger.Verdict]:
    return ledger.parse((folder / ledger.NAME).read_text(encoding="utf-8")).verdicts


def test_a_ledger_that_is_not_there_holds_nothing(opened: Open) -> None:
    assert opened().earlier() == ledger.Ledger({})


def test_only_what_earlier_runs_wrote_is_earlier(opened: Open) -> None:
    first = opened()
    first.keep([GOOD], {GOOD.path})
    assert first.earlier().verdicts == {}
    assert opened().earlier().of("nightly") == {GOOD.path: GOOD}
    assert opened("weekly").earlier().of("weekly") == {}


def test_what_is_gone_from_the_store_goes_from_the_ledger_and_nothing_else(opened: Open, tmp_path: Path) -> None:
    opened("weekly").keep([of(store="weekly")], {GOOD.path})
    opened().keep([GOOD, of(path="/old"), of(path="/gone")], {GOOD.path, "/old", "/gone"})
    opened().keep([of(size=8)], {GOOD.path, "/old"})
    assert kept(tmp_path) == {
        ("weekly", GOOD.path): of(store="weekly"),
        ("nightly", GOOD.path): of(size=8),
        ("nightly", "/old"): of(path="/old"),
    }


def test_a_byte_that_is_no_text_spoils_its_line_alone(opened: Open, tmp_path: Path) -> None:
    (tmp_path / ledger.NAME).write_bytes(b"\xff\n" + ledger.dump([GOOD]).encode())
    assert opened().earlier() == ledger.Ledger({("nightly", GOOD.path): GOOD}, (1,))


def test_writers_side_by_side_lose_nothing(opened: Open, tmp_path: Path) -> None:
    def write(number: int) -> None:
        opened(f"store-{number}").keep([of(store=f"store-{number}")], {GOOD.path})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert len(kept(tmp_path)) == 40
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".verified.jsonl-")) == []


def test_a_ledger_that_cannot_be_read_or_written_is_an_error(opened: Open, tmp_path: Path) -> None:
    (tmp_path / ledger.NAME).mkdir()
    with pytest.raises(UnansweredError, match=r"verified.jsonl: cannot be read: it is no regular file"):
        opened().earlier()
    (tmp_path / ledger.NAME).rmdir()
    channel = opened()
    channel.file = tmp_path / "no such folder" / ledger.NAME
    with pytest.raises(UnansweredError, match=r"verified.jsonl: cannot be written: No such file or directory"):
        channel.keep([GOOD], ())


def test_what_is_taken_over_and_written_is_on_record(
    opened: Open, exchanges: Callable[[], list[dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / ledger.NAME).write_text("{\n" + ledger.dump([GOOD, of(store="weekly")]))
    opened().keep([of(size=9)], {GOOD.path})
    read, written = exchanges()
    assert (read["channel"], read["target"], read["question"]) == ("ledger", "nightly", {"read": "verified.jsonl"})
    assert read["answer"] == {"malformed": [1], "verdicts": [GOOD.model_dump(mode="json")]}
    assert written["question"]["verdicts"] == [of(size=9).model_dump(mode="json")]
