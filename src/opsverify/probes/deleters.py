"""What may delete in folders of a host, and how long each leaves things alone."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import output
from opsverify.probes.schedules import MOST_FILES, Schedule
from opsverify.shell.deletions import Deleter, beginning, begins, deletions, relation
from opsverify.shell.indices import index_deletions
from opsverify.shell.values import known

UNTOLD = "where it cleans up cannot be told"
# What is kept by size whatever else is set: a disk that fills up, or a busy day, ends it before its time.
BY_SIZE = {
    "/var/log/journal": "journald keeps no more than SystemMaxUse, a tenth of the disk unless set",
    "/run/log/journal": "journald keeps no more than RuntimeMaxUse, and nothing over a restart",
    "/var/lib/docker/containers": "Docker keeps max-size of max-file files, and nothing of a container that is removed",
}


@dataclass(frozen=True)
class Deleters:
    """All that deletes in some folders, or may; ``elsewhere`` counts what deletes in others.

    ``seen`` counts the sources that were looked through, by kind: it is what shows that deleters could be seen.
    """

    found: tuple[Deleter, ...]
    elsewhere: int
    seen: Mapping[str, int]


def deleters(host: Host, schedule: Schedule, folders: tuple[str, ...]) -> Deleters:
    """What deletes in the folders, also by other names that lead to them.

    Raises:
        UnansweredError: a folder is not there, or the host does not tell what it really is.
    """
    real = _followed(host, "-ev", folders)
    wanted = tuple(dict.fromkeys((*folders, *real)))
    named = begins(schedule.followed)
    named += [beginning(each) for rotation in schedule.rotations.rotations for each in rotation.patterns]
    named += [beginning(each.path) for each in schedule.cleanings]
    named = sorted({*named} - {"", "/"})
    lead = dict(zip(named, _followed(host, "-m", named), strict=True))
    others = [name for each in wanted for path, led in lead.items() if (name := _other_name(path, led, each))]
    every = tuple(dict.fromkeys((*wanted, *others)))
    found = in_folders(schedule, every)
    return replace(found, found=(*found.found, *_bounded(every)))


def _bounded(folders: Sequence[str]) -> list[Deleter]:
    """Log files in a place that something keeps by its size."""
    return [
        Deleter(place, what, None)
        for place, what in BY_SIZE.items()
        if any(relation(folder, place)[0] in ("same", "below") for folder in folders)
    ]


def _followed(host: Host, how: str, paths: Sequence[str]) -> list[str]:
    """Where paths really lead."""
    found: list[str] = []
    for begin in range(0, len(paths), MOST_FILES):
        some = paths[begin : begin + MOST_FILES]
        lines = output(host, shlex.join(["readlink", how, "--", *some])).splitlines()
        if len(lines) != len(some):
            raise UnansweredError(f"host {host.name}: readlink told {len(lines)} paths of {len(some)}")
        found += lines
    return found


def _other_name(path: str, led: str, folder: str) -> str:
    """The name of a folder, or of what lies in it, by a path that leads there; empty where it does not."""
    if led == path or relation(path, folder)[0] in ("same", "above", "below"):
        return ""
    kind, _ = relation(led, folder)
    if kind == "below":
        return path
    return path + folder.removeprefix(led.rstrip("/")) if kind in ("same", "above") else ""


def in_folders(schedule: Schedule, folders: Sequence[str]) -> Deleters:
    """What of a schedule deletes in the folders."""
    found, elsewhere = deletions(schedule.followed, folders)
    rotated = [
        Deleter(each.where, f"logrotate: {' '.join(each.patterns)}: {each.settings}", each.settings.keeps_days)
        for each in schedule.rotations.rotations
        if any(_rotates(pattern, each.settings.olddir, folder) for pattern in each.patterns for folder in folders)
    ]
    cleaned = [
        Deleter(each.where, f"systemd-tmpfiles: {each.line}", each.keeps_days, "" if known(each.path) else UNTOLD)
        for each in schedule.cleanings
        if any(relation(each.path, folder)[0] != "none" for folder in folders)
    ]
    return Deleters((*found, *rotated, *cleaned), elsewhere, schedule.seen)


def _rotates(pattern: str, olddir: str, folder: str) -> bool:
    """Whether what a pattern of logrotate's may stand for, or is moved to, lies in the folder or below."""
    if relation(pattern, folder)[0] in ("below", "perhaps"):
        return True
    moved = posixpath.join(posixpath.dirname(pattern), olddir) if olddir else ""
    return bool(moved) and relation(moved, folder)[0] in ("same", "below")


def of_index(schedule: Schedule, index: str) -> Deleters:
    """What of a schedule deletes in an index of Elasticsearch (a pattern), by its HTTP interface or by curator."""
    found, elsewhere = index_deletions(schedule.followed, index)
    return Deleters(found, elsewhere, schedule.seen)


def everywhere(found: Sequence[Deleters]) -> Deleters:
    """What deletes on several hosts."""

    def all_found() -> Iterator[Deleter]:
        for each in found:
            yield from each.found

    seen: dict[str, int] = {}
    for each in found:
        for kind, count in each.seen.items():
            seen[kind] = seen.get(kind, 0) + count
    return Deleters(tuple(all_found()), sum(each.elsewhere for each in found), seen)
