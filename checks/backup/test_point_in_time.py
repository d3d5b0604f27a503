"""The database can be brought back to any moment: its log is archived, without gaps, from a good base backup on."""

import pytest

from opsverify.probes import archiving, attempt, base_backups, drills
from opsverify.rules import archiving as rules
from opsverify.rules import restore


@pytest.fixture
def bases(store, store_host, fact):
    """The base backups of the store, the newest last."""
    return fact(base_backups.base_backups, store_host, store.base, store.timezone)


@pytest.fixture
def base(bases):
    """The newest base backup, None when there is none."""
    return bases[-1] if bases else None


@pytest.mark.requirement("CHG-RB-PITR-01")
def test_archiving_is_set_up(database, fact, limits, judge):
    """An ``archive_command`` of ``/bin/true`` archives nothing, and every counter stays green."""
    judge(rules.set_up(fact(archiving.settings, database), limits))


@pytest.mark.requirement("CHG-RB-PITR-02")
def test_archive_has_no_gap(database, store, store_host, base, fact, limits, judge):
    """One lost segment, and everything after it is lost: recovery ends there, whatever else lies in the archive."""
    archiver = fact(archiving.archiver, database)  # before the archive is looked at, which goes on meanwhile
    archive = attempt(lambda: fact(archiving.archive, store_host, store.wal))
    start = attempt(lambda: fact(base_backups.wal_start, store_host, base.path)) if base else None
    judge(rules.without_gaps(archiver, archive, base, start, limits))


@pytest.mark.slow
@pytest.mark.requirement("CHG-RB-PITR-03")
def test_base_backup_and_drill_are_recent(store, store_host, bases, base, program, fact, limits, now, judge):
    """Log without a base backup brings nothing back; and who has never done it will not do it for the first time."""
    verified = fact(base_backups.verified, store_host, base.path, store.timeout_s) if base else None
    held = fact(drills.of_store, program, store.name)
    judge(restore.point_in_time_ready(bases, verified, held, limits, now))
