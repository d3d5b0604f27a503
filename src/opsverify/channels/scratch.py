"""The scratch channel: PostgreSQL's own programs, in a place of their own that is gone afterwards.

Restore drills work here, and nowhere else. The place is a container of a local image without any network, or a new
folder of this machine under an account without rights. What runs in it listens on a Unix socket in that folder alone,
gets no environment but what is written here, and is told no name or address of any system.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, Self, TypeVar

from opsverify import stores
from opsverify.channels.base import LONGEST_ANSWER, Channel
from opsverify.channels.coding import Coding
from opsverify.channels.places import START_S, Place, in_container, on_runner
from opsverify.ending import ENDING, heard_later
from opsverify.errors import UnansweredError
from opsverify.transcript import Transcript

R = TypeVar("R")
Feed = Callable[[IO[bytes]], None]

POSTGRES = frozenset("initdb pg_ctl psql pg_restore pg_waldump pg_verifybackup pg_amcheck pg_controldata".split())  # noqa: SIM905
TOOLS = frozenset({"tar", "dd", "mkdir", "df", "cat", "rm", "chmod"})
SHOWN = 4096
ADDED = re.compile(r"(DETAIL|CONTEXT|Command was): ")


class ProgramFailedError(UnansweredError):
    """A program that read something failed on it."""


class Answer(NamedTuple):
    """What a program ended with and said."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def words(self) -> str:
        """The last line that it complained with."""
        lines = (self.stderr.strip() or self.stdout.decode(errors="backslashreplace").strip()).splitlines()
        return lines[-1] if lines else "nothing"


class Scratch(Channel):
    """Programs of PostgreSQL in a place of their own; use it as a context, which takes the place away at its end.

    Args:
        spec: the profile's.
        timeout_s: the bound on each program, in seconds.
        transcript: where each program is written down with what it said, but never the data that it was handed.
    """

    kind = "scratch"

    def __init__(self, spec: stores.Scratch, timeout_s: float, transcript: Transcript) -> None:
        super().__init__("scratch", "runner", timeout_s, transcript)
        self._spec = spec
        self._place: Place | None = None

    def __enter__(self) -> Self:
        """Make the place.

        Raises:
            UnansweredError: there is nothing to run PostgreSQL with.
        """
        try:
            with _uninterrupted():
                self.exchange("a place to restore to", self._make, Coding(lambda found: found.name))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the place away, with all that is in it and runs in it."""
        if self._place is not None:
            with _uninterrupted():
                try:
                    self.timeout_s = min(self.timeout_s, START_S)
                    with contextlib.suppress(UnansweredError):
                        self.run("pg_ctl", "stop", "-D", f"{self.folder}/data", "-m", "immediate", "-s")
                finally:  # whatever goes wrong here too
                    self._place.remove()
                    self._place = None

    @property
    def place(self) -> Place:
        """The place that was made."""
        if self._place is None:
            raise RuntimeError("the scratch place is used outside of its context")
        return self._place

    @property
    def folder(self) -> str:
        """The folder for work, as the programs see it."""
        return self.place.folder

    def _make(self) -> Place:
        self._place = in_container(self._spec.image) if self._spec.image else on_runner(self._spec.bin)
        return self._place

    def run(self, program: str, *arguments: str, feed: Feed | None = None, shown: str = "") -> Answer:
        """Run a program to its end; ``feed`` writes to its input, ``shown`` says in the transcript what.

        Raises:
            RefusedError: it is none of the programs that drills are made of.
            UnansweredError: it took longer than ``timeout_s``.
        """

        def send() -> Answer:
            with self._started(program, arguments, feed is not None, subprocess.DEVNULL) as (process, out, err):
                if feed is not None and process.stdin is not None:
                    # It has ended before it read all; why is in its status.
                    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                        feed(pipe)
                process.wait()
                said = _tail(err).decode(errors="backslashreplace")
                return Answer(process.returncode, _tail(out), _without_rows(program, said))

        return self.exchange(self._question(program, arguments, shown), send, Coding(_shown))

    def read(self, program: str, *arguments: str, by: Callable[[Iterator[bytes]], R]) -> R:
        """Run a program and give the lines of its output, however many, to ``by``; returns what that returns.

        Raises:
            ProgramFailedError: it failed.
            UnansweredError: it took too long.
        """

        def send() -> R:
            with self._started(program, arguments, False, subprocess.PIPE) as (process, _, err):
                assert process.stdout is not None
                found = by(iter(process.stdout))
                process.stdout.close()
                if process.wait() != 0:
                    answer = Answer(process.returncode, b"", _tail(err).decode(errors="backslashreplace"))
                    raise ProgramFailedError(f"{program} ended with status {answer.status} and said: {answer.words}")
            return found

        return self.exchange(self._question(program, arguments, ""), send, Coding(lambda found: repr(found)[:SHOWN]))

    def free(self) -> int:
        """The bytes that the place has left."""
        answer = self.run("df", "-Pk", self.folder)
        fields = answer.stdout.decode().splitlines()[-1].split()
        if answer.status != 0 or len(fields) < 6 or not fields[3].isdigit():
            raise UnansweredError(f"scratch: df is not understood: {answer.words}")
        return int(fields[3]) * 1024

    def _question(self, program: str, arguments: tuple[str, ...], shown: str) -> dict[str, Any]:
        question = {"program": program, "arguments": list(arguments), **({"input": shown} if shown else {})}
        if program not in POSTGRES | TOOLS:
            raise self.refuse(question, "drills need no such program")
        return question

    @contextlib.contextmanager
    def _started(
        self, program: str, arguments: tuple[str, ...], fed: bool, output: int
    ) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]]:
        """A program that runs; at the end of the context, or of its time, it does so no more."""
        known = program in POSTGRES and self.place.programs
        line = [*self.place.prefix, f"{self.place.programs}/{program}" if known else program, *arguments]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                process = subprocess.Popen(
                    line,
                    stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if output == subprocess.PIPE else out,
                    stderr=err,
                    env=self.place.environment,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise UnansweredError(f"scratch: {program} cannot be run: {error.strerror}") from None
            late = threading.Event()
            timer = threading.Timer(self.timeout_s, _end_late, (process, late))
            timer.start()
            try:
                yield process, out, err
            except BrokenPipeError:
                raise UnansweredError(f"scratch: {program} ended before it had read all") from None
            finally:
                timer.cancel()
                _kill(process)
                process.wait()
                if late.is_set():
                    raise UnansweredError(f"scratch: {program} did not end within {self.timeout_s:g} s")


def _end_late(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _tail(stream: IO[bytes]) -> bytes:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - LONGEST_ANSWER))
    return stream.read()


def _without_rows(program: str, said: str) -> str:
    """What a program complained of, but for what PostgreSQL adds to an error: that quotes rows of the backup."""
    kept: list[str] = []
    about_rows = False
    for line in said.split("\n"):
        about_rows = bool(ADDED.match(line)) or (about_rows and not line.startswith(f"{program}:"))
        if not about_rows:
            kept.append(line)
    return "\n".join(kept)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals to end wait for their turn, and programs that are started do not hear of them.

    Blocking them is for the programs, which inherit that; it holds back none that another thread of ours takes.
    """
    with heard_later():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shown(answer: Answer) -> dict[str, Any]:
    stdout = answer.stdout[-SHOWN:].decode(errors="backslashreplace")
    return {"exit_status": answer.status, "stdout": stdout, "stderr": answer.stderr[-SHOWN:]}
