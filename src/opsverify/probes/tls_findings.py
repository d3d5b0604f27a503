"""Facts about what a TLS listener offers to whoever asks, and about the key and signature of its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from opsverify.channels.tls import TlsChannel
from opsverify.channels.tls_scan import PROTOCOLS, Scan
from opsverify.errors import UnansweredError
from opsverify.probes import about

ROBOT = {
    "VULNERABLE_WEAK_ORACLE": True,
    "VULNERABLE_STRONG_ORACLE": True,
    "NOT_VULNERABLE_NO_ORACLE": False,
    "NOT_VULNERABLE_RSA_NOT_SUPPORTED": False,
}


@dataclass(frozen=True)
class Suite:
    """A cipher suite by its RFC name: ``bits`` of its key, ``dh_bits`` of a finite-field group (0: there is none)."""

    name: str
    bits: int
    anonymous: bool
    dh_bits: int


@dataclass(frozen=True)
class Leaf:
    """The served certificate's kind of key (``RSA``, ``EC``, ``DSA``, else the name of its class), its size in bits (0
    where it has no other), and the digest of its signature, lower case (empty where the algorithm has its own)."""

    key: str
    bits: int
    digest: str


@dataclass(frozen=True)
class Offered:
    """What a listener accepts, by protocol (those that it offers at all), and which known holes it has."""

    suites: Mapping[str, tuple[Suite, ...]]
    heartbleed: bool
    ccs_injection: bool
    robot: bool
    compression: bool
    secure_renegotiation: bool
    client_renegotiation: bool
    fallback_scsv: bool
    leaves: tuple[Leaf, ...]


def offered(listener: TlsChannel) -> Offered:
    """All of that. Handshakes come first: a listener that is silent costs one time-out, not a scan of them.

    Another one comes last: a listener that has had enough of us turns the rest of a scan away, which then looks as if
    it were not offered.

    Raises:
        UnansweredError: something of it cannot be told.
    """
    with about(f"listener {listener.target}"):
        before = listener.handshakes()
        found = parse_scan(tuple(leaf_of(each.leaf) for each in before), listener.scan())
        protocol = {"TLSv1": "TLSv1.0"}.get(before[0].protocol, before[0].protocol)
        if protocol not in found.suites:
            raise UnansweredError(f"the scan was not offered {protocol}, by which there was a handshake before it")
        listener.handshake()
        return found


def parse_scan(leaves: tuple[Leaf, ...], scan: Scan) -> Offered:
    """Parse what `TlsChannel.scan` returns.

    Raises:
        UnansweredError: something is missing, or was not told clearly.
    """
    try:
        suites = {
            protocol: tuple(
                Suite(each["name"], each["bits"], each["anonymous"], each["dh_bits"])
                for each in scan["suites"][protocol]
            )
            for protocol in PROTOCOLS
        }
        if scan["robot_result"] not in ROBOT:
            raise UnansweredError(f"the scan for ROBOT came to no result: {scan['robot_result']}")
        return Offered(
            {protocol: accepted for protocol, accepted in suites.items() if accepted},
            heartbleed=scan["is_vulnerable_to_heartbleed"],
            ccs_injection=scan["is_vulnerable_to_ccs_injection"],
            robot=ROBOT[scan["robot_result"]],
            compression=scan["supports_compression"],
            secure_renegotiation=scan["supports_secure_renegotiation"],
            client_renegotiation=scan["is_vulnerable_to_client_renegotiation_dos"],
            fallback_scsv=scan["supports_fallback_scsv"],
            leaves=leaves,
        )
    except (KeyError, TypeError) as error:
        raise UnansweredError(f"the scan is not understood: {type(error).__name__}: {error}") from None


def leaf_of(der: bytes) -> Leaf:
    """Key and signature of a certificate.

    Raises:
        UnansweredError: it cannot be read, or its algorithms are not known.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnansweredError(f"the served certificate is not understood: {error}") from None
    match key:
        case rsa.RSAPublicKey():
            kind, bits = "RSA", key.key_size
        case ec.EllipticCurvePublicKey():
            kind, bits = "EC", key.key_size
        case dsa.DSAPublicKey():
            kind, bits = "DSA", key.key_size
        case _:
            kind, bits = type(key).__name__.removesuffix("PublicKey"), 0
    return Leaf(kind, bits, digest.name if digest else "")
