"""Who signs a bundle, and whose signature a verifier believes. Keys come by reference and stay in memory."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from opsverify import sshsig
from opsverify.errors import UsageError
from opsverify.evidence.finding import Finding
from opsverify.evidence.settings import Evidence
from opsverify.sshsig import ED25519, SignatureError, Signer, SignersError, fingerprint

NAMESPACE = "opsverify"
SIGN_OFF = "opsverify-signoff"  # so that a run's signature is never taken for a person's, nor the other way round
BEGIN_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
KRL = b"SSHKRL\n\0"
HOW_TO_MAKE = "make one with: ssh-keygen -t ed25519 -N '' -f FILE"


@dataclass(frozen=True)
class Signing:
    """A key with the principal that it is known by; without a key, why there is none. ``text`` is the key's own."""

    identity: str = ""
    key: Ed25519PrivateKey | None = None
    missing: str = ""
    text: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the key; empty without one."""
        return "" if self.key is None else fingerprint(self.key.public_key().public_bytes_raw())

    @property
    def spellings(self) -> tuple[str, ...]:
        """The key's text as it may appear where it must not: whole, in one piece, and the lines that only it has."""
        body = [each for each in self.text.split() if re.fullmatch(r"[A-Za-z0-9+/=]{16,}", each)]
        return (self.text.strip(), "".join(body), *body[1:]) if self.key is not None else ()

    def about(self) -> dict[str, str]:
        """What views say about it."""
        return {
            "signed_by": self.identity if self.key else "",
            "key": self.fingerprint,
            "unsigned_because": self.missing,
        }


def of(settings: Evidence, root: Path, file: Path) -> Signing:
    """The key of a profile. A reference that leads nowhere is no key: runs go on without one, and say so.

    Raises:
        UsageError: what the reference leads to is no usable key, or others may read it; one line with file and key.
    """
    reference = settings.key
    if reference is None:
        return Signing(missing="the profile names no key ([evidence] key)")
    where = f"{file.relative_to(root) if file.is_relative_to(root) else file}: evidence.key"
    if reference.env is not None:
        text = os.environ.get(reference.env, "")
        missing = f"environment variable {reference.env} is not set"
    else:
        text = _read(root / str(reference.file), f"{where}: key file {reference.file}")
        missing = f"key file {reference.file} is not there"
    if not text.strip():
        return Signing(settings.identity or "", missing=missing)
    return Signing(settings.identity or "", private_key(text, where), text=text)


def key_in(path: Path) -> Ed25519PrivateKey:
    """The private key in a file.

    Raises:
        UsageError: there is none, or none that may be used.
    """
    text = _read(path, f"key file {path.name}")
    if not text:
        raise UsageError(f"key file {path.name}: is not there, or is empty")
    return private_key(text, f"key file {path.name}")


def _read(path: Path, where: str) -> str:
    """The text of a key file; empty where there is none."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise UsageError(f"{where}: may be read by others (mode {mode:04o}), expected 0600 (chmod 600)")
            return file.read().decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{where}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{where}: expected an OpenSSH private key as text") from None


def private_key(text: str, where: str) -> Ed25519PrivateKey:
    """The Ed25519 key that a text is.

    Raises:
        UsageError: it is none, one of another algorithm, or one that wants a passphrase.
    """
    if not text.strip().startswith(BEGIN_KEY):
        raise UsageError(f"{where}: expected an OpenSSH private key; {HOW_TO_MAKE}")
    try:
        key = load_ssh_private_key(text.strip().encode() + b"\n", password=None)
    except TypeError:
        raise UsageError(
            f"{where}: is encrypted; expected a key without a passphrase, of its own; {HOW_TO_MAKE}"
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if "encrypted" in str(error).lower() or "bcrypt" in str(error).lower():
            raise UsageError(f"{where}: is encrypted; expected a key without a passphrase; {HOW_TO_MAKE}") from None
        raise UsageError(f"{where}: is not understood as an OpenSSH private key; {HOW_TO_MAKE}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{where}: is of another algorithm, expected {ED25519}; {HOW_TO_MAKE}")
    return key


@dataclass(frozen=True)
class Trust:
    """Whom a verifier believes: allowed signers (None: nobody said), revoked keys, and who is expected to have signed.

    ``now`` is the moment of the verification.
    """

    now: datetime
    signers: tuple[Signer, ...] | None = None
    identity: str | None = None
    revoked: frozenset[bytes] = frozenset()


def trust(now: datetime, allowed: Path | None, revoked: Path | None, identity: str | None) -> Trust:
    """What the files of a verifier say.

    Raises:
        UsageError: a file cannot be read or is not understood; the file, and the line.
    """
    signers = None if allowed is None else _signers(allowed)
    return Trust(now, signers, identity, frozenset() if revoked is None else _revoked(revoked))


def _signers(path: Path) -> tuple[Signer, ...]:
    try:
        return sshsig.parse_signers(_bytes(path).decode())
    except (SignersError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: not understood as allowed signers: {error}") from None


def _revoked(path: Path) -> frozenset[bytes]:
    """Public keys, one a line, as ``ssh-keygen -Y verify -r`` takes them beside its own binary lists."""
    content = _bytes(path)
    if content.startswith(KRL):
        raise UsageError(f"{path.name}: is a binary list of revoked keys, expected one public key a line")
    found = set()
    for number, line in enumerate(content.decode("utf-8", "backslashreplace").split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.add(sshsig.public_key(line))
            except SignersError as error:
                raise UsageError(f"{path.name}: line {number}: {error}") from None
    return frozenset(found)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class Signature:
    """What came of a signature: its key, who that is (empty: nobody who may), and what speaks against it."""

    key: bytes | None
    signer: str
    findings: tuple[Finding, ...]


def examine(name: str, text: bytes, armored: bytes, namespace: str, by: Trust, at: datetime | None) -> Signature:
    """Hold the signature of ``name`` against a text, and against whom a verifier believes.

    ``at`` is when it was made by its own account: an expiry after that is told, and is not fatal.
    """
    try:
        written = armored.decode("ascii")
        found = sshsig.parse(written)
    except (SignatureError, UnicodeDecodeError) as error:
        return Signature(None, "", (Finding("ALTERED", f"{name}.sig: {error}"),))
    shown = f"the key {fingerprint(found.key)}"
    finding = None
    if not sshsig.is_canonical(written):
        finding = Finding("ALTERED", f"{name}.sig: is not written as a signature is")
    elif found.namespace != namespace:
        finding = Finding("WRONG NAMESPACE", f"{name}.sig: is for {found.namespace!r}, expected {namespace!r}")
    elif not sshsig.is_of(text, found):
        finding = Finding("ALTERED", f"{name}: is not the text that {shown} has signed")
    elif found.key in by.revoked:
        finding = Finding("REVOKED", f"{name}.sig: {shown} is revoked, whenever it has signed")
    elif by.signers is None:
        told = f"{name}.sig: {shown} has signed, and nobody said whose it is: --allowed-signers FILE"
        finding = Finding("WRONG KEY", told)
    if finding is not None:
        return Signature(found.key, "", (finding,))
    return _vouched(name, shown, found.key, namespace, by, at or by.now)


def _vouched(name: str, shown: str, key: bytes, namespace: str, by: Trust, at: datetime) -> Signature:
    """What allowed signers say about a key: of its lines, those for whoever is expected, for this, and then."""
    lines = [each for each in by.signers or () if each.kind == ED25519 and each.key == key]
    named = [each for each in lines if by.identity is None or each.is_for(by.identity)]
    able = [each for each in named if each.signs(namespace)]
    then = [each for each in able if each.holds_at(at)]
    signer = by.identity or (named[0].principals if named else "")
    bounds = ", ".join(each.bounds for each in then or able)
    holds = f"{name}.sig: {shown} of {signer} holds {bounds}"
    finding = None
    if not lines:
        finding = Finding("WRONG KEY", f"{name}.sig: {shown} is not among the allowed signers")
    elif not named:
        whose = " or ".join(each.principals for each in lines)
        finding = Finding("WRONG IDENTITY", f"{name}.sig: {shown} is that of {whose}, expected {by.identity}")
    elif not able:
        finding = Finding("WRONG NAMESPACE", f"{name}.sig: {signer} may not sign for {namespace!r}")
    elif not then:
        early = all(each.valid_after is not None and at < each.valid_after for each in able)
        finding = Finding("NOT YET VALID" if early else "EXPIRED", f"{holds}, and signed at {_shown(at)}")
    elif not any(each.holds_at(by.now) for each in then):
        since = f"{holds}: good at {_shown(at)}, when it signed by its own account"
        return Signature(key, signer, (Finding("EXPIRED", since, fatal=False),))
    return Signature(key, signer, ()) if finding is None else Signature(key, "", (finding,))


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
