"""Rules of the chapter *security*: what a TLS listener may offer.

The severities are those that testssl.sh (3.2) gives to the same findings; where it looks at what is not looked at here
(HTTP headers, DNS, trust), nothing is said. Of a suite the worst counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, holds, within
from opsverify.probes.tls_findings import Leaf, Offered, Suite

Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW"]
Finding = tuple[Severity, str]

OLD_PROTOCOLS: dict[str, Severity] = {"SSLv2": "CRITICAL", "SSLv3": "HIGH", "TLSv1.0": "LOW", "TLSv1.1": "LOW"}
BROKEN_CIPHERS = ("_RC4_", "_RC2_", "_DES_", "_DES64_", "_DES40_")
FORWARD_SECRET = ("TLS_ECDHE_", "TLS_DHE_", "TLS_ECDH_anon_", "TLS_DH_anon_")


def only_strong_tls(offered: Offered, limits: Limits) -> list[Observation]:
    """Nothing but the allowed protocols is accepted, and no weakness of high or critical severity is found.

    Raises:
        InsufficientFactsError: no protocol at all was accepted, so the scan has seen nothing.
    """
    if not offered.suites:
        raise InsufficientFactsError("the scan had no handshake under any protocol")
    accepted = tuple(offered.suites)
    allowed = {str(each) for each in limits.protocols.values}
    found = sorted(
        {
            *_holes(offered),
            *_protocols(offered),
            *_suites(offered),
            *(bad for leaf in offered.leaves for bad in _certificate(leaf)),
        }
    )
    severe = [f"{severity}: {what}" for severity, what in found if severity in ("CRITICAL", "HIGH")]
    lesser = [f"{severity}: {what}" for severity, what in found if severity in ("MEDIUM", "LOW")]
    seen = sum(map(len, offered.suites.values()))
    return [
        holds("protocols", accepted, f"none but {', '.join(sorted(allowed))}", set(accepted) <= allowed),
        within("problems of high or critical severity", len(severe), limits.severe_findings),
        holds(
            "of high or critical severity",
            tuple(severe) or f"none among {seen} accepted cipher suites, and the known holes",
            str(limits.severe_findings),
            limits.severe_findings.met(len(severe)),
        ),
        holds("of medium or low severity", tuple(lesser) or "none", "shown", met=True),
    ]


def _holes(offered: Offered) -> Iterator[Finding]:
    """Known holes of servers, whatever they offer."""
    if offered.heartbleed:
        yield "CRITICAL", "Heartbleed (CVE-2014-0160)"
    if offered.ccs_injection:
        yield "CRITICAL", "CCS injection (CVE-2014-0224)"
    if offered.robot:
        yield "CRITICAL", "ROBOT: an oracle for RSA key exchange (CVE-2017-13099)"
    if not offered.secure_renegotiation:
        yield "CRITICAL", "insecure renegotiation (CVE-2009-3555)"
    if offered.client_renegotiation:
        yield "HIGH", "clients may renegotiate without end (CVE-2011-1473)"
    if offered.compression:
        yield "HIGH", "CRIME: compression (CVE-2012-4929)"


def _protocols(offered: Offered) -> Iterator[Finding]:
    for protocol in offered.suites:
        if protocol in OLD_PROTOCOLS:
            yield OLD_PROTOCOLS[protocol], f"{protocol} is offered"
    if "TLSv1.3" not in offered.suites:
        yield "LOW", "TLSv1.3 is not offered"
    # TLSv1.3 protects itself; below it there has to be something to be pushed down to.
    if len(offered.suites.keys() - {"TLSv1.3", "SSLv2"}) > 1 and not offered.fallback_scsv:
        yield "MEDIUM", "no protection against being pushed down to an older protocol (TLS_FALLBACK_SCSV)"


def _suites(offered: Offered) -> Iterator[Finding]:
    for suites in offered.suites.values():
        for suite in suites:
            found = next(_weaknesses(suite), None)
            if found is not None:
                yield found[0], f"{found[1]} ({suite.name})"


def _weaknesses(suite: Suite) -> Iterator[Finding]:
    """What is weak about a suite, the worst first."""
    name = f"{suite.name}_"
    if suite.bits == 0 or "_NULL_" in name:
        yield "CRITICAL", "no encryption"
    if suite.anonymous or "_anon_" in name:
        yield "CRITICAL", "no authentication"
    if "EXPORT" in name or suite.bits <= 40:
        yield "CRITICAL", "export cipher"
    if suite.bits < 112 or any(each in name for each in BROKEN_CIPHERS):
        yield "HIGH", "broken cipher"
    if 0 < suite.dh_bits < 1024:
        yield "HIGH", f"Diffie-Hellman group of {suite.dh_bits} bits"
    if "_3DES_" in name or "_IDEA_" in name:
        yield "MEDIUM", "SWEET32: blocks of 64 bits"
    if 0 < suite.dh_bits < 2048:
        yield "MEDIUM", f"Diffie-Hellman group of {suite.dh_bits} bits"
    if "_CBC_" in name:
        yield "LOW", "CBC"
    if "_WITH_" in name and not name.startswith(FORWARD_SECRET):
        yield "LOW", "no forward secrecy"


def _certificate(leaf: Leaf) -> Iterable[Finding]:
    if leaf.digest in ("md2", "md4", "md5"):
        yield "CRITICAL", f"certificate signed over {leaf.digest}"
    elif leaf.digest == "sha1":
        yield "MEDIUM", "certificate signed over sha1"
    if leaf.key in ("RSA", "DSA") and leaf.bits < 2048:
        yield "HIGH" if leaf.bits <= 1024 else "MEDIUM", f"{leaf.key} key of {leaf.bits} bits"
    if leaf.key == "EC" and leaf.bits < 224:
        yield "MEDIUM", f"EC key of {leaf.bits} bits"
