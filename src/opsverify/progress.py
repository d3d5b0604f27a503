"""Progress of what takes long: one line that keeps changing on a terminal, a plain line now and then elsewhere.

It is for whoever waits, and no part of the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

SHOWN_AFTER_S = 2.0
PLAIN_EVERY_S = 10.0
TTY_EVERY_S = 0.25
ERASED = "\r\x1b[2K"


class Progress(Protocol):
    """Is told that so many of so many are done; first with none done, at last with all."""

    def __call__(self, what: str, done: int, of: int) -> None: ...


def unseen(what: str, done: int, of: int) -> None:
    """Progress that nobody watches."""


class ProgressLine:
    """Shows progress through ``write``; ``tty`` tells whether a line may be written over."""

    def __init__(self, write: Callable[[str], None], *, tty: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._tty = tty
        self._clock = clock
        self._what = ""
        self._begun = 0.0
        self._shown = 0.0  # when something was shown last; 0 when nothing was

    def __call__(self, what: str, done: int, of: int) -> None:
        """Show a line when it is time for one, and clear it away in the end."""
        now = self._clock()
        if done == 0 and what != self._what:
            self._what, self._begun, self._shown = what, now, 0.0
        if done == of:
            if self._shown and self._tty:
                self._write(ERASED)
            self._what = ""
        elif now - self._begun >= SHOWN_AFTER_S:
            self._show(f"{what}: {done} of {of} read, {now - self._begun:.0f} s", now)

    def _show(self, line: str, now: float) -> None:
        first = not self._shown
        if not first and now - self._shown < (TTY_EVERY_S if self._tty else PLAIN_EVERY_S):
            return
        if self._tty:
            self._write(("\n" if first else ERASED) + line)
        else:
            self._write(f"\n{line}\n" if first else f"{line}\n")
        self._shown = now
