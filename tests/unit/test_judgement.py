"""Limits, observations, and how they read."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.judgement import (
    CLOCK_TOLERANCE,
    Limit,
    Limits,
    Observation,
    Relation,
    Value,
    aged,
    holds,
    none_of,
    show,
    unmet,
    within,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def limit(relation: Relation, value: Value, unit: str = "ratio") -> Limit:
    return Limit("it", relation, value, unit, "manual")


@pytest.mark.parametrize(
    ("relation", "value", "observed", "met"),
    [
        ("at_most", 0.8, 0.8, True),
        ("at_most", 0.8, 0.800001, False),
        ("at_most", 0.8, 0.1 + 0.7, True),
        ("at_most", 0.3, 0.1 + 0.2, True),
        ("at_most", 0, 0, True),
        ("at_most", 0, 1, False),
        ("at_least", 0.95, 0.95, True),
        ("at_least", 0.95, 0.9499999, False),
        ("more_than", 0.2, 0.2, False),
        ("more_than", 0.2, 0.2000001, True),
        ("less_than", 0.2, 0.2, False),
        ("less_than", 0.2, 0.1999999, True),
        ("equals", "allkeys-lru", "allkeys-lru", True),
        ("equals", "allkeys-lru", "noeviction", False),
        ("equals", (80, 443), (80, 443), True),
        ("equals", (80, 443), (443, 80), False),
    ],
)
def test_a_limit_is_met_up_to_its_very_edge(relation: Relation, value: Value, observed: Value, met: bool) -> None:
    assert limit(relation, value).met(observed) is met


@pytest.mark.parametrize("relation", ["at_most", "at_least", "more_than", "less_than", "equals"])
@pytest.mark.parametrize("observed", [math.nan, None, "0.5", ()])
def test_no_number_never_meets_a_limit(relation: Relation, observed: Value) -> None:
    assert not limit(relation, 0.8).met(observed)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.floats(allow_nan=True))
def test_at_most_and_more_than_are_never_both_met(value: float, observed: float) -> None:
    assert not (limit("at_most", value).met(observed) and limit("more_than", value).met(observed))
    assert not (limit("at_least", value).met(observed) and limit("less_than", value).met(observed))


@pytest.mark.parametrize(
    ("relation", "value", "changed", "loosened"),
    [
        ("at_most", 0.8, 0.7, False),
        ("at_most", 0.8, 0.8, False),
        ("at_most", 0.8, 0.9, True),
        ("less_than", 5, 6, True),
        ("at_least", 0.2, 0.3, False),
        ("at_least", 0.2, 0.1, True),
        ("more_than", 0.2, 0.1, True),
        ("equals", "allkeys-lru", "allkeys-lru", False),
        ("equals", "allkeys-lru", "noeviction", True),
        ("at_most", 0.8, "0.7", True),
    ],
)
def test_loosening_is_told_from_tightening(relation: Relation, value: Value, changed: Value, loosened: bool) -> None:
    assert limit(relation, value).loosened_by(changed) is loosened


def test_a_limit_reads_as_a_sentence() -> None:
    assert str(limit("at_most", 0.8)) == "at most 0.8"
    assert str(limit("equals", (22, 80))) == "exactly 22, 80"


def test_only_a_numeric_limit_has_a_number() -> None:
    assert limit("at_most", 3).number == 3.0
    with pytest.raises(TypeError, match="limit it is 'x', not a number"):
        _ = limit("equals", "x").number
    with pytest.raises(TypeError):
        _ = limit("equals", True).number


def test_a_single_value_counts_as_a_list_of_one() -> None:
    assert limit("equals", "x").values == ("x",)
    assert limit("equals", ("x", "y")).values == ("x", "y")


def test_limits_are_attributes_and_an_unknown_one_says_which_there_are() -> None:
    limits = Limits("ABC-01", [limit("at_most", 1), Limit("other", "at_least", 2, "count", "default")])
    assert limits.it.value == 1
    assert [each.name for each in limits] == ["it", "other"]
    with pytest.raises(AttributeError, match=r"ABC-01 has no limit 'memry' \(it has: it, other\)"):
        _ = limits.memry


def test_an_observation_reads_with_its_unit() -> None:
    seen = within("memory used", 0.91, limit("at_most", 0.8))
    assert str(seen) == "memory used: observed 0.91 ratio, expected at most 0.8 ratio"
    assert not seen.met


@pytest.mark.parametrize(
    ("relation", "worse", "by_age"),
    [
        ("at_most", "higher", "older"),
        ("less_than", "higher", "older"),
        ("at_least", "lower", "lower"),
        ("more_than", "lower", "lower"),
        ("equals", None, None),
    ],
)
def test_an_observation_says_which_way_its_number_gets_worse(
    relation: Relation, worse: str | None, by_age: str | None
) -> None:
    assert within("x", 1, limit(relation, 2, "hours")).worse == worse
    assert aged("x", NOW, NOW, limit(relation, 2, "hours")).worse == by_age
    assert holds("x", 1, "two", met=False).worse is None


@given(st.sampled_from(["at_most", "at_least", "more_than", "less_than"]), st.integers(-9, 9), st.integers(0, 9))
def test_what_breaks_a_limit_breaks_it_further_in_the_direction_that_is_worse(
    relation: Relation, observed: int, further: int
) -> None:
    near = within("x", observed, limit(relation, 0))
    far = within("x", observed + (further if near.worse == "higher" else -further), limit(relation, 0))
    assert near.met or not far.met


def test_a_text_has_no_unit() -> None:
    assert str(Observation("x", "gone", "there", False, "bytes")) == "x: observed gone, expected there"


@pytest.mark.parametrize(
    ("age", "unit", "observed", "met"),
    [
        (timedelta(hours=26), "hours", 26.0, True),
        (timedelta(hours=26, seconds=1), "hours", 26 + 1 / 3600, False),
        (timedelta(days=26), "days", 26.0, True),
        (timedelta(days=27), "days", 27.0, False),
        (timedelta(seconds=26), "seconds", 26.0, True),
        (timedelta(milliseconds=26_001), "seconds", 26.001, False),
        (timedelta(milliseconds=26), "milliseconds", 26.0, True),
        (timedelta(), "hours", 0.0, True),
        (-timedelta(minutes=1), "minutes", -1.0, True),
        (-CLOCK_TOLERANCE, "minutes", -5.0, True),
        (-CLOCK_TOLERANCE, "hours", -5 / 60, True),
        (-CLOCK_TOLERANCE - timedelta(microseconds=1), "seconds", -300.000001, False),
        (-timedelta(days=9999), "days", -9999.0, False),
    ],
)
def test_an_age_is_in_the_unit_of_its_limit_and_the_future_is_not_young(
    age: timedelta, unit: str, observed: float, met: bool
) -> None:
    seen = aged("dump", NOW - age, NOW, limit("at_most", 26, unit))
    assert (seen.name, seen.unit, seen.met) == ("dump", unit, met)
    assert seen.observed == pytest.approx(observed)
    assert seen.expected == "at most 26"


def test_an_age_is_the_same_in_every_zone() -> None:
    moment = datetime(2026, 11, 23, 19, tzinfo=timezone(timedelta(hours=8)))
    assert aged("x", moment, NOW, limit("at_most", 26, "hours")).observed == 1


def test_an_age_that_has_to_be_high_is_not_met_by_the_future() -> None:
    assert aged("x", NOW - timedelta(days=7), NOW, limit("at_least", 7, "days")).met
    assert not aged("x", NOW + timedelta(days=7), NOW, limit("at_least", -9, "days")).met


def test_none_of_says_how_much_it_has_looked_at() -> None:
    assert none_of("holes", [], seen=7, of="rules") == Observation("holes", "none among 7 rules", "none", True)


def test_none_of_lists_offenders_in_order() -> None:
    seen = none_of("holes", ["b", "a"], seen=7, of="rules")
    assert (seen.observed, seen.met) == (("a", "b"), False)


def test_findings_are_what_is_not_met() -> None:
    good, bad = holds("a", 1, "one", met=True), holds("b", 2, "one", met=False)
    assert unmet([good, bad]) == [bad]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "nothing"),
        ("", "nothing"),
        ((), "nothing"),
        ((1, "a"), "1, a"),
        (0.123456789, "0.123457"),
        (12345678.9, "12,345,679"),
        (math.nan, "nan"),
        (3, "3"),
    ],
)
def test_values_are_shown_as_a_person_reads_them(value: Value, shown: str) -> None:
    assert show(value) == shown
