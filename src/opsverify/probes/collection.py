"""Facts about what Prometheus has collected: whether key metrics are complete, and how a heap's floor moves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import about
from opsverify.probes.series import Sample, query

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
DAY_IN_STEPS = 144  # of ten minutes


@dataclass(frozen=True)
class Coverage:
    """Samples of a metric from one target in a window, and how many its scrape interval (in seconds) promises."""

    metric: str
    instance: str
    samples: float
    promised: float


@dataclass(frozen=True)
class HeapFloor:
    """The least heap in use (bytes) of a process over the last day and the day before, and their coverage (0-1)."""

    instance: str
    last_day: float
    day_before: float
    coverage: float


def coverage(prometheus: WebChannel, metrics: tuple[str, ...], hours: float) -> tuple[Coverage, ...]:
    """How many samples each of these metrics has over the last ``hours``, by target; 0 where it has none.

    The interval that a target is scraped at is Prometheus' own word, so that a stopped Prometheus is seen as a gap
    too: a comparison with ``up`` would not notice, because both are missing then.
    """
    with about(f"prometheus {prometheus.target}: active targets"):
        answer = prometheus.get("/api/v1/targets", {"state": "active"})
        if answer.status != 200:
            raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
        intervals = parse_targets(answer.text)
    counted = {
        metric: query(prometheus, f"max by (job, instance) (count_over_time({metric}[{hours * 3600:.0f}s]))")
        for metric in metrics
    }
    return parse_coverage(counted, intervals, hours * 3600)


def parse_targets(text: str) -> dict[tuple[str, str], float]:
    """The scrape interval in seconds by job and instance, from /api/v1/targets.

    Raises:
        UnansweredError: it is no such answer, or names no interval (before Prometheus 2.31).
    """
    try:
        active = json.loads(text)["data"]["activeTargets"]
        return {
            (each["labels"]["job"], each["labels"]["instance"]): parse_duration(each["scrapeInterval"])
            for each in active
        }
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no active targets with their scrape intervals: {error!r}") from None


def parse_duration(text: str) -> float:
    """A duration as Prometheus writes it (``1m30s``), in seconds.

    Raises:
        ValueError: it is none, or 0.
    """
    parts = re.findall(r"([0-9]{1,15})(ms|[smhdwy])", text)
    seconds = sum(int(number) * UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not seconds:
        raise ValueError(f"no duration: {text!r}")
    return seconds


def parse_coverage(
    counted: Mapping[str, tuple[Sample, ...]], intervals: Mapping[tuple[str, str], float], window_s: float
) -> tuple[Coverage, ...]:
    """Samples counted, by metric, held against what the interval of their target promises.

    What one target of a job tells, every target of that job has to tell; series of a target that is no longer
    scraped promise nothing, and a metric that no target has counts as 0.
    """
    found = []
    for metric, samples in counted.items():
        told = {(each.labels.get("job", ""), each.labels.get("instance", "")): each.value for each in samples}
        jobs = {job for job, instance in told if (job, instance) in intervals}
        expected = [
            Coverage(metric, instance, told.get((job, instance), 0.0), window_s / interval)
            for (job, instance), interval in intervals.items()
            if job in jobs
        ]
        found += expected or [Coverage(metric, "no target", 0.0, 1.0)]
    return tuple(sorted(found, key=lambda each: (each.metric, each.instance)))


def heap_floors(prometheus: WebChannel, job: str) -> tuple[HeapFloor, ...]:
    """The floor of the heap of each process of the API, by its own metrics, over the last two days."""
    heap = f"nodejs_heap_size_used_bytes{{job={json.dumps(job)}}}"
    answers: list[tuple[Sample, ...]] = []
    for offset in ("", " offset 1d"):
        answers.append(query(prometheus, f"min by (instance) (min_over_time({heap}[1d]{offset}))"))
        answers.append(
            query(prometheus, f"count_over_time((count by (instance) ({heap}))[1d:10m]{offset})"),
        )
    return parse_floors(*answers)


def parse_floors(*answers: tuple[Sample, ...]) -> tuple[HeapFloor, ...]:
    """Put floors and coverage of both days together; a process that one day knows nothing of has a coverage of 0."""
    last, seen, before, seen_before = (
        {each.labels.get("instance", ""): each.value for each in some} for some in answers
    )
    return tuple(
        HeapFloor(
            instance,
            last[instance],
            before.get(instance, 0.0),
            min(seen.get(instance, 0.0), seen_before.get(instance, 0.0)) / DAY_IN_STEPS,
        )
        for instance in sorted(last)
    )
