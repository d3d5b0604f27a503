"""Days and shares, of pasts that a real Prometheus remembers: by probe and rule, one case after the other.

`opsverify`'s own way from a failing rule to a red check is shown by the cases of tests/lab/test_history.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import pasts
from lab.pasts import Job, Machine, growing, mixed, wavy
from opsverify import targets
from opsverify.catalogue import load
from opsverify.channels.web import WebChannel
from opsverify.days import day_of, ends
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Observation, unmet
from opsverify.probes import daily, series
from opsverify.redaction import Redactor
from opsverify.rules import capacity, forecast
from opsverify.transcript import Transcript

DEMANDS = load(Path(__file__).parents[2] / "checks")

MACHINES = {
    "seven-hot": Machine(cpu=[0.71] * 7, memory=[0.30] * 4 + [0.86] * 3),
    "seven-69": Machine(cpu=[0.69] * 7, memory=[0.84] * 7),
    "at-the-limit": Machine(cpu=[0.70] * 7, memory=[0.85] * 7),
    "six-hot-one-cool": Machine(cpu=mixed(0.95, 0.40, days=7), memory=mixed(0.95, 0.40, days=7)),
    "missing-all-else-hot": Machine(cpu=[0.95] * 3 + [None] + [0.95] * 3, memory=[0.95] * 5 + [None, 0.95]),
    "missing-one-cool": Machine(cpu=[0.95, None, 0.95, 0.40, 0.95, 0.95, 0.95], memory=[0.95] * 4 + [None, 0.4, 0.95]),
    "hot-until-yesterday": Machine(cpu=[0.95] * 7 + [0.40], memory=[0.95] * 7 + [0.40]),
    "restarts-hot": Machine(cpu=[0.80] * 7, memory=[0.95] * 7, restarts=True),
    "restarts-cool": Machine(cpu=[0.60] * 7, memory=[0.40] * 7, restarts=True),
    "slips": Machine(cpu=[0.95] * 7, memory=[0.95] * 7, slips=True),
    "new": Machine(cpu=[0.95] * 2, memory=[0.95] * 2),
    "growing": Machine(cpu=growing(0.30, 0.01, 20), memory=wavy(0.40, 28)),
    "receiving": Machine(into=0.71, out=0.10),
    "sending": Machine(into=0.10, out=0.71),
    "at-capacity": Machine(into=0.70, out=0.10),
    "bursting": Machine(into=0.30, out=0.30, burst=60),
    "busy-for-long": Machine(into=0.30, out=0.30, burst=90),
    "deaf": Machine(into=0.30),
}
QUICK = {"0.5": 0.9, "10": 1.0}
JOBS = {
    "slow": Job(1000, {**QUICK, "2": 0.949}),
    "exact": Job(1000, {**QUICK, "2": 0.95}),
    "stuck": Job(1000, {"0.5": 0.0, "2": 0.0, "10": 0.0}),
    "few": Job(99, {**QUICK, "2": 1.0}),
    "enough": Job(120, {**QUICK, "2": 1.0}),
    "idle": Job(0, {**QUICK, "2": 1.0}),
    "broken": Job(1000, {**QUICK, "2": 1.0}, nan=True),
}


@pytest.fixture(scope="module")
def now() -> datetime:
    """When their pasts end."""
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def prometheus(now: datetime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebChannel]:
    """The server that remembers all of them."""
    folder = tmp_path_factory.mktemp("pasts")
    with pasts.remembered(MACHINES, JOBS, now=int(now.timestamp())) as port:
        spec = targets.Prometheus(
            name="pasts", url=f"http://127.0.0.1:{port}", api_job="exact", instances=["seven-69"], timeout_s=20
        )
        channel = WebChannel(spec, folder, Transcript(folder / "transcript.jsonl", Redactor()))
        yield channel
        channel.close()


def verdict(judge: Callable[[], list[Observation]]) -> str:
    """What a rule comes to: ``pass``, ``fail`` or ``error``."""
    try:
        observations = judge()
    except InsufficientFactsError:
        return "error"
    assert observations
    return "fail" if unmet(observations) else "pass"


@pytest.mark.parametrize(
    ("instance", "cpu", "memory"),
    [
        ("seven-hot", "fail", "fail"),
        ("seven-69", "pass", "pass"),
        ("at-the-limit", "pass", "pass"),
        ("six-hot-one-cool", "pass", "pass"),
        ("missing-all-else-hot", "error", "error"),
        ("missing-one-cool", "pass", "pass"),
        ("hot-until-yesterday", "pass", "pass"),
        ("restarts-hot", "fail", "fail"),
        ("restarts-cool", "pass", "pass"),
        ("slips", "error", "fail"),
        ("new", "error", "error"),
        ("never-seen", "error", "error"),
    ],
)
def test_days_in_a_row(prometheus: WebChannel, now: datetime, instance: str, cpu: str, memory: str) -> None:
    for requirement, probe, expected in (
        ("CAP-TRG-CPU-01", daily.cpu, cpu),
        ("CAP-TRG-MEM-01", daily.memory, memory),
    ):
        limits = DEMANDS.limits(requirement)
        moments = ends(now, int(limits.consecutive_days.number))
        own = [each for each in probe(prometheus, moments) if each.instance == instance]
        assert verdict(lambda: capacity.in_a_row(own, [instance], moments, limits, "use")) == expected, own  # noqa: B023


def test_one_hot_host_among_cool_ones_is_found(prometheus: WebChannel, now: datetime) -> None:
    limits = DEMANDS.limits("CAP-TRG-CPU-01")
    moments = ends(now, 7)
    some = [each for each in daily.cpu(prometheus, moments) if each.instance in ("seven-69", "seven-hot", "new")]
    found = unmet(capacity.in_a_row(some, ["new", "seven-69", "seven-hot"], moments, limits, "use"))
    assert [each.name for each in found] == ["seven-hot use by day"]


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        ("receiving", "fail"),
        ("sending", "fail"),
        ("at-capacity", "pass"),
        ("bursting", "pass"),
        ("busy-for-long", "fail"),
        ("deaf", "error"),
        ("never-seen", "error"),
    ],
)
def test_bandwidth(prometheus: WebChannel, now: datetime, instance: str, expected: str) -> None:
    limits = DEMANDS.limits("CAP-NET-01")
    interfaces = (targets.Interface(instance=instance, device="eth0", capacity_mbit=1000),)
    found = daily.network(prometheus, interfaces, 24, (int(now.timestamp()),))
    busy = [each for each in daily.busy_interfaces(prometheus, 24) if each[0] == instance]
    assert busy == [(instance, "eth0")] * (instance != "never-seen")
    assert verdict(lambda: capacity.bandwidth(found, interfaces, [instance], busy, limits)) == expected, found
    # It says of itself that it carries -125000 bytes a second, and of that any traffic would be a small share.
    assert verdict(lambda: capacity.bandwidth(found, (), [instance], busy, limits)) == "error"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("slow", "fail"),
        ("exact", "pass"),
        ("stuck", "fail"),
        ("few", "error"),
        ("enough", "pass"),
        ("idle", "error"),
        ("broken", "error"),
    ],
)
def test_p95(prometheus: WebChannel, job: str, expected: str) -> None:
    limits = DEMANDS.limits("CAP-TRG-P95-01")
    assert verdict(lambda: capacity.latency(series.latency(prometheus, job, 1), limits)) == expected


def test_days_until_a_limit(prometheus: WebChannel, now: datetime) -> None:
    moments = ends(now, 30)
    limits = DEMANDS.limits("CAP-TRG-CPU-01")
    past = daily.history(daily.cpu, prometheus, moments)
    known = forecast.remembered(past, ["growing", "seven-69"], limits.coverage, "CPU")
    growing, steady = forecast.untils(known, limits.daily_mean, "here")[:2]
    assert str(growing.observed).startswith("in 21 days, about ")
    assert f"(on 20 of 20 days up to {day_of(moments[-1])}, here)" in str(growing.observed)
    assert str(steady.observed).startswith("steady at 69 %")
    waves = forecast.remembered(daily.history(daily.memory, prometheus, moments), ["growing"], limits.coverage, "use")
    assert len(waves["growing use"]) == 28
