"""Rules of the chapter *security*: whoever comes is written down."""

from __future__ import annotations

import re

from opsverify.judgement import Observation, holds
from opsverify.probes.access import ConnectionLogging, OwnRequest


def requests_are_logged(own: OwnRequest) -> list[Observation]:
    """A request that was made a moment ago stands in the access log, with its path and the status of its answer.

    Older lines prove nothing: a log that was switched off keeps them.
    """
    status = re.compile(rf"\b{own.status}\b")
    whole = [each for each in own.lines if own.path in each and status.search(each)]
    line = next(iter([*whole, *own.lines]), None)
    observed = line or f"none among {own.looked_at} lines after {own.waited:.0f} s"
    expected = f"one with this User-Agent, {own.path} and {own.status}"
    return [
        holds("request", f"GET {own.path} as {own.name}, status {own.status}", "shown", met=True),
        holds("its line in the access log", observed, expected, bool(whole)),
    ]


def connections_are_logged(found: ConnectionLogging) -> list[Observation]:
    """The server writes down who connects and who leaves, and that goes somewhere."""
    return [
        holds("log_connections", found.connections, "on", _is_on(found.connections)),
        holds("log_disconnections", found.disconnections, "on", _is_on(found.disconnections)),
        holds("log_destination", found.destination or "none", "at least one", bool(found.destination.strip())),
        holds(
            "log_min_messages",
            found.min_messages,
            "not fatal or panic, which leave them out",
            not _above_log(found.min_messages),
        ),
        holds("logging_collector", found.collector, "shown", met=True),
    ]


def _is_on(setting: str) -> bool:
    """From PostgreSQL 18 on log_connections is a list of what is logged; who it is comes with authorization. The words
    of older versions still count there, as they were written."""
    return bool(_words(setting) & {"on", "true", "yes", "1", "all", "authorization"})


def _above_log(min_messages: str) -> bool:
    """In the server's log, who comes and goes ranks (LOG) between error and fatal; newer versions set it by process."""
    return bool(_words(min_messages.replace(":", ",")) & {"fatal", "panic"})


def _words(setting: str) -> set[str]:
    return {each.strip() for each in setting.lower().split(",")}
