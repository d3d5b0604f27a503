"""The canary: when everything is written, each file is searched for each loaded secret, in every spelling.

Redaction should have left nothing to be found. A file in which something is found is *withheld*: it is deleted, for a
copy of it would be a secret in a file again, wherever it lay; ``redactions.json`` says so, with its name, the name of
the secret and the line, and no digest, from which a secret can be guessed. What was withheld is missing from the
bundle in the sight of everyone, as the bundle is sealed after this, and the run has failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from opsverify import files
from opsverify.errors import reason
from opsverify.redaction import BY_LOOKS, PATTERNS, SHORTEST_SECRET, Redactor, Tally, rows
from opsverify.spellings import OVERLAP, PIECE
from opsverify.texts import visible

NAME = "redactions.json"
UNREAD = "could not be searched"
MOST_FINDS = 20  # told of one file


@dataclass(frozen=True)
class Find:
    """A secret in a file, by its name: in which form, in which line first (0: in the name of the file), how often."""

    file: str
    secret: str
    form: str
    line: int
    times: int

    def __str__(self) -> str:
        if self.form == UNREAD:
            return f"{self.file}: {UNREAD}: {self.secret}"
        where = f"line {self.line}" if self.line else "in its name"
        return f"SECRET {self.secret} ({self.form}, {where}) in {self.file}"


@dataclass(frozen=True)
class Searched:
    """What a search came to: how much was searched, what was found, and which files that was in."""

    files: int
    bytes: int
    finds: tuple[Find, ...]
    paths: tuple[Path, ...]


def search(directory: Path, redactor: Redactor, *, beside: Iterable[Path] = ()) -> Searched:
    """Search every file below a directory, and those ``beside`` it, without following links.

    What cannot be searched is a find: nobody has seen that there is nothing in it.
    """
    below, closed = _below(directory)
    files = size = 0
    finds: list[Find] = []
    paths: list[Path] = []
    everything = [*below, *(each for each in beside if each.is_file())]
    for path in everything:
        name = str(path.relative_to(directory)) if path.is_relative_to(directory) else path.name
        shown = visible(redactor.text(name, Tally()))
        try:
            if path in closed:
                raise closed[path]
            kind = path.lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)):
                raise OSError(0, "it is neither a file nor a folder")
            names = [os.fsencode(name), *([os.fsencode(path.readlink())] if stat.S_ISLNK(kind) else [])]
            found = [Find(shown, secret, hit.form, 0, 1) for each in names for secret, hit in redactor.forms(each)]
            if stat.S_ISREG(kind):
                files += 1
                size += path.stat().st_size
                found += _in(path, shown, redactor)
        except OSError as error:
            found = [Find(shown, error.strerror or type(error).__name__, UNREAD, 0, 1)]
        finds += found[:MOST_FINDS]
        paths += [path] if found else []
    return Searched(files, size, tuple(finds), tuple(paths))


def _below(directory: Path) -> tuple[list[Path], dict[Path, OSError]]:
    """Everything below a directory, and the folders that could not be looked into."""
    found: list[Path] = []
    closed: dict[Path, OSError] = {}

    def lost(error: OSError) -> None:
        closed[Path(error.filename)] = error

    for folder, folders, names in os.walk(directory, onerror=lost):
        found += [Path(folder) / each for each in (*folders, *names)]
    return sorted({*found, *closed}), closed


def _in(path: Path, shown: str, redactor: Redactor) -> list[Find]:
    """What a file holds, by secret and form, with the line of the first."""
    times: Counter[tuple[str, str]] = Counter()
    lines: dict[tuple[str, str], int] = {}
    for piece, seen, newlines in _pieces(path):
        for secret, hit in redactor.forms(piece):
            if hit.end <= seen:
                continue
            key = (secret, hit.form)
            times[key] += 1
            if key not in lines:
                lines[key] = newlines + piece.count(b"\n", 0, hit.start) + 1
    return [Find(shown, secret, form, lines[secret, form], count) for (secret, form), count in times.items()]


def _pieces(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """A file in pieces that overlap: how much of each was in the one before, and the newlines before it."""
    newlines, tail = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(PIECE):
            piece = tail + chunk
            yield piece, len(tail), newlines
            tail = piece[-OVERLAP:]
            newlines += piece.count(b"\n") - tail.count(b"\n")


def withhold(paths: Iterable[Path], top: Path) -> list[Path]:
    """Delete the files that something was found in, and those that could not be searched; which are still there.

    A folder below ``top`` that is empty then goes with them.
    """
    left: list[Path] = []
    for path in paths:
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            for folder in takewhile(lambda each: top in each.parents, path.parents):
                folder.rmdir()
        if path.exists() or path.is_symlink():
            left.append(path)
    return left


def log(
    directory: Path,
    redactor: Redactor,
    searched: Searched | None,
    *,
    checks: Mapping[str, Tally] | None = None,
) -> dict[str, Any]:
    """Write ``redactions.json``: which secret was masked by its name, where, how often and in which form.

    ``checks`` is the count of what was masked in what checks said. What an earlier search of the same run has withheld
    stays on record.
    """
    path = directory / NAME
    withheld = json.loads(path.read_bytes())["withheld"] if path.is_file() else []
    document = {
        "secrets": redactor.names,
        "shortest_secret": SHORTEST_SECRET,
        BY_LOOKS: [name for name, _ in PATTERNS],
        "exchanges": _exchanges(directory / "transcript.jsonl"),
        "checks": {name: rows(tally) for name, tally in sorted((checks or {}).items()) if tally},
        "elsewhere": rows(redactor.tally),
        "searched": {"files": searched.files, "bytes": searched.bytes} if searched else None,
        "withheld": withheld + [asdict(each) for each in searched.finds] if searched else withheld,
    }
    files.write(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    return document


def _exchanges(transcript: Path) -> dict[str, Any]:
    """What was masked in each exchange, as the transcript has it."""
    found: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError), transcript.open("rb") as file:
        for line in file:
            if b'"redacted": [' in line:
                exchange = json.loads(line)
                if exchange.get("redacted"):
                    found[str(exchange["id"])] = exchange["redacted"]
    return found


def conclude(
    directory: Path,
    redactor: Redactor,
    *,
    beside: Iterable[Path] = (),
    checks: Mapping[str, Tally] | None = None,
) -> list[str]:
    """Search what a run has written, withhold what holds a secret, and write ``redactions.json``; what to complain of.

    To be called when every other file of the directory is written, and before it is sealed; and once before that, so
    that no page shows what was withheld.

    Raises:
        OSError: ``redactions.json`` cannot be written; all was searched, and what there is to complain of is said.
    """
    beside = [each for each in beside if not each.is_relative_to(directory)]
    with contextlib.suppress(OSError):  # where there is no room for it, that is said below, when all is searched
        log(directory, redactor, None, checks=checks)  # is searched as all others are
    searched = search(directory, redactor, beside=beside)
    left = withhold(searched.paths, directory)
    told = [
        f"{each}: the file was deleted{'' if each.form == UNREAD else '; replace the secret'}"
        for each in searched.finds
    ]
    told += [f"{len(left)} of these could NOT be deleted: delete the folder of the run"] * bool(left)
    try:
        log(directory, redactor, searched, checks=checks)
    except OSError as error:
        raise OSError(error.errno, "; ".join((*told, reason(error)))) from None
    return told
