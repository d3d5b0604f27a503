"""Backups, from real listings and real files: names, dumps and encryption."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import absent
from opsverify.probes.archives import (
    Encryption,
    StoredFile,
    encryption,
    files,
    files_below,
    files_reachable,
    manifest,
    parse_listing,
    parse_manifest,
    parse_packets,
    private_keys,
)


def test_the_listing_of_a_real_store(captured: Callable[[str], str]) -> None:
    found = parse_listing("/backup/database", captured("find.bin"))
    dumps = [each for each in found if each.named]
    assert len(dumps) >= 90
    assert all(each.size > 1000 for each in dumps)
    assert [each.name for each in found] == sorted(each.name for each in found)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", " ", "\u202ea", "\x1b[31m", "-rf", "ä"])
def test_a_name_may_hold_anything_but_nul(name: str) -> None:
    (found,) = parse_listing("/b", f"7\t1795227302.5000000000\t1795227303.1234567890\t12\t{name}\0")
    assert (found.name, found.path, found.size, found.inode) == (name, f"/b/{name}", 7, 12)
    assert (found.modified_ns, found.changed_ns) == (1795227302_500000000, 1795227303_123456789)


def test_an_empty_folder_has_no_files() -> None:
    assert parse_listing("/b", "") == ()


@pytest.mark.parametrize(
    "line",
    [
        "7",
        "7\t1\t1\t2",
        "x\t1\t1\t2\ta",
        "7\t1\t1\tx\ta",
        "7\t1\tnan\t2\ta",
        *(f"7\t{bad}\t1\t2\ta" for bad in ("nan", "inf", "1e99", "yesterday", "-1e20", "9" * 12, "9" * 13, "")),
    ],
)
def test_a_line_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match="find: this line is not understood"):
        parse_listing("/b", f"{line}\0")


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("backup_20261123_021500.sql.gz", datetime(2026, 11, 23, 2, 15, tzinfo=UTC)),
        ("backup_20261399_021500.sql.gz", None),
        ("backup_20261123_021500.sql.gz\n", None),
        ("backup_20261123_021500.dump", datetime(2026, 11, 23, 2, 15, tzinfo=UTC)),
        ("backup_20261123_021500.sql", None),
        ("backup_20261123_021500.sql.gz.part", None),
        ("old_backup_20261123_021500.sql.gz", None),
        ("backup_20261123.sql.gz", None),
        ("backup_２０２６1123_021500.sql.gz", None),
    ],
)
def test_only_the_exact_name_of_a_dump_names_its_moment(name: str, named: datetime | None) -> None:
    assert StoredFile(f"/b/{name}", name, 1, datetime.now(UTC)).named == named


@pytest.mark.parametrize(
    ("zone", "name", "named"),
    [
        ("Asia/Shanghai", "20261123_021500", datetime(2026, 11, 22, 18, 15, tzinfo=UTC)),
        ("Europe/Berlin", "20260701_021500", datetime(2026, 7, 1, 0, 15, tzinfo=UTC)),
        ("Asia/Shanghai", "00010101_000000", None),
    ],
)
def test_a_name_is_read_in_the_zone_of_its_store(zone: str, name: str, named: datetime | None) -> None:
    (found,) = parse_listing("/b", f"7\t1795227302.5\t1795227302.5\t1\tbackup_{name}.sql.gz\0", zone)
    assert found.named == named


def test_a_real_folder_is_listed(local: Host, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a\nb").write_bytes(b"xyz")
    (folder / "link").symlink_to("a\nb")
    assert [(each.name, each.size) for each in files(local, str(folder))] == [("a\nb", 3)]


def test_folders_below_are_listed_where_they_count(local: Host, tmp_path: Path) -> None:
    (tmp_path / "of may" / "deeper").mkdir(parents=True)
    (tmp_path / "of may" / "a b").write_bytes(b"xyz")
    (tmp_path / "of may" / "deeper" / "c").write_bytes(b"")
    (tmp_path / "alias").symlink_to("of may")
    found = files_below(local, str(tmp_path / "alias"))
    assert [(each.name, each.path, each.size) for each in found] == [
        ("a b", f"{tmp_path}/alias/a b", 3),
        ("deeper/c", f"{tmp_path}/alias/deeper/c", 0),
    ]


def test_files_that_links_lead_to_can_be_reached(local: Host, tmp_path: Path) -> None:
    (tmp_path / "secure").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "plain").touch()
    (tmp_path / "secure" / "2025").symlink_to("../elsewhere")
    (tmp_path / "secure" / "gone").symlink_to("/no/such")
    assert files_below(local, f"{tmp_path}/secure") == ()
    assert [each.name for each in files_reachable(local, f"{tmp_path}/secure")] == ["2025/plain"]


def test_a_host_without_gpg_is_no_finding() -> None:
    host = cast(Host, SimpleNamespace(name="node", run=lambda *_, **__: SimpleNamespace(rc=127, stdout="", stderr="")))
    with pytest.raises(InsufficientFactsError, match="host node: has no gpg"):
        encryption(host, StoredFile("/b/a.gpg", "a.gpg", 9, datetime.now(UTC)))


@pytest.mark.parametrize(
    ("tags", "encrypted"), [({1, 18}, True), ({3, 20}, True), ({3, 18, 11}, False), ({3, 18, 8}, False), ({18}, False)]
)
def test_plain_data_behind_encrypted_ones_are_not_encrypted(tags: set[int], encrypted: bool) -> None:
    assert Encryption("a", 0, frozenset(tags), 0).encrypted is encrypted


def test_what_is_not_there_is_a_fact(local: Host) -> None:
    assert files(local, "/no/such") == ()
    assert files_below(local, "/no/such") == ()
    assert manifest(local, "/no/such") == {}
    assert absent(local, "/no/such")
    assert not absent(local, "/etc/passwd")


class Denied:
    """A host that shows its account nothing."""

    name = "there"

    def run(self, command: str, *_: str, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(rc=1, stdout="", stderr=f"{command.split(maxsplit=1)[0]}: '/s/x': Permission denied\n")


@pytest.mark.parametrize("ask", [files, files_below, manifest, absent])
def test_what_may_not_be_looked_at_is_an_error(ask: Callable[..., object]) -> None:
    with pytest.raises(UnansweredError, match=r"host there: /s/x may not be looked at: .*Permission denied"):
        ask(Denied(), "/s/x")


def test_a_real_manifest(captured: Callable[[str], str]) -> None:
    found = parse_manifest(captured("sha256sums.txt"))
    assert len(found) == 5
    assert "backup_20261123_021500.sql.gz" in found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{'a' * 64}  x\n", {"x"}),
        (f"{'a' * 64} */backup/x y\n", {"x y"}),
        (f"{'a' * 63}  x\n{'A' * 64}  y\n", set()),
        (f"# {'a' * 64}  x\n", set()),
        ("", set()),
    ],
)
def test_a_manifest_is_read_as_sha256sum_writes_it(text: str, names: set[str]) -> None:
    assert set(parse_manifest(text)) == names


def test_packets_of_a_real_archive(captured: Callable[[str], str]) -> None:
    assert parse_packets(captured("gpg-symmetric.txt")) == {3, 18}


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("# off=0 ctb=85 tag=1 hlen=3 plen=268\n# off=271 ctb=d4 tag=20 hlen=2\n", {1, 20}),
        ("# off=0 ctb=a3 tag=8 hlen=1 plen=0 indeterminate\n:literal data packet:\n", {8}),
        ("  # off=0 ctb=85 tag=1 hlen=3\n", set()),
        ('name="# off=0 ctb=85 tag=1 x"\n', set()),
        ("", set()),
    ],
)
def test_packets_are_known_by_their_tags(text: str, tags: set[int]) -> None:
    assert parse_packets(text) == tags


@pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg on this machine")
@pytest.mark.parametrize(
    ("size", "options", "encrypted"),
    [
        (300, ["--symmetric", "--pinentry-mode", "loopback", "--passphrase", "x", "--s2k-count", "1024"], True),
        (50_000, ["--symmetric", "--pinentry-mode", "loopback", "--passphrase", "x", "--s2k-count", "1024"], True),
        (
            300,
            ["--symmetric", "--armor", "--pinentry-mode", "loopback", "--passphrase", "x", "--s2k-count", "1024"],
            True,
        ),
        (300, ["--store"], False),
    ],
)
def test_a_real_archive_is_judged_by_its_packets(
    local: Host, tmp_path: Path, size: int, options: list[str], encrypted: bool
) -> None:
    home, store = tmp_path / "home", tmp_path / "store"
    home.mkdir(mode=0o700)
    store.mkdir()
    (tmp_path / "plain").write_bytes(os.urandom(size))
    command = ["gpg", "--homedir", str(home), "--batch", *options, "--output", str(store / "a.gpg")]
    subprocess.run([*command, str(tmp_path / "plain")], check=True, capture_output=True, timeout=20)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True, timeout=20)
    (file,) = files(local, str(store))
    assert encryption(local, file).encrypted is encrypted
    whole = (store / "a.gpg").read_bytes()
    for length in (30, len(whole) // 2, len(whole) - 60):
        (store / "a.gpg").write_bytes(whole[:length])
        (file,) = files(local, str(store))
        assert not encryption(local, file).encrypted, length


@pytest.mark.skipif(shutil.which("gpg") is None, reason="there is no gpg on this machine")
@pytest.mark.parametrize("data", [b"plain text\n", b"", gzip.compress(b"x" * 999, mtime=0)])
def test_a_name_that_ends_in_gpg_encrypts_nothing(local: Host, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.gpg").write_bytes(data)
    (file,) = files(local, str(tmp_path))[:1]
    assert not encryption(local, file).encrypted


def test_private_keys_are_found_wherever_they_are_written(local: Host, tmp_path: Path) -> None:
    store = tmp_path / "of may"
    (store / "deeper").mkdir(parents=True)
    for name, text in {
        "a\nb.pem": "x\n-----BEGIN PRIVATE KEY-----\n",
        "deeper/rsa": "-----BEGIN RSA PRIVATE KEY-----",
        "deeper/ssh": "-----BEGIN OPENSSH PRIVATE KEY-----",
        "pgp.asc": "-----BEGIN PGP PRIVATE KEY BLOCK-----",
        "in.bin": "\0\0-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "public": "-----BEGIN PUBLIC KEY-----",
        "words": "the private key",
    }.items():
        (store / name).write_text(text)
    expected = ("a\nb.pem", "deeper/rsa", "deeper/ssh", "in.bin", "pgp.asc")
    assert private_keys(local, str(store)) == expected


def test_a_folder_that_cannot_be_searched_is_an_error(local: Host) -> None:
    with pytest.raises(UnansweredError, match=r"host here: /no/such cannot be searched for keys: .*No such file"):
        private_keys(local, "/no/such")


@given(st.text(max_size=80))
def test_hostile_text_is_an_answer_or_an_error_never_a_crash(text: str) -> None:
    parse_packets(text)
    parse_manifest(text)
    with contextlib.suppress(UnansweredError):
        parse_listing("/b", text)
