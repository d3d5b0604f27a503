"""The files that people keep on file, changed on this machine: no system has a part in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from lab.settings import STATE

DOCUMENTS = STATE / "documents"


@contextlib.contextmanager
def document(name: str, change: Callable[[str], str]) -> Iterator[None]:
    """A document says something else."""
    path = DOCUMENTS / name
    before = path.read_text(encoding="utf-8")
    after = change(before)
    if after == before:
        raise ValueError(f"{name}: the change changes nothing")
    path.write_text(after, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


@contextlib.contextmanager
def document_gone(name: str) -> Iterator[None]:
    """A document is not there."""
    path = DOCUMENTS / name
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


@contextlib.contextmanager
def document_added(name: str, text: str) -> Iterator[None]:
    """There is one more document."""
    path = DOCUMENTS / name
    if path.exists():
        raise ValueError(f"{name} is there already")
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.unlink()
