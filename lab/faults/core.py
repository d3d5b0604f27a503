"""What the faults share: waiting, several at once, a command and what undoes it, an edited file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from lab import engine


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for a condition, at most so long.

    Raises:
        TimeoutError: it did not come true.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for: {what}")
        time.sleep(0.25)


def is_healthy(service: str) -> bool:
    """Whether the service's container runs and calls itself healthy."""
    found = engine.containers()[service]["State"]
    return bool(found["Running"] and found["Health"]["Status"] == "healthy")


def wait_healthy(*services: str) -> None:
    """Wait until the services are healthy."""
    for service in services:
        wait_until(lambda service=service: is_healthy(service), f"{service} healthy")  # type: ignore[misc]


@contextlib.contextmanager
def all_of(*parts: contextlib.AbstractContextManager[object], pause: float = 0) -> Iterator[None]:
    """Several faults at once, in this order, and healed in the opposite one; ``pause`` seconds old."""
    with contextlib.ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        time.sleep(pause)
        yield


@contextlib.contextmanager
def file_edited(service: str, path: str, old: str, new: str, after: tuple[str, ...] = ()) -> Iterator[None]:
    """A file in a service's container has ``new`` in place of ``old``; ``after`` is run after each change."""
    before = engine.inside(service, "cat", path)
    if old not in before:
        raise ValueError(f"{service}:{path} does not contain {old!r}")

    def write(text: str) -> None:
        engine.inside(service, "sh", "-c", f"cat > {path}", stdin=text.encode())
        if after:
            engine.inside(service, *after)
            time.sleep(0.5)

    try:
        write(before.replace(old, new))
        yield
    finally:
        write(before)
