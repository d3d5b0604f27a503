"""The last look of a blackbox probe, put together from its series."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.series import Sample
from opsverify.probes.vantage import View, parse_view

GOOD = {
    "probe_success": 1.0,
    "probe_http_status_code": 200.0,
    "probe_duration_seconds": 0.25,
    "probe_failed_due_to_regex": 0.0,
}


def looks(values: dict[str, float]) -> tuple[Sample, ...]:
    return tuple(Sample({"__name__": name, "job": "outside"}, value) for name, value in values.items())


def age(seconds: float) -> tuple[Sample, ...]:
    return (Sample({}, seconds),)


def test_a_look_is_put_together_from_its_series() -> None:
    assert parse_view(looks(GOOD), age(12.0)) == View(True, 200, 0.25, 12.0, True)
    assert parse_view(looks(GOOD)[::-1], age(12.0)) == View(True, 200, 0.25, 12.0, True)


@pytest.mark.parametrize(
    ("change", "view"),
    [
        ({"probe_success": 0.0}, View(False, 200, 0.25, 12.0, True)),
        ({"probe_success": math.nan}, View(False, 200, 0.25, 12.0, True)),
        ({"probe_success": 2.0}, View(False, 200, 0.25, 12.0, True)),
        ({"probe_success": -1.0}, View(False, 200, 0.25, 12.0, True)),
        ({"probe_success": 0.0, "probe_http_status_code": 0.0}, View(False, 0, 0.25, 12.0, True)),
        ({"probe_http_status_code": 503.0}, View(True, 503, 0.25, 12.0, True)),
        ({"probe_duration_seconds": math.inf}, View(True, 200, math.inf, 12.0, True)),
        ({"probe_failed_due_to_regex": 1.0}, View(True, 200, 0.25, 12.0, True)),
    ],
)
def test_only_one_is_a_success(change: dict[str, float], view: View) -> None:
    assert parse_view(looks(GOOD | change), age(12.0)) == view


def test_a_probe_that_has_no_series_of_the_body_does_not_read_it() -> None:
    without = {name: value for name, value in GOOD.items() if name != "probe_failed_due_to_regex"}
    assert not parse_view(looks(without), age(12.0)).reads_body


@pytest.mark.parametrize("name", ["probe_success", "probe_http_status_code", "probe_duration_seconds"])
def test_a_series_that_every_look_leaves_is_named_when_it_is_missing(name: str) -> None:
    without = {each: value for each, value in GOOD.items() if each != name}
    with pytest.raises(UnansweredError, match=f"no usable series '{name}'"):
        parse_view(looks(without), age(12.0))


@pytest.mark.parametrize("ages", [(), age(math.nan), age(math.inf), age(1.0) * 2])
def test_a_look_without_an_age_is_an_error(ages: tuple[Sample, ...]) -> None:
    with pytest.raises(UnansweredError, match="no series probe_success in the last five minutes"):
        parse_view(looks(GOOD), ages)


@pytest.mark.parametrize("name", GOOD)
def test_two_probes_under_one_name_are_an_error(name: str) -> None:
    twice = (*looks(GOOD), Sample({"__name__": name, "job": "outside", "pod": "2"}, 1.0))
    with pytest.raises(UnansweredError, match=f"more than one series {name}; name one probe"):
        parse_view(twice, age(12.0))


@pytest.mark.parametrize("status", [math.nan, math.inf, -math.inf])
def test_a_status_that_is_no_number_is_an_error(status: float) -> None:
    with pytest.raises(UnansweredError, match="no usable series"):
        parse_view(looks(GOOD | {"probe_http_status_code": status}), age(12.0))


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(UnansweredError):
        parse_view((), ())


SAMPLE = st.builds(Sample, st.fixed_dictionaries({}, optional={"__name__": st.sampled_from([*GOOD, "x"])}), st.floats())


@given(st.lists(SAMPLE, max_size=5), st.lists(SAMPLE, max_size=2))
def test_hostile_series_are_a_look_or_an_error_never_a_crash(seen: list[Sample], ages: list[Sample]) -> None:
    with contextlib.suppress(UnansweredError):
        assert math.isfinite(parse_view(tuple(seen), tuple(ages)).age)
