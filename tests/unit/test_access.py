"""Access logs: a request of our own is in them as it was, or that is a finding; databases log who comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from opsverify import targets
from opsverify.channels.shell import Host
from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.judgement import unmet
from opsverify.probes import access as probes
from opsverify.probes import containers
from opsverify.probes.access import ConnectionLogging, OwnRequest
from opsverify.rules.access import connections_are_logged, requests_are_logged
from opsverify.transcript import Transcript

NAME = "opsverify/1 (5f)"
COMBINED = f'10.0.0.1 - - [23/Nov/2026:09:24:20 +0000] "GET /health HTTP/1.1" 200 131 "-" "{NAME}"'
JSON = f'{{"agent":"{NAME}","status":200,"request":"GET /health HTTP/1.1"}}'
STRANGER = '6.6.6.6 - - [23/Nov/2026:09:24:20 +0000] "GET /health HTTP/1.1" 200 131 "-" "curl/8"'


@pytest.mark.parametrize(
    ("lines", "met"),
    [
        ((COMBINED,), True),
        ((JSON,), True),
        ((COMBINED + ' "10.0.0.9" rt=0.004',), True),
        ((f"seen {NAME}", COMBINED), True),
        ((), False),
        ((COMBINED.replace(" 200 ", " 2001 "),), False),
        ((COMBINED.replace("/health", "/"),), False),
    ],
)
def test_the_line_of_our_own_request_tells_what_it_was(lines: tuple[str, ...], met: bool) -> None:
    observations = requests_are_logged(OwnRequest("/health", NAME, 200, lines, 12, 5.2))
    assert (not unmet(observations)) is met
    assert ("none among 12 lines after 5 s" in str(observations)) is (not lines)


@pytest.fixture
def asked(
    web_server: Callable[..., int],
    tmp_path: Path,
    transcript: Transcript,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., OwnRequest]:
    """Ask a proxy; ``line(agent)`` is what it writes into its log from the ``after``-th look on."""
    monkeypatch.setattr(probes, "WAITS", (0.0, 0.0, 0.0))

    def ask(line: Callable[[str], str], after: int = 1) -> OwnRequest:
        agents: list[str] = []
        looks: list[str] = []

        def handle(request: Any) -> None:
            agents.append(request.headers["User-Agent"])
            request.send_response(200)
            request.send_header("Content-Length", "0")
            request.end_headers()

        def said(_: Host, container: str, __: int) -> tuple[str, ...]:
            looks.append(container)
            return (STRANGER, *((line(agents[0]),) if len(looks) >= after else ()))

        monkeypatch.setattr(containers, "said", said)
        endpoint = targets.Endpoint(name="api", url=f"http://127.0.0.1:{web_server(handle)}")
        return probes.own_request(WebChannel(endpoint, tmp_path, transcript), cast(Host, None), ("c1",))

    return ask


def access_line(agent: str) -> str:
    return COMBINED.replace(NAME, agent)


def test_a_request_is_known_by_a_name_that_nobody_else_has(asked: Callable[..., OwnRequest]) -> None:
    first, second = asked(access_line), asked(access_line)
    assert first.name != second.name
    assert first.lines == (access_line(first.name),)
    assert first.looked_at == 2
    assert unmet(requests_are_logged(first)) == []


def test_a_log_that_is_written_late_is_waited_for_and_one_that_is_off_is_not_forever(
    asked: Callable[..., OwnRequest],
) -> None:
    assert asked(access_line, after=3).lines
    off = asked(access_line, after=4)
    assert off.lines == ()
    assert unmet(requests_are_logged(off))


def test_a_request_that_is_not_answered_proves_nothing(
    closed_port: int, tmp_path: Path, transcript: Transcript
) -> None:
    api = WebChannel(targets.Endpoint(name="api", url=f"http://127.0.0.1:{closed_port}"), tmp_path, transcript)
    with pytest.raises(UnansweredError, match="cannot be reached"):
        probes.own_request(api, cast(Host, None), ("c1",))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ConnectionLogging("on", "on", "off", "stderr"), ""),
        (ConnectionLogging("receipt, authorization", "on", "on", "csvlog"), ""),
        (ConnectionLogging("all", "on", "on", "jsonlog"), ""),
        (ConnectionLogging("off", "on", "on", "stderr"), "log_connections: observed off, expected on"),
        (ConnectionLogging("receipt", "on", "on", "stderr"), "log_connections: observed receipt"),
        (ConnectionLogging("", "on", "on", "stderr"), "log_connections: observed nothing"),
        (ConnectionLogging("on", "off", "on", "stderr"), "log_disconnections: observed off"),
        (ConnectionLogging("on", "on", "on", ""), "log_destination: observed none"),
        (ConnectionLogging("true", "on", "on", "stderr"), ""),
        (ConnectionLogging("on", "on", "on", "stderr", "error"), ""),
        (ConnectionLogging("on", "on", "on", "stderr", "fatal"), "log_min_messages: observed fatal"),
        (ConnectionLogging("on", "on", "on", "stderr", "PANIC"), "log_min_messages: observed PANIC"),
        (ConnectionLogging("on", "on", "on", "stderr", "warning, backend:fatal"), "log_min_messages: observed"),
    ],
)
def test_who_comes_and_who_goes_is_written_down(found: ConnectionLogging, said: str) -> None:
    findings = "; ".join(map(str, unmet(connections_are_logged(found))))
    assert said in findings
    assert bool(findings) == bool(said)
