"""Facts about room: what lies in a folder by the day it is of, and what the filesystem under it has left."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from opsverify import stores
from opsverify.channels.shell import Host
from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, about, absent, attempt, base_backups, output
from opsverify.probes.archives import StoredFile, files_below
from opsverify.probes.log_days import asked, day_in
from opsverify.probes.machine import SIZES, df_rows

FLOOD = 20  # of so many parts of a node's disk, the last takes no more writes


@dataclass(frozen=True)
class Space:
    """The filesystem under a path: its device, where it is mounted, and the bytes that ordinary processes can have."""

    source: str
    mount: str
    available: int


@dataclass(frozen=True)
class Kept:
    """Bytes in a folder and below it: all of them, and by the UTC day that they are of; ``space`` is what is left."""

    folder: str
    total: int
    by_day: Mapping[date, int]
    space: Space


NOTHING: Attempt[tuple[Kept, ...]] = Attempt(())  # where there is no store to count with


def spaces(host: Host, paths: Sequence[str]) -> tuple[Space, ...]:
    """The filesystem under each of the paths, in their order, by GNU df in bytes.

    Raises:
        UnansweredError: one of the paths does not exist, or may not be looked at.
    """
    question = ["df", "-B1", f"--output=source,fstype,{SIZES},target", "--", *paths]
    with about(f"host {host.name}"):
        return parse_spaces(output(host, shlex.join(question)), paths)


def parse_spaces(text: str, paths: Sequence[str]) -> tuple[Space, ...]:
    """Parse df's answer about several paths: a line for each.

    Raises:
        UnansweredError: it is none.
    """
    rows = list(df_rows(text))
    if len(rows) != len(paths):
        raise UnansweredError(f"df: asked about {len(paths)} paths, it told of {len(rows)}")
    found = []
    for source, _, _, _, available, *_, mount in rows:
        if available == "-":
            raise UnansweredError(f"df: does not tell what is left on {mount}")
        found.append(Space(source, mount, int(available)))
    return tuple(found)


def of_store(host: Host, store: stores.Backups) -> Attempt[tuple[Kept, ...]]:
    """What lies in each folder of a backup store. A base backup, a folder of its own, is of the day that it was taken.

    Why it cannot be told is a fact as well: it must not hide what else is judged with it.
    """
    of = {store.base.rstrip("/"): day_of_base(store.timezone)}
    folders = [store.database, store.base, store.wal, *store.sensitive]
    return attempt(lambda: _kept(host, {folder: of.get(folder, day_of_file) for folder in outermost(folders)}))


def of_logs(host: Host, logs: stores.LogFiles) -> Attempt[tuple[Kept, ...]]:
    """What lies in the folder of log files, as `of_store`; a file is of the day on which it was written to last."""
    return attempt(lambda: _kept(host, {logs.folder: day_of_file}))


def of_index(elasticsearch: WebChannel, index: str) -> Attempt[tuple[Kept, ...]]:
    """What lies in an index a day, its copies included, as `of_store`; the filesystems are those of all data nodes."""

    def ask() -> tuple[Kept, ...]:
        told = asked(elasticsearch, f"/_cat/indices/{index}", {"format": "json", "bytes": "b", "h": "index,store.size"})
        columns = "node,disk.avail,disk.total"
        nodes = asked(elasticsearch, "/_cat/allocation", {"format": "json", "bytes": "b", "h": columns})
        with about(f"elasticsearch {elasticsearch.target}"):
            return (parse_index(told, nodes, index),)

    return attempt(ask)


def parse_index(told: Any, nodes: Any, index: str) -> Kept:
    """Parse ``_cat/indices`` and ``_cat/allocation``, sizes in bytes.

    An index that is closed tells no size, and counts for nothing. Of a node the last twentieth cannot be had: at its
    flood stage, Elasticsearch takes no more writes.

    Raises:
        UnansweredError: they are no such lists, or no node tells what it has left.
    """
    by_day: dict[date, int] = {}
    total = 0
    try:
        for each in told:
            size, day = int(each["store.size"] or 0), day_in(str(each["index"]), index.rstrip("*"))
            total += size
            if day is not None:
                by_day[day] = by_day.get(day, 0) + size
        data = [each for each in nodes if each["disk.avail"] is not None]
        left = sum(max(0, int(each["disk.avail"]) - int(each["disk.total"]) // FLOOD) for each in data)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnansweredError(f"no sizes in bytes: {str(told)[:200]!r}, {str(nodes)[:200]!r}") from None
    if not data:
        raise UnansweredError("no node tells what its filesystem has left")
    return Kept(index, total, by_day, Space("elasticsearch", f"{len(data)} data node{'s' * (len(data) != 1)}", left))


def outermost(folders: Iterable[str]) -> list[str]:
    """The folders, but none that lies within another one: nothing is to be counted twice."""
    every = sorted({each.rstrip("/") for each in folders})
    return [each for each in every if not any(each.startswith(f"{other}/") for other in every)]


def _kept(host: Host, folders: Mapping[str, Callable[[StoredFile], date]]) -> tuple[Kept, ...]:
    there = [folder for folder in folders if not absent(host, folder)]
    found = zip(there, spaces(host, there) if there else (), strict=True)
    return tuple(counted(folder, files_below(host, folder), folders[folder], space) for folder, space in found)


def counted(folder: str, files: Sequence[StoredFile], day: Callable[[StoredFile], date], space: Space) -> Kept:
    """What the files of a folder come to, by day."""
    by_day: dict[date, int] = {}
    for each in files:
        by_day[day(each)] = by_day.get(day(each), 0) + each.size
    return Kept(folder, sum(each.size for each in files), by_day, space)


def day_of_file(file: StoredFile) -> date:
    """The UTC day that a file is of: that in the name of a dump, that of the last change of anything else."""
    return _utc(file.named or file.modified)


def day_of_base(zone: str) -> Callable[[StoredFile], date]:
    """PostgreSQL's own files keep what time they like; the name of their folder tells when they were copied."""
    return lambda file: _utc(base_backups.named(file.name.partition("/")[0], zone) or file.modified)


def _utc(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
