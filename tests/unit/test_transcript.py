"""Every exchange is one line that can be read again, whatever was answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsverify.channels.base import Channel
from opsverify.channels.coding import Coding
from opsverify.errors import NotRecordedError, UsageError
from opsverify.recorded import NOT_RECORDED, Recorded
from opsverify.redaction import Redactor
from opsverify.transcript import Transcript, merge

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def write(transcript: Transcript, started: datetime = NOON, **more: Any) -> str:
    said = {"question": "true", **more}
    return transcript.write(channel="shell", target="t", account="me", started=started, duration_s=0.1234567, **said)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_an_exchange_says_who_asked_whom_what_and_when(transcript: Transcript) -> None:
    transcript.check = "checks/x.py::test_y"
    assert write(transcript, answer={"exit_status": 0}) == "1"
    assert read(transcript.path) == [
        {
            "id": "1",
            "at": "2026-11-23T12:00:00.000+00:00",
            "check": "checks/x.py::test_y",
            "channel": "shell",
            "target": "t",
            "account": "me",
            "question": "true",
            "answer": {"exit_status": 0},
            "failure": None,
            "error": None,
            "duration_s": 0.1235,
        }
    ]


def test_question_answer_and_failure_are_redacted_before_they_are_written(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.add("hunter22")
    transcript = Transcript(tmp_path / "t.jsonl", redactor)
    write(transcript, question=["hunter22"], answer={"a": "hunter22"}, failure="hunter22")
    assert "hunter22" not in transcript.path.read_text(encoding="utf-8")


HOSTILE = ["a\nb", "\u2028\u2029\x85\x0b\x0c\x1c", "\x1b[31m", "\u202egnp.exe", "\ud800 half", "\x00", '"}\n{"']


@pytest.mark.parametrize("answer", HOSTILE)
def test_a_hostile_answer_stays_one_line(transcript: Transcript, answer: str) -> None:
    write(transcript, answer=answer)
    write(transcript)
    assert [each["id"] for each in read(transcript.path)] == ["1", "2"]
    assert read(transcript.path)[0]["answer"] == answer.replace("\ud800", "\\ud800")


@pytest.mark.parametrize("answer", HOSTILE)
def test_a_hostile_answer_survives_merging(transcript: Transcript, answer: str) -> None:
    write(transcript, answer=answer)
    merge(transcript.path.parent)
    assert read(transcript.path)[0]["answer"] == answer.replace("\ud800", "\\ud800")


def test_ids_since_are_those_written_since(transcript: Transcript) -> None:
    write(transcript)
    before = transcript.count
    write(transcript)
    write(transcript)
    assert transcript.ids_since(before) == ["2", "3"]
    assert transcript.ids_since(transcript.count) == []


def test_parts_of_parallel_workers_are_joined_by_time_and_removed(tmp_path: Path) -> None:
    one = Transcript(tmp_path / "transcript.gw0.part.jsonl", Redactor(), "gw0-")
    two = Transcript(tmp_path / "transcript.gw1.part.jsonl", Redactor(), "gw1-")
    write(one, NOON + timedelta(seconds=1))
    write(two, NOON)
    write(one, NOON + timedelta(seconds=2))
    merge(tmp_path)
    assert [each["id"] for each in read(tmp_path / "transcript.jsonl")] == ["gw1-1", "gw0-1", "gw0-2"]
    assert [each.name for each in tmp_path.iterdir()] == ["transcript.jsonl"]


def test_a_run_that_asked_nothing_leaves_an_empty_transcript(tmp_path: Path) -> None:
    merge(tmp_path)
    assert (tmp_path / "transcript.jsonl").read_text(encoding="utf-8") == ""


def test_half_a_line_of_a_worker_that_was_killed_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "transcript.gw0.part.jsonl").write_bytes(b'{"id": "gw0-1", "at": "1"}\n{"id": "gw0-2", "x": "\xe6\xb1')
    merge(tmp_path)
    assert read(tmp_path / "transcript.jsonl") == [{"id": "gw0-1", "at": "1"}]


def test_a_replay_hears_the_answers_as_they_came_whatever_the_clock_did_meanwhile(transcript: Transcript) -> None:
    write(transcript, NOON, answer="first")
    write(transcript, NOON - timedelta(seconds=5), answer="second")
    merge(transcript.path.parent)
    recorded = Recorded(transcript.path, Redactor())
    assert [recorded.take("shell", "t", "true").answer for _ in range(2)] == ["first", "second"]


@pytest.mark.parametrize(
    "name", ["TimeoutExpired", "UnicodeDecodeError", "ExceptionGroup", "SystemExit", "print", None]
)
def test_what_had_failed_fails_again_whatever_its_type(transcript: Transcript, name: str | None) -> None:
    write(transcript, failure="why not")
    line = {**read(transcript.path)[0], "error": name}
    transcript.path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    failure = Recorded(transcript.path, Redactor()).take("shell", "t", "true").raised()
    assert isinstance(failure, Exception)
    assert (str(failure), type(failure).__name__) == ("why not", name or "Exception")


def test_a_failure_of_a_type_that_cannot_be_is_no_exchange(transcript: Transcript) -> None:
    write(transcript, failure="why not")
    line = {**read(transcript.path)[0], "error": "a\0b"}
    transcript.path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 1: error: got .*, expected the name of a type"):
        Recorded(transcript.path, Redactor())


def test_what_is_not_kept_in_a_transcript_is_missed_by_a_replay(transcript: Transcript) -> None:
    write(transcript, answer={"bytes": 1})
    recorded = Recorded(transcript.path, Redactor())
    channel = Channel("t", "me", 1.0, recorded)
    channel.kind = "shell"  # type: ignore[misc]
    with pytest.raises(NotRecordedError, match="what it gave is not kept in the transcript"):
        channel.exchange("true", lambda: 1, Coding(lambda found: {"bytes": found}))
    assert recorded.ids_since(0) == ["1", NOT_RECORDED]
