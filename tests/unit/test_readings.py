"""What lies between two runs: the kernel's counters, whatever boots, repetitions and gaps there were in between."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify import readings
from opsverify.days import DAY, Span, spread
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import unmet
from opsverify.probes.machine import Processor, parse_stat
from opsverify.readings import Cpu, Memory, cpu_spans, memory_spans
from opsverify.rules import own_runs
from tests.unit.test_rules_capacity import LimitsOf

HOUR = 3600.0
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
START = NOW.timestamp()


def cpu(at: float, busy: float, booted: float = 0.0) -> Cpu:
    """A reading of a machine of four CPUs that was busy to the same share ever since its boot."""
    ticks = (at - booted) * 400
    return Cpu(at, booted, ticks, ticks * (1 - busy))


def test_between_two_runs_the_counters_tell_the_mean() -> None:
    before = Cpu(100 * HOUR, 0, 1000, 900)
    (span,) = cpu_spans([before, Cpu(124 * HOUR, 0, 2000, 1200)])
    assert span == Span(100 * HOUR, 124 * HOUR, 0.7)


def test_after_a_boot_only_the_time_since_then_is_known() -> None:
    (first, second) = cpu_spans([cpu(20 * HOUR, 0.5), cpu(40 * HOUR, 0.9, booted=30 * HOUR)])
    assert first == Span(0, 20 * HOUR, 0.5)
    assert [second.start, second.end, second.value] == pytest.approx([30 * HOUR, 40 * HOUR, 0.9])


@pytest.mark.parametrize("booted", [19 * HOUR, 180.0])
def test_a_boot_that_seems_to_lie_before_the_last_run_tells_nothing_of_the_time_since(booted: float) -> None:
    """A clock that was set by minutes moves the boot; the mean since then would hide a hot day behind cool weeks."""
    before = Cpu(20 * HOUR, 0, 20 * HOUR * 400, 19 * HOUR * 400)
    after = Cpu(40 * HOUR, booted, 40 * HOUR * 400, 20 * HOUR * 400)
    assert [(each.start, each.end) for each in cpu_spans([before, after])] == [(0, 20 * HOUR)]


def test_a_clock_that_was_set_is_no_boot() -> None:
    before, after = cpu(100 * HOUR, 0.5, booted=10), cpu(120 * HOUR, 0.5, booted=12)
    assert [(each.start, each.end) for each in cpu_spans([before, after])] == [(100 * HOUR, 120 * HOUR)]


@pytest.mark.parametrize(
    "after", [Cpu(120 * HOUR, 0, 10, 5), Cpu(120 * HOUR, 0, 2000, 100), Cpu(127 * HOUR, 0, 2000, 1200)]
)
def test_counters_that_went_back_and_runs_too_far_apart_tell_nothing(after: Cpu) -> None:
    assert cpu_spans([Cpu(100 * HOUR, 0, 1000, 900), after]) == []


def test_more_idle_time_than_time_is_no_cool_machine() -> None:
    before = Cpu(100 * HOUR, 0, 1000, 900)
    assert cpu_spans([before, Cpu(120 * HOUR, 0, 2000, 4000)]) == []
    (span,) = cpu_spans([before, Cpu(120 * HOUR, 0, 2000, 1901)])  # waiting for disks may be taken back
    assert span.value == 0


def test_a_moment_that_no_calendar_has_is_no_reading() -> None:
    for reading, parse in ((cpu(1e18, 0.5, 1e18 - HOUR), readings.cpu), (Memory(1e18, 0.5), readings.memory)):
        numbers = {each.name: float(each.observed) for each in readings.shown(reading)}  # type: ignore[arg-type]
        assert parse([numbers]) == []


@settings(deadline=None)
@given(
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(60, 30 * HOUR), st.booleans(), st.floats(0, 1)), min_size=1, max_size=30),
    st.randoms(),
)
def test_boots_gaps_and_repetitions_make_no_use_of_their_own(
    busy: float, steps: list[tuple[float, bool, float]], rng: object
) -> None:
    """A machine that is always busy to the same share is never seen as another one."""
    at, booted = 1000.0 * DAY, 999.5 * DAY
    found = [cpu(at, busy, booted)]
    for wait, boots, when in steps:
        if boots:
            booted = at + wait * when * 0.9 + 0.01
        at += wait
        found.append(cpu(at, busy, booted))
    again = found + [each for each in found if rng.random() < 0.5]  # type: ignore[attr-defined]
    rng.shuffle(again)  # type: ignore[attr-defined]
    spans = cpu_spans(again)
    assert spans == cpu_spans(found)
    assert all(each.value == pytest.approx(busy, abs=1e-3) for each in spans if each.end - each.start > 60)
    assert all(before.end <= after.start for before, after in itertools.pairwise(spans))
    assert all(each.coverage <= 1 + 1e-9 for each in spread(spans))


def test_memory_between_two_runs_is_half_way() -> None:
    seen = [Memory(0, 0.4), Memory(24 * HOUR, 0.6), Memory(51 * HOUR, 0.8)]
    assert memory_spans(reversed(seen)) == [Span(0, 24 * HOUR, 0.5)]


def test_what_is_recorded_is_read_again() -> None:
    for reading, parse in ((cpu(5.0, 0.5), readings.cpu), (Memory(5.0, 0.5), readings.memory)):
        observed = readings.shown(reading)
        numbers = {each.name: float(each.observed) for each in observed}  # type: ignore[arg-type]
        assert parse([numbers, {"something": 1.0}]) == [reading]
        assert all(each.met for each in observed)


def days_of(busy: float, *, every: float = 24, until: float = START, days: int = 9) -> list[Span]:
    return cpu_spans(cpu(until - each * HOUR, busy) for each in range(0, days * 24, int(every)))


@pytest.mark.parametrize(("busy", "good"), [(0.75, False), (0.70, True), (0.65, True)])
def test_days_between_runs_are_judged_as_days(limits_of: LimitsOf, busy: float, good: bool) -> None:
    days = own_runs.by_day("node", "mean CPU use", days_of(busy))
    observed = own_runs.in_a_row("node", days, NOW, limits_of("CAP-TRG-CPU-01"))
    assert (not unmet(observed)) is good
    assert observed[0].name == "node mean CPU use by day"
    used = own_runs.cpu_use("node", days_of(busy), NOW, 7)
    assert used.instance == "node"
    assert [used.used, used.coverage] == pytest.approx([busy, 1.0])


@pytest.mark.parametrize("spans", [[], days_of(0.9, days=5), days_of(0.9, every=48)])
def test_too_few_runs_cannot_be_judged(limits_of: LimitsOf, spans: list[Span]) -> None:
    with pytest.raises(InsufficientFactsError, match="of 7 days"):
        own_runs.in_a_row("node", own_runs.by_day("node", "use", spans), NOW, limits_of("CAP-TRG-CPU-01"))


def test_of_memory_the_highest_look_counts() -> None:
    looks = [Memory(START - each * 6 * HOUR, used) for each, used in enumerate((0.5, 0.9, 0.5, 0.5, 0.5, 0.99))]
    used = own_runs.memory_use("node", looks, NOW, 24)
    assert [used.used, used.coverage] == pytest.approx([0.9, 1.0])
    assert own_runs.memory_use("node", looks[:2], NOW, 24).coverage == pytest.approx(0.25)


@pytest.mark.parametrize("minutes", [1, 100])
def test_the_run_of_yesterday_counts_though_it_was_a_little_earlier_than_todays(minutes: int) -> None:
    looks = [Memory(START - 24 * HOUR - minutes * 60, 0.95), Memory(START, 0.4)]
    used = own_runs.memory_use("node", looks, NOW, 24)
    assert [used.used, used.coverage] == pytest.approx([0.95, 1.0])
    assert own_runs.memory_use("node", [Memory(START - 51 * HOUR, 0.95), looks[1]], NOW, 24).used == 0.4


REAL = "cpu  4705 150 1120 1644 254 10 20 30 40 0\nbtime 1795000000\n"


def test_proc_stat_counts_guests_once() -> None:
    assert parse_stat(REAL) == Processor(1795000000, 4705 + 150 + 1120 + 1644 + 254 + 10 + 20 + 30, 1644)


@pytest.mark.parametrize(
    "text", ["", "cpu\nbtime 5", "cpu 1 2 3 4\n", "btime 5\n", "cpu 0 0 0 0\nbtime 5\n", "cpu a b c d"]
)
def test_what_is_no_proc_stat_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_stat(text)


@given(st.text(max_size=100))
def test_hostile_text_is_an_error_never_a_crash(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_stat(text)
