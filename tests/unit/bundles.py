"""Streams of sealed runs, made in a moment, with the keys of a runner and of a reviewer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsverify.evidence import bundle, sealing, signing, stream
from opsverify.evidence.bundle import Bundle
from opsverify.evidence.finding import Finding
from opsverify.evidence.sealing import Sealed
from opsverify.evidence.signing import Signing, Trust
from opsverify.evidence.stream import Stream

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUNNER, REVIEWER = "runner@test", "reviewer@test"


def openssh(key: Ed25519PrivateKey) -> str:
    """A private key as ssh-keygen writes it."""
    encoding, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
    return key.private_bytes(encoding, format_, serialization.NoEncryption()).decode()


def public(key: Ed25519PrivateKey) -> str:
    """The public key, as a line."""
    encoding, format_ = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(encoding, format_).decode()


class Keys:
    """A runner's key and a reviewer's, and the file of allowed signers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner, self.reviewer = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        for name, key in (("runner_ed25519", self.runner), ("reviewer_ed25519", self.reviewer)):
            (folder / name).write_text(openssh(key), encoding="utf-8")
            (folder / name).chmod(0o600)
        self.allowed = folder / "allowed_signers"
        self.revoked = folder / "revoked_keys"
        self.allow()

    def allow(self, options: str = 'namespaces="opsverify"', key: Ed25519PrivateKey | None = None) -> None:
        """Let the runner sign under these options; with ``key``, that key in place of the runner's."""
        lines = (
            f"{RUNNER} {options} {public(key or self.runner)}",
            f'{REVIEWER} namespaces="opsverify-signoff" {public(self.reviewer)}',
        )
        self.allowed.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")

    def trust(self, now: datetime = NOW, identity: str | None = RUNNER) -> Trust:
        """What a verifier knows."""
        return signing.trust(now, self.allowed, self.revoked if self.revoked.exists() else None, identity)

    @property
    def signing(self) -> Signing:
        """What a run signs with."""
        return Signing(RUNNER, self.runner)


class Runs:
    """A stream of runs, each sealed ten minutes after the one before."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self.stream = folder / "reports" / "test"
        self.stream.mkdir(parents=True)
        self.keys = keys
        self.now = NOW - timedelta(days=1)

    def written(self, files: dict[str, bytes] | None = None) -> Path:
        """A run whose files are written, not sealed yet."""
        self.now += timedelta(minutes=10)
        directory = self.stream / f"{self.now:%Y%m%dT%H%M%SZ}-{int(self.now.timestamp()) % 2**32:08x}"
        (directory / "inputs").mkdir(parents=True)
        content = {"results.json": b"{}\n", "transcript.jsonl": b"", "inputs/profile.toml": b'name = "test"\n'}
        for name, text in (content | (files or {})).items():
            (directory / name).write_bytes(text)
        return directory

    def sealed(self, signing: Signing | None = None, files: dict[str, bytes] | None = None) -> Path:
        """A sealed run."""
        directory = self.written(files)
        self.seal(directory, signing)
        return directory

    def seal(self, directory: Path, signing: Signing | None = None) -> Sealed:
        """Seal a run now."""
        return sealing.seal(directory, signing or self.keys.signing, lambda: self.now)

    def verify(self, directory: Path, trust: Trust | None = None, *, unsigned_ok: bool = False) -> Bundle:
        """Verify one of them."""
        return bundle.verify(directory, trust or self.keys.trust(), unsigned_ok=unsigned_ok)

    def chain(self, head: str | None = None, *, unsigned_ok: bool = False) -> Stream:
        """Verify all of them."""
        return stream.verify(self.stream, self.keys.trust(), head=head, unsigned_ok=unsigned_ok)


def words(findings: tuple[Finding, ...]) -> list[str]:
    """The words of what is fatal."""
    return [each.word for each in findings if each.fatal]


Change = Callable[[Path], None]
