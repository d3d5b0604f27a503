"""Whoever is spoken to and says nothing."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

SILENT_PORT = 15999


@contextlib.contextmanager
def silent_listener() -> Iterator[None]:
    """A port of this machine that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", SILENT_PORT), backlog=128):
        yield
