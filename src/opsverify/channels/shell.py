"""The shell channel: testinfra's hosts, guarded, bounded and recorded.

`GuardedBackend` is a testinfra backend, so ``host.file``, ``host.service`` and the rest work on top of it
unchanged. *How* a question travels is this module's own business; no check may depend on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any

from testinfra.backend import get_backend
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as TestinfraHost

from opsverify import targets
from opsverify.channels.base import LONGEST_ANSWER, Channel
from opsverify.channels.coding import Coding, key, spell, unspell
from opsverify.channels.guard import NotAllowedError, admit
from opsverify.errors import CarrierError, UnansweredError, UnreachableError
from opsverify.transcript import Transcript

Result = tuple[int, bytes, bytes]
# What the tools that carry a question say when they, not the command, have failed: docker and kubectl end with the
# status 1 of an ordinary "no" when there is no such container, so their words tell.
CARRIER_FAILED = {"ssh": (255,), "docker": (125, 126), "podman": (125, 126)}
CARRIER_SAYS = (
    "Error response from daemon:",
    "Error: No such container",
    "Cannot connect to the Docker daemon",
    "permission denied while trying to connect",
    "Error from server",
    "error: ",
)


LOOPBACK = "127.0.0.1"
FORWARD_TRIES = 3

# testinfra hands no bound down to where the process is started, and questions are asked side by side.
BOUND: ContextVar[float] = ContextVar("BOUND")
# Where an answer goes that is a file's content, and how many bytes it may have; None for one that is read at once.
SINK: ContextVar[tuple[Path, int] | None] = ContextVar("SINK", default=None)
LOOK_AGAIN_S = 0.2


class ShellChannel(Channel):
    """Questions to one host. The transport is whichever testinfra backend the profile names."""

    kind = "shell"

    def __init__(self, host: targets.Host, root: Path, transcript: Transcript) -> None:
        scheme, _, address = host.connection.partition("://")
        super().__init__(host.name, address or scheme, host.timeout_s, transcript)
        self.scheme = scheme
        self._forwards: dict[
            str, tuple[str, int]
        ] = {}  # by address: the shared connection that carries it, and the port
        self._control = tempfile.TemporaryDirectory(prefix="opsv-") if scheme == "ssh" else None
        self._host, self._root = host, root

    @cached_property
    def _transport(self) -> BaseBackend:
        """Testinfra's own backend for this connection, with a bound on every process that it starts.

        Made by the first question, so that a replay, which asks none, needs neither ssh nor inventory.
        """
        host, root = self._host, self._root
        options: dict[str, Any] = {}
        if self._control is not None:
            extra = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"]
            # A host that dies while the connection is shared is noticed before the next question's time is up.
            extra += ["-o", "ServerAliveInterval=2", "-o", "ServerAliveCountMax=2"]
            if host.known_hosts:
                extra += ["-o", f"UserKnownHostsFile={root / host.known_hosts}"]
            # Without a ControlPath every command would be a new connection.
            options = {
                "timeout": max(1, int(host.timeout_s)),
                "controlpath": f"{self._control.name}/ssh",
                "controlpersist": 30,
                "ssh_extra_args": shlex.join(extra),
            }
            if host.identity_file:
                options["ssh_identity_file"] = str(root / host.identity_file)
        transport = get_backend(host.connection, **options)
        if host.connection.startswith("ansible://"):
            transport = _behind_inventory(transport, host)
        transport.run_local = self._run_local  # testinfra bounds nothing; here no process outlives its time
        return transport

    def _run_local(self, command: str, *args: str) -> CommandResult:
        line = BaseBackend.quote(command, *args)
        sink = SINK.get()
        with (
            sink[0].open("w+b") if sink else tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
            subprocess.Popen(
                line,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            ) as process,
        ):
            # Files, not pipes: a connection that ssh keeps open in the background would hold a pipe open too.
            try:
                _wait(process, BOUND.get(), sink)
            except (subprocess.TimeoutExpired, UnansweredError, KeyboardInterrupt) as error:
                with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                    os.killpg(process.pid, signal.SIGKILL)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                if self._control is not None and not any(Path(self._control.name).iterdir()):
                    raise self._carrier_failed(f"no connection within {BOUND.get():g} s".encode()) from None
                raise
            answer = [b"" if sink and stream is stdout else self._read(stream) for stream in (stdout, stderr)]
        return CommandResult(self._transport, process.returncode, line.encode(), *answer)

    def _read(self, stream: Any) -> bytes:
        size = stream.seek(0, os.SEEK_END)
        if size > LONGEST_ANSWER:
            raise UnansweredError(
                f"{self.target}: the answer has {size} bytes, more than {LONGEST_ANSWER} are not read"
            )
        stream.seek(0)
        return bytes(stream.read())

    def ask(self, question: str, timeout_s: float | None = None) -> Result:
        """Ask a command or pipeline and return (exit status, stdout, stderr).

        Args:
            question: the command or pipeline.
            timeout_s: the bound on this question, where the host's own does not fit it.

        Raises:
            RefusedError: the question is not on the read-only list.
            UnreachableError: the host cannot be reached.
            UnansweredError: no answer in time, or too long an answer.
        """
        try:
            sent = admit(question)
        except NotAllowedError as error:
            raise self.refuse(question, str(error)) from None
        return self.exchange(sent, lambda: self._send(sent, timeout_s or self.timeout_s), RESULT)

    def download(self, question: str, to: Path, most: int, timeout_s: float) -> str:
        """Ask a command whose output is a file's content, write that to ``to`` and return its SHA-256.

        Args:
            question: the command; the transcript holds it with the size and digest of the answer, not its content.
            to: a file on this machine; it is there afterwards only where all went well.
            most: how many bytes are taken. More of them are an error.
            timeout_s: the bound on all of it.

        Raises:
            RefusedError: the question is not on the read-only list.
            UnreachableError: the host cannot be reached.
            UnansweredError: it failed, took too long or had too much to say.
        """
        try:
            sent = admit(question)
        except NotAllowedError as error:
            raise self.refuse(question, str(error)) from None

        def send() -> tuple[int, str]:
            token = SINK.set((to, most))
            try:
                status, _, said = self._send(sent, timeout_s)
                if status != 0:
                    raise UnansweredError(
                        f"host {self.target}: asked {sent!r}, it ended with status {status} and said: "
                        f"{_text(said).strip() or 'nothing'}"
                    )
                with to.open("rb") as file:
                    return to.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
            except BaseException:
                to.unlink(missing_ok=True)
                raise
            finally:
                SINK.reset(token)

        return self.exchange(sent, send, Coding(lambda found: {"bytes": found[0], "sha256": found[1]}))[1]

    def _send(self, command: str, timeout_s: float) -> Result:
        bound = BOUND.set(timeout_s)
        try:
            # Answers are read by their words, so they come in one language whatever the account's is.
            result = self._transport.run(f"export LC_ALL=C; {command}")
        except subprocess.TimeoutExpired:
            raise UnansweredError(
                f"host {self.target}: no answer within {timeout_s:g} s to {command!r}; the question was ended"
            ) from None
        except RuntimeError as error:  # testinfra's word for: ssh itself has failed
            answer = error.args[0] if error.args and isinstance(error.args[0], CommandResult) else None
            raise self._carrier_failed(answer.stderr_bytes if answer else str(error).encode()) from None
        finally:
            BOUND.reset(bound)
        said = result.stderr_bytes.decode(errors="replace").lstrip()
        refused = self.scheme in ("docker", "podman", "kubectl") and said.startswith(CARRIER_SAYS)
        failed = result.exit_status in CARRIER_FAILED.get(self.scheme, ()) or (result.exit_status == 1 and refused)
        if failed and not result.stdout_bytes:
            raise self._carrier_failed(result.stderr_bytes)
        return result.exit_status, result.stdout_bytes, result.stderr_bytes

    def _carrier_failed(self, said: bytes) -> CarrierError:
        words = said.decode(errors="replace").strip().splitlines()
        return CarrierError(
            f"host {self.target} cannot be reached over {self.scheme} as {self.account}: "
            f"{words[-1] if words else 'no reason given'}"
        )

    def forward(self, address: str) -> tuple[str, int]:
        """Where on this machine the host's ssh listens for ``address``, which is as the host sees it.

        OpenSSH's own forwarding over the connection that all questions share. Ask again before each new connection:
        where the shared one has ended meanwhile, it is opened anew, on another port.

        Raises:
            UnreachableError: the host cannot be reached.
            UnansweredError: it does not forward.
        """
        kept = self._forwards.get(address)
        if kept is not None and kept[0] and kept[0] == self._shared_connection():
            return LOOPBACK, kept[1]
        port = self.exchange(f"forward {address}", lambda: self._forward(address), key("local_port"))
        return LOOPBACK, port

    def _forward(self, address: str) -> int:
        self._send("true", self.timeout_s)  # opens the shared connection where there is none
        said = ""
        for _ in range(FORWARD_TRIES):  # another process may take the port that was free a moment ago
            with socket.create_server((LOOPBACK, 0)) as free:
                port = int(free.getsockname()[1])
            done = self._control_ssh("forward", "-L", f"{LOOPBACK}:{port}:{address}")
            if done is not None and done.returncode == 0:
                self._forwards[address] = (self._shared_connection(), port)
                return port
            said = done.stderr.strip() if done is not None else "there is no shared connection"
        raise UnansweredError(f"host {self.target}: ssh does not forward {address}: {said or 'no reason given'}")

    def _shared_connection(self) -> str:
        """What ssh says of the process that keeps the shared connection, with its id; empty when there is none."""
        done = self._control_ssh("check")
        return done.stderr.strip() if done is not None and done.returncode == 0 else ""

    def _control_ssh(self, command: str, *options: str) -> subprocess.CompletedProcess[str] | None:
        """Tell the ssh process that keeps the shared connection something; None when there is none."""
        shared = next(Path(self._control.name).iterdir(), None) if self._control is not None else None
        if shared is None:
            return None
        return subprocess.run(
            ["ssh", "-o", f"ControlPath={shared}", "-O", command, *options, "opsverify"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )

    def close(self) -> None:
        """End the shared ssh connection."""
        self._control_ssh("exit")
        if self._control is not None:
            self._control.cleanup()


def _behind_inventory(transport: Any, host: targets.Host) -> BaseBackend:
    """The ssh, docker or local connection that an Ansible inventory describes for this host."""
    try:
        found = transport.ansible_runner.get_host(transport.host)
    except (RuntimeError, AssertionError, OSError) as error:
        raise UnreachableError(f"host {host.name}: the Ansible inventory cannot be read: {error}") from None
    if found is None:
        raise UnreachableError(
            f"host {host.name}: its Ansible connection is none that can be bounded (ssh, docker, local)"
        )
    return found.backend


def _wait(process: subprocess.Popen[bytes], seconds: float, sink: tuple[Path, int] | None) -> None:
    """Wait for a process; where its answer goes to a file, look after how long that grows.

    Raises:
        subprocess.TimeoutExpired: it takes longer.
        UnansweredError: its answer is longer than it may be.
    """
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        try:
            process.wait(min(left, LOOK_AGAIN_S) if sink else left)
        except subprocess.TimeoutExpired:
            if sink is None or left <= LOOK_AGAIN_S:
                raise
        if sink and sink[0].stat().st_size > sink[1]:
            raise UnansweredError(f"the answer has more than the {sink[1]} bytes that were announced")
        if process.returncode is not None:
            return


def _written(result: Result) -> dict[str, Any]:
    status, stdout, stderr = result
    return {"exit_status": status, "stdout": spell(stdout), "stderr": spell(stderr)}


def _read_again(written: dict[str, Any]) -> Result:
    return written["exit_status"], unspell(written["stdout"]), unspell(written["stderr"])


RESULT = Coding(_written, _read_again)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="backslashreplace")


class GuardedBackend(BaseBackend):  # type: ignore[misc]
    """A testinfra backend whose every command goes through a `ShellChannel`."""

    NAME = "opsverify"

    def __init__(self, channel: ShellChannel) -> None:
        super().__init__(channel.target)
        self.channel = channel
        self._encoding = "utf-8"

    def run(self, command: str, *args: str, timeout_s: float | None = None, **kwargs: Any) -> CommandResult:  # noqa: ARG002
        """Ask one question, bounded by ``timeout_s`` where it is given; testinfra's modules all end here."""
        line = self.quote(command, *args)
        if self.get_command(command, *args) != line:  # testinfra's sudo() changes what this returns
            raise self.channel.refuse(line, "host.sudo() is not granted; ask one of the exact 'sudo -n' commands")
        status, stdout, stderr = self.channel.ask(line, timeout_s)
        return self.result(status, line.encode(), stdout, stderr)

    def run_local(self, command: str, *args: str) -> CommandResult:
        """Refused: a check has no business on the machine that runs the suite."""
        raise self.channel.refuse(self.quote(command, *args), "commands on the runner itself are not allowed")


class Host(TestinfraHost):  # type: ignore[misc]
    """testinfra's host, over a guarded channel, with the profile's entry for it as ``spec``."""

    def __init__(self, channel: ShellChannel, spec: targets.Host) -> None:
        super().__init__(GuardedBackend(channel))
        self.backend.set_host(self)
        self.name = spec.name
        self.spec = spec
        self.channel = channel
