"""The shell channel, for real: questions to this machine, and to hosts that cannot be reached."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsverify import targets
from opsverify.channels.base import LONGEST_ANSWER
from opsverify.channels.shell import Host, ShellChannel
from opsverify.errors import CarrierError, RefusedError, UnansweredError, UnreachableError
from opsverify.probes import attempt
from opsverify.transcript import Transcript

Exchanges = Callable[[], list[dict[str, Any]]]


def channel_to(connection: str, transcript: Transcript, root: Path, timeout_s: float = 2.0) -> ShellChannel:
    return ShellChannel(targets.Host(name="there", connection=connection, timeout_s=timeout_s), root, transcript)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("true", (0, b"", b"")),
        ("test -e /no/such", (1, b"", b"")),
        ("grep x /no/such", (2, b"", b"grep: /no/such: No such file or directory\n")),
        ("cat '/no such'", (1, b"", b"cat: '/no such': No such file or directory\n")),
        ("cat /etc/hostname | wc -l", (0, b"1\n", b"")),
    ],
)
def test_status_output_and_errors_arrive_exactly(local: Host, question: str, answer: tuple[int, bytes, bytes]) -> None:
    assert local.channel.ask(question) == answer


def test_an_answer_may_be_binary(local: Host, tmp_path: Path, exchanges: Exchanges) -> None:
    data = bytes(range(256)) * 4
    (tmp_path / "data").write_bytes(data)
    assert local.channel.ask(f"cat {tmp_path}/data")[1] == data
    assert exchanges()[0]["answer"]["stdout"]["escaped"].endswith("\\xff")


def test_a_name_may_hold_what_a_shell_would_act_on(local: Host, tmp_path: Path) -> None:
    name = "$(touch x) `y` 'z' \"w\" ;|&<>* \u202e"
    (tmp_path / name).write_text("found", encoding="utf-8")
    assert local.file(str(tmp_path / name)).content == b"found"


def test_question_and_answer_are_in_the_transcript(local: Host, exchanges: Exchanges) -> None:
    local.channel.ask("test  -e   /no/such")
    assert exchanges()[0] | {"at": "", "duration_s": 0} == {
        "id": "1",
        "at": "",
        "check": "",
        "channel": "shell",
        "target": "here",
        "account": "local",
        "question": "test -e /no/such",
        "answer": {"exit_status": 1, "stdout": "", "stderr": ""},
        "failure": None,
        "error": None,
        "duration_s": 0,
    }


def test_a_refused_question_is_in_the_transcript_and_was_not_asked(
    local: Host, exchanges: Exchanges, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match=r"shell channel to here: refused to ask"):
        local.run(f"touch {tmp_path}/x")
    assert not (tmp_path / "x").exists()
    assert exchanges()[0]["question"] == f"touch {tmp_path}/x"
    assert "not on the read-only list" in exchanges()[0]["failure"]


def test_a_question_that_takes_too_long_is_ended_with_its_children(
    transcript: Transcript, tmp_path: Path, exchanges: Exchanges
) -> None:
    channel = channel_to("local://", transcript, tmp_path, 0.5)
    marker = f"/proc/self/../{tmp_path.name}"
    begun = time.monotonic()
    with pytest.raises(UnansweredError, match=r"host there: no answer within 0.5 s to 'tail .* wc -c'") as error:
        channel.ask(f"tail --lines=+1 /dev/zero {marker} | wc -c")
    assert time.monotonic() - begun < 2
    assert not isinstance(error.value, UnreachableError)
    assert "no answer within" in exchanges()[0]["failure"]
    time.sleep(0.1)
    alive = [path for path in Path("/proc").glob("[0-9]*/cmdline") if marker.encode() in _read(path)]
    assert alive == []
    assert channel.ask("true")[0] == 0


def test_a_question_may_have_a_bound_of_its_own(transcript: Transcript, tmp_path: Path) -> None:
    channel = channel_to("local://", transcript, tmp_path, 0.5)
    host = Host(channel, targets.Host(name="there", connection="local://"))
    os.mkfifo(tmp_path / "slow")
    threading.Timer(1.0, (tmp_path / "slow").write_bytes, [b"late"]).start()
    assert host.run("cat %s", str(tmp_path / "slow"), timeout_s=10.0).stdout == "late"
    with pytest.raises(UnansweredError, match=r"no answer within 0.2 s"):
        host.run("cat %s", str(tmp_path / "slow"), timeout_s=0.2)
    with pytest.raises(UnansweredError, match=r"no answer within 0.5 s"):
        host.run("cat %s", str(tmp_path / "slow"))


def test_answers_come_in_one_language_whatever_the_accounts_is(
    local: Host, monkeypatch: pytest.MonkeyPatch, exchanges: Exchanges
) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert b"LC_ALL=C\0" in local.channel.ask("cat /proc/self/environ")[1]
    assert exchanges()[0]["question"] == "cat /proc/self/environ"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_long_answer_arrives_whole(local: Host, tmp_path: Path) -> None:
    data = b"x" * (LONGEST_ANSWER - 1) + b"\n"
    (tmp_path / "long").write_bytes(data)
    assert local.channel.ask(f"cat {tmp_path}/long")[1] == data


def test_an_answer_that_is_too_long_is_an_error_never_a_cut_fact(local: Host, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * (LONGEST_ANSWER + 1))
    with pytest.raises(UnansweredError, match=r"more than 8388608 are not read"):
        local.channel.ask(f"cat {tmp_path}/long")


def test_a_question_gets_no_input(local: Host) -> None:
    assert local.channel.ask("cat") == (0, b"", b"")


def test_a_closed_port_costs_one_attempt(
    transcript: Transcript, tmp_path: Path, closed_port: int, exchanges: Exchanges
) -> None:
    channel = channel_to(f"ssh://nobody@127.0.0.1:{closed_port}", transcript, tmp_path)
    for _ in range(3):
        with pytest.raises(UnreachableError, match=r"host there cannot be reached over ssh as nobody.*refused"):
            channel.ask("true")
    channel.close()
    assert len(exchanges()) == 1


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that lets everyone in and never says a word, as a hung sshd does."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept())
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for connection, _ in kept:
        connection.close()


def test_a_host_that_lets_nobody_in_costs_one_time_out(
    transcript: Transcript, tmp_path: Path, silent_port: int, exchanges: Exchanges
) -> None:
    channel = channel_to(f"ssh://nobody@127.0.0.1:{silent_port}", transcript, tmp_path, 1.0)
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(UnreachableError):
            channel.ask("true")
    channel.close()
    assert time.monotonic() - begun < 3
    assert len(exchanges()) == 1


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker client on this machine")
def test_a_container_that_is_not_there_is_unreachable_and_not_an_answer_of_no(
    transcript: Transcript, tmp_path: Path
) -> None:
    channel = channel_to("docker://opsverify-no-such-container", transcript, tmp_path, 10.0)
    with pytest.raises(UnreachableError, match=r"cannot be reached over docker"):
        channel.ask("test -e /etc/hosts")


def test_testinfras_own_modules_work_through_the_guard(local: Host, exchanges: Exchanges) -> None:
    passwd = local.file("/etc/passwd")
    assert passwd.exists
    assert passwd.is_file
    assert passwd.mode == 0o644
    assert passwd.user == "root"
    assert passwd.contains("root")
    assert not local.file("/no/such").exists
    assert local.user("root").uid == 0
    assert local.user("root").shell.startswith("/")
    assert local.group("root").gid == 0
    assert {each["channel"] for each in exchanges()} == {"shell"}
    assert all(each["failure"] is None for each in exchanges())


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="not a Debian machine")
def test_packages_are_known(local: Host) -> None:
    assert local.package("bash").is_installed
    assert local.package("bash").version
    assert not local.package("no-such-package").is_installed


def test_sudo_of_testinfra_is_refused(local: Host, exchanges: Exchanges) -> None:
    with pytest.raises(RefusedError, match=r"host\.sudo\(\) is not granted"), local.sudo():
        local.run("cat /etc/passwd")
    assert "not granted" in exchanges()[0]["failure"]
    assert local.run("true").rc == 0


def test_commands_on_the_runner_itself_are_refused(local: Host) -> None:
    with pytest.raises(RefusedError, match=r"on the runner itself"):
        local.backend.run_local("true")


def test_arguments_are_quoted_before_they_are_judged(local: Host) -> None:
    assert local.run("test -e %s", "/no; reboot").rc == 1


def test_an_inventory_that_cannot_be_read_is_unreachable(transcript: Transcript, tmp_path: Path) -> None:
    (tmp_path / "inventory").write_text("", encoding="utf-8")
    channel = channel_to(f"ansible://nobody?ansible_inventory={tmp_path}/inventory", transcript, tmp_path)
    with pytest.raises((UnreachableError, RuntimeError)):
        channel.ask("true")


@pytest.mark.parametrize("connection", ["local://", "docker://opsverify-no-such-container"])
def test_a_host_without_ssh_forwards_nothing(
    transcript: Transcript, tmp_path: Path, exchanges: Exchanges, connection: str
) -> None:
    if connection.startswith("docker") and shutil.which("docker") is None:
        pytest.skip("there is no docker client on this machine")
    channel = channel_to(connection, transcript, tmp_path, 10.0)
    with pytest.raises(UnansweredError, match=r"host there( cannot be reached over docker|: ssh does not forward)"):
        channel.forward("db.example:5432")
    assert exchanges()[0]["question"] == "forward db.example:5432"
    assert exchanges()[0]["failure"]


def test_a_host_that_does_not_forward_may_still_be_asked(transcript: Transcript, tmp_path: Path) -> None:
    channel = channel_to("local://", transcript, tmp_path)
    for _ in range(2):
        with pytest.raises(UnansweredError, match=r"does not forward a:1: there is no shared connection$") as error:
            channel.forward("a:1")
        assert not isinstance(error.value, UnreachableError)
    assert channel.ask("true")[0] == 0


def test_a_forward_of_a_connection_that_is_gone_is_not_kept(
    transcript: Transcript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = channel_to("ssh://ops@node.example", transcript, tmp_path)
    shared, ports = "Master running (pid=7)", iter(range(1, 9))

    def forward(address: str) -> int:
        port = next(ports)
        channel._forwards[address] = (shared, port)
        return port

    monkeypatch.setattr(channel, "_forward", forward)
    monkeypatch.setattr(channel, "_shared_connection", lambda: shared)
    assert [channel.forward("a:1") for _ in range(3)] == [("127.0.0.1", 1)] * 3
    shared = "Master running (pid=8)"
    assert [channel.forward("a:1") for _ in range(2)] == [("127.0.0.1", 2)] * 2
    shared = ""  # nobody answers for it, now or when it was opened
    assert [channel.forward("a:1") for _ in range(2)] == [("127.0.0.1", 3), ("127.0.0.1", 4)]
    channel.close()


def test_a_forward_over_a_host_that_cannot_be_reached_costs_one_attempt_and_is_no_finding(
    transcript: Transcript, tmp_path: Path, closed_port: int, exchanges: Exchanges
) -> None:
    channel = channel_to(f"ssh://nobody@127.0.0.1:{closed_port}", transcript, tmp_path)
    for _ in range(3):
        with pytest.raises(CarrierError, match=r"host there cannot be reached over ssh as nobody.*refused"):
            attempt(lambda: channel.forward("db.example:5432"))
    with pytest.raises(CarrierError):
        channel.ask("true")
    channel.close()
    assert len(exchanges()) == 1


def test_a_host_that_lets_nobody_in_forwards_nothing_after_one_time_out(
    transcript: Transcript, tmp_path: Path, silent_port: int
) -> None:
    channel = channel_to(f"ssh://nobody@127.0.0.1:{silent_port}", transcript, tmp_path, 1.0)
    begun = time.monotonic()
    for _ in range(2):
        with pytest.raises(CarrierError):
            channel.forward("db.example:5432")
    channel.close()
    assert time.monotonic() - begun < 3
