"""Programs that the gate starts: the suite itself, and the hook on NO-GO. None of them outlives being told to end.

Each has a process group of its own, so that whoever presses Ctrl-C ends the gate, and the gate ends them, in order.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess  # noqa: TID251  starts the suite and the hook; no system is asked anything through it
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from opsverify.ending import heard_later
from opsverify.errors import UsageError

GRACE_S = 10.0  # for what is told to end to do so in order
DRAIN_S = 2.0  # for the last words of a program that has ended
LONGEST_LINE = 8192  # bytes of a line; the rest of it is not kept
SHOWN_OF_LINE = 4096
HEAD, TAIL = 200, 600  # lines of a program's output that are kept


class Ended(NamedTuple):
    """How a program ended (None: it had to be ended), after how many seconds, and what it said."""

    status: int | None
    seconds: float
    output: str


def watched(command: Sequence[str], root: Path) -> int:
    """Run a program on this terminal until it ends; its exit status (negative: the signal that ended it).

    Told to end (`KeyboardInterrupt`), it first ends the program: politely, so that it can write down what it has.
    """
    with _started(command, root, (signal.SIGINT, signal.SIGTERM)) as child:
        return child.wait()


def bounded(
    command: Sequence[str], root: Path, seconds: float, redact: Callable[[str], str], say: Callable[[str], None]
) -> Ended:
    """Run a program for so many seconds at most, show each line of what it says at once, and keep the most of them.

    Raises:
        UsageError: it cannot be started.
    """
    begun = time.monotonic()
    kept = Output(redact, say)
    status: int | None = None
    with _started(command, root, (signal.SIGTERM,), kept) as child:
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            end(child, (signal.SIGTERM,))
    return Ended(status, time.monotonic() - begun, kept.text())


@contextlib.contextmanager
def _started(
    command: Sequence[str], root: Path, politely: Sequence[signal.Signals], kept: Output | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends when whoever watches it is told to end, also while it is only being started."""
    stdout, stderr = (None, None) if kept is None else (subprocess.PIPE, subprocess.STDOUT)
    child = None
    try:
        with heard_later():
            try:
                child = subprocess.Popen(  # noqa: S603  every word is the record's or ours, and no shell
                    command, cwd=root, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, process_group=0
                )
            except (OSError, ValueError) as error:
                raise UsageError(f"{command[0]}: cannot be started: {error}") from None
            if kept is not None and child.stdout is not None:
                kept.follow(child.stdout)
        yield child
    except BaseException:
        if child is not None:
            end(child, politely)
        raise


def end(child: subprocess.Popen[bytes], politely: Sequence[signal.Signals]) -> None:
    """End a program with all that is in its group: by these signals, one after the other, and then for good."""
    for each in politely:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, each)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_S)
            break
    # Also where it has ended itself: what it started and left in its group ends with it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


class Output:
    """What a program says, line by line: shown at once, and the first and last of it kept, without any secret."""

    def __init__(self, redact: Callable[[str], str], say: Callable[[str], None]) -> None:
        self._redact = redact
        self._say = say
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._lines = 0
        self._lock = threading.Lock()
        self._reader: threading.Thread | None = None

    def follow(self, stream: IO[bytes]) -> None:
        """Read a stream to its end in the background, and close it."""
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        whole = True
        with stream:
            while part := stream.readline(LONGEST_LINE):
                begins, whole = whole, part.endswith(b"\n")
                if begins:  # the rest of a line without an end is read, and not kept
                    self._take(part.decode("utf-8", "backslashreplace").rstrip("\r\n"))

    def _take(self, line: str) -> None:
        # Redacted before it is cut: half a secret would not be known as one.
        shown = self._redact(line)
        shown = shown if len(shown) <= SHOWN_OF_LINE else f"{shown[:SHOWN_OF_LINE]} …"
        with self._lock:
            self._lines += 1
            (self._head if self._lines <= HEAD else self._tail).append(shown)
        with contextlib.suppress(OSError, ValueError):  # nobody looks any more; the program is not to stop for that
            self._say(shown)

    def text(self) -> str:
        """What is kept of it."""
        if self._reader is not None:
            # What the program has left running may hold on to its output: that is not waited for.
            self._reader.join(DRAIN_S)
        with self._lock:
            left_out = self._lines - len(self._head) - len(self._tail)
            gap = [f"[{left_out} lines are left out here]"] if left_out else []
            return self._redact("\n".join([*self._head, *gap, *self._tail]))
