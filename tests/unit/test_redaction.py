"""No secret gets through, in any spelling; nothing else is lost."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.redaction import MASK, Redactor

SECRET = 'p@ss/wö"rd+1'


@pytest.fixture
def redactor() -> Redactor:
    found = Redactor()
    found.add(SECRET)
    return found


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        json.dumps(SECRET)[1:-1],
    ],
)
def test_a_loaded_secret_is_masked_in_every_spelling(redactor: Redactor, spelling: str) -> None:
    assert redactor.text(f"before {spelling} after") == f"before {MASK} after"
    assert redactor.leaks(f"x{spelling}x")


def test_secrets_are_masked_in_keys_and_deep_inside(redactor: Redactor) -> None:
    value = {f"k{SECRET}": [{"a": (SECRET, 3, None, True)}]}
    assert redactor.value(value) == {f"k{MASK}": [{"a": [MASK, 3, None, True]}]}


def test_the_longer_of_two_secrets_goes_first() -> None:
    redactor = Redactor()
    redactor.add("abcd")
    redactor.add("abcdefgh")
    assert redactor.text("abcdefgh") == MASK


def test_a_secret_of_three_characters_would_mask_half_of_everything() -> None:
    redactor = Redactor()
    redactor.add("the")
    assert redactor.text("the host") == "the host"


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("PGPASSWORD=hunter22 psql", "psql", "hunter22"),
        ('{"password": "hunter22"}', '"}', "hunter22"),
        ("api_key: hunter22;x", ";x", "hunter22"),
        ("Authorization: Bearer hunter22", "Bearer", "hunter22"),
        ("postgres://ops:hunter22@db:5432/x", "@db:5432/x", "hunter22"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter22\n-----END RSA PRIVATE KEY-----", "-----END", "hunter22"),
        ("-----BEGIN PRIVATE KEY-----\nhunter22 cut off", "BEGIN PRIVATE KEY", "hunter22"),
        (f"user a on #{'0a' * 32} +ping", "+ping", "0a0a"),
        ("SCRAM-SHA-256$4096:hunter22", "SCRAM-SHA-256$", "hunter22"),
        ("port 6379\nrequirepass hunter22\nmaxmemory 1", "\nmaxmemory 1", "hunter22"),
        ("masterauth   hunter22", "masterauth", "hunter22"),
        ("user ops on >hunter22 +ping\nuser b on >hunter23", "user ops ", "hunter2"),
    ],
)
def test_secrets_that_were_never_loaded_are_known_by_their_looks(text: str, kept: str, gone: str) -> None:
    redacted = Redactor().text(text)
    assert kept in redacted
    assert gone not in redacted
    assert MASK in redacted


@pytest.mark.parametrize(
    "text",
    ["tcp 0 0 127.0.0.1:5432", "http://127.0.0.1:2399/containers/json", "user a on resetkeys +ping", "a > b", ""],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor().text(text) == text


@given(st.text(min_size=8), st.text(), st.text())
def test_nothing_that_was_redacted_leaks(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add("\x00" + secret.encode("utf-8", "replace").decode() + "\x00")
    text = redactor.text(f"{before}\x00{secret}\x00{after}")
    assert not redactor.leaks(text)


@pytest.mark.parametrize("piece", ["\n", " ", "\t\n", "user ", "password", "user x > ", "a://", "#0", "-----BEGIN "])
def test_a_hostile_answer_does_not_hold_up_the_run(piece: str) -> None:
    begun = time.process_time()  # not the wall clock: other processes need time too
    Redactor().text(piece * 50_000)
    assert time.process_time() - begun < 1


def test_the_environment_of_a_container_is_masked_whole() -> None:
    text = '{"Config":{"Env":["ETH_PRIVATE_KEY=0xabc","NOTE=a \\"quoted\\" ] word","PATH=/bin"],"Cmd":["node"]}}'
    assert Redactor().text(text) == '{"Config":{"Env":["[redacted]"],"Cmd":["node"]}}'
    assert Redactor().text('{"Env":[],"Cmd":["node"]}') == '{"Env":[],"Cmd":["node"]}'
