"""Redis answers."""

import pytest

from opsverify.probes import caches
from opsverify.rules import health


@pytest.mark.requirement("HLT-RED-01")
def test_cache_answers(cache, fact, judge):
    """Without its cache the API asks the database for everything, and the database gives way next."""
    judge(health.pong(fact(caches.ping, cache)))
