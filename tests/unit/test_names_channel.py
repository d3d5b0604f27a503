"""The names channel, against a name server in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from opsverify.channels.names import NamesChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes import documents
from opsverify.targets import Program
from opsverify.transcript import Transcript

Serve = Callable[..., NamesChannel]


@pytest.fixture
def serve(transcript: Transcript) -> Iterator[Serve]:
    """A channel to a name server that gives always the same answer: MX records, or an error."""
    sockets: list[socket.socket] = []

    def start(*records: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, silent: bool = False) -> NamesChannel:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        sockets.append(server)

        def answer() -> None:
            while True:
                try:
                    question, client = server.recvfrom(4096)
                except OSError:
                    return
                asked = dns.message.from_wire(question)
                reply = dns.message.make_response(asked)
                reply.set_rcode(rcode)
                reply.flags |= dns.flags.RA
                if records:
                    name = asked.question[0].name
                    reply.answer.append(dns.rrset.from_text_list(name, 60, "IN", "MX", list(records)))
                if not silent:
                    server.sendto(reply.to_wire(), client)

        threading.Thread(target=answer, daemon=True).start()
        spec = Program(resolver=f"127.0.0.1:{server.getsockname()[1]}")
        return NamesChannel(spec, transcript, timeout_s=0.3)

    yield start
    for each in sockets:
        each.close()


def test_exchangers_come_in_the_order_of_their_preference(
    serve: Serve, exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    names = serve("20 b.tokenswap.io.", "10 a.tokenswap.io.")
    assert names.mail_exchangers("tokenswap.io") == ("a.tokenswap.io", "b.tokenswap.io")
    (exchange,) = exchanges()
    assert exchange["channel"] == "dns"
    assert exchange["question"] == "tokenswap.io MX"
    assert exchange["answer"] == {"exchangers": ["a.tokenswap.io", "b.tokenswap.io"]}


def test_a_domain_that_takes_no_mail_is_a_fact(serve: Serve) -> None:
    assert serve("0 .").mail_exchangers("tokenswap.io") == ()
    assert serve().mail_exchangers("tokenswap.io") == ()
    assert serve(rcode=dns.rcode.NXDOMAIN).mail_exchangers("no-such.tokenswap.io") == ()


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_server_that_cannot_tell_is_no_fact(serve: Serve, rcode: dns.rcode.Rcode) -> None:
    names = serve(rcode=rcode)
    with pytest.raises(UnansweredError, match=f"does not tell the MX of tokenswap.io: .*{rcode.name}") as error:
        names.mail_exchangers("tokenswap.io")
    assert not isinstance(error.value, UnreachableError)
    assert rcode.name in documents.mail_exchangers(names, "tokenswap.io").failure


def test_silence_costs_one_time_out(serve: Serve, transcript: Transcript) -> None:
    names = serve(silent=True)
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(UnreachableError, match=r"gave no answer within 0\.3 s"):
            names.mail_exchangers("tokenswap.io")
    assert time.monotonic() - began < 2
    assert transcript.count == 1


def test_nobody_at_that_address_costs_one_time_out(closed_port: int, transcript: Transcript) -> None:
    names = NamesChannel(Program(resolver=f"127.0.0.1:{closed_port}"), transcript, timeout_s=0.3)
    with pytest.raises(UnreachableError):
        names.mail_exchangers("tokenswap.io")


def test_a_resolver_is_given_by_its_address() -> None:
    assert Program(resolver="[::1]:53").resolver == "[::1]:53"
    with pytest.raises(ValueError, match="expected the IP address and port of a name server"):
        Program(resolver="localhost:53")


def test_a_name_that_is_none_is_not_asked_for(serve: Serve) -> None:
    with pytest.raises(UnansweredError, match="label"):
        serve("10 a.").mail_exchangers("x" * 64 + ".io")
