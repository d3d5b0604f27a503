"""The faults that turn a requirement red, and the near misses that must not: data for test_faults.py."""

from tests.lab.cases import (
    access,
    alerting,
    alerting_stack,
    backup,
    change,
    health,
    host,
    kept_logs,
    people,
    performance,
    restore,
    retention,
    room,
    security,
    services,
)
from tests.lab.cases.kinds import Fault, NearMiss

FAULTS = [
    *access.FAULTS,
    *alerting.FAULTS,
    *services.FAULTS,
    *host.FAULTS,
    *security.FAULTS,
    *health.FAULTS,
    *performance.FAULTS,
    *people.FAULTS,
    *backup.FAULTS,
    *restore.FAULTS,
    *retention.FAULTS,
    *kept_logs.FAULTS,
    *room.FAULTS,
    *alerting_stack.FAULTS,
    *change.FAULTS,
]
NEAR_MISSES = [
    *access.NEAR_MISSES,
    *alerting.NEAR_MISSES,
    *services.NEAR_MISSES,
    *host.NEAR_MISSES,
    *security.NEAR_MISSES,
    *health.NEAR_MISSES,
    *performance.NEAR_MISSES,
    *people.NEAR_MISSES,
    *backup.NEAR_MISSES,
    *restore.NEAR_MISSES,
    *retention.NEAR_MISSES,
    *kept_logs.NEAR_MISSES,
    *room.NEAR_MISSES,
    *alerting_stack.NEAR_MISSES,
    *change.NEAR_MISSES,
]

__all__ = ["FAULTS", "NEAR_MISSES", "Fault", "NearMiss"]
