"""Facts about a host's firewall: what ufw says, what it will do at boot, and what the kernel really has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, output

Family = Literal["IPv4", "IPv6"]
# Where ufw's own chains expect UDP on their own account: DHCP, DHCPv6, mDNS, UPnP.
STOCK_UDP = ("68", "546", "5353", "1900")


@dataclass(frozen=True)
class FirewallRule:
    """A rule of ufw for incoming traffic. ``ports`` is as ufw writes it; ``any`` when the rule names none."""

    family: Family
    action: str
    ports: str
    source: str

    @property
    def allows(self) -> bool:
        """Whether it lets traffic in (``limit`` does, up to a rate)."""
        return self.action in ("ALLOW", "LIMIT")


@dataclass(frozen=True)
class Ufw:
    """What ``ufw status verbose`` says."""

    active: bool
    default_incoming: str
    rules: tuple[FirewallRule, ...]


@dataclass(frozen=True)
class Chains:
    """The kernel's filter table of one family: policy of INPUT, and whether ufw's chains hang in it.

    ``foreign`` are the rules on the way of incoming traffic that accept new connections and are none that
    ``ufw allow`` makes; ``let_in`` is what ufw's own user rules accept: ports and ranges with
    their protocol (``22/tcp``), ``any`` without one.
    """

    family: Family
    input_policy: str
    input_jumps: int
    user_rules: int
    foreign: tuple[str, ...] = ()
    let_in: tuple[str, ...] = ()


def ufw(host: Host) -> Ufw:
    """ufw's own word, asked as root by the exact command that docs/granting.md grants."""
    with about(f"host {host.name}"):
        return parse_ufw(output(host, "sudo -n ufw status verbose"))


def parse_ufw(text: str) -> Ufw:
    """Parse ``ufw status verbose``.

    Raises:
        UnansweredError: it is no status of ufw's.
    """
    status = re.search(r"^Status: (\w+)$", text, re.MULTILINE)
    if status is None:
        raise UnansweredError(f"ufw: no status in its answer: {text.strip()[:200]!r}")
    default = re.search(r"^Default: (\w+) \(incoming\)", text, re.MULTILINE)
    rules = []
    _, _, table = text.partition("--\n") if "--\n" in text else ("", "", "")
    for line in table.splitlines():
        parts = re.match(
            r"^(?P<to>\S.*?)\s+(?P<action>ALLOW|DENY|REJECT|LIMIT)(?P<direction> IN| OUT| FWD)?"
            r"\s+(?P<source>\S.*?)\s*(#.*)?$",
            line,
        )
        if parts is None:
            if line.strip() and not line.startswith("--"):
                raise UnansweredError(f"ufw: this line is not understood: {line!r}")
            continue
        if (parts["direction"] or " IN").strip() != "IN":
            continue
        # A rule with an address of its own has no "(v6)"; a port range has one colon, an address at least two.
        v6 = any(re.search(r"\(v6\)|[0-9a-f]*:[0-9a-f]*:", parts[each]) for each in ("to", "source"))
        family: Family = "IPv6" if v6 else "IPv4"
        to, source = (re.sub(r"\s*\(v6\)", "", parts[each]).strip() for each in ("to", "source"))
        rules.append(FirewallRule(family, parts["action"], "any" if to.startswith("Anywhere") else to, source))
    return Ufw(status[1] == "active", default[1] if default else "unknown", tuple(rules))


def boot_enabled(host: Host) -> bool:
    """Whether ufw starts with the machine: ``ENABLED=yes`` in its configuration, and by systemd where that rules."""
    said = re.findall(r"^\s*ENABLED=[\"']?(\w*)", output(host, "cat /etc/ufw/ufw.conf"), re.MULTILINE)
    configured = said[-1:] == ["yes"]  # a shell reads it, so the last one counts
    if not _exists(host, "/run/systemd/system"):
        return configured
    unit = host.run("systemctl is-enabled ufw")  # its status says no to "disabled" and to "no such unit" alike
    if not unit.stdout.strip() and "No such file or directory" not in unit.stderr:
        raise UnansweredError(f"host {host.name}: systemctl is-enabled ufw said: {unit.stderr.strip() or 'nothing'}")
    return configured and unit.stdout.strip() == "enabled"


def ipv6(host: Host) -> bool:
    """Whether the kernel speaks IPv6 at all; where it does not, ip6tables cannot answer."""
    return _exists(host, "/proc/net/if_inet6")


def chains(host: Host) -> tuple[Chains, ...]:
    """The kernel's filter tables: IPv4, and IPv6 where the kernel speaks it."""
    with about(f"host {host.name}"):
        four = parse_chains("IPv4", output(host, "sudo -n iptables -S"))
        return (four, parse_chains("IPv6", output(host, "sudo -n ip6tables -S"))) if ipv6(host) else (four,)


def _exists(host: Host, path: str) -> bool:
    found = host.run("test -e %s", path)
    if found.rc not in (0, 1):
        raise UnansweredError(f"host {host.name}: test -e {path} ended with status {found.rc}: {found.stderr.strip()}")
    return bool(found.rc == 0)


def parse_chains(family: Family, text: str) -> Chains:
    """Parse ``iptables -S``.

    Raises:
        UnansweredError: there is no INPUT chain in it, so it is no filter table.
    """
    text = re.sub(r' --comment ("(?:[^"\\\n]|\\.)*"|\S+)', "", text)  # it may hold words that look like conditions
    prefix = "ufw6?" if family == "IPv6" else "ufw"
    policy = re.search(r"^-P INPUT (\w+)$", text, re.MULTILINE)
    if policy is None:
        raise UnansweredError(f"{family}: no INPUT chain in the answer: {text.strip()[:200]!r}")
    return Chains(
        family,
        policy[1],
        len(re.findall(rf"^-A INPUT -j {prefix}-", text, re.MULTILINE)),
        len(re.findall(rf"^-A {prefix}-user-input ", text, re.MULTILINE)),
        tuple(_foreign(text)),
        tuple(_let_in(text)),
    )


def _foreign(text: str) -> Iterator[str]:
    """Rules that accept around ufw, in INPUT itself and in every chain that it leads to.

    ufw's own chains besides the user ones hold stock rules (DHCP, mDNS, UPnP, ICMP); whatever else they accept was put
    there by hand.
    """
    targets: dict[str, list[str]] = {}
    for chain, target in re.findall(r"^-A (\S+) (?:.* )?-[jg] (\S+)", text, re.MULTILINE):
        targets.setdefault(chain, []).append(target)
    reached, ahead = set[str](), ["INPUT"]
    while ahead:
        chain = ahead.pop()
        if chain not in reached:
            reached.add(chain)
            ahead += targets.get(chain, [])
    # What is handed to a program by NFQUEUE is accepted if that says so, or is not there (--queue-bypass).
    for line, chain in re.findall(r"^(-A (\S+) (?:.* )?-j (?:ACCEPT|NFQUEUE.*))$", text, re.MULTILINE):
        if chain not in reached or re.match(r"ufw6?-user-", chain) or _harmless(line):
            continue
        if not (chain.startswith("ufw") and _stock(line)):
            yield line


def _stock(line: str) -> bool:
    """Whether ufw has such a rule in its own chains from the start."""
    if re.search(r"(?<!!) -p (ipv6-)?icmp ", line):
        return True
    port = re.search(r"(?<!!) -p udp .*(?<!!) --dport (\S+) ", line)
    return port is not None and port[1] in STOCK_UDP


def _harmless(line: str) -> bool:
    """Whether a rule accepts only what comes from this machine, or belongs to a connection that was let in before."""
    if re.search(r"(?<!!) -i lo ", line):
        return True
    states = re.search(r"(?<!!) --(?:ct)?state (\S+) ", line)
    return states is not None and set(states[1].split(",")) <= {"RELATED", "ESTABLISHED"}


def _let_in(text: str) -> Iterator[str]:
    pattern = r"^-A ufw6?-user-input (.* )?-j (?:ACCEPT|ufw6?-user-limit-accept)$"
    for conditions in re.findall(pattern, text, re.MULTILINE):
        found = re.search(r"(?<!!) -p (\S+) .*(?<!!) --dports? (\S+) ", f" {conditions}")
        yield from (f"{each}/{found[1]}" for each in found[2].split(",")) if found else ["any"]
