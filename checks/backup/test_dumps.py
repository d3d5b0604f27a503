"""The newest database dumps are there, young, and whole."""

import pytest

from opsverify.probes import archives, attempt, base_backups
from opsverify.rules import backup


@pytest.fixture
def base(host, backups, fact):
    """What the newest base backup's own verifier says of it; None when there is none."""
    found = fact(base_backups.base_backups, host, backups.base, backups.timezone)
    return attempt(lambda: fact(base_backups.verified, host, found[-1].path, backups.timeout_s)) if found else None


@pytest.mark.requirement("BAK-LATEST-01")
def test_newest_dump_is_recent(host, backups, fact, limits, now, judge):
    """``ls | head`` shows the oldest names; a job that stopped in spring still has a full folder."""
    judge(backup.newest_is_recent(fact(archives.files, host, backups.database, backups.timezone), limits, now))


@pytest.mark.slow
@pytest.mark.requirement("BAK-INTEG-01")
def test_newest_dumps_are_whole(newest, verified, base, limits, judge):
    """A dump cut short by a full disk compresses, decompresses and restores half the data without an error."""
    judge(backup.dumps_are_whole(verified(newest), base, limits))
