"""The firewall is in force, lets in what it must and nothing else, and Docker does not go around it."""

import pytest

from opsverify.probes import firewall
from opsverify.rules import security


@pytest.mark.requirement("NET-FW-01")
def test_firewall_is_in_force(host, fact, judge):
    """After ``iptables -F`` ufw still calls itself active; only the kernel's chains tell."""
    judge(
        security.firewall_in_force(
            fact(firewall.ufw, host),
            fact(firewall.boot_enabled, host),
            fact(firewall.chains, host),
            ipv6=fact(firewall.ipv6, host),
        )
    )


@pytest.mark.requirement("SEC-FW-01")
def test_firewall_allows_nothing_else(host, fact, limits, judge):
    """A rule added for one evening stays for years; a hole in IPv6 alone is a hole all the same."""
    judge(security.only_allowed_ports(fact(firewall.ufw, host), limits, ipv6=fact(firewall.ipv6, host)))


@pytest.mark.requirement("SEC-FW-02")
def test_containers_do_not_bypass_the_firewall(everything, limits, judge):
    """Docker publishes ports by rules of its own that ufw never sees."""
    judge(security.published_ports(everything, limits))
