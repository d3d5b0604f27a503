"""SSH signatures: what the real ``ssh-keygen -Y sign`` made holds, and nothing else does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from opsverify import sshsig
from opsverify.sshsig import BEGIN, END, SignatureError, Signer, SignersError, parse_signers, signers_of
from tests.unit.conftest import CAPTURED

NAMESPACE = "opsverify-keys"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """A text, public keys, and signatures of OpenSSH 9.2 over that text."""
    found: dict[str, Any] = json.loads((CAPTURED / "sshsig.json").read_text(encoding="utf-8"))
    return found


def allowed(made: dict[str, Any], options: str = "") -> tuple[Signer, ...]:
    return parse_signers(f"# who may sign\n\nalice@lab {options} {made['keys']['alice']} of Alice\n")


@pytest.mark.parametrize("name", ["ed25519", "ed25519-sha256"])
@pytest.mark.parametrize(
    "options", ["", f'namespaces="file,{NAMESPACE}"', f'NAMESPACES="{NAMESPACE}"', 'namespaces="!file,opsverify-*"']
)
def test_a_signature_of_openssh_holds(made: dict[str, Any], name: str, options: str) -> None:
    (signer,) = signers_of(made["text"].encode(), made["signatures"][name], allowed(made, options), NAMESPACE)
    assert signer.principals == "alice@lab"
    assert sshsig.fingerprint(signer.key).startswith("SHA256:")


@pytest.mark.parametrize(
    ("name", "change", "options", "said"),
    [
        ("ed25519", " ", "", "is not one of this text"),
        ("other-namespace", "", "", "for the namespace 'file', expected 'opsverify-keys'"),
        ("unknown-key", "", "", "is not among the allowed signers"),
        ("ed25519", "", 'namespaces="file"', "may not sign for 'opsverify-keys'"),
        ("ed25519", "", 'namespaces=""', "may not sign for 'opsverify-keys'"),
        ("ed25519", "", f'namespaces="*,!{NAMESPACE}"', "may not sign for 'opsverify-keys'"),
        ("ed25519", "", 'namespaces="opsverify-[k]eys"', "may not sign for 'opsverify-keys'"),
        ("rsa", "", "", "of the algorithm 'ssh-rsa', expected ssh-ed25519"),
        ("ecdsa", "", "", "of the algorithm 'ecdsa-sha2-nistp256', expected ssh-ed25519"),
    ],
)
def test_any_other_is_refused_with_its_reason(
    made: dict[str, Any], name: str, change: str, options: str, said: str
) -> None:
    with pytest.raises(SignatureError, match=said):
        signers_of((made["text"] + change).encode(), made["signatures"][name], allowed(made, options), NAMESPACE)


def test_every_bit_of_a_signature_counts(made: dict[str, Any]) -> None:
    armored = made["signatures"]["ed25519"]
    blob = base64.b64decode("".join(armored.splitlines()[1:-1]))
    for place in range(len(blob)):
        changed = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        text = f"{BEGIN}\n{base64.b64encode(changed).decode()}\n{END}\n"
        with pytest.raises(SignatureError):
            signers_of(made["text"].encode(), text, allowed(made), NAMESPACE)


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda blob: b"SSHSIG\0\0\0\1" + blob))
def test_hostile_blobs_are_no_signatures(blob: bytes) -> None:
    with pytest.raises(SignatureError):
        sshsig.parse(f"{BEGIN}\n{base64.b64encode(blob).decode()}\n{END}\n")


@given(st.text())
def test_hostile_texts_are_no_signatures(text: str) -> None:
    for each in (text, f"{BEGIN}\n{text}\n{END}"):
        with pytest.raises(SignatureError):
            sshsig.parse(each)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_file_of_signers_is_understood_or_refused(text: str) -> None:
    try:
        assert all(each.principals for each in parse_signers(text))
    except SignersError as error:
        assert "line" in str(error)  # noqa: PT017  whatever it is, the line is named


def test_signers_have_bounds(made: dict[str, Any]) -> None:
    (signer,) = allowed(made, 'valid-after="20260101Z",valid-before="202611231230Z"')
    end = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert signer.holds_at(datetime(2026, 1, 1, tzinfo=UTC))
    assert not signer.holds_at(datetime(2025, 12, 31, tzinfo=UTC))
    assert signer.holds_at(end - timedelta(seconds=1))
    assert not signer.holds_at(end)
    assert signer.bounds == "from 2026-01-01 00:00 UTC until 2026-11-23 12:30 UTC"


@pytest.mark.parametrize("end", ["\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_what_openssh_takes_for_a_comment_signs_nothing(made: dict[str, Any], end: str) -> None:
    assert parse_signers(f"# signers{end}eve@lab {made['keys']['alice']}\n") == ()


def test_keys_of_other_kinds_are_kept_and_sign_nothing(made: dict[str, Any]) -> None:
    text = "".join(f"{name}@lab {made['keys'][name]}\n" for name in ("bob", "eve", "alice"))
    signers = parse_signers(text)
    assert [each.kind for each in signers] == ["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519"]
    assert len(signers_of(made["text"].encode(), made["signatures"]["ed25519"], signers, NAMESPACE)) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: f"alice@lab cert-authority {line}", "line 1: the option 'cert-authority' is not supported"),
        (lambda line: f'alice@lab valid-after="20260101" {line}', "'20260101' is not understood"),
        (lambda line: f'alice@lab valid-after="20261301Z" {line}', "'20261301Z' is not understood"),
        (lambda line: f'alice@lab namespaces="a {line}', "a quote is not closed"),
        (
            lambda line: f'alice@lab valid-before="20200101Z",valid-before="20990101Z" {line}',
            "'valid-before' stands there",
        ),
        (lambda line: f"alice@lab valid-before=20990101Z {line}", "'valid-before=20990101Z' are not understood"),
        (lambda line: f"alice@lab namespaces=a,b {line}", "are not understood, expected name="),
        (lambda line: f'alice@lab namespaces="a", {line}', "are not understood, expected name="),
        (lambda line: f"alice@lab\v{line}", "expected principals"),
        (lambda line: f"alice@lab\xa0{line}", "expected principals"),
        (lambda line: f"alice@lab {line[:40]}", "the key is not understood"),
        (lambda line: line, "expected principals"),
        (lambda _: "alice@lab", "expected principals"),
    ],
)
def test_a_line_that_is_not_understood_is_named(made: dict[str, Any], change: Callable[[str], str], said: str) -> None:
    with pytest.raises(SignersError, match=said):
        parse_signers(change(made["keys"]["alice"]))


@given(st.binary(max_size=300), st.sampled_from(["opsverify", "opsverify-signoff", "x"]))
def test_what_is_signed_here_holds_for_that_text_and_namespace_alone(text: bytes, namespace: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    raw = key.public_key().public_bytes_raw()
    made = sshsig.sign(text, key, namespace)
    signer = Signer("runner@lab", sshsig.ED25519, raw, ("opsverify*", "x"))
    assert signers_of(text, made, [signer], namespace) == (signer,)
    assert sshsig.is_canonical(made)
    for other, where in ((text + b" ", namespace), (text, "opsverify-keys")):
        with pytest.raises(SignatureError):
            signers_of(other, made, [signer], where)


def test_signatures_of_openssh_are_written_in_the_one_way(made: dict[str, Any]) -> None:
    armored = made["signatures"]["ed25519"]
    assert sshsig.is_canonical(armored)
    for other in (armored.rstrip("\n"), f" {armored}", armored.replace("\n", "\r\n"), armored.replace("\n", "\v"), ""):
        assert not sshsig.is_canonical(other)


@pytest.mark.parametrize(
    ("principals", "identity", "found"),
    [
        ("a@lab", "a@lab", True),
        ("a@lab", "A@lab", False),
        ("*@lab,!b@lab", "a@lab", True),
        ("*@lab,!b@lab", "b@lab", False),
        ("a?lab,c", "a@lab", True),
        ("[a]@lab", "a@lab", False),
        ("!b@lab", "a@lab", False),
    ],
)
def test_principals_are_patterns(principals: str, identity: str, found: bool) -> None:
    assert Signer(principals, sshsig.ED25519, b"").is_for(identity) is found


def test_a_public_key_is_read_from_its_line(made: dict[str, Any]) -> None:
    (signer,) = allowed(made)
    assert sshsig.public_key(f"{made['keys']['alice']} of Alice") == signer.key
    for other in ("", "ssh-ed25519", "ssh-ed25519 AAAA", f"x {made['keys']['alice']}"):
        with pytest.raises(SignersError):
            sshsig.public_key(other)
