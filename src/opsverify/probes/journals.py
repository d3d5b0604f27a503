"""The journal of a host: how many entries it holds of each day, how journald is told to keep it, and what it uses."""

from __future__ import annotations

import calendar
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from opsverify import stores
from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, absent, output
from opsverify.probes.log_days import LogDays
from opsverify.probes.systemd_units import parse_size, parse_span

FOLDER = "/var/log/journal"
FOLDERS = (FOLDER, "/run/log/journal")
IN_MEMORY = ("tmpfs", "ramfs")
CONFIGURATION, FILE = "journald.conf", re.compile(r"# (/\S+\.conf)")
SECTION = re.compile(r"\[([^\]]+)\]")
NO_FILES = "No journal files were found."
# Only what journald itself says of an entry is asked for: what the program wrote could be made to look like it.
ENTRIES = "journalctl --no-pager -o export --output-fields=_TRANSPORT -t"
STAMP = "__REALTIME_TIMESTAMP="
DIGITS = 8  # of the 16 of a moment in microseconds: 100 seconds, of which a day has a whole number
STEP_S = 100
GIB = 1024.0**3


@dataclass(frozen=True)
class Setting:
    """What one key of journald.conf is set to, and the file that says so last."""

    value: str
    where: str


@dataclass(frozen=True)
class Journal:
    """What bounds a journal: its settings by key, and what it uses.

    ``folders`` are the names of its folder, ``filesystem`` the kind that this lies on (empty: there is no such folder),
    ``size`` and ``available`` the bytes of that. ``used`` are the bytes of its ``files``; ``oldest`` is the moment of
    the program's oldest entry.
    """

    settings: Mapping[str, Setting]
    folders: tuple[str, ...]
    filesystem: str
    size: float
    available: float
    used: float
    files: tuple[str, ...]
    oldest: datetime | None

    def span(self, key: str, default: str) -> float:
        """Seconds of a setting."""
        return parse_span(self.settings[key].value if key in self.settings else default)

    def bytes(self, key: str, default: float) -> float:
        """Bytes of a setting."""
        return parse_size(self.settings[key].value) if key in self.settings else default

    def shown(self, *keys: str) -> str:
        """Settings as they are written, those that are not set without a value."""
        return ", ".join(f"{key}={self.settings[key].value if key in self.settings else '(default)'}" for key in keys)

    @property
    def persistent(self) -> bool:
        """Whether it outlives a restart of the host."""
        storage = self.settings["Storage"].value.lower() if "Storage" in self.settings else "auto"
        kept = storage == "persistent" or (storage == "auto" and bool(self.filesystem))
        return kept and self.filesystem not in IN_MEMORY

    @property
    def limit(self) -> float:
        """The bytes that journald lets it use: SystemMaxUse, or less where SystemKeepFree demands it.

        Unless they are set, that is a tenth of the filesystem, and 15 % of it are kept free, but not above 4 GiB.
        """
        most = self.bytes("SystemMaxUse", min(self.size / 10, 4 * GIB))
        free = self.bytes("SystemKeepFree", min(self.size * 0.15, 4 * GIB))
        least = min(16 * 1024.0**2, most)
        return max(min(most, self.used + max(self.available - free, 0)), least)


def in_journal(host: Host, logs: stores.JournalLogs, oldest: date) -> LogDays:
    """The days of a program's entries in the journal, from ``oldest`` on.

    They are counted on the host. Where the account may not read all of a journal, journalctl shows fewer entries, with
    a hint or without one; so the files are looked at first, and any hint is taken for a refusal.

    Raises:
        UnansweredError: the journal cannot be read, or not in full.
    """
    since = calendar.timegm(oldest.timetuple())
    with about(f"host {host.name}: the journal"):
        files = _files(host)
        entries = _counted(host, f"{ENTRIES} {shlex.quote(logs.identifier)} --since=@{since}", logs.timeout_s)
        level = f"-p {logs.priority}..{logs.priority}"
        detailed = _counted(host, f"{ENTRIES} {shlex.quote(logs.identifier)} {level} --since=@{since}", logs.timeout_s)
    return LogDays(entries, detailed, 0, (), len(files), "files of the journal")


def _counted(host: Host, entries: str, timeout_s: float) -> dict[date, int]:
    counting = f"grep -aoE '^{STAMP}[0-9]{{{DIGITS}}}' | uniq -c"
    return parse_counts(_said(host, f"{entries} | {counting}", timeout_s))


def _said(host: Host, question: str, timeout_s: float | None = None) -> str:
    """What journalctl says, where it says nothing else."""
    result = host.run(question, timeout_s=timeout_s)
    problem = result.stderr.replace(NO_FILES, "").strip()
    if result.rc != 0 or problem:
        raise UnansweredError(f"it may not be read in full, or is damaged: {problem[:300] or f'status {result.rc}'}")
    return bytes(result.stdout_bytes).decode("utf-8", "backslashreplace")


def parse_counts(text: str) -> dict[date, int]:
    """Entries by day, from ``uniq -c`` of the first digits of their moments.

    Raises:
        UnansweredError: a line is not understood.
    """
    days: dict[date, int] = {}
    for line in filter(None, text.split("\n")):
        found = re.fullmatch(rf" *([0-9]{{1,15}}) {STAMP}([0-9]{{{DIGITS}}})", line)
        if found is None:
            raise UnansweredError(f"journalctl: this line is not understood: {line[:200]!r}")
        day = datetime.fromtimestamp(int(found[2]) * STEP_S, UTC).date()
        days[day] = days.get(day, 0) + int(found[1])
    return days


def _files(host: Host) -> tuple[str, ...]:
    """The paths of the journal's files.

    Raises:
        UnansweredError: one of them may not be read, or a folder of them not be looked into.
    """
    shown = r"\t%p\0"
    named = ["-regex", r".*\.journal~?"]
    question = ["find", "-H", *FOLDERS, *named, "-readable", "-printf", f"r{shown}"]
    question += ["-o", *named, "-printf", f"n{shown}"]
    result = host.run(shlex.join(question))
    problems = [line for line in result.stderr.splitlines() if not line.endswith("No such file or directory")]
    if problems:
        raise UnansweredError(f"asked find for its files, it said: {problems[0][:300]}")
    return parse_files(bytes(result.stdout_bytes).decode("utf-8", "backslashreplace"))


def parse_files(text: str) -> tuple[str, ...]:
    """Parse what `_files` asks for: readable or not, and path, ended by NUL.

    Raises:
        UnansweredError: a file may not be read, or an entry is not understood.
    """
    found: dict[str, list[str]] = {"r": [], "n": []}
    for entry in text.split("\0")[:-1]:
        may, tab, path = entry.partition("\t")
        if may not in found or not tab:
            raise UnansweredError(f"find: this entry is not understood: {entry[:200]!r}")
        found[may].append(path)
    if found["n"]:
        raise UnansweredError(f"{len(found['n'])} of its files may not be read, such as {found['n'][0][:200]}")
    return tuple(found["r"])


def journal(host: Host, identifier: str) -> Journal:
    """What bounds the journal of a host, and the oldest entry of a program in it.

    Raises:
        UnansweredError: something of it cannot be read, or is not understood.
    """
    with about(f"host {host.name}: the journal"):
        settings = parse_settings(output(host, "systemd-analyze --no-pager cat-config systemd/journald.conf"))
        folders = tuple(dict.fromkeys((FOLDER, output(host, f"readlink -m -- {FOLDER}").strip())))
        files = _files(host)
        filesystem, size, available = "", 0.0, 0.0
        if not absent(host, FOLDER):
            filesystem, size, available = parse_filesystem(output(host, f"stat -f -c '%T|%S|%b|%a' {FOLDER}"))
        used = parse_usage(_said(host, "journalctl --disk-usage"))
        oldest = parse_oldest(_said(host, f"{ENTRIES} {shlex.quote(identifier)} | head -n 4"))
    return Journal(settings, folders, filesystem, size, available, used, files, oldest)


def parse_settings(text: str) -> dict[str, Setting]:
    """The settings of the section Journal, from all files of journald.conf in the order in which they are read.

    The last one holds. journald passes over an empty value, and an earlier one stays in force (seen with 252).

    Raises:
        UnansweredError: a line is none of such a file, or a value that matters is not understood.
    """
    found: dict[str, Setting] = {}
    where, section = CONFIGURATION, ""
    for line in _joined(text):
        begin = FILE.fullmatch(line)
        if begin:
            where, section = begin[1], ""
        if not line or line[0] in "#;":
            continue
        heading = SECTION.fullmatch(line)
        key, equals, value = (part.strip() for part in line.partition("="))
        if heading:
            section = heading[1]
        elif not (key and equals and section):  # without a section: a comment may look like the begin of a file
            raise UnansweredError(f"{where}: this line is not understood: {line[:200]!r}")
        elif section == "Journal" and value:
            _understood(where, key, value)
            found[key] = Setting(value, where)
    return found


def _joined(text: str) -> Iterator[str]:
    """The lines without blanks around them; one that ends in a backslash goes on in the next that is no comment."""
    begun = ""
    for line in map(str.strip, text.split("\n")):
        if line[:1] in ("#", ";"):
            yield line
        elif line.endswith("\\"):
            begun += f"{line[:-1]} "
        else:
            yield (begun + line).strip()
            begun = ""


def _understood(where: str, key: str, value: str) -> None:
    with about(f"{where}: {key}"):
        if key in ("MaxRetentionSec", "MaxFileSec"):
            parse_span(value)
        elif key in ("SystemMaxUse", "SystemKeepFree", "SystemMaxFileSize", "SystemMaxFiles"):
            parse_size(value)
        elif key == "Storage" and value.lower() not in ("volatile", "persistent", "auto", "none"):
            raise UnansweredError(f"this kind of storage is not understood: {value[:60]!r}")


def parse_filesystem(text: str) -> tuple[str, float, float]:
    """Kind, size and available bytes, from ``stat -f -c '%T|%S|%b|%a'``.

    Raises:
        UnansweredError: it is not understood.
    """
    found = re.fullmatch(r"([^|\s]+)\|([0-9]{1,9})\|([0-9]{1,20})\|([0-9]{1,20})", text.strip())
    if found is None:
        raise UnansweredError(f"stat: this is not understood: {text[:200]!r}")
    block = int(found[2])
    return found[1], float(block * int(found[3])), float(block * int(found[4]))


def parse_usage(text: str) -> float:
    """Bytes, from ``journalctl --disk-usage``; nothing where it says that there is no journal.

    Raises:
        UnansweredError: it is not understood.
    """
    found = re.search(r"\btake up ([0-9.]{1,20}[BKMGTPE]?) (in|on) ", text)
    if found is None:
        raise UnansweredError(f"journalctl: this is not understood: {text[:200]!r}")
    return parse_size(found[1])


def parse_oldest(text: str) -> datetime | None:
    """The moment of the first entry; None where there is none.

    Raises:
        UnansweredError: it has no moment.
    """
    if not text.strip():
        return None
    found = re.search(rf"^{STAMP}([0-9]{{16}})$", text, re.MULTILINE)
    if found is None:
        raise UnansweredError(f"journalctl: this entry is not understood: {text[:200]!r}")
    return datetime.fromtimestamp(int(found[1]) / 1e6, UTC)
