"""Backups have been restored, by a drill whose record shows what came out of them."""

import pytest

from opsverify.probes import archives, drills
from opsverify.rules import restore


@pytest.mark.requirement("BP-BAK-02")
def test_restore_is_tested(host, backups, program, fact, limits, now, judge):
    """A restore that ended with status 0 may have brought back half; only rows that were counted tell."""
    held = fact(drills.of_store, program, backups.name)
    judge(restore.restore_is_tested(held, fact(archives.manifest, host, backups.manifest), limits, now))
