"""The cache guard and channel, against a server in this process that speaks just enough of Redis' protocol."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsverify import targets
from opsverify.channels.cache import CacheChannel
from opsverify.errors import RefusedError, UnansweredError, UnreachableError
from opsverify.transcript import Transcript

Channels = Callable[..., CacheChannel]
HELLO = (b"AUTH", b"CLIENT", b"HELLO", b"SELECT")


class Server:
    """Answers each command by its first word; ``asked`` is what it was asked."""

    def __init__(self, answers: dict[bytes, bytes | None], port: int = 0) -> None:
        self.answers = answers
        self.asked: list[list[bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int(stream.readline()[1:])
                    words.append(stream.read(size + 2)[:-2])
                answer: bytes | None = b"+OK\r\n"
                if words[0].upper() not in HELLO:
                    self.asked.append(words)
                if words[0].upper() in self.answers:
                    answer = self.answers[words[0].upper()]
                if answer is None:
                    return
                if answer == b"wait":
                    time.sleep(1.5)
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def channels(transcript: Transcript, tmp_path: Path) -> Iterator[Channels]:
    opened: list[CacheChannel] = []

    def make(port: int, host: str = "127.0.0.1") -> CacheChannel:
        spec = targets.Cache(
            name="redis",
            address=f"{host}:{port}",
            user="ops",
            password=targets.Secret(env="X"),
            timeout_s=0.5,
            config_file=targets.FileOnHost(host="node", path="/x"),
        )
        opened.append(CacheChannel(spec, "hunter22", tmp_path, transcript))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def servers() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(**answers: bytes | None) -> Server:
        started.append(Server({name.upper().encode(): answer for name, answer in answers.items()}))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("SET", "a", "b"),
        ("GET", "a"),
        ("KEYS", "*"),
        ("DUMP", "a"),
        ("EVAL", "x", "0"),
        ("CONFIG", "SET", "maxmemory-policy", "noeviction"),
        ("CONFIG", "REWRITE"),
        ("CONFIG", "RESETSTAT"),
        ("CONFIG GET", "requirepass"),
        ("CONFIG", "GET"),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "GET", "max*"),
        ("CONFIG", "GET", "requirepas?"),
        ("CONFIG", "GET", "requirepas[s]"),
        ("CONFIG", "GET", "requirepas\\s"),
        ("CONFIG", "GET", "RequirePass"),
        ("CONFIG", "GET", "masterauth"),
        ("CONFIG", "GET", "maxmemory", "requirepass"),
        ("CONFIG", "GET", "maxmemory", "max*"),
        ("CONFIG", "GET", "maxmemory", "timeout", "MasterAuth"),
        ("CONFIG", "GET", "primaryauth"),
        ("CONFIG", "GET", "primaryuser"),
        ("CONFIG", "GET", *["maxmemory"] * 65),
        ("ACL", "SETUSER", "x"),
        ("ACL", "GETUSER", "x"),
        ("SLOWLOG", "RESET"),
        ("LATENCY", "RESET"),
        ("SHUTDOWN",),
        ("DEBUG", "SLEEP", "1"),
        ("REPLICAOF", "NO", "ONE"),
        ("PING", "x"),
        (),
    ],
)
def test_a_command_that_is_not_listed_is_refused_and_recorded(
    channels: Channels,
    servers: Callable[..., Server],
    exchanges: Callable[[], list[dict[str, Any]]],
    command: tuple[str, ...],
) -> None:
    server = servers()
    with pytest.raises(RefusedError, match=r"cache channel to redis: refused to ask"):
        channels(server.port).ask(*command)
    assert server.asked == []
    assert "refused" in exchanges()[0]["failure"]


def test_a_listed_command_is_answered_as_redis_gave_it(
    channels: Channels, servers: Callable[..., Server], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    server = servers(config=b"*2\r\n$16\r\nmaxmemory-policy\r\n$11\r\nallkeys-lru\r\n", ping=b"+PONG\r\n")
    channel = channels(server.port)
    assert channel.ask("PING") == "PONG"
    assert channel.ask("CONFIG", "GET", "maxmemory-policy") == ["maxmemory-policy", "allkeys-lru"]
    assert [(each["question"], each["account"]) for each in exchanges()] == [
        ("PING", "ops"),
        ("CONFIG GET maxmemory-policy", "ops"),
    ]


def test_several_named_parameters_are_one_question(channels: Channels, servers: Callable[..., Server]) -> None:
    server = servers(config=b"*2\r\n$4\r\nport\r\n$4\r\n6379\r\n")
    assert channels(server.port).ask("CONFIG", "GET", "port", "timeout") == ["port", "6379"]
    assert server.asked == [[b"CONFIG", b"GET", b"port", b"timeout"]]


def test_a_roundtrip_is_the_time_of_a_pong(channels: Channels, servers: Callable[..., Server]) -> None:
    channel = channels(servers(ping=b"+PONG\r\n").port)
    begun = time.monotonic()
    assert 0 < channel.roundtrip() <= time.monotonic() - begun


@pytest.mark.parametrize("answer", [b"-LOADING Redis is loading the dataset in memory\r\n", b"+HELLO\r\n", b"$-1\r\n"])
def test_what_is_no_pong_has_no_time(
    channels: Channels, servers: Callable[..., Server], exchanges: Callable[[], list[dict[str, Any]]], answer: bytes
) -> None:
    with pytest.raises(UnansweredError, match=r"PING|loading"):
        channels(servers(ping=answer).port).roundtrip()
    assert exchanges()[0]["failure"]


def test_a_target_that_was_unreachable_is_asked_anew_on_request(channels: Channels, closed_port: int) -> None:
    channel = channels(closed_port)
    for _ in range(2):
        with pytest.raises(UnreachableError):
            channel.ask("PING")
    server = Server({b"PING": b"+PONG\r\n"}, closed_port)
    with pytest.raises(UnreachableError):
        channel.ask("PING")
    channel.anew()
    assert channel.ask("PING") == "PONG"
    server.close()


def test_an_error_of_the_server_is_no_answer(channels: Channels, servers: Callable[..., Server]) -> None:
    channel = channels(servers(info=b"-NOPERM no permissions\r\n", ping=b"+PONG\r\n").port)
    with pytest.raises(UnansweredError, match=r"INFO failed"):
        channel.ask("INFO")
    assert channel.ask("PING") == "PONG"


@pytest.mark.parametrize("answer", [b"wait", None, b"-WRONGPASS invalid\r\n"])
def test_a_server_that_gives_no_session_is_asked_once(
    channels: Channels, servers: Callable[..., Server], transcript: Transcript, answer: bytes | None
) -> None:
    server = servers(auth=answer, hello=answer)
    channel = channels(server.port)
    for _ in range(3):
        with pytest.raises(UnreachableError, match=r"gives ops no session"):
            channel.ask("PING")
    assert transcript.count == 1


def test_a_hung_server_costs_one_time_out(
    channels: Channels, servers: Callable[..., Server], transcript: Transcript
) -> None:
    channel = channels(servers(info=b"wait").port)
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(UnreachableError):
            channel.ask("INFO")
    assert time.monotonic() - begun < 1.2
    assert transcript.count == 1


def test_a_closed_port_is_unreachable(channels: Channels, closed_port: int) -> None:
    with pytest.raises(UnreachableError, match=r"refused"):
        channels(closed_port).ask("PING")


def test_an_ipv6_address_is_dialled_without_its_brackets(channels: Channels) -> None:
    with pytest.raises(UnreachableError, match=r"refused"):
        channels(1, "[::1]").ask("PING")


def test_an_answer_that_is_no_text_is_recorded_as_a_failure(
    channels: Channels, servers: Callable[..., Server], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    with pytest.raises((UnansweredError, UnicodeDecodeError)):
        channels(servers(info=b"$2\r\n\xff\xfe\r\n").port).ask("INFO")
    assert exchanges()[0]["failure"]
