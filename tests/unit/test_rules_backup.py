"""Backup: the newest dump is young, by name and by mtime, and whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.archives import DumpVerification, StoredFile
from opsverify.rules import backup

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def dump(hours: float, size: int = 1000) -> StoredFile:
    moment = NOW - timedelta(hours=hours)
    name = f"backup_{moment:%Y%m%d_%H%M%S}.sql.gz"
    return StoredFile(f"/b/{name}", name, size, moment)


HISTORY = [dump(24 * day) for day in range(1, 20)]


@pytest.mark.parametrize(("hours", "good"), [(1, True), (25, True), (26, True), (26.001, False), (27, False)])
def test_the_newest_dump_is_young(limits_of: LimitsOf, hours: float, good: bool) -> None:
    found = [dump(hours), *(dump(hours + 24 * day) for day in range(1, 8))]
    assert met(backup.newest_is_recent(found, limits_of("BAK-LATEST-01"), NOW)) is good


@pytest.mark.parametrize(
    ("newest", "good"),
    [
        (dump(2), True),
        (replace(dump(2), modified=NOW - timedelta(hours=27)), False),
        (dump(-48), False),
        (replace(dump(-0.05), modified=NOW), True),
        (replace(dump(-0.1), modified=NOW), False),
        (replace(dump(2), modified=NOW + timedelta(minutes=5)), True),
        (replace(dump(2), modified=NOW + timedelta(minutes=5, seconds=1)), False),
        (replace(dump(2), modified=NOW + timedelta(days=365)), False),
        (dump(2, 500), True),
        (dump(2, 499), False),
        (dump(2, 20), False),
        (dump(2, 0), False),
    ],
)
def test_a_dump_is_judged_by_name_time_and_size(limits_of: LimitsOf, newest: StoredFile, good: bool) -> None:
    assert met(backup.newest_is_recent([*HISTORY, newest], limits_of("BAK-LATEST-01"), NOW)) is good


@pytest.mark.parametrize(("zone", "good"), [("UTC", False), ("Asia/Shanghai", True)])
def test_the_time_in_a_name_is_one_of_its_zone(limits_of: LimitsOf, zone: str, good: bool) -> None:
    local = replace(dump(-7), modified=NOW, zone=zone)  # written at 19:00 in Shanghai: an hour ago
    found = backup.newest_is_recent([*HISTORY, local], limits_of("BAK-LATEST-01"), NOW)
    assert met(found) is good
    assert f"read as a time in {zone}" in str(found[2])


def test_an_old_file_that_was_touched_is_still_old(limits_of: LimitsOf) -> None:
    found = [replace(each, modified=NOW) for each in HISTORY if each.named and each.named < NOW - timedelta(days=2)]
    assert not met(backup.newest_is_recent(found, limits_of("BAK-LATEST-01"), NOW))


@pytest.mark.parametrize("count", [0, 1, 6])
def test_too_few_dumps_are_not_enough_to_compare_with(limits_of: LimitsOf, count: int) -> None:
    assert not met(backup.newest_is_recent(HISTORY[:count], limits_of("BAK-LATEST-01"), NOW))


def test_other_files_are_no_dumps(limits_of: LimitsOf) -> None:
    other = StoredFile("/b/x", "x", 1000, NOW)
    assert not met(backup.newest_is_recent([other] * 20, limits_of("BAK-LATEST-01"), NOW))
    assert backup.dumps([other, *HISTORY])[0] == HISTORY[-1]


def test_dumps_of_nothing_have_no_median(limits_of: LimitsOf) -> None:
    found = [replace(each, size=0) for each in HISTORY]
    assert not met(backup.newest_is_recent(found, limits_of("BAK-LATEST-01"), NOW))


SOUND = DumpVerification("a", True, True, "d1", "d1")


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"decompresses": False}, False),
        ({"complete": False}, False),
        ({"manifest": "d2"}, False),
        ({"manifest": None}, False),
    ],
)
def test_a_dump_is_whole(limits_of: LimitsOf, change: dict[str, object], good: bool) -> None:
    found = [SOUND] * 4 + [replace(SOUND, **change)]  # type: ignore[arg-type]
    assert met(backup.dumps_are_whole(found, limits_of("BAK-INTEG-01"))) is good


@pytest.mark.parametrize("count", [0, 4])
def test_fewer_dumps_than_asked_for_are_not_whole(limits_of: LimitsOf, count: int) -> None:
    assert not met(backup.dumps_are_whole([SOUND] * count, limits_of("BAK-INTEG-01")))
