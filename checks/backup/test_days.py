"""There is a backup that is worth something for every day that has to be kept."""

import pytest

from opsverify.probes import room, verification
from opsverify.rules import backup
from opsverify.rules.room import with_room


@pytest.mark.slow
@pytest.mark.requirement("CAP-STO-04")
def test_every_day_has_a_verified_backup(host, backups, dumps, newest, verified, ledger, fact, limits, now, judge):
    """Ninety files are not ninety backups: those of a month may be empty, and nobody looks until one is needed.

    Nor are they when the disk is full on the sixtieth day.
    """
    zone = backups.timezone
    days = backup.days_to_cover(zone, backups.since, limits, now)
    kept = [each for each in dumps if backup.day_of(each.named, zone) in days]
    malformed = fact(verification.earlier, ledger).malformed
    found = [
        *verified([each for each in kept if each not in newest], limits.reread_after_days.number),
        *(each for each in verified(newest) if each.dump in kept),
    ]
    held = fact(room.of_store, host, backups)

    def days_are_covered():
        return backup.every_day_is_covered(found, days, zone, limits, now, malformed)

    judge(with_room(days_are_covered, held, int(limits.retention_days.number), now))
