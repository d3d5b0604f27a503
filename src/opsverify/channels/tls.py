"""The TLS channel: handshakes with one listener, by name (SNI). The certificate is read as it is *served*."""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509

from opsverify import targets
from opsverify.channels import tls_scan
from opsverify.channels.base import Channel
from opsverify.channels.coding import SAME, Coding
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.transcript import Transcript

KEYS = ("ECDSA", "RSA")  # kinds of certificates that a listener may have beside each other, each with its own end
REFUSED = (ssl.SSLError, ConnectionResetError)  # somebody is there, and will not have it this way


@dataclass(frozen=True)
class Handshake:
    """A finished handshake: protocol version, cipher, and the leaf certificate as served (DER)."""

    protocol: str
    cipher: str
    leaf: bytes


class TlsChannel(Channel):
    """Handshakes with one TLS listener."""

    kind = "tls"

    def __init__(self, listener: targets.Listener, root: Path, transcript: Transcript) -> None:
        super().__init__(listener.name, "anonymous", listener.timeout_s, transcript)
        self.spec = listener
        self._ca = str(root / listener.ca) if listener.ca else None

    def handshake(self) -> Handshake:
        """Shake hands without verifying anything, to see what is served.

        Raises:
            UnreachableError: nobody answers there, or what answers speaks no TLS.
        """
        question = f"handshake with {self.spec.connect} as {self.spec.server_name}, unverified"
        return self.exchange(question, lambda: self._shake(_unverified()), HANDSHAKE)

    def handshakes(self) -> tuple[Handshake, ...]:
        """Shake hands as `handshake` does, then for each of `KEYS`; of those, one for each certificate that is served.

        Only up to TLS 1.2 can a kind of key be asked for: of a listener of TLS 1.3 alone one certificate is seen.

        Raises:
            UnreachableError: as `handshake`.
        """
        first = self.handshake()
        found = {first.leaf: first}
        for kind in KEYS:
            question = f"handshake with {self.spec.connect} as {self.spec.server_name}, {kind}, unverified"
            shaken = self.exchange(question, partial(self._shake_if_offered, kind), IF_OFFERED)
            if shaken is not None:
                found.setdefault(shaken.leaf, shaken)
        return tuple(found.values())

    def verify(self) -> str:
        """Shake hands as a client does: chain and name are verified against the profile's CA or the system's.

        So are those of each certificate that the listener has besides, as far as `handshakes` sees them.

        Returns:
            An empty text when the verification succeeds, else OpenSSL's reason why a client has no connection.

        Raises:
            UnreachableError: nobody answers there.
            UnansweredError: the profile's CA cannot be read.
        """
        for kind in ("", *KEYS):
            question = (
                f"handshake with {self.spec.connect} as {self.spec.server_name}, {kind}{', ' * bool(kind)}verified"
            )
            why_not: str = self.exchange(question, partial(self._verdict, kind), VERDICT)
            if why_not:
                return why_not
        return ""

    def scan(self) -> tls_scan.Scan:
        """Find out by many handshakes what the listener offers, and which known holes it has; as `tls_scan.scan`.

        Raises:
            UnansweredError: not all of it could be told in time.
        """
        scanned: tls_scan.Scan = self.exchange(tls_scan.question(self.spec), lambda: tls_scan.scan(self.spec), SAME)
        return scanned

    def _verifying(self, kind: str) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca)
        except OSError as error:
            raise UnansweredError(f"listener {self.target}: its ca {self.spec.ca} cannot be read: {error}") from None
        # Python 3.13 sets both by default: the verdict is about the certificate, not about the runner's Python.
        context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0))
        return _only(context, kind)

    def _verdict(self, kind: str) -> str:
        context = self._verifying(kind)
        try:
            self._connect(context)
        except ssl.SSLCertVerificationError as error:
            return f"{kind} {error.verify_message or error}".strip()
        except REFUSED as error:
            # What we would not talk, as TLS 1.0, it may well talk to others; of a kind of key it may just have none.
            return "" if kind else str(error)
        return ""

    def _shake(self, context: ssl.SSLContext) -> Handshake:
        try:
            return self._connect(context)
        except REFUSED as error:
            raise self._no_handshake(error) from None

    def _shake_if_offered(self, kind: str) -> Handshake | None:
        try:
            return self._connect(_unverified(kind))
        except REFUSED:
            return None

    def _connect(self, context: ssl.SSLContext) -> Handshake:
        host, _, port = self.spec.connect.rpartition(":")
        try:
            with (
                socket.create_connection((host.strip("[]"), int(port)), self.timeout_s) as raw,
                context.wrap_socket(raw, server_hostname=self.spec.server_name) as tls,
            ):
                leaf, cipher = tls.getpeercert(binary_form=True), tls.cipher()
                if leaf is None or cipher is None:
                    raise UnansweredError(f"listener {self.target}: the handshake showed no certificate")
                return Handshake(str(tls.version()), cipher[0], leaf)
        except REFUSED:
            raise
        except OSError as error:
            raise self._no_handshake(error) from None

    def _no_handshake(self, error: OSError) -> UnreachableError:
        return UnreachableError(f"listener {self.target} at {self.spec.connect} gives no TLS handshake: {error}")


def _unverified(kind: str = "") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # What a listener serves is to be seen even where all that it speaks is what we would not talk ourselves.
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return _only(context, kind)


def _only(context: ssl.SSLContext, kind: str) -> ssl.SSLContext:
    """Take no certificate but one with this kind of key, where one is named."""
    if kind:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"a{kind}:!eNULL")
    return context


def _written(handshake: Handshake) -> dict[str, str]:
    try:
        leaf = x509.load_der_x509_certificate(handshake.leaf)
    except ValueError as error:
        raise UnansweredError(f"the served certificate is not understood: {error}") from None
    return {
        "protocol": handshake.protocol,
        "cipher": handshake.cipher,
        "leaf_sha256": hashlib.sha256(handshake.leaf).hexdigest(),
        "leaf_not_after": leaf.not_valid_after_utc.isoformat(),
        "leaf_der_hex": handshake.leaf.hex(),
    }


def _read_again(written: dict[str, str]) -> Handshake:
    return Handshake(written["protocol"], written["cipher"], bytes.fromhex(written["leaf_der_hex"]))


NOT_OFFERED, VERIFIED = "not offered", "verified"
HANDSHAKE = Coding(_written, _read_again)
IF_OFFERED: Coding[Handshake | None] = Coding(
    lambda found: NOT_OFFERED if found is None else _written(found),
    lambda written: None if written == NOT_OFFERED else _read_again(written),
)
VERDICT: Coding[str] = Coding(
    lambda why_not: {"refused": why_not} if why_not else VERIFIED,
    lambda written: "" if written == VERIFIED else written["refused"],
)
