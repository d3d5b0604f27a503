"""Facts about archives: what lies in a store, what its manifest says, whether a file is encrypted."""

from __future__ import annotations

import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about, absent, output

# A dump as text, packed by gzip; or in PostgreSQL's own format (pg_dump -Fc).
DUMP = re.compile(r"^backup_([0-9]{8}_[0-9]{6})\.(sql\.gz|dump)\Z")
# Questions to one host at a time: OpenSSH's own bound is ten (MaxSessions), and there may be others.
SIDE_BY_SIDE = 6
LISTED = r"%s\t%T@\t%C@\t%i\t%P\0"
# Packet tags (RFC 4880, 4.3): 1 and 3 carry a session key, 18 and 20 are encrypted data.
KEY_TAGS, DATA_TAGS, MARKER_TAG = {1, 3}, {18, 20}, 10
NO_SUCH_COMMAND = (126, 127)
SECRET_KEY_TAGS = {5, 7}
PRIVATE_KEY = "BEGIN ([A-Z0-9]+ )*PRIVATE KEY"


@dataclass(frozen=True)
class StoredFile:
    """A file of the store; size in bytes, ``name`` from the store's folder on, ``zone`` that of the times in names.

    ``modified_ns`` and ``changed_ns`` (mtime and ctime, since 1970) and ``inode`` tell whether it is still the same.
    """

    path: str
    name: str
    size: int
    modified: datetime
    zone: str = "UTC"
    modified_ns: int = 0
    changed_ns: int = 0
    inode: int = 0

    @property
    def custom(self) -> bool:
        """Whether its name says that it is a dump in PostgreSQL's own format."""
        return self.name.endswith(".dump")

    @property
    def named(self) -> datetime | None:
        """The moment (in UTC) that the name of a dump claims in its zone; None for any other file."""
        match = DUMP.match(self.name)
        zone = UTC if self.zone == "UTC" else ZoneInfo(self.zone)  # UTC needs no database of time zones
        try:
            said = match[1] if match else ""
            return datetime.strptime(said, "%Y%m%d_%H%M%S").replace(tzinfo=zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class Encryption:
    """The OpenPGP packets of a file, read without any key; ``missing`` bytes that they claim lie beyond its end."""

    name: str
    status: int
    tags: frozenset[int]
    missing: int

    @property
    def encrypted(self) -> bool:
        """A session key, encrypted data, a packet sequence that is whole, and nothing that is plain beside them."""
        whole = self.status == 0 and not self.missing and not self.tags - KEY_TAGS - DATA_TAGS - {MARKER_TAG}
        return whole and bool(self.tags & KEY_TAGS) and bool(self.tags & DATA_TAGS)


def files(host: Host, folder: str, zone: str = "UTC") -> tuple[StoredFile, ...]:
    """The files directly in a folder; an empty tuple when there are none, or no such folder.

    Raises:
        UnansweredError: the folder cannot be read.
    """
    return _find(host, ["-H", folder, "-maxdepth", "1"], folder, zone)


def files_below(host: Host, folder: str) -> tuple[StoredFile, ...]:
    """The files in a folder and in all folders below it; an empty tuple when there are none, or no such folder.

    Raises:
        UnansweredError: one of the folders cannot be read.
    """
    return _find(host, ["-H", folder], folder, "UTC")


def files_reachable(host: Host, folder: str) -> tuple[StoredFile, ...]:
    """As `files_below`, and the files that links lead to: whoever may read the folder reads those too."""
    return _find(host, ["-L", folder], folder, "UTC")


def _find(host: Host, where: list[str], folder: str, zone: str) -> tuple[StoredFile, ...]:
    if absent(host, folder):
        return ()
    question = ["find", *where, "-type", "f", "-printf", LISTED]
    with about(f"host {host.name}"):
        return parse_listing(folder, output(host, shlex.join(question)), zone)


def parse_listing(folder: str, listing: str, zone: str = "UTC") -> tuple[StoredFile, ...]:
    """Parse size, mtime, ctime, inode and name, ended by NUL: names may hold anything else."""
    found = []
    for line in filter(None, listing.split("\0")):
        try:
            size, modified, changed, inode, name = line.split("\t", 4)
            mtime, ctime = nanoseconds(modified), nanoseconds(changed)
            moment = datetime.fromtimestamp(mtime / 1e9, UTC)
            found.append(StoredFile(f"{folder}/{name}", name, int(size), moment, zone, mtime, ctime, int(inode)))
        except (ValueError, OverflowError, OSError):
            raise UnansweredError(f"find: this line is not understood: {line!r}") from None
    return tuple(sorted(found, key=lambda each: each.name))


def nanoseconds(text: str) -> int:
    """A moment as GNU find writes it, in seconds with ten decimals, as whole nanoseconds.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"(-?[0-9]{1,12})(?:\.([0-9]{1,9})[0-9]*)?", text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))


def manifest(host: Host, path: str) -> dict[str, str]:
    """Digests by file name, from a manifest as sha256sum writes it; none when there is no manifest."""
    if absent(host, path):
        return {}
    return parse_manifest(output(host, shlex.join(["cat", path])))


def parse_manifest(text: str) -> dict[str, str]:
    """Parse ``<sha256>  <name>`` lines; a path before the name does not matter."""
    return {
        name.rpartition("/")[2]: digest for digest, name in re.findall(r"^([0-9a-f]{64}) [ *](.+)$", text, re.MULTILINE)
    }


def encryptions(host: Host, files: tuple[StoredFile, ...], timeout_s: float | None = None) -> tuple[Encryption, ...]:
    """As `encryption`, of several files side by side, in their order."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return tuple(pool.map(lambda file: encryption(host, file, timeout_s), files))


def encryption(host: Host, file: StoredFile, timeout_s: float | None = None) -> Encryption:
    """The OpenPGP packets of a file. Without ``--list-only`` gpg would ask for the key; it writes nothing.

    Raises:
        InsufficientFactsError: the host has no gpg.
        UnansweredError: the file may not be read.
    """
    result = host.run(
        "gpg --homedir /nonexistent --no-options --no-keyring --no-random-seed-file --no-auto-check-trustdb "
        "--no-autostart --batch --list-only --list-packets %s",
        file.path,
        timeout_s=timeout_s,
    )
    if result.rc in NO_SUCH_COMMAND:
        raise InsufficientFactsError(f"host {host.name}: has no gpg, so nothing tells whether {file.path} is encrypted")
    if "Permission denied" in result.stderr:
        raise UnansweredError(f"host {host.name}: {file.path} may not be read: {result.stderr.strip()}")
    missing = max(0, parse_end(result.stdout) - file.size)
    return Encryption(file.name, result.rc, parse_packets(result.stdout), missing)


def private_keys(host: Host, folder: str, timeout_s: float | None = None) -> tuple[str, ...]:
    """The files in a folder and below, by name from there on, that hold a private key as text (PEM, OpenSSH, OpenPGP).

    Raises:
        UnansweredError: one of them cannot be read.
    """
    result = host.run("grep -rlaZE -e %s -- %s", PRIVATE_KEY, folder, timeout_s=timeout_s)
    if result.rc not in (0, 1) or result.stderr.strip():
        raise UnansweredError(f"host {host.name}: {folder} cannot be searched for keys: {result.stderr.strip()}")
    return tuple(sorted(each.removeprefix(f"{folder}/") for each in result.stdout.split("\0") if each))


def parse_end(text: str) -> int:
    """Where the last packet of a known length ends. With ``--list-only`` gpg does not notice that one is cut short."""
    found = re.findall(r"^# off=(\d+) ctb=[0-9a-f]+ tag=\d+ hlen=(\d+) plen=(\d+)", text, re.MULTILINE)
    return max((sum(map(int, each)) for each in found), default=0)


def parse_packets(text: str) -> frozenset[int]:
    """The packet tags in ``gpg --list-packets``."""
    return frozenset(int(tag) for tag in re.findall(r"^# off=\d+ ctb=[0-9a-f]+ tag=(\d+) ", text, re.MULTILINE))
