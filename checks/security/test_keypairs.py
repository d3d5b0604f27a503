"""Key pairs are for those alone who need them."""

import pytest

from opsverify.probes import keypairs
from opsverify.rules import security


@pytest.mark.requirement("SEC-KEY-03")
def test_key_access_is_tight_and_reviewed(host, keystore, fact, attestation, limits, missing, now, judge):
    """One readable signing key is enough, and only a person can tell who of those with access still needs it."""
    found = fact(keypairs.key_pairs, host, keystore.path)
    judge(security.key_access_is_tight(keystore.path, found, attestation, limits, missing, now))
