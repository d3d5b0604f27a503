"""Backup: the newest dump is young, by name and by mtime, and whole; and every day has one that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.archives import StoredFile
from opsverify.probes.base_backups import BaseVerification
from opsverify.probes.verification import Verification
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


def test_a_dump_is_compared_with_those_of_its_own_format(limits_of: LimitsOf) -> None:
    def custom(hours: float, size: int) -> StoredFile:
        same = dump(hours, size)
        return replace(same, name=same.name.replace(".sql.gz", ".dump"))

    limits = limits_of("BAK-LATEST-01")
    smaller = [custom(24 * day, 300) for day in range(1, 8)]
    assert met(backup.newest_is_recent([*HISTORY, *smaller, custom(2, 300)], limits, NOW))
    assert not met(backup.newest_is_recent([*HISTORY, *smaller, custom(2, 100)], limits, NOW))
    few = [custom(24 * day, 300) for day in range(1, 3)]  # not enough of them: compared with all
    assert not met(backup.newest_is_recent([*HISTORY, *few, custom(2, 300)], limits, NOW))
    assert met(backup.newest_is_recent([*HISTORY, *few, custom(2, 600)], limits, NOW))


def verification(day: date, hour: int = 2, **changes: Any) -> Verification:
    moment = datetime(day.year, day.month, day.day, hour, 15, tzinfo=UTC)
    name = f"backup_{moment:%Y%m%d_%H%M%S}.sql.gz"
    sound = Verification(StoredFile(f"/b/{name}", name, 1000, moment), "", "d1", "d1", NOW)
    return replace(sound, **changes)


TODAY = NOW.date()
SOUND = verification(TODAY)
UNREAD: dict[str, Any] = {"unanswered": "host node: no answer within 600 s", "digest": ""}
BASE = BaseVerification("base_20261122_021500", "")


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"problem": "does not end as a complete dump"}, False),
        ({"manifest": "d2"}, False),
        ({"manifest": None}, False),
    ],
)
def test_a_dump_is_whole(limits_of: LimitsOf, change: dict[str, Any], good: bool) -> None:
    found = [SOUND] * 4 + [verification(TODAY, **change)]
    assert met(backup.dumps_are_whole(found, None, limits_of("BAK-INTEG-01"))) is good


@pytest.mark.parametrize("count", [0, 4])
def test_fewer_dumps_than_asked_for_are_not_whole(limits_of: LimitsOf, count: int) -> None:
    assert not met(backup.dumps_are_whole([SOUND] * count, None, limits_of("BAK-INTEG-01")))


def test_the_newest_base_backup_is_whole_too(limits_of: LimitsOf) -> None:
    limits = limits_of("BAK-INTEG-01")
    found = backup.dumps_are_whole([SOUND] * 5, Attempt(BASE), limits)
    assert met(found)
    assert BASE.name in str(found[-1])
    broken = Attempt(replace(BASE, problem='"base/1/2" is present on disk but not in the manifest'))
    assert not met(backup.dumps_are_whole([SOUND] * 5, broken, limits))


@pytest.mark.parametrize(
    ("dumps", "base"),
    [
        ([SOUND] * 4 + [verification(TODAY, **UNREAD)], Attempt(BASE)),
        ([SOUND] * 5, Attempt[BaseVerification](None, "host node: has no pg_verifybackup")),
    ],
)
def test_what_cannot_be_read_is_never_whole_and_hides_no_finding(
    limits_of: LimitsOf, dumps: list[Verification], base: Attempt[BaseVerification]
) -> None:
    limits = limits_of("BAK-INTEG-01")
    with pytest.raises(InsufficientFactsError, match="host node: "):
        backup.dumps_are_whole(dumps, base, limits)
    assert not met(backup.dumps_are_whole([*dumps, verification(TODAY, problem="cut")], base, limits))


def covered(
    limits_of: LimitsOf, verified: list[Verification], since: date | None = None, **more: Any
) -> list[Observation]:
    limits = limits_of("CAP-STO-04")
    days = backup.days_to_cover("UTC", since, limits, NOW)
    return backup.every_day_is_covered(verified, days, "UTC", limits, NOW, **more)


def days(count: int) -> list[date]:
    return [TODAY - timedelta(days=back) for back in range(count, 0, -1)]


NIGHTS = [verification(day) for day in days(90)]


def test_ninety_days_are_ninety_whole_days_before_today(limits_of: LimitsOf) -> None:
    assert met(covered(limits_of, NIGHTS))
    assert met(covered(limits_of, [*NIGHTS, verification(TODAY, problem="cut")])), "today is not over"
    assert met(covered(limits_of, [verification(TODAY - timedelta(days=95), problem="cut"), *NIGHTS]))


@pytest.mark.parametrize("night", [0, 17, 89])
@pytest.mark.parametrize(
    "instead",
    [
        None,
        {"problem": "does not decompress"},
        {"manifest": None},
        {"manifest": "d2"},
        {"hour": 2, "day": 1},
    ],
)
def test_a_day_without_a_verified_backup_is_named(
    limits_of: LimitsOf, night: int, instead: dict[str, Any] | None
) -> None:
    day = days(90)[night]
    others = [each for each in NIGHTS if each != NIGHTS[night]]
    if instead and "day" in instead:
        others.append(verification(days(90)[(night + 1) % 90], hour=5))  # two on the day after are none on this one
    elif instead:
        others.append(verification(day, **instead))
    found = covered(limits_of, others)
    assert not met(found)
    assert unmet(found)[0].observed == (str(day),)


def test_another_backup_of_the_day_makes_up_for_a_broken_one(limits_of: LimitsOf) -> None:
    found = covered(limits_of, [*NIGHTS, verification(days(90)[3], hour=5, problem="does not decompress")])
    assert met(found)
    assert "does not decompress" in str(found[-1])


def test_a_day_is_one_of_the_zone_of_the_store(limits_of: LimitsOf) -> None:
    limits = limits_of("CAP-STO-04")
    late = datetime(2026, 11, 23, 17, tzinfo=UTC)  # the day after in Shanghai
    assert backup.days_to_cover("Asia/Shanghai", None, limits, late)[-1] == TODAY
    evening = [verification(day, hour=20) for day in days(91)]  # each at four in the morning of the next day there
    assert met(
        backup.every_day_is_covered(
            evening, backup.days_to_cover("Asia/Shanghai", None, limits, NOW), "Asia/Shanghai", limits, NOW
        )
    )
    assert not met(covered(limits_of, evening[:-1]))


def test_a_young_service_is_judged_since_its_first_day(limits_of: LimitsOf) -> None:
    since = TODAY - timedelta(days=3)
    assert met(covered(limits_of, NIGHTS[-3:], since))
    assert not met(covered(limits_of, NIGHTS[-2:], since))
    assert not met(covered(limits_of, NIGHTS[:-1], TODAY - timedelta(days=1)))


@pytest.mark.parametrize("since", [TODAY, TODAY + timedelta(days=1)])
def test_a_service_of_today_has_no_day_to_judge(limits_of: LimitsOf, since: date) -> None:
    with pytest.raises(InsufficientFactsError, match="no day to judge"):
        covered(limits_of, NIGHTS, since)


def test_a_dump_that_cannot_be_read_is_no_backup_and_hides_no_missing_one(limits_of: LimitsOf) -> None:
    unread = verification(days(90)[3], **UNREAD)
    with pytest.raises(InsufficientFactsError, match="no answer within 600 s"):
        covered(limits_of, [*NIGHTS[:3], unread, *NIGHTS[4:]])
    assert not met(covered(limits_of, [*NIGHTS[:3], unread, *NIGHTS[5:]]))
    assert met(covered(limits_of, [unread, *NIGHTS]))


def test_it_says_what_was_read_now_and_what_earlier(limits_of: LimitsOf) -> None:
    taken = [replace(each, taken_over=True, read=NOW - timedelta(days=12)) for each in NIGHTS[:85]]
    found = covered(limits_of, [*taken, *NIGHTS[85:]], malformed=(3, 7))
    told = " / ".join(map(str, found))
    assert "5 read now, 85 unchanged since an earlier run read them" in told
    assert "oldest verdict of an earlier run: observed 12 days, expected at most 30 days" in told
    assert "no verdicts in lines 3, 7" in told
    old = replace(taken[0], read=NOW - timedelta(days=31))
    assert not met(covered(limits_of, [old, *taken[1:], *NIGHTS[85:]]))
