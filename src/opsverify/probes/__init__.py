"""Probes ask one or a few questions through a channel and parse the answer into a frozen fact. They never judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from opsverify.channels.shell import Host
from opsverify.errors import CarrierError, UnansweredError, UnreachableError

T = TypeVar("T")


@dataclass(frozen=True)
class Attempt(Generic[T]):
    """A try to use something whose very availability is what a requirement is about.

    ``value`` is what came of it, None when it failed for ``failure``. Only for requirements that say "it is up":
    for every other one a target that does not answer is an error, not a finding.
    """

    value: T | None
    failure: str = ""

    def required(self) -> T:
        """The value, where only a value will do.

        Raises:
            UnansweredError: the try failed.
        """
        if self.value is None:
            raise UnansweredError(self.failure)
        return self.value


def attempt(ask: Callable[[], T]) -> Attempt[T]:
    """Try; keep the reason when the target does not answer. A broken way to it is no reason, but an error."""
    try:
        return Attempt(ask())
    except CarrierError:
        raise
    except UnansweredError as error:
        return Attempt(None, str(error))


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Let an error say what it is about: parsers are pure, so they know a problem but no target.

    An unreachable target names itself, and was perhaps not even asked this time; its error stays as it is.
    """
    try:
        yield
    except UnreachableError:
        raise
    except UnansweredError as error:
        if str(error).startswith(f"{subject}: "):
            raise
        raise type(error)(f"{subject}: {error}") from None


def text_of(value: object) -> str:
    """A value of JSON or YAML that has to be a text.

    Raises:
        TypeError: it is none; it says of which type it is, not what it is, which in YAML may be without end.
    """
    if not isinstance(value, str):
        raise TypeError(f"no text, but a {type(value).__name__}")
    return value


def raw_output(host: Host, command: str, *arguments: str, timeout_s: float | None = None) -> bytes:
    """The output of a question that must succeed, within the host's bound or within ``timeout_s``.

    Raises:
        UnansweredError: it ended with another status than 0; says what was asked and what came back.
    """
    result = host.run(command, *arguments, timeout_s=timeout_s)
    if result.rc != 0:
        asked = host.backend.quote(command, *arguments)
        said = (result.stderr or result.stdout).strip() or "nothing"
        raise UnansweredError(f"host {host.name}: asked {asked!r}, it ended with status {result.rc} and said: {said}")
    return bytes(result.stdout_bytes)


def output(host: Host, command: str, *arguments: str, timeout_s: float | None = None) -> str:
    """As `raw_output`, as text: bytes that are no UTF-8 are spelled out, for what a host says is hostile."""
    return raw_output(host, command, *arguments, timeout_s=timeout_s).decode("utf-8", "backslashreplace")


def absent(host: Host, path: str) -> bool:
    """Whether there is no such file or folder.

    That is a fact to judge by, where a requirement asks for it; what may not be looked at is none.

    Raises:
        UnansweredError: it cannot be told.
    """
    looked = host.run("stat -L -- %s", path)
    if looked.rc == 1 and looked.stderr.strip().endswith("No such file or directory"):
        return True
    if looked.rc != 0:
        raise UnansweredError(f"host {host.name}: {path} may not be looked at: {looked.stderr.strip() or 'no reason'}")
    return False
