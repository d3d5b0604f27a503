"""What Prometheus remembers."""

from __future__ import annotations

from lab import history
from lab.faults.core import wait_healthy


def remember(
    *,
    cpu: float = 0.35,
    memory: float = 0.45,
    gap_minutes: int = 0,
    heap_growth: float = 0.0,
    network: float = 0.02,
    database_daily: float = 24 * 1024,
) -> None:
    """Let Prometheus remember another past, until it is told to `forget` it."""
    history.backfill(
        cpu=cpu,
        memory=memory,
        gap_minutes=gap_minutes,
        heap_growth=heap_growth,
        network=network,
        database_daily=database_daily,
    )
    wait_healthy("prometheus")


def forget() -> None:
    """Let Prometheus remember the usual past, not the last minutes: outages stay in its rates for five."""
    remember()
