"""Detailed logs are there for every day that the manual wants them kept."""

import pytest

from opsverify.probes import log_days
from opsverify.rules import retention


@pytest.mark.requirement("CAP-STO-02", on="logs.files")
def test_log_files_hold_every_day(host, logs_kept, fact, limits, now, judge):
    """A file of the right name may be empty, or hold another day; only the time stamps in it tell."""
    logs = fact(log_days.in_files, host, logs_kept)
    judge(retention.logs_of_every_day(logs, logs_kept.level, logs_kept.since, limits, now))


@pytest.mark.requirement("CAP-STO-02", on="logs.index")
def test_log_indices_hold_every_day(logs_kept, fact, limits, now, judge):
    """A shipper that has stopped is found when its logs are needed, unless somebody counts them before."""
    spec = logs_kept.spec
    oldest = retention.days_to_judge(int(limits.retention_days.number), spec.since, now)[0]
    logs = fact(log_days.in_index, logs_kept, spec.index, spec.level, oldest)
    judge(retention.logs_of_every_day(logs, spec.level, spec.since, limits, now))
