"""Where logins are on record: auth.log with what was rotated of it lately, or the journal of systemd."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import output

FOLDER = "/var/log"
JOURNAL = "the journal"
NAMES = ("auth.log", "secure")  # Debian's, Red Hat's
WINDOW = timedelta(hours=24)
PROGRAMS = ("sshd", "sshd-session", "sshd-auth", "sudo")
# What is asked for: an attempt to log in, or a command by sudo. Of an attack there may be tens of thousands.
ATTEMPTS = (
    r"sshd(-session|-auth)?(\[[0-9]+\])?: (message repeated [0-9]+ times: \[ ?)?"
    r"(Failed |Accepted |Invalid user |(Connection (closed|reset) by|Disconnect(ed|ing)( from)?) "
    r"(authenticating|invalid) user )"
)
COMMANDS = r"sudo(\[[0-9]+\])?: .*COMMAND="
STAMP = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})|[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8})"
LINE = re.compile(
    rf"(?P<stamp>{STAMP}) (?P<host>\S+) (?P<program>[^\s:\[]+)(\[(?P<pid>[0-9]+)\])?: ?(?P<said>.*)", re.DOTALL
)
ASK_JOURNAL = "journalctl --no-pager -o json --output-fields=MESSAGE,SYSLOG_IDENTIFIER,_PID,_UID,_COMM --since={} {}"


@dataclass(frozen=True)
class Clock:
    """A host's clock: what it says now, in its own zone."""

    now: datetime

    def moment(self, stamp: str) -> datetime:
        """The moment of a time stamp: RFC 3339, or the traditional one without year, in the host's zone.

        Raises:
            UnansweredError: there is no such moment.
        """
        try:
            if stamp[:1].isdigit():
                return datetime.fromisoformat(stamp).astimezone(UTC)
            # A year that has the 29th of February, or it could not be read at all.
            found = datetime.strptime(f"2024 {stamp}", "%Y %b %d %H:%M:%S").replace(tzinfo=self.now.tzinfo)
            found = found.replace(year=self.now.year)
            if found > self.now + timedelta(days=1):
                found = found.replace(year=self.now.year - 1)
            return found.astimezone(UTC)
        except (ValueError, OverflowError):
            raise UnansweredError(f"this time stamp is not understood: {stamp[:60]!r}") from None

    def days(self) -> list[str]:
        """How the lines of the last 24 hours begin: their days, in both ways to write them.

        A stamp with a zone of its own may be of another day than it is here: the log daemon's zone need not be ours.
        """
        here = sorted({(self.now - WINDOW).date(), self.now.date()})
        anywhere = [here[0] - timedelta(days=1), *here, here[-1] + timedelta(days=1)]
        return [f"{each:%Y-%m-%d}T" for each in anywhere] + [f"{each:%b} {each.day:2d} " for each in here]


@dataclass(frozen=True)
class Entry:
    """An entry of a log; ``process`` is the id of what wrote it."""

    at: datetime
    program: str
    process: str
    said: str


@dataclass(frozen=True)
class Source:
    """A log: its oldest and newest entry of any program (of sshd and sudo in the journal), and those on logins."""

    name: str
    begins: datetime | None
    newest: datetime | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class _File:
    path: str
    size: int
    modified: datetime

    @property
    def packed(self) -> bool:
        return self.path.endswith(".gz")

    @property
    def readable(self) -> bool:
        """Whether it is text, or packed in a way that can be read here."""
        return not self.path.endswith((".xz", ".bz2", ".zst", ".lz4", ".Z"))


def newest_source(host: Host) -> Source | None:
    """The file, unless there is none or it has had no entry for a day and the journal has; None without either."""
    clock = host_clock(host)
    kept = _from_files(host, clock)
    if kept is not None and kept.newest is not None and clock.now - kept.newest <= WINDOW:
        return kept
    journal = _from_journal(host)
    return kept if journal is None or (kept is not None and journal.newest is None) else journal


def read_commands(host: Host, name: str) -> tuple[Entry, ...]:
    """The latest commands by sudo in the log of this name."""
    if name == JOURNAL:
        return tuple(parse_journal(output(host, ASK_JOURNAL.format("-10min", "-t sudo"))))
    clock = host_clock(host)
    found = host.run(shlex.join(["grep", "-a", "-E", f"^{STAMP} [^ ]+ {COMMANDS}", "--", name]) + " | tail -n 200")
    return tuple(parse_lines(found.stdout, clock))


def host_clock(host: Host) -> Clock:
    """What the host's clock says, with its zone."""
    return parse_clock(output(host, "date +%s%z"))


def parse_clock(text: str) -> Clock:
    """Parse ``date +%s%z``."""
    found = re.fullmatch(r"([0-9]{1,12})([+-])([0-9]{2})([0-9]{2})", text.strip())
    if found is None:
        raise UnansweredError(f"date: this is not understood: {text.strip()[:60]!r}")
    offset = timedelta(hours=int(found[3]), minutes=int(found[4])) * (-1 if found[2] == "-" else 1)
    try:
        return Clock(datetime.fromtimestamp(int(found[1]), timezone(offset)))
    except (ValueError, OverflowError):
        raise UnansweredError(f"date: there is no such moment: {text.strip()[:60]!r}") from None


def _from_files(host: Host, clock: Clock) -> Source | None:
    files = _files(host)
    main = files[-1] if files else None
    if main is None or main.path.rpartition("/")[2] not in NAMES:
        return None
    young = [each for each in files if each is main or clock.now - each.modified <= WINDOW]  # the oldest first
    written = [each for each in young if each.size]
    if unread := [each.path for each in written if not each.readable]:
        raise UnansweredError(f"{', '.join(unread)}: packed in a way that is not read here (only gzip is)")
    if not written:
        return Source(main.path, None, None, ())
    lines = "".join(_lines(host, clock, each) for each in written)
    ends = [_stamp(host, clock, which, each) for which, each in (("head", written[0]), ("tail", written[-1]))]
    return Source(main.path, ends[0], ends[1], tuple(parse_lines(lines, clock)))


def _files(host: Host) -> list[_File]:
    """auth.log (or secure) and what was rotated of it, in the order in which they were written."""
    named = ["-regex", rf"{FOLDER}/\(auth\.log\|secure\)[-.0-9a-zA-Z]*"]
    question = ["find", "-H", FOLDER, "-maxdepth", "1", "-type", "f", *named, "-printf", r"%s\t%T@\t%P\0"]
    found = []
    for line in filter(None, output(host, shlex.join(question)).split("\0")):
        size, modified, name = [*line.split("\t", 2), "", ""][:3]
        if re.fullmatch(r"(auth\.log|secure)([.-][0-9]+)*(\.(gz|xz|bz2|zst|lz4|Z))?", name):
            moment = datetime.fromtimestamp(float(modified), UTC)
            found.append(_File(f"{FOLDER}/{name}", int(size), moment))
    return sorted(found, key=lambda each: (each.path.rpartition("/")[2] in NAMES, each.modified))


def _lines(host: Host, clock: Clock, file: _File) -> str:
    """The lines on logins in a file, of the last 24 hours or a little more."""
    days = "|".join(clock.days())
    search = ["grep", "-a", "-E", f"^({days})[^ ]+ [^ ]+ ({ATTEMPTS}|{COMMANDS})"]
    if file.packed:
        output(
            host, shlex.join(["gzip", "-t", "--", file.path])
        )  # the end of a pipeline tells nothing of its beginning
        question = f"{shlex.join(['zcat', '--', file.path])} | {shlex.join(search)}"
    else:
        question = shlex.join([*search, "--", file.path])
    found = host.run(question)
    if found.rc not in (0, 1):
        raise UnansweredError(f"{file.path} may not be read: {found.stderr.strip() or 'no reason'}")
    return bytes(found.stdout_bytes).decode("utf-8", "backslashreplace")


def _stamp(host: Host, clock: Clock, which: str, file: _File) -> datetime:
    """The time of the first or last line of a file."""
    before = f"{shlex.join(['zcat', '--', file.path])} | " if file.packed else ""
    after = "" if file.packed else f" -- {shlex.quote(file.path)}"
    line = output(host, f"{before}{which} -n 1{after}").removesuffix("\n")
    stamp = re.match(rf"{STAMP} ", line)
    if stamp is None:
        raise UnansweredError(f"{file.path}: this line is not understood: {line[:200]!r}")
    return clock.moment(stamp[1])


def parse_lines(text: str, clock: Clock) -> Iterable[Entry]:
    """Parse lines of syslog; those of other programs, which only quote sshd or sudo, are none of ours.

    Raises:
        UnansweredError: a line is not understood.
    """
    for line in text.split("\n"):
        if not line:
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise UnansweredError(f"this line is not understood: {line[:200]!r}")
        if found["program"] in PROGRAMS:
            yield Entry(clock.moment(found["stamp"]), found["program"], found["pid"] or "", found["said"])


def _from_journal(host: Host) -> Source | None:
    if host.run("command -v journalctl").rc != 0:
        return None
    # An hour more than is judged: what failed within the hour before a login.
    asked = host.run(ASK_JOURNAL.format("-25h", " ".join(f"-t {each}" for each in PROGRAMS)))
    if "No journal files were found" in asked.stderr:
        return None
    if asked.rc != 0 or "insufficient permissions" in asked.stderr or "not seeing messages" in asked.stderr:
        raise UnansweredError(f"the journal may not be read: {asked.stderr.strip() or 'no reason'}")
    entries = tuple(parse_journal(asked.stdout_bytes.decode("utf-8", "backslashreplace")))
    ends = (entries[0].at, entries[-1].at) if entries else (None, None)
    return Source(JOURNAL, ends[0], ends[1], entries)


def parse_journal(text: str) -> Iterable[Entry]:
    """Parse ``journalctl -o json``: what root's processes and sudo wrote, for anybody may call himself sshd.

    sudo writes as whoever called it; what it is called itself, the journal has from the kernel.

    Raises:
        UnansweredError: an entry is not understood.
    """
    for line in filter(None, text.split("\n")):
        try:
            entry = json.loads(line)
            at = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
            program, said = entry["SYSLOG_IDENTIFIER"], entry["MESSAGE"]
            if isinstance(said, list):  # it holds bytes that are no text
                said = bytes(said).decode("utf-8", "backslashreplace")
            if program not in PROGRAMS or not isinstance(said, str):
                raise ValueError(program)
            if entry.get("_UID") == "0" or program == "sudo" == entry.get("_COMM"):
                yield Entry(at, program, str(entry.get("_PID", "")), said)
        except (ValueError, KeyError, TypeError, OverflowError, OSError, AttributeError):
            raise UnansweredError(f"journalctl: this entry is not understood: {line[:200]!r}") from None
