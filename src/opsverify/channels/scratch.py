"""The scratch channel: PostgreSQL's own programs, in a place of their own that is gone afterwards.

Restore drills work here, and nowhere else. The place is a container of a local image without any network, or a new
folder of this machine under an account without rights. What runs in it listens on a Unix socket in that folder alone,
gets no environment but what is written here, and is told no name or address of any system.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, TypeVar

from opsverify import stores
from opsverify.channels.base import LONGEST_ANSWER, Channel
from opsverify.errors import UnansweredError
from opsverify.transcript import Transcript

R = TypeVar("R")
Feed = Callable[[IO[bytes]], None]

POSTGRES = frozenset("initdb pg_ctl psql pg_restore pg_waldump pg_verifybackup pg_amcheck pg_controldata".split())  # noqa: SIM905
TOOLS = frozenset({"tar", "dd", "mkdir", "df", "cat", "rm"})
# Debian's and PGDG's folders of the server's programs, which are in nobody's PATH.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
ACCOUNTS = ("postgres", "nobody")  # under whom the server runs where the suite is root, as which it refuses to
SPOKEN = {"LC_ALL": "C", "TZ": "UTC"}  # the parsers read one language and one zone
LABEL = "opsverify=scratch"
CLIENT = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR")  # what finds the container engine
LIFETIME_S = 6 * 3600  # a container that nobody removed, because the suite was killed, ends by itself
START_S = 60
SHOWN = 4096


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


@dataclass(frozen=True)
class Place:
    """Where programs run: what stands in front of each, their folder, their work's folder, and how to take it away."""

    name: str
    prefix: tuple[str, ...]
    programs: str
    folder: str
    remove: Callable[[], None]
    environment: dict[str, str] = field(default_factory=dict)


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
        self._place = self.exchange("a place to restore to", self._make, lambda found: found.name)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the place away, with all that is in it and runs in it."""
        if self._place is not None:
            try:
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
        return in_container(self._spec.image) if self._spec.image else on_runner(self._spec.bin)

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
                return Answer(process.returncode, _tail(out), _tail(err).decode(errors="backslashreplace"))

        return self.exchange(self._question(program, arguments, shown), send, _shown)

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

        return self.exchange(self._question(program, arguments, ""), send, lambda found: repr(found)[:SHOWN])

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


def _shown(answer: Answer) -> dict[str, Any]:
    stdout = answer.stdout[-SHOWN:].decode(errors="backslashreplace")
    return {"exit_status": answer.status, "stdout": stdout, "stderr": answer.stderr[-SHOWN:]}


def on_runner(folder: str | None, folders: tuple[str, ...] = FOLDERS) -> Place:
    """A new folder of this machine, and the programs in ``folder``, else the newest that are installed.

    Raises:
        UnansweredError: there are none, or nobody to run them as.
    """
    programs = folder or installed(folders)
    if programs is None or not (Path(programs) / "initdb").is_file():
        raise UnansweredError(
            f"scratch: no PostgreSQL server programs {f'in {folder}' if folder else 'on this machine'}; "
            "install them, or name scratch.bin or scratch.image in the profile"
        )
    work = Path(tempfile.mkdtemp(prefix="opsv-drill-"))
    prefix: tuple[str, ...] = ("env",)  # ends with 127 where there is no such program, as the others do
    if os.geteuid() == 0:
        account = next((each for each in pwd.getpwall() if each.pw_name in ACCOUNTS), None)
        if account is None:
            work.rmdir()
            raise UnansweredError(f"scratch: none of the accounts {', '.join(ACCOUNTS)} is there to run PostgreSQL as")
        os.chown(work, account.pw_uid, account.pw_gid)
        prefix = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--")
        alone = ("unshare", "--net", "--")  # no network but a loopback that is down, where the kernel lets us
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0:
            prefix = (*alone, *prefix)
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(work)}
    return Place(
        f"folder of this machine, programs in {programs}",
        prefix,
        programs,
        str(work),
        lambda: shutil.rmtree(work, ignore_errors=True),
        SPOKEN | path,
    )


def installed(folders: tuple[str, ...] = FOLDERS) -> str | None:
    """The folder of the newest PostgreSQL server programs here, or of those in PATH; None where there are none."""
    found = [each for pattern in folders for each in Path("/").glob(pattern.lstrip("/")) if (each / "initdb").is_file()]
    newest = max(found, key=lambda each: [int(part) for part in "".join(_digits(each)).split()], default=None)
    in_path = shutil.which("initdb")
    return str(newest) if newest else str(Path(in_path).resolve().parent) if in_path else None


def _digits(path: Path) -> Iterator[str]:
    for character in str(path):
        yield character if character.isdigit() else " "


def in_container(image: str) -> Place:
    """A container of a local image, without network; nothing is pulled.

    Raises:
        UnansweredError: there is no container engine, no such image, or it does not start.
    """
    engine = shutil.which("docker") or shutil.which("podman")
    if engine is None:
        raise UnansweredError("scratch: neither docker nor podman is here to run scratch.image with")
    user = _ask([engine, "image", "inspect", "-f", "{{.Config.User}}", image], f"image {image} is not on this machine")
    account = "postgres" if user.partition(":")[0] in ("", "0", "root") else user
    options = [
        "--rm",
        "--pull=never",
        "--network=none",
        "--no-healthcheck",
        "--label=opsverify=scratch",
        f"--user={account}",
    ]
    start = [engine, "run", "-d", *options, "--entrypoint=sleep", image, str(LIFETIME_S)]
    container = _ask(start, f"image {image} gives no container")

    def remove() -> None:
        subprocess.run([engine, "rm", "-f", container], capture_output=True, check=False, timeout=START_S)

    spoken = [part for name, value in SPOKEN.items() for part in ("-e", f"{name}={value}")]
    inside = (engine, "exec", "-i", *spoken, container)
    try:
        folder = _ask([*inside, "mktemp", "-d", "/tmp/opsv-drill-XXXXXX"], f"a container of {image} has no /tmp")  # noqa: S108
    except BaseException:
        remove()
        raise
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "XDG_RUNTIME_DIR")
    }
    return Place(f"container of {image}", inside, "", folder, remove, kept)


def _ask(command: list[str], problem: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    except subprocess.TimeoutExpired:
        raise UnansweredError(f"scratch: {problem}: no answer within {START_S} s") from None
    if done.returncode != 0:
        raise UnansweredError(f"scratch: {problem}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return done.stdout.strip()
