"""Whether a failure is the one of before: what varies by itself does not count, what is new does."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.gate.alike import MOST_NAMED, news, normal, said

HOUR = timedelta(hours=1)


def seen(name: str, observed: Any, *, met: bool = False, **more: Any) -> dict[str, Any]:
    return {"name": name, "observed": observed, "expected": "x", "met": met, "unit": "", "worse": None} | more


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pid 4711 of bob", "pid 12 of bob"),
        ("dump of 2026-11-20T02:15:01Z", "dump of 2026-11-23T02:15:02Z"),
        ("container 3f9a1c20b7de stopped", "container 0011223344ff stopped"),
        ("<Socket at 0x7f3a1c>", "<Socket at 0x7f3b99>"),
        ("1.5 GiB left", "900 MiB left"),
        ("took 1,204.5 s", "took 3e-05 s"),
        ("run 7e57ab1e-0000-4000-8000-00000000beef", "run 8e57ab1e-1111-4111-8111-11111111beef"),
    ],
)
def test_what_differs_by_itself_reads_the_same(one: str, other: str) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Connection refused", "Read timed out"),
        ("db 0.0.0.0:5432->5432/tcp", "cache 0.0.0.0:5432->5432/tcp"),
        ("db 0.0.0.0:15432->5432/tcp", "db 0.0.0.0:15432->6379/tcp"),
        ("db 0.0.0.0:15432 is open", "db 0.0.0.0:16379 is open"),
        ("[::]:5432", "[::]:6379"),
        ("*:5432", "*:6379"),
        ("port 80", "port 443"),
        ("22", "5432"),
        ("facade", "decade"),
    ],
)
def test_what_says_who_it_is_stays(one: str, other: str) -> None:
    assert normal(one) != normal(other)


@given(st.text())
def test_what_reads_the_same_once_reads_the_same_twice(text: str) -> None:
    assert normal(normal(text)) == normal(text)


observed = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.floats(-9, 9),
    st.sampled_from(["nan", "inf", "gone", "pid 7"]),
    st.lists(st.sampled_from(["a", "b 1", "b 2"])),
)
looks = st.lists(
    st.builds(
        seen,
        st.sampled_from(["disk", "node-1", "node-2"]),
        observed,
        met=st.booleans(),
        worse=st.sampled_from([None, "higher", "lower", "older"]),
        unit=st.just("hours"),
    ),
    max_size=6,
)


@given(looks)
def test_a_look_has_nothing_new_against_itself(before: list[dict[str, Any]]) -> None:
    # But where one name is both met and not, which of them is which cannot be told.
    told = {each["name"] for each in before if each["met"]} & {each["name"] for each in before if not each["met"]}
    assert told or not news(before, before, timedelta())


@given(looks, looks)
def test_what_gets_fewer_findings_has_nothing_new(before: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    fixed = [each for each in before if each["met"]]
    assert not news(before, fixed, HOUR)
    assert len(news(before, more, HOUR)) <= sum(not each["met"] for each in more)
    assert bool(news([], more, HOUR)) == any(not each["met"] for each in more)


@pytest.mark.parametrize(
    ("worse", "one", "then", "new"),
    [
        ("higher", 0.90, 0.98, False),
        ("higher", 0.90, 0.99, False),
        ("higher", 0.90, 0.9901, True),
        ("higher", 0.90, 0.85, False),
        ("lower", 0.20, 0.18, False),
        ("lower", 0.20, 0.1799, True),
        ("lower", 0.20, 0.25, False),
        ("lower", -1.0, -1.2, True),
        ("higher", 0, 1, True),
        ("higher", 0, 0, False),
        (None, 500, 503, False),
        (None, 301, 502, True),
        (None, 3, 2, True),
        ("higher", 5, "inf", True),
        ("higher", "inf", 5, False),
        ("lower", 5, "-inf", True),
        ("higher", "inf", "inf", False),
        ("higher", 5, "nan", True),
        ("higher", "nan", "nan", False),
        ("older", 30, 33.9, False),
        ("older", 30, 34.1, True),
        ("higher", 30, 33.9, True),
        ("older", 30, 2, False),
    ],
)
def test_a_number_is_worse_when_it_is_further_off_by_a_tenth(worse: str | None, one: Any, then: Any, new: bool) -> None:
    before, after = (seen("x", value, worse=worse, unit="hours") for value in (one, then))
    assert bool(news([before], [after], HOUR)) is new


@pytest.mark.parametrize(
    ("one", "then", "new"),
    [
        (["a", "b"], ["b", "a"], ""),
        (["a", "b"], ["b"], ""),
        (["a"], ["a", "b"], "b"),
        (["session 1 of bob"], ["session 2 of bob"], ""),
        (["session 1 of bob"], ["session 2 of bob", "session 3 of bob"], "session 3 of bob"),
        (["22", "80"], ["22", "5432"], "5432"),
        ([22, 80], [22, 5432], "5432"),
        ([1], [True], "yes"),
        ([], ["a"], "a"),
        ("none among 3", ["a"], "a, it was none among 3"),
        (["a"], "blind", "blind, it was a"),
        ("refused", "timed out", "timed out, it was refused"),
        ("gone for 3 s", "gone for 90 s", ""),
        (None, None, ""),
        (None, "gone", "gone, it was nothing"),
        (False, False, ""),
        (False, 0, "0, it was no"),
    ],
)
def test_a_list_is_worse_when_it_names_someone_new_and_a_text_when_it_says_something_else(
    one: Any, then: Any, new: str
) -> None:
    assert news([seen("x", one)], [seen("x", then)], HOUR) == ([f"x: {new}"] if new else [])


def test_what_was_fine_before_is_new_though_its_neighbour_of_another_number_was_not() -> None:
    before = [seen("replica-1 lags", 9), seen("replica-2 lags", 0, met=True)]
    assert news(before, [seen("replica-1 lags", 0, met=True), seen("replica-2 lags", 9)], HOUR) == ["replica-2 lags: 9"]
    assert not news(before, [seen("replica-1 lags", 9)], HOUR)


def test_each_failure_of_before_speaks_for_one_of_after() -> None:
    before, after = [seen("dump of 2026-11-20", 1)], [seen("dump of 2026-11-21", 1), seen("dump of 2026-11-22", 1)]
    assert news(before, after, HOUR) == ["dump of 2026-11-22: 1"]


def test_another_expectation_is_another_failure() -> None:
    before = seen("x", 1, expected="at least one")
    assert not news([before], [seen("x", 1, expected="at least one")], HOUR)
    assert news([before], [seen("x", 1, expected="none")], HOUR) == ["x: 1"]


def test_records_of_before_the_direction_was_kept_are_read_too() -> None:
    old = {"name": "x", "observed": math.pi, "expected": "x", "met": False, "unit": ""}
    assert not news([old], [old], HOUR)


def test_what_is_new_is_named_in_one_line() -> None:
    assert said(["a", "b", "c"]) == "a; b; c"
    assert said(["a", "b", "c", "d", "e"]) == f"a; b; c; and {5 - MOST_NAMED} more"
    assert len(said(["x" * 10_000] * 9)) < 700
