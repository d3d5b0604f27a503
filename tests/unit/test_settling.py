"""Waiting until everything answers and keeps answering, by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opsverify.gate.settings import Gate
from opsverify.gate.settling import settle
from opsverify.gate.story import Poll, Settling

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Time:
    """Goes on by what is slept, and by ``cost`` seconds for each look."""

    def __init__(self, looks: Iterator[bool], cost: float = 0.0) -> None:
        self.now, self.looks, self.cost = 1000.0, looks, cost
        self.begun: list[float] = []

    def poll(self) -> Poll:
        self.begun.append(self.now)
        self.now += self.cost
        return Poll(at=NOW, waiting={} if next(self.looks) else {"api api": "is down"})

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def settled(looks: str, **settings: float) -> tuple[Settling, Time]:
    time = Time(iter(each == "+" for each in looks))
    return settle(time.poll, lambda: time.now, time.sleep, Gate.model_validate(settings)), time


@pytest.mark.parametrize(
    ("looks", "polls", "seconds"),
    [("+++", 3, 4.0), ("-+++", 4, 6.0), ("++-+++", 6, 10.0), ("-" * 10 + "+++", 13, 24.0)],
)
def test_it_has_settled_after_three_good_looks_in_a_row(looks: str, polls: int, seconds: float) -> None:
    found, _ = settled(looks)
    assert (found.settled, len(found.polls), found.seconds) == (True, polls, seconds)


@pytest.mark.parametrize("looks", ["-" * 100, "++-" * 40, "+-" * 50])
def test_what_never_settles_is_given_up_in_time(looks: str) -> None:
    found, time = settled(looks, settle_seconds=60)
    assert not found.settled
    assert found.polls[-1].waiting or found.polls[-2].waiting or found.polls[-3].waiting
    assert time.begun[-1] - time.begun[0] <= 60
    assert found.seconds <= 60


def test_it_may_settle_at_the_last_moment() -> None:
    assert settled("-" * 28 + "+++", settle_seconds=60)[0].settled
    assert not settled("-" * 29 + "+++", settle_seconds=60)[0].settled


def test_slow_looks_count_against_the_time() -> None:
    time = Time(iter([False] * 100), cost=9.0)
    found = settle(time.poll, lambda: time.now, time.sleep, Gate(settle_seconds=60))
    assert (found.settled, len(found.polls), found.seconds) == (False, 6, 64.0)


def test_settings_under_which_nothing_could_ever_settle_are_refused() -> None:
    with pytest.raises(ValidationError, match="settle_seconds"):
        Gate(settle_polls=10, settle_interval_seconds=10, settle_seconds=60)
    Gate(settle_polls=7, settle_interval_seconds=10, settle_seconds=60)


@given(st.lists(st.booleans(), max_size=60), st.integers(2, 6), st.floats(0.1, 5))
def test_settled_means_that_the_last_looks_were_all_good(looks: list[bool], polls: int, interval: float) -> None:
    time = Time(iter([*looks, *[False] * 1000]))
    settings = Gate(settle_polls=polls, settle_interval_seconds=interval, settle_seconds=60)
    found = settle(time.poll, lambda: time.now, time.sleep, settings)
    good = [not each.waiting for each in found.polls]
    assert found.settled is (len(good) >= polls and all(good[-polls:]))
    assert not any(all(good[start : start + polls]) for start in range(len(good) - polls))
    assert time.begun[-1] - time.begun[0] <= 60
