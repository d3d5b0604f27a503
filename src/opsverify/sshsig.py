"""SSH signatures (SSHSIG, as ``ssh-keygen -Y sign`` makes them), made and verified without ssh-keygen. Ed25519 alone.

A signature carries no time of its own: whether its signer is one at some moment is `Signer.holds_at`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opsverify.errors import OpsverifyError

BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
MAGIC = b"SSHSIG"
ED25519 = "ssh-ed25519"
HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
COLUMNS = 70  # of an armored signature, as ssh-keygen breaks it
KEY_KINDS = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9-]+(@openssh\.com)?")
STAMP = re.compile(r"(?P<day>\d{8})(?P<time>\d{4}(\d{2})?)?Z")
# A word of a line: quotes hold blanks together, as in namespaces="a,b".
WORD = re.compile(r'(?:[^ \t"]|"[^"]*")+')
OPTION = re.compile(r'[^,"=]+(?:="[^"]*")?')


class SignatureError(OpsverifyError):
    """A text is not signed by anyone who may: the reason, in words."""


class SignersError(OpsverifyError):
    """A file of allowed signers is not understood: the line, and what was expected there."""


@dataclass(frozen=True)
class Signature:
    """A signature as it is written: by which key (raw), for which namespace, over which digest of the text."""

    key: bytes
    namespace: str
    digest: str
    raw: bytes


@dataclass(frozen=True)
class Signer:
    """One line of a file of allowed signers; ``namespaces`` are patterns, None means all; an absent bound means none
    (UTC)."""

    principals: str
    kind: str
    key: bytes
    namespaces: tuple[str, ...] | None = None
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Whether the line holds at that moment."""
        begun = self.valid_after is None or moment >= self.valid_after
        return begun and (self.valid_before is None or moment < self.valid_before)

    def signs(self, namespace: str) -> bool:
        """Whether it is for that namespace: one of its patterns matches, none of those that begin with ``!``."""
        if self.namespaces is None:
            return True
        wanted = [each for each in self.namespaces if not each.startswith("!")]
        unwanted = [each[1:] for each in self.namespaces if each.startswith("!")]
        return _matches(namespace, wanted) and not _matches(namespace, unwanted)

    def is_for(self, identity: str) -> bool:
        """Whether it is for that principal: one of its patterns matches, none of those that begin with ``!``."""
        patterns = self.principals.split(",")
        wanted = [each for each in patterns if not each.startswith("!")]
        return _matches(identity, wanted) and not _matches(identity, [each[1:] for each in patterns if each[:1] == "!"])

    @property
    def bounds(self) -> str:
        """From when to when it holds, in words."""
        ends = (("from", self.valid_after), ("until", self.valid_before))
        return " ".join(f"{word} {end:%Y-%m-%d %H:%M} UTC" for word, end in ends if end) or "without a bound"


def signers_of(text: bytes, armored: str, allowed: Iterable[Signer], namespace: str) -> tuple[Signer, ...]:
    """The lines of allowed signers whose key has signed ``text`` for ``namespace``, whenever they hold; at least one.

    Raises:
        SignatureError: it is no signature, of another algorithm, for another namespace, by a key that is not allowed
            to sign for this one, or not a signature of this text.
    """
    signature = parse(armored)
    if signature.namespace != namespace:
        raise SignatureError(f"the signature is for the namespace {signature.namespace!r}, expected {namespace!r}")
    known = [each for each in allowed if each.kind == ED25519 and each.key == signature.key]
    shown = fingerprint(signature.key)
    if not known:
        raise SignatureError(f"the key {shown} is not among the allowed signers")
    found = tuple(each for each in known if each.signs(namespace))
    if not found:
        raise SignatureError(f"the key {shown} of {known[0].principals} may not sign for {namespace!r}")
    if not is_of(text, signature):
        raise SignatureError(f"the signature by {found[0].principals} is not one of this text")
    return found


def is_of(text: bytes, signature: Signature) -> bool:
    """Whether its key has made it of this text, for its namespace."""
    try:
        Ed25519PublicKey.from_public_bytes(signature.key).verify(signature.raw, _signed(text, signature))
    except InvalidSignature:
        return False
    return True


def sign(text: bytes, key: Ed25519PrivateKey, namespace: str) -> str:
    """Sign a text for a namespace, armored as ``ssh-keygen -Y sign`` does it."""
    public = key.public_key().public_bytes_raw()
    unsigned = Signature(public, namespace, "sha512", b"")
    made = key.sign(_signed(text, unsigned))
    kind = _string(ED25519.encode())
    fields = (kind + _string(public), namespace.encode(), b"", b"sha512", kind + _string(made))
    return armored(MAGIC + (1).to_bytes(4, "big") + b"".join(map(_string, fields)))


def armored(blob: bytes) -> str:
    """The one text that a signature is written as."""
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + COLUMNS] for start in range(0, len(text), COLUMNS)]
    return "\n".join((BEGIN, *lines, END, ""))


def is_canonical(text: str) -> bool:
    """Whether an armored signature is written in the one way that `armored` and OpenSSH write it.

    There are others that mean the same: more blanks, bits that base64 does not look at.
    """
    lines = text.strip().splitlines()
    try:
        return armored(base64.b64decode("".join(lines[1:-1]), validate=True)) == text
    except (binascii.Error, ValueError):
        return False


def public_key(line: str) -> bytes:
    """The raw key of a line ``ssh-ed25519 AAAA… comment``; of any other kind, the whole of it.

    Raises:
        SignersError: it is none.
    """
    kind, _, rest = line.strip().partition(" ")
    if not KEY_KINDS.fullmatch(kind) or not rest.split():
        raise SignersError("expected a kind of key, then the key")
    return _public(kind, rest.split()[0], 1)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """By the patterns of OpenSSH, which know ``*`` and ``?`` alone."""
    return any(fnmatchcase(name, each.replace("[", "[[]")) for each in patterns)


def fingerprint(key: bytes) -> str:
    """The SHA-256 fingerprint of an Ed25519 key, as OpenSSH writes it."""
    digest = hashlib.sha256(_string(ED25519.encode()) + _string(key)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def parse(armored: str) -> Signature:
    """Parse an armored signature.

    Raises:
        SignatureError: it is none, or one of another algorithm than Ed25519; that one is named.
    """
    lines = armored.strip().splitlines()
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise SignatureError("it is no armored SSH signature")
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        if blob[: len(MAGIC)] != MAGIC or int.from_bytes(blob[6:10], "big") != 1:
            raise SignatureError("it is no SSH signature of version 1")
        public, namespace, _, digest, signature = _strings(blob[10:], 5)
        key = _of_ed25519(public, "key")
        raw = _of_ed25519(signature, "signature")
        found = Signature(key, namespace.decode(), digest.decode(), raw)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise SignatureError(f"the SSH signature is not understood: {error}") from None
    if found.digest not in HASHES:
        raise SignatureError(f"the SSH signature is over a digest {found.digest!r}, expected {' or '.join(HASHES)}")
    if len(key) != 32 or len(raw) != 64:
        raise SignatureError("the SSH signature has a key or a signature of the wrong length")
    return found


def parse_signers(text: str) -> tuple[Signer, ...]:
    """Parse a file of allowed signers (ssh-keygen(1), ALLOWED SIGNERS).

    Lines with keys of other algorithms are kept: their owners may sign elsewhere.

    Raises:
        SignersError: a line that is not understood; a time without Z, which would depend on the reader's time zone;
            an authority of certificates, which is not supported.
    """
    return tuple(
        _signer(line, number)
        for number, line in enumerate(text.split("\n"), start=1)  # as OpenSSH: of others, a comment may hide a line
        if line.strip() and not line.lstrip().startswith("#")
    )


def _signer(line: str, number: int) -> Signer:
    if line.count('"') % 2:
        raise SignersError(f"line {number}: a quote is not closed")
    words = WORD.findall(line.removesuffix("\r"))
    at = next((place for place, word in enumerate(words[1:3], start=1) if KEY_KINDS.fullmatch(word)), None)
    if at is None or len(words) < at + 2:
        raise SignersError(f"line {number}: expected principals, perhaps options, then a kind of key and the key")
    options: dict[str, str] = {}
    for option in _options(words[1], number) if at == 2 else ():
        name, _, value = option.partition("=")
        if name.lower() not in ("namespaces", "valid-after", "valid-before"):
            raise SignersError(f"line {number}: the option {name!r} is not supported")
        if name.lower() in options:
            raise SignersError(f"line {number}: the option {name!r} stands there twice")
        options[name.lower()] = value.strip('"')
    return Signer(
        words[0].strip('"'),
        words[at],
        _public(words[at], words[at + 1], number),
        tuple(options["namespaces"].split(",")) if "namespaces" in options else None,
        _moment(options.get("valid-after"), number),
        _moment(options.get("valid-before"), number),
    )


def _options(text: str, number: int) -> list[str]:
    """The options of a line: a comma inside quotes parts nothing, and OpenSSH takes no value without quotes."""
    found = OPTION.findall(text)
    if ",".join(found) != text:
        raise SignersError(f'line {number}: the options {text!r} are not understood, expected name="value",…')
    return found


def _public(kind: str, text: str, number: int) -> bytes:
    """The raw Ed25519 key; of any other kind, which is only compared, the whole of it."""
    try:
        blob = base64.b64decode(text, validate=True)
        return _of_ed25519(blob, "key") if kind == ED25519 else blob
    except (binascii.Error, ValueError, SignatureError) as error:
        raise SignersError(f"line {number}: the key is not understood: {error}") from None


def _moment(text: str | None, number: int) -> datetime | None:
    if text is None:
        return None
    match = STAMP.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return datetime.strptime(match["day"] + (match["time"] or "0000").ljust(6, "0"), "%Y%m%d%H%M%S").replace(
            tzinfo=UTC
        )
    except ValueError:
        raise SignersError(
            f"line {number}: the time {text!r} is not understood, expected YYYYMMDD[HHMM[SS]]Z"
        ) from None


def _of_ed25519(blob: bytes, what: str) -> bytes:
    """What a key or a signature holds; the algorithm stands before it."""
    kind, *parts = _parts(blob) or [b""]
    if kind != ED25519.encode():
        named = kind.decode("ascii", "backslashreplace")
        raise SignatureError(f"the {what} is of the algorithm {named!r}, expected {ED25519}")
    if len(parts) != 1:
        raise ValueError(f"the {what} has {len(parts)} parts, expected one")
    return parts[0]


def _strings(blob: bytes, count: int) -> list[bytes]:
    found = _parts(blob)
    if len(found) != count:
        raise ValueError(f"expected {count} fields, got {len(found)}")
    return found


def _parts(blob: bytes) -> list[bytes]:
    """The strings of SSH's wire format: a length in four bytes, then so many bytes."""
    found, at = [], 0
    while at < len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4], "big")
        if len(blob) < max(end, at + 4):
            raise ValueError("it is cut off")
        found.append(blob[at + 4 : end])
        at = end
    return found


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _signed(text: bytes, signature: Signature) -> bytes:
    """The bytes that a signature is made of: not the text itself, but its digest with what it is for."""
    digest = HASHES[signature.digest](text).digest()
    parts = (signature.namespace.encode(), b"", signature.digest.encode(), digest)
    return MAGIC + b"".join(map(_string, parts))
