"""What a listener offers: a real scan of a listener in this process, its bounds, and how bad each weakness is."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from opsverify import targets
from opsverify.channels import tls_scan
from opsverify.channels.tls import TlsChannel
from opsverify.channels.tls_scan import PROTOCOLS
from opsverify.errors import InsufficientFactsError, UnansweredError, UnreachableError
from opsverify.judgement import Limits, unmet
from opsverify.probes.tls_findings import Leaf, Offered, Suite, leaf_of, offered, parse_scan
from opsverify.rules.tls import only_strong_tls
from opsverify.transcript import Transcript

Open = Callable[..., TlsChannel]
LimitsOf = Callable[[str], Limits]

GCM = Suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 128, False, 0)
TLS13 = Suite("TLS_AES_256_GCM_SHA384", 256, False, 0)
GOOD = Offered(
    {"TLSv1.2": (GCM,), "TLSv1.3": (TLS13,)},
    heartbleed=False,
    ccs_injection=False,
    robot=False,
    compression=False,
    secure_renegotiation=True,
    client_renegotiation=False,
    fallback_scsv=True,
    leaves=(Leaf("EC", 256, "sha256"),),
)


@pytest.fixture
def listener(transcript: Transcript, tmp_path: Path) -> Open:
    def make(port: int, scan_timeout_s: float = 60, timeout_s: float = 1) -> TlsChannel:
        spec = targets.Listener(
            name="edge",
            server_name="api.example",
            connect=f"127.0.0.1:{port}",
            certificate=targets.FileOnHost(host="node", path="/x"),
            timeout_s=timeout_s,
            scan_timeout_s=scan_timeout_s,
        )
        return TlsChannel(spec, tmp_path, transcript)

    return make


def silent(_: Any) -> None:
    """Answer nothing."""


def test_a_listener_is_scanned_and_the_answer_is_on_record(
    web_server: Callable[..., int],
    listener: Open,
    authority: Any,
    exchanges: Callable[[], list[dict[str, Any]]],
    limits_of: LimitsOf,
) -> None:
    found = offered(listener(web_server(silent, authority.issue("api.example")), timeout_s=10))
    assert list(found.suites) == ["TLSv1.2", "TLSv1.3"]
    assert TLS13 in found.suites["TLSv1.3"]
    assert found.leaves == (Leaf("EC", 256, "sha256"),)
    assert unmet(only_strong_tls(found, limits_of("SEC-TLS-01"))) == []
    before, _, _, scan, after = exchanges()
    assert "handshake" in before["question"]
    assert after["question"] == before["question"]
    assert scan["question"]["as"] == "api.example"
    assert scan["answer"]["suites"]["TLSv1.0"] == []


def test_a_scan_that_takes_too_long_is_ended_and_tells_nothing(listener: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        begun = time.monotonic()
        with pytest.raises(UnansweredError, match=r"the scan took longer than 1\.5 s and was ended"):
            listener(server.getsockname()[1], 1.5).scan()
        assert time.monotonic() - begun < 5


def test_a_silent_listener_is_not_scanned(listener: Open, transcript: Transcript) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(UnreachableError, match="no TLS handshake"):
        offered(listener(server.getsockname()[1]))
    assert transcript.count == 1


class TurnedAway(TlsChannel):
    """A channel whose scan is turned away half-way: what was asked later looks as if it were not offered."""

    def scan(self) -> Any:
        answer = super().scan()
        return {**answer, "suites": {**answer["suites"], "TLSv1.3": []}}


def test_a_scan_that_saw_less_than_one_handshake_is_no_clean_one(
    web_server: Callable[..., int], listener: Open, authority: Any
) -> None:
    channel = listener(web_server(silent, authority.issue("api.example")), timeout_s=10)
    channel.__class__ = TurnedAway
    with pytest.raises(UnansweredError, match=r"was not offered TLSv1\.3, by which there was a handshake before it"):
        offered(channel)


def test_a_listener_that_has_had_enough_of_us_is_no_clean_one(
    web_server: Callable[..., int], listener: Open, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = listener(web_server(silent, authority.issue("api.example")), timeout_s=10)
    scan = {**SCAN, "suites": {**SCAN["suites"], "TLSv1.3": [{**vars(TLS13)}]}}  # type: ignore[dict-item]

    def turned_away() -> Any:
        channel.spec = channel.spec.model_copy(update={"connect": "127.0.0.1:1"})
        return scan

    monkeypatch.setattr(channel, "scan", turned_away)
    with pytest.raises(UnreachableError, match="no TLS handshake"):
        offered(channel)


def test_silence_now_and_then_is_no_rejection() -> None:
    def result(*rejections: str, accepted: int) -> SimpleNamespace:
        rejected = [SimpleNamespace(error_message=each) for each in rejections]
        return SimpleNamespace(rejected_cipher_suites=rejected, accepted_cipher_suites=[TLS13] * accepted)

    silence = "Connection to server timed out during the TLS handshake"
    assert tls_scan._timed_out("tls_1_2", result("alert", silence, accepted=1)) == "tls_1_2: 1 handshakes timed out"
    assert tls_scan._timed_out("tls_1_2", result("alert", accepted=1)) == ""
    assert tls_scan._timed_out("ssl_2_0", result(silence, silence, accepted=0)) == ""


def test_a_port_that_nobody_listens_on_is_no_clean_scan(listener: Open, closed_port: int) -> None:
    with pytest.raises(UnansweredError, match=r"cannot tell all: .* cannot be reached: .*refused"):
        listener(closed_port).scan()


def suite(name: str, bits: int = 128, dh_bits: int = 0) -> Offered:
    return replace(GOOD, suites={**GOOD.suites, "TLSv1.2": (GCM, Suite(name, bits, "anon" in name, dh_bits))})


@pytest.mark.parametrize(
    ("found", "severity", "said"),
    [
        (replace(GOOD, heartbleed=True), "CRITICAL", "Heartbleed"),
        (replace(GOOD, ccs_injection=True), "CRITICAL", "CCS injection"),
        (replace(GOOD, robot=True), "CRITICAL", "ROBOT"),
        (replace(GOOD, secure_renegotiation=False), "CRITICAL", "insecure renegotiation"),
        (replace(GOOD, client_renegotiation=True), "HIGH", "clients may renegotiate"),
        (replace(GOOD, compression=True), "HIGH", "CRIME"),
        (replace(GOOD, leaves=(*GOOD.leaves, Leaf("RSA", 1024, "sha256"))), "HIGH", "RSA key of 1024 bits"),
        (replace(GOOD, leaves=(*GOOD.leaves, Leaf("RSA", 2048, "md5"))), "CRITICAL", "signed over md5"),
        (replace(GOOD, leaves=(*GOOD.leaves, Leaf("RSA", 2048, "sha1"))), "MEDIUM", "signed over sha1"),
        (replace(GOOD, leaves=(*GOOD.leaves, Leaf("RSA", 1536, "sha256"))), "MEDIUM", "RSA key of 1536 bits"),
        (replace(GOOD, leaves=(*GOOD.leaves, Leaf("EC", 192, "sha256"))), "MEDIUM", "EC key of 192 bits"),
        (replace(GOOD, suites={"TLSv1.2": (GCM,)}), "LOW", "TLSv1.3 is not offered"),
        (suite("TLS_ECDHE_ECDSA_WITH_NULL_SHA", 0), "CRITICAL", "no encryption"),
        (suite("TLS_ECDH_anon_WITH_AES_128_CBC_SHA"), "CRITICAL", "no authentication"),
        (suite("TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", 40), "CRITICAL", "export cipher"),
        (suite("TLS_RSA_WITH_RC4_128_SHA"), "HIGH", "broken cipher"),
        (suite("TLS_RSA_WITH_DES_CBC_SHA", 56), "HIGH", "broken cipher"),
        (suite("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", dh_bits=768), "HIGH", "group of 768 bits"),
        (suite("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", dh_bits=1024), "MEDIUM", "group of 1024 bits"),
        (suite("TLS_RSA_WITH_3DES_EDE_CBC_SHA", 168), "MEDIUM", "SWEET32"),
        (suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"), "LOW", "CBC"),
        (suite("TLS_RSA_WITH_AES_128_GCM_SHA256"), "LOW", "no forward secrecy"),
    ],
)
def test_a_weakness_has_its_severity(limits_of: LimitsOf, found: Offered, severity: str, said: str) -> None:
    observations = only_strong_tls(found, limits_of("SEC-TLS-01"))
    (shown,) = [each for each in map(str, observations) if said in each]
    assert f"{severity}: " in shown
    assert bool(unmet(observations)) == (severity in ("CRITICAL", "HIGH"))


@pytest.mark.parametrize(
    ("protocols", "met"),
    [
        (("TLSv1.2", "TLSv1.3"), True),
        (("TLSv1.3",), True),
        (("TLSv1.2",), True),
        (("TLSv1.1", "TLSv1.2", "TLSv1.3"), False),
        (("TLSv1.0", "TLSv1.3"), False),
        (("SSLv2", "TLSv1.2"), False),
        (("SSLv3",), False),
    ],
)
def test_nothing_but_the_allowed_protocols_is_offered(
    limits_of: LimitsOf, protocols: tuple[str, ...], met: bool
) -> None:
    found = replace(GOOD, suites=dict.fromkeys(protocols, (GCM,)))
    assert (not unmet(only_strong_tls(found, limits_of("SEC-TLS-01")))) is met


def test_as_many_severe_problems_as_the_profile_allows(limits_of: LimitsOf) -> None:
    limits = Limits(
        "SEC-TLS-01",
        [replace(each, value=1) if each.name == "severe_findings" else each for each in limits_of("SEC-TLS-01")],
    )
    assert unmet(only_strong_tls(replace(GOOD, heartbleed=True), limits)) == []
    two = "; ".join(map(str, unmet(only_strong_tls(replace(GOOD, heartbleed=True, robot=True), limits))))
    assert "Heartbleed" in two
    assert "ROBOT" in two


def test_a_push_down_is_possible_only_where_there_is_something_below(limits_of: LimitsOf) -> None:
    without = replace(GOOD, fallback_scsv=False)
    assert "TLS_FALLBACK_SCSV" not in str(only_strong_tls(without, limits_of("SEC-TLS-01")))
    older = replace(without, suites=dict.fromkeys(("TLSv1.1", "TLSv1.2"), (GCM,)))
    assert "TLS_FALLBACK_SCSV" in str(only_strong_tls(older, limits_of("SEC-TLS-01")))


def test_a_scan_that_saw_no_protocol_is_no_clean_one(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="no handshake under any protocol"):
        only_strong_tls(replace(GOOD, suites={}), limits_of("SEC-TLS-01"))


SCAN = {
    "suites": {protocol: [] for protocol in PROTOCOLS},
    "is_vulnerable_to_heartbleed": False,
    "is_vulnerable_to_ccs_injection": False,
    "robot_result": "NOT_VULNERABLE_NO_ORACLE",
    "supports_compression": False,
    "supports_secure_renegotiation": True,
    "is_vulnerable_to_client_renegotiation_dos": False,
    "supports_fallback_scsv": True,
}


def test_a_scan_that_lacks_something_or_is_not_sure_is_not_understood() -> None:
    assert parse_scan(GOOD.leaves, SCAN) == replace(GOOD, suites={})
    for name in SCAN:
        with pytest.raises(UnansweredError, match=name):
            parse_scan(GOOD.leaves, {key: value for key, value in SCAN.items() if key != name})
    with pytest.raises(UnansweredError, match="UNKNOWN_INCONSISTENT_RESULTS"):
        parse_scan(GOOD.leaves, {**SCAN, "robot_result": "UNKNOWN_INCONSISTENT_RESULTS"})


def test_the_key_of_a_certificate(captured: Callable[[str], str]) -> None:
    certificate = x509.load_pem_x509_certificate(captured("tokenswap.crt").encode())
    found = leaf_of(certificate.public_bytes(Encoding.DER))
    assert found.bits >= 256
    assert found.digest in ("sha256", "sha384")
    with pytest.raises(UnansweredError, match="is not understood"):
        leaf_of(b"no certificate")
