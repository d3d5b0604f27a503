"""Listeners speak only strong TLS."""

import pytest

from opsverify.probes import tls_findings
from opsverify.rules import tls


@pytest.mark.requirement("SEC-TLS-01")
def test_listener_speaks_only_strong_tls(listener, fact, limits, judge):
    """A protocol that nobody uses any more is there for whoever wants to be spoken to in it."""
    judge(tls.only_strong_tls(fact(tls_findings.offered, listener), limits))
