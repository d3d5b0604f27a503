"""Certificates are judged as served, not as filed."""

import pytest

from opsverify.probes import certificates
from opsverify.rules import security


@pytest.fixture
def served(listener, fact):
    """The certificate that the listener serves."""
    return fact(certificates.served, listener)


@pytest.mark.requirement("SEC-CERT-01")
def test_served_certificate_lasts(served, limits, now, judge):
    """An expired certificate takes every client offline in the same minute."""
    judge(security.certificate_remaining(served, limits, now))


@pytest.mark.requirement("SEC-CERT-02")
def test_clients_accept_the_certificate(listener, fact, judge):
    """A missing intermediate works in the browser that has it cached and fails everywhere else."""
    judge(security.certificate_verifies(fact(certificates.verification, listener)))


@pytest.mark.requirement("SEC-CERT-03")
def test_certificate_on_disk_is_the_one_served(served, listener, host, fact, judge):
    """A renewal that the server never loaded looks fine on disk until the old one expires."""
    judge(security.certificate_deployed(served, fact(certificates.deployed, host, listener.spec.certificate.path)))
