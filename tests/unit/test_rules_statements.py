"""Performance of PostgreSQL: statements against their baseline, statistics, indexes; at the very limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsverify.baseline import Baseline, BaselineStatement
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.postgres import Extension, Recorded, Statement
from opsverify.probes.statistics import Blocks, Index, Table
from opsverify.rules import performance

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TAKEN = NOW - timedelta(days=10)
EXTENSION = Extension("1.10", "1.10", "public")


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def recorded(*statements: Statement, since: datetime | None = None, rebuilds: int = 0) -> Recorded:
    return Recorded(EXTENSION, statements, since, rebuilds)


def baseline(*statements: Statement, valid_for: str = "90d", database: str = "pg") -> Baseline:
    return Baseline(
        taken=TAKEN,
        valid_for=valid_for,
        by="A Person",
        load="50 requests/s",
        version="1.2.3",
        statement=[
            BaselineStatement(database=database, queryid=each.queryid, calls=each.calls, total_ms=each.total_ms)
            for each in statements
        ],
    )


@pytest.mark.parametrize(("version", "good"), [("1.10", True), ("1.9", False), ("1.11", False), ("", False)])
def test_the_extension_is_the_one_that_the_server_ships(version: str, good: bool) -> None:
    found = replace(recorded(Statement("1", 1, 1.0)), extension=replace(EXTENSION, version=version))
    assert met(performance.statements_recorded(found)) is good


@pytest.mark.parametrize(
    ("calls", "total", "good"),
    [
        (1000, 15_000.0, True),  # 15 ms after 10 ms: the very limit of 1.5 times
        (1000, 15_001.0, False),
        (1000, 10_000.0, True),
        (1000, 1.0, True),
        (1000, 60_000.0, False),
        (100, 1_500.0, True),
        (100, 1_501.0, False),
        (1000, math.nan, False),
        (1000, math.inf, False),
    ],
)
def test_a_statement_is_hardly_slower_than_it_was(limits_of: LimitsOf, calls: int, total: float, good: bool) -> None:
    now = recorded(Statement("1", 500 + calls, 5_000.0 + total, "SELECT 1"))
    before = baseline(Statement("1", 500, 5_000.0))
    assert met(performance.no_slower(now, before, "pg", limits_of("PERF-PGSS-02"), NOW)) is good


@pytest.mark.parametrize(
    ("usual", "lately", "good"),
    [
        (0.1, 5.1, True),
        (0.1, 5.2, False),
        (1.0, 6.0, True),
        (1.0, 6.01, False),
        (100.0, 150.0, True),
        (0.01, 4.0, True),
        (0.0, 0.0, True),  # a mean of nothing is exceeded by any factor, and by no more than the added time
        (0.0, 5.0, True),
        (0.0, 5.01, False),
        (0.0, 900.0, False),
        (0.0, math.nan, False),
        (0.0, math.inf, False),
    ],
)
def test_what_is_slower_by_next_to_nothing_is_not_slower(
    limits_of: LimitsOf, usual: float, lately: float, good: bool
) -> None:
    now = recorded(Statement("1", 2000, 1000 * usual + 1000 * lately))
    before = baseline(Statement("1", 1000, 1000 * usual))
    assert met(performance.no_slower(now, before, "pg", limits_of("PERF-PGSS-02"), NOW)) is good


def test_what_became_slow_today_is_not_hidden_by_a_mean_over_months(limits_of: LimitsOf) -> None:
    before = baseline(Statement("1", 1_000_000, 10_000_000.0))
    now = recorded(Statement("1", 1_000_100, 10_004_000.0, "SELECT 1"))
    (slow, *_) = unmet(performance.no_slower(now, before, "pg", limits_of("PERF-PGSS-02"), NOW))
    assert "40 ms (100 calls)" in str(slow.observed)
    assert "SELECT 1 (query id 1)" in slow.name


@pytest.mark.parametrize(
    ("now", "since", "good"),
    [
        (Statement("1", 600, 6_000.0), TAKEN + timedelta(seconds=1), True),  # after a reset all are since then
        (Statement("1", 600, 12_000.0), TAKEN + timedelta(seconds=1), False),
        (Statement("1", 100, 1_000.0), TAKEN + timedelta(seconds=1), True),
        (Statement("1", 100, 2_000.0), TAKEN + timedelta(seconds=1), False),
        (Statement("1", 600, 6_000.0), TAKEN - timedelta(days=30), True),
        (Statement("1", 600, 8_000.0), TAKEN - timedelta(days=30), False),
        (Statement("1", 600, 8_000.0), TAKEN, False),
        (Statement("1", 600, 8_000.0), None, False),
        (Statement("1", 400, 4_000.0), None, True),  # fewer calls than before: evicted, and begun anew
        (Statement("1", 400, 8_000.0), None, False),
        (Statement("1", 600, 4_900.0), None, True),  # less time than before: likewise
    ],
)
def test_counters_that_began_anew_are_all_since_the_baseline(
    limits_of: LimitsOf, now: Statement, since: datetime | None, good: bool
) -> None:
    found = recorded(now, since=since)
    before = baseline(Statement("1", 500, 5_000.0))
    assert met(performance.no_slower(found, before, "pg", limits_of("PERF-PGSS-02"), NOW)) is good


def test_time_that_is_less_than_before_is_no_negative_time(limits_of: LimitsOf) -> None:
    now, before = recorded(Statement("1", 600, 4_900.0)), baseline(Statement("1", 500, 5_000.0))
    assert performance.no_slower(now, before, "pg", limits_of("PERF-PGSS-02"), NOW)[0].observed == "8.17 ms (600 calls)"


KNOWN = Statement("1", 1000, 10_000.0)


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (recorded(), baseline(KNOWN)),
        (recorded(Statement("1", 1099, 11_000.0)), baseline(KNOWN)),
        (recorded(KNOWN), baseline(KNOWN)),
        (recorded(Statement("1", 9000, 90_000.0)), baseline()),
        (recorded(Statement("1", 9000, 90_000.0)), baseline(Statement("1", 99, 990.0))),
        (recorded(Statement("2", 9000, 90_000.0)), baseline(KNOWN)),
        (recorded(Statement("1", 9000, 90_000.0)), baseline(KNOWN, database="other")),
    ],
)
def test_what_cannot_be_compared_is_not_judged(limits_of: LimitsOf, now: Recorded, before: Baseline) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^none of the \d+ costliest statements .* is in the baseline"):
        performance.no_slower(now, before, "pg", limits_of("PERF-PGSS-02"), NOW)


def test_a_statement_needs_calls_enough_on_both_sides(limits_of: LimitsOf) -> None:
    now = recorded(Statement("1", 200, 2_000.0))
    assert met(performance.no_slower(now, baseline(Statement("1", 100, 1_000.0)), "pg", limits_of("PERF-PGSS-02"), NOW))


def test_a_statement_that_the_baseline_does_not_know_is_shown(limits_of: LimitsOf) -> None:
    now = recorded(
        Statement("1", 1100, 11_000.0), Statement("9", 500, 900_000.0, "SELECT\n  new"), Statement("8", 9, 9e9)
    )
    found = performance.no_slower(now, baseline(KNOWN), "pg", limits_of("PERF-PGSS-02"), NOW)
    assert met(found)
    assert found[-1].observed == ("SELECT new (query id 9)",)


def test_only_the_costliest_since_the_baseline_are_judged(limits_of: LimitsOf) -> None:
    costly = [Statement(str(each), 1000, 10_000.0 + each) for each in range(10)]
    slow = Statement("slow", 1000, 10_000.0)
    before = baseline(*costly, Statement("slow", 900, 900.0))
    now = recorded(*(replace(each, calls=2000, total_ms=2 * each.total_ms) for each in costly), slow)
    assert met(performance.no_slower(now, before, "pg", limits_of("PERF-PGSS-02"), NOW))
    first = recorded(*now.statements[1:])
    assert [
        each.name for each in unmet(performance.no_slower(first, before, "pg", limits_of("PERF-PGSS-02"), NOW))
    ] == ["a utility statement (query id slow)"]


@pytest.mark.parametrize("valid_for", ["9d", "1d"])
def test_a_baseline_that_has_expired_is_no_measure(limits_of: LimitsOf, valid_for: str) -> None:
    with pytest.raises(
        InsufficientFactsError,
        match=r"^the baseline was taken at 2026-11-13 12:00 and held until 2026-11-\d+: take one",
    ):
        performance.no_slower(
            recorded(replace(KNOWN, calls=9000)),
            baseline(KNOWN, valid_for=valid_for),
            "pg",
            limits_of("PERF-PGSS-02"),
            NOW,
        )


@pytest.mark.parametrize("ahead", [timedelta(minutes=5, seconds=1), timedelta(days=1), timedelta(days=3650)])
def test_a_baseline_from_the_future_is_no_measure(limits_of: LimitsOf, ahead: timedelta) -> None:
    before = baseline(KNOWN, valid_for="9d").model_copy(update={"taken": NOW + ahead})
    with pytest.raises(InsufficientFactsError, match=rf"^the baseline was taken at {NOW + ahead:%Y-%m-%d %H:%M} and"):
        performance.no_slower(recorded(replace(KNOWN, calls=9000)), before, "pg", limits_of("PERF-PGSS-02"), NOW)


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(seconds=1), timedelta(minutes=5)])
def test_a_baseline_of_just_now_may_be_of_a_clock_that_is_ahead(limits_of: LimitsOf, ahead: timedelta) -> None:
    before = baseline(KNOWN).model_copy(update={"taken": NOW + ahead})
    now = recorded(Statement("1", 2000, 20_000.0))
    assert met(performance.no_slower(now, before, "pg", limits_of("PERF-PGSS-02"), NOW))


def test_a_baseline_holds_through_its_last_day(limits_of: LimitsOf) -> None:
    now = recorded(Statement("1", 2000, 20_000.0))
    late = NOW.replace(hour=23, minute=59)
    assert met(performance.no_slower(now, baseline(KNOWN, valid_for="10d"), "pg", limits_of("PERF-PGSS-02"), late))


def test_without_a_baseline_nothing_is_slow_or_fast(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^there is no baseline: take one under a usual load"):
        performance.no_slower(recorded(KNOWN), None, "pg", limits_of("PERF-PGSS-02"), NOW)


def table(
    live: int = 1000,
    modified: int = 0,
    days: float | None = 1,
    size: int | None = None,
    scans: int = 0,
    name: str = "s.t",
) -> Table:
    return Table(name, live, modified, None if days is None else NOW - timedelta(days=days), size, scans, 0)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (table(), True),
        (table(modified=100, days=99), True),
        (table(modified=101, days=99), False),
        (table(modified=101, days=7), True),
        (table(modified=101, days=7.001), False),
        (table(modified=1000, days=None), False),
        (table(modified=100, days=None), True),
        (table(live=0, modified=0, days=None, size=0), True),
        (table(live=0, modified=50, days=None), False),
        (table(live=0, modified=1, days=8), False),
        (table(live=0, modified=50, days=1), True),
        (table(live=0, modified=0, days=99), True),
        (table(modified=101, days=-5 / 1440), True),
        (table(modified=101, days=-6 / 1440), False),
        (table(modified=101, days=-9), False),
        (table(modified=100, days=-9), True),
    ],
)
def test_the_planner_knows_a_table_as_it_is(limits_of: LimitsOf, found: Table, good: bool) -> None:
    assert met(performance.statistics_fresh([table(), found], limits_of("PERF-STAT-01"), NOW)) is good


def test_without_a_table_or_an_index_nothing_is_fresh_or_valid(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="no table is visible"):
        performance.statistics_fresh((), limits_of("PERF-STAT-01"), NOW)
    with pytest.raises(InsufficientFactsError, match="no index is visible"):
        performance.indexes_valid(())


def test_a_table_whose_counters_were_lost_is_not_called_fresh(limits_of: LimitsOf) -> None:
    lost = table(live=0, modified=0, days=None, size=8192, name="s.lost")
    with pytest.raises(InsufficientFactsError, match=r"nothing is known of s\.lost: its counters were lost"):
        performance.statistics_fresh([table(), lost], limits_of("PERF-STAT-01"), NOW)
    stale = table(modified=101, days=99, name="s.stale")
    (finding,) = unmet(performance.statistics_fresh([lost, stale], limits_of("PERF-STAT-01"), NOW))
    assert str(finding.observed).startswith("('s.stale (101 of 1000 rows changed, last analysis 2026-08-16)'")


def index(*, valid: bool = True, built: bool = False, unique: bool = False, scans: int | None = 1) -> Index:
    return Index("s.i", valid, built, unique, scans)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (index(), True),
        (index(scans=0), True),
        (index(scans=None), True),
        (index(valid=False), False),
        (index(valid=False, scans=None), False),
        (index(valid=False, unique=True), False),
        (index(valid=False, built=True), True),
        (index(built=True), True),
    ],
)
def test_no_index_is_left_behind_invalid(found: Index, good: bool) -> None:
    assert met(performance.indexes_valid([index(), found])) is good


@pytest.mark.parametrize(("rebuilds", "good"), [(0, True), (1, False), (9, False)])
@pytest.mark.parametrize("since", [None, TAKEN])
def test_an_index_was_not_rebuilt(rebuilds: int, good: bool, since: datetime | None) -> None:
    assert met(performance.no_rebuilds(recorded(rebuilds=rebuilds, since=since))) is good


@pytest.mark.parametrize(
    ("blocks", "good"),
    [
        (Blocks(1000, 0, TAKEN), True),
        (Blocks(900, 100, TAKEN), True),
        (Blocks(899, 101, None), False),
        (Blocks(0, 1000, TAKEN), False),
        (Blocks(10**15, 10**12, TAKEN), True),
    ],
)
def test_most_blocks_are_found_in_the_cache(limits_of: LimitsOf, blocks: Blocks, good: bool) -> None:
    assert met(performance.use_reported(blocks, [table()], [index()], limits_of("BP-PERF-04"))) is good


@pytest.mark.parametrize("blocks", [Blocks(0, 0, None), Blocks(999, 0, TAKEN), Blocks(0, 999, TAKEN)])
def test_too_few_blocks_have_no_share(limits_of: LimitsOf, blocks: Blocks) -> None:
    with pytest.raises(InsufficientFactsError, match=r"blocks asked for since .*, expected at least 1000"):
        performance.use_reported(blocks, [table()], [index()], limits_of("BP-PERF-04"))


def test_scans_and_unused_indexes_are_shown_not_judged(limits_of: LimitsOf) -> None:
    tables = [table(scans=each, name=f"s.t{each}") for each in range(8)]
    indexes = [index(scans=0), index(scans=0, unique=True), index(scans=None), replace(index(scans=0), name="s.a")]
    found = performance.use_reported(Blocks(1000, 0, None), tables, indexes, limits_of("BP-PERF-04"))
    assert met(found)
    assert found[2].observed == tuple(f"s.t{each} ({each} times)" for each in (7, 6, 5, 4, 3))
    assert found[3].observed == ("s.a", "s.i")
