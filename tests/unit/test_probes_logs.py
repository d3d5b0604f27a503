"""The end of a container's log, as the engine keeps it with and without a TTY, and what a line says of its level."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.containers import LOG_LINES, Log, log, parse_log
from tests.unit.conftest import CAPTURED
from tests.unit.test_probes_containers import Engine

TIME = "2026-11-23T06:15:11.700051716Z"
NEWEST = datetime(2026, 11, 23, 6, 15, 11, 700051, UTC)


def decoded(data: bytes) -> str:
    """As `probes.output` spells out what is no text."""
    return data.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("name", "newest"),
    [
        ("logs-multiplexed.bin", datetime(2026, 11, 23, 6, 15, 11, 912049, UTC)),
        ("logs-tty.bin", datetime(2026, 11, 23, 6, 13, 9, 261437, UTC)),
    ],
)
def test_the_log_of_a_real_container(name: str, newest: datetime) -> None:
    assert parse_log(decoded((CAPTURED / name).read_bytes())) == Log(newest, 5, 0)


def frame(line: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(line).to_bytes(4, "big") + line


@pytest.mark.parametrize("size", [0, 80, 163, 178, 2522, 2700, 16384, 1_000_000])
def test_the_size_of_a_frame_is_no_part_of_its_line(size: int) -> None:
    # A frame's four bytes of size may be digits, line breaks, or the begin of another character.
    line = f"{TIME} {'x' * size}\n".encode()
    assert parse_log(decoded(frame(line) + frame(line, 2))) == Log(NEWEST, 2, 0)


def test_every_size_of_a_frame_is_read() -> None:
    for size in range(300):
        assert parse_log(decoded(frame(f"{TIME} {'x' * size}\n".encode()))).newest == NEWEST


@pytest.mark.parametrize(
    ("text", "newest"),
    [
        ("2026-11-23T06:15:11Z x", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-23T07:15:11+01:00 x", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-22T20:45:11.5-09:30 x", datetime(2026, 11, 23, 6, 15, 11, 500000, UTC)),
        ("2026-11-23T06:15:11.123456789Z x", datetime(2026, 11, 23, 6, 15, 11, 123456, UTC)),
        ("2026-11-23T06:15:11Z ", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-23T06:15:11Z \r", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-23T06:15:11Z it was 2030-01-01T00:00:00Z then", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
    ],
)
def test_the_time_of_a_line_is_the_engines_whatever_its_zone(text: str, newest: datetime) -> None:
    assert parse_log(text).newest == newest


def test_the_newest_line_is_not_always_the_last() -> None:
    found = parse_log("2026-11-23T06:15:12Z a\n2026-11-23T06:15:14Z b\n2026-11-23T07:15:13+01:00 c\n")
    assert found == Log(datetime(2026, 11, 23, 6, 15, 14, tzinfo=UTC), 3, 0)


@pytest.mark.parametrize(
    "text", ["", "\n", "\n\n", "no time", "2026-11-23 06:15:11 x", "2026-11-23T06:15:11 x", "\x01"]
)
def test_where_there_is_no_line_there_is_no_newest(text: str) -> None:
    assert parse_log(text) == Log(None, 0, 0)


@pytest.mark.parametrize(
    "said",
    [
        '{"level":"error","msg":"db is gone"}',
        '{"time":1,"level": "ERROR"}',
        '{"severity":"CRITICAL"}',
        '{"lvl":"crit"}',
        "{'level': 'fatal'}",
        "level=error msg=x",
        "ts=1 level=err msg=x",
        "time=1 level=fatal",
        "severity=emerg",
        "level=panic",
        "LEVEL=Alert",
        "2026-11-23 06:15:11.700 UTC [123] ERROR:  relation x does not exist",
        "2026-11-23 06:15:11.700 UTC [123] app@tokenswap FATAL:  too many connections",
        "2026-11-23 06:15:11 [1] PANIC:  could not write",
        "2026/11/23 06:15:11 [error] 29#29: *1 connect() failed",
        "2026/11/23 06:15:11 [crit] 29#29: *1 x",
        "2026/11/23 06:15:11 [emerg] 1#1: bind() failed",
    ],
)
def test_a_record_of_level_error_is_one_in_every_dialect(said: str) -> None:
    assert parse_log(f"{TIME} {said}").errors == 1
    assert parse_log(decoded(frame(f"{TIME} {said}\n".encode(), 2))).errors == 1


@pytest.mark.parametrize(
    "said",
    [
        '{"level":"info","msg":"no error"}',
        '{"level":"info","error":null}',
        '{"level":"warn","msg":"error budget"}',
        "level=info msg=errors=0",
        "level=warning msg=x",
        "level=error_rate",
        "level=errors",
        "INFO error handler installed",
        "an error",
        "ERROR",
        "[error]",
        "[error] x",
        "2026-11-23 06:15:11.700 UTC [123] LOG:  checkpoint complete; error none",
        "2026-11-23 06:15:11.700 UTC [123] WARNING:  x",
        "2026/11/23 06:15:11 [notice] 1#1: start worker error",
        '127.0.0.1 - - [23/Nov/2026:06:15:11 +0000] "GET /error HTTP/1.1" 500 1',
        "",
    ],
)
def test_the_word_error_in_a_message_is_no_record_of_level_error(said: str) -> None:
    assert parse_log(f"{TIME} {said}") == Log(NEWEST, 1, 0)


def test_records_are_counted_by_line() -> None:
    lines = [f"{TIME} level=error level=error", f"{TIME} level=info", f"{TIME} level=fatal"]
    assert parse_log("\n".join(lines)) == Log(NEWEST, 3, 2)


@pytest.mark.parametrize(
    "said",
    ["x" * 1_000_000, "level" * 200_000, "level" + " " * 1_000_000, "a b [1]" + " " * 1_000_000, "[" * 1_000_000],
)
def test_a_line_may_be_as_long_as_it_likes(said: str) -> None:
    assert parse_log(f"{TIME} {said}") == Log(NEWEST, 1, 0)


@given(st.text(max_size=80))
def test_what_a_container_writes_neither_breaks_a_line_nor_moves_its_time(said: str) -> None:
    found = parse_log(f"{TIME} {said.replace(chr(10), ' ')}\n")
    assert (found.newest, found.lines) == (NEWEST, 1)
    assert found.errors in (0, 1)


@given(st.binary(max_size=60), st.sampled_from([1, 2]))
def test_bytes_that_are_no_text_do_not_hide_a_line(data: bytes, stream: int) -> None:
    line = f"{TIME} ".encode() + data.replace(b"\n", b" ") + b"\n"
    assert parse_log(decoded(frame(line, stream) * 2)).lines == 2


@given(st.lists(st.sampled_from(["2026-", "11-23T", "06:15:11", "Z ", " ", "+01:00", "\n", "x", ".5"]), max_size=14))
def test_pieces_of_a_time_are_a_time_or_none(parts: list[str]) -> None:
    with contextlib.suppress(UnansweredError):
        found = parse_log("".join(parts))
        assert (found.newest is None) == (found.lines == 0)


class Keeper(Engine):
    """An engine that answers each question for a log alike."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.said = f"{body}{status}"

    def run(self, command: str, *_: str, **__: Any) -> Any:
        self.asked.append(command)
        return type("Result", (), {"rc": 0, "stdout": self.said, "stdout_bytes": self.said.encode(), "stderr": ""})


def test_no_more_than_the_manual_looks_at_is_asked_for() -> None:
    host: Any = Keeper(200, f"{TIME} x\n")
    assert log(host, "0a1b") == Log(NEWEST, 1, 0)
    assert f"/containers/0a1b/logs?stdout=true&stderr=true&timestamps=true&tail={LOG_LINES}'" in host.asked[0]


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_a_log_that_the_engine_cannot_read_is_an_error(status: int) -> None:
    host: Any = Keeper(status, '{"message":"configured logging driver does not support reading"}')
    with pytest.raises(UnansweredError, match=rf"^host there: the Docker engine answered .* with status {status}"):
        log(host, "0a1b")
