"""What is judged from Prometheus: error share, latency, and use over days, each on a real, changed history."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import faults, history
from lab.load import traffic
from tests.lab.conftest import Verify


@pytest.fixture(scope="module", autouse=True)
def _healed() -> Iterator[None]:
    """Afterwards Prometheus remembers the usual past again."""
    yield
    faults.forget()


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """What happened to the API is forgotten when it is over."""
    yield
    faults.forget()


@pytest.mark.usefixtures("_forgotten")
def test_an_error_share_of_8_percent_fails_and_3_passes(verify: Verify) -> None:
    with faults.api_misbehaves(error_share=0.03):
        traffic(600)
    faults.wait_until(lambda: _recent("http_requests_total") > 500, "the requests were scraped")
    assert verify("-k", "HLT-ERR-01").red == {}

    with faults.api_misbehaves(error_share=1):
        traffic(80)
    faults.wait_until(lambda: _recent('http_requests_total{status="500"}') > 60, "the failures were scraped")
    failing = verify()
    assert failing.red == {"HLT-ERR-01-prometheus": "fail"}


def test_slow_requests_fail_when_they_are_more_than_a_twentieth(verify: Verify) -> None:
    before = _recent("http_request_duration_seconds_count", "1h")
    few, many = round(before * 0.04), round(before * 0.08)
    with faults.api_misbehaves(delay_ms=2100):
        traffic(few, parallel=100)
        faults.wait_until(lambda: _slow() >= few * 0.9, "the slow requests were scraped")
        assert verify("-k", "CAP-TRG-P95-01").red == {}
        traffic(many - few, parallel=100)
        faults.wait_until(lambda: _slow() >= many * 0.9, "the slow requests were scraped")
        slow = verify()
    assert slow.red == {"CAP-TRG-P95-01-prometheus": "fail"}


# Nothing has to forget the slow requests first: this makes Prometheus remember another past, and only that.
def test_a_past_above_the_limits_fails_and_one_below_them_passes(verify: Verify) -> None:
    # The daily rhythm takes the 95th percentile of memory above its mean.
    steep = 2**40  # bytes a day
    faults.remember(cpu=0.72, memory=0.87, gap_minutes=100, heap_growth=0.15, network=0.72, database_daily=steep)
    hot = verify()
    assert hot.red == {
        "CAP-CPU-01-prometheus": "fail",
        "CAP-MEM-01-prometheus": "fail",
        "CAP-NET-01-prometheus": "fail",
        "CAP-STO-01-postgres": "fail",
        "CAP-TRG-CPU-01-prometheus": "fail",
        "CAP-TRG-MEM-01-prometheus": "fail",
        "BP-PERF-02-prometheus": "fail",
        "APP-HEAP-01-prometheus": "fail",
    }
    assert 0.70 < hot.check("CAP-CPU-01-prometheus")["observations"][0]["observed"] < 0.75
    assert "CAP-TRG-CPU-01-node" not in hot.states, "the host stands in only where there is no Prometheus"

    # Above the targets, and yet no reason to scale out.
    faults.remember(cpu=0.69, memory=0.83, network=0.02)
    warm = verify("-k", "CAP-CPU or CAP-MEM or CAP-TRG-CPU or CAP-TRG-MEM")
    assert warm.red == {"CAP-CPU-01-prometheus": "fail", "CAP-MEM-01-prometheus": "fail"}

    faults.remember(cpu=0.58, memory=0.74, gap_minutes=60, heap_growth=0.05, network=0.68)
    cool = verify("-k", "CAP-CPU or CAP-MEM or CAP-NET or CAP-TRG or BP-PERF-02 or APP-HEAP")
    assert cool.red == {}


def test_a_line_whose_width_nobody_entered_has_no_share(verify: Verify) -> None:
    interfaces = 'interfaces = [{ instance = "node:9100", device = "eth0", capacity_mbit = 1000 }]'
    outcome = verify("-k", "CAP-NET", replace={interfaces: "interfaces = []"})
    assert outcome.red == {"CAP-NET-01-prometheus": "error"}
    assert "the profile names no interface of it" in outcome.check("CAP-NET-01-prometheus")["message"]


def test_a_heap_that_nobody_measured_for_hours_has_no_trend(verify: Verify) -> None:
    faults.remember(gap_minutes=300)
    outcome = verify("-k", "APP-HEAP or BP-PERF-02")
    assert outcome.red == {"APP-HEAP-01-prometheus": "error", "BP-PERF-02-prometheus": "fail"}


def _slow() -> float:
    return _recent("http_request_duration_seconds_count", "1h") - _recent(
        'http_request_duration_seconds_bucket{le="2"}', "1h"
    )


def _recent(series: str, window: str = "5m") -> float:
    found = history.query(f"sum(increase({series}[{window}]))")
    return float(found[0]["value"][1]) if found else 0.0  # type: ignore[index]
