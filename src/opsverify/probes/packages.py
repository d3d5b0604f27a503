"""Facts about a Debian host's packages: what security archives have that is newer, and how old the lists are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, output

LISTS = "/var/lib/apt/lists"
NAMES_IN_ONE_QUESTION = 400
NOT_INSTALLED = ("not-installed", "config-files")
INDEX = re.compile(r" +-?[0-9]+ (?P<index>\S.*)")
VERSION = re.compile(r" (?P<installed>\*\*\*|   ) (?P<version>\S+) -?[0-9]+( \(phased [0-9]+%\))?")


@dataclass(frozen=True)
class Archive:
    """An index of packages that apt goes by; ``index`` as `apt-cache policy` writes it."""

    index: str
    label: str = ""
    suite: str = ""
    codename: str = ""

    @property
    def security(self) -> bool:
        """Whether it is there for security updates: Debian's, Ubuntu's, and those named like them."""
        named = any(re.search(r"(^|[-/])security$", each) for each in (self.suite, self.codename))
        return named or self.label == "Debian-Security"

    def of(self, release: Collection[str]) -> bool:
        """Whether it is of a release of the system, by one of its names (``bookworm``)."""
        return any(re.split("[-/]", each)[0] in release for each in (self.suite, self.codename))


@dataclass(frozen=True)
class Update:
    """A version of an installed package that a security archive has, newer than the installed one."""

    package: str
    installed: str
    newer: str
    held: bool

    def __str__(self) -> str:
        return f"{self.package} {self.installed} → {self.newer}{' (held)' if self.held else ''}"


@dataclass(frozen=True)
class Packages:
    """What is installed (a count), what of it is held, and what of it the security archives have newer.

    ``release`` are the names by which the system calls itself, such as ``bookworm``.
    """

    release: tuple[str, ...]
    installed: int
    held: tuple[str, ...]
    archives: tuple[Archive, ...]
    security_updates: tuple[Update, ...]


@dataclass(frozen=True)
class Release:
    """A release file of an archive: when it was last fetched or confirmed, and until when it says that it is good."""

    name: str
    refreshed: datetime
    valid_until: datetime | None
    signed: bool


def packages(host: Host) -> Packages:
    """What is installed on a host, and what security archives have that is newer, as far as apt's lists go.

    A simulated upgrade says nothing of what is pinned or kept back, and names only the newest of several archives. So
    apt is asked for the table of versions of everything that is installed: what stands above the installed version is
    newer, whatever apt would do about it.
    """
    with about(f"host {host.name}"):
        listed = parse_installed(
            output(host, r"dpkg-query -f '${db:Status-Want}\t${db:Status-Status}\t${binary:Package}\n' -W")
        )
        release = parse_release(output(host, "cat /etc/os-release"))
        archives = parse_archives(output(host, "apt-cache policy"))
        names = sorted(listed)
        updates: list[Update] = []
        for start in range(0, len(names), NAMES_IN_ONE_QUESTION):
            some = names[start : start + NAMES_IN_ONE_QUESTION]
            table = output(host, shlex.join(["apt-cache", "policy", *some]))
            updates += parse_versions(table, {name: listed[name] for name in some}, archives)
        held = tuple(name for name in names if listed[name])
        return Packages(release, len(listed), held, archives, tuple(updates))


def parse_release(text: str) -> tuple[str, ...]:
    """Parse ``/etc/os-release``: the names of the release, that of the system which a derivative is made of included.

    Raises:
        UnansweredError: it has none.
    """
    found = re.findall(r"^(?:[A-Z]+_)?CODENAME=[\"']?([a-z][a-z0-9-]*)[\"']?[ \t\r]*$", text, re.MULTILINE)
    if not found:
        raise UnansweredError("/etc/os-release: no name of a release (VERSION_CODENAME) in it")
    return tuple(dict.fromkeys(found))


def parse_installed(text: str) -> dict[str, bool]:
    """Whether each installed package is held, by name (with the architecture where dpkg says it).

    Raises:
        UnansweredError: a line is not understood, or nothing is installed.
    """
    found = {}
    for line in text.splitlines():
        wanted, status, name = [*line.split("\t"), "", ""][:3]
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.:-]*", name):
            raise UnansweredError(f"dpkg-query: this line is not understood: {line!r}")
        if status not in NOT_INSTALLED:
            found[name] = wanted == "hold"
    if not found:
        raise UnansweredError("dpkg-query lists no installed package")
    return found


def versions(host: Host) -> dict[str, str]:
    """The version of each installed package by name, as dpkg has it; as rpm has it where there is no dpkg."""
    with about(f"host {host.name}"):
        looked = host.run("command -v dpkg-query")
        if looked.rc == 0:
            return parse_dpkg(output(host, r"dpkg-query -f '${db:Status-Status}\t${binary:Package}\t${Version}\n' -W"))
        return parse_rpm(output(host, r"rpm -qa --queryformat='%{NAME}.%{ARCH}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n'"))


def parse_dpkg(text: str) -> dict[str, str]:
    """Versions by name; what is not installed in full says so.

    Raises:
        UnansweredError: a line is not understood, or nothing is installed.
    """
    found = {}
    for line in text.splitlines():
        parts = re.fullmatch(r"([a-z-]+)\t([a-z0-9][a-z0-9+.:-]*)\t([A-Za-z0-9.+:~-]*)", line)
        if parts is None:
            raise UnansweredError(f"dpkg-query: this line is not understood: {line[:200]!r}")
        if parts[1] not in NOT_INSTALLED:
            found[parts[2]] = parts[3] if parts[1] == "installed" else f"{parts[3]} ({parts[1]})"
    if not found:
        raise UnansweredError("dpkg-query lists no installed package")
    return found


def parse_rpm(text: str) -> dict[str, str]:
    """Versions by name and architecture; several of one package, as of a kernel, stand beside each other.

    Raises:
        UnansweredError: a line is not understood, or nothing is installed.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        parts = re.fullmatch(r"([A-Za-z0-9_+.()-]+)\t(?:0:)?([A-Za-z0-9_.+:~^-]+)", line)
        if parts is None:
            raise UnansweredError(f"rpm: this line is not understood: {line[:200]!r}")
        found.setdefault(parts[1], []).append(parts[2])
    if not found:
        raise UnansweredError("rpm lists no installed package")
    return {name: ", ".join(sorted(some)) for name, some in found.items()}


def parse_archives(text: str) -> tuple[Archive, ...]:
    """Parse ``apt-cache policy`` without names: each index, and the release that it is of."""
    found: list[Archive] = []
    listing, _, _ = text.partition("Pinned packages:\n")
    head, *lines = listing.splitlines() or [""]
    if head != "Package files:":
        raise UnansweredError(f"apt-cache policy: no list of package files in its answer: {text.strip()[:200]!r}")
    for line in lines:
        if index := INDEX.fullmatch(line):
            found.append(Archive(index["index"]))
        elif line.startswith("     release ") and found:
            # A value may hold a comma; a field is one letter and begins the line or follows one.
            fields = dict(re.findall(r"(?:^|,)([a-z])=(.*?)(?=,[a-z]=|$)", line.removeprefix("     release ")))
            found[-1] = Archive(found[-1].index, fields.get("l", ""), fields.get("a", ""), fields.get("n", ""))
        elif not line.startswith("     origin "):
            raise UnansweredError(f"apt-cache policy: this line is not understood: {line!r}")
    return tuple(found)


def parse_versions(text: str, held: dict[str, bool], archives: Sequence[Archive]) -> list[Update]:
    """Parse ``apt-cache policy NAME …``: what the security archives have above the installed version of each package.

    ``held`` are the packages that were asked for. Raises:
        UnansweredError: a line is not understood, or one of the packages is not in the answer.
    """
    security = {each.index for each in archives if each.security}
    found = []
    seen = set()
    blocks = list(_blocks(text))
    # apt leaves out the architecture where it is the system's own.
    own = {each.partition(":")[0]: each for each in held if each not in {name for name, _ in blocks}}
    for name, lines in blocks:
        asked = name if name in held else own.get(name)
        if asked is None:
            raise UnansweredError(f"apt-cache policy: {name!r} was not asked for")
        seen.add(asked)
        installed, newer = _above_installed(name, lines, security)
        if newer:
            found.append(Update(asked, installed, newer[0], held[asked]))
    if missing := sorted(set(held) - seen):
        raise UnansweredError(f"apt-cache policy says nothing of {', '.join(missing[:5])}")
    return found


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of each package's table."""
    name, lines = "", list[str]()
    for line in text.splitlines():
        if not line.startswith(" ") and line.endswith(":"):
            if name:
                yield name, lines
            name, lines = line[:-1], []
        elif not re.match(r"  (Installed|Candidate|Package pin|Version table):", line):
            lines.append(line)
    if name:
        yield name, lines


def _above_installed(name: str, lines: Sequence[str], security: set[str]) -> tuple[str, list[str]]:
    """The installed version, and the ones before it that a security archive has; the table is the newest first."""
    version, newer = "", list[str]()
    for line in lines:
        if row := VERSION.fullmatch(line):
            version = row["version"]
            if row["installed"] == "***":
                return version, newer
        elif (source := INDEX.fullmatch(line)) and version:
            if source["index"] in security and version not in newer:
                newer.append(version)
        else:
            raise UnansweredError(f"apt-cache policy: this line of {name} is not understood: {line!r}")
    raise UnansweredError(f"apt-cache policy: no version of {name} is marked as installed")


def releases(host: Host) -> tuple[Release, ...]:
    """The release files in apt's lists, which tell how far these can be trusted; none where the lists are empty."""
    with about(f"host {host.name}"):
        return _releases(host)


def _releases(host: Host) -> tuple[Release, ...]:
    listing = output(host, shlex.join(["find", "-H", LISTS, "-maxdepth", "1", "-type", "f", "-printf", r"%C@\t%P\0"]))
    names = [each for each in changed_at(listing) if each.endswith(("_InRelease", "_Release"))]
    fields = "^(Suite|Codename|Date|Valid-Until): "
    paths = [f"{LISTS}/{each}" for each in names]
    told = output(host, shlex.join(["grep", "-a", "-H", "--null", "-E", fields, "--", *paths])) if paths else ""
    return parse_releases(listing, told)


def changed_at(listing: str) -> dict[str, datetime]:
    """When the inode of each file was last written, by name.

    apt sets a list's modification time to the mirror's, and leaves the folder's alone while nothing is new. But it
    touches a release file whenever a mirror has sent or confirmed it, and not when it could not be reached.
    """
    found = {}
    for line in filter(None, listing.split("\0")):
        moment, _, name = line.partition("\t")
        try:
            found[name] = datetime.fromtimestamp(float(moment), UTC)
        except (ValueError, OverflowError):
            raise UnansweredError(f"find: this line is not understood: {line!r}") from None
    return found


def parse_releases(listing: str, told: str) -> tuple[Release, ...]:
    """Put together the release files of a listing and what ``grep --null`` found in each of them.

    Raises:
        UnansweredError: a line is not understood, or a file has none of the fields.
    """
    files = changed_at(listing)
    fields: dict[str, dict[str, str]] = {}
    for line in told.splitlines():
        path, nul, field = line.partition("\0")
        key, colon, value = field.partition(": ")
        if not nul or not colon:
            raise UnansweredError(f"grep: this line is not understood: {line!r}")
        fields.setdefault(path.rpartition("/")[2], {}).setdefault(key, value)  # the first one is apt's too
    found = []
    for name in sorted(each for each in files if each.endswith(("_InRelease", "_Release"))):
        if name not in fields:
            raise UnansweredError(f"{LISTS}/{name}: no release in it")
        until = fields[name].get("Valid-Until")
        signed = name.endswith("_InRelease") or f"{name}.gpg" in files
        shown = re.sub(r"_(In)?Release\Z", "", name)
        found.append(Release(shown, files[name], _moment(name, until) if until else None, signed))
    return tuple(found)


def _moment(name: str, text: str) -> datetime:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        raise UnansweredError(f"{LISTS}/{name}: this moment is not understood: {text!r}") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
