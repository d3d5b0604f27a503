"""The faults that turn a requirement red, and the near misses that must not: data for test_faults.py."""

from tests.lab.cases import health, people, performance, services
from tests.lab.cases.kinds import Fault, NearMiss

FAULTS = [*services.FAULTS, *health.FAULTS, *performance.FAULTS, *people.FAULTS]
NEAR_MISSES = [*services.NEAR_MISSES, *health.NEAR_MISSES, *performance.NEAR_MISSES, *people.NEAR_MISSES]

__all__ = ["FAULTS", "NEAR_MISSES", "Fault", "NearMiss"]
