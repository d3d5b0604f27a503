"""Duty and escalation: who is on duty when, for how long, and whom each level leads to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsverify.catalogue import Catalogue
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits
from opsverify.roster import Roster, parse
from opsverify.rules import people
from tests.unit.test_rules_people import NOW, TEXT, filled, findings, roster

LimitsOf = Callable[[str], Limits]


def shifts(*given: tuple[str, str, str, str]) -> Roster:
    head = TEXT[: TEXT.index("[[shifts]]")]
    entries = (
        f'[[shifts]]\nperson = "{who}"\nduty = "{duty}"\nfrom = {start}\nto = {end}\n'
        for who, duty, start, end in given
    )
    return parse(head + "".join(entries), "f")


MARA, TOMASZ = "Mara Lindqvist", "Tomasz Wieczorek"


def test_the_labs_roster_keeps_every_promise_on_every_day_of_a_year(limits_of: LimitsOf) -> None:
    for day in range(0, 366, 5):
        now = NOW + timedelta(days=day, hours=day % 24)
        found = parse(filled(now), "f")
        for seen in (
            people.weekdays_are_covered(found, limits_of("CON-DUTY-01"), "fail", now),
            people.emergencies_are_covered(found, limits_of("CON-DUTY-02"), "fail", now),
            people.duty_rotates(found, limits_of("CON-DUTY-03"), "fail", now),
            people.level_is_named(found, 1, (), "error", now),
        ):
            assert findings(seen) == "", now


def test_a_gap_is_named_by_the_clocks_of_the_roster(limits_of: LimitsOf) -> None:
    found = shifts(
        (MARA, "emergency", "2026-11-23T09:00:00", "2026-11-30T09:00:00"),
        (TOMASZ, "emergency", "2026-11-30T10:00:00", "2026-12-07T14:00:00"),
    )
    seen = people.emergencies_are_covered(found, limits_of("CON-DUTY-02"), "fail", NOW)
    assert "observed 2026-11-30 09:00 – 2026-11-30 10:00 CET, expected none" in findings(seen)
    weekdays = people.weekdays_are_covered(found, limits_of("CON-DUTY-01"), "fail", NOW)
    assert "observed 2026-11-30 09:00 – 2026-11-30 10:00 CET, expected none" in findings(weekdays)


def test_a_hand_over_leaves_no_gap(limits_of: LimitsOf) -> None:
    found = shifts(
        (MARA, "emergency", "2026-11-23T09:00:00", "2026-11-30T09:00:00"),
        (TOMASZ, "emergency", "2026-11-30T08:00:00Z", "2026-12-07T13:00:00"),
    )
    limits = limits_of("CON-DUTY-02")
    assert findings(people.emergencies_are_covered(found, limits, "fail", NOW)) == ""
    assert findings(people.emergencies_are_covered(found, limits, "fail", NOW + timedelta(seconds=1))) != ""


def test_an_hour_of_the_night_in_which_clocks_change_is_no_gap_but_a_missing_one_is(limits_of: LimitsOf) -> None:
    now = datetime(2026, 10, 20, 12, tzinfo=UTC)
    limits = limits_of("CON-DUTY-02")
    whole = ("2026-10-19T09:00:00", "2026-10-25T02:30:00+02:00", "2026-11-09T09:00:00")
    found = shifts((MARA, "emergency", *whole[:2]), (TOMASZ, "emergency", whole[1], whole[2]))
    assert "2026-10-25" not in findings(people.emergencies_are_covered(found, limits, "fail", now))
    found = shifts((MARA, "emergency", *whole[:2]), (TOMASZ, "emergency", "2026-10-25T02:30:00+01:00", whole[2]))
    assert "2026-10-25 02:30 CEST – 2026-10-25 02:30 CET" in findings(
        people.emergencies_are_covered(found, limits, "fail", now)
    )


def test_weekend_and_night_are_no_weekday_hours(limits_of: LimitsOf) -> None:
    days = [23, 24, 25, 26, 27, 30]
    given = [(MARA, "weekday", f"2026-11-{day}T09:00:00", f"2026-11-{day}T18:00:00") for day in days]
    given += [(MARA, "weekday", f"2026-12-{day:02}T09:00:00", f"2026-12-{day:02}T18:00:00") for day in (1, 2, 3, 4, 7)]
    limits = limits_of("CON-DUTY-01")
    assert findings(people.weekdays_are_covered(shifts(*given), limits, "fail", NOW)) == ""
    assert "2026-11-25 09:00 – 2026-11-25 18:00 CET" in findings(
        people.weekdays_are_covered(shifts(*given[:2], *given[3:]), limits, "fail", NOW)
    )


def test_no_shift_at_all_is_one_gap_and_no_rotation(limits_of: LimitsOf) -> None:
    found = shifts()
    seen = people.emergencies_are_covered(found, limits_of("CON-DUTY-02"), "fail", NOW)
    assert "observed 2026-11-23 13:00 – 2026-12-07 13:00 CET" in findings(seen)
    assert "shifts from now on" in findings(people.duty_rotates(found, limits_of("CON-DUTY-03"), "fail", NOW))
    for rule, name in (
        (people.weekdays_are_covered, "CON-DUTY-01"),
        (people.emergencies_are_covered, "CON-DUTY-02"),
        (people.duty_rotates, "CON-DUTY-03"),
    ):
        assert "roster: observed none" in findings(rule(None, limits_of(name), "fail", NOW))


def test_nobody_is_on_duty_for_two_weeks(limits_of: LimitsOf) -> None:
    limits = limits_of("CON-DUTY-03")
    first = (MARA, "emergency", "2026-11-23T09:00:00", "2026-11-30T09:00:00")
    again = (MARA, "emergency", "2026-11-30T09:00:00", "2026-12-01T09:00:00")
    assert findings(people.duty_rotates(shifts(first), limits, "fail", NOW)) == ""
    seen = findings(people.duty_rotates(shifts(first, again), limits, "fail", NOW))
    assert seen == "longest duty of Mara Lindqvist without a hand-over: observed 8 days, expected at most 7 days"


def test_a_week_in_which_the_clocks_are_put_back_is_a_week(limits_of: LimitsOf) -> None:
    found = shifts((MARA, "emergency", "2026-10-19T09:00:00", "2026-10-26T09:00:00"))
    now = datetime(2026, 10, 20, tzinfo=UTC)
    assert findings(people.duty_rotates(found, limits_of("CON-DUTY-03"), "fail", now)) == ""


def test_a_long_duty_that_is_over_is_history(limits_of: LimitsOf) -> None:
    found = shifts(
        (MARA, "emergency", "2026-11-01T09:00:00", "2026-11-20T09:00:00"),
        (TOMASZ, "emergency", "2026-11-20T09:00:00", "2026-11-27T09:00:00"),
    )
    assert findings(people.duty_rotates(found, limits_of("CON-DUTY-03"), "fail", NOW)) == ""


LEVELS: dict[int, tuple[Any, ...]] = {
    1: (),
    2: ("senior-system-administrator",),
    3: ("architect", "technical-lead"),
    4: ("cto",),
}


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_level_of_the_labs_roster_leads_to_somebody(level: int) -> None:
    assert findings(people.level_is_named(roster(), level, LEVELS[level], "error", NOW)) == ""
    with pytest.raises(InsufficientFactsError, match="roster: none"):
        people.level_is_named(None, level, LEVELS[level], "error", NOW)


@pytest.mark.parametrize(
    ("level", "old", "new", "said"),
    [
        (1, "level = 1\nduty = true", 'level = 1\nroles = ["engineer"]', "level 1 is whoever is on duty: observed no"),
        (2, "[[escalation]]\nlevel = 2", "[[escalation]]\nlevel = 2\npeople = []", ""),
        (
            2,
            'roles = ["senior-system-administrator", "engineer"]',
            'roles = ["engineer"]',
            "administrator: observed nobody",
        ),
        (3, '[[escalation]]\nlevel = 3\nroles = ["architect", "technical-lead"]\n', "", "level 3: observed not in the"),
        (
            3,
            'roles = ["architect", "technical-lead"]',
            'roles = ["architect"]',
            "level 3, technical-lead: observed nobody",
        ),
        (3, 'roles = ["architect", "technical-lead"]', 'people = ["Henrik Sommer", "Priya Raman"]', ""),
        (4, "severe_only = true", "severe_only = false", "level 4 is for severe incidents only: observed no"),
        (
            4,
            'mail = "claire.fontaine@tokenswap.io"\nphone = "+49 30 23125 107"',
            'mail = "x"',
            "observed nothing valid",
        ),
        (4, 'phone = "+49 30 23125 107"', 'phone = "+1-555-0123"', ""),
        (4, '"Claire Fontaine"', '"TBD"', "TBD (a placeholder)"),
    ],
)
def test_a_level_names_those_it_should(level: int, old: str, new: str, said: str) -> None:
    seen = people.level_is_named(roster(old, new), level, LEVELS[level], "error", NOW)
    assert said in findings(seen)
    assert bool(findings(seen)) == bool(said)


def test_level_one_is_nobody_while_nobody_is_on_duty() -> None:
    found = shifts((MARA, "emergency", "2026-11-23T09:00:00", "2026-11-23T13:00:00"))
    assert "on duty now: observed nobody" in findings(people.level_is_named(found, 1, (), "error", NOW))
    assert findings(people.level_is_named(found, 1, (), "error", NOW - timedelta(seconds=1))) == ""


@pytest.mark.parametrize("days", [0, -1, 1])
def test_a_horizon_without_a_working_hour_shows_nothing(demands: Catalogue, days: int) -> None:
    overrides = {name: {"horizon_days": days} for name in ("CON-DUTY-01", "CON-DUTY-02")}
    limits_of = demands.with_overrides(overrides, file=Path("f")).limits
    saturday = datetime(2026, 11, 28, tzinfo=UTC)
    with pytest.raises(InsufficientFactsError, match="no working hours"):
        people.weekdays_are_covered(roster(), limits_of("CON-DUTY-01"), "fail", saturday)
    if days < 1:
        with pytest.raises(InsufficientFactsError, match="no time to look at"):
            people.emergencies_are_covered(roster(), limits_of("CON-DUTY-02"), "fail", saturday)
