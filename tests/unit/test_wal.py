"""Write-ahead log: the arithmetic of segments and timelines, and which moment to recover to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import wal
from opsverify.errors import UnansweredError
from opsverify.wal import Segment, Start, Switch

MB = 1024 * 1024
SIZES = [MB * 2**power for power in range(11)]  # 1 MB to 1 GB


@given(st.sampled_from(SIZES), st.integers(1, 2**32 - 1), st.integers(0, 2**40))
def test_a_segment_and_its_name_are_one(size: int, timeline: int, number: int) -> None:
    found = Segment(timeline, number % ((1 << 64) // size))
    assert wal.segment(wal.name_of(found, size), size) == found


@pytest.mark.parametrize(
    ("name", "size", "number"),
    [
        ("0000000100000000000000FF", 16 * MB, 255),
        ("000000010000000100000000", 16 * MB, 256),
        ("000000010000000000000FFF", MB, 4095),
        ("000000010000000100000000", MB, 4096),
        ("000000010000000000000100", 16 * MB, None),  # of a cluster with another size
        ("000000010000000000000001.gz", 16 * MB, None),
        ("000000010000000000000001\n", 16 * MB, None),
        ("00000002.history", 16 * MB, None),
    ],
)
def test_a_name_tells_a_segment_by_its_size(name: str, size: int, number: int | None) -> None:
    found = wal.segment(name, size)
    assert (found.number if found else None) == number


BASE = Start(1, 4 * MB + 40, "000000010000000000000004")


def test_one_timeline_leads_on_without_a_gap_over_the_end_of_a_log_file() -> None:
    start = Start(1, 4094 * MB, "x")
    assert wal.leading(start, Segment(1, 4097), (), MB) == [
        "000000010000000000000FFE",
        "000000010000000000000FFF",
        "000000010000000100000000",
        "000000010000000100000001",
    ]


def test_the_segment_in_which_the_timeline_changes_is_read_on_the_new_one() -> None:
    history = (Switch(1, 6 * MB + 5), Switch(2, 7 * MB))
    assert wal.leading(BASE, Segment(3, 8), history, MB) == [
        "000000010000000000000004",
        "000000010000000000000005",
        "000000020000000000000006",
        "000000030000000000000007",
        "000000030000000000000008",
    ]


def test_a_base_backup_of_a_later_timeline_needs_nothing_of_the_first() -> None:
    assert wal.leading(Start(2, 7 * MB, "x"), Segment(2, 8), (Switch(1, 6 * MB),), MB)[0] == "000000020000000000000007"


@pytest.mark.parametrize(
    ("timeline", "history", "lies"),
    [
        (1, (), True),
        (2, (Switch(1, 6 * MB),), True),
        (2, (Switch(1, 4 * MB),), False),  # left before the base backup began
        (3, (Switch(2, 6 * MB),), False),  # another line
        (2, (), False),
    ],
)
def test_recovery_follows_a_timeline_only_from_one_of_its_ancestors(
    timeline: int, history: tuple[Switch, ...], lies: bool
) -> None:
    assert wal.lies_on(BASE, timeline, history) is lies


def test_a_history_is_read_whatever_the_reasons_say() -> None:
    text = "# a comment\n\n1\t0/3000000\tno recovery target specified\n2\t1/0\tbefore 2026-11-23 10:00:00+00\n"
    assert wal.parse_history(text) == (Switch(1, 0x3000000), Switch(2, 1 << 32))


@pytest.mark.parametrize("text", ["1", "x\t0/1\ty", "1\t01\ty", "2\t0/1\n1\t0/2", "1\t0/2\n2\t0/1", "1 0/1\x00"])
def test_a_history_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError):
        wal.parse_history(text)


@given(st.text(alphabet="0123456789ABCDEF/\t\n #x\x00", max_size=60))
def test_no_history_breaks_the_parser(text: str) -> None:
    try:
        found = wal.parse_history(text)
    except UnansweredError:
        return
    assert list(found) == sorted(found, key=lambda each: each.timeline)


def commit(seconds: float, *, lsn: int = 9, transaction: int = 1, what: str = "COMMIT") -> bytes:
    at = datetime.fromtimestamp(1_700_000_000 + seconds, UTC)
    return (
        f"rmgr: Transaction len (rec/tot):     34/    34, tx:  {transaction:9}, lsn: 0/{lsn:08X}, prev 0/00000000, "
        f"desc: {what} {at:%Y-%m-%d %H:%M:%S.%f} UTC\n"
    ).encode()


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(1_700_000_000 + seconds, UTC)


def found(lines: list[bytes], wanted: datetime | None = None) -> tuple[datetime, int] | None:
    targets = wal.Targets(5, wanted)
    targets.feed(lines)
    return (targets.found.moment, targets.found.transaction) if targets.found else None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([commit(1, transaction=1), commit(3, transaction=2)], (at(2), 2)),
        # The last one of all, so that everything before it is replayed.
        ([commit(1), commit(3, transaction=2), commit(7, transaction=3)], (at(5), 3)),
        # Commits are written in another order than their times: recovery stops before the first that is too late.
        ([commit(1), commit(8, transaction=2), commit(4, transaction=3)], (at(4.5), 2)),
        # An abort stops recovery too, so it counts for the time before, but is no commit to be absent.
        ([commit(1), commit(6, what="ABORT"), commit(8, transaction=4)], (at(7), 4)),
        ([commit(1), commit(8, what="ABORT")], None),
        ([commit(1), commit(1, transaction=2)], None),
        ([commit(1)], None),
        ([commit(1, lsn=4), commit(3)], None),  # the one before was made while the base backup was
        ([], None),
    ],
)
def test_the_moment_lies_between_the_last_two_commits(
    lines: list[bytes], expected: tuple[datetime, int] | None
) -> None:
    assert found(lines) == expected


def test_a_moment_that_is_named_is_reached_where_a_commit_comes_before_and_one_after() -> None:
    lines = [commit(1), commit(3, transaction=2), commit(7, transaction=3)]
    assert found(lines, at(2)) == (at(2), 2)
    assert found(lines, at(3)) == (at(3), 3)
    assert found(lines, at(0)) is None
    assert found(lines, at(7)) is None


def test_lines_of_a_real_pg_waldump_are_understood(captured: Callable[[str], str]) -> None:
    targets = wal.Targets(0)
    lines = captured("pg_waldump.txt").encode().splitlines(keepends=True)
    assert targets.feed(lines) == sum(b"desc: COMMIT " in each for each in lines) > 10
    assert targets.found is not None
    assert targets.found.moment < targets.found.at
    assert any(b"ABORT" in each for each in lines)


def test_a_prepared_transaction_goes_by_its_own_number() -> None:
    line = commit(9, what="COMMIT_PREPARED 77:")
    assert found([commit(1), line]) == (at(5), 77)


@pytest.mark.parametrize("line", [b"pg_waldump: x", b"rmgr: Transaction x, desc: COMMIT y", b"rmgr: Heap len x"])
def test_a_line_of_pg_waldump_that_is_not_understood_is_an_error(line: bytes) -> None:
    with pytest.raises(UnansweredError, match="not understood"):
        wal.Targets(0).feed([line])


@pytest.mark.parametrize(
    "text", ["", "2026-11-23 10:00:00", "2026-11-23 10:00:00 CET", "2026-11-23 10:00:00+01", "now UTC"]
)
def test_a_moment_of_another_zone_is_none(text: str) -> None:
    with pytest.raises(UnansweredError):
        wal.moment(text)
