"""API keys are rotated: what was leaked without anyone's notice stops working by itself."""

import pytest

from opsverify.probes import keys as probes
from opsverify.rules import keys


@pytest.fixture
def on_record(keystore, fact, request):
    """All API keys with their dates, from the view of a database or from a signed inventory."""
    if keystore.database is not None:
        return fact(probes.of_database, request.getfixturevalue("database"))
    return fact(probes.of_inventory, request.getfixturevalue("program"), *keystore.files)


@pytest.mark.requirement("SEC-KEY-01")
def test_api_keys_are_rotated(on_record, limits, now, judge):
    """A key that never ends is known to everyone who ever left; the time of a file says nothing about its key."""
    judge(keys.rotated(on_record, limits, now))
