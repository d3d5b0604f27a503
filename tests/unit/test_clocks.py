"""By how much clocks differ: bounded by the round trip, never guessed, said loudly where it matters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import clocks
from tests.unit.small_project import Outcome

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def exchange(
    channel: str, question: object, answer: object, *, at: datetime = NOON, took: float = 0.2
) -> dict[str, Any]:
    said = {"channel": channel, "target": "one", "at": at.isoformat(timespec="milliseconds"), "failure": None}
    return {**said, "question": question, "answer": answer, "duration_s": round(took, 4)}


def host(time: datetime, **more: Any) -> dict[str, Any]:
    stdout = f"{time.timestamp():.6f}000\n"
    return exchange("shell", clocks.HOST_ASKS, {"exit_status": 0, "stdout": stdout, "stderr": ""}, **more)


def web(time: datetime, age: str = "0", **more: Any) -> dict[str, Any]:
    headers = {"date": format_datetime(time, usegmt=True), "age": age}
    return exchange("web", {"GET": "http://x/"}, {"status": 200, "headers": headers, "body": ""}, **more)


def told(*exchanges: dict[str, Any]) -> list[clocks.Skew]:
    return clocks.measured(json.dumps(each) for each in exchanges)


@given(
    st.integers(978307200, 4102444800).map(lambda each: datetime.fromtimestamp(each, UTC)),
    st.floats(-1e6, 1e6),
    st.floats(0, 30),
    st.floats(0, 1),
    st.sampled_from([host, web]),
)
def test_the_true_difference_is_always_within_the_bound(
    asked: datetime, ahead: float, took: float, when: float, told_by: Any
) -> None:
    there = asked + timedelta(seconds=took * when + ahead)
    (found,) = told(told_by(there, at=asked, took=took))
    assert abs(found.seconds - ahead) <= found.bound + 0.002
    assert found.bound <= took / 2 + 0.51


def test_several_answers_narrow_it_down() -> None:
    (wide,) = told(web(NOON + timedelta(seconds=10)))
    many = [
        web(NOON + timedelta(seconds=10 + tenth // 10), at=NOON + timedelta(seconds=tenth / 10), took=0.05)
        for tenth in range(10)
    ]
    (narrow,) = told(web(NOON + timedelta(seconds=10)), *many)
    assert narrow.bound < wide.bound / 3
    assert narrow.answers == 11
    assert narrow.steady


def test_a_clock_that_was_set_during_the_run_is_told() -> None:
    (found,) = told(host(NOON), host(NOON + timedelta(seconds=60)))
    assert not found.steady
    assert found.bound > 29
    (english, chinese), *_ = clocks.notices({"clocks": clocks.document([found], [])})
    assert english == "CLOCK: that of one was set during the run"
    assert "one" in chinese


def test_databases_and_caches_tell_their_time_too() -> None:
    moment = f"{NOON.timestamp() + 400:.6f}"
    (database,) = told(exchange("sql", clocks.DATABASE_ASKS, [{"seconds": moment}]))
    assert database.loud
    (cache,) = told(exchange("cache", "INFO", {"server": {"server_time_usec": int(NOON.timestamp() * 1e6)}}))
    assert abs(cache.seconds) < 0.3


@pytest.mark.parametrize(
    "said",
    [
        web(NOON, age="60"),
        exchange("web", {}, {"status": 200, "headers": {"date": "yesterday"}}),
        exchange("web", {}, {"status": 200, "headers": {"date": "Mon, 23 Nov 99999 12:00:00 GMT"}}),
        exchange("web", {}, None),
        exchange("shell", clocks.HOST_ASKS, {"exit_status": 1, "stdout": "1.0", "stderr": ""}),
        exchange("shell", clocks.HOST_ASKS, {"exit_status": 0, "stdout": "nan.1", "stderr": ""}),
        exchange("shell", "cat /x", {"exit_status": 0, "stdout": "date +%s.%N 1.0", "stderr": ""}),
        exchange("sql", clocks.DATABASE_ASKS, []),
        exchange("sql", clocks.DATABASE_ASKS, [{"seconds": "Infinity"}]),
        {"channel": "web", "date": 1},
        {},
    ],
)
def test_what_tells_no_time_is_not_taken_for_one(said: dict[str, Any]) -> None:
    assert told(said) == []


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), lambda each: st.dictionaries(st.text(), each)))
def test_hostile_answers_tell_nothing(answer: object) -> None:
    for channel in ("web", "shell", "sql", "cache"):
        for question in (clocks.HOST_ASKS, clocks.DATABASE_ASKS):
            told({**exchange(channel, question, answer), "date": 0})


@pytest.mark.parametrize(("seconds", "loud"), [(299, False), (-299, False), (301, True), (-7000, True)])
def test_more_than_five_minutes_is_said_loudly(seconds: int, loud: bool) -> None:
    (found,) = told(host(NOON + timedelta(seconds=seconds), took=0.01))
    about = {"clocks": clocks.document([found], ["two"])}
    assert bool(list(clocks.notices(about))) is loud
    assert bool(about["clocks"]["alarm"]) is loud
    assert about["clocks"]["unknown"] == ["two"]
    if seconds == -7000:
        assert about["clocks"]["alarm"] == "the clock of one is 117 min behind the runner's (± 0.006 s)"


def test_a_clock_that_is_right_is_not_behind() -> None:
    about = {"clocks": clocks.document([clocks.Skew("shell", "one", -0.0, 0.006, 1, steady=True)], [])}

    assert clocks.line(about) == "one +0 s (± 0.006 s)"


def test_a_run_has_the_clocks_of_its_targets_on_record(everything: Outcome) -> None:
    found = {each["target"]: each for each in everything.results["run"]["clocks"]["targets"]}
    assert {"one", "two"} <= set(found)
    assert all(abs(each["seconds"]) < 1 and each["bound"] < 5 for each in found.values())
    assert everything.directory is not None
    assert "Clocks 时钟偏差" in (everything.directory / "report.html").read_text(encoding="utf-8")
