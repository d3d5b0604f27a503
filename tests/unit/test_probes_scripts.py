"""Scripts on a host: stat's own words, first lines, records of runs, and a real shell's word on the grammar."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes.scripts import (
    RUNS,
    Entry,
    ScriptRun,
    parse_entries,
    parse_interpreter,
    parse_runs,
    runs,
    script,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "path", "entry"),
    [
        ("755 root regular file /opt/a.sh", "/opt/a.sh", Entry("/opt/a.sh", "regular file", "root", 0o755)),
        ("644 root regular empty file /a", "/a", Entry("/a", "regular empty file", "root", 0o644)),
        ("1777 root directory /tmp", "/tmp", Entry("/tmp", "directory", "root", 0o1777)),
        ("755 root directory /", "/", Entry("/", "directory", "root", 0o755)),
        ("4755 UNKNOWN regular file /a", "/a", Entry("/a", "regular file", "UNKNOWN", 0o4755)),
        ("777 root symbolic link /a b", "/a b", Entry("/a b", "symbolic link", "root", 0o777)),
        ("0 root character special file /a", "/a", Entry("/a", "character special file", "root", 0)),
        (
            "755 root regular file /a regular file /a",
            "/a regular file /a",
            Entry("/a regular file /a", "regular file", "root", 0o755),
        ),
        ("755 www-data regular file /a.*[b](c)", "/a.*[b](c)", Entry("/a.*[b](c)", "regular file", "www-data", 0o755)),
    ],
)
def test_an_entry_is_read_whatever_blanks_it_holds(line: str, path: str, entry: Entry) -> None:
    assert parse_entries(f"{line}\n", [path]) == (entry,)


def test_entries_come_in_the_order_of_their_paths() -> None:
    text = "755 root regular file /a/b\n755 root directory /a\n755 root directory /\n"
    assert [each.path for each in parse_entries(text, ["/a/b", "/a", "/"])] == ["/a/b", "/a", "/"]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", ["/a"]),
        ("755 root regular file /a\n", ["/a", "/"]),
        ("755 root regular file /b\n", ["/a"]),
        ("755 root directory /\n755 root regular file /a\n", ["/a", "/"]),
        ("755 root regular file /a\n\n755 root directory /\n", ["/a", "/"]),
        ("755 root regular file /a\n755 root directory /\n", ["/a"]),
        ("755 root regular file /a\n755 root regular file /a\n", ["/a"]),
        ("755 root regular file /a\n\n", ["/a"]),
        ("\n755 root regular file /a\n", ["/a"]),
        ("755 root regular file /a\n", []),
        ("755 root /a\n", ["/a"]),
        ("755  root regular file /a\n", ["/a"]),
        ("root 755 regular file /a\n", ["/a"]),
        ("789 root regular file /a\n", ["/a"]),
        ("-755 root regular file /a\n", ["/a"]),
        ("100755 root regular file /a\n", ["/a"]),
        ("755 root regular file /a \n", ["/a"]),
        ("755 root regular file /a\u2028b\n", ["/a\u2028b"]),
        ("stat: cannot statx '/a': Permission denied\n", ["/a"]),
        ("x" * 1_000_000, ["/a"]),
    ],
)
def test_an_entry_that_is_not_understood_or_missing_is_an_error(text: str, paths: list[str]) -> None:
    with pytest.raises(UnansweredError, match=r"^stat: "):
        parse_entries(text, paths)


@given(st.text(max_size=60), st.text(min_size=1, max_size=10))
def test_hostile_entries_are_an_answer_or_an_error_never_a_crash(text: str, path: str) -> None:
    with contextlib.suppress(UnansweredError):
        (found,) = parse_entries(text, [path])
        assert found.path == path


@pytest.mark.parametrize(
    ("kind", "owner", "mode", "changeable"),
    [
        ("regular file", "root", 0o755, False),
        ("regular file", "root", 0o4755, False),
        ("regular file", "root", 0o775, True),
        ("regular file", "root", 0o757, True),
        ("regular file", "root", 0o777, True),
        ("regular file", "root", 0o722, True),
        ("regular file", "root", 0o1777, True),
        ("regular file", "deploy", 0o500, True),
        ("regular file", "UNKNOWN", 0o755, True),
        ("regular file", "Root", 0o755, True),
        ("directory", "root", 0o755, False),
        ("directory", "root", 0o1777, False),
        ("directory", "root", 0o1775, False),
        ("directory", "root", 0o777, True),
        ("directory", "root", 0o2775, True),
        ("directory", "deploy", 0o1777, True),
        ("directory", "root", 0o1722, False),
        ("symbolic link", "root", 0o777, False),
        ("symbolic link", "deploy", 0o777, True),
        ("symbolic link", "deploy", 0o755, True),
    ],
)
def test_others_may_change_what_they_own_or_may_write(kind: str, owner: str, mode: int, changeable: bool) -> None:
    assert Entry("/a", kind, owner, mode).changeable_by_others is changeable


def test_an_entry_shows_what_it_is() -> None:
    assert str(Entry("/a", "regular file", "root", 0o4755)) == "/a (regular file, root, 4755)"


@pytest.mark.parametrize(
    ("line", "interpreter"),
    [
        ("#!/bin/bash", "bash"),
        ("#!/bin/sh\nset -eu\n", "sh"),
        ("#! /bin/sh -e", "sh"),
        ("#!/usr/local/bin/bash --posix", "bash"),
        ("#!/usr/bin/env bash", "bash"),
        ("#!/usr/bin/env -S bash -e", "bash"),
        ("#!/usr/bin/env /opt/bin/bash", "bash"),
        ("#!/usr/bin/env python3", "python3"),
        ("#!/usr/bin/python3 /bin/bash", "python3"),
        ("#!/bin/dash", "dash"),
        ("#!/bin/bash5.2", "bash5.2"),
        ("#!/opt/not-bash", "not-bash"),
        ("#!/usr/bin/env FOO=1 bash", "env"),
        ("#!/usr/bin/env -i bash", "-i"),
        ("#!/opt/my tools/bash", "my"),
        ("#!bash", "bash"),
        ("#!/bin/bash\r\nset -eu\r\n", ""),
        ("#!/usr/bin/env bash\r\n", "env"),
        ("#!/bin/bash\r", ""),
        ("#!/bin/bash\t-e", "bash"),
        ("#!\t/bin/sh", "sh"),
        ("#!\n/bin/bash", ""),
        ("#! \nbash", ""),
        ("#!/usr/bin/env\nbash", "env"),
        ("#!/usr/bin/env \nbash x", "env"),
        ("#!/bin/bash\x0bx", ""),
        ("#!/bin/bash;", ""),
        ("#!", ""),
        ("#! ", ""),
        ("#!/bin/", ""),
        ("", ""),
        ("set -eu", ""),
        (" #!/bin/bash", ""),
        ("\n#!/bin/bash", ""),
        ("\ufeff#!/bin/bash", ""),
        ("# !/bin/bash", ""),
        ("\\x7fELF\\x02", ""),
    ],
)
def test_the_interpreter_is_the_one_of_the_first_line(line: str, interpreter: str) -> None:
    assert parse_interpreter(line) == interpreter


@given(st.text(max_size=128))
def test_hostile_first_lines_name_one_word_or_none(text: str) -> None:
    found = parse_interpreter(text)
    assert " " not in found
    assert "/" not in found
    assert text.startswith("#!") or not found


def record(finished: Any = "2026-11-23T12:00:00Z", rc: Any = 0, **more: Any) -> str:
    return json.dumps({"script": "daily.sh", "finished": finished, "rc": rc, **more})


@pytest.mark.parametrize(
    ("finished", "moment"),
    [
        ("2026-11-23T12:00:00Z", NOON),
        ("2026-11-23T12:00:00+00:00", NOON),
        ("2026-11-23T20:00:00+08:00", NOON),
        ("2026-11-23 07:00:00-05:00", NOON),
        ("2026-11-23T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2026-W48-1T12:00:00Z", NOON),
    ],
)
def test_a_run_is_read_in_utc(finished: str, moment: datetime) -> None:
    assert parse_runs(record(finished)) == (ScriptRun("daily.sh", moment, 0),)


def test_the_newest_run_comes_last_whatever_the_order_of_the_lines() -> None:
    text = "\n".join([record("2026-11-23T12:00:00Z"), "", record("2026-11-23T13:00:00+08:00", 1, host="node"), "  "])
    assert [each.status for each in parse_runs(text)] == [1, 0]
    assert parse_runs("\n \n") == parse_runs("") == ()


@pytest.mark.parametrize(
    "line",
    [
        "done",
        "null",
        "[]",
        "{}",
        '"daily.sh"',
        "2026-11-23T12:00:00Z daily.sh 0",
        record("2026-11-23T12:00:00"),
        record("2026-11-23"),
        record("yesterday"),
        record(""),
        record("2026-02-30T12:00:00Z"),
        record("0001-01-01T00:00:00+08:00"),
        record(rc=None),
        record(rc=True),
        record(rc="0"),
        record(rc=0.0),
        record(rc=[0]),
        record(script=None),
        record(script=["daily.sh"]),
        record(finished=0),
        record(finished=None),
        record()[:-1],
        record() * 2,
        '{"script": "daily.sh", "rc": 0}',
        '{"script": "daily.sh", "finished": "2026-11-23T12:00:00Z"}',
        '{"finished": "2026-11-23T12:00:00Z", "rc": 0}',
        '{"script": "daily.sh", "finished": "2026-11-23T12:00:00Z", "rc": NaN}',
        '{"script": "daily.sh", "finished": "2026-11-23T12:00:00Z", "rc": ' + "9" * 5000 + "}",
        "[" * 100_000,
        "x" * 1_000_000,
    ],
)
def test_what_is_no_record_of_a_run_is_an_error_never_skipped(line: str) -> None:
    for text in (line, f"{record()}\n{line}\n{record()}"):
        with pytest.raises(UnansweredError, match=r"^no record of a run with script, finished") as error:
            parse_runs(text)
        assert len(str(error.value)) < 400


@given(st.text(max_size=100))
def test_hostile_records_are_an_error_unless_they_are_blank(text: str) -> None:
    if text.strip():
        with pytest.raises(UnansweredError):
            parse_runs(text)
    else:
        assert parse_runs(text) == ()


@given(st.lists(st.tuples(st.datetimes(timezones=st.just(UTC)), st.integers(-9, 255), st.text(max_size=8)), max_size=5))
def test_records_that_are_written_are_read_again(written: list[tuple[datetime, int, str]]) -> None:
    lines = [json.dumps({"script": name, "finished": at.isoformat(), "rc": rc}) for at, rc, name in written]
    found = parse_runs("\n".join(lines))
    assert sorted(found, key=repr) == sorted((ScriptRun(name, at, rc) for at, rc, name in written), key=repr)
    assert [each.finished for each in found] == sorted(each.finished for each in found)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "of may"
    folder.mkdir(mode=0o755)
    return folder


def test_a_script_on_a_host_is_seen_with_its_folders(local: Host, place: Path) -> None:
    file = place / "daily check.sh"
    file.write_text("#!/usr/bin/env bash\necho x\n", encoding="utf-8")
    file.chmod(0o754)
    found = script(local, str(file))
    assert found is not None
    assert found.syntax == ""
    assert found.entry == Entry(str(file), "regular file", pwd.getpwuid(os.getuid()).pw_name, 0o754)
    assert [each.path for each in found.above] == [str(each) for each in file.parents]
    assert all(each.kind == "directory" for each in found.above)


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_script_that_does_not_parse_is_told_and_not_run(local: Host, place: Path, shell: str) -> None:
    file, trace = place / "daily.sh", place / "trace"
    file.write_text(f"#!/bin/{shell}\necho x > '{trace}'\nif true; then\n", encoding="utf-8")
    found = script(local, str(file))
    assert found is not None
    assert "yntax error" in found.syntax
    assert "\n" not in found.syntax
    assert not trace.exists()


def test_a_script_of_another_interpreter_cannot_be_parsed(local: Host, place: Path) -> None:
    for first in ("#!/usr/bin/python3\n", "print()\n"):
        (place / "daily").write_text(first, encoding="utf-8")
        with pytest.raises(InsufficientFactsError, match=r"only scripts of sh and bash can be parsed"):
            script(local, str(place / "daily"))


def test_what_is_no_regular_file_is_seen_as_what_it_is(local: Host, place: Path) -> None:
    found = script(local, str(place))
    assert found is not None
    assert (found.entry.kind, found.syntax) == ("directory", "")


def test_an_empty_script_cannot_be_parsed(local: Host, place: Path) -> None:
    (place / "daily.sh").touch()
    with pytest.raises(InsufficientFactsError, match="is run by no interpreter it names"):
        script(local, str(place / "daily.sh"))


def test_a_script_with_the_lines_of_another_system_is_not_called_sound(local: Host, place: Path) -> None:
    (place / "daily.sh").write_bytes(b"#!/bin/bash\r\ntrue\r\n")
    with pytest.raises(InsufficientFactsError, match="is run by no interpreter it names"):
        script(local, str(place / "daily.sh"))


def test_what_is_not_there_is_a_fact_to_judge_by(local: Host, place: Path) -> None:
    (place / "dangling").symlink_to(place / "nowhere")
    for name in ("no.sh", "no/such.sh", "dangling"):
        assert script(local, str(place / name)) is None
        assert runs(local, str(place / name)) is None


def test_the_end_of_a_record_is_read(local: Host, place: Path) -> None:
    file = place / "daily.jsonl"
    lines = [record((NOON + timedelta(days=each)).isoformat(), each) for each in range(RUNS + 5)]
    file.write_text("broken line\n" + "\n".join(lines) + "\n", encoding="utf-8")
    file.chmod(0o644)
    found = runs(local, str(file))
    assert found is not None
    assert [each.status for each in found.latest] == list(range(5, RUNS + 5))
    assert (found.entry.kind, found.entry.mode) == ("regular file", 0o644)


def test_an_error_about_a_record_names_host_and_file(local: Host, place: Path) -> None:
    (place / "x.jsonl").write_text("done\n", encoding="utf-8")
    with pytest.raises(UnansweredError, match=rf"^host here: {place}/x.jsonl: no record of a run"):
        runs(local, str(place / "x.jsonl"))
