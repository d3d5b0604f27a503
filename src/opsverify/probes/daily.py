"""Facts from Prometheus by UTC day: what was used on average, how much of the day was measured, how fast the API was.

A day's figures are asked for its last second (`opsverify.days.ends`). Where it matters how much of a day was measured,
its values lie on a grid of five minutes, each of them the sample that was the newest then: so samples that came at
another pace for an hour weigh no more, and a grid that lacks points tells a gap, whatever the scrape interval is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from opsverify.channels.web import WebChannel
from opsverify.days import Daily, day_of
from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, attempt
from opsverify.probes.series import Line, Sample, parse_latency, query, query_days
from opsverify.targets import Interface

T = TypeVar("T")

GRID = "[1d:5m]"
POINTS = 288  # of that grid in a day
# Interfaces within a host, or of its containers: what goes over them leaves no machine.
WITHIN = "lo|veth.*|docker.*|br-.*"
MEMORY = "max by (instance) (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"


@dataclass(frozen=True)
class Days:
    """What an instance (with a device, where it is about one) used on several days, as a ratio; oldest first."""

    instance: str
    days: tuple[Daily, ...]
    device: str = ""


def cpu(prometheus: WebChannel, moments: tuple[int, ...]) -> tuple[Days, ...]:
    """Mean CPU use of each instance on each of the days that end at ``moments``."""
    idle = 'node_cpu_seconds_total{mode="idle"}'
    used = query_days(prometheus, f"1 - avg by (instance) (rate({idle}[1d]))", moments)
    seen = query_days(prometheus, f"count_over_time((count by (instance) ({idle})){GRID})", moments)
    return parse_days(used, seen)


def memory(prometheus: WebChannel, moments: tuple[int, ...]) -> tuple[Days, ...]:
    """Mean memory use of each instance on each of the days that end at ``moments``."""
    return _over_grid(prometheus, "avg_over_time(", MEMORY, moments)


def memory_peaks(prometheus: WebChannel, moments: tuple[int, ...]) -> tuple[Days, ...]:
    """The 95th percentile of memory use of each instance on each of the days that end at ``moments``."""
    return _over_grid(prometheus, "quantile_over_time(0.95, ", MEMORY, moments)


def network(
    prometheus: WebChannel, interfaces: Sequence[Interface], hours: float, moments: tuple[int, ...]
) -> tuple[Days, ...]:
    """The 95th percentile of each interface's busier direction as a share of its capacity, up to each of ``moments``.

    The capacity is the profile's: what an interface says of its own speed is -1 Mbit/s where it is a virtual one, and a
    share of that would keep to any limit. A window counts as covered where both directions were measured.
    """
    if not interfaces:
        return ()
    chosen = ",".join(
        f"{label}=~{_quoted('|'.join(sorted({re.escape(name) for name in names})))}"
        for label, names in (
            ("instance", [each.instance for each in interfaces]),
            ("device", [each.device for each in interfaces]),
        )
    )
    into, out = (
        f"max by (instance, device) (rate(node_network_{way}_bytes_total{{{chosen}}}[5m]))"
        for way in ("receive", "transmit")
    )
    # Without a label that tells them apart, `or` would leave out all of the second.
    busier = (
        f'max by (instance, device) (label_replace({into}, "way", "in", "", "") '
        f'or label_replace({out}, "way", "out", "", ""))'
    )
    grid = f"[{hours:g}h:5m]"
    carried = query_days(prometheus, f"quantile_over_time(0.95, ({busier}){grid})", moments)
    seen = query_days(prometheus, f"count_over_time(({into} and {out}){grid})", moments)
    found = {(each.instance, each.device): each for each in parse_days(carried, seen, points=hours * 12)}
    return tuple(
        _as_share(found[each.instance, each.device], each.capacity_mbit)
        for each in interfaces
        if (each.instance, each.device) in found
    )


def _as_share(carried: Days, capacity_mbit: float) -> Days:
    bytes_per_s = capacity_mbit * 1e6 / 8
    days = tuple(Daily(each.day, each.value / bytes_per_s, each.coverage) for each in carried.days)
    return Days(carried.instance, days, carried.device)


def busy_interfaces(prometheus: WebChannel, hours: float) -> tuple[tuple[str, str], ...]:
    """Instance and device of every interface that leads out of a host and carried anything in the last ``hours``."""
    into, out = (
        f'sum by (instance, device) (increase(node_network_{way}_bytes_total{{device!~"{WITHIN}"}}[{hours:g}h])) > 0'
        for way in ("receive", "transmit")
    )
    found = query(prometheus, f"{into} or {out}")
    return tuple(sorted((each.labels.get("instance", ""), each.labels.get("device", "")) for each in found))


def latency(prometheus: WebChannel, job: str, requests: float, moments: tuple[int, ...]) -> tuple[Days, ...]:
    """The estimated P95 of a job's response time in seconds, on each of the days on which it had so many ``requests``.

    The job stands for the instance: what several of them answered is added up before anything is drawn from it.
    """
    series = f"http_request_duration_seconds_bucket{{job={_quoted(job)}}}"
    lines = query_days(prometheus, f"sum by (le) (increase({series}[1d]))", moments)
    found = []
    for moment in moments:
        samples = tuple(Sample(each.labels, each.values[moment]) for each in lines if moment in each.values)
        histogram = parse_latency(samples)
        if histogram.count >= requests:  # NaN, which an idle day has, is not
            found.append(Daily(day_of(moment), histogram.quantile(0.95)))
    return (Days(job, tuple(found)),)


def history(ask: Callable[..., T], prometheus: WebChannel, *arguments: Any) -> Attempt[T]:
    """The same for the days that a forecast rests on: nothing is judged by it, so what cannot be had fails nothing."""
    return attempt(lambda: ask(prometheus, *arguments))


def _over_grid(prometheus: WebChannel, function: str, of: str, moments: tuple[int, ...]) -> tuple[Days, ...]:
    used = query_days(prometheus, f"{function}({of}){GRID})", moments)
    return parse_days(used, query_days(prometheus, f"count_over_time(({of}){GRID})", moments))


def parse_days(used: Sequence[Line], seen: Sequence[Line], points: float = POINTS) -> tuple[Days, ...]:
    """Put values and their coverage together by instance and device; ``points`` are those of a window that has all.

    Raises:
        UnansweredError: an instance has two lines, so a day of it would have two values.
    """
    values, counts = _by_instance(used), _by_instance(seen)
    return tuple(
        Days(
            instance,
            tuple(
                Daily(day_of(moment), value, counts.get((instance, device), {}).get(moment, 0.0) / points)
                for moment, value in sorted(line.items())
            ),
            device,
        )
        for (instance, device), line in sorted(values.items())
    )


def _by_instance(lines: Sequence[Line]) -> dict[tuple[str, str], dict[int, float]]:
    found: dict[tuple[str, str], dict[int, float]] = {}
    for each in lines:
        key = (each.labels.get("instance", ""), each.labels.get("device", ""))
        if key in found:
            raise UnansweredError(f"two series of {' '.join(key).strip() or 'no instance'} in one answer")
        found[key] = dict(each.values)
    return found


def _quoted(text: str) -> str:
    """A text as PromQL quotes it, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
