"""Cases of room to grow: too little of it for backups and logs to come, and for the database beside them."""

from __future__ import annotations

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss


def large_logs() -> str:
    """The profile's entry of the logs on the small disk."""
    return (
        '\n[[logs]]\nname = "large"\nrole = "files"\nhost = "node"\nfolder = "/srv/data/large-logs"\n'
        f"since = {faults.days_ago(2)}\n"
    )


FAULTS = [
    Fault(  # the lab's backups and its database share a disk, so what those still need the database cannot have
        "an archive of a TiB a day that is sixty days old",
        lambda: faults.archive_heavy(60),
        {"CAP-STO-04-nightly": "fail", "CAP-STO-01-postgres": "fail"},
        lane="backups",
    ),
    Fault(
        "logs of 3 MiB a day on a disk that does not hold thirty of them",
        lambda: faults.large_logs(2, 3),
        {"CAP-STO-02-large": "fail"},
        append=large_logs,
        lane="disk",
    ),
    Fault(
        "indices of 40 GiB a day, for sixteen days now",
        lambda: faults.indices_swollen(16, 40),
        {"CAP-STO-02-searchable": "fail"},
        lane="elasticsearch",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "an archive of a TiB a day, all ninety of which are there",
        lambda: faults.archive_heavy(90),
        ("CAP-STO-04", "CAP-STO-01"),
        lane="backups",
    ),
    NearMiss(
        "logs of a MiB a day on a small disk",
        lambda: faults.large_logs(2, 1),
        ("CAP-STO-02-large",),
        append=large_logs,
        lane="disk",
    ),
    NearMiss(
        "indices of 40 GiB a day, all thirty of which are there",
        lambda: faults.indices_swollen(30, 40),
        ("CAP-STO-02-searchable",),
        lane="elasticsearch",
    ),
    NearMiss(
        "nobody tells the size of the database for a moment",
        faults.sizes_untold,
        ("CAP-STO-01",),
        lane="postgres",
    ),
    NearMiss(
        "another database beside it",
        lambda: faults.sql_change("CREATE DATABASE beside", "DROP DATABASE beside"),
        ("CAP-STO-01",),
        lane="postgres",
    ),
]
