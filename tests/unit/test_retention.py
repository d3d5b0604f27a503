"""Days of logs and the age of what is deleted: what the sources say, from real pipelines, and how it is judged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, unmet
from opsverify.probes.deleters import Deleters, everywhere
from opsverify.probes.lifecycles import lifecycle, parse_age, parse_explained, parse_policy
from opsverify.probes.log_days import LogDays, in_files, in_index, parse_count, parse_days, parse_indices
from opsverify.rules.retention import logs_of_every_day, nothing_deletes_too_early
from opsverify.shell.deletions import Deleter
from opsverify.stores import LogFiles

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAYS = [date(2026, 10, 24 + back) if back < 8 else date(2026, 11, back - 7) for back in range(30)]
LimitsOf = Callable[[str], Limits]


def logs(**changed: Any) -> LogDays:
    whole = {"entries": dict.fromkeys(DAYS, 300), "detailed": dict.fromkeys(DAYS, 7)}
    return LogDays(**{**whole, "undecoded": 0, "unread": (), "sources": 31, "of": "files", **changed})


def without(day: date) -> dict[date, int]:
    return {each: 300 for each in DAYS if each != day}


@pytest.mark.parametrize(
    ("changed", "since", "names"),
    [
        ({}, None, []),
        ({"unread": ("/x.xz",), "undecoded": 9}, None, []),
        ({"entries": without(date(2026, 11, 6))}, None, ["2026-11-06"]),
        ({"entries": {**without(date(2026, 11, 6)), date(2026, 11, 6): 0}}, None, ["2026-11-06"]),
        ({"detailed": without(date(2026, 10, 24))}, None, ["2026-10-24"]),
        ({"entries": {date(2026, 11, 22): 1}, "detailed": {date(2026, 11, 22): 1}}, date(2026, 11, 22), []),
        ({"entries": without(date(2026, 11, 20))}, date(2026, 11, 20), ["2026-11-20"]),
        ({"entries": without(date(2026, 11, 20))}, date(2026, 11, 21), []),
    ],
)
def test_a_day_without_entries_is_named(
    limits_of: LimitsOf, changed: dict[str, Any], since: date | None, names: list[str]
) -> None:
    found = unmet(logs_of_every_day(logs(**changed), "DEBUG", since, limits_of("CAP-STO-02"), NOW))
    assert [each.observed for each in found if each.name.startswith("days")] == [(each,) for each in names]
    assert bool(found) == bool(names)


@pytest.mark.parametrize(
    ("changed", "since"),
    [
        ({"entries": without(date(2026, 11, 6)), "unread": ("/var/log/x.zst",)}, None),
        ({"entries": {}, "detailed": {}, "undecoded": 12}, None),
        ({}, date(2026, 11, 23)),
        ({}, date(2027, 1, 1)),
    ],
)
def test_too_little_to_judge_days_by_is_an_error(
    limits_of: LimitsOf, changed: dict[str, Any], since: date | None
) -> None:
    with pytest.raises(InsufficientFactsError):
        logs_of_every_day(logs(**changed), "DEBUG", since, limits_of("CAP-STO-02"), NOW)


def test_a_folder_without_any_log_is_a_finding(limits_of: LimitsOf) -> None:
    found = logs_of_every_day(logs(entries={}, detailed={}, sources=0), "DEBUG", None, limits_of("CAP-STO-02"), NOW)
    assert len(unmet(found)) == 3


SEEN = {"jobs": 5}


@pytest.mark.parametrize(
    ("found", "bad"),
    [
        ((), 0),
        ((Deleter("a:1", "x", 90),), 0),
        ((Deleter("a:1", "x", 89.9),), 1),
        ((Deleter("a:1", "x", None),), 1),
        ((Deleter("a:1", "x", float("inf")),), 0),
        ((Deleter("a:1", "x", 95, "perhaps elsewhere"),), 0),
        ((Deleter("a:1", "x", 1), Deleter("b:1", "y", None, "not told")), 1),
    ],
)
def test_what_deletes_too_early_is_named(limits_of: LimitsOf, found: tuple[Deleter, ...], bad: int) -> None:
    observations = nothing_deletes_too_early(Deleters(found, 3, SEEN), limits_of("CAP-STO-05"))
    assert len(unmet(observations)) == bad
    assert all(each.name.startswith("a:1") for each in unmet(observations))
    assert "3 elsewhere, among 5 jobs" in str(observations[-1].observed)


@pytest.mark.parametrize(
    "found",
    [
        Deleters((Deleter("b:7", "rm x", None, "not told"),), 0, SEEN),
        Deleters((Deleter("b:7", "rm x", 7, "not told"), Deleter("a:1", "x", 99)), 0, SEEN),
        Deleters((), 0, {"b:7": 0}),
    ],
)
def test_what_cannot_be_told_is_never_green(limits_of: LimitsOf, found: Deleters) -> None:
    with pytest.raises(InsufficientFactsError, match=r"b:7|looked through"):
        nothing_deletes_too_early(found, limits_of("CAP-STO-05"))


def test_several_hosts_add_up() -> None:
    one = Deleters((Deleter("a", "x", 1),), 2, {"jobs": 3})
    assert everywhere([one, one]) == Deleters((*one.found, *one.found), 4, {"jobs": 6})


# ---- log files, read by the real tools


def line(stamp: str, level: str = "INFO", rest: str = "") -> str:
    return f'{{"timestamp":"{stamp}","level":"{level}","message":"x"{rest}}}'


@pytest.mark.parametrize(
    ("text", "entries", "detailed", "undecoded"),
    [
        (line("2026-11-06T23:59:59.999Z"), 1, 0, 0),
        (line("2026-11-06T00:00:00Z", "DEBUG"), 1, 1, 0),
        (line("2026-11-06T10:00:00+00:00", "DEBUG"), 1, 1, 0),
        ('{ "level": "DEBUG", "pid": 7, "timestamp": "2026-11-06T10:00:00Z" }', 1, 1, 0),
        ('{"message":"a \\"quoted\\" {brace}, x","timestamp":"2026-11-06T10:00:00Z","level":"DEBUG"}', 1, 1, 0),
        ("", 0, 0, 0),
        ("plain text of 2026-11-06T10:00:00Z", 0, 0, 1),
        (line("2026-11-06T10:00:00+08:00", "DEBUG"), 0, 0, 1),
        (line("2026-11-06"), 0, 0, 1),
        ('{"data":{"timestamp":"2026-11-06T10:00:00Z","level":"DEBUG"}}', 0, 0, 1),
        ('{"message":"\\"timestamp\\":\\"2026-11-06T10:00:00Z\\""}', 0, 0, 1),
        ('{"message":"{\\"level\\":\\"DEBUG\\"}","timestamp":"2026-11-06T10:00:00Z"}', 1, 0, 0),
        (line("2026-11-06T10:00:00Z", "INFO", ',"data":{"level":"DEBUG"}'), 1, 0, 0),
        ("\x1b[31m\udcff\n" + line("2026-11-06T10:00:00Z"), 1, 0, 1),
        (line("2026-11-06T10:00:00Z", "INFO", f',"m":"{"x" * 200000}"'), 1, 0, 0),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_entries_are_counted_by_the_stamps_of_the_entries_themselves(
    local: Host, tmp_path: Path, text: str, entries: int, detailed: int, undecoded: int, compressed: bool
) -> None:
    data = f"{text}\n".encode("utf-8", "surrogateescape")
    name = "app.log-20261001.gz" if compressed else "-app log"
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / name).write_bytes(gzip.compress(data) if compressed else data)
    found = in_files(local, LogFiles(name="x", role="files", host="here", folder=str(folder)))
    day = date(2026, 11, 6)
    assert (found.entries, found.detailed) == ({day: entries} if entries else {}, {day: 1} if detailed else {})
    assert found.undecoded == undecoded


def test_a_log_that_is_cut_short_is_an_error_and_another_compression_is_told(local: Host, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    spec = LogFiles(name="x", role="files", host="here", folder=str(folder))
    (folder / "a.log.xz").write_bytes(b"\xfd7zXZ\0")
    assert in_files(local, spec).unread == (f"{folder}/a.log.xz",)
    (folder / "b.log.gz").write_bytes(gzip.compress(line("2026-11-06T10:00:00Z").encode() * 99)[:-20])
    with pytest.raises(UnansweredError, match="unexpected end of file"):
        in_files(local, spec)


def test_no_folder_has_no_days(local: Host) -> None:
    found = in_files(local, LogFiles(name="x", role="files", host="here", folder="/no/such"))
    assert (found.entries, found.sources) == ({}, 0)


@given(st.text(st.sampled_from("0123456789-: \n\ufffdx") | st.characters(), max_size=60))
def test_no_count_of_days_breaks_its_parser(text: str) -> None:
    try:
        days, others = parse_days(text)
    except UnansweredError:
        return
    assert others >= 0
    assert all(count >= 0 for count in days.values())


# ---- Elasticsearch, in the shapes of 7.17 and 8

CAT = {"health": "green", "status": "open", "index": "tokenswap-logs-2026.11.06", "docs.count": "1406", "pri": "1"}


def test_indices_tell_their_day_and_their_documents() -> None:
    others = [
        {**CAT, "index": "tokenswap-logs-2026-11-07-000001", "docs.count": "0", "dataset.size": "1kb"},
        {**CAT, "index": "tokenswap-logs-2026.11.08", "status": "close", "docs.count": None},
        {**CAT, "index": "tokenswap-logs-000007"},
        {**CAT, "index": "tokenswap-logs-2026.11.093"},
    ]
    found, unread = parse_indices([CAT, *others], "tokenswap-logs-")
    assert found == {
        "tokenswap-logs-2026.11.06": (date(2026, 11, 6), 1406),
        "tokenswap-logs-2026-11-07-000001": (date(2026, 11, 7), 0),
    }
    assert unread[0] == "tokenswap-logs-2026.11.08 (close)"
    assert [each.endswith("(no day in its name)") for each in unread[1:]] == [True, True]


class FakeElasticsearch:
    """Answers by path."""

    target = "searchable"

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def get(self, path: str, _: dict[str, str]) -> SimpleNamespace:
        told = self.answers.get(path)
        text = told if isinstance(told, str) else json.dumps(told)
        return SimpleNamespace(status=404 if told is None else 200, text=text)


def test_the_levels_of_the_days_to_judge_are_asked_and_of_no_other() -> None:
    cat = [{**CAT, "index": f"tokenswap-logs-2026.11.0{day}"} for day in (5, 6, 7)]
    counts = {f"/tokenswap-logs-2026.11.0{day}/_count": {"count": day, "_shards": SHARDS} for day in (6, 7)}
    there: Any = FakeElasticsearch({"/_cat/indices/tokenswap-logs-*": cat, **counts})
    found = in_index(there, "tokenswap-logs-*", "DEBUG", date(2026, 11, 6))
    assert found.detailed == {date(2026, 11, 6): 6, date(2026, 11, 7): 7}
    assert (len(found.entries), found.sources) == (3, 3)


@pytest.mark.parametrize("told", [None, "<html>", {"error": "x"}])
def test_an_elasticsearch_that_does_not_tell_is_an_error(told: Any) -> None:
    there: Any = FakeElasticsearch({"/_cat/indices/x-*": told, "/x-*/_ilm/explain": told})
    with pytest.raises(UnansweredError, match="searchable"):
        in_index(there, "x-*", "DEBUG", date(2026, 11, 6))
    with pytest.raises(UnansweredError, match="searchable"):
        lifecycle(there, "x-*")


def test_each_policy_of_the_indices_is_asked_for() -> None:
    phases = {"delete": {"min_age": "8d", "actions": {}}}
    explained = {"indices": {"x-1": {**EXPLAINED, "policy": "p"}, "x-2": {"managed": False}}}
    there: Any = FakeElasticsearch(
        {"/x-*/_ilm/explain": explained, "/_ilm/policy/p": {"p": {"policy": {"phases": phases}}}}
    )
    found = lifecycle(there, "x-*")
    assert [each.keeps_days for each in found.found] == [7]
    assert found.seen == {"indices": 2, "policies": 1}
    there.answers["/x-*/_ilm/explain"] = {"indices": {}}
    with pytest.raises(InsufficientFactsError, match="no index"):
        lifecycle(there, "x-*")


SHARDS = {"total": 2, "successful": 2, "skipped": 0, "failed": 0}
EXPLAINED = {"index": "x", "managed": True, "policy": "tokenswap-logs", "age": "1.2d", "phase": "hot"}


def test_a_count_is_of_all_shards() -> None:
    assert parse_count({"count": 5, "_shards": SHARDS}) == 5


@pytest.mark.parametrize(
    ("parse", "told"),
    [
        (parse_count, {"count": 5, "_shards": {**SHARDS, "successful": 1, "failed": 1}}),
        (parse_count, {"count": "5", "_shards": SHARDS}),
        (parse_count, {"error": {"type": "index_not_found_exception"}, "status": 404}),
        (lambda told: parse_indices(told, "x"), {"error": "security_exception"}),
        (lambda told: parse_indices(told, "x"), [{"index": "x2026.11.06"}]),
        (lambda told: parse_indices(told, "x"), [{**CAT, "index": "x2026.02.31"}]),
        (parse_explained, {"error": "x"}),
        (parse_explained, {"indices": {"a": {"managed": "true"}}}),
        (parse_explained, {"indices": {"a": {**EXPLAINED, "policy": "../x"}}}),
        (lambda told: parse_policy(told, "p", 1), {"p": {"policy": {}}}),
        (parse_age, "soon"),
        (parse_age, "30"),
    ],
)
def test_an_answer_of_another_shape_is_an_error(parse: Callable[[Any], object], told: Any) -> None:
    with pytest.raises(UnansweredError):
        parse(told)


def test_indices_are_managed_or_not_and_data_streams_are_not_read() -> None:
    told = {"indices": {"a": EXPLAINED, "b": {"index": "b", "managed": False}}}
    assert parse_explained(told) == ({"a": "tokenswap-logs"}, 1)
    with pytest.raises(InsufficientFactsError, match="data stream"):
        parse_explained({"indices": {".ds-tokenswap-logs-x": {"managed": False}}})


@pytest.mark.parametrize(
    ("phases", "days"),
    [
        ({"hot": {}}, []),
        ({"hot": {}, "delete": {"min_age": "31d", "actions": {"delete": {}}}}, [30]),
        ({"hot": {}, "delete": {"min_age": "30d", "actions": {"delete": {}}}}, [29]),
        ({"hot": {"actions": {"rollover": {"max_age": "1d"}}}, "delete": {"min_age": "30d", "actions": {}}}, [30]),
        ({"hot": {}, "delete": {"min_age": "744h", "actions": {"delete": {}}}}, [30]),
        ({"hot": {}, "delete": {"actions": {"delete": {}}}}, [0]),
    ],
)
def test_a_policy_counts_from_the_creation_of_an_index_unless_it_rolls_over(
    phases: dict[str, Any], days: list[float]
) -> None:
    told = {"p": {"version": 1, "policy": {"phases": phases}}}
    assert [each.keeps_days for each in parse_policy(told, "p", 36)] == [pytest.approx(each) for each in days]
