"""Facts about a script on a host: who may change it, whether it parses, and what is on record of its runs."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about, absent, output

RUNS = 20  # records from the end: the newest counts, the others show how it went before
MOST_LINKS = 40  # as many as the kernel follows
SHELLS = ("sh", "bash")  # what `-n` can tell the grammar of
OTHERS_WRITE = 0o022


@dataclass(frozen=True)
class Entry:
    """A file or folder as it lies on disk; ``kind`` in the words of stat."""

    path: str
    kind: str
    owner: str
    mode: int

    @property
    def changeable_by_others(self) -> bool:
        """Whether someone else than root may change it; a folder with the sticky bit keeps root's files."""
        # A link has no mode of its own, and the files of others in a sticky folder may not be replaced.
        harmless = self.kind == "symbolic link" or (self.kind == "directory" and bool(self.mode & 0o1000))
        return self.owner != "root" or (bool(self.mode & OTHERS_WRITE) and not harmless)

    def __str__(self) -> str:
        return f"{self.path} ({self.kind}, {self.owner}, {self.mode:04o})"


@dataclass(frozen=True)
class Script:
    """A script that is there: itself by its real path, and what lies on the way to it (folders above, links).

    ``syntax`` is what its shell objects to; empty when it parses.
    """

    entry: Entry
    above: tuple[Entry, ...]
    syntax: str


@dataclass(frozen=True)
class ScriptRun:
    """One run of a script on record."""

    script: str
    finished: datetime
    status: int


@dataclass(frozen=True)
class Runs:
    """The record of a script's runs: the file that keeps it, and its latest entries, the newest last."""

    entry: Entry
    latest: tuple[ScriptRun, ...]


def script(host: Host, path: str) -> Script | None:
    """The script; None where there is no such file, which is a fact to judge by.

    Raises:
        UnansweredError: it may not be looked at or read.
        InsufficientFactsError: it is written for another interpreter than a shell, so it cannot be told to parse.
    """
    if absent(host, path):
        return None
    entry, *way = _way(host, path)
    return Script(entry, tuple(way), _syntax(host, entry.path) if entry.kind.startswith("regular") else "")


def _way(host: Host, path: str) -> list[Entry]:
    """The file at the end of a path, by its real path, then every folder and link on the way to it.

    Whoever may change one of these has the file too.
    """
    seen: dict[str, Entry] = {}
    for _ in range(MOST_LINKS):
        here = _entries(host, [path, *(str(each) for each in PurePosixPath(path).parents)])
        seen.update((each.path, each) for each in here)
        link = next((each.path for each in reversed(here) if each.kind == "symbolic link"), None)
        if link is None:
            return [here[0], *(each for each in seen.values() if each.path != path)]
        target = output(host, shlex.join(["readlink", "--", link])).rstrip("\n")
        path = posixpath.join(posixpath.dirname(link), target) + path.removeprefix(link)
    raise UnansweredError(f"host {host.name}: {path} lies behind more than {MOST_LINKS} symbolic links")


def runs(host: Host, path: str) -> Runs | None:
    """What is on record of a script's runs; None where there is no record.

    Raises:
        UnansweredError: it cannot be read, or a record is not understood.
    """
    if absent(host, path):
        return None
    entry = _way(host, path)[0]
    with about(f"host {host.name}: {path}"):
        return Runs(entry, parse_runs(output(host, shlex.join(["tail", "-n", str(RUNS), path]))))


def parse_runs(text: str) -> tuple[ScriptRun, ...]:
    """Parse records of runs, a JSON object in each line: ``script``, ``finished`` (ISO 8601 with a zone) and ``rc``.

    Raises:
        UnansweredError: a line is no such record.
    """
    found = []
    for line in filter(str.strip, text.splitlines()):
        try:
            record = json.loads(line)
            finished = datetime.fromisoformat(record["finished"])
            name, status = record["script"], record["rc"]
            if finished.tzinfo is None or not isinstance(name, str) or type(status) is not int:
                raise ValueError
            found.append(ScriptRun(name, finished.astimezone(UTC), status))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise UnansweredError(
                f"no record of a run with script, finished (with a time zone) and rc: {line[:200]!r}"
            ) from None
    return tuple(sorted(found, key=lambda each: each.finished))


def _syntax(host: Host, path: str) -> str:
    """What the script's shell objects to; empty when it parses."""
    begin = output(host, shlex.join(["head", "-c", "128", path]))
    interpreter = parse_interpreter(begin)
    if interpreter not in SHELLS:
        raise InsufficientFactsError(
            f"host {host.name}: {path} is run by {interpreter or 'no interpreter it names'}; "
            f"only scripts of {' and '.join(SHELLS)} can be parsed without being run"
        )
    parsed = host.run(shlex.join([interpreter, "-n", path]))
    if parsed.rc == 0:
        return ""
    said = parsed.stderr.strip() or f"status {parsed.rc}"
    if "Permission denied" in said:
        raise UnansweredError(f"host {host.name}: {path} may not be read: {said}")
    return str(said.splitlines()[0])


def parse_interpreter(text: str) -> str:
    """The name of the interpreter in a script's first line (also behind env); empty where there is none."""
    # The kernel takes what ends at a blank or the line's end; a carriage return would be part of the name.
    first = re.match(r"#![ \t]*(?:/\S*/)?(?:env[ \t]+(?:-S[ \t]+)?)?(?:/\S*/)?([\w.+-]+)(?=[ \t\n]|\Z)", text)
    return first[1] if first else ""


def _entries(host: Host, paths: list[str]) -> tuple[Entry, ...]:
    told = output(host, shlex.join(["stat", "-c", "%a %U %F %n", "--", *paths]))
    with about(f"host {host.name}"):
        return parse_entries(told, paths)


def parse_entries(text: str, paths: list[str]) -> tuple[Entry, ...]:
    """Parse ``stat -c '%a %U %F %n'`` of these paths: names and kinds may hold blanks, so a line must end in its path.

    Raises:
        UnansweredError: a line is missing or not understood.
    """
    found = []
    lines = text.splitlines()
    if len(lines) != len(paths):
        raise UnansweredError(f"stat: {len(lines)} lines for {len(paths)} files: {text[:200]!r}")
    for line, path in zip(lines, paths, strict=True):
        parts = re.fullmatch(rf"([0-7]{{1,5}}) (\S+) (.+) {re.escape(path)}", line)
        if parts is None:
            raise UnansweredError(f"stat: this line is not understood: {line!r}")
        found.append(Entry(path, parts[3], parts[2], int(parts[1], 8)))
    return tuple(found)
