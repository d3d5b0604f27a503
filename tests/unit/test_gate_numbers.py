"""Numbers before and after a change: an exact p, against every way there is to deal the samples out."""

from __future__ import annotations

import itertools
import math
import random
import time
from fractions import Fraction
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify.gate.numbers import FEWEST, MOST, compare, compare_all, mann_whitney, reasons, together
from opsverify.gate.settings import Gate
from tests.unit.gate_cases import change

GATE = Gate()
BASE = 0.100  # seconds
# Few values, so that most samples have ties, and values of which none is like another.
TIED = st.lists(st.sampled_from([0.0, 1.0, 1.5, 2.0]), min_size=1, max_size=6)
SPREAD = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=6)


def by_enumeration(pre: list[float], post: list[float]) -> Fraction:
    """The share of all choices of ``len(post)`` values that rank as high as those after, or higher."""
    every = [*pre, *post]
    ranks = [sum(other < each for other in every) * 2 + sum(other == each for other in every) for each in every]
    seen = sum(ranks[len(pre) :])
    choices = [sum(ranks[place] for place in chosen) for chosen in itertools.combinations(range(len(every)), len(post))]
    return Fraction(sum(each >= seen for each in choices), len(choices))


@given(TIED | SPREAD, TIED | SPREAD)
@settings(max_examples=300, deadline=None)
def test_p_is_what_counting_every_choice_says(pre: list[float], post: list[float]) -> None:
    assert mann_whitney(pre, post) == pytest.approx(float(by_enumeration(pre, post)), rel=1e-12)


@given(TIED | SPREAD, TIED | SPREAD)
@settings(deadline=None)
def test_both_directions_share_what_is_exactly_as_high(pre: list[float], post: list[float]) -> None:
    assert mann_whitney(pre, post) + mann_whitney(post, pre) > 1
    assert mann_whitney([-each for each in post], [-each for each in pre]) == mann_whitney(pre, post)


@pytest.mark.parametrize("count", [5, 20, MOST])
def test_p_of_sides_that_do_not_overlap_is_one_choice_of_all(count: int) -> None:
    low, high = list(range(count)), list(range(count, 2 * count))
    assert mann_whitney(low, high) == 1 / math.comb(2 * count, count)
    assert mann_whitney(high, low) == 1


# The highest U of two samples of ``count`` each that is significant, as tables of the test give it.
@pytest.mark.parametrize(("count", "alpha", "u"), [(5, 0.05, 4), (8, 0.025, 13), (10, 0.025, 23), (20, 0.025, 127)])
def test_p_agrees_with_published_tables(count: int, alpha: float, u: int) -> None:
    assert _p_of_u(count, u) <= alpha < _p_of_u(count, u + 1)


def _p_of_u(count: int, u: int) -> float:
    """p where values before exceed values after in ``u`` pairs: some lie above all of them, one above a part."""
    post = [float(each) for each in range(count, 2 * count)]
    pre = []
    for place in range(count):
        past = min(count, u)
        u -= past
        pre.append(place / 100 if past == 0 else count + past - 0.5 + place / 100)
    return mann_whitney(pre, post)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_p_of_what_is_no_number_is_refused(broken: float) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        mann_whitney([1.0, broken], [1.0])
    with pytest.raises(ValueError, match="finite numbers"):
        mann_whitney([1.0], [])


# ---- many samples


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_however_many_samples_there_are_few_are_dealt_out_and_no_side_gets_too_few(before: int, after: int) -> None:
    pre, post, size = together([1.0] * before, [1.0] * after)
    assert (len(pre), len(post)) == (before // size, after // size)
    assert min(len(pre), len(post)) >= min(FEWEST, before, after)
    assert size == 1 or max(before, after) > MOST
    assert len(pre) <= MOST or len(post) < 2 * FEWEST
    assert len(post) <= MOST or len(pre) < 2 * FEWEST


def test_consecutive_samples_are_put_together_by_their_median_the_newest_kept() -> None:
    samples = [9.0, *map(float, range(100))]
    pre, post, size = together(samples, samples)
    assert size == 3
    assert pre == post == [median(samples[start : start + 3]) for start in range(2, 101, 3)]


@pytest.mark.parametrize(("before", "after"), [(1000, 1000), (1000, 5), (5, 1000), (1000, 90), (79, 79), (1000, 9)])
@pytest.mark.parametrize("digits", [9, 3])
def test_a_thousand_samples_a_side_take_no_time(before: int, after: int, digits: int) -> None:
    dice = random.Random(1)
    pre, post = ([round(dice.gauss(BASE, 0.01), digits) for _ in range(count)] for count in (before, after))
    start = time.process_time()
    compare("GET /", pre, post, GATE)
    assert time.process_time() - start < 1.5


# ---- the three conditions


def noisy(dice: random.Random, count: int, factor: float, noise: float) -> list[float]:
    return [BASE * factor * (1 + dice.uniform(-noise, noise)) for _ in range(count)]


@pytest.mark.parametrize("count", [5, 20, 100])
@pytest.mark.parametrize("noise", [0.03, 0.30])
def test_noise_is_no_regression(count: int, noise: float) -> None:
    dice = random.Random(20261123)
    runs = [
        compare("GET /", noisy(dice, count, 1, noise), noisy(dice, count, 1, noise), GATE).effect
        for _ in range(500 if count < 100 else 50)
    ]
    alarms = sum(each != "info" for each in runs)
    assert alarms <= (0 if noise < GATE.median_share / 2 else GATE.p_value * len(runs))


@pytest.mark.parametrize(("count", "runs"), [(8, 1000), (20, 1000), (200, 100)])
def test_p_alone_raises_no_more_false_alarms_than_it_says(count: int, runs: int) -> None:
    dice = random.Random(20261123)
    low = 0
    for _ in range(runs):
        pre, post, _size = together(*(noisy(dice, count, 1, 0.03) for _ in range(2)))
        low += mann_whitney(pre, post) <= GATE.p_value
    # 0.01 of the runs, and three standard deviations of what chance adds to that.
    assert low <= runs * 0.01 + 3 * math.sqrt(runs * 0.01 * 0.99)


@pytest.mark.parametrize("count", [5, 20, 1000])
def test_half_as_slow_again_is_a_regression(count: int) -> None:
    dice = random.Random(20261123)
    for _ in range(50 if count < 1000 else 5):
        found = compare("GET /", noisy(dice, count, 1, 0.03), noisy(dice, count, 1.5, 0.03), GATE)
        assert found.effect == "NO-GO"
        assert found.worse_by == pytest.approx(0.5, abs=0.1)


def test_many_samples_show_what_few_cannot() -> None:
    dice = random.Random(20261123)

    def found(count: int) -> int:
        runs = [compare("x", noisy(dice, count, 1, 0.9), noisy(dice, count, 1.25, 0.9), GATE) for _ in range(20)]
        return sum(each.effect == "NO-GO" for each in runs)

    assert found(20) < 15
    assert found(1000) == 20


@pytest.mark.parametrize(
    ("pre", "post", "effect", "why"),
    [
        ([0.100] * 5, [0.110] * 5, "info", "no more than 10% worse"),
        ([0.100] * 5, [0.1101] * 5, "NO-GO", "+10.1%"),
        ([0.020] * 5, [0.025] * 5, "info", "no more than 5 ms worse"),
        ([0.020] * 5, [0.0251] * 5, "NO-GO", "+25.5%"),
        ([0.010, 0.100, 0.101, 0.102, 0.103], [0.112, 0.113, 0.114, 0.101, 0.100], "info", "p above 0.01"),
        ([0.100] * 5, [0.050] * 5, "info", "-50.0%"),
        ([0.0] * 5, [0.020] * 5, "NO-GO", "from nothing"),
        ([0.0] * 5, [0.0] * 5, "info", "no more than"),
        ([1.5] * 5, [3.0] * 5, "NO-GO", "median 1.5 s before and 3 s after"),
    ],
)
def test_a_regression_is_worse_by_a_share_by_a_floor_and_not_by_chance(
    pre: list[float], post: list[float], effect: str, why: str
) -> None:
    found = compare("GET /", pre, post, GATE)
    assert (found.effect, why in found.why) == (effect, True), found.why


@pytest.mark.parametrize(
    ("pre", "post", "why"),
    [
        ([0.1] * 4, [0.1] * 20, "4 samples before and 20 after, at least 5"),
        ([0.1] * 20, [0.9] * 4, "20 samples before and 4 after"),
        ([], [0.1] * 20, "0 samples before"),
        ([0.1] * 20, [], "0 after"),
        ([0.1] * 5, [0.1, 0.1, 0.1, 0.1, 0.1, math.nan], "finite"),
        ([0.1] * 5 + [math.inf], [0.1] * 5, "finite"),
    ],
)
def test_too_few_samples_are_no_answer(pre: list[float], post: list[float], why: str) -> None:
    found = compare("GET /", pre, post, GATE)
    assert found.effect == "INCONCLUSIVE"
    assert why in found.why
    assert found.model_validate_json(found.model_dump_json()) == found


def test_a_p_that_so_few_samples_can_never_show_does_not_let_a_regression_pass() -> None:
    strict = Gate(p_value=0.001)
    assert compare("x", [0.1] * 5, [0.2] * 5, strict).effect == "INCONCLUSIVE"
    assert compare("x", [0.1] * 5, [0.1] * 5, strict).effect == "info"
    assert compare("x", [0.1] * 10, [0.2] * 10, strict).effect == "NO-GO"


@given(st.lists(st.floats(0, 10), min_size=5, max_size=30))
@settings(deadline=None)
def test_a_side_against_itself_is_never_worse(samples: list[float]) -> None:
    assert compare("x", samples, samples, GATE).effect == "info"


def test_every_number_of_either_side_is_spoken_of() -> None:
    found = compare_all({"a": [0.1] * 5, "b": [0.1] * 5}, {"b": [0.9] * 5, "c": [0.1] * 5}, GATE)
    assert [(each.name, each.effect) for each in found] == [
        ("a", "INCONCLUSIVE"),
        ("b", "NO-GO"),
        ("c", "INCONCLUSIVE"),
    ]
    assert [(each.about, each.effect) for each in reasons(found)] == [(each.name, each.effect) for each in found]
    assert not reasons(compare_all({"a": [0.1] * 5}, {"a": [0.1] * 5}, GATE))


@pytest.mark.parametrize(
    ("subject", "becomes", "left"),
    [
        ("replica-2", "added", ["database main"]),
        ("replica-2", "removed", ["database main", "database replica-2"]),
        ("replica", "added", ["database main", "database replica-2"]),
        ("main", "removed", ["database main", "database replica-2"]),
    ],
)
def test_of_a_target_that_comes_as_declared_there_is_nothing_to_compare(
    subject: str, becomes: str, left: list[str]
) -> None:
    scope = change(f'[[scope]]\nsubject = "{subject}"\nbecomes = "{becomes}"\nwhy = "x"\n').scope
    pre = {"database main": [0.1] * 5}
    post = pre | {"database replica-2": [0.1] * 5}
    assert [each.name for each in compare_all(pre, post, GATE, scope)] == left
    found = [each.name for each in compare_all(post, pre, GATE, scope)]
    assert ("database replica-2" in found) is ((subject, becomes) != ("replica-2", "removed"))
