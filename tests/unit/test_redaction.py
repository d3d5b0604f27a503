"""No secret gets through, in any spelling; nothing else is lost."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import struct
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opsverify import spellings
from opsverify.redaction import MASK, Redactor, Tally, rows

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
    redactor.add("abcdefgh")
    redactor.add("abcdefghijkl")
    assert redactor.text("abcdefghijkl") == MASK


def test_a_secret_that_cannot_be_told_from_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"databases\.pg: shorter than 8 characters") as raised:
        Redactor().add("the1234", "databases.pg")
    assert "the1234" not in str(raised.value)


RAW = SECRET.encode()
SPELLINGS = {
    "base64 behind another byte": base64.b64encode(b":" + RAW).decode(),
    "base64 behind two, before others": base64.b64encode(b"u:" + RAW + b"@h").decode(),
    "base64 for a URL": base64.urlsafe_b64encode(b"u:" + RAW).decode(),
    "base64 in lines": base64.encodebytes(RAW * 7).decode(),
    "base64 in lines, as JSON": json.dumps("\n".join(("x", base64.b64encode(RAW).decode()[:7], "")))[1:-1]
    + base64.b64encode(RAW).decode()[7:],
    "percent-encoded, small": quote(SECRET, safe="").lower(),
    "percent-encoded, every byte": "".join(f"%{each:02X}" for each in RAW),
    "percent-encoded twice": quote(quote(SECRET, safe=""), safe=""),
    "percent-encoded base64": quote(base64.b64encode(RAW).decode(), safe=""),
    "hexadecimal, capitals": RAW.hex().upper(),
    "hexadecimal, in groups": RAW.hex(" ", 2),
    "JSON, every character": "".join(f"\\u{ord(each):04x}" for each in SECRET),
    "JSON in JSON": json.dumps(json.dumps(SECRET)),
    "HTML": html.escape(SECRET),
    "HTML, every character": "".join(f"&#{ord(each)};" for each in SECRET),
    "HTML, every character, hexadecimal": "".join(f"&#x{ord(each):X};" for each in SECRET),
    "HTML in JSON in HTML": html.escape(json.dumps({"a": html.escape(SECRET)})),
    "Go's JSON": json.dumps(SECRET + "&<")[1:-1].replace("&", "\\u0026"),
    "a shell's quotes": shlex.quote(SECRET),
    "a shell's backslashes": re.sub(r"(\W)", r"\\\1", SECRET),
    "repr of bytes": repr(RAW),
    "ascii": ascii(SECRET),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_no_spelling_gets_through(redactor: Redactor, spelling: str) -> None:
    text = f"it is {spelling} there"
    assert redactor.leaks(text)
    redacted = redactor.text(text)
    assert redacted.startswith("it is ")
    assert redacted.endswith(" there")
    assert MASK in redacted
    assert not redactor.leaks(redacted)
    bare = re.sub(r"[\W_]", "", redacted.replace(MASK, "").replace("base64", ""))
    for piece in (SECRET[:6], base64.b64encode(RAW).decode()[4:10], RAW.hex()[:10]):
        assert re.sub(r"[\W_]", "", piece) not in bare


ESCAPES = (
    lambda each: each,
    lambda each: "".join(f"%{byte:02x}" for byte in each.encode()),
    lambda each: "".join(
        f"\\u{unit:04x}" for unit in struct.unpack(f">{len(each.encode('utf-16-be')) // 2}H", each.encode("utf-16-be"))
    ),
    lambda each: f"&#{ord(each)};",
    lambda each: f"\\{each}" if each not in "nrtux" and not each.isalnum() else each,
    lambda each: f"'\"{each}\"'",
)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=8, max_size=24),
    st.lists(st.sampled_from(ESCAPES), min_size=24, max_size=24),
    st.sampled_from(["", " ", "x=", '"', "\n", "://u:"]),
)
def test_any_mixture_of_escapes_is_seen_through(secret: str, escapes: list[Callable[[str], str]], before: str) -> None:
    assume(len(spellings.condensed(secret.encode())) >= 8)
    redactor = Redactor()
    redactor.add(secret)
    spelled = "".join(escape(each) for escape, each in zip(escapes, secret, strict=False))
    # What would undo the escape of a whole secret must not be made by chance out of pieces of two.
    assume(spellings.condensed(spelled.encode()) == spellings.condensed(secret.encode()))
    text = f"{before}{spelled} ."
    assert redactor.leaks(text)
    assert not redactor.leaks(redactor.text(text))


@given(st.binary(min_size=8, max_size=40), st.binary(max_size=5), st.binary(max_size=5), st.integers(3, 80))
def test_base64_is_found_in_every_alignment_and_wrap(raw: bytes, before: bytes, after: bytes, width: int) -> None:
    redactor = Redactor()
    redactor.add(raw.hex())
    encoded = base64.b64encode(before + raw.hex().encode() + after).decode()
    wrapped = "\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))
    assert redactor.leaks(wrapped)
    assert not redactor.leaks(redactor.text(wrapped))


def test_what_was_masked_is_counted_by_name_and_form_without_any_value(redactor: Redactor) -> None:
    redactor.add("another-one-77", "caches.redis")
    tally: Tally = Tally()
    redactor.text(f"{SECRET} {SECRET} another-one-77 {quote('another-one-77'.replace('-', '!'))}", tally)
    redactor.text(base64.b64encode(b"another-one-77").decode() + " password=hunter33", tally)
    assert rows(tally) == [
        {"secret": "a secret", "form": "plain", "times": 2},
        {"secret": "caches.redis", "form": "base64", "times": 1},
        {"secret": "caches.redis", "form": "plain", "times": 1},
        {"secret": "none that was loaded", "form": "a password or token by its name", "times": 1},
    ]
    assert not redactor.tally


def test_what_was_masked_before_is_not_counted_again(redactor: Redactor) -> None:
    once = redactor.text(f"password={SECRET} postgres://ops:hunter22@db/x")
    before = sum(redactor.tally.values())
    assert redactor.text(once) == once
    assert sum(redactor.tally.values()) == before


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


HOSTILE = [
    "\n",
    " ",
    "\t\n",
    "user ",
    "password",
    "user x > ",
    "a://",
    "#0",
    "-----BEGIN ",
    "\\",
    "\\u005c",
    "&amp;",
    "%25",
    "&",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_answer_does_not_hold_up_the_run(redactor: Redactor, piece: str) -> None:
    begun = time.process_time()  # not the wall clock: other processes need time too
    redactor.text(piece * 50_000)
    assert time.process_time() - begun < 1


def test_many_secrets_in_a_long_answer_do_not_hold_up_the_run(redactor: Redactor) -> None:
    secrets = [f"another-secret-{number:03}" for number in range(20)]
    for each in secrets:
        redactor.add(each)
    text = "\\n" * 100_000 + " ".join(secrets)
    begun = time.process_time()
    assert redactor.text(text).endswith(" ".join([MASK] * 20))
    assert time.process_time() - begun < 1


def test_the_environment_of_a_container_is_masked_whole() -> None:
    text = '{"Config":{"Env":["ETH_PRIVATE_KEY=0xabc","NOTE=a \\"quoted\\" ] word","PATH=/bin"],"Cmd":["node"]}}'
    assert Redactor().text(text) == '{"Config":{"Env":["[redacted]"],"Cmd":["node"]}}'
    assert Redactor().text('{"Env":[],"Cmd":["node"]}') == '{"Env":[],"Cmd":["node"]}'


def test_what_was_clean_before_a_secret_was_known_is_not_clean_for_ever() -> None:
    redactor = Redactor()
    assert redactor.text("correct horse") == "correct horse"
    redactor.add("correct horse", "a password")
    assert redactor.text("correct horse") == MASK
    assert redactor.tally == {("a password", "plain"): 1}
