"""Facts about what is written down of those who come: a request of our own in the access log, logins to databases."""

from __future__ import annotations

from dataclasses import dataclass

from opsverify import __version__
from opsverify.channels.shell import Host
from opsverify.channels.sql import Query, SqlChannel
from opsverify.channels.web import WebChannel
from opsverify.probes import containers as docker

PATH = "/health"
LOG_LINES = 1000  # of a container; those that a busy proxy writes in the seconds that are waited
WAITS = (0.2, 1.0, 2.0, 2.0)  # seconds before each look: a log may be written through a buffer

SETTINGS = Query("""
SELECT current_setting('log_connections') AS connections, current_setting('log_disconnections') AS disconnections,
       current_setting('logging_collector') AS collector, current_setting('log_destination') AS destination,
       current_setting('log_min_messages') AS min_messages
""")


@dataclass(frozen=True)
class OwnRequest:
    """A request that was made through a proxy under a name of its own, and the lines of the log that have this name.

    ``status`` is that of the answer, ``looked_at`` the number of lines among which they are, after ``waited`` seconds.
    """

    path: str
    name: str
    status: int
    lines: tuple[str, ...]
    looked_at: int
    waited: float


@dataclass(frozen=True)
class ConnectionLogging:
    """What PostgreSQL writes down of those who connect, from which level on (``min_messages``), and where that goes."""

    connections: str
    disconnections: str
    collector: str
    destination: str
    min_messages: str = "warning"


def own_request(api: WebChannel, host: Host, containers: tuple[str, ...]) -> OwnRequest:
    """Ask for the health page under a name that nobody else has, and look for it in the logs of the proxy's containers.

    Raises:
        UnansweredError: the request was not answered, or a log cannot be read.
    """
    name = f"opsverify/{__version__} ({api.runner.name()})"
    answer = api.get(PATH, headers={"User-Agent": name})
    begun = api.runner.seconds()
    lines: list[str] = []
    for wait in WAITS:
        api.runner.pause(wait)
        lines = [line for each in containers for line in docker.said(host, each, LOG_LINES)]
        if any(name in line for line in lines):
            break
    mine = tuple(line for line in lines if name in line)
    return OwnRequest(PATH, name, answer.status, mine, len(lines), api.runner.seconds() - begun)


def connection_logging(database: SqlChannel) -> ConnectionLogging:
    """The settings that are in force."""
    row = database.ask(SETTINGS)[0]
    return ConnectionLogging(
        row["connections"], row["disconnections"], row["collector"], row["destination"], row["min_messages"]
    )
