"""The TLS channel: handshakes with one listener, by name (SNI). The certificate is read as it is *served*."""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from opsverify import targets
from opsverify.channels import tls_scan
from opsverify.channels.base import Channel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.transcript import Transcript


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
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # What a listener serves is to be seen even where all that it speaks is what we would not talk ourselves.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        question = f"handshake with {self.spec.connect} as {self.spec.server_name}, unverified"
        return self.exchange(question, lambda: self._shake(context), _shown)

    def verify(self) -> str:
        """Shake hands as a client does: chain and name are verified against the profile's CA or the system's.

        Returns:
            An empty text when the verification succeeds, else OpenSSL's reason why a client has no connection.

        Raises:
            UnreachableError: nobody answers there.
            UnansweredError: the profile's CA cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self._ca)
        except OSError as error:
            raise UnansweredError(f"listener {self.target}: its ca {self.spec.ca} cannot be read: {error}") from None
        # Python 3.13 sets both by default: the verdict is about the certificate, not about the runner's Python.
        context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0))
        question = f"handshake with {self.spec.connect} as {self.spec.server_name}, verified"
        why_not: str = self.exchange(question, lambda: self._verdict(context), lambda why: why or "verified")
        return why_not

    def scan(self) -> tls_scan.Scan:
        """Find out by many handshakes what the listener offers, and which known holes it has; as `tls_scan.scan`.

        Raises:
            UnansweredError: not all of it could be told in time.
        """
        scanned: tls_scan.Scan = self.exchange(
            tls_scan.question(self.spec), lambda: tls_scan.scan(self.spec), lambda found: found
        )
        return scanned

    def _verdict(self, context: ssl.SSLContext) -> str:
        try:
            self._connect(context)
        except (ssl.SSLError, ConnectionResetError) as error:
            # It is there: what we would not talk, as TLS 1.0, it may well talk when it is asked in another way.
            return str(getattr(error, "verify_message", "") or error)
        except OSError as error:
            raise self._no_handshake(error) from None
        return ""

    def _shake(self, context: ssl.SSLContext) -> Handshake:
        try:
            return self._connect(context)
        except OSError as error:
            raise self._no_handshake(error) from None

    def _connect(self, context: ssl.SSLContext) -> Handshake:
        host, _, port = self.spec.connect.rpartition(":")
        with (
            socket.create_connection((host.strip("[]"), int(port)), self.timeout_s) as raw,
            context.wrap_socket(raw, server_hostname=self.spec.server_name) as tls,
        ):
            leaf, cipher = tls.getpeercert(binary_form=True), tls.cipher()
            if leaf is None or cipher is None:
                raise UnansweredError(f"listener {self.target}: the handshake showed no certificate")
            return Handshake(str(tls.version()), cipher[0], leaf)

    def _no_handshake(self, error: OSError) -> UnreachableError:
        return UnreachableError(f"listener {self.target} at {self.spec.connect} gives no TLS handshake: {error}")


def _shown(handshake: Handshake) -> dict[str, Any]:
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
