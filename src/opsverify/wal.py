"""Write-ahead log as PostgreSQL counts it: positions, segments, timelines, and what leads from here to there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from opsverify.errors import UnansweredError

SEGMENT = re.compile(r"[0-9A-F]{24}\Z")
HISTORY = re.compile(r"([0-9A-F]{8})\.history\Z")
POSITION = re.compile(r"([0-9A-F]{1,8})/([0-9A-F]{1,8})\Z")
SWITCH = re.compile(r"\s*(\d{1,10})\s+(\S+)(\s.*)?\Z")

# pg_waldump's lines about the ends of transactions, and others that it writes about transactions.
RECORD = rb"rmgr: Transaction +len [^,]*, tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), prev [0-9A-F]+/[0-9A-F]+, desc: "
ENDED = re.compile(
    RECORD + rb"(COMMIT|ABORT)(?:_PREPARED (\d+):)? (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? UTC)\b"
)
OTHERS = re.compile(RECORD + rb"(?!COMMIT|ABORT)|first record is after ")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,6}))? ?(?:UTC|\+00)")


@dataclass(frozen=True)
class Segment:
    """One segment: its timeline, and its number counted from the beginning of all log."""

    timeline: int
    number: int


@dataclass(frozen=True)
class Switch:
    """A line of a timeline's history: up to ``position`` (bytes) the log is that of ``timeline``."""

    timeline: int
    position: int


@dataclass(frozen=True)
class Start:
    """Where recovery of a base backup starts: its timeline and position, and the segment that holds it."""

    timeline: int
    position: int
    segment: str


def position(text: str) -> int:
    """The bytes before a position such as ``0/4000028``.

    Raises:
        UnansweredError: it is none.
    """
    match = POSITION.match(text)
    if match is None:
        raise UnansweredError(f"{text!r} is no position in the write-ahead log")
    return (int(match[1], 16) << 32) + int(match[2], 16)


def segment(name: str, size: int) -> Segment | None:
    """The segment of ``size`` bytes that a file's name tells; None for any other file."""
    if not SEGMENT.match(name):
        return None
    timeline, high, low = (int(name[at : at + 8], 16) for at in (0, 8, 16))
    per_high = (1 << 32) // size
    return Segment(timeline, high * per_high + low) if low < per_high else None


def name_of(found: Segment, size: int) -> str:
    """The name of the file that holds a segment."""
    high, low = divmod(found.number, (1 << 32) // size)
    return f"{found.timeline:08X}{high:08X}{low:08X}"


def parse_history(text: str) -> tuple[Switch, ...]:
    """Parse a timeline's history file: parent timelines and where each was left, the oldest first.

    Raises:
        UnansweredError: a line is not understood, or the lines are out of order.
    """
    found: list[Switch] = []
    for line in text.split("\n"):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        match = SWITCH.match(said)
        if match is None:
            raise UnansweredError(f"timeline history: this line is not understood: {line!r}")
        found.append(Switch(int(match[1]), position(match[2])))
    for earlier, later in itertools.pairwise(found):
        if later.timeline <= earlier.timeline or later.position < earlier.position:
            raise UnansweredError(f"timeline history: timeline {later.timeline} comes after {earlier.timeline}")
    return tuple(found)


def lies_on(start: Start, timeline: int, history: Sequence[Switch]) -> bool:
    """Whether recovery from ``start`` can follow ``timeline``: it is that one, or an ancestor that was left later."""
    if start.timeline == timeline:
        return True
    return any(each.timeline == start.timeline and start.position <= each.position for each in history)


def leading(start: Start, end: Segment, history: Sequence[Switch], size: int) -> list[str]:
    """The names of the segments that recovery reads from ``start`` to ``end``, on whose timeline ``history`` is.

    A segment in which the timeline changes is read on the new timeline, whose file holds the old beginning too.
    """
    timelines = [*(each.timeline for each in history), end.timeline]
    begins = [(each.position // size, timelines[at + 1]) for at, each in enumerate(history)]
    begins.reverse()

    def timeline(number: int) -> int:
        return next((found for begin, found in begins if number >= begin), timelines[0])

    first = start.position // size
    return [name_of(Segment(timeline(number), number), size) for number in range(first, end.number + 1)]


def moment(text: str) -> datetime:
    """A moment as the server's log, psql and pg_waldump write it where their zone is UTC.

    Raises:
        UnansweredError: it is none.
    """
    match = MOMENT.fullmatch(text.strip())
    if match is None:
        raise UnansweredError(f"{text!r} is no moment in UTC")
    return datetime.fromisoformat(f"{match[1]}.{match[2] or '0':0<6}+00:00")


@dataclass(frozen=True)
class Target:
    """A moment to recover to: there recovery has to stop, before ``ending`` (commit or abort) of a transaction.

    That one ended at ``at``, after the moment; ``commits`` of the archive are replayed before.
    """

    moment: datetime
    ending: str
    transaction: int
    at: datetime
    commits: int


class Targets:
    """Finds the moment to recover to, from what pg_waldump tells of transactions; feed it every segment in order.

    ``after`` is the position at which the base backup is consistent: recovery cannot stop before. Without ``wanted``
    the moment lies between the last two commits, so that all of the archive is replayed but the last transactions.
    """

    def __init__(self, after: int, wanted: datetime | None = None) -> None:
        self.after = after
        self.wanted = wanted
        self.found: Target | None = None
        self.commits = 0
        self._newest: datetime | None = None

    def feed(self, lines: Iterable[bytes]) -> int:
        """Take lines in; returns how many commits there were so far.

        Raises:
            UnansweredError: a line is not understood.
        """
        for line in lines:
            match = ENDED.match(line)
            if match is not None:
                ended = moment(match[5].decode())
                self._take(position(match[2].decode()), match[3].decode().lower(), int(match[4] or match[1]), ended)
            elif line.strip() and not OTHERS.match(line):
                raise UnansweredError(f"pg_waldump: this line is not understood: {line[:200]!r}")
        return self.commits

    def _take(self, at: int, ending: str, transaction: int, ended: datetime) -> None:
        newest = self._newest
        if at >= self.after and newest is not None and self.commits:
            if self.wanted is None and ending == "commit" and ended > newest:
                self.found = Target(newest + (ended - newest) / 2, ending, transaction, ended, self.commits)
            elif self.wanted is not None and self.found is None and newest <= self.wanted < ended:
                self.found = Target(self.wanted, ending, transaction, ended, self.commits)
        self._newest = ended if newest is None else max(newest, ended)
        if at >= self.after and ending == "commit":
            self.commits += 1
