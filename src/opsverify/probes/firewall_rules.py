"""The rules of a host's firewall as they stand, in their order: what ufw lists, and what the kernel really has."""

from __future__ import annotations

import re

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, output
from opsverify.probes.firewall import Family, ipv6, parse_chains, parse_ufw

Rules = dict[str, str | tuple[str, ...]]

# Chains whose rules a program makes and unmakes all the time: bans, which come and go.
BANS = re.compile(r"(f2b-|fail2ban|sshguard|CROWDSEC)")
# Chains that the Docker engine keeps for itself; DOCKER-USER is what it leaves to people.
ENGINES = re.compile(r"DOCKER(?!-USER\Z)")
# Which address and which bridge a container gets is the engine's own choice, each time that it starts.
CONTAINER_ADDRESS = re.compile(r"(?<= -[ds] )[0-9a-fA-F.:]+/(32|128)(?= )")
BRIDGE = re.compile(r"\bbr-[0-9a-f]{12}\b")


def ufw_rules(host: Host) -> Rules:
    """What ``ufw status verbose`` says: each of its settings, and its ``rules`` in their order."""
    with about(f"host {host.name}"):
        return parse_ufw_rules(output(host, "sudo -n ufw status verbose"))


def parse_ufw_rules(text: str) -> Rules:
    """Parse ``ufw status verbose`` without judging what a rule is for: routed and outgoing ones belong to it.

    Raises:
        UnansweredError: as `parse_ufw`.
    """
    parse_ufw(text)  # knows what is no status, and no rule
    head, _, table = text.partition("--\n")
    settings = re.findall(r"^(Status|Logging|Default|New profiles): (.*\S)\s*$", head, re.MULTILINE)
    rules = tuple(" ".join(line.split()) for line in table.splitlines() if line.strip("- \t"))
    return {**{f"ufw {name.lower()}": value for name, value in settings}, "ufw rules": rules}


def kernel_rules(host: Host, family: Family) -> Rules:
    """The kernel's chains of one family, each with its policy where it has one; none where it does not speak it."""
    with about(f"host {host.name}"):
        if family == "IPv6" and not ipv6(host):
            return {}
        return parse_kernel_rules(family, output(host, f"sudo -n {'ip6' if family == 'IPv6' else 'ip'}tables -S"))


def parse_kernel_rules(family: Family, text: str) -> Rules:
    """Parse ``iptables -S``: the rules of each chain in their order, without what changes by itself.

    Raises:
        UnansweredError: there is no INPUT chain in it, or a line is not understood.
    """
    parse_chains(family, text)  # knows what is no filter table
    found: Rules = {}
    chains: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = re.fullmatch(r"-(?P<what>[PNA]) (?P<chain>\S+)(?P<rest> .*)?", line)
        if parts is None:
            raise UnansweredError(f"{family}: this line is not understood: {line[:200]!r}")
        if parts["what"] == "P":
            found[f"{family} {parts['chain']} policy"] = (parts["rest"] or "").strip()
        rules = chains.setdefault(parts["chain"], [])
        if parts["what"] == "A":
            rules.append((parts["rest"] or "").strip())
    return {**found, **{f"{family} {chain}": _lasting(chain, rules) for chain, rules in chains.items()}}


def _lasting(chain: str, rules: list[str]) -> tuple[str, ...]:
    """What of a chain's rules stays as it is until somebody changes it."""
    if BANS.match(chain):
        return ("bans, which come and go",)
    rules = [BRIDGE.sub("a bridge of Docker", each) for each in rules]
    if not ENGINES.match(chain):
        return tuple(rules)
    # In the order in which containers happened to start.
    return tuple(sorted(CONTAINER_ADDRESS.sub("a container", f" {each} ").strip() for each in rules))
