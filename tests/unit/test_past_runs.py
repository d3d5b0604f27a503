"""What earlier runs observed: read-only, bounded, of the same profile; what is damaged is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import past_runs
from opsverify.channels import history
from opsverify.channels.history import HistoryChannel
from opsverify.days import Daily, day_of
from opsverify.errors import UnansweredError
from opsverify.judgement import Limit
from opsverify.past_runs import parse, within
from opsverify.redaction import Redactor
from opsverify.rules import forecast
from opsverify.transcript import Transcript

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMIT = Limit("disk_used", "at_most", 0.80, "ratio", "manual")


def record(start: datetime, profile: str = "lab", **observed: Any) -> str:
    observations = [{"name": name, "observed": value, "met": True} for name, value in observed.items()]
    disk = {"requirement": "CAP-TRG-DISK-01", "target": "node", "observations": observations}
    other = {"requirement": "HLT-RES-01", "target": "node", "observations": observations}
    return json.dumps({"run": {"profile": profile, "start": start.isoformat()}, "checks": [disk, other]})


@pytest.fixture
def stream(tmp_path: Path) -> Callable[..., HistoryChannel]:
    """A channel to runs that were given as start and text of their record (None: they left none)."""

    def make(*runs: tuple[datetime, str | bytes | None]) -> HistoryChannel:
        for number, (start, text) in enumerate(runs):
            directory = tmp_path / "lab" / f"{start:%Y%m%dT%H%M%SZ}-{number:08x}"
            directory.mkdir(parents=True)
            if text is not None:
                content = text.encode() if isinstance(text, str) else text
                (directory / "results.json").write_bytes(content)
        return HistoryChannel("lab", tmp_path / "lab", NOW, Transcript(tmp_path / "transcript.jsonl", Redactor()))

    return make


def at(days: float) -> datetime:
    return NOW - timedelta(days=days)


def test_the_highest_of_each_day_is_remembered(stream: Callable[..., HistoryChannel]) -> None:
    runs = [(at(each), record(at(each), root=0.1 + 0.01 * (10 - each))) for each in (3, 2, 1.1, 1)]
    found = stream(*runs).earlier().daily("CAP-TRG-DISK-01", "node")
    assert [each.day for each in found["root"]] == [date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)]
    assert found["root"][-1].value == pytest.approx(0.19)


def test_no_runs_at_all_is_an_empty_history(stream: Callable[..., HistoryChannel]) -> None:
    assert stream().earlier().runs == ()


def test_only_finished_earlier_runs_of_this_profile_count(stream: Callable[..., HistoryChannel]) -> None:
    found = stream(
        (at(-0.1), record(at(-0.1), root=0.9)),  # began later
        (at(0), record(at(0), root=0.9)),  # this very run
        (at(40), record(at(40), root=0.9)),  # before what a forecast looks at
        (at(1), None),  # broken off, or still running
        (at(2), record(at(2), profile="staging", root=0.9)),
        (at(3), record(at(3), root=0.2)),
    ).earlier()
    assert [each.started for each in found.runs] == [at(3).timestamp()]
    assert found.damaged == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"run": {"profile": "lab", "start": "yesterday"}, "checks": []}',
        b'{"run": {"profile": "lab", "start": "2026-11-22T00:00:00"}, "checks": []}',
        b'{"run": {"profile": "lab", "start": "2026-11-22T00:00:00Z"}, "checks": [{"requirement": 5}]}',
        b'{"run": {"profile": "lab", "start": "2026-11-22T00:00:00Z"}, "checks": {"a": 1}}',
    ],
)
def test_a_damaged_record_is_counted_and_the_others_are_read(
    stream: Callable[..., HistoryChannel], text: bytes
) -> None:
    found = stream((at(1), text), (at(2), record(at(2), root=0.2))).earlier()
    assert len(found.runs) == 1
    assert len(found.damaged) == 1
    shown = forecast.rests_on(found)
    assert shown.met
    assert found.damaged[0] in str(shown.observed)


@given(st.text(max_size=100))
def test_hostile_text_is_damage_never_a_crash(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse(text, "lab")


def test_numbers_alone_are_remembered_and_of_capacity_alone() -> None:
    strange: dict[str, Any] = {"word": "NaN", "flag": True, "nothing": None, "many": [1.0], "huge": 1e300}
    found = parse(record(at(1), root=0.5, whole=3, **strange), "lab")
    assert found is not None
    assert found.numbers == {("CAP-TRG-DISK-01", "node"): {"root": 0.5, "whole": 3.0}}


@pytest.mark.parametrize(("days", "read"), [(1, 24), (7, 24), (8, 4), (30, 4)])
def test_of_days_that_are_judged_more_is_read(stream: Callable[..., HistoryChannel], days: int, read: int) -> None:
    noon = at(days)
    runs = [noon - timedelta(minutes=each * 20) for each in range(30)]
    found = stream(*((start, record(start, root=0.5)) for start in runs)).earlier()
    assert [each.started for each in found.runs] == [each.timestamp() for each in reversed(runs[:read])]
    assert found.left_out == 30 - read


def test_a_peak_of_memory_that_an_hourly_run_saw_is_not_left_out(stream: Callable[..., HistoryChannel]) -> None:
    used = {each: 0.95 if each == 9 else 0.4 for each in range(1, 24)}
    runs = [(at(each / 24), record(at(each / 24), root=value)) for each, value in used.items()]
    seen = stream(*runs).earlier().readings("CAP-TRG-DISK-01", "node")
    assert max(each["root"] for each in seen) == 0.95


def test_no_more_is_read_than_the_bound(stream: Callable[..., HistoryChannel], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 1)
    found = stream(*((at(each), record(at(each), root=0.5)) for each in (1, 2, 3))).earlier()
    assert (len(found.runs), found.left_out) == (1, 2)


def test_where_not_all_can_be_read_no_day_goes_without(
    stream: Callable[..., HistoryChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [at(each + later / 24) for each in range(1, 31) for later in range(4)]
    monkeypatch.setattr(history, "MOST_BYTES", 30 * len(record(at(1), root=0.5)))
    found = stream(*((start, record(start, root=0.5)) for start in runs)).earlier()
    assert {day_of(each.started) for each in found.runs} == {day_of(at(each).timestamp()) for each in range(1, 31)}
    assert [each.started for each in found.runs] == sorted(each.started for each in found.runs)


def test_what_was_read_is_on_record_and_read_once(
    stream: Callable[..., HistoryChannel], exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    channel = stream((at(1), record(at(1), root=0.5)), (at(2), "x"))
    assert channel.earlier() is channel.earlier()
    (asked,) = exchanges()
    assert asked["answer"]["runs"][0]["numbers"] == [["CAP-TRG-DISK-01", "node", "root", 0.5]]
    assert len(asked["answer"]["damaged"]) == 1


def test_runs_that_asked_for_something_else_do_not_hide_the_daily_one(stream: Callable[..., HistoryChannel]) -> None:
    untested = {"requirement": "CAP-TRG-DISK-01", "target": "node", "observations": []}  # as a selection leaves it
    elsewhere = json.dumps({"run": {"profile": "lab", "start": at(1).isoformat()}, "checks": [untested]})
    runs = [(NOW - timedelta(hours=1, minutes=each), elsewhere) for each in range(30)]
    found = stream(*runs, (NOW - timedelta(hours=6), record(NOW - timedelta(hours=6), root=0.5))).earlier()
    assert len(found.runs) == 1
    assert found.left_out == 0


@given(st.lists(st.integers(-100, 50 * 24 * 60), max_size=60, unique=True))
def test_runs_of_the_last_days_come_newest_first(minutes: list[int]) -> None:
    names = {str(each): NOW - timedelta(minutes=each) for each in minutes}
    found = within(names, NOW, 30)
    assert [name for _, name in found] == [str(each) for each in sorted(minutes) if 0 < each <= 30 * 24 * 60]
    assert all(names[name].date() == day for day, name in found)


def test_what_this_run_sees_is_todays_value() -> None:
    runs = tuple(
        past_runs.PastRun(at(each).timestamp(), {("CAP-TRG-DISK-01", "node"): {"/ used": 0.5 - 0.05 * each}})
        for each in (3, 2, 1, 0.2)
    )
    known = forecast.of_own_runs(
        past_runs.History(runs), "CAP-TRG-DISK-01", "node", {"/ used": 0.5, "/new used": 0.1}, NOW.date()
    )
    assert [each.day.day for each in known["/ used"]] == [20, 21, 22, 23]
    assert known["/new used"] == (Daily(NOW.date(), 0.1),)
    used, new = forecast.untils(known, LIMIT, forecast.OWN_RUNS)
    assert used.observed == (
        "in 6 days, about 2026-11-29, +5 % a day (on 4 of 4 days up to 2026-11-23, by this suite's own runs)"
    )
    assert new.observed == "cannot be told on 1 day (by this suite's own runs), at least 3 are needed"
    assert used.met
    assert used.expected == "shown"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.4, 0.3], "not growing, -10 % a day"),
        ([0.5, 0.5, 0.5], "steady at 50 %"),
        ([0.7, 0.8, 0.9], "already beyond it at 90 %, +10 % a day"),
        ([0.95, 0.9, 0.85], "already beyond it at 85 %, -5 % a day"),
        ([0.5, 0.50001, 0.50002], "in more than 3650 days, +0.001 % a day"),
        ([0.5, 0.500001, 0.500002], "steady at 50 %"),
        ([0.6, 0.7, 0.8], "in 0 days, about 2026-11-03, +10 % a day"),
    ],
)
def test_how_a_forecast_reads(values: list[float], expected: str) -> None:
    days = [Daily(date(2026, 11, 1 + each), value) for each, value in enumerate(values)]
    told = forecast.until("/ used", days, LIMIT, "here")
    assert told.observed == f"{expected} (on 3 of 3 days up to 2026-11-03, here)"
    assert told.name == "/ used reaches 80 %"
    (start, _), (end, there) = forecast.line(days)
    assert end - start == 3 * 86_400
    assert there == pytest.approx(values[-1] + 3 * (values[-1] - values[-2]), abs=1e-3)
