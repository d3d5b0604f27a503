"""The folder of the key pairs: what find says of it, and who may use what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.attestations import Attestation
from opsverify.errors import UnansweredError
from opsverify.judgement import Limits, unmet
from opsverify.probes.documents import Attested
from opsverify.probes.keypairs import Entry, key_pairs, parse_listing, parse_mode
from opsverify.rules.security import key_access_is_tight

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
# As GNU find 4.9 wrote it, by root.
LISTING = r"""  5029931      4 drwx------   3 root     root         4096 Nov 23 09:22 /keys
  5029938      0 brw-r--r--   1 root     root       7,   0 Nov 23 09:22 /keys/b
  5029933      0 -rw-r--r--   1 root     root            0 Nov 23 09:22 /keys/e\033[2J\\x
  5029932      4 drwxr-xr-t   2 root     root         4096 Nov 23 09:22 /keys/a\ b
  5029939      0 -rw-------   1 1234     4321            0 Jan  1  2020 /keys/old
  5029934      0 -rwsr-sr-x   1 root      root            0 Nov 23 09:22 /keys/plain
  5029940   2932 -r--------   1 root      root      3000000 Nov 23 09:22 /keys/big
  5029935      0 lrwxrwxrwx   1 root      root           11 Nov 23 09:22 /keys/l\ ->\ k -> /etc/passwd
"""


def test_what_find_says_of_a_folder() -> None:
    found = parse_listing("/keys", LISTING)
    assert [(each.kind, each.shown) for each in found] == [
        ("folder", "0700"),
        ("neither file nor folder", "0644"),
        ("file", "0644"),
        ("folder", "1755"),
        ("file", "0600"),
        ("file", "6755"),
        ("file", "0400"),
        ("symbolic link", "0777"),
    ]
    assert [each.owner for each in found if each.owner != "root"] == ["1234"]
    assert found[2].path == r"/keys/e\033[2J\\x"


@pytest.mark.parametrize(
    ("rc", "out", "err", "found"),
    [
        (0, LISTING, "", 8),
        (1, "", "find: '/keys': No such file or directory\n", 0),
        (1, "", "sudo: a password is required\n", None),
        (1, LISTING, "find: '/keys/gone': No such file or directory\n", None),
        (1, "", "find: '/keys': Permission denied\n", None),
    ],
)
def test_a_folder_that_is_not_there_is_a_fact_and_one_that_may_not_be_listed_an_error(
    rc: int, out: str, err: str, found: int | None
) -> None:
    answer = SimpleNamespace(rc=rc, stdout=out, stdout_bytes=out.encode(), stderr=err)
    host: Any = SimpleNamespace(name="there", run=lambda *_: answer)
    if found is None:
        with pytest.raises(UnansweredError, match="host there: /keys may not be listed"):
            key_pairs(host, "/keys")
    else:
        assert len(key_pairs(host, "/keys")) == found


@pytest.mark.parametrize(
    ("text", "mode"), [("rwx------", 0o700), ("rw-r-----", 0o640), ("rwsrwSr-T", 0o7764), ("---------", 0)]
)
def test_a_mode_in_letters(text: str, mode: int) -> None:
    assert parse_mode(text) == mode


@pytest.mark.parametrize(
    "text",
    [
        "",
        "find: '/keys': Permission denied\n",
        LISTING.partition("\n")[2],
        LISTING.replace("/keys/old", "/other/old"),
        LISTING.replace("/keys/old", "keys/old"),
        LISTING.replace("-rw-------", "-rw-----"),
        LISTING.replace("-rw-------", "?rw-------"),
    ],
)
def test_what_is_no_listing_of_the_folder_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="find -ls"):
        parse_listing("/keys", text)


@given(st.text(max_size=80))
def test_hostile_listings_are_understood_or_refused(text: str) -> None:
    first = LISTING.partition("\n")[0]
    try:
        found = parse_listing("/keys", f"{first}\n{text}\n")
    except UnansweredError:
        return
    assert len(found) == 1 + len([line for line in text.split("\n") if line])


FOLDER = Entry("/keys", "folder", 0o700, "root", "root")
KEY = Entry("/keys/a.pem", "file", 0o600, "root", "root")


def review(days: int = 1) -> Attested:
    entry = Attestation(
        requirement="SEC-KEY-03",
        statement="reviewed",
        by="a",
        reviewed_by="b",
        date=date(2026, 11, 23) - timedelta(days=days),
        valid_for="365d",
        artefact="x",
        sha256="0" * 64,
    )
    return Attested(entry, "0" * 64)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ([FOLDER, KEY], True),
        ([FOLDER, replace(KEY, mode=0o400)], True),
        ([replace(FOLDER, mode=0o500), KEY], True),
        ([FOLDER, KEY, replace(FOLDER, path="/keys/old")], True),
        ([FOLDER, replace(KEY, mode=0o640)], False),
        ([FOLDER, replace(KEY, mode=0o700)], False),
        ([FOLDER, replace(KEY, mode=0o4600)], False),
        ([FOLDER, KEY, replace(KEY, path="/keys/b.pem", mode=0o604)], False),
        ([replace(FOLDER, mode=0o750), KEY], False),
        ([FOLDER, KEY, replace(FOLDER, path="/keys/old", mode=0o701)], False),
        ([FOLDER, replace(KEY, owner="app")], False),
        ([replace(FOLDER, owner="app"), KEY], False),
        ([FOLDER, KEY, replace(KEY, path="/keys/l", kind="symbolic link", mode=0o777)], False),
        ([FOLDER], False),
        ([], False),
    ],
)
def test_root_alone_may_use_the_key_pairs(limits_of: LimitsOf, found: list[Entry], good: bool) -> None:
    observations = key_access_is_tight("/keys", found, review(), limits_of("SEC-KEY-03"), "fail", NOW)
    assert (not unmet(observations)) is good


@pytest.mark.parametrize(("found", "good"), [(review(90), True), (review(91), False), (None, False)])
def test_who_has_access_was_reviewed_lately(limits_of: LimitsOf, found: Attested | None, good: bool) -> None:
    observations = key_access_is_tight("/keys", [FOLDER, KEY], found, limits_of("SEC-KEY-03"), "fail", NOW)
    assert (not unmet(observations)) is good
