"""Redis is bounded, evicts by the policy of the manual, and will still do so after a restart."""

import pytest

from opsverify.probes import caches
from opsverify.rules import performance


@pytest.mark.requirement("RED-MEM-01")
def test_memory_is_bounded_and_sufficient(cache, fact, limits, judge):
    """Unbounded, Redis takes the host's memory; bounded too tightly, it throws away what is needed next."""
    judge(performance.cache_memory(fact(caches.memory, cache), limits))


@pytest.mark.requirement("RED-POL-01")
def test_eviction_policy_is_live_and_persisted(cache, persisted, fact, limits, judge):
    """CONFIG SET lasts until the next restart; a file that was edited lasts only from then on."""
    judge(performance.evicts_as_told(fact(caches.eviction, cache), persisted, limits))


@pytest.mark.requirement("RED-EXP-01")
def test_cache_is_never_emptied(cache, fact, limits, judge):
    """The manual calls FLUSHDB "cleaning expired keys"; it deletes the live ones, and the database takes the load."""
    judge(
        performance.never_emptied(fact(caches.commands, cache), fact(caches.users, cache), cache.spec.app_user, limits)
    )


@pytest.fixture
def persisted(cache, fact, request):
    """The policy in the cache's configuration file; None where a provider keeps it."""
    if cache.spec.config_file is None:
        return None
    return fact(caches.persisted_policy, request.getfixturevalue("host"), cache.spec.config_file.path)
