"""Facts about backups: what lies in the store, whether a dump is whole, whether a file is encrypted."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, absent, output

DUMP = re.compile(r"^backup_([0-9]{8}_[0-9]{6})\.sql\.gz\Z")
COMPLETE = "-- PostgreSQL database dump complete"
# Packet tags (RFC 4880, 4.3): 1 and 3 carry a session key, 18 and 20 are encrypted data.
KEY_TAGS, DATA_TAGS = {1, 3}, {18, 20}


@dataclass(frozen=True)
class StoredFile:
    """A file of the store; size in bytes, ``name`` from the store's folder on, ``zone`` that of the times in names."""

    path: str
    name: str
    size: int
    modified: datetime
    zone: str = "UTC"

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
class DumpVerification:
    """What reading a whole dump showed; ``digest`` is of the file as it is, ``manifest`` what was written down."""

    name: str
    decompresses: bool
    complete: bool
    digest: str
    manifest: str | None


@dataclass(frozen=True)
class Encryption:
    """The OpenPGP packets of a file, read without any key; ``missing`` bytes that they claim lie beyond its end."""

    name: str
    status: int
    tags: frozenset[int]
    missing: int

    @property
    def encrypted(self) -> bool:
        """A session key, encrypted data, and a packet sequence that is whole."""
        whole = self.status == 0 and not self.missing
        return whole and bool(self.tags & KEY_TAGS) and bool(self.tags & DATA_TAGS)


def files(host: Host, folder: str, zone: str = "UTC") -> tuple[StoredFile, ...]:
    """The files directly in a folder; an empty tuple when there are none, or no such folder.

    Raises:
        UnansweredError: the folder cannot be read.
    """
    return _find(host, folder, ["-maxdepth", "1"], zone)


def files_below(host: Host, folder: str) -> tuple[StoredFile, ...]:
    """The files in a folder and in all folders below it; an empty tuple when there are none, or no such folder.

    Raises:
        UnansweredError: one of the folders cannot be read.
    """
    return _find(host, folder, [], "UTC")


def _find(host: Host, folder: str, depth: list[str], zone: str) -> tuple[StoredFile, ...]:
    if absent(host, folder):
        return ()
    question = ["find", "-H", folder, *depth, "-type", "f", "-printf", r"%s\t%T@\t%P\0"]
    with about(f"host {host.name}"):
        return parse_listing(folder, output(host, shlex.join(question)), zone)


def parse_listing(folder: str, listing: str, zone: str = "UTC") -> tuple[StoredFile, ...]:
    """Parse size, mtime and name, ended by NUL: names may hold anything else."""
    found = []
    for line in filter(None, listing.split("\0")):
        try:
            size, modified, name = line.split("\t", 2)
            moment = datetime.fromtimestamp(float(modified), UTC)
            found.append(StoredFile(f"{folder}/{name}", name, int(size), moment, zone))
        except (ValueError, OverflowError):
            raise UnansweredError(f"find: this line is not understood: {line!r}") from None
    return tuple(sorted(found, key=lambda each: each.name))


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


def verify_dump(
    host: Host, dump: StoredFile, digests: tuple[tuple[str, str], ...], timeout_s: float | None = None
) -> DumpVerification:
    """Read a whole dump: the gzip stream to its end, the marker that pg_dump writes last, and its digest.

    ``timeout_s`` bounds each of the three, where the host's own bound is too short for so much to read.

    An empty pipe gives a valid gzip file of 20 bytes and a dump that was cut and compressed again passes
    ``gzip -t``; only the marker tells. It is not the last line (``\\unrestrict`` follows), so the last KiB is searched.
    """
    whole = host.run("gzip -t -- %s", dump.path, timeout_s=timeout_s)
    if whole.rc not in (0, 1, 2):
        raise UnansweredError(
            f"host {host.name}: gzip -t {dump.path} ended with status {whole.rc}: {whole.stderr.strip()}"
        )
    if "Permission denied" in whole.stderr:
        raise UnansweredError(f"host {host.name}: {dump.path} may not be read: {whole.stderr.strip()}")
    end = output(host, "zcat -- %s | tail -c 1024", dump.path, timeout_s=timeout_s)
    digest = output(host, "sha256sum -- %s", dump.path, timeout_s=timeout_s).lstrip("\\").split(" ", 1)[0]
    return DumpVerification(dump.name, whole.rc == 0, COMPLETE in end, digest, dict(digests).get(dump.name))


def encryption(host: Host, file: StoredFile, timeout_s: float | None = None) -> Encryption:
    """The OpenPGP packets of a file. Without ``--list-only`` gpg would ask for the key; it writes nothing."""
    result = host.run(
        "gpg --homedir /nonexistent --no-options --no-keyring --no-random-seed-file --no-auto-check-trustdb "
        "--no-autostart --batch --list-only --list-packets %s",
        file.path,
        timeout_s=timeout_s,
    )
    if "Permission denied" in result.stderr:
        raise UnansweredError(f"host {host.name}: {file.path} may not be read: {result.stderr.strip()}")
    missing = max(0, parse_end(result.stdout) - file.size)
    return Encryption(file.name, result.rc, parse_packets(result.stdout), missing)


def parse_end(text: str) -> int:
    """Where the last packet of a known length ends. With ``--list-only`` gpg does not notice that one is cut short."""
    found = re.findall(r"^# off=(\d+) ctb=[0-9a-f]+ tag=\d+ hlen=(\d+) plen=(\d+)", text, re.MULTILINE)
    return max((sum(map(int, each)) for each in found), default=0)


def parse_packets(text: str) -> frozenset[int]:
    """The packet tags in ``gpg --list-packets``."""
    return frozenset(int(tag) for tag in re.findall(r"^# off=\d+ ctb=[0-9a-f]+ tag=(\d+) ", text, re.MULTILINE))
