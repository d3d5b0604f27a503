"""The faults that turn a requirement red, and the near misses that must not: data for test_faults.py."""

from tests.lab.cases import health, host, people, performance, services
from tests.lab.cases.kinds import Fault, NearMiss

FAULTS = [*services.FAULTS, *host.FAULTS, *health.FAULTS, *performance.FAULTS, *people.FAULTS]
NEAR_MISSES = [
    *services.NEAR_MISSES,
    *host.NEAR_MISSES,
    *health.NEAR_MISSES,
    *performance.NEAR_MISSES,
    *people.NEAR_MISSES,
]

__all__ = ["FAULTS", "NEAR_MISSES", "Fault", "NearMiss"]
