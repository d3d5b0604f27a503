"""Sign-offs: beside the bundle, each signed by its reviewer, and listed with whether it holds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from opsverify import cli, sshsig
from opsverify.evidence.manifest import SIGNATURE, SUMS
from opsverify.evidence.signing import SIGN_OFF, Signing
from tests.unit.bundles import NOW, REVIEWER, RUNNER, Keys, Runs, public

Said = tuple[int, str, str]


@pytest.fixture
def command(keys: Keys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line, called outside of any project."""
    monkeypatch.chdir(keys.folder)
    monkeypatch.setattr(cli, "_now", lambda: NOW)

    def run(*arguments: object) -> Said:
        status = cli.main([*map(str, arguments), "--allowed-signers", str(keys.allowed)])
        return status, *capsys.readouterr()

    return run


def review(directory: Path, *more: object, verdict: str = "accepted") -> list[object]:
    who = ["--reviewer", "Mara Lindqvist", "--role", "operations manager", "--verdict", verdict]
    return ["sign-off", directory, *who, *more]


@pytest.fixture
def key(keys: Keys) -> list[object]:
    return ["--key", keys.folder / "reviewer_ed25519"]


def test_reviews_are_signed_beside_the_bundle_and_listed(
    runs: Runs, command: Callable[..., Said], key: list[object]
) -> None:
    directory = runs.sealed()
    before = {each: each.read_bytes() for each in directory.rglob("*") if each.is_file()}
    status, out, _ = command(*review(directory, *key, "--remarks", "see SEC-CERT-01"))
    assert status == 0
    assert "Mara Lindqvist (operations manager): accepted" in out
    assert command(*review(directory, *key, verdict="rejected"))[0] == 0
    assert {each: each.read_bytes() for each in directory.rglob("*") if each.is_file()} == before
    assert {each.parent.name for each in runs.stream.glob("*.signoffs/*")} == {f"{directory.name}.signoffs"}
    status, out, _ = command("bundle", "verify", directory)
    assert status == 0
    assert out.count("holds, signed by reviewer@test") == 2
    assert ": accepted, 2026-11-23 12:00 UTC: see SEC-CERT-01; holds" in out
    assert ": rejected, 2026-11-23 12:00 UTC; holds" in out
    assert command("bundle", "chain", runs.stream)[0] == 0


def statement(runs: Runs) -> Path:
    (found,) = runs.stream.glob("*.signoffs/*.json")
    return found


def test_ssh_keygen_verifies_a_sign_off(
    runs: Runs, keys: Keys, command: Callable[..., Said], key: list[object]
) -> None:
    command(*review(runs.sealed(), *key))
    path = statement(runs)
    verify = ["ssh-keygen", "-Y", "verify", "-f", str(keys.allowed), "-I", REVIEWER, "-n", SIGN_OFF]
    with path.open("rb") as text:
        done = subprocess.run([*verify, "-s", f"{path}.sig"], stdin=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reviewer_may_sign_with_ssh_keygen(runs: Runs, keys: Keys, command: Callable[..., Said]) -> None:
    """So that a key with a passphrase, in an agent or on a token, need not be given to this program."""
    directory = runs.sealed()
    status, out, _ = command(*review(directory, "--identity", REVIEWER))
    assert status == 1
    assert "DOES NOT HOLD (UNSIGNED" in out
    line = next(each for each in out.splitlines() if each.startswith("UNSIGNED"))
    sign = line.partition("sign it: ")[2].replace(" KEY ", f" {keys.folder / 'reviewer_ed25519'} ").split()
    assert command("bundle", "verify", directory)[0] == 1
    subprocess.run(sign, capture_output=True, check=True)
    assert command("bundle", "verify", directory)[0] == 0


def edited(key: str, value: object) -> Callable[[Path, Keys], None]:
    def edit(path: Path, _: Keys) -> None:
        text = json.loads(path.read_text(encoding="utf-8")) | {key: value}
        path.write_text(json.dumps(text), encoding="utf-8")

    return edit


def signed_anew(
    key: str, value: object, namespace: str = SIGN_OFF, by: str = "reviewer"
) -> Callable[[Path, Keys], None]:
    def sign(path: Path, keys: Keys) -> None:
        edited(key, value)(path, keys)
        made = sshsig.sign(path.read_bytes(), getattr(keys, by), namespace)
        path.with_name(f"{path.name}.sig").write_text(made, encoding="ascii")

    return sign


def late(path: Path, keys: Keys) -> None:
    lines = keys.allowed.read_text(encoding="utf-8").replace(
        'namespaces="opsverify-signoff"', 'valid-before="20261101Z"'
    )
    keys.allowed.write_text(lines, encoding="utf-8")


def backdated(path: Path, keys: Keys) -> None:
    """A key that has run out signs, and says that it was still good: but the run was not there then."""
    late(path, keys)
    signed_anew("at", "2026-10-31T00:00:00Z")(path, keys)


def both_alike(path: Path, keys: Keys) -> None:
    """The runner's key signs a review, and may sign for everything."""
    keys.allowed.write_text(f"{RUNNER} {public(keys.runner)}\n", encoding="utf-8")
    signed_anew("identity", RUNNER, by="runner")(path, keys)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited("verdict", "rejected"), "ALTERED"),
        (edited("reviewer", "\x1b[31mEve\u202e"), r"\x1b[31mEve\u202e"),
        (edited("verdict", "fine"), "is not understood: verdict"),
        (edited("more", "x"), "is not understood: more"),
        (signed_anew("manifest_sha256", "0" * 64), "not about this bundle"),
        (signed_anew("run", "20250101T000000Z-00000000"), "not about this bundle"),
        (signed_anew("role", "x", "opsverify"), "WRONG NAMESPACE"),
        (signed_anew("identity", "eve@test"), "WRONG IDENTITY"),
        (signed_anew("role", "x", by="runner"), "no second person"),
        (both_alike, "no second person"),
        (late, "EXPIRED"),
        (backdated, "was made at 2026-10-31 00:00 UTC, before the run was sealed"),
        (lambda _, keys: keys.allow(), None),
        (lambda path, _: path.with_name(f"{path.name}.sig").unlink(), "UNSIGNED"),
        (lambda path, _: path.unlink(), "belongs to no sign-off"),
        (lambda path, _: path.write_bytes(b"\xff"), "is not understood"),
        (lambda path, _: (path.unlink(), path.symlink_to("/etc/passwd")), "is a symbolic link"),
        (lambda path, _: (path.parent / "note.txt").touch(), "belongs to no sign-off"),
    ],
)
def test_a_sign_off_that_does_not_hold_says_why(
    runs: Runs,
    keys: Keys,
    command: Callable[..., Said],
    key: list[object],
    change: Callable[[Path, Keys], None],
    said: str | None,
) -> None:
    directory = runs.sealed()
    command(*review(directory, *key))
    change(statement(runs), keys)
    status, out, _ = command("bundle", "verify", directory)
    assert status == (0 if said is None else 1)
    assert "\x1b" not in out
    if said is not None:
        assert said in out
        assert "DOES NOT HOLD" in out


def test_where_it_is_known_from_who_may_sign_is_said(
    runs: Runs, keys: Keys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that came with its own profile vouches for itself: whoever verifies it has to see that."""
    directory = runs.sealed()
    (keys.folder / "profiles" / "test").mkdir(parents=True)
    settings = f'[evidence]\nidentity = "{RUNNER}"\nallowed_signers = "allowed_signers"\n'
    (keys.folder / "profiles/test/profile.toml").write_text(settings, encoding="utf-8")
    monkeypatch.setattr(cli, "_now", lambda: NOW)
    elsewhere = keys.folder / "reports"
    monkeypatch.chdir(elsewhere)
    for arguments in (["bundle", "verify", str(directory)], ["bundle", "chain", str(runs.stream)]):
        assert cli.main(arguments) == 0
        assert f"signers         {keys.allowed}, as the profile test says" in capsys.readouterr().out.splitlines()
        assert cli.main([*arguments, "--allowed-signers", "../allowed_signers"]) == 0
        assert "signers         ../allowed_signers" in capsys.readouterr().out.splitlines()


def test_what_is_not_as_it_was_sealed_is_not_signed_off(
    runs: Runs, command: Callable[..., Said], key: list[object]
) -> None:
    directory = runs.sealed()
    (directory / "results.json").write_bytes(b"")
    status, out, _ = command(*review(directory, *key))
    assert status == 1
    assert "ALTERED         results.json" in out
    killed = runs.written()
    assert command(*review(killed, *key))[0] == 1
    assert not list(runs.stream.glob("*.signoffs"))


def test_wrong_use_is_one_line_and_64(runs: Runs, keys: Keys, command: Callable[..., Said], key: list[object]) -> None:
    directory = runs.sealed()
    (keys.folder / "open").write_bytes((keys.folder / "reviewer_ed25519").read_bytes())
    (keys.folder / "open").chmod(0o644)
    for arguments, said in (
        (review(directory), "needs --key, or --identity"),
        (review(directory, "--key", "no-such-key"), "is not there"),
        (review(directory, "--key", keys.folder / "open"), "may be read by others (mode 0644)"),
        (review(directory, "--key", keys.folder / "runner_ed25519"), "needs --identity: by the allowed signers"),
        (review(directory, *key, verdict="fine"), "invalid choice: 'fine'"),
        (review(directory / "x", *key), "there is no such folder"),
        (["bundle", "verify", directory / "results.json"], "there is no such folder"),
        (["bundle", "chain", runs.stream, "--head", "abc"], "expected 64 hex digits"),
        (["bundle", "chain", keys.folder / "reports"], "there is no run in it"),
        (["bundle", "verify", directory, "--revoked", keys.folder / "none"], "none: cannot be read"),
        (["bundle", "verify", directory, "--profile", "none"], "none"),
    ):
        status, out, err = command(*arguments)
        assert (status, out) == (64, ""), arguments
        assert said in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("text", ["nonsense\n", "a@b cert-authority ssh-ed25519 AAAA\n", 'a@b valid-before="2026" x\n'])
def test_signers_that_are_not_understood_are_wrong_input(
    runs: Runs, keys: Keys, command: Callable[..., Said], text: str
) -> None:
    keys.allowed.write_text(text, encoding="utf-8")
    status, _, err = command("bundle", "verify", runs.sealed())
    assert status == 64
    assert "allowed_signers: not understood as allowed signers: line 1" in err


def test_a_binary_list_of_revoked_keys_is_refused(runs: Runs, keys: Keys, command: Callable[..., Said]) -> None:
    public_file = keys.folder / "runner.pub"
    public_file.write_text(f"{public(keys.runner)}\n", encoding="utf-8")
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(keys.folder / "krl"), str(public_file)], check=True)
    status, _, err = command("bundle", "verify", runs.sealed(), "--revoked", keys.folder / "krl")
    assert status == 64
    assert "is a binary list of revoked keys" in err
    keys.revoked.write_text("ssh-ed25519 nonsense\n", encoding="utf-8")
    assert "line 1: the key is not understood" in command("bundle", "verify", runs.sealed(), "--revoked", keys.revoked)[
        2
    ].replace("line 1: line 1", "line 1")


def test_the_profile_of_a_stream_says_who_may_sign(
    runs: Runs, keys: Keys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a project no option is needed: the folder of the runs is called as the profile is."""
    directory = runs.sealed()
    settings = f'[evidence]\nidentity = "{RUNNER}"\nallowed_signers = "allowed_signers"\nrevoked = "revoked_keys"\n'
    (keys.folder / "profiles" / "test").mkdir(parents=True)
    (keys.folder / "profiles/test/profile.toml").write_text(settings, encoding="utf-8")
    keys.revoked.touch()
    monkeypatch.setattr(cli, "_now", lambda: NOW + timedelta(days=1))
    (runs.stream / "latest").symlink_to(directory.name)
    for where in (keys.folder, directory):
        monkeypatch.chdir(where)
        assert cli.main(["bundle", "verify", str(runs.stream / "latest")]) == 0
        assert cli.main(["bundle", "chain", str(runs.stream)]) == 0
        assert "SIGNED by runner@test" in capsys.readouterr().out
    keys.revoked.write_text(f"{public(keys.runner)}\n", encoding="utf-8")
    assert cli.main(["bundle", "verify", str(directory)]) == 1
    assert "REVOKED" in capsys.readouterr().out


def test_what_is_not_signed_may_be_signed_off(runs: Runs, command: Callable[..., Said], key: list[object]) -> None:
    directory = runs.sealed()
    (directory / SIGNATURE).unlink()
    assert command(*review(directory, *key))[0] == 1  # it was signed once
    other = runs.sealed(Signing(missing="no key"))
    assert command(*review(other, *key))[0] == 0
    assert command("bundle", "verify", other)[0] == 1
    status, out, _ = command("bundle", "verify", other, "--unsigned-ok")
    assert status == 0
    assert "UNSIGNED" in out
    assert "holds, signed by reviewer@test" in out
    assert (other / SUMS).exists()
