"""API keys: parsed from a view and from a signed inventory; old, undated and unborn ones are told from good ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsverify.channels.document import DocumentChannel
from opsverify.documents import Documents
from opsverify.errors import UnansweredError
from opsverify.judgement import Limits, unmet
from opsverify.probes.keys import ApiKey, KeysOnRecord, Moment, of_inventory, parse_inventory, parse_rows
from opsverify.rules.keys import rotated
from opsverify.sshsig import Signer
from opsverify.transcript import Transcript
from tests.unit.conftest import CAPTURED

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
YOUNG = ApiKey("1", "web", NOW - timedelta(days=12), None)
SIGNED = json.loads((CAPTURED / "sshsig.json").read_text(encoding="utf-8"))
NAMES = ("keys.toml", "keys.toml.sig", "signers")
LimitsOf = Callable[[str], Limits]


def record(created: Moment, revoked: Moment = None) -> KeysOnRecord:
    return KeysOnRecord("the view", (YOUNG, ApiKey("7", "partner", created, revoked)))


@pytest.mark.parametrize(
    ("created", "revoked", "said"),
    [
        (NOW - timedelta(days=90), None, ""),
        (NOW - timedelta(days=90, seconds=1), None, "7 of partner (90.0 days)"),
        (NOW - timedelta(days=91), None, "oldest active key: observed 91 days, expected at most 90 days"),
        (date(2026, 8, 25), None, ""),
        (date(2026, 8, 24), None, "7 of partner (91.0 days)"),
        (None, None, "active keys without a date of creation: observed 7 of partner"),
        (NOW + timedelta(minutes=4), None, ""),
        (NOW + timedelta(minutes=6), None, "active keys created in the future: observed 7 of partner"),
        (NOW - timedelta(days=400), NOW - timedelta(days=200), ""),
        (None, NOW - timedelta(seconds=1), ""),
        (NOW - timedelta(days=91), NOW + timedelta(days=1), "7 of partner (91.0 days)"),
        (NOW - timedelta(days=91), NOW - timedelta(days=93), "7 of partner (91.0 days)"),
        (NOW - timedelta(days=10), NOW - timedelta(days=93), "revoked before they were created: observed 7 of partner"),
        (NOW - timedelta(days=200, hours=1), date(2026, 5, 7), ""),
    ],
)
def test_a_key_is_as_old_as_its_record_says(limits_of: LimitsOf, created: Moment, revoked: Moment, said: str) -> None:
    found = "; ".join(map(str, unmet(rotated(record(created, revoked), limits_of("SEC-KEY-01"), NOW))))
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize("keys", [(), (ApiKey("1", "web", NOW - timedelta(days=9), NOW - timedelta(days=1)),)])
def test_a_record_without_a_key_in_use_is_no_proof(limits_of: LimitsOf, keys: tuple[ApiKey, ...]) -> None:
    (found,) = unmet(rotated(KeysOnRecord("the view", keys), limits_of("SEC-KEY-01"), NOW))
    assert str(found) == f"active keys of {len(keys)} on record: observed 0, expected at least 1"


def test_a_signature_that_counts_for_nothing_is_a_finding_and_so_is_a_signer_of_the_past(limits_of: LimitsOf) -> None:
    forged = KeysOnRecord("keys.toml", (), (), "the signature by alice is not one of this text")
    assert "is not one of this text" in str(unmet(rotated(forged, limits_of("SEC-KEY-01"), NOW))[0])
    signer = Signer("alice", "ssh-ed25519", b"", valid_before=NOW + timedelta(seconds=1))
    signed = KeysOnRecord("keys.toml", (YOUNG,), (signer,))
    assert unmet(rotated(signed, limits_of("SEC-KEY-01"), NOW)) == []
    (found,) = unmet(rotated(signed, limits_of("SEC-KEY-01"), NOW + timedelta(seconds=1)))
    assert "by alice (until 2026-11-23 12:00 UTC)" in str(found)
    again = replace(signed, signers=(signer, replace(signer, valid_before=None)))
    assert unmet(rotated(again, limits_of("SEC-KEY-01"), NOW + timedelta(seconds=1))) == []


def test_a_time_without_its_zone_is_not_understood() -> None:
    row: dict[str, Any] = {"id": "1", "owner": "web", "created": NOW, "revoked": None}
    assert parse_rows([row]) == (ApiKey("1", "web", NOW, None),)
    for wrong in (NOW.replace(tzinfo=None), "2026-11-23", NOW.date()):
        with pytest.raises(UnansweredError, match="created_at of key 1: expected a timestamp with time zone"):
            parse_rows([{**row, "created": wrong}])


@pytest.fixture
def program(tmp_path: Path, transcript: Transcript) -> DocumentChannel:
    """A program with an inventory, signed by Alice with the real ssh-keygen."""
    (tmp_path / "keys.toml").write_text(SIGNED["text"], encoding="utf-8")
    (tmp_path / "keys.toml.sig").write_text(SIGNED["signatures"]["ed25519"], encoding="utf-8")
    (tmp_path / "signers").write_text(f"alice@lab {SIGNED['keys']['alice']}\n", encoding="utf-8")
    others = dict.fromkeys(Documents._fields, tmp_path / "none")
    documents = Documents(**{**others, "keys": {name: tmp_path / name for name in NAMES}})  # type: ignore[arg-type]
    return DocumentChannel("program", documents, transcript)


def test_a_signed_inventory_is_read(program: DocumentChannel) -> None:
    found = of_inventory(program, *NAMES)
    assert found.problem == ""
    assert [each.principals for each in found.signers or ()] == ["alice@lab"]
    assert found.keys == (
        ApiKey("k-1", "web", datetime(2026, 10, 1, 8, 30, tzinfo=UTC), None),
        ApiKey("k-2", "partner-a", date(2026, 9, 15), None),
        ApiKey("k-3", "partner-b", date(2026, 1, 1), date(2026, 4, 1)),
    )


def test_an_inventory_that_is_not_signed_as_it_stands_is_not_even_read(program: DocumentChannel) -> None:
    inventory, signature = program.documents.keys["keys.toml"], program.documents.keys["keys.toml.sig"]
    inventory.write_text(SIGNED["text"].replace("2026-01-01", "2026-11-01"), encoding="utf-8")
    assert "is not one of this text" in of_inventory(program, *NAMES).problem
    inventory.write_text("no TOML [", encoding="utf-8")
    signature.unlink()
    found = of_inventory(program, *NAMES)
    assert found.keys == ()
    assert "there is no keys.toml.sig" in found.problem


def test_without_signers_nothing_can_be_told_and_without_an_inventory_there_is_no_record(
    program: DocumentChannel, limits_of: LimitsOf
) -> None:
    program.documents.keys["signers"].unlink()
    with pytest.raises(UnansweredError, match="signers: no such file"):
        of_inventory(program, *NAMES)
    program.documents.keys["keys.toml"].unlink()
    (found,) = unmet(rotated(of_inventory(program, *NAMES), limits_of("SEC-KEY-01"), NOW))
    assert "keys.toml: observed there is no such file" in str(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[key]]\nid = 'a'\n", "key.0.owner"),
        ("[[key]]\nid = 'a'\nowner = 'b'\ncreated = 2026-11-23T12:00:00\n", "expected a time with its offset"),
        ("[[key]]\nid = 'a'\nowner = 'b'\nmade = 2026-11-23\n", "unknown key"),
        ("[[key]]\nid = 'a'\nowner = 'b'\ncreated = 0001-01-01\n", "expected a year"),
        ("[[keys]]\n", "unknown key"),
    ],
)
def test_an_inventory_that_is_not_understood_is_named(text: str, said: str) -> None:
    with pytest.raises(UnansweredError, match=rf"keys\.toml: .*{said}"):
        parse_inventory(text, "keys.toml")
