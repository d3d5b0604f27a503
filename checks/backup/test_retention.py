"""Nothing that runs by itself deletes logs or backups before their time."""

import pytest

from opsverify.probes import deleters, lifecycles, schedules
from opsverify.rules import retention


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
