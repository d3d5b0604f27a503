"""The arithmetic of UTC days: whatever the zone, the order, the gaps and the repetitions."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from opsverify.days import DAY, Daily, Span, day_of, ends, ends_at, highest, in_a_row, spread, trend
from opsverify.judgement import Limit

LIMIT = Limit("daily_mean", "at_most", 0.70, "ratio", "manual")
COVERAGE = Limit("coverage", "at_least", 0.90, "ratio", "default")
FIRST = date(2026, 11, 16)
SEVEN = [FIRST + timedelta(days=each) for each in range(7)]

ZONES = ["UTC", "Europe/Berlin", "Asia/Shanghai", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001
zones = st.sampled_from(ZONES).map(ZoneInfo) | st.integers(-23 * 60, 23 * 60).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
ratios = st.floats(0, 1)
known = st.lists(
    st.builds(
        Daily,
        st.sampled_from([FIRST - timedelta(days=1), *SEVEN, FIRST + timedelta(days=7)]),
        st.one_of(st.sampled_from([0.69, 0.70, 0.71, math.nan, math.inf]), ratios),
        st.sampled_from([0.0, 0.89, 0.90, 1.0]),
    ),
    max_size=20,
)


def days(*values: float, coverage: float = 1.0) -> list[Daily]:
    return [Daily(day, value, coverage) for day, value in zip(SEVEN, values, strict=False)]


def row(found: list[Daily]) -> str:
    return in_a_row(found, SEVEN, LIMIT, COVERAGE)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-11-23T00:00:00+00:00", "2026-11-22T23:59:59+00:00"),
        ("2026-11-23T23:59:59+00:00", "2026-11-22T23:59:59+00:00"),
        ("2026-11-22T23:59:59.999999+00:00", "2026-11-21T23:59:59+00:00"),
        ("2026-11-23T07:59:59+08:00", "2026-11-21T23:59:59+00:00"),  # in Shanghai it is the 23rd, in UTC the 22nd
        ("2026-03-29T03:30:00+02:00", "2026-03-28T23:59:59+00:00"),  # the night in which Berlin's clocks change
    ],
)
def test_a_day_is_complete_once_the_next_has_begun_in_utc(now: str, last: str) -> None:
    moments = ends(datetime.fromisoformat(now), 7)
    assert moments[-1] == datetime.fromisoformat(last).timestamp()
    assert len(moments) == 7


@given(moments, zones, st.integers(1, 60))
def test_days_are_the_same_wherever_one_asks_from(moment: datetime, zone: timezone | ZoneInfo, count: int) -> None:
    now = moment.replace(tzinfo=UTC)
    found = ends(now.astimezone(zone), count)
    assert found == ends(now, count)
    assert all(after - before == DAY for before, after in pairwise(found))
    assert now.timestamp() - DAY - 1 < found[-1] < now.timestamp()
    assert [ends_at(day_of(each)) for each in found] == list(found)
    assert day_of(found[-1] + 1) == now.date()


def test_a_moment_without_a_zone_lies_in_no_day() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        ends(datetime(2026, 11, 23), 7)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (days(*[0.71] * 7), "above"),
        (days(*[0.69] * 7), "not above"),
        (days(*[0.70] * 7), "not above"),  # exactly at the limit
        (days(*[0.7000001] * 7), "above"),
        (days(*[0.95] * 6, 0.5), "not above"),
        (days(0.5, *[0.95] * 6), "not above"),
        (days(*[0.95] * 6), "unknown"),  # a day is missing, and all others are hot
        (days(0.5, *[0.95] * 4), "not above"),  # two are missing, but one that is there was cool
        (days(*[0.95] * 7, coverage=0.89), "unknown"),
        (days(*[0.1] * 7, coverage=0.89), "unknown"),
        (days(*[0.95] * 7, coverage=0.9), "above"),
        (days(*[0.95] * 6, math.nan), "unknown"),
        (days(*[0.95] * 6, math.inf), "unknown"),
        ([], "unknown"),
    ],
)
def test_seven_days_in_a_row(found: list[Daily], expected: str) -> None:
    assert row(found) == expected


@given(known, st.randoms())
def test_order_and_repetition_change_nothing(found: list[Daily], rng: object) -> None:
    again = found + [each for each in found if rng.random() < 0.5]  # type: ignore[attr-defined]
    rng.shuffle(again)  # type: ignore[attr-defined]
    assert row(again) == row(found)


@given(known)
def test_a_gap_never_makes_a_verdict(found: list[Daily]) -> None:
    """What is not known of a day can turn a verdict into *unknown*, never into another one."""
    whole = row(found)
    for missing in SEVEN:
        assert row([each for each in found if each.day != missing]) in (whole, "unknown")
    covered = {each.day for each in found if each.coverage >= 0.9 and math.isfinite(each.value)} & set(SEVEN)
    if whole == "above":
        assert covered == set(SEVEN)
    if not covered:
        assert whole == "unknown"


@given(known)
def test_days_that_were_not_asked_for_change_nothing(found: list[Daily]) -> None:
    assert row(found) == row([each for each in found if each.day in SEVEN])


@given(st.lists(st.tuples(st.integers(0, 20 * DAY), ratios | st.just(math.nan)), max_size=60), st.randoms())
def test_the_highest_of_a_day_is_one_whatever_the_order(points: list[tuple[float, float]], rng: object) -> None:
    shuffled = points * 2
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    found = highest(shuffled)
    assert found == highest(points)
    assert [each.day for each in found] == sorted({day_of(at) for at, value in points if not math.isnan(value)})
    assert all(
        each.value == max(v for at, v in points if day_of(at) == each.day and not math.isnan(v)) for each in found
    )


@settings(deadline=None)
@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e3, 1e3),
    st.sets(st.integers(0, 60), min_size=3, max_size=40),
)
def test_a_straight_line_is_found_whatever_days_are_missing(start: float, slope: float, numbers: set[int]) -> None:
    found = trend({FIRST + timedelta(days=each): start + slope * each for each in numbers})
    assert found is not None
    assert found.slope == pytest.approx(slope, abs=1e-6)
    assert found.latest == pytest.approx(start + slope * max(numbers), abs=1e-4)
    assert found.days == len(numbers)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e9), min_size=10, max_size=10), st.lists(st.integers(0, 29), max_size=7, unique=True))
def test_a_quarter_of_nonsense_does_not_move_the_line(nonsense: list[float], where: list[int]) -> None:
    values = {FIRST + timedelta(days=each): 100 + 2.0 * each for each in range(30)}
    for place, value in zip(where, nonsense, strict=False):
        values[FIRST + timedelta(days=place)] = value
    found = trend(values)
    assert found is not None
    # Seven of thirty days touch at most 182 of 435 pairs, fewer than half: the median is still between true slopes.
    assert found.slope == pytest.approx(2.0)


def test_a_wild_last_day_does_not_move_the_line() -> None:
    found = trend({FIRST + timedelta(days=each): 0.1 * each if each < 9 else 5.0 for each in range(10)})
    assert found is not None
    assert [found.slope, found.latest] == pytest.approx([0.1, 0.9])


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.6], [0.5, 0.6, math.nan]])
def test_fewer_than_three_days_have_no_trend(values: list[float]) -> None:
    assert trend(days(*values)) is None


@pytest.mark.parametrize(
    ("values", "limit", "expected"),
    [
        ([0.1, 0.2, 0.3], 0.8, 5.0),
        ([0.3, 0.2, 0.1], 0.8, None),
        ([0.3, 0.3, 0.3], 0.8, None),
        ([0.7, 0.8, 0.9], 0.8, 0.0),
        ([0.9, 0.85, 0.8], 0.8, 0.0),
    ],
)
def test_days_until_a_limit(values: list[float], limit: float, expected: float | None) -> None:
    found = trend(days(*values))
    assert found is not None
    wait = found.days_until(limit)
    assert wait is expected if expected is None else wait == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=7), st.floats(0, 2))
def test_a_limit_is_reached_where_the_line_meets_it(values: list[float], limit: float) -> None:
    found = trend(days(*values))
    assert found is not None
    wait = found.days_until(limit)
    assume(wait is not None and 0 < wait < 1e6)
    assert wait is not None
    assert found.latest + found.slope * wait == pytest.approx(limit, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(st.floats(1, 3 * DAY), st.floats(0, DAY), st.floats(0, 1)), max_size=20))
def test_spreading_spans_over_days_loses_nothing(steps: list[tuple[float, float, float]]) -> None:
    spans, at = [], 1.5 * DAY
    for length, gap, value in steps:
        spans.append(Span(at, at + length, value))
        at += length + gap
    found = spread(spans)
    assert sum(each.coverage for each in found) * DAY == pytest.approx(sum(each.end - each.start for each in spans))
    assert sum(each.coverage * each.value for each in found) * DAY == pytest.approx(
        sum((each.end - each.start) * each.value for each in spans), abs=1e-6
    )
    assert all(0 < each.coverage <= 1 + 1e-9 for each in found)
    assert [each.day for each in found] == sorted({each.day for each in found})


def test_a_span_over_midnight_belongs_to_both_days() -> None:
    first, second = spread([Span(0.75 * DAY, 1.25 * DAY, 0.4), Span(1.25 * DAY, 2 * DAY, 0.8)])
    assert first == Daily(date(1970, 1, 1), 0.4, 0.25)
    assert second.day == date(1970, 1, 2)
    assert [second.value, second.coverage] == pytest.approx([0.7, 1.0])
