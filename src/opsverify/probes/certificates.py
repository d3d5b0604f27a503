"""Facts about certificates: as served by a listener, as a client would verify them, and as they lie on disk."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from opsverify.channels.shell import Host
from opsverify.channels.tls import TlsChannel
from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, absent, attempt, output


@dataclass(frozen=True)
class Certificate:
    """A leaf certificate; ``serial`` in hexadecimal digits."""

    subject: str
    not_before: datetime
    not_after: datetime
    sha256: str
    issuer: str = ""
    serial: str = ""


def served(listener: TlsChannel) -> Attempt[tuple[Certificate, ...]]:
    """The certificates that the listener serves under its name (the file may say otherwise): mostly one, else one for
    each kind of key; first that which clients are shown by default."""
    return attempt(lambda: tuple(_facts(x509.load_der_x509_certificate(each.leaf)) for each in listener.handshakes()))


def verification(listener: TlsChannel) -> Attempt[str]:
    """Why a client would refuse chain or name; an empty text when it would not."""
    return attempt(listener.verify)


def on_disk(host: Host, path: str) -> Certificate:
    """The first certificate of a PEM file.

    Raises:
        UnansweredError: the file cannot be read, or holds no certificate.
    """
    text = output(host, shlex.join(["cat", path]))
    try:
        return _facts(x509.load_pem_x509_certificate(text.encode()))
    except ValueError as error:
        raise UnansweredError(f"host {host.name}: {path} holds no certificate: {error}") from None


def deployed(host: Host, path: str) -> Certificate | None:
    """The certificate that lies on disk to be served; None where there is no such file, which is a fact to judge by."""
    return None if absent(host, path) else on_disk(host, path)


def _facts(certificate: x509.Certificate) -> Certificate:
    return Certificate(
        certificate.subject.rfc4514_string(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.fingerprint(SHA256()).hex(),
        certificate.issuer.rfc4514_string(),
        f"{certificate.serial_number:x}",
    )
