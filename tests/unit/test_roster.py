"""The roster: what a file may say, and the arithmetic of shifts, across hand-overs and changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UsageError
from opsverify.roster import Span, clock_days, gaps, parse, runs, working_hours

FILE = "profiles/test/roster.toml"
WHOLE = """
by = "Anna Smith"
reviewed_by = "Tom Lang"
date = 2026-11-01
valid_for = "90d"
timezone = "Europe/Berlin"
[contacts]
phone = "+49 30 23125 042"
[contacts.mail]
operations = "ops@tokenswap.io"
[[people]]
name = "Anna Smith"
roles = ["cto", "architect"]
mail = "anna@tokenswap.io"
[[people]]
name = "Tom Lang"
roles = ["engineer"]
mail = "tom@tokenswap.io"
phone = "+49 30 23125 043"
[[shifts]]
person = "Tom Lang"
duty = "emergency"
from = 2026-11-23T09:00:00
to = 2026-11-30T09:00:00+01:00
[[escalation]]
level = 1
duty = true
[[escalation]]
level = 4
roles = ["cto"]
people = ["Tom Lang"]
severe_only = true
"""
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(start: str, end: str, person: str = "") -> Span:
    return Span(at(start), at(end), person)


def test_a_roster_is_read_and_its_local_times_are_those_of_its_zone() -> None:
    found = parse(WHOLE, FILE)
    assert found.expires == date(2027, 1, 30)
    assert found.spans("emergency") == [span("2026-11-23T08:00", "2026-11-30T08:00", "Tom Lang")]
    assert found.spans("weekday") == []
    assert [each.name for each in found.holders("architect")] == ["Anna Smith"]
    assert found.team("operations") == "ops@tokenswap.io"
    assert found.team("security") is None
    assert found.person("Tom Lang").phone == "+49 30 23125 043"


def test_a_level_is_people_by_name_or_by_role() -> None:
    found = parse(WHOLE, FILE).reached(4)
    assert found is not None
    level, people = found
    assert level.severe_only
    assert [each.name for each in people] == ["Anna Smith", "Tom Lang"]
    assert parse(WHOLE, FILE).reached(2) is None


def test_two_may_be_on_duty_at_once() -> None:
    both = WHOLE.replace("[[escalation]]", SHIFT.format("Anna Smith", "2026-11-23T09:00:00", "2026-11-24T09:00:00"), 1)
    assert len(parse(both, FILE).spans("emergency")) == 2


SHIFT = '[[shifts]]\nperson = "{}"\nduty = "emergency"\nfrom = {}\nto = {}\n[[escalation]]'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('timezone = "Europe/Berlin"\n', "", "timezone: Field required"),
        ('"Europe/Berlin"', '"Mars/Base"', "timezone: expected the name of a time zone"),
        ('person = "Tom Lang"', 'person = "Tom L."', "shifts.0.person: 'Tom L.' is not among the people (there are: A"),
        ('people = ["Tom Lang"]', 'people = ["T"]', "escalation.1.people: 'T' is not among the people"),
        ('roles = ["cto"]', 'roles = ["boss"]', "escalation.1.roles.0: Input should be 'operations-manager'"),
        ('roles = ["engineer"]', "roles = []", "people.1.roles: List should have at least 1 item"),
        ('roles = ["engineer"]', 'roles = "engineer"', "people.1.roles: Input should be a valid list"),
        ('name = "Tom Lang"', 'name = "ANNA  smith"', "people.1.name: 'ANNA  smith' is given twice"),
        ("to = 2026-11-30T09:00:00+01:00", "to = 2026-11-23T09:00:00", "shifts.0.to: 2026-11-23 09:00:00 is not after"),
        (
            "to = 2026-11-30T09:00:00+01:00",
            "to = 2026-11-23T08:00:00Z",
            "shifts.0.to: 2026-11-23 08:00:00+00:00 is not",
        ),
        ("to = 2026-11-30T09:00:00+01:00", "to = 2026-11-30", "shifts.0.to: Input should be a valid datetime"),
        ("to = 2026-11-30T09:00:00+01:00", "to = 9999-12-31T23:59:59Z", "shifts.0.to: expected a year from 2000"),
        ("to = 2026-11-30T09:00:00+01:00", "to = 2027-03-28T02:30:00", "is left out by the clocks of Europe/Berlin"),
        (
            "to = 2026-11-30T09:00:00+01:00",
            "to = 2027-10-31T02:30:00",
            "shifts.0.to: 2027-10-31 02:30:00 is shown twice",
        ),
        ("level = 4", "level = 1", "escalation.1.level: 1 is given twice"),
        ("level = 4", "level = 5", "escalation.1.level: Input should be less than or equal to 4"),
        ("duty = true", "duty = false", "escalation.0: expected roles, people or duty = true"),
        ('duty = "emergency"', 'duty = "night"', "shifts.0.duty: Input should be 'weekday' or 'emergency'"),
        ('reviewed_by = "Tom Lang"', 'reviewed_by = "anna smith"', "reviewed_by: 'anna smith' made the statement"),
        ("[contacts]", "[contacts]\nfax = 1", "contacts.fax: unknown key"),
        ('phone = "+49 30 23125 042"', "phone = 493023125042", "contacts.phone: Input should be a valid string"),
    ],
)
def test_a_malformed_roster_ends_in_one_line_with_file_and_key(old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(UsageError) as error:
        parse(WHOLE.replace(old, new, 1), FILE)
    assert str(error.value).startswith(f"{FILE}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_time_that_the_clocks_show_twice_may_be_given_with_its_offset() -> None:
    found = parse(WHOLE.replace("2026-11-30T09:00:00+01:00", "2027-10-31T02:30:00+02:00"), FILE)
    assert found.spans("emergency")[0].end == at("2027-10-31T00:30")


def test_a_hand_over_at_one_moment_leaves_no_gap_and_one_second_leaves_one() -> None:
    window = (at("2026-11-23T00:00"), at("2026-11-25T00:00"))
    first, second = span("2026-11-22T00:00", "2026-11-24T09:00"), span("2026-11-24T09:00", "2026-11-26T00:00")
    assert gaps([second, first], *window) == []
    late = second._replace(start=second.start + timedelta(seconds=1))
    assert gaps([first, late], *window) == [Span(first.end, late.start)]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [("2026-11-23T00:00", "2026-11-25T00:00")]),
        ([("2026-11-20T00:00", "2026-11-23T00:00")], [("2026-11-23T00:00", "2026-11-25T00:00")]),
        ([("2026-11-25T00:00", "2026-11-26T00:00")], [("2026-11-23T00:00", "2026-11-25T00:00")]),
        (
            [("2026-11-23T06:00", "2026-11-24T00:00"), ("2026-11-23T07:00", "2026-11-23T08:00")],
            [("2026-11-23T00:00", "2026-11-23T06:00"), ("2026-11-24T00:00", "2026-11-25T00:00")],
        ),
    ],
)
def test_gaps_are_what_no_shift_covers(spans: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    window = (at("2026-11-23T00:00"), at("2026-11-25T00:00"))
    assert gaps([span(*each) for each in spans], *window) == [span(*each) for each in expected]


hours = st.integers(min_value=-10, max_value=60)
some_spans = st.lists(st.tuples(hours, st.integers(min_value=1, max_value=20)), max_size=8)


@given(some_spans, st.integers(min_value=1, max_value=50))
def test_every_hour_is_covered_or_in_exactly_one_gap(given_spans: list[tuple[int, int]], length: int) -> None:
    begin = at("2026-10-24T00:00")  # the clocks of Berlin are put back on the next day
    spans = [Span(begin + timedelta(hours=a), begin + timedelta(hours=a + n)) for a, n in given_spans]
    found = gaps(spans, begin, begin + timedelta(hours=length))
    for hour in range(length):
        moment = begin + timedelta(hours=hour)
        covered = any(each.start <= moment < each.end for each in spans)
        assert sum(each.start <= moment < each.end for each in found) == (0 if covered else 1)


@given(some_spans)
def test_gaps_do_not_depend_on_the_order_of_shifts(given_spans: list[tuple[int, int]]) -> None:
    begin = at("2026-11-23T00:00")
    spans = [Span(begin + timedelta(hours=a), begin + timedelta(hours=a + n)) for a, n in given_spans]
    window = (begin, begin + timedelta(hours=50))
    assert gaps(spans, *window) == gaps(reversed(spans), *window)


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "UTC"]),
    st.integers(min_value=0, max_value=365),
)
def test_weeks_of_local_hand_overs_have_no_gap_whenever_the_clocks_change(zone: str, day: int) -> None:
    begin = datetime.fromisoformat("2026-01-05T09:00") + timedelta(days=day)
    turns = [(begin + timedelta(weeks=week)).replace(tzinfo=ZoneInfo(zone)) for week in range(54)]
    spans = [Span(a.astimezone(UTC), b.astimezone(UTC), str(n % 3)) for n, (a, b) in enumerate(pairwise(turns))]
    assert gaps(spans, spans[0].start, spans[-1].end) == []
    assert {clock_days(each, ZoneInfo(zone)) for each in runs(spans)} == {7.0}


def test_working_hours_are_those_of_the_local_clock_on_both_sides_of_a_change() -> None:
    found = working_hours(BERLIN, time(9), time(18), at("2026-10-23T00:00"), at("2026-10-27T00:00"))
    assert found == [span("2026-10-23T07:00", "2026-10-23T16:00"), span("2026-10-26T08:00", "2026-10-26T17:00")]


def test_working_hours_begin_now_when_the_day_has_begun_and_end_with_the_window() -> None:
    found = working_hours(BERLIN, time(9), time(18), at("2026-11-23T12:00"), at("2026-11-24T12:00"))
    assert found == [span("2026-11-23T12:00", "2026-11-23T17:00"), span("2026-11-24T08:00", "2026-11-24T12:00")]
    assert working_hours(BERLIN, time(9), time(18), at("2026-11-21T00:00"), at("2026-11-22T23:00")) == []


def test_a_local_day_that_is_another_one_in_utc_is_not_lost() -> None:
    found = working_hours(
        ZoneInfo("Pacific/Auckland"), time(9), time(18), at("2026-11-22T19:00"), at("2026-11-23T06:00")
    )
    assert found == [span("2026-11-22T20:00", "2026-11-23T05:00")]


def test_touching_shifts_of_one_person_are_one_run() -> None:
    first, second = span("2026-11-02T09:00", "2026-11-09T09:00", "a"), span("2026-11-09T09:00", "2026-11-16T09:00", "a")
    assert runs([first, second]) == [span("2026-11-02T09:00", "2026-11-16T09:00", "a")]


def test_a_pause_without_anybody_is_no_hand_over() -> None:
    days = [span(f"2026-11-{day:02}T09:00", f"2026-11-{day:02}T18:00", "a") for day in (2, 3, 4, 5, 6, 9)]
    assert runs(days) == [span("2026-11-02T09:00", "2026-11-09T18:00", "a")]
    other = span("2026-11-07T09:00", "2026-11-07T18:00", "b")
    assert len(runs([*days, other])) == 3


def test_a_second_person_beside_the_first_does_not_take_over() -> None:
    long = [span("2026-11-02T09:00", "2026-11-09T09:00", "a"), span("2026-11-09T09:00", "2026-11-16T09:00", "a")]
    beside = span("2026-11-03T09:00", "2026-11-10T09:00", "b")
    assert max(clock_days(each, BERLIN) for each in runs([*long, beside])) == 14


def test_a_week_by_the_clocks_is_a_week_when_they_change() -> None:
    assert clock_days(span("2026-10-19T07:00", "2026-10-26T08:00"), BERLIN) == 7
    assert clock_days(span("2026-10-19T07:00", "2026-10-26T08:01"), BERLIN) > 7
