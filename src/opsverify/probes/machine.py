"""Facts about a host: filesystems, memory, listening sockets."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about, output

# Filesystems that live in memory, in an image that is full by nature, or on top of another one that is listed.
NOT_STORAGE = re.compile(
    r"^(tmpfs|devtmpfs|ramfs|overlay|aufs|squashfs|iso9660|udf|efivarfs|fuse\..*|autofs|proc|sysfs|-)$"
)
SIZES = "size,used,avail,itotal,iused"


def reachable_from_outside(address: str) -> bool:
    """Whether a socket bound to this address hears the world: not if it is a loopback or a private one."""
    if address == "*":
        return True
    bound = ipaddress.ip_address(address)
    bound = getattr(bound, "ipv4_mapped", None) or bound
    return bound.is_unspecified or not (bound.is_loopback or bound.is_private or bound.is_link_local)


@dataclass(frozen=True)
class Filesystem:
    """A filesystem on storage; sizes in bytes, of inodes in pieces (0 where it has no fixed number)."""

    mount: str
    source: str
    kind: str
    size: int
    used: int
    available: int
    inodes: int
    inodes_used: int


@dataclass(frozen=True)
class Memory:
    """Memory of a host in bytes; ``available`` is the kernel's own estimate, not the column "free"."""

    total: int
    available: int


@dataclass(frozen=True)
class Processor:
    """What all CPUs of a host did since it was booted (seconds since 1970), in ticks; of these, how many were idle."""

    booted: int
    ticks: int
    idle: int


@dataclass(frozen=True)
class Socket:
    """A listening socket."""

    address: str
    port: int

    @property
    def wide(self) -> bool:
        """Whether it can be reached from outside."""
        return reachable_from_outside(self.address)

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def filesystems(host: Host) -> tuple[Filesystem, ...]:
    """The filesystems on storage, by GNU df in bytes and without rounding.

    Raises:
        InsufficientFactsError: there are more. df leaves out without a word what its account may not look at.
    """
    with about(f"host {host.name}"):
        shown = output(host, f"df -B1 --output=source,fstype,{SIZES},target")
        unseen = unseen_mounts(shown, output(host, "cat /proc/self/mountinfo"))
        if unseen:
            raise InsufficientFactsError(f"{', '.join(unseen)} is mounted but may not be looked at by this account")
        return parse_df(shown)


def unseen_mounts(df: str, mountinfo: str) -> list[str]:
    """The mounts of storage devices that df does not show.

    A device counts as shown under any of its mount points and any of its names: bind mounts repeat it, and
    ``/dev/root`` or ``/dev/dm-0`` may stand for it. So devices are compared by number, and by name as well.
    """
    rows = list(df_rows(df))
    sources, mounts = {source for source, *_ in rows}, {mount for *_, mount in rows}
    entries = {}  # by mount point: of several mounts on one, the last hides the others
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, source, *_) = before.split(" "), [*after.split(" "), "", ""]
        if len(fields) < 6 or not source:
            raise UnansweredError(f"/proc/self/mountinfo: this line is not understood: {line!r}")
        entries[_unescaped(fields[4])] = (fields[2], kind, _unescaped(source))
    numbers = {number for mount, (number, _, _) in entries.items() if mount in mounts}
    return [
        f"{mount} ({source})"
        for mount, (number, kind, source) in sorted(entries.items())
        if source.startswith("/") and not NOT_STORAGE.match(kind) and source not in sources and number not in numbers
    ]


def _unescaped(text: str) -> str:
    """The kernel writes blanks, tabs, line breaks and backslashes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def parse_df(text: str) -> tuple[Filesystem, ...]:
    """Parse ``df -B1 --output=source,fstype,size,used,avail,itotal,iused,target``; mount points may hold blanks."""
    found = []
    for source, kind, *numbers, mount in df_rows(text):
        if NOT_STORAGE.match(kind):
            continue
        size, used, available, inodes, inodes_used = (0 if each == "-" else int(each) for each in numbers)
        if size:
            found.append(Filesystem(mount, source, kind, size, used, available, inodes, inodes_used))
    return tuple(found)


def df_rows(text: str) -> Iterator[tuple[str, ...]]:
    """The columns of df's lines but for its heading, as `parse_df` has them.

    Raises:
        UnansweredError: a line is not understood.
    """
    for line in text.splitlines()[1:]:
        parts = re.match(r"^(.+?)\s+(\S+)\s+(\d+|-)\s+(\d+|-)\s+(\d+|-)\s+(\d+|-)\s+(\d+|-)\s+(/.*)$", line)
        if parts is None:
            raise UnansweredError(f"df: this line is not understood: {line!r}")
        yield parts.groups()


def memory(host: Host) -> Memory:
    """Total and available memory, from /proc/meminfo."""
    with about(f"host {host.name}"):
        return parse_meminfo(output(host, "cat /proc/meminfo"))


def parse_meminfo(text: str) -> Memory:
    """Parse /proc/meminfo.

    Raises:
        UnansweredError: MemTotal or MemAvailable is not in it (kernels before 3.14).
    """
    found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", text, re.MULTILINE))
    if set(found) != {"MemTotal", "MemAvailable"} or not int(found["MemTotal"]):
        raise UnansweredError("/proc/meminfo: MemTotal and MemAvailable are not both in it")
    return Memory(int(found["MemTotal"]) * 1024, int(found["MemAvailable"]) * 1024)


def processor(host: Host) -> Processor:
    """What the CPUs did since the host was booted, from /proc/stat."""
    with about(f"host {host.name}"):
        return parse_stat(output(host, "grep -E '^(cpu|btime) ' /proc/stat"))


def parse_stat(text: str) -> Processor:
    """Parse the lines ``cpu`` and ``btime`` of /proc/stat.

    What guests of a virtual machine used counts as ``user`` already; waiting for a disk is no idling, as in the
    measure that Prometheus is asked for.

    Raises:
        UnansweredError: they are not both in it.
    """
    found = {words[0]: words[1:] for words in map(str.split, text.splitlines()) if words}
    numbers = {name: [int(each) for each in words if each.isdecimal()] for name, words in found.items()}
    cpu, booted = numbers.get("cpu", [])[:8], numbers.get("btime", [])
    if len(cpu) < 4 or not sum(cpu) or len(booted) != 1:
        raise UnansweredError("/proc/stat: the CPUs' time and the time of the boot are not both in it")
    return Processor(booted[0], sum(cpu), cpu[3])


def sockets(host: Host) -> tuple[Socket, ...]:
    """All listening TCP sockets, IPv4 and IPv6."""
    with about(f"host {host.name}"):
        return parse_ss(output(host, "ss -H -ltn"))


def udp_sockets(host: Host) -> tuple[Socket, ...]:
    """All UDP sockets that hear whoever speaks to them, IPv4 and IPv6; those of clients that wait for an answer too."""
    with about(f"host {host.name}"):
        return parse_ss(output(host, "ss -H -lun"), "UNCONN")


def ephemeral_ports(host: Host) -> range:
    """The ports that the kernel gives to whoever asks for any; IPv6 has the same ones."""
    with about(f"host {host.name}"):
        return parse_port_range(output(host, "cat /proc/sys/net/ipv4/ip_local_port_range"))


def parse_port_range(text: str) -> range:
    """Parse ``ip_local_port_range``: the first and the last port.

    Raises:
        UnansweredError: it is no such pair.
    """
    found = re.fullmatch(r"\s*([0-9]{1,5})\s+([0-9]{1,5})\s*", text)
    if found is None:
        raise UnansweredError(f"ip_local_port_range: this is not understood: {text[:100]!r}")
    return range(int(found[1]), int(found[2]) + 1)


def parse_ss(text: str, state: str = "LISTEN") -> tuple[Socket, ...]:
    """Parse ``ss -H -ltn`` (or ``-lun``): the fourth column is the exact local address and port."""
    found = []
    for line in text.splitlines():
        columns = line.split()
        if len(columns) < 5 or columns[0] != state:
            raise UnansweredError(f"ss: this line is not understood: {line!r}")
        address, _, port = columns[3].rpartition(":")
        address = re.sub(r"%[^\]]*", "", address).strip("[]")  # an interface, as in 127.0.0.53%lo
        if not port.isdigit() or (address != "*" and not _is_address(address)):
            raise UnansweredError(f"ss: this line is not understood: {line!r}")
        found.append(Socket(address, int(port)))
    return tuple(found)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
