"""What Prometheus has collected: intervals as it writes them, samples against what they promise, floors of a heap."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.collection import (
    Coverage,
    HeapFloor,
    parse_coverage,
    parse_duration,
    parse_floors,
    parse_targets,
)
from opsverify.probes.series import Sample

DAY = 86400.0


def targets(*active: Any) -> str:
    return json.dumps({"status": "success", "data": {"activeTargets": list(active), "droppedTargets": []}})


def target(job: Any = "api", instance: Any = "a:1", interval: Any = "15s") -> dict[str, Any]:
    return {"labels": {"job": job, "instance": instance}, "health": "down", "scrapeInterval": interval}


def sample(value: float, job: str = "api", instance: str = "a:1") -> Sample:
    return Sample({"job": job, "instance": instance}, value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15.0),
        ("1m", 60.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        ("1s500ms", 1.5),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1w2d", 777600.0),
        ("1y", 31536000.0),
        ("00015s", 15.0),
    ],
)
def test_an_interval_is_read_as_prometheus_writes_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0s",
        "0m0s",
        "15",
        "s",
        "-15s",
        "+15s",
        "1.5s",
        "1e3s",
        " 15s",
        "15s ",
        "15 s",
        "15S",
        "1M",
        "15s;",
        "x",
        "1" * 16 + "s",
        "9" * 400 + "y",
        "0" * 16 + "15s",
        "٣s",
    ],
)
def test_what_is_no_interval_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no duration"):
        parse_duration(text)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d", "w", "y"])), max_size=4))
def test_an_interval_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    alone = [parse_duration(f"{number}{unit}") for number, unit in parts if number]
    if alone:
        assert parse_duration(text) == pytest.approx(sum(alone))
    else:
        with pytest.raises(ValueError, match="no duration"):
            parse_duration(text)


@given(st.text(st.sampled_from("0123456789smhdwy.- \n"), max_size=12))
def test_any_text_is_an_interval_above_zero_or_an_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 < parse_duration(text) < math.inf


def test_each_target_has_its_interval() -> None:
    text = targets(target(), target(instance="b:1", interval="1m"), target(job="node", interval="30s"))
    assert parse_targets(text) == {("api", "a:1"): 15.0, ("api", "b:1"): 60.0, ("node", "a:1"): 30.0}
    assert parse_targets(targets()) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "null",
        "{}",
        '{"status":"error","errorType":"x"}',
        '{"data":null}',
        '{"data":{}}',
        '{"data":{"activeTargets":null}}',
        '{"data":{"activeTargets":{"a":1}}}',
        '{"data":{"activeTargets":[null]}}',
        targets({}),
        targets({"labels": {"job": "a", "instance": "b"}}),
        targets({"labels": None, "scrapeInterval": "15s"}),
        targets({"labels": {"job": "a"}, "scrapeInterval": "15s"}),
        targets(target(), target(interval=None)),
        targets(target(interval=15)),
        targets(target(interval=["15s"])),
        targets(target(interval="")),
        targets(target(interval="0s")),
        targets(target(interval="soon")),
        targets(target(interval="9" * 400 + "y")),
        targets(target(interval="9" * 5000 + "ms")),
        targets(target(job=["api"])),
        targets(target(job={"a": 1})),
        "[" * 100_000,
        '{"data":' * 50_000,
    ],
)
def test_targets_without_their_intervals_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^no active targets with their scrape intervals"):
        parse_targets(text)


@given(st.text(max_size=80))
def test_hostile_targets_are_an_error_never_a_crash(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_targets(text)


def test_samples_are_held_against_what_the_interval_promises() -> None:
    counted = {"up": (sample(5760.0), sample(720.0, instance="b:1")), "heap": (sample(2880.0, job="node"),)}
    intervals = {("api", "a:1"): 15.0, ("api", "b:1"): 60.0, ("node", "a:1"): 15.0}
    assert parse_coverage(counted, intervals, DAY) == (
        Coverage("heap", "a:1", 2880.0, 5760.0),
        Coverage("up", "a:1", 5760.0, 5760.0),
        Coverage("up", "b:1", 720.0, 1440.0),
    )


def test_what_one_target_of_a_job_tells_every_target_of_it_has_to_tell() -> None:
    intervals = {("api", "a:1"): 15.0, ("api", "b:1"): 60.0, ("api", "c:1"): 15.0, ("node", "b:1"): 15.0}
    assert parse_coverage({"heap": (sample(5760.0), sample(9.0, instance="gone:1"))}, intervals, DAY) == (
        Coverage("heap", "a:1", 5760.0, 5760.0),
        Coverage("heap", "b:1", 0.0, 1440.0),
        Coverage("heap", "c:1", 0.0, 5760.0),
    )


def test_one_address_in_two_jobs_is_two_targets() -> None:
    intervals = {("api", "a:1"): 15.0, ("node", "a:1"): 30.0, ("node", "b:1"): 30.0}
    counted = {"heap": (sample(5760.0),), "load": (sample(2880.0, job="node"), sample(1.0))}
    assert parse_coverage(counted, intervals, DAY) == (
        Coverage("heap", "a:1", 5760.0, 5760.0),
        Coverage("load", "a:1", 1.0, 5760.0),
        Coverage("load", "a:1", 2880.0, 2880.0),
        Coverage("load", "b:1", 0.0, 2880.0),
    )


def test_a_job_that_tells_a_metric_by_gone_targets_alone_promises_nothing() -> None:
    counted = {"up": (sample(9.0, instance="gone:1"), sample(5760.0, job="node"))}
    found = parse_coverage(counted, {("api", "a:1"): 15.0, ("node", "a:1"): 15.0}, DAY)
    assert found == (Coverage("up", "a:1", 5760.0, 5760.0),)


@pytest.mark.parametrize("samples", [(), (sample(5760.0, instance="gone:1"),), (sample(5760.0, job="other"),)])
def test_a_metric_that_no_target_has_counts_as_nothing(samples: tuple[Sample, ...]) -> None:
    found = parse_coverage({"heap": samples}, {("api", "a:1"): 15.0}, DAY)
    assert found == (Coverage("heap", "no target", 0.0, 1.0),)


def test_series_of_a_target_that_is_no_longer_scraped_promise_nothing() -> None:
    found = parse_coverage({"up": (sample(5760.0), sample(9.0, instance="gone:1"))}, {("api", "a:1"): 15.0}, DAY)
    assert [each.instance for each in found] == ["a:1"]


def test_a_series_without_labels_belongs_to_no_target() -> None:
    (found,) = parse_coverage({"up": (Sample({}, 5760.0),)}, {("api", "a:1"): 15.0}, DAY)
    assert found.samples == 0


def test_without_targets_every_metric_counts_as_nothing() -> None:
    found = parse_coverage({"up": (sample(5760.0),), "heap": ()}, {}, DAY)
    assert [(each.metric, each.samples) for each in found] == [("heap", 0.0), ("up", 0.0)]


def floors(*values: dict[str, float]) -> tuple[HeapFloor, ...]:
    return parse_floors(*(tuple(Sample({"instance": name}, value) for name, value in each.items()) for each in values))


def test_both_days_of_a_heap_are_put_together() -> None:
    last, seen = {"b:1": 50.0, "a:1": 40.0}, {"a:1": 144.0, "b:1": 72.0}
    before, seen_before = {"a:1": 39.0, "b:1": 51.0}, {"a:1": 143.0, "b:1": 144.0}
    assert floors(last, seen, before, seen_before) == (
        HeapFloor("a:1", 40.0, 39.0, 143 / 144),
        HeapFloor("b:1", 50.0, 51.0, 0.5),
    )


@pytest.mark.parametrize(
    ("seen", "before", "seen_before"),
    [({"a:1": 144.0}, {}, {}), ({}, {"a:1": 39.0}, {"a:1": 144.0}), ({"a:1": 144.0}, {"a:1": 39.0}, {})],
)
def test_a_process_that_one_day_knows_nothing_of_has_no_coverage(
    seen: dict[str, float], before: dict[str, float], seen_before: dict[str, float]
) -> None:
    (found,) = floors({"a:1": 40.0}, seen, before, seen_before)
    assert found.coverage == 0


def test_a_process_of_the_day_before_alone_is_gone() -> None:
    assert floors({}, {}, {"a:1": 40.0}, {"a:1": 144.0}) == ()


def test_no_series_is_no_process() -> None:
    assert floors({}, {}, {}, {}) == ()
