"""What a host says of itself in each run, and the use over time that lies between two runs. Pure: no clock, no I/O.

Where there is no Prometheus, the suite's own runs are all that measures. The counters of /proc/stat make that exact for
CPU: between two runs of the same boot, they tell the mean of all the time in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from opsverify.charts import LAST_MOMENT
from opsverify.days import LEAST_SHARE, Span
from opsverify.judgement import Observation, holds

LONGEST = 26 * 3600  # seconds between two runs; daily ones may be late, but of two days no mean of one is known
SAME_BOOT = 60  # seconds by which the kernel's word on when it was booted may change, as its clock is set
AT, BOOTED, TICKS, IDLE, USED = (
    "read at",
    "booted at",
    "CPU ticks since boot",
    "idle CPU ticks since boot",
    "memory used",
)


@dataclass(frozen=True)
class Cpu:
    """What the CPUs did since the boot, in ticks, read at a moment; moments in seconds since 1970."""

    at: float
    booted: float
    ticks: float
    idle: float


@dataclass(frozen=True)
class Memory:
    """Memory in use as a share of all, read at a moment (seconds since 1970)."""

    at: float
    used: float


def shown(reading: Cpu | Memory) -> list[Observation]:
    """A reading as it is recorded, for later runs to take up."""
    if isinstance(reading, Memory):
        values = {AT: reading.at, USED: reading.used}
    else:
        values = {AT: reading.at, BOOTED: reading.booted, TICKS: reading.ticks, IDLE: reading.idle}
    return [holds(name, value, "shown", met=True) for name, value in values.items()]


def cpu(recorded: Iterable[Mapping[str, float]]) -> list[Cpu]:
    """The readings of CPUs among what earlier runs recorded."""
    names = (AT, BOOTED, TICKS, IDLE)
    return [Cpu(*(each[name] for name in names)) for each in recorded if _dated(each) and all(n in each for n in names)]


def memory(recorded: Iterable[Mapping[str, float]]) -> list[Memory]:
    """The readings of memory among what earlier runs recorded."""
    return [Memory(each[AT], each[USED]) for each in recorded if _dated(each) and USED in each]


def _dated(each: Mapping[str, float]) -> bool:
    return 0 <= each.get(AT, -1) <= LAST_MOMENT


def cpu_spans(readings: Iterable[Cpu]) -> list[Span]:
    """The mean CPU use between two runs each, as a ratio; of a boot in between, since then.

    Time that lies before a boot and after the run before it is not known, and so is a span that is too long. A boot
    that is another one than before, and yet lies before the last run, may be a clock that was set: the mean since then
    would be that of weeks, so nothing is known of that span.
    """
    ordered = sorted(readings, key=lambda each: each.at)
    spans = [_since_boot(ordered[0], ordered[0].booted)] if ordered else []
    for before, after in pairwise(ordered):
        if abs(after.booted - before.booted) > SAME_BOOT:
            spans += [_since_boot(after, after.booted)] * (after.booted >= before.at)
        elif after.ticks > before.ticks and after.idle >= before.idle:
            idle = (after.idle - before.idle) / (after.ticks - before.ticks)
            spans.append(Span(before.at, after.at, 1 - idle))
    return [
        replace(each, value=max(0.0, each.value))
        for each in spans
        if 0 < each.end - each.start <= LONGEST and each.value >= LEAST_SHARE
    ]


def _since_boot(reading: Cpu, start: float) -> Span:
    idle = reading.idle / reading.ticks if reading.ticks else 0.0
    return Span(start, reading.at, 1 - idle)


def memory_spans(readings: Iterable[Memory]) -> list[Span]:
    """The memory in use between two runs each: half-way between what both saw, for nothing else is known of it."""
    ordered = sorted(readings, key=lambda each: each.at)
    return [
        Span(before.at, after.at, (before.used + after.used) / 2)
        for before, after in pairwise(ordered)
        if 0 < after.at - before.at <= LONGEST
    ]


def covered(spans: Iterable[Span], start: float, end: float) -> float:
    """The share of the time from ``start`` to ``end`` that lies in spans."""
    return sum(max(0.0, min(each.end, end) - max(each.start, start)) for each in spans) / (end - start)
