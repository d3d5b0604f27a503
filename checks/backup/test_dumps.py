"""The newest database dumps are there, young, and whole."""

import pytest

from opsverify.probes import archives
from opsverify.rules import backup


@pytest.fixture
def stored(host, backups, fact):
    """The files of the database dump folder."""
    return fact(archives.files, host, backups.database, backups.timezone)


@pytest.fixture
def verified(host, backups, stored, limits, fact):
    """What reading the newest dumps in full showed."""
    digests = tuple(sorted(fact(archives.manifest, host, backups.manifest).items()))
    newest = backup.dumps(stored)[-int(limits.verified_newest.number) :]
    return [fact(archives.verify_dump, host, each, digests, backups.timeout_s) for each in newest]


@pytest.mark.requirement("BAK-LATEST-01")
def test_newest_dump_is_recent(stored, limits, now, judge):
    """``ls | head`` shows the oldest names; a job that stopped in spring still has a full folder."""
    judge(backup.newest_is_recent(stored, limits, now))


@pytest.mark.slow
@pytest.mark.requirement("BAK-INTEG-01")
def test_newest_dumps_are_whole(verified, limits, judge):
    """A dump cut short by a full disk compresses, decompresses and restores half the data without an error."""
    judge(backup.dumps_are_whole(verified, limits))
