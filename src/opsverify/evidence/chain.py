"""The chain of a stream: each sealed run names the one before it, and ``HEAD`` the newest.

``PREV`` in a run and ``HEAD`` beside the runs are one line that ``sha256sum -c`` understands in the stream's folder:
the digest and the path of a run's ``SHA256SUMS``. What a run is called and when it began decides nothing: the order is
that of sealing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from opsverify import files
from opsverify.errors import OpsverifyError
from opsverify.evidence import manifest
from opsverify.evidence.manifest import SUMS, ManifestError

PREV, HEAD, LOCK, PRUNED = "PREV", "HEAD", ".chain.lock", "PRUNED"
RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
FIRST = "none: this is the first run of its stream\n"
WAIT_S = 60.0  # for whoever seals just now


class ChainError(OpsverifyError):
    """A chain cannot be read or added to: what, and why."""


class Entry(NamedTuple):
    """A sealed run: the name of its folder, and the SHA-256 of its ``SHA256SUMS``."""

    run: str
    digest: str

    @property
    def line(self) -> bytes:
        """As it stands in ``PREV`` and ``HEAD``."""
        return manifest.dump({f"{self.run}/{SUMS}": self.digest})


class Newest(NamedTuple):
    """The run that the next one follows (None: there is none yet), and what has to be said about how it was found."""

    entry: Entry | None
    remark: str = ""


def parse(content: bytes) -> Entry | None:
    """What a ``PREV`` or ``HEAD`` says; None of the first run.

    Raises:
        ChainError: it is not understood.
    """
    if content == FIRST.encode():
        return None
    try:
        ((path, digest),) = manifest.parse(content).items()
    except (ManifestError, ValueError):
        raise ChainError(f"is not one line of a digest and <run>/{SUMS}") from None
    run, _, file = path.partition("/")
    if file != SUMS or not RUN.fullmatch(run):
        raise ChainError(f"is not one line of a digest and <run>/{SUMS}")
    return Entry(run, digest)


def read(path: Path) -> Entry | None:
    """What a ``PREV`` or ``HEAD`` says; None of the first run.

    Raises:
        ChainError: it is not there, or not understood.
    """
    try:
        return parse(manifest.content(path))
    except OSError as error:
        raise ChainError(f"cannot be read: {error.strerror}") from None


def runs(stream: Path) -> list[str]:
    """The names of the folders of runs, sorted; links, and what else lies there, are none.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(stream) as entries:
        return sorted(each.name for each in entries if RUN.fullmatch(each.name) and each.is_dir(follow_symlinks=False))


def pruned(stream: Path) -> frozenset[Entry]:
    """The runs that were taken away on purpose, by the file that says so; none where there is no such file.

    Raises:
        ChainError: it is not understood.
    """
    path = stream / PRUNED
    try:
        lines = manifest.content(path).splitlines(keepends=True)
        return frozenset(each for each in map(parse, lines) if each is not None)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise ChainError(f"{PRUNED}: cannot be read: {error.strerror}") from None
    except ChainError as error:
        raise ChainError(f"{PRUNED}: a line {error}") from None


@contextlib.contextmanager
def locked(stream: Path, seconds: float = WAIT_S) -> Iterator[None]:
    """Alone at the end of the chain. The lock goes with the process, however it ends.

    Raises:
        ChainError: somebody else has held it for so long.
        OSError: there can be no lock.
    """
    until = time.monotonic() + seconds
    with (stream / LOCK).open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise ChainError(f"another run has been sealing for {seconds:g} s ({LOCK})") from None
                time.sleep(0.05)
        yield


def newest(stream: Path) -> Newest:
    """The last run of the chain; only who holds the lock may rely on it.

    That is what ``HEAD`` says, or what follows it: a run that was killed after it was sealed had no time to say so.

    Raises:
        OSError: the stream cannot be read.
    """
    sealed = dict(_sealed(stream))
    try:
        head, problem = read(stream / HEAD), "says that there is no run"
    except ChainError as error:
        head, problem = None, str(error)
    remark = ""
    if head is None:
        head = _tip(sealed)
        lost = (stream / HEAD).exists() or head is not None
        remark = f"{HEAD} {problem}; the chain goes on after {head.run if head else 'nothing'}" if lost else ""
    elif sealed.get(head.run, ("", None))[0] != head.digest:
        remark = f"{head.run}: is the newest run by {HEAD}, and is not there as it was sealed"
    seen: set[Entry] = set()
    while head is not None and head not in seen:
        seen.add(head)
        after = [Entry(name, digest) for name, (digest, before) in sealed.items() if before == head]
        head = max(after, default=head)
    return Newest(head, remark)


def _sealed(stream: Path) -> Iterator[tuple[str, tuple[str, Entry | None]]]:
    """The sealed runs: the digest of each, and which one it follows."""
    for name in runs(stream):
        with contextlib.suppress(OSError, ChainError):
            digest = manifest.digest_of(manifest.content(stream / name / SUMS))
            yield name, (digest, read(stream / name / PREV))


def _tip(sealed: dict[str, tuple[str, Entry | None]]) -> Entry | None:
    """The newest of the runs that no other one follows."""
    followed = {before for _, before in sealed.values()}
    return max(
        (each for each in (Entry(name, digest) for name, (digest, _) in sealed.items()) if each not in followed),
        default=None,
    )


def point(stream: Path, entry: Entry) -> None:
    """Let ``HEAD`` say that this run is the newest."""
    files.write(stream / HEAD, entry.line)
