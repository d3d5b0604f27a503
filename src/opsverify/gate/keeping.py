"""Where the gates of a change are kept: complete or not at all, one at a time, and read back as they were written.

``reports/<profile>/gates/<CHANGE>/<UTC>-<id>-<phase>/`` holds ``gate.json``, ``gate.html``, ``transcript.jsonl``,
``redactions.json`` and ``SHA256SUMS`` of these. A gate writes into a folder whose name begins with a dot, and gives it
its name when all of it is there: what a gate that was killed leaves behind is never taken for the word of a gate.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import getpass
import hashlib
import json
import os
import re
import shutil
import socket  # noqa: TID251  only for the name of this machine, no connection
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from pydantic import ValidationError

from opsverify import canary, files
from opsverify.catalogue import first_problem
from opsverify.errors import OpsverifyError, UsageError
from opsverify.gate.story import Phase, Story
from opsverify.redaction import Redactor
from opsverify.texts import visible

LOCK = ".lock"
GATE, PAGE, TRANSCRIPT, SUMS = "gate.json", "gate.html", "transcript.jsonl", "SHA256SUMS"
NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}-(?P<phase>pre|post)")
LONGEST = 256 * 1024 * 1024  # bytes of a gate.json; more is none that a gate wrote


class NotKeptError(OpsverifyError):
    """What a gate has to say could not be written down: whatever it was, nobody could look it up."""


class LeakError(NotKeptError):
    """A secret was about to be kept."""


class Kept(NamedTuple):
    """A gate that was held, with the folder that it is kept in."""

    directory: Path
    story: Story


class Stories(NamedTuple):
    """The gates of a change, the oldest first, and one line about each that cannot be read any more."""

    kept: list[Kept]
    damaged: list[str]


def folder(root: Path, profile: str, change: str) -> Path:
    """The folder of the gates of a change; it need not be there."""
    return root / "reports" / profile / "gates" / change


@contextlib.contextmanager
def held(gates: Path, phase: Phase, now: dt.datetime) -> Iterator[None]:
    """One gate at a time on a change; what earlier ones left unfinished is removed.

    The lock goes with the process, however it ends.

    Raises:
        UsageError: another gate is on this change, or the folder cannot be written to.
    """
    try:
        gates.mkdir(parents=True, exist_ok=True)
        lock = (gates / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{gates.name}: gates cannot be kept in {gates.parent.name}/: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{gates.name}: {_holder(lock)}; wait until it has ended") from None
        _sign(lock, f"a {phase} gate of {getpass.getuser()} on {socket.gethostname()}", now)
        _sweep(gates)
        yield


def _holder(lock: IO[str]) -> str:
    """Who holds a lock, by what they wrote into it."""
    lock.seek(0)
    told = visible(lock.read(500)).split("\n")[0].strip()
    return f"another gate is on this change already: {told}" if told else "another gate is on this change already"


def _sign(lock: IO[str], who: str, now: dt.datetime) -> None:
    lock.truncate(0)
    lock.write(f"{who} since {now.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC, process {os.getpid()}\n")
    lock.flush()


def _sweep(gates: Path) -> None:
    """Remove what gates that were killed left behind. Only who holds the lock may do so."""
    for each in gates.iterdir():
        if each.name.startswith(".") and NAME.fullmatch(each.name[1:]) and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)


def draft(gates: Path, name: str, phase: Phase) -> Path:
    """The folder that a gate writes into, which it has to make; `keep` gives it its name."""
    return gates / f".{name}-{phase}"


def final(directory: Path) -> Path:
    """Where a draft will be when it is kept."""
    return directory.with_name(directory.name.removeprefix("."))


def redacted(story: Story, redactor: Redactor) -> Story:
    """A story without any secret."""
    return Story.model_validate_json(json.dumps(redactor.value(json.loads(story.model_dump_json()))))


def keep(directory: Path, story: Story, page: str, redactor: Redactor) -> Path:
    """Write a story and its page into its draft, and give it its name in one step; where it is then.

    Nothing is kept, and nothing left behind, where a file of it holds a loaded secret in any spelling.

    Raises:
        LeakError: a secret would have been kept.
        NotKeptError: it cannot be written.
    """
    (directory / TRANSCRIPT).touch()
    try:
        files.write(directory / PAGE, page)
        files.write(directory / GATE, story.model_dump_json(indent=1) + "\n")
        canary.log(directory, redactor, None)
        searched = canary.search(directory, redactor)
        if searched.finds:
            shutil.rmtree(directory)
            found = "; ".join(dict.fromkeys(str(each) for each in searched.finds))
            raise LeakError(f"{found}; nothing is kept, replace the secret")
        canary.log(directory, redactor, searched)
        sums = []
        for each in sorted(directory.iterdir()):
            content = each.read_bytes()
            sums.append(f"{hashlib.sha256(content).hexdigest()}  {each.name}\n")
        files.write(directory / SUMS, "".join(sums))
        files.settle(directory)
        directory.rename(final(directory))
        files.settle(directory.parent)
    except OSError as error:
        raise NotKeptError(f"{final(directory).name}: cannot be kept: {error.strerror}") from None
    return final(directory)


def stories(gates: Path, root: Path, phase: Phase | None = None) -> Stories:
    """What gates were held on a change, of one phase or of both; drafts are none.

    Raises:
        UsageError: the folder cannot be read.
    """
    try:
        names = sorted(each.name for each in gates.iterdir()) if gates.exists() else []
    except OSError as error:
        raise UsageError(f"{gates.name}: cannot be read: {error.strerror}") from None
    found = Stories([], [])
    for name in names:
        match = NAME.fullmatch(name)
        if match is None or phase not in (None, match["phase"]):
            continue
        try:
            found.kept.append(Kept(gates / name, _read(gates / name, root)))
        except UsageError as error:
            found.damaged.append(str(error))
    return Stories(sorted(found.kept, key=lambda each: (each.story.start, each.directory.name)), found.damaged)


def _read(directory: Path, root: Path) -> Story:
    """One story, as it was written.

    Raises:
        UsageError: it is not there, was changed, or is none.
    """
    path = directory / GATE
    shown = path.relative_to(root) if path.is_relative_to(root) else path.name
    try:
        if path.stat().st_size > LONGEST:
            raise UsageError(f"{shown}: is too large to be a gate's, move its folder away")
        content = path.read_bytes()
        sums = (directory / SUMS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no UTF-8"
        raise UsageError(f"{shown}: cannot be read ({why}): restore its folder, or move it away") from None
    if f"{hashlib.sha256(content).hexdigest()}  {GATE}" not in sums.splitlines():
        raise UsageError(f"{shown}: is not what the gate wrote (SHA256SUMS): restore it, or move its folder away")
    try:
        story = Story.model_validate_json(content)
    except ValidationError as error:
        raise UsageError(f"{shown}: {first_problem(error)[:300]}") from None
    if directory.name.rpartition("-")[0].rpartition("-")[2] != story.id or not directory.name.endswith(story.phase):
        raise UsageError(f"{shown}: is of gate {story.id} ({story.phase}), which belongs in a folder of that name")
    return story
