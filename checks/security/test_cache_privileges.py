"""Into the cache nobody gets without a password, and few may administer it."""

import pytest

from opsverify.probes import caches
from opsverify.rules import database_privileges


@pytest.mark.requirement("BP-SEC-02", on="cache")
def test_cache_lets_nobody_in_unproven(cache, fact, judge):
    """Redis as it comes has one user who needs no password and may do everything."""
    judge(
        database_privileges.cache_is_closed(
            fact(caches.users, cache),
            fact(caches.protected_mode, cache),
            cache.spec.app_user,
            cache.spec.administrators,
        )
    )
