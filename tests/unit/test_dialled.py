"""Databases and caches reached through a host's ssh: the address that is dialled, by the name that is verified."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsverify import targets
from opsverify.channels.base import Dial
from opsverify.channels.cache import CacheChannel
from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import CarrierError, UnansweredError, UnreachableError
from opsverify.probes import Attempt, attempt, caches, postgres
from opsverify.transcript import Transcript

ONE = Query("SELECT 1")
BROKEN = CarrierError("host node cannot be reached over ssh as ops: refused")


class Listener:
    """Keeps what each connection says first, answers that, and keeps how many there were."""

    def __init__(self, answer: Callable[[bytes], bytes], certificate: Path | None = None) -> None:
        self.heard: list[bytes] = []
        self.answer = answer
        self.context = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(2.0)
        try:
            with self.context.wrap_socket(plain, server_side=True) if self.context else plain as connection:
                while said := connection.recv(4096):
                    self.heard.append(said)
                    connection.sendall(self.answer(said))
        except OSError:
            plain.close()

    def close(self) -> None:
        self._listener.close()


def refusal(_: bytes) -> bytes:
    """PostgreSQL's way to say no to a start-up packet."""
    fields = b"SFATAL\0VFATAL\0C28000\0Mno entry for you\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


def redis(said: bytes) -> bytes:
    """OK to each command of the hand-shake, PONG to a ping."""
    return b"+PONG\r\n" if b"PING" in said else b"+OK\r\n" * said.count(b"*")


Listen = Callable[..., Listener]


@pytest.fixture
def listen() -> Iterator[Listen]:
    started: list[Listener] = []

    def start(answer: Callable[[bytes], bytes], certificate: Path | None = None) -> Listener:
        started.append(Listener(answer, certificate))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def database(transcript: Transcript, tmp_path: Path) -> Callable[..., SqlChannel]:
    def make(dial: Dial | None, **more: Any) -> SqlChannel:
        spec = targets.Database(
            name="pg",
            via="node",
            address="db.invalid:5432",
            dbname="x",
            user="u",
            password=targets.Secret(env="X"),
            timeout_s=2.0,
            **{"sslmode": "disable", **more},
        )
        return SqlChannel(spec, "hunter22", tmp_path, transcript, dial)

    return make


@pytest.fixture
def cache(transcript: Transcript, tmp_path: Path) -> Iterator[Callable[..., CacheChannel]]:
    opened: list[CacheChannel] = []

    def make(dial: Dial | None, **more: Any) -> CacheChannel:
        spec = targets.Cache(
            name="redis",
            via="node",
            managed=True,
            address="cache.example:6379",
            user="ops",
            password=targets.Secret(env="X"),
            timeout_s=1.0,
            **more,
        )
        opened.append(CacheChannel(spec, "hunter22", tmp_path, transcript, dial))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_cache_is_asked_at_the_address_that_is_dialled(cache: Callable[..., CacheChannel], listen: Listen) -> None:
    server = listen(redis)
    assert cache(lambda: server.address).ask("PING") == "PONG"
    assert b"hunter22" in b"".join(server.heard)


def test_a_connection_is_dialled_once_and_again_when_it_was_lost(
    cache: Callable[..., CacheChannel], listen: Listen
) -> None:
    server, dialled = listen(redis), []

    def dial() -> tuple[str, int]:
        dialled.append(1)
        return server.address

    channel = cache(dial)
    assert [channel.ask("PING") for _ in range(3)] == ["PONG"] * 3
    assert len(dialled) == 1
    channel.close()
    assert channel.ask("PING") == "PONG"
    assert len(dialled) == 2


def test_a_certificate_is_held_against_the_name_not_the_address_that_is_dialled(
    cache: Callable[..., CacheChannel], listen: Listen, authority: Any
) -> None:
    server = listen(redis, authority.issue("cache.example"))
    assert cache(lambda: server.address, tls=True, ca=authority.ca).ask("PING") == "PONG"


@pytest.mark.parametrize("name", ["other.example", "localhost"])
def test_a_dialled_cache_with_anothers_certificate_is_not_talked_to(
    cache: Callable[..., CacheChannel], listen: Listen, authority: Any, name: str
) -> None:
    server = listen(redis, authority.issue(name))
    with pytest.raises(
        UnreachableError, match=r"cache\.example:6379 via host node gives ops no session: .*certificate"
    ):
        cache(lambda: server.address, tls=True, ca=authority.ca).ask("PING")
    assert server.heard == []


def test_a_dialled_cache_that_refuses_names_itself_and_its_way(
    cache: Callable[..., CacheChannel], closed_port: int, transcript: Transcript
) -> None:
    channel = cache(lambda: ("127.0.0.1", closed_port))
    for _ in range(3):
        with pytest.raises(UnreachableError, match=r"^cache redis at cache\.example:6379 via host node gives ops no"):
            channel.ask("PING")
    assert transcript.count == 1


def test_a_database_is_asked_at_the_address_that_is_dialled(
    database: Callable[..., SqlChannel], listen: Listen
) -> None:
    server = listen(refusal)
    channel = database(lambda: server.address)
    with pytest.raises(UnreachableError, match=r"^database pg at db\.invalid:5432 via host node .*no entry for you"):
        channel.ask(ONE)
    assert b"user\0u\0" in server.heard[0]
    assert b"default_transaction_read_only=on" in server.heard[0]
    assert b"row_security=off" in server.heard[0]  # rows that a policy would hide are an error, not fewer rows
    assert b"hunter22" not in b"".join(server.heard)


def test_a_ping_dials_anew_each_time(database: Callable[..., SqlChannel], closed_port: int) -> None:
    dialled = []

    def dial() -> tuple[str, int]:
        dialled.append(1)
        return "127.0.0.1", closed_port

    channel = database(dial)
    assert [channel.ping(), channel.ping()] == ["no response"] * 2
    assert len(dialled) == 2


def test_a_dialled_database_is_not_talked_to_without_its_tls(
    database: Callable[..., SqlChannel], listen: Listen
) -> None:
    server = listen(lambda _: b"N")
    with pytest.raises(UnreachableError, match="does not support SSL"):
        database(lambda: server.address, sslmode="verify-full").login()
    assert all(b"user" not in each for each in server.heard)


def broken() -> tuple[str, int]:
    raise BROKEN


@pytest.mark.parametrize(
    "ask",
    [
        SqlChannel.ping,
        SqlChannel.login,
        lambda channel: channel.ask(ONE),
        postgres.login,
        postgres.ping,
        postgres.sessions,
        postgres.recorded,
    ],
)
def test_a_broken_way_to_a_database_is_an_error_and_no_finding(
    database: Callable[..., SqlChannel], ask: Callable[[SqlChannel], Any]
) -> None:
    with pytest.raises(CarrierError, match="host node cannot be reached over ssh"):
        ask(database(broken))


@pytest.mark.parametrize("ask", [lambda channel: channel.ask("PING"), caches.ping, caches.memory, caches.users])
def test_a_broken_way_to_a_cache_is_an_error_and_no_finding(
    cache: Callable[..., CacheChannel], ask: Callable[[CacheChannel], Any], transcript: Transcript
) -> None:
    channel = cache(broken)
    for _ in range(2):
        with pytest.raises(CarrierError, match="host node cannot be reached over ssh"):
            ask(channel)
    assert transcript.count == 1


@pytest.mark.parametrize(
    "error", [UnansweredError("ssh does not forward"), UnreachableError("refused"), UnansweredError("")]
)
def test_a_target_that_does_not_answer_is_an_attempt(error: UnansweredError) -> None:
    def ask() -> str:
        raise error

    assert attempt(ask) == Attempt(None, str(error))


@pytest.mark.parametrize("error", [BROKEN, CarrierError(""), ValueError("x")])
def test_a_broken_way_is_never_an_attempt(error: Exception) -> None:
    def ask() -> str:
        raise error

    with pytest.raises(type(error)):
        attempt(ask)
