"""Facts about base backups: which there are, from which moment, whether they are whole, and where their WAL starts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from opsverify import wal
from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about, absent, output
from opsverify.probes.archives import NO_SUCH_COMMAND

BASE = re.compile(r"^base_([0-9]{8}_[0-9]{6})\Z")
MANIFEST, LABEL = "backup_manifest", "backup_label"
END = re.compile(rb'"End-LSN": "([0-9A-F]+/[0-9A-F]+)"')
ENTRY = re.compile(
    r'"Path": "backup_label", .*"Last-Modified": "([0-9]{4}(?:-[0-9]{2}){2} [0-9]{2}(?::[0-9]{2}){2}) GMT"'
    r'(, "Checksum-Algorithm": "[A-Z0-9]+", "Checksum": ")?'
)
WITHOUT_SUMS = "its manifest has no checksums (--manifest-checksums=NONE), so it shows nothing but names and sizes"
MAJOR = re.compile(r"[1-9][0-9]\Z")
# Where pg_verifybackup is: beside the server of the backup's own version (Debian), or found by the account's PATH.
VERIFIERS = ("/usr/lib/postgresql/{major}/bin/pg_verifybackup", "pg_verifybackup")


@dataclass(frozen=True)
class BaseBackup:
    """A folder of the store that its name makes a base backup of ``taken`` (UTC); ``manifest``: it has one."""

    path: str
    name: str
    taken: datetime
    manifest: bool


@dataclass(frozen=True)
class BaseVerification:
    """What pg_verifybackup said of a base backup, having read every file; ``problem`` is empty when all is well.

    ``made`` is when it was taken, by a manifest that verifies: unlike its name, that cannot be had by copying.
    """

    name: str
    problem: str
    made: datetime | None = None

    @property
    def verifies(self) -> bool:
        """Every file is there, and is what the manifest says."""
        return not self.problem


def base_backups(host: Host, folder: str, zone: str = "UTC") -> tuple[BaseBackup, ...]:
    """The base backups in a folder, oldest first; none when there are none, or no such folder.

    ``zone`` is that of the times in their names. A folder of another name is no base backup.

    Raises:
        UnansweredError: the folder, or one in it, cannot be read.
    """
    if absent(host, folder):
        return ()
    shown = ["-printf", r"%y\t%P\0"]
    names = ["-name", "base_*", *shown, "-o", "-name", MANIFEST, *shown]
    question = ["find", "-H", folder, "-mindepth", "1", "-maxdepth", "2", *names]
    with about(f"host {host.name}"):
        return parse_folders(folder, output(host, shlex.join(question)), zone)


def parse_folders(folder: str, listing: str, zone: str = "UTC") -> tuple[BaseBackup, ...]:
    """Parse type and path of what was found, ended by NUL: names may hold anything else."""
    entries = []
    for line in filter(None, listing.split("\0")):
        kind, separator, path = line.partition("\t")
        if not separator or len(kind) != 1 or not path:
            raise UnansweredError(f"find: this line is not understood: {line!r}")
        entries.append((kind, path))
    manifests = {path for kind, path in entries if kind == "f"}
    found = [
        BaseBackup(f"{folder}/{name}", name, moment, f"{name}/{MANIFEST}" in manifests)
        for kind, name in entries
        if kind == "d" and "/" not in name and (moment := named(name, zone)) is not None
    ]
    return tuple(sorted(found, key=lambda each: (each.taken, each.name)))


def named(name: str, zone: str = "UTC") -> datetime | None:
    """The moment (in UTC) that a folder's name claims in ``zone``; None when it is no base backup's name."""
    match = BASE.match(name)
    where = UTC if zone == "UTC" else ZoneInfo(zone)  # UTC needs no database of time zones
    try:
        said = match[1] if match else ""
        return datetime.strptime(said, "%Y%m%d_%H%M%S").replace(tzinfo=where).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def verified(host: Host, folder: str, timeout_s: float | None = None) -> BaseVerification:
    """Have the host read every file of the base backup in ``folder`` and hold it against the backup's manifest.

    Within ``timeout_s``, for this reads as much as the database has. The write-ahead log that lies in the backup is
    left out (``-n``), since that in the archive is what counts, and is verified by its own requirement.

    Raises:
        InsufficientFactsError: the host has no pg_verifybackup.
        UnansweredError: a file may not be read, or the tool failed for another reason than the backup's state.
    """
    name = folder.rstrip("/").rpartition("/")[2]
    for verifier in _verifiers(host, folder):
        result = host.run(shlex.join([verifier, "-n", "-q", folder]), timeout_s=timeout_s)
        if result.rc not in NO_SUCH_COMMAND:
            said = (result.stderr or result.stdout).strip()
            with about(f"host {host.name}: asked pg_verifybackup of {folder}"):
                problem = parse_verdict(result.rc, said)
            if problem:
                return BaseVerification(name, problem)
            entry = output(host, "grep -m 1 -F -e %s -- %s", f'"Path": "{LABEL}"', f"{folder}/{MANIFEST}")
            with about(f"host {host.name}: {folder}/{MANIFEST}"):
                made, summed = parse_entry(entry)
            return BaseVerification(name, "" if summed else WITHOUT_SUMS, made)
    raise InsufficientFactsError(
        f"host {host.name}: has no pg_verifybackup (of postgresql-client), so nothing tells whether {folder} is whole"
    )


def _verifiers(host: Host, folder: str) -> list[str]:
    """The names to try, by the version of PostgreSQL that a backup says it is of; its word is not trusted further."""
    said = host.run("head -c 8 -- %s", f"{folder}/PG_VERSION").stdout.strip()
    return [each.format(major=said) for each in VERIFIERS if MAJOR.match(said) or "{" not in each]


def parse_verdict(status: int, said: str) -> str:
    """What is wrong with a backup in the words of pg_verifybackup, nothing when it verifies.

    Raises:
        UnansweredError: that cannot be told.
    """
    if "Permission denied" in said:
        raise UnansweredError(f"it may not read all of it: {said.splitlines()[0]}")
    if status == 0 and not said:
        return ""
    if status == 1 and said:
        lines = said.splitlines()
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return lines[0].removeprefix("pg_verifybackup: ").removeprefix("error: ") + more
    raise UnansweredError(f"it ended with status {status} and said: {said or 'nothing'}")


def parse_entry(line: str) -> tuple[datetime, bool]:
    """Parse a manifest's entry of the label, which is written anew by each base backup: when, and whether with a sum.

    Raises:
        UnansweredError: it is not understood.
    """
    match = ENTRY.search(line)
    if match is None:
        raise UnansweredError(f"its entry of {LABEL} is not understood: {line[:200]!r}")
    return datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC), match[2] is not None


def wal_start(host: Host, folder: str) -> wal.Start:
    """Where recovery of the base backup in ``folder`` starts, by its own ``backup_label``.

    Raises:
        InsufficientFactsError: it has none, as one in tar format.
        UnansweredError: it is not understood.
    """
    path = f"{folder}/{LABEL}"
    if absent(host, path):
        raise InsufficientFactsError(f"host {host.name}: {folder} has no {LABEL}; it has to be in plain format (-F p)")
    with about(f"host {host.name}: {path}"):
        return parse_label(output(host, "head -c 4096 -- %s", path))


def parse_label(text: str) -> wal.Start:
    """Parse a ``backup_label``."""
    start = re.findall(r"^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) \(file ([0-9A-F]{24})\)$", text, re.MULTILINE)
    timeline = re.findall(r"^START TIMELINE: ([0-9]{1,10})$", text, re.MULTILINE)
    if len(start) != 1 or len(timeline) != 1 or int(start[0][1][:8], 16) != int(timeline[0]):
        raise UnansweredError(f"where it starts is not understood: {text[:200]!r}")
    return wal.Start(int(timeline[0]), wal.position(start[0][0]), start[0][1])


@dataclass(frozen=True)
class Size:
    """What there is to fetch of a base backup: its entries (files, folders, links), and their bytes in all."""

    entries: int
    content: int

    @property
    def tarred(self) -> int:
        """The most bytes that tar makes of it: a block before each entry, and another for a long name; padding."""
        return self.content + self.entries * 5 * 512 + 1024 * 1024


def size(host: Host, folder: str) -> Size:
    """How much there is to fetch of the base backup in ``folder``."""
    found = output(host, shlex.join(["find", "-H", folder, "-printf", r"%s\n"])).split()
    if not all(each.isascii() and each.isdigit() for each in found):
        raise UnansweredError(f"host {host.name}: find: the sizes of what is in {folder} are not understood")
    return Size(len(found), sum(map(int, found)))


def consistent_at(manifest: Iterable[bytes]) -> int:
    """The position from which on a base backup is consistent: where its own log ends, by the lines of its manifest."""
    ends = [match[1].decode() for each in manifest for match in END.finditer(each)]
    if not ends:
        raise UnansweredError(f"{MANIFEST}: it does not tell where the backup ended")
    return max(map(wal.position, ends))
