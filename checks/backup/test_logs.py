"""Detailed logs are there for every day that the manual wants them kept."""

import pytest

from opsverify.probes import container_logs, containers, journals, log_days, room
from opsverify.rules import retention
from opsverify.rules.room import with_room


@pytest.mark.requirement("CAP-STO-02", on="logs.files")
def test_log_files_hold_every_day(host, logs_kept, fact, limits, now, judge):
    """A file of the right name may be empty, or hold another day; only the time stamps in it tell.

    And who runs out of disk on the twentieth day has no thirty.
    """
    logs = fact(log_days.in_files, host, logs_kept)
    held = fact(room.of_logs, host, logs_kept)

    def days_are_there():
        return retention.logs_of_every_day(logs, logs_kept.level, logs_kept.since, limits, now)

    judge(with_room(days_are_there, held, int(limits.retention_days.number), now, len(logs.entries)))


@pytest.mark.requirement("CAP-STO-02", on="logs.index")
def test_log_indices_hold_every_day(logs_kept, fact, limits, now, judge):
    """A shipper that has stopped is found when its logs are needed, unless somebody counts them before."""
    spec = logs_kept.spec
    oldest = retention.days_to_judge(int(limits.retention_days.number), spec.since, now)[0]
    logs = fact(log_days.in_index, logs_kept, spec.index, spec.level, oldest)
    held = fact(room.of_index, logs_kept, spec.index)

    def days_are_there():
        return retention.logs_of_every_day(logs, spec.level, spec.since, limits, now)

    judge(with_room(days_are_there, held, int(limits.retention_days.number), now))


@pytest.mark.requirement("CAP-STO-02", on="logs.journal")
def test_journal_holds_every_day(host, logs_kept, fact, limits, now, judge):
    """A journal is bounded by size: it forgets without a word, and on the days with most to tell the soonest."""
    oldest = retention.days_to_judge(int(limits.retention_days.number), logs_kept.since, now)[0]
    logs = fact(journals.in_journal, host, logs_kept, oldest)
    judge(retention.logs_of_every_day(logs, logs_kept.level, logs_kept.since, limits, now))


@pytest.mark.requirement("CAP-STO-02", on="logs.containers")
def test_container_logs_hold_every_day(run, service, logs_kept, fact, limits, now, judge):
    """Who makes a container anew for a release throws its log away, unless that is kept elsewhere as well."""
    host = run.channel("host", service.host)
    everything = fact(containers.containers, host)
    oldest = retention.days_to_judge(int(limits.retention_days.number), logs_kept.since, now)[0]
    logs = fact(container_logs.in_containers, host, everything, logs_kept, oldest)
    judge(retention.logs_of_every_day(logs, logs_kept.level, logs_kept.since, limits, now))
