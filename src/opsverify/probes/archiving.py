"""Facts about the archiving of write-ahead log: how it is set up, how it goes, and what lies in the archive."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsverify import wal
from opsverify.channels.shell import Host
from opsverify.channels.sql import Query, Row, SqlChannel
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about, absent, output

SETTINGS = Query(
    "SELECT name, setting FROM pg_settings WHERE name IN"
    " ('archive_mode', 'wal_level', 'archive_command', 'archive_library', 'server_version_num')"
)
# archive_library came with 15; every other one is in all versions, so where one is not shown, rights are lacking.
SINCE_15 = "archive_library"
ARCHIVER = Query(
    "SELECT pg_is_in_recovery() AS standby, a.last_archived_wal AS archived, a.last_archived_time AS archived_at,"
    "       a.last_failed_wal AS failed, a.last_failed_time AS failed_at,"
    "       (SELECT s.setting FROM pg_settings s WHERE s.name = 'wal_segment_size') AS segment_size,"
    "       CASE WHEN pg_is_in_recovery() THEN NULL"
    "            ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') END AS position"
    "  FROM pg_stat_archiver a"
)
WAITING = Query(
    "SELECT count(*) AS waiting, coalesce(max(extract(epoch FROM clock_timestamp() - d.modification)), 0) AS seconds"
    "  FROM pg_ls_archive_statusdir() d WHERE d.name LIKE '%.ready'"
)
NOT_SEGMENTS = (".backup", ".history", ".partial")


@dataclass(frozen=True)
class ArchiveSettings:
    """How archiving is set up; ``library`` is empty before version 15 and where a command archives."""

    mode: str
    level: str
    command: str
    library: str


@dataclass(frozen=True)
class Archiver:
    """How archiving goes: what was archived and what failed last, and since when what is finished waits.

    ``position`` is that of the log now, in bytes, None on a standby; ``waiting`` counts the finished files that are not
    archived yet, the oldest of them for ``waiting_seconds``; ``segment_size`` is in bytes.
    """

    archived: str | None
    archived_at: datetime | None
    failed: str | None
    failed_at: datetime | None
    position: int | None
    segment_size: int
    waiting: int
    waiting_seconds: float


@dataclass(frozen=True)
class Archive:
    """What lies in the archive: the size of each file by name, the names of what is no file, histories by timeline."""

    folder: str
    files: dict[str, int]
    others: tuple[str, ...]
    histories: dict[int, tuple[wal.Switch, ...]]


def settings(database: SqlChannel) -> ArchiveSettings:
    """How archiving is set up.

    Raises:
        InsufficientFactsError: this account may not see it.
    """
    with about(f"database {database.target}"):
        return parse_settings(database.ask(SETTINGS))


def parse_settings(rows: list[Row]) -> ArchiveSettings:
    """Parse names and settings."""
    found = {str(row["name"]): str(row["setting"] or "") for row in rows}
    wanted = ["archive_mode", "wal_level", "archive_command", "server_version_num"]
    wanted += [SINCE_15] if found.get("server_version_num", "") >= "150000" else []
    hidden = [name for name in wanted if name not in found]
    if hidden:
        raise InsufficientFactsError(f"this account is not shown {', '.join(hidden)}; grant it pg_monitor")
    return ArchiveSettings(found["archive_mode"], found["wal_level"], found["archive_command"], found.get(SINCE_15, ""))


def archiver(database: SqlChannel) -> Archiver:
    """How archiving goes.

    Raises:
        UnansweredError: this account may not see it.
    """
    with about(f"database {database.target}"):
        return parse_archiver(database.ask(ARCHIVER), database.ask(WAITING))


def parse_archiver(state: list[Row], waiting: list[Row]) -> Archiver:
    """Parse the row of the archiver and that of what waits for it."""
    if len(state) != 1 or len(waiting) != 1:
        raise UnansweredError("expected one row about the archiver and one about what waits for it")
    row: dict[str, Any] = {**state[0], **waiting[0]}
    return Archiver(
        archived=row["archived"],
        archived_at=row["archived_at"],
        failed=row["failed"],
        failed_at=row["failed_at"],
        position=None if row["standby"] else int(row["position"]),
        segment_size=int(row["segment_size"]),
        waiting=int(row["waiting"]),
        waiting_seconds=float(row["seconds"]),
    )


def archive(host: Host, folder: str) -> Archive | None:
    """What lies in the archive; None where there is no such folder.

    Raises:
        UnansweredError: it cannot be read.
    """
    if absent(host, folder):
        return None
    question = ["find", "-H", folder, "-mindepth", "1", "-maxdepth", "1", "-printf", r"%y\t%s\t%P\0"]
    with about(f"host {host.name}"):
        files, others = parse_archive(output(host, shlex.join(question)))
        histories = {}
        for name in files:
            if match := wal.HISTORY.match(name):
                histories[int(match[1], 16)] = wal.parse_history(output(host, "cat -- %s", f"{folder}/{name}"))
    return Archive(folder, files, others, histories)


def parse_archive(listing: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Parse type, size and name, ended by NUL: sizes of the files by name, and the names of everything else."""
    files: dict[str, int] = {}
    others = []
    for line in filter(None, listing.split("\0")):
        kind, _, rest = line.partition("\t")
        size, _, name = rest.partition("\t")
        if len(kind) != 1 or not name or not (size.isascii() and size.isdigit()):
            raise UnansweredError(f"find: this line is not understood: {line!r}")
        if kind == "f":
            files[name] = int(size)
        else:
            others.append(name)
    return files, tuple(sorted(others))
