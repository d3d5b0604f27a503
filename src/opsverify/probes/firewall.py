"""Facts about a host's firewall: what ufw says, what it will do at boot, and what the kernel really has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import output

Family = Literal["IPv4", "IPv6"]


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
    """The kernel's filter table of one family: policy of INPUT, and whether ufw's chains hang in it."""

    family: Family
    input_policy: str
    input_jumps: int
    user_rules: int


def ufw(host: Host) -> Ufw:
    """ufw's own word, asked as root by the exact command that docs/granting.md grants."""
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
    """Whether ufw starts with the machine (``ENABLED=yes`` in its configuration)."""
    return bool(re.search(r"^ENABLED=yes$", output(host, "cat /etc/ufw/ufw.conf"), re.MULTILINE))


def chains(host: Host) -> tuple[Chains, Chains]:
    """The kernel's filter tables, IPv4 and IPv6."""
    return (
        parse_chains("IPv4", output(host, "sudo -n iptables -S")),
        parse_chains("IPv6", output(host, "sudo -n ip6tables -S")),
    )


def parse_chains(family: Family, text: str) -> Chains:
    """Parse ``iptables -S``.

    Raises:
        UnansweredError: there is no INPUT chain in it, so it is no filter table.
    """
    prefix = "ufw6?" if family == "IPv6" else "ufw"
    policy = re.search(r"^-P INPUT (\w+)$", text, re.MULTILINE)
    if policy is None:
        raise UnansweredError(f"{family}: no INPUT chain in the answer: {text.strip()[:200]!r}")
    return Chains(
        family,
        policy[1],
        len(re.findall(rf"^-A INPUT -j {prefix}-", text, re.MULTILINE)),
        len(re.findall(rf"^-A {prefix}-user-input ", text, re.MULTILINE)),
    )
