"""The API is reachable for customers, not only for its own host."""

import pytest

from opsverify.probes import vantage as outside
from opsverify.rules import health


@pytest.mark.requirement("NET-EXT-01")
def test_api_is_healthy_from_outside(vantage, fact, limits, judge):
    """DNS, routing and the provider's firewall fail where nobody on the host can see it."""
    judge(health.seen_from_outside(fact(outside.view, vantage, vantage.spec.module, vantage.spec.target), limits))
