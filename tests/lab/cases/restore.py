"""Cases of point-in-time recovery and of restore drills."""

from __future__ import annotations

from typing import Any

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, aged, together

ARCHIVING, ARCHIVE = "CHG-RB-PITR-01-postgres", "CHG-RB-PITR-02-postgres"
POINT_IN_TIME, RESTORE = "CHG-RB-PITR-03-nightly", "BP-BAK-02-nightly"
SHORT = "[limits.CHG-RB-PITR-02]\nready_age_seconds = 1\n"
OVERWRITES = "cp %p /backup/wal/%f"
STORES = "[ ! -e /backup/wal/%f ] || exit 1; cp %p /backup/wal/.%f.part 2>&1 && mv /backup/wal/.%f.part /backup/wal/%f"


def drill_of_another_dump(drill: dict[str, Any]) -> dict[str, Any]:
    """Restored was something that the manifest does not know."""
    return {**drill, "sha256": "0" * 64}


FAULTS = [
    Fault(
        "the archive command stores nothing",
        lambda: faults.archive_command("/bin/true"),
        {ARCHIVING: "fail"},
        {ARCHIVE: "fail"},  # once a segment has been lost
        lane="wal",
    ),
    Fault(
        "the archive command overwrites",
        lambda: faults.archive_command(OVERWRITES),
        {ARCHIVING: "fail"},
        lane="wal",
    ),
    Fault(
        "the archive command reports success even where it fails",
        lambda: faults.archive_command("test ! -f /backup/wal/%f && cp %p /backup/wal/%f || true"),
        {ARCHIVING: "fail"},
        lane="wal",
    ),
    Fault(
        "the archive command reports the success of a pipe",
        lambda: faults.archive_command("test ! -f /backup/wal/%f && cp %p /backup/wal/%f 2>&1 | cat"),
        {ARCHIVING: "fail"},
        lane="wal",
    ),
    Fault(
        "the archive command is too intricate to be told",
        lambda: faults.archive_command("if test ! -f /backup/wal/%f; then cp %p /backup/wal/%f; else exit 1; fi"),
        {ARCHIVING: "error"},
        lane="wal",
    ),
    Fault(
        "a finished segment waits for an archiver that hangs",
        lambda: aged(faults.archiver_stuck()),
        {ARCHIVE: "fail"},
        append=SHORT,
        lane="wal",
    ),
    Fault("archiving fails", faults.archive_unwritable, {ARCHIVE: "fail"}, lane="wal"),
    Fault("a segment of the archive is missing", faults.segment_missing, {ARCHIVE: "fail"}, lane="wal"),
    Fault("a segment of the archive is cut short", faults.segment_short, {ARCHIVE: "fail"}, lane="wal"),
    Fault(
        "there is no base backup",
        faults.base_backup_gone,
        {POINT_IN_TIME: "fail", ARCHIVE: "fail"},
        {"BAK-INTEG-01-nightly": "fail"},
        lane="base",
    ),
    Fault(
        "the newest base backup is 8 days old",
        lambda: faults.base_backup_aged(8),
        {POINT_IN_TIME: "fail"},
        lane="base",
    ),
    Fault(
        "the newest base backup is 8 days old, and was given a new name",
        lambda: faults.base_backup_renamed(8),
        {POINT_IN_TIME: "fail"},
        lane="base",
    ),
    Fault(
        "the last drills are 31 and 91 days old",
        lambda: together(faults.drill_aged("restore", 31), faults.drill_aged("point-in-time", 91)),
        {RESTORE: "fail", POINT_IN_TIME: "fail"},
        lane="drills",
    ),
    Fault(
        "drills that lost rows are on record as good ones",
        lambda: together(faults.drill_lost_rows("restore"), faults.drill_lost_rows("point-in-time")),
        {RESTORE: "fail", POINT_IN_TIME: "fail"},
        lane="drills",
    ),
    Fault(
        "drills that failed are on record as good ones",
        lambda: together(faults.drill_found("restore"), faults.drill_found("point-in-time", "not met")),
        {RESTORE: "fail", POINT_IN_TIME: "fail"},
        lane="drills",
    ),
    Fault(
        "a drill of another dump, and none of the other kind",
        lambda: together(
            faults.drills("restore", drill_of_another_dump), faults.drills("point-in-time", lambda _: None)
        ),
        {RESTORE: "fail", POINT_IN_TIME: "fail"},
        lane="drills",
    ),
    Fault(
        "the record of drills is damaged",
        lambda: faults.document("drills.jsonl", lambda text: text + '{"kind": "restore", "outcome": "met"}\n'),
        {RESTORE: "error", POINT_IN_TIME: "error"},
        lane="drills",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "another command stores, and looks before it does",
        lambda: faults.archive_command(STORES),
        ("CHG-RB-PITR-01", "CHG-RB-PITR-02"),
        lane="wal",
    ),
    NearMiss(
        "archiving failed and has recovered",
        faults.archiving_recovered,
        ("CHG-RB-PITR-02",),
        lane="wal",
    ),
    NearMiss(
        "the archive holds histories and a partial segment too",
        faults.beside_segments,
        ("CHG-RB-PITR-02",),
        lane="wal",
    ),
    NearMiss(
        "the newest base backup is 6 days old",
        lambda: faults.base_backup_aged(6),
        ("CHG-RB-PITR-02", "CHG-RB-PITR-03"),
        lane="base",
    ),
    NearMiss(
        "the last drills are 29 and 89 days old",
        lambda: together(faults.drill_aged("restore", 29), faults.drill_aged("point-in-time", 89)),
        ("BP-BAK-02", "CHG-RB-PITR-03"),
        lane="drills",
    ),
]
