"""The TLS channel, against listeners in this process: what is served, and why a client would refuse it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from ssl import (
    PROTOCOL_TLS_SERVER,
    VERIFY_X509_PARTIAL_CHAIN,
    VERIFY_X509_STRICT,
    SSLContext,
    TLSVersion,
    create_default_context,
)
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from opsverify import targets
from opsverify.channels.tls import Handshake, TlsChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.judgement import Limits, unmet
from opsverify.probes import certificates
from opsverify.rules.security import certificate_remaining
from opsverify.transcript import Transcript

Serve = Callable[..., int]
Open = Callable[..., TlsChannel]
Start = Callable[[str, int], int]


@pytest.fixture
def tls_server(web_server: Serve, authority: Any) -> Start:
    """A listener with a certificate of some name for some days; gives its port."""
    return lambda name, days: web_server(silent, authority.issue(name, days))


@pytest.fixture
def channel(transcript: Transcript, tmp_path: Path) -> Open:
    def make(port: int, name: str = "api.example", host: str = "127.0.0.1", **more: Any) -> TlsChannel:
        spec = targets.Listener(
            name="edge",
            server_name=name,
            connect=f"{host}:{port}",
            certificate=targets.FileOnHost(host="node", path="/x"),
            timeout_s=1.0,
            **more,
        )
        return TlsChannel(spec, tmp_path, transcript)

    return make


def silent(_: Any) -> None:
    """Answer nothing."""


def test_the_certificate_is_read_as_it_is_served(
    web_server: Serve, channel: Open, authority: Any, exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    file = authority.issue("api.example", days=12)
    listener = channel(web_server(silent, file))
    handshake = listener.handshake()
    assert x509.load_der_x509_certificate(handshake.leaf) == x509.load_pem_x509_certificate(
        file.read_bytes().partition(b"-----BEGIN CERT")[1] + file.read_bytes().partition(b"-----BEGIN CERT")[2]
    )
    assert handshake.protocol == "TLSv1.3"
    assert exchanges()[0]["answer"]["leaf_der_hex"] == handshake.leaf.hex()


def test_a_certificate_that_verifies_has_no_reason_against_it(web_server: Serve, channel: Open, authority: Any) -> None:
    listener = channel(web_server(silent, authority.issue("api.example")), ca=authority.ca)
    assert listener.verify() == ""
    assert certificates.verification(listener).value == ""


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (("other.example", 90), "Hostname mismatch"),
        (("api.example", -1), "certificate has expired"),
    ],
)
def test_a_certificate_that_clients_refuse_says_why(
    tls_server: Start, channel: Open, authority: Any, certificate: tuple[str, int], reason: str
) -> None:
    listener = channel(tls_server(*certificate), ca=authority.ca)
    assert reason in listener.verify()
    assert listener.handshake().leaf


def test_a_certificate_of_an_unknown_issuer_is_refused(tls_server: Start, channel: Open) -> None:
    assert "unable to get local issuer certificate" in channel(tls_server("api.example", 90)).verify()


@pytest.fixture
def newer_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default context as Python 3.13 makes it."""

    def context(cafile: str | None = None) -> SSLContext:
        made = create_default_context(cafile=cafile)
        made.verify_flags |= VERIFY_X509_STRICT | VERIFY_X509_PARTIAL_CHAIN
        return made

    monkeypatch.setattr("opsverify.channels.tls.ssl.create_default_context", context)


@pytest.mark.usefixtures("newer_python")
def test_the_verdict_does_not_depend_on_the_python_of_the_runner(
    web_server: Serve, channel: Open, authority: Any
) -> None:
    file = authority.issue("api.example")  # without the key identifiers that a strict verification wants
    port = web_server(silent, file)
    assert channel(port, ca=authority.ca).verify() == ""
    assert "unable to get" in channel(port, ca=str(file)).verify()  # a leaf alone anchors no chain


def test_a_listener_that_a_client_would_not_talk_to_is_there_all_the_same(
    web_server: Serve, channel: Open, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def newest(cafile: str | None = None) -> SSLContext:
        made = create_default_context(cafile=cafile)
        made.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # of which this listener, with its EC key, has none
        made.maximum_version = TLSVersion.TLSv1_2
        return made

    monkeypatch.setattr("opsverify.channels.tls.ssl.create_default_context", newest)
    listener = channel(web_server(silent, authority.issue("api.example")), ca=authority.ca)
    assert "handshake failure" in listener.verify()
    assert listener.handshake().leaf


@pytest.fixture
def two_certificates(authority: Any) -> Iterator[Callable[..., int]]:
    """A listener with an EC certificate for 90 days and an RSA one for others, as nginx may have; gives its port."""
    with ExitStack() as stack:

        def start(days: int, newest: TLSVersion = TLSVersion.MAXIMUM_SUPPORTED) -> int:
            context = SSLContext(PROTOCOL_TLS_SERVER)
            context.maximum_version = newest
            context.load_cert_chain(authority.issue("api.example"))
            context.load_cert_chain(authority.issue("api.example", days, rsa.generate_private_key(65537, 2048)))
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            Thread(target=serve, args=(server, context), daemon=True).start()
            port: int = server.getsockname()[1]
            return port

        def serve(server: socket.socket, context: SSLContext) -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(1)

        yield start


@pytest.mark.parametrize("newest", [TLSVersion.TLSv1_2, TLSVersion.TLSv1_3])
def test_a_second_certificate_is_seen_too(
    two_certificates: Callable[..., int],
    channel: Open,
    authority: Any,
    limits_of: Callable[[str], Limits],
    newest: TLSVersion,
) -> None:
    listener = channel(two_certificates(-1, newest), ca=authority.ca)
    found = certificates.served(listener)
    assert len(found.required()) == 2
    expired = unmet(certificate_remaining(found, limits_of("SEC-CERT-01"), datetime.now(UTC)))
    assert len(expired) == 1
    assert listener.verify() == "RSA certificate has expired"
    good = channel(two_certificates(90, newest), ca=authority.ca)
    assert good.verify() == ""
    assert unmet(certificate_remaining(certificates.served(good), limits_of("SEC-CERT-01"), datetime.now(UTC))) == []


def test_a_ca_that_cannot_be_read_is_named(channel: Open, closed_port: int) -> None:
    with pytest.raises(UnansweredError, match=r"edge: its ca none\.crt cannot be read: .*No such file"):
        channel(closed_port, ca="none.crt").verify()


def test_a_certificate_that_is_none_is_not_understood(channel: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = channel(1)
    monkeypatch.setattr(listener, "_connect", lambda _: Handshake("TLSv1.3", "x", b"no certificate"))
    assert "the served certificate is not understood" in certificates.served(listener).failure


def test_a_closed_port_costs_one_attempt(channel: Open, closed_port: int, transcript: Transcript) -> None:
    listener = channel(closed_port)
    with pytest.raises(UnreachableError, match=r"gives no TLS handshake: .*refused"):
        listener.handshake()
    with pytest.raises(UnreachableError):
        listener.verify()
    assert transcript.count == 1


def test_what_speaks_no_tls_is_unreachable(channel: Open, web_server: Serve) -> None:
    attempt = certificates.served(channel(web_server(silent)))
    assert attempt.value is None
    assert "gives no TLS handshake" in attempt.failure


def test_an_ipv6_address_is_dialled_without_its_brackets(channel: Open) -> None:
    with pytest.raises(UnreachableError, match=r"refused"):
        channel(1, host="[::1]").handshake()
