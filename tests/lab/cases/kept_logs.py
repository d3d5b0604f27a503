"""Cases of logs that the journal or the Docker engine keeps: days that are lacking, and what deletes them too early."""

from __future__ import annotations

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss

JOURNAL, JOURNAL_DAYS = {"CAP-STO-03-settlement": "fail"}, {"CAP-STO-02-settlement": "fail"}
CONTAINERS = {"CAP-STO-03-quotes": "fail"}

FAULTS = [
    Fault(
        "journald keeps 7 days",
        lambda: faults.journald_setting("MaxRetentionSec=7day"),
        JOURNAL,
        lane="journal",
    ),
    Fault(
        "journald keeps 40 days of files that hold a month",
        lambda: faults.journald_setting("MaxRetentionSec=40day", "MaxFileSec=1month"),
        JOURNAL,
        lane="journal",
    ),
    Fault(
        "the journal is gone with a restart",
        lambda: faults.journald_setting("Storage=volatile"),
        JOURNAL,
        lane="journal",
    ),
    Fault(
        "a job vacuums the journal",
        lambda: faults.cron_job("journalctl --rotate --vacuum-time=2weeks >/dev/null 2>&1", "lab-vacuum"),
        JOURNAL,
        lane="journal",
    ),
    Fault(
        "the journal's bound by size has cut in",
        lambda: faults.all_of(faults.journald_setting("SystemMaxUse=9M"), faults.journal_since(20)),
        JOURNAL | JOURNAL_DAYS,
        lane="journal",
    ),
    Fault(
        "the journal lacks day 17",
        lambda: faults.journal_day_gone(17),
        JOURNAL_DAYS,
        lane="journal",
    ),
    Fault(
        "a journal without DEBUG entries",
        faults.journal_without_debug,
        JOURNAL_DAYS,
        lane="journal",
    ),
    Fault(  # alone: checks of logins may read the journal as well
        "the account may not read the journal",
        faults.journal_out_of_sight,
        {"CAP-STO-02-settlement": "error", "CAP-STO-03-settlement": "error"},
    ),
    Fault(
        "a container's log is bounded by size",
        lambda: faults.feed_twin("json-file", "max-size=10m", "max-file=100"),
        CONTAINERS,
        lane="containers",
    ),
    Fault(
        "a container's log driver bounds by itself",
        lambda: faults.feed_twin("local"),
        CONTAINERS,
        lane="containers",
    ),
    Fault(
        "a container's log lacks day 17",
        lambda: faults.container_log_day_gone(17),
        {"CAP-STO-02-quotes": "fail"},
        lane="containers",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "journald keeps 40 days of files that hold one, and a job vacuums at 60",
        lambda: faults.all_of(
            faults.journald_setting("MaxRetentionSec=40day", "MaxFileSec=1day"),
            faults.cron_job(
                "journalctl --vacuum-time=60d; find /var/log -name '*.gz' -mtime +31 -delete", "lab-vacuum"
            ),
        ),
        ("CAP-STO-02-settlement", "CAP-STO-03-settlement"),
        lane="journal",
    ),
    NearMiss(
        "a journal that is full, and lacks day 31",
        lambda: faults.all_of(faults.journald_setting("SystemMaxUse=9M"), faults.journal_day_gone(31)),
        ("CAP-STO-02-settlement", "CAP-STO-03-settlement"),
        lane="journal",
    ),
    NearMiss(
        "a container's log with a number of files, but no size",
        lambda: faults.feed_twin("json-file", "max-file=3"),
        ("CAP-STO-02-quotes", "CAP-STO-03-quotes"),
        lane="containers",
    ),
    NearMiss(
        "a container's log lacks day 31",
        lambda: faults.container_log_day_gone(31),
        ("CAP-STO-02-quotes",),
        lane="containers",
    ),
]
