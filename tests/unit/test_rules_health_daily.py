"""Health, what is looked at daily: logs, scripts and their runs, replicas; red and green at the very limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.containers import Log
from opsverify.probes.replication import Connection, Replica
from opsverify.probes.scripts import Entry, Runs, Script, ScriptRun
from opsverify.rules import health
from tests.unit.test_rules_health import API

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATH = "/opt/scripts/daily.sh"


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def names(observations: list[Observation]) -> list[str]:
    return [each.name for each in unmet(observations)]


def log(seconds: float | None, errors: int = 0) -> Log:
    return Log(None if seconds is None else NOW - timedelta(seconds=seconds), 100 if seconds is not None else 0, errors)


@pytest.mark.parametrize(
    ("found", "continuous", "good"),
    [
        (log(0), True, True),
        (log(900), True, True),
        (log(900.001), True, False),
        (log(3 * 86400), True, False),
        (log(1, errors=100), True, True),
        (log(-300), True, True),  # by as much the clocks of two machines may differ
        (log(-300.001), True, False),
        (log(-30 * 86400), True, False),
        (log(None), True, False),
        (None, True, False),
        (log(0), False, True),
        (log(90 * 86400), False, True),
        (log(-90 * 86400), False, True),
        (log(None), False, False),
        (None, False, False),
    ],
)
def test_a_service_is_heard(limits_of: LimitsOf, found: Log | None, continuous: bool, good: bool) -> None:
    observations = health.logs_kept([(API, found)], limits_of("HLT-LOG-01"), NOW, continuous=continuous)
    assert met(observations) is good


def test_every_container_of_a_service_is_heard(limits_of: LimitsOf) -> None:
    other = replace(API, name="api_2", log_driver="none")
    found = health.logs_kept([(API, log(1)), (other, None)], limits_of("HLT-LOG-01"), NOW, continuous=True)
    assert names(found) == ["api_2 log driver"]
    silent = health.logs_kept([(API, log(1)), (other, log(901))], limits_of("HLT-LOG-01"), NOW, continuous=True)
    assert names(silent) == ["api_2 newest line"]


@pytest.mark.parametrize("continuous", [True, False])
def test_a_service_without_a_container_is_not_heard(limits_of: LimitsOf, continuous: bool) -> None:
    assert not met(health.logs_kept([], limits_of("HLT-LOG-01"), NOW, continuous=continuous))


def test_errors_in_a_log_are_shown_not_judged(limits_of: LimitsOf) -> None:
    found = health.logs_kept([(API, log(1, errors=7))], limits_of("HLT-LOG-01"), NOW, continuous=True)
    assert "7 of the last 100 lines" in [each.observed for each in found]
    assert met(found)


ROOTS = Entry(PATH, "regular file", "root", 0o755)
ABOVE = tuple(Entry(path, "directory", "root", 0o755) for path in ("/opt/scripts", "/opt", "/"))
SCRIPT = Script(ROOTS, ABOVE, "")
RECORD = Entry("/var/lib/runs/daily.jsonl", "regular file", "root", 0o644)


def run(hours: float, status: int = 0, name: str = "daily.sh") -> ScriptRun:
    return ScriptRun(name, NOW - timedelta(hours=hours), status)


def runs(*latest: ScriptRun, entry: Entry = RECORD) -> Runs:
    return Runs(entry, latest)


@pytest.mark.parametrize(("requirement", "most"), [("HLT-DAILY-01", 26), ("BAK-VERIFY-01", 26), ("SEC-AUD-01", 168)])
def test_a_script_ran_of_late(limits_of: LimitsOf, requirement: str, most: float) -> None:
    for hours, good in ((0, True), (most - 1, True), (most, True), (most + 0.001, False), (most + 1, False)):
        found = health.script_is_trusted(PATH, SCRIPT, runs(run(hours)), limits_of(requirement), NOW)
        assert met(found) is good


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (replace(SCRIPT, syntax="daily.sh: line 3: syntax error"), "syntax"),
        (replace(SCRIPT, entry=replace(ROOTS, mode=0o777)), "changeable by others than root"),
        (replace(SCRIPT, entry=replace(ROOTS, mode=0o775)), "changeable by others than root"),
        (replace(SCRIPT, entry=replace(ROOTS, owner="deploy")), "changeable by others than root"),
        (replace(SCRIPT, above=(replace(ABOVE[0], mode=0o777), *ABOVE[1:])), "changeable by others than root"),
        (replace(SCRIPT, above=(*ABOVE[:2], replace(ABOVE[2], owner="u"))), "changeable by others than root"),
        (replace(SCRIPT, entry=replace(ROOTS, kind="regular empty file")), PATH),
        (replace(SCRIPT, entry=replace(ROOTS, kind="directory")), PATH),
        (replace(SCRIPT, entry=replace(ROOTS, kind="fifo")), PATH),
    ],
)
def test_a_script_that_is_broken_or_anyones_is_not_trusted(limits_of: LimitsOf, script: Script, name: str) -> None:
    found = health.script_is_trusted(PATH, script, runs(run(1)), limits_of("HLT-DAILY-01"), NOW)
    assert names(found) == [name]


@pytest.mark.parametrize(
    "script",
    [
        SCRIPT,
        replace(SCRIPT, entry=replace(ROOTS, mode=0o500)),
        replace(SCRIPT, above=(replace(ABOVE[0], mode=0o1777), *ABOVE[1:])),
    ],
)
def test_a_script_of_roots_alone_is_trusted(limits_of: LimitsOf, script: Script) -> None:
    assert met(health.script_is_trusted(PATH, script, runs(run(1)), limits_of("HLT-DAILY-01"), NOW))


def test_a_script_that_does_not_exist_is_red_whatever_is_on_record(limits_of: LimitsOf) -> None:
    found = health.script_is_trusted(PATH, None, runs(run(1)), limits_of("HLT-DAILY-01"), NOW)
    assert names(found) == [PATH]


@pytest.mark.parametrize(
    ("record", "failing"),
    [
        (None, ["record of runs"]),
        (runs(), ["last run"]),
        (runs(run(1, name="other.sh")), ["last run"]),
        (runs(run(1, name="Daily.sh")), ["last run"]),
        (runs(run(1, name=PATH)), ["last run"]),
        (runs(run(1, status=1)), ["last run ended with status"]),
        (runs(run(1, status=-9)), ["last run ended with status"]),
        (runs(run(25), run(1, status=2)), ["last run ended with status"]),
        (runs(run(1), run(0.5, status=2, name="other.sh")), []),
        (runs(run(25, status=2), run(1)), []),
        (runs(run(27), run(1, name="other.sh")), ["age of the last run"]),
        (runs(run(27, status=1)), ["last run ended with status", "age of the last run"]),
        (runs(run(1), entry=replace(RECORD, owner="deploy")), ["record of runs"]),
        (runs(run(1), entry=replace(RECORD, mode=0o666)), ["record of runs"]),
        (runs(entry=replace(RECORD, mode=0o666)), ["record of runs", "last run"]),
    ],
)
def test_only_the_last_run_on_roots_own_record_counts(
    limits_of: LimitsOf, record: Runs | None, failing: list[str]
) -> None:
    found = health.script_is_trusted(PATH, SCRIPT, record, limits_of("HLT-DAILY-01"), NOW)
    assert names(found) == failing


@pytest.mark.parametrize(
    ("seconds", "good"), [(0, True), (299, True), (300, True), (301, False), (86400, False), (-1, True)]
)
def test_a_run_is_not_in_the_future(limits_of: LimitsOf, seconds: float, good: bool) -> None:
    found = health.script_is_trusted(PATH, SCRIPT, runs(run(-seconds / 3600)), limits_of("HLT-DAILY-01"), NOW)
    assert met(found) is good


def replica(*connections: Connection) -> Replica:
    return Replica("replica-1", connections)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (replica(Connection("streaming", 0)), True),
        (replica(Connection("streaming", 67108864)), True),
        (replica(Connection("streaming", 67108865)), False),
        (replica(Connection("streaming", -8)), True),
        (replica(Connection("streaming", math.nan)), False),
        (replica(Connection("streaming", math.inf)), False),
        (replica(Connection("catchup", 0)), False),
        (replica(Connection("startup", 0)), False),
        (replica(Connection("backup", 0)), False),
        (replica(Connection("stopping", 0)), False),
        (replica(Connection("unknown", 0)), False),
        (replica(Connection("streaming", 0), Connection("streaming", 0)), True),
        (replica(Connection("streaming", 0), Connection("streaming", 67108865)), False),
        (replica(Connection("streaming", 0), Connection("catchup", 0)), False),
        (replica(), False),
    ],
)
def test_a_replica_streams_and_keeps_up(limits_of: LimitsOf, found: Replica, good: bool) -> None:
    assert met(health.replica_keeps_up(found, limits_of("HLT-PG-05"))) is good
