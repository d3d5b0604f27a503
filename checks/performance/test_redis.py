"""Redis is bounded, evicts by the policy of the manual, and will still do so after a restart."""

import pytest

from opsverify.probes import caches
from opsverify.rules import performance


@pytest.mark.requirement("RED-MEM-01")
def test_memory_is_bounded_and_sufficient(cache, fact, limits, judge):
    """Unbounded, Redis takes the host's memory; bounded too tightly, it throws away what is needed next."""
    judge(performance.cache_memory(fact(caches.memory, cache), limits))


@pytest.mark.requirement("RED-POL-01")
def test_eviction_policy_is_live_and_persisted(cache, host, fact, limits, judge):
    """CONFIG SET lasts until the next restart; a file that was edited lasts only from then on."""
    judge(performance.evicts_as_told(fact(caches.eviction, cache, host), limits))
