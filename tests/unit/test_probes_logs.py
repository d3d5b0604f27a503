"""The end of a container's log, as the engine keeps it with and without a TTY, and what a line says of its level."""

from __future__ import annotations

import contextlib
import time
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


def frame(record: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(record).to_bytes(4, "big") + record


def record(said: str = "x", at: str = TIME) -> bytes:
    return f"{at} {said}\n".encode()


@pytest.mark.parametrize(
    ("name", "newest"),
    [
        ("logs-multiplexed.bin", datetime(2026, 11, 23, 6, 15, 11, 912049, UTC)),
        ("logs-tty.bin", datetime(2026, 11, 23, 6, 13, 9, 261437, UTC)),
    ],
)
def test_the_log_of_a_real_container(name: str, newest: datetime) -> None:
    assert parse_log((CAPTURED / name).read_bytes()) == Log(newest, 5, 0)


@pytest.mark.parametrize("size", [0x0A, 0x0A0A, 0x0D0A, 0x0A00, 0x2032, 0x3A, 0x5A20, 16384, 1_000_000])
@pytest.mark.parametrize("streams", [(1, 2), (2, 1), (0, 1)])
def test_the_size_of_a_frame_is_no_part_of_its_record(size: int, streams: tuple[int, int]) -> None:
    # Its four bytes may be line breaks, digits, or the begin of another character.
    said = "é" * (size // 2) if size > 100 else "x" * size
    filled = record(said)
    padded = filled[:-1] + b" " * max(size - len(filled), 0) + b"\n"
    assert parse_log(frame(padded, streams[0]) + frame(padded, streams[1])) == Log(NEWEST, 2, 0)


def test_every_size_of_a_frame_is_read() -> None:
    frames = b"".join(frame(record("x" * size), size % 3) for size in range(600))
    assert parse_log(frames) == Log(NEWEST, 600, 0)


@pytest.mark.parametrize("size", [10, 266, 0x0A0A])
def test_a_size_that_is_a_line_break_begins_no_line(size: int) -> None:
    # The last byte of the size is 0x0a: what follows the header looks like the begin of a line.
    filled = f"{TIME} level=error ".encode()
    filled += b"x" * ((size - len(filled)) % 256)
    assert len(filled) % 256 == 10
    assert parse_log(frame(record()) + frame(filled) + frame(record())) == Log(NEWEST, 3, 1)


def test_a_record_may_hold_lines_of_its_own() -> None:
    multiline = record("begin\nlevel=error\n2030-01-01T00:00:00Z later\n")
    assert parse_log(frame(multiline)) == Log(NEWEST, 1, 1)


def test_a_record_may_look_like_a_frame() -> None:
    inner = frame(record("level=error", "2030-01-01T00:00:00Z")).decode()
    assert parse_log(frame(record(inner))).newest == NEWEST


@pytest.mark.parametrize(
    "data",
    [
        frame(record())[:-1],
        frame(record())[:8],
        frame(record())[:7],
        frame(record())[:1],
        b"\x01",
        b"\x02\x00\x00\x00",
        frame(record()) + frame(record())[:-1],
        frame(record()) + frame(record())[:5],
        frame(record()) + b"\n",
        frame(record()) + record(),
        frame(record()) + frame(record())[1:],
        b"\x01\x00\x00\x00\xff\xff\xff\xff" + record(),
        b"\x01\x01\x00\x00" + frame(record())[4:],
        b"\x01" + record(),
        b"\x00" * 7,
    ],
)
def test_a_frame_that_is_cut_off_is_an_error(data: bytes) -> None:
    with pytest.raises(UnansweredError, match=r"^docker logs: this frame is not understood: b"):
        parse_log(data)


@pytest.mark.parametrize(
    "line",
    [
        "no time",
        "",
        " ",
        f" {TIME} x",
        f"x {TIME} x",
        "2026-11-23 06:15:11 x",
        "2026-11-23T06:15:11 x",
        "2026-02-30T06:15:11Z x",
        "2026-13-01T06:15:11Z x",
        "0000-11-23T06:15:11Z x",
        "2026-11-23T24:00:00Z x",
        "2026-11-23T06:15:60Z x",
        "2026-11-23T06::15:1Z x",
        "2026-11-23T06:15:11+99:99 x",
        "2026-11-23T06:15:11Zx",
        "2026-11-23T06:15:11Z\tx",
        "2026-11-23T06:15:11Z\x00",
        "2026-11-23T06:15:11Z{}",
        "0001-01-01T00:00:00+10:00 x",
        "２０２６-11-23T06:15:11Z x",
        '{"level":"error"}',
        "x" * 1_000_000,
    ],
)
def test_a_record_without_a_time_or_with_one_that_there_is_not_is_an_error(line: str) -> None:
    whole = [frame(line.encode()), frame(record()) + frame(line.encode()) + frame(record())]
    if line.strip():  # with a TTY an empty line is no record
        whole += [line.encode(), record() + line.encode() + b"\n" + record()]
    for data in whole:
        with pytest.raises(UnansweredError, match=r"^docker logs: this record is not understood: ") as error:
            parse_log(data)
        assert len(str(error.value)) < 300


@pytest.mark.parametrize("empty", [frame(b""), frame(b"\n"), frame(b"", 2) + frame(b"x")])
def test_many_frames_do_not_hold_up_the_run(empty: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(UnansweredError, match=r"this record is not understood: '(.n)?'$"):
        parse_log(empty * 100_000)
    assert time.process_time() - begun < 0.5


def test_a_frame_that_is_cut_off_behind_many_is_named_soon() -> None:
    begun = time.process_time()
    with pytest.raises(UnansweredError, match=r"this frame is not understood: b'.x01"):
        parse_log(frame(b"") * 100_000 + b"\x01")
    assert time.process_time() - begun < 0.5


def test_an_error_of_the_engine_itself_is_no_record() -> None:
    failed = frame(b"Error grabbing logs: log message is too large\n", 3)
    for data in (failed, frame(record()) + failed):
        with pytest.raises(
            UnansweredError, match=r"^docker logs: this record is not understood: .*Error grabbing logs"
        ):
            parse_log(data)


@pytest.mark.parametrize(
    ("text", "newest"),
    [
        ("2026-11-23T06:15:11Z x", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-23T07:15:11+01:00 x", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-22T20:45:11.5-09:30 x", datetime(2026, 11, 23, 6, 15, 11, 500000, UTC)),
        ("2026-11-23T06:15:11.123456789Z x", datetime(2026, 11, 23, 6, 15, 11, 123456, UTC)),
        ("2026-11-23T06:15:11Z ", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-23T06:15:11Z", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-23T06:15:11Z \r", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
        ("2026-11-23T06:15:11Z it was 2030-01-01T00:00:00Z then", datetime(2026, 11, 23, 6, 15, 11, tzinfo=UTC)),
    ],
)
def test_the_time_of_a_record_is_the_engines_whatever_its_zone(text: str, newest: datetime) -> None:
    assert parse_log(text.encode()) == parse_log(frame(text.encode())) == Log(newest, 1, 0)


def test_the_newest_record_is_not_always_the_last() -> None:
    times = ("2026-11-23T06:15:12Z", "2026-11-23T06:15:14Z", "2026-11-23T07:15:13+01:00")
    lines = [record(at=each) for each in times]
    expected = Log(datetime(2026, 11, 23, 6, 15, 14, tzinfo=UTC), 3, 0)
    assert parse_log(b"".join(lines)) == parse_log(b"".join(map(frame, lines))) == expected


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n", b"\r\n", b" \n\t\n"])
def test_where_there_is_no_line_there_is_no_newest(data: bytes) -> None:
    assert parse_log(data) == Log(None, 0, 0)


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
        "msg=x,level=error",
        "log.level=error",
        "(level=error)",
        "2026-11-23 06:15:11.700 UTC [123] ERROR:  relation x does not exist",
        "2026-11-23 06:15:11.700 UTC [123] app@tokenswap FATAL:  too many connections",
        "2026-11-23 06:15:11 [1] PANIC:  could not write",
        "2026/11/23 06:15:11 [error] 29#29: *1 connect() failed",
        "2026/11/23 06:15:11 [crit] 29#29: *1 x",
        "2026/11/23 06:15:11 [emerg] 1#1: bind() failed",
    ],
)
def test_a_record_of_level_error_is_one_in_every_dialect(said: str) -> None:
    assert parse_log(record(said)) == parse_log(frame(record(said), 2)) == Log(NEWEST, 1, 1)


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
        "loglevel=error",
        "log_level=error",
        "2level=error",
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
    assert parse_log(record(said)) == parse_log(frame(record(said), 2)) == Log(NEWEST, 1, 0)


def test_records_are_counted_one_by_one() -> None:
    lines = [record("level=error level=error"), record("level=info"), record("level=fatal")]
    assert parse_log(b"".join(lines)) == parse_log(b"".join(map(frame, lines))) == Log(NEWEST, 3, 2)


@pytest.mark.parametrize(
    "said",
    ["x" * 1_000_000, "level" * 200_000, "level" + " " * 1_000_000, "a b [1]" + " " * 1_000_000, "[" * 1_000_000],
)
def test_a_line_may_be_as_long_as_it_likes(said: str) -> None:
    begun = time.process_time()
    assert parse_log(record(said)) == parse_log(frame(record(said))) == Log(NEWEST, 1, 0)
    assert time.process_time() - begun < 1


@given(st.text(max_size=80))
def test_what_a_container_writes_neither_breaks_a_line_nor_moves_its_time(said: str) -> None:
    for data in (frame(record(said)), record(said.replace("\n", " "))):
        found = parse_log(data)
        assert (found.newest, found.lines) == (NEWEST, 1)
        assert found.errors in (0, 1)


@given(st.binary(max_size=60), st.sampled_from([1, 2]))
def test_bytes_that_are_no_text_do_not_hide_a_line(data: bytes, stream: int) -> None:
    assert parse_log(frame(TIME.encode() + b" " + data, stream) * 2).lines == 2


@given(st.lists(st.sampled_from(["2026-", "11-23T", "06:15:11", "Z ", " ", "+01:00", "\n", "x", ".5"]), max_size=14))
def test_pieces_of_a_time_are_a_time_or_none(parts: list[str]) -> None:
    with contextlib.suppress(UnansweredError):
        found = parse_log("".join(parts).encode())
        assert (found.newest is None) == (found.lines == 0)


@given(st.binary(max_size=80) | st.binary(max_size=40).map(frame))
def test_hostile_answers_are_a_log_or_an_error_never_a_crash(data: bytes) -> None:
    with contextlib.suppress(UnansweredError):
        assert parse_log(data).lines == 0


class Keeper(Engine):
    """An engine that answers each question for a log alike."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.said = body + str(status).encode()

    def run(self, command: str, *_: str, **__: Any) -> Any:
        self.asked.append(command)
        return type("Result", (), {"rc": 0, "stdout": "", "stdout_bytes": self.said, "stderr": ""})


def test_no_more_than_the_manual_looks_at_is_asked_for() -> None:
    host: Any = Keeper(200, frame(record("\xff")))
    assert log(host, "0a1b") == Log(NEWEST, 1, 0)
    assert f"/containers/0a1b/logs?stdout=true&stderr=true&timestamps=true&tail={LOG_LINES}'" in host.asked[0]


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_a_log_that_the_engine_cannot_read_is_an_error(status: int) -> None:
    host: Any = Keeper(status, b'{"message":"configured logging driver does not support reading"}')
    with pytest.raises(UnansweredError, match=rf"^host there: the Docker engine answered .* with status {status}"):
        log(host, "0a1b")


@pytest.mark.parametrize(("status", "said"), [(b"", b""), (b"2", b"20"), (b"\xff\xff\xff", b"x")])
def test_an_answer_whose_status_is_no_text_is_an_error(status: bytes, said: bytes) -> None:
    host: Any = Keeper(0, b"")
    host.said = said + status
    with pytest.raises(UnansweredError, match=r"^host there: the Docker engine answered .* with status "):
        log(host, "0a1b")


def test_a_record_that_is_not_understood_names_the_host() -> None:
    host: Any = Keeper(200, b"no time\n")
    with pytest.raises(UnansweredError, match=r"^host there: docker logs: this record is not understood: 'no time'"):
        log(host, "0a1b")
