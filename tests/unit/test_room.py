"""Room for the days that are to be kept: what a day takes, what counts already, and whose finding beats whose error."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Observation, holds, unmet
from opsverify.probes import Attempt, room
from opsverify.probes.archives import StoredFile
from opsverify.probes.room import Kept, Space
from opsverify.rules.room import has_room, need, with_room

NOW = datetime(2026, 11, 23, 13, 37, tzinfo=UTC)
TODAY = NOW.date()
DISK = Space("/dev/vdb1", "/backup", 1000)


def ago(days: int) -> date:
    """The day so many days ago."""
    return TODAY - timedelta(days=days)


def kept(by_day: dict[date, int], space: Space = DISK, folder: str = "/backup/a") -> Kept:
    """A folder that holds this."""
    return Kept(folder, sum(by_day.values()), by_day, space)


def daily(size: int, days: int) -> dict[date, int]:
    """So much on each of the last days."""
    return {ago(back): size for back in range(1, days + 1)}


@given(st.integers(1, 10**12), st.integers(1, 200))
def test_what_is_there_counts(size: int, days: int) -> None:
    found = need(kept(daily(size, days)), 90, NOW)

    assert found is not None
    assert found.daily == size
    assert found.more == size * max(0, 90 - days)


def test_a_day_is_the_median_of_days_and_today_is_none() -> None:
    found = need(kept({**daily(10, 9), ago(3): 100, TODAY: 300}), 90, NOW)

    assert found is not None
    assert (found.daily, found.more) == (10, 900 - 80 - 400)


def test_what_is_older_than_the_days_makes_no_room_for_them() -> None:
    """An old archive beside ten days of backups is not the eighty that are still to come."""
    found = need(kept({**daily(10, 10), ago(400): 10**6}), 90, NOW)

    assert found is not None
    assert (found.daily, found.more) == (10, 800)


def test_what_comes_once_a_week_takes_a_seventh_a_day() -> None:
    found = need(kept({ago(back): 700 for back in (7, 14, 21, 28)}), 28, NOW)

    assert found is not None
    assert (found.daily, found.more) == (100, 0)


def test_days_of_before_the_window_tell_nothing_of_a_day() -> None:
    assert need(kept({ago(91): 5, TODAY: 5}), 90, NOW) is None


def test_a_log_that_is_never_rotated_is_known_by_the_days_in_it() -> None:
    found = need(kept({TODAY: 600}), 30, NOW, held=6)

    assert found is not None
    assert (found.daily, found.more) == (100, 2400)
    assert need(kept({TODAY: 0}), 30, NOW, held=6) is None


@pytest.mark.parametrize(("days", "met"), [(79, False), (80, True), (90, True)])
def test_a_filesystem_has_room_for_the_days_to_come(days: int, met: bool) -> None:
    assert (unmet(has_room(Attempt((kept(daily(100, days)),)), 90, NOW)) == []) == met


def test_folders_on_one_disk_need_room_together() -> None:
    two = [kept(daily(10, 30), folder=folder) for folder in ("/backup/a", "/backup/b")]
    elsewhere = kept(daily(10, 30), space=Space("/dev/vdc1", "/b", 1000), folder="/backup/b")

    assert unmet(has_room(Attempt((two[0], elsewhere)), 90, NOW)) == []
    assert [each.name for each in unmet(has_room(Attempt(tuple(two)), 90, NOW))] == [
        "space left on /backup for /backup/a, /backup/b"
    ]


def test_a_folder_that_has_just_begun_is_shown() -> None:
    seen = has_room(Attempt((kept(daily(1, 90)), kept({TODAY: 5}, folder="/backup/wal"))), 90, NOW)

    assert [each.observed for each in seen][1:] == [("/backup/wal",)]


@pytest.mark.parametrize("found", [Attempt((kept({TODAY: 5}),)), Attempt(()), Attempt(None, "permission denied")])
def test_without_a_complete_day_nothing_can_be_said(found: Attempt[tuple[Kept, ...]]) -> None:
    with pytest.raises(InsufficientFactsError):
        has_room(found, 90, NOW)


MET, FOUND = [holds("days", "all", "all", met=True)], [holds("days", "none", "all", met=False)]
SCARCE: Attempt[tuple[Kept, ...]] = Attempt((kept(daily(1000, 1)),))
AMPLE: Attempt[tuple[Kept, ...]] = Attempt((kept(daily(1, 90)),))
UNKNOWN: Attempt[tuple[Kept, ...]] = Attempt(None, "permission denied")


def unclear() -> list[Observation]:
    """Judges nothing."""
    raise InsufficientFactsError("the days cannot be told")


def test_a_finding_of_either_beats_an_error_of_the_other() -> None:
    assert len(unmet(with_room(lambda: FOUND, UNKNOWN, 90, NOW))) == 1
    assert len(unmet(with_room(unclear, SCARCE, 90, NOW))) == 1
    assert unmet(with_room(lambda: MET, AMPLE, 90, NOW)) == []
    for judged, found in ((unclear, AMPLE), (lambda: MET, UNKNOWN)):
        with pytest.raises(InsufficientFactsError):
            with_room(judged, found, 90, NOW)


def test_files_count_for_the_day_of_their_name_or_of_their_last_change() -> None:
    late = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    files = [
        StoredFile("/b/x", "backup_20261119_010000.sql.gz", 5, late),
        StoredFile("/b/y", "000000010000000000000001", 7, late),
    ]
    found = room.counted("/b", files, room.day_of_file, DISK)

    assert (found.total, dict(found.by_day)) == (12, {date(2026, 11, 19): 5, date(2026, 11, 20): 7})


def test_a_base_backup_is_of_one_day_whatever_its_files_say() -> None:
    moments = [datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)]
    files = [StoredFile("/b/x", f"base_20261119_010000/{at}", 5, moment) for at, moment in enumerate(moments)]

    assert room.counted("/b", files, room.day_of_base("UTC"), DISK).by_day == {date(2026, 11, 19): 10}


def test_folders_within_others_are_counted_once() -> None:
    assert room.outermost(["/backup/wal", "/backup/secure/keys", "/backup/secure/", "/backup/wal2"]) == [
        "/backup/secure",
        "/backup/wal",
        "/backup/wal2",
    ]


INDICES = [
    {"index": "logs-2026.11.21", "store.size": "100"},
    {"index": "logs-2026.11.22", "store.size": "300"},
    {"index": "logs-2026.11.22-1", "store.size": "10"},
    {"index": "logs-other", "store.size": "5"},
    {"index": "logs-2026.11.20", "store.size": None},
]
NODES = [
    {"node": "a", "disk.avail": "600", "disk.total": "2000"},
    {"node": "b", "disk.avail": "50", "disk.total": "2000"},
    {"node": "UNASSIGNED", "disk.avail": None, "disk.total": None},
]


def test_an_index_lies_on_all_nodes_and_what_they_hold_back_is_not_to_be_had() -> None:
    found = room.parse_index(INDICES, NODES, "logs-*")

    assert found.total == 415
    assert found.by_day == {date(2026, 11, 20): 0, date(2026, 11, 21): 100, date(2026, 11, 22): 310}
    assert found.space == Space("elasticsearch", "2 data nodes", 500)


@pytest.mark.parametrize(
    ("indices", "nodes"),
    [
        (INDICES, NODES[2:]),
        (INDICES, []),
        (INDICES, None),
        ([{"index": "logs-2026.11.21", "store.size": "412.6kb"}], NODES),
        ([{"index": "logs-2026.11.21"}], NODES),
        ("no list", NODES),
    ],
)
def test_sizes_that_are_not_told_in_bytes_are_no_answer(indices: Any, nodes: Any) -> None:
    with pytest.raises(UnansweredError):
        room.parse_index(indices, nodes, "logs-*")
