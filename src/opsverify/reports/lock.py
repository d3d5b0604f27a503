"""The lock of a stream in which runs go on: many may, and while one does nothing is taken away."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

RUNNING = ".running.lock"  # shared by the runs that go on, exclusive to who prunes


@contextlib.contextmanager
def going_on(stream: Path) -> Iterator[None]:
    """While a run goes on nothing is pruned in its stream, and while somebody prunes a run waits to begin.

    Where there can be no lock (a read-only folder) a run goes on without one, and fails where it has to write.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock = stack.enter_context((stream / RUNNING).open("a"))
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield
