"""Archiving and base backups: what servers and hosts say of them is parsed, or is an error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import archiving, base_backups
from opsverify.probes.archiving import ArchiveSettings, parse_archive, parse_archiver, parse_settings
from opsverify.wal import Start

SHOWN = {
    "archive_mode": "on",
    "wal_level": "replica",
    "archive_command": "test ! -f /w/%f && cp %p /w/%f",
    "archive_library": "",
    "server_version_num": "150020",
}


def rows(**settings: str) -> list[dict[str, object]]:
    return [{"name": name, "setting": setting} for name, setting in settings.items()]


def test_settings_are_read() -> None:
    assert parse_settings(rows(**SHOWN)) == ArchiveSettings("on", "replica", SHOWN["archive_command"], "")


def test_a_version_without_archive_library_needs_none() -> None:
    before_15 = {**SHOWN, "server_version_num": "140025"}
    del before_15["archive_library"]
    assert parse_settings(rows(**before_15)).library == ""


@pytest.mark.parametrize("hidden", SHOWN)
def test_a_setting_that_is_not_shown_is_an_error(hidden: str) -> None:
    shown = {name: setting for name, setting in SHOWN.items() if name != hidden}
    with pytest.raises(InsufficientFactsError, match=f"not shown .*{hidden}"):
        parse_settings(rows(**shown))


STATE = {
    "standby": False,
    "archived": "000000010000000000000004.00000028.backup",
    "archived_at": datetime(2026, 11, 23, 8, 44, 26, tzinfo=UTC),
    "failed": None,
    "failed_at": None,
    "segment_size": "16777216",
    "position": 83886080,
}


def test_the_archiver_is_read() -> None:
    found = parse_archiver([STATE], [{"waiting": 2, "seconds": 7.5}])
    assert (found.position, found.segment_size, found.waiting, found.waiting_seconds) == (83886080, 16777216, 2, 7.5)


def test_a_standby_has_no_position_of_its_own() -> None:
    assert (
        parse_archiver([{**STATE, "standby": True, "position": None}], [{"waiting": 0, "seconds": 0}]).position is None
    )


def test_an_archive_is_read_with_what_is_no_file() -> None:
    files, others = parse_archive("f\t16777216\t000000010000000000000001\0f\t1\ta\tb\nc\0d\t4096\t15-1\0l\t7\tlink\0")
    assert files == {"000000010000000000000001": 16777216, "a\tb\nc": 1}
    assert others == ("15-1", "link")


@pytest.mark.parametrize("listing", ["x", "f\t1\t\0", "f\t-1\tx\0", "file\t1\tx\0", "f\t\u0661\tx\0"])
def test_a_listing_that_is_not_understood_is_an_error(listing: str) -> None:
    with pytest.raises(UnansweredError, match="not understood"):
        parse_archive(listing)


@given(st.text(max_size=80))
def test_no_listing_is_skipped_silently(listing: str) -> None:
    try:
        files, others = parse_archive(listing)
    except UnansweredError:
        return
    assert len(files) + len(others) <= len([each for each in listing.split("\0") if each])
    assert all(name for name in [*files, *others])


def test_base_backups_are_found_by_name_and_come_in_order(local: Host, tmp_path: Path) -> None:
    for name in ("base_20261123_020000", "base_20261122_020000", "base_20261199_020000", "base_x", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "base_20261123_020000" / "backup_manifest").touch()
    (tmp_path / "base_20261121_020000").touch()
    found = base_backups.base_backups(local, str(tmp_path), "Europe/Berlin")
    assert [(each.name, each.manifest) for each in found] == [
        ("base_20261122_020000", False),
        ("base_20261123_020000", True),
    ]
    assert found[1].taken == datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert base_backups.base_backups(local, f"{tmp_path}/none") == ()


@given(st.text(alphabet="fd\t\0base_20261123_020000/backup_manifest\n", max_size=80))
def test_no_listing_of_folders_breaks_the_parser(listing: str) -> None:
    try:
        found = base_backups.parse_folders("/b", listing)
    except UnansweredError:
        return
    assert all(each.path == f"/b/{each.name}" for each in found)


def test_a_real_label_tells_where_recovery_starts(captured: Callable[[str], str]) -> None:
    start = base_backups.parse_label(captured("backup_label.txt"))
    assert start == Start(1, 0x4000028, "000000010000000000000004")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("START WAL", "STOP WAL"),
        ("START TIMELINE: 1", "START TIMELINE: 2"),
        ("START TIMELINE: 1\n", ""),
        ("0/4000028", "0/XX"),
        ("START WAL", "START WAL LOCATION: 0/1 (file 000000010000000000000000)\nSTART WAL"),
    ],
)
def test_a_label_that_does_not_tell_is_an_error(old: str, new: str, captured: Callable[[str], str]) -> None:
    text = captured("backup_label.txt")
    assert old in text
    with pytest.raises(UnansweredError, match="not understood"):
        base_backups.parse_label(text.replace(old, new))


def test_a_base_backup_in_tar_format_cannot_be_looked_into(local: Host, tmp_path: Path) -> None:
    with pytest.raises(InsufficientFactsError, match="plain format"):
        base_backups.wal_start(local, str(tmp_path))


DAMAGED = (
    'pg_verifybackup: error: "base/1/1255" has size 1 on disk but size 2 in the manifest\npg_verifybackup: error: x'
)


@pytest.mark.parametrize(
    ("status", "said", "problem"),
    [
        (0, "", ""),
        (1, DAMAGED, '"base/1/1255" has size 1 on disk but size 2 in the manifest (and 1 more)'),
        (
            1,
            'pg_verifybackup: error: could not open file "/b/backup_manifest": No such file or directory',
            'could not open file "/b/backup_manifest": No such file or directory',
        ),
    ],
)
def test_pg_verifybackup_is_understood(status: int, said: str, problem: str) -> None:
    assert base_backups.parse_verdict(status, said) == problem


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, 'pg_verifybackup: error: could not open directory "base/5": Permission denied'),
        (1, ""),
        (0, "something"),
        (-9, "killed"),
        (2, "x"),
    ],
)
def test_what_pg_verifybackup_could_not_tell_is_an_error(status: int, said: str) -> None:
    with pytest.raises(UnansweredError):
        base_backups.parse_verdict(status, said)


def test_a_host_without_pg_verifybackup_shows_nothing(
    local: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "PG_VERSION").write_text("99\n", encoding="utf-8")  # of no version that this machine has
    monkeypatch.setattr(base_backups, "VERIFIERS", base_backups.VERIFIERS[:1])
    with pytest.raises(InsufficientFactsError, match="has no pg_verifybackup"):
        base_backups.verified(local, str(tmp_path))


ENTRY = (
    '{ "Path": "backup_label", "Size": 225, "Last-Modified": "2026-11-22 12:33:42 GMT", '
    '"Checksum-Algorithm": "CRC32C", "Checksum": "f5ff8879" },'
)
WITHOUT = '{ "Path": "backup_label", "Size": 225, "Last-Modified": "2026-11-22 12:33:42 GMT" },'


@pytest.mark.parametrize(("entry", "problem"), [(ENTRY, ""), (WITHOUT, "has no checksums")])
def test_a_manifest_tells_when_the_backup_was_made_and_whether_it_has_checksums(
    entry: str, problem: str, local: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "base_20261123_020000"
    folder.mkdir()
    (folder / "backup_manifest").write_text(f'{{ "Files": [\n{{ "Path": "a/backup_label" }},\n{entry}\n]}}\n')
    monkeypatch.setattr(base_backups, "VERIFIERS", ["true"])
    found = base_backups.verified(local, str(folder))
    assert found.made == datetime(2026, 11, 22, 12, 33, 42, tzinfo=UTC)
    assert (problem in found.problem, found.verifies) == (True, not problem)


@pytest.mark.parametrize("entry", ["", '{ "Path": "backup_label" },', ENTRY.replace("GMT", "CST")])
def test_a_manifest_that_does_not_tell_when_it_was_made_is_an_error(entry: str) -> None:
    with pytest.raises(UnansweredError, match="not understood"):
        base_backups.parse_entry(entry)


def test_the_end_of_a_base_backup_is_the_last_that_its_manifest_names() -> None:
    lines = [b'"WAL-Ranges": [\n', b'{ "End-LSN": "0/400" },{ "End-LSN": "0/A00" }\n']
    assert base_backups.consistent_at(lines) == 0xA00
    with pytest.raises(UnansweredError, match="where the backup ended"):
        base_backups.consistent_at([b"{}"])


def test_the_size_of_a_base_backup_bounds_what_tar_makes_of_it(local: Host, tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}{'x' * 150}").write_bytes(b"1" * number)
    size = base_backups.size(local, str(tmp_path))
    assert size.entries == 41
    tarred = len(local.channel.ask(f"tar -C {tmp_path} -cf - .")[1])
    assert size.content < tarred <= size.tarred


def test_the_archive_of_a_host_is_read_with_its_histories(local: Host, tmp_path: Path) -> None:
    (tmp_path / "00000002.history").write_text("1\t0/3000000\tpromoted\n", encoding="utf-8")
    (tmp_path / "000000020000000000000003").write_bytes(b"x")
    found = archiving.archive(local, str(tmp_path))
    assert found is not None
    assert found.files["000000020000000000000003"] == 1
    assert found.histories[2][0].position == 0x3000000
    assert archiving.archive(local, f"{tmp_path}/none") is None
