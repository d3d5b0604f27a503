"""The cache channel: a handful of read-only commands to one Redis server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from opsverify import targets
from opsverify.channels.base import Channel, Dial, via
from opsverify.channels.coding import VALUES, key
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.transcript import Transcript

# What the ACL user of docs/granting.md may ask, with how many arguments at most. CONFIG GET takes parameters by name
# (before Redis 7 one at a time), and never a secret one.
COMMANDS = {
    ("PING",): 0,
    ("INFO",): 1,
    ("DBSIZE",): 0,
    ("SLOWLOG", "GET"): 1,
    ("LATENCY", "LATEST"): 0,
    ("ACL", "WHOAMI"): 0,
    ("ACL", "LIST"): 0,
    ("CONFIG", "GET"): 64,
}
SECRET_PARAMETERS = (
    "requirepass",
    "masterauth",
    "masteruser",
    "primaryauth",  # what Valkey calls them
    "primaryuser",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
)

SECONDS = key("seconds")


class CacheChannel(Channel):
    """Questions to one Redis server over one connection."""

    kind = "cache"

    def __init__(
        self, cache: targets.Cache, password: str, root: Path, transcript: Transcript, dial: Dial | None = None
    ) -> None:
        super().__init__(cache.name, cache.user, cache.timeout_s, transcript)
        self.spec = cache
        host, _, port = cache.address.rpartition(":")
        options: dict[str, Any] = {"ssl_ca_certs": str(root / cache.ca) if cache.ca else None} if cache.tls else {}
        pool = redis.ConnectionPool(
            connection_class=_dialling(redis.SSLConnection if cache.tls else redis.Connection, dial),
            host=host.strip("[]"),
            port=int(port),
            username=cache.user,
            password=password,
            socket_timeout=cache.timeout_s,
            socket_connect_timeout=cache.timeout_s,
            decode_responses=True,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            **options,
        )
        self._client = redis.Redis(connection_pool=pool)
        self._client.response_callbacks.clear()  # answers stay as Redis gave them; probes parse

    def ask(self, *command: str) -> Any:
        """Ask one command and return Redis' answer as it came (RESP2).

        Raises:
            RefusedError: the command is not on the read-only list.
            UnreachableError: no connection, or the login is refused.
            UnansweredError: the server answered with an error, or not in time.
        """
        self._guard(command)
        return self.exchange(" ".join(command), lambda: self._send(command), VALUES)

    def roundtrip(self) -> float:
        """Ask PING and return the seconds from the question to its answer.

        Raises:
            UnreachableError: as `ask`.
            UnansweredError: as `ask`, or the answer is no PONG.
        """

        def send() -> float:
            begun = time.monotonic()
            answer = self._send(("PING",))
            seconds = round(time.monotonic() - begun, 6)
            if answer != "PONG":
                raise UnansweredError(f"cache {self.target}: PING was answered {str(answer)[:100]!r}")
            return seconds

        return float(self.exchange("PING", send, SECONDS))

    def _guard(self, command: tuple[str, ...]) -> None:
        words = tuple(word.upper() for word in command)
        for known, most in COMMANDS.items():
            arguments = command[len(known) :]
            if words[: len(known)] == known and len(arguments) <= most:
                if known == ("CONFIG", "GET") and not (arguments and all(map(_may_be_shown, arguments))):
                    raise self.refuse(" ".join(command), "CONFIG GET takes named, non-secret parameters")
                return
        raise self.refuse(" ".join(command), "not on the read-only list")

    def _send(self, command: tuple[str, ...]) -> Any:
        try:
            return self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except (redis.AuthenticationError, redis.ConnectionError, redis.TimeoutError) as error:
            raise UnreachableError(
                f"cache {self.target} at {self.spec.address}{via(self.spec)} gives {self.account} no session: {error}"
            ) from None
        except redis.RedisError as error:
            raise UnansweredError(f"cache {self.target}: {' '.join(command)} failed: {error}") from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
        self._client.connection_pool.disconnect()


def _may_be_shown(parameter: str) -> bool:
    """Whether a parameter is named in full, and is none of those that hold a secret."""
    return not any(sign in parameter for sign in "*?[\\") and parameter.lower() not in SECRET_PARAMETERS


def _dialling(kind: Any, dial: Dial | None) -> Any:
    """Connections that dial where ``dial`` says, while TLS still holds the certificate against the server's name."""
    if dial is None:
        return kind
    elsewhere = dial

    class Dialling(kind):  # type: ignore[misc]
        host: str
        port: int

        def _connect(self) -> Any:
            named = self.host, self.port
            self.host, self.port = elsewhere()
            try:
                connection = redis.Connection._connect(self)  # type: ignore[no-untyped-call]
            finally:
                self.host, self.port = named
            return self._wrap_socket_with_ssl(connection) if issubclass(kind, redis.SSLConnection) else connection

    return Dialling
