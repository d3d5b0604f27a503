"""Nothing that runs by itself deletes logs or backups before their time."""

import pytest

from opsverify.probes import container_logs, containers, deleters, journal_deletions, journals, lifecycles, schedules
from opsverify.rules import journal, retention


@pytest.fixture
def scheduled(run, fact):
    """``scheduled(host)``: all that it runs by itself; the profile's own scripts count, whatever starts them."""

    def read(host):
        declared = tuple(each.path for each in run.profile.scripts if each.host == host.name)
        return fact(schedules.schedule, host, declared)

    return read


@pytest.mark.requirement("CAP-STO-05")
def test_nothing_deletes_backups_too_early(scheduled, host, backups, fact, limits, judge):
    """One old clean-up job is enough, and nobody misses a backup before it is needed."""
    folders = (backups.database, backups.base, backups.wal, *backups.sensitive)
    found = fact(deleters.deleters, host, scheduled(host), folders)
    judge(retention.nothing_deletes_too_early(found, limits))


@pytest.mark.requirement("CAP-STO-03", on="logs.files")
def test_nothing_deletes_log_files_too_early(scheduled, host, logs_kept, fact, limits, judge):
    """A bound by size keeps months in quiet times, and hours on the day that somebody will ask about."""
    found = fact(deleters.deleters, host, scheduled(host), (logs_kept.folder,))
    judge(retention.nothing_deletes_too_early(found, limits))


@pytest.mark.requirement("CAP-STO-03", on="logs.index")
def test_nothing_deletes_log_indices_too_early(run, scheduled, logs_kept, fact, limits, judge):
    """Elasticsearch deletes by its own rules, and a script on any host may delete there as well."""
    found = [fact(lifecycles.lifecycle, logs_kept, logs_kept.spec.index)]
    for each in run.profile.hosts:
        host = run.channel("host", each.name)
        found.append(fact(deleters.of_index, scheduled(host), logs_kept.spec.index))
    judge(retention.nothing_deletes_too_early(deleters.everywhere(found), limits))


@pytest.mark.requirement("CAP-STO-03", on="logs.journal")
def test_nothing_deletes_the_journal_too_early(scheduled, host, logs_kept, fact, limits, now, judge):
    """journald deletes whole files by the age of their first entry, and anybody's clean-up job may vacuum as well."""
    kept = fact(journals.journal, host, logs_kept.identifier)
    found = fact(journal_deletions.of_journal, scheduled(host), kept)
    judge(journal.journal_deletes_nothing_too_early(kept, found, logs_kept.since, limits, now))


@pytest.mark.requirement("CAP-STO-03", on="logs.containers")
def test_nothing_deletes_container_logs_too_early(run, scheduled, service, fact, limits, judge):
    """Files of a bounded size and number keep weeks of a quiet service, and an hour of one in trouble."""
    host = run.channel("host", service.host)
    mine = containers.of_service(host, fact(containers.containers, host), service.name)
    found = fact(container_logs.of_containers, mine, service.name, scheduled(host))
    judge(retention.nothing_deletes_too_early(found, limits))
