"""The names channel: which servers take mail for a domain, as one name server (or the runner's own) tells."""

from __future__ import annotations

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from opsverify.channels.base import Channel
from opsverify.channels.coding import Coding
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.targets import Program
from opsverify.transcript import Transcript

TIMEOUT_S = 5.0
EXCHANGERS: Coding[tuple[str, ...]] = Coding(
    lambda found: {"exchangers": list(found)}, lambda written: tuple(written["exchangers"])
)


class NamesChannel(Channel):
    """Questions for mail exchangers (MX), and no others."""

    kind = "dns"

    def __init__(self, program: Program, transcript: Transcript, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(program.resolver or "system", "anonymous", timeout_s, transcript)
        self._address = program.resolver
        self._resolver: dns.resolver.Resolver | None = None

    def mail_exchangers(self, domain: str) -> tuple[str, ...]:
        """The names of the servers that take mail for ``domain`` (ASCII), the preferred one first.

        Empty when there is no such domain, it has none, or it says that it takes no mail at all (RFC 7505).

        Raises:
            UnreachableError: no name server, or none that answers in time.
            UnansweredError: it answered that it will not or cannot tell.
        """
        question = f"{domain} MX"
        return self.exchange(question, lambda: self._ask(domain), EXCHANGERS)

    def _ask(self, domain: str) -> tuple[str, ...]:
        try:
            answer = self._open().resolve(
                dns.name.from_text(domain),
                dns.rdatatype.MX,
                search=False,
                raise_on_no_answer=False,
                lifetime=self.timeout_s,
            )
        except dns.resolver.NXDOMAIN:
            return ()
        except dns.resolver.LifetimeTimeout:
            raise UnreachableError(f"name server {self.target} gave no answer within {self.timeout_s:g} s") from None
        except dns.resolver.NoNameservers as error:
            # Each attempt: server, over TCP or not, port, error, answer.
            attempts = error.kwargs.get("errors", [])
            reason = "; ".join(dict.fromkeys(str(each[3]) for each in attempts)) or "no name server is left to ask"
            if any(each[4] is not None for each in attempts):
                raise UnansweredError(f"name server {self.target} does not tell the MX of {domain}: {reason}") from None
            raise UnreachableError(f"name server {self.target} cannot be reached: {reason}") from None
        except (dns.exception.DNSException, UnicodeError) as error:
            raise UnansweredError(f"name server {self.target}: the MX of {domain}: {error}") from None
        found = sorted(answer.rrset or [], key=lambda each: (each.preference, each.exchange))
        return tuple(
            name for each in found if (name := each.exchange.to_text(omit_final_dot=True)) not in ("", ".", "@")
        )

    def _open(self) -> dns.resolver.Resolver:
        if self._resolver is None:
            try:
                self._resolver = dns.resolver.Resolver(configure=self._address is None)
            except dns.resolver.NoResolverConfiguration:
                raise UnreachableError("this machine has no name server configured") from None
            if self._address is not None:
                host, _, port = self._address.rpartition(":")
                self._resolver.nameservers = [host.strip("[]")]
                self._resolver.port = int(port)
        return self._resolver
