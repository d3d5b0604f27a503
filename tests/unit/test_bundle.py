"""One bundle: it holds as it was sealed, and whatever is otherwise is found and named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab import state
from opsverify import profile, sshsig
from opsverify.evidence import manifest, signing, signoff
from opsverify.evidence.manifest import SIGNATURE, SUMS
from opsverify.evidence.sealing import SEAL, SealingError
from opsverify.evidence.signing import Signing
from tests.unit.bundles import NOW, REVIEWER, RUNNER, Change, Keys, Runs, openssh, public, words


def test_a_sealed_run_holds_and_says_who_signed(runs: Runs) -> None:
    found = runs.verify(runs.sealed())
    assert found.holds
    assert found.findings == ()
    assert found.signer == RUNNER
    assert found.first
    assert found.files == 5  # three of the run, PREV and seal.json
    assert "SIGNED by runner@test" in found.told()
    assert found.told().splitlines()[-1].startswith("VERIFIED")


def test_stock_tools_agree(runs: Runs) -> None:
    directory = runs.sealed(files={"a\nb \\": b"x"})
    assert subprocess.run(["sha256sum", "--strict", "--quiet", "-c", SUMS], cwd=directory, check=False).returncode == 0
    assert ssh_keygen(directory, runs.keys.allowed) == 0
    (directory / SUMS).write_bytes((directory / SUMS).read_bytes() + b"\n")
    assert ssh_keygen(directory, runs.keys.allowed) != 0


def ssh_keygen(directory: Path, allowed: Path, *options: str, namespace: str = "opsverify", name: str = RUNNER) -> int:
    with (directory / SUMS).open("rb") as text:
        command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", name, "-n", namespace, "-s", SIGNATURE]
        done = subprocess.run([*command, *options], cwd=directory, stdin=text, capture_output=True, check=False)
    return done.returncode


def test_a_signature_is_the_one_that_ssh_keygen_makes(runs: Runs, keys: Keys) -> None:
    """Ed25519 is deterministic: the same key, namespace and text give the same signature, by whatever program."""
    directory = runs.sealed()
    made = keys.folder / "text"
    shutil.copy(directory / SUMS, made)
    command = ["ssh-keygen", "-Y", "sign", "-f", str(keys.folder / "runner_ed25519"), "-n", "opsverify", str(made)]
    subprocess.run(command, capture_output=True, check=True)
    assert made.with_suffix(".sig").read_bytes() == (directory / SIGNATURE).read_bytes()


def test_every_flipped_byte_of_every_file_is_found(runs: Runs) -> None:
    directory = runs.sealed(files={"report.html": b"<p>\xff\n</p>"})
    files = [each for each in directory.rglob("*") if each.is_file()]
    assert {each.name for each in files} >= {SUMS, SIGNATURE, SEAL, "PREV", "report.html"}
    tried = 0
    for path in files:
        content = path.read_bytes()
        for place in range(len(content)):
            for bit in (1 << place % 8, 0x20):
                path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
                assert not runs.verify(directory).holds, f"{path.name}: byte {place} ^ {bit:#x}"
                tried += 1
        path.write_bytes(content)
    assert tried > 1000
    assert runs.verify(directory).holds


def swap_for_a_link(directory: Path) -> None:
    (directory / "results.json").rename(directory.parent / "kept.json")
    (directory / "results.json").symlink_to("../kept.json")


def strip_and_seal_anew(directory: Path) -> None:
    """What somebody without the key can do: write all of it anew."""
    (directory / SIGNATURE).unlink()
    (directory / "results.json").write_bytes(b"better\n")
    (directory / SUMS).write_bytes(manifest.dump(manifest.digests_of(directory)))


def manifest_anew(directory: Path) -> None:
    (directory / "results.json").write_bytes(b"better\n")
    (directory / SUMS).write_bytes(manifest.dump(manifest.digests_of(directory)))


def without(name: str) -> Change:
    return lambda directory: (directory / name).unlink()


def written(name: str, content: bytes) -> Change:
    def write(directory: Path) -> None:
        (directory / name).write_bytes(content)

    return write


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    """Put something else in the place of a file: a pipe, say, that whoever reads it would wait for."""
    path.unlink()
    make(path)


@pytest.mark.parametrize(
    ("change", "expected", "said"),
    [
        (written("results.json", b"{ }\n"), ["ALTERED"], "results.json: its SHA-256 is"),
        (written("results.json", b""), ["ALTERED"], "results.json: its SHA-256 is e3b0c442"),
        (without("transcript.jsonl"), ["MISSING"], "transcript.jsonl: is in SHA256SUMS, and is not there"),
        (without("inputs/profile.toml"), ["MISSING", "ADDED"], "inputs/profile.toml: is in"),
        (written("inputs/more", b""), ["ADDED"], "inputs/more: is a file that SHA256SUMS does not have"),
        (written("\x1b[2J\nx", b""), ["ADDED"], r"\x1b[2J\nx: is a file"),
        (lambda directory: (directory / "empty").mkdir(), ["ADDED"], "empty: is an empty folder"),
        (lambda directory: os.mkfifo(directory / "pipe"), ["ADDED"], "pipe: is no regular file"),
        (swap_for_a_link, ["ALTERED"], "results.json: is a symbolic link, sealed was a file"),
        (without("PREV"), ["MISSING"], "PREV: is in SHA256SUMS"),
        (without(SEAL), ["MISSING"], "seal.json: is in SHA256SUMS"),
        (without(SUMS), ["UNFINISHED"], "there is no SHA256SUMS"),
        (written(SUMS, b""), ["ALTERED", "ALTERED"], "SHA256SUMS: it is empty"),
        (manifest_anew, ["ALTERED"], "SHA256SUMS: is not the text that the key SHA256:"),
        (strip_and_seal_anew, ["MISSING"], "SHA256SUMS.sig: runner@test had signed with SHA256:"),
        (without(SIGNATURE), ["MISSING"], "SHA256SUMS.sig: runner@test had signed"),
        (lambda directory: replaced(directory / SUMS, os.mkfifo), ["ALTERED"], "SHA256SUMS: is no regular file"),
        (lambda directory: replaced(directory / SIGNATURE, os.mkfifo), ["ADDED", "ALTERED"], "SHA256SUMS.sig: cannot"),
        (lambda directory: replaced(directory / "PREV", os.mkfifo), ["ALTERED"], "PREV: is no regular file"),
        (written(SIGNATURE, b"nonsense"), ["ALTERED"], "SHA256SUMS.sig: it is no armored SSH signature"),
    ],
)
def test_what_is_otherwise_is_named(runs: Runs, change: Change, expected: list[str], said: str) -> None:
    directory = runs.sealed()
    change(directory)
    found = runs.verify(directory)
    assert words(found.findings) == expected
    assert said in found.told()
    assert "\x1b" not in found.told()
    assert len(found.told().splitlines()) == len(set(found.told().splitlines()))


def test_a_run_that_nobody_signed_is_refused_unless_that_is_allowed(runs: Runs) -> None:
    directory = runs.sealed(Signing(missing="environment variable X is not set"))
    assert not (directory / SIGNATURE).exists()
    found = runs.verify(directory)
    assert words(found.findings) == ["UNSIGNED"]
    assert "environment variable X is not set" in found.told()
    assert runs.verify(directory, unsigned_ok=True).holds
    assert "UNSIGNED" in runs.verify(directory, unsigned_ok=True).told()
    (directory / "results.json").write_bytes(b"")
    assert not runs.verify(directory, unsigned_ok=True).holds


def wrong_namespace(directory: Path, keys: Keys) -> None:
    text = (directory / SUMS).read_bytes()
    (directory / SIGNATURE).write_text(sshsig.sign(text, keys.runner, "file"), encoding="ascii")


def wrong_key(directory: Path, keys: Keys) -> None:
    text = (directory / SUMS).read_bytes()
    other = Ed25519PrivateKey.generate()
    (directory / SIGNATURE).write_text(sshsig.sign(text, other, "opsverify"), encoding="ascii")


def allowed_key_that_did_not_seal(directory: Path, keys: Keys) -> None:
    other = Ed25519PrivateKey.generate()
    keys.allowed.write_text(f"{RUNNER} {public(other)}\n", encoding="utf-8")
    text = (directory / SUMS).read_bytes()
    (directory / SIGNATURE).write_text(sshsig.sign(text, other, "opsverify"), encoding="ascii")


def revoked(directory: Path, keys: Keys) -> None:
    keys.revoked.write_text(f"# lost\n{public(keys.runner)} of the runner\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "expected", "said"),
    [
        (wrong_namespace, "WRONG NAMESPACE", "is for 'file', expected 'opsverify'"),
        (wrong_key, "WRONG KEY", "is not among the allowed signers"),
        (allowed_key_that_did_not_seal, "WRONG KEY", "seal.json: says SHA256:"),
        (revoked, "REVOKED", "is revoked, whenever it has signed"),
        (
            lambda _, keys: keys.allow('namespaces="file"'),
            "WRONG NAMESPACE",
            "runner@test may not sign for 'opsverify'",
        ),
        (lambda _, keys: keys.allow(key=keys.reviewer), "WRONG KEY", "is not among the allowed signers"),
        (
            lambda _, keys: keys.allow('valid-before="20261101Z"'),
            "EXPIRED",
            "holds until 2026-11-01 00:00 UTC, and signed",
        ),
        (lambda _, keys: keys.allow('valid-after="20270101Z"'), "NOT YET VALID", "holds from 2027-01-01 00:00 UTC"),
    ],
)
def test_a_signature_that_counts_for_nothing_says_why(
    runs: Runs, keys: Keys, change: Callable[[Path, Keys], None], expected: str, said: str
) -> None:
    directory = runs.sealed()
    change(directory, keys)
    found = runs.verify(directory)
    assert words(found.findings) == [expected]
    assert said in found.told()
    assert "SIGNED by" not in found.told()
    options = ["-r", str(keys.revoked)] if keys.revoked.exists() else []
    if change is not allowed_key_that_did_not_seal:  # whom only the run itself contradicts
        assert ssh_keygen(directory, keys.allowed, *options) != 0


def test_a_key_of_somebody_else_is_not_the_one_that_is_expected(runs: Runs, keys: Keys) -> None:
    directory = runs.sealed()
    found = runs.verify(directory, keys.trust(identity=REVIEWER))
    assert words(found.findings) == ["WRONG IDENTITY"]
    assert "is that of runner@test, expected reviewer@test" in found.told()


def test_without_allowed_signers_nobody_vouches_for_a_key(runs: Runs) -> None:
    found = runs.verify(runs.sealed(), signing.trust(NOW, None, None, None))
    assert words(found.findings) == ["WRONG KEY"]
    assert "nobody said whose it is" in found.told()


def test_a_key_that_expired_since_is_told_and_holds_for_what_it_signed_before(runs: Runs, keys: Keys) -> None:
    directory = runs.sealed()
    keys.allow('namespaces="opsverify",valid-before="202611230000Z"')
    found = runs.verify(directory, keys.trust(NOW + timedelta(days=300)))
    assert found.holds
    assert [(each.word, each.fatal) for each in found.findings] == [("EXPIRED", False)]
    assert found.signer == RUNNER
    assert ssh_keygen(directory, keys.allowed) != 0  # stock tools go by today, unless told otherwise
    assert found.seal is not None
    assert ssh_keygen(directory, keys.allowed, f"-Overify-time={found.seal.verify_time}") == 0


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ("*@test", True),
        ("runner@*,!x", True),
        ("*,!runner@test", False),
        ("[r]unner@test", False),
        ("runner@tes?", True),
    ],
)
def test_principals_are_patterns_as_openssh_reads_them(runs: Runs, keys: Keys, pattern: str, holds: bool) -> None:
    directory = runs.sealed()
    keys.allowed.write_text(f"{pattern} {public(keys.runner)}\n", encoding="utf-8")
    assert runs.verify(directory).holds is holds
    assert (ssh_keygen(directory, keys.allowed) == 0) is holds


def test_a_key_is_not_shown_by_accident(keys: Keys) -> None:
    text = openssh(keys.runner)
    assert "PRIVATE" in text
    assert "PRIVATE" not in repr(Signing(RUNNER, keys.runner, text=text))


def test_a_run_is_sealed_once(runs: Runs) -> None:
    directory = runs.sealed()
    with pytest.raises(SealingError, match="is sealed already"):
        runs.seal(directory)


def test_a_copy_under_another_name_holds_and_says_what_it_was(runs: Runs, tmp_path: Path) -> None:
    directory = runs.sealed()
    copy = tmp_path / "for the auditor"
    shutil.copytree(directory, copy)
    found = runs.verify(copy)
    assert found.holds
    assert f"for the auditor, sealed as {directory.name}" in found.told()


def test_a_seal_says_when_where_and_by_whom(runs: Runs, keys: Keys) -> None:
    directory = runs.sealed()
    said = json.loads((directory / SEAL).read_text(encoding="utf-8"))
    assert said == {
        "format": 1,
        "stream": "test",
        "run": directory.name,
        "sealed": "2026-11-22T12:10:00Z",
        "verify_time": "20261122121000Z",
        "previous": None,
        "namespace": "opsverify",
        "signed_by": RUNNER,
        "key": keys.signing.fingerprint,
        "unsigned_because": "",
    }


def test_the_keys_of_the_lab_sign_runs_and_reviews(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "evidence"
    monkeypatch.setattr(state, "EVIDENCE", folder)
    for _ in range(2):  # made once, and then the same
        state.make_signers()
        made = {each.name: each.read_bytes() for each in folder.iterdir()}
    state.make_signers()
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == made
    settings = profile.evidence("lab", Path(__file__).parents[2], must=True)
    assert settings.key is not None
    assert settings.key.file == "lab/.state/evidence/runner_ed25519"
    assert settings.allowed_signers == "lab/.state/evidence/allowed_signers"
    directory = runs.sealed(Signing(str(settings.identity), signing.key_in(folder / "runner_ed25519")))
    by = signing.trust(NOW, folder / "allowed_signers", None, settings.identity)
    assert runs.verify(directory, by).holds
    assert signoff.identity_of(signing.key_in(folder / "reviewer_ed25519"), by) == "mara.lindqvist@tokenswap.io"
