"""Security: the firewall lets in what it must and nothing else, certificates last, archives are encrypted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.archives import Encryption
from opsverify.probes.certificates import Certificate
from opsverify.probes.containers import Container, Published
from opsverify.probes.firewall import Chains, Family, FirewallRule, Ufw
from opsverify.rules import security

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def rule(ports: str, family: Family = "IPv4", action: str = "ALLOW") -> FirewallRule:
    return FirewallRule(family, action, ports, "Anywhere")


GOOD = tuple(rule(f"{port}/tcp", family) for family in ("IPv4", "IPv6") for port in (22, 80, 443))


@pytest.mark.parametrize(
    ("rules", "good"),
    [
        (GOOD, True),
        ((*GOOD, rule("3000/tcp", action="DENY"), rule("any", action="DENY")), True),
        ((*GOOD, rule("25", action="REJECT")), True),
        ((rule("22/tcp", action="LIMIT"), *GOOD[1:]), True),
        ((rule("22"), rule("80,443/tcp"), *GOOD[3:]), True),
        ((rule("22"), rule("80,443/tcp (Nginx Full)"), *GOOD[3:]), True),
        ((*GOOD, rule("any")), False),
        ((*GOOD, rule("any", "IPv6")), False),
        ((*GOOD, rule("5432/tcp", "IPv6")), False),
        ((*GOOD, rule("5432/tcp")), False),
        ((*GOOD, rule("5432/tcp", action="LIMIT")), False),
        ((*GOOD, rule("22:443/tcp")), False),
        ((*GOOD, rule("22/udp")), False),
        ((*GOOD, rule("OpenSSH")), False),
        ((*GOOD, rule("10.0.0.1 22/tcp")), False),
        (GOOD[1:], False),
        (GOOD[:3], False),
        ((), False),
    ],
)
def test_the_firewall_lets_in_what_it_must_and_nothing_else(
    limits_of: LimitsOf, rules: tuple[FirewallRule, ...], good: bool
) -> None:
    assert met(security.only_allowed_ports(Ufw(True, "deny", rules), limits_of("SEC-FW-01"))) is good


@pytest.mark.parametrize(("default", "good"), [("deny", True), ("reject", True), ("allow", False), ("unknown", False)])
def test_nothing_is_let_in_by_default(limits_of: LimitsOf, default: str, good: bool) -> None:
    assert met(security.only_allowed_ports(Ufw(True, default, GOOD), limits_of("SEC-FW-01"))) is good


def test_a_firewall_that_is_off_lets_in_everything(limits_of: LimitsOf) -> None:
    assert not met(security.only_allowed_ports(Ufw(False, "deny", GOOD), limits_of("SEC-FW-01")))


CHAINS = (Chains("IPv4", "DROP", 6, 5), Chains("IPv6", "DROP", 6, 5))


@pytest.mark.parametrize(
    ("active", "boot", "chains", "good"),
    [
        (True, True, CHAINS, True),
        (True, True, (CHAINS[0], Chains("IPv6", "REJECT", 1, 1)), True),
        (False, True, CHAINS, False),
        (True, False, CHAINS, False),
        (True, True, (CHAINS[0], Chains("IPv6", "ACCEPT", 6, 5)), False),
        (True, True, (Chains("IPv4", "DROP", 0, 5), CHAINS[1]), False),
        (True, True, (Chains("IPv4", "DROP", 6, 0), CHAINS[1]), False),
        (True, True, (Chains("IPv4", "ACCEPT", 0, 0), Chains("IPv6", "ACCEPT", 0, 0)), False),
    ],
)
def test_the_firewall_is_in_force_in_the_kernel_and_over_a_boot(
    active: bool, boot: bool, chains: tuple[Chains, ...], good: bool
) -> None:
    assert met(security.firewall_in_force(Ufw(active, "deny", GOOD), boot, chains)) is good


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({"foreign": ("-A INPUT -j ACCEPT",)}, False),
        ({"let_in": ("22/tcp", "80/tcp", "443/tcp")}, True),
        ({"let_in": ("22/tcp", "5432/tcp")}, False),
        ({"let_in": ("22/tcp", "443/udp")}, False),
        ({"let_in": ("any",)}, False),
    ],
)
def test_nothing_lets_traffic_in_around_ufw(change: dict[str, Any], good: bool) -> None:
    for spoilt in ((replace(CHAINS[0], **change), CHAINS[1]), (CHAINS[0], replace(CHAINS[1], **change))):
        assert met(security.firewall_in_force(Ufw(True, "deny", GOOD), True, spoilt)) is good


@pytest.mark.parametrize(
    ("ports", "let_in"),
    [
        ("any", "any"),
        ("10.0.0.1", "any"),
        ("192.168.0.0/24", "any"),
        ("10.0.0.1 5432/tcp", "5432/tcp"),
        ("5432", "5432/udp"),
        ("5432/tcp on eth0", "5432/tcp"),
        ("6000:6007/tcp", "6000:6007/tcp"),
        ("8080,8443/tcp (My App)", "8443/tcp"),
        ("2001:db8::1", "any"),
    ],
)
def test_what_ufw_tells_of_is_not_around_it(ports: str, let_in: str) -> None:
    found = Ufw(True, "deny", (*GOOD, rule(ports)))
    assert met(security.firewall_in_force(found, True, (replace(CHAINS[0], let_in=(let_in,)), CHAINS[1])))
    denied = Ufw(True, "deny", (*GOOD, rule(ports, action="DENY"), rule(ports, "IPv6")))
    assert not met(security.firewall_in_force(denied, True, (replace(CHAINS[0], let_in=(let_in,)), CHAINS[1])))


def test_a_kernel_without_ipv6_has_no_rules_for_it(limits_of: LimitsOf) -> None:
    found = Ufw(True, "deny", GOOD[:3])
    for observations in (
        security.firewall_in_force(found, True, CHAINS[:1], ipv6=False),
        security.only_allowed_ports(found, limits_of("SEC-FW-01"), ipv6=False),
    ):
        assert met(observations)
        assert "IPv6: observed switched off in the kernel" in str(observations[-1])


@pytest.mark.parametrize(("chains", "ipv6"), [((), True), (CHAINS[:1], True), (CHAINS[1:], True), (CHAINS[1:], False)])
def test_a_family_that_was_not_looked_at_is_not_judged(chains: tuple[Chains, ...], ipv6: bool) -> None:
    with pytest.raises(InsufficientFactsError, match="filter table is not known"):
        security.firewall_in_force(Ufw(True, "deny", GOOD), True, chains, ipv6=ipv6)


def container(*published: Published) -> Container:
    return Container(
        "1", "redis_1", "p", "redis", "running", None, 0, NOW, "always", 1, False, published, NOW, "json-file"
    )


@pytest.mark.parametrize(
    ("published", "good"),
    [
        (Published("0.0.0.0", 443, "443/tcp"), True),
        (Published("127.0.0.1", 6379, "6379/tcp"), True),
        (Published("0.0.0.0", 6379, "6379/tcp"), False),
        (Published("", 6379, "6379/tcp"), False),
        (Published("::", 6379, "6379/tcp"), False),
        (Published("", 0, "6379/tcp"), False),
    ],
)
def test_containers_do_not_bypass_the_firewall(limits_of: LimitsOf, published: Published, good: bool) -> None:
    found = [container(), container(published)]
    assert met(security.published_ports(found, limits_of("SEC-FW-02"))) is good


def certificate(days: float, begun: float = -60) -> Certificate:
    return Certificate("CN=x", NOW + timedelta(days=begun), NOW + timedelta(days=days), "ab")


@pytest.mark.parametrize(
    ("served", "good"),
    [
        (certificate(31), True),
        (certificate(30), True),
        (certificate(29.99), False),
        (certificate(29), False),
        (certificate(-1), False),
        (certificate(90, begun=1), False),
    ],
)
def test_a_certificate_lasts_a_month_and_is_valid_already(limits_of: LimitsOf, served: Certificate, good: bool) -> None:
    assert met(security.certificate_remaining(Attempt((served,)), limits_of("SEC-CERT-01"), NOW)) is good


def test_each_certificate_of_a_listener_has_to_last(limits_of: LimitsOf) -> None:
    two: Attempt[tuple[Certificate, ...]] = Attempt((certificate(90), certificate(29)))
    assert not met(security.certificate_remaining(two, limits_of("SEC-CERT-01"), NOW))


def test_a_listener_that_serves_none_has_no_good_certificate(limits_of: LimitsOf) -> None:
    nothing: Attempt[tuple[Certificate, ...]] = Attempt(None, "refused")
    assert not met(security.certificate_remaining(nothing, limits_of("SEC-CERT-01"), NOW))
    assert not met(security.certificate_deployed(nothing, certificate(90)))
    assert not met(security.certificate_verifies(Attempt(None, "refused")))
    assert not met(security.certificate_verifies(Attempt(None)))


def test_a_certificate_verifies_when_nothing_speaks_against_it() -> None:
    assert met(security.certificate_verifies(Attempt("")))
    assert not met(security.certificate_verifies(Attempt("Hostname mismatch")))


def test_a_renewed_file_that_is_not_served_is_found() -> None:
    old = Certificate("CN=x", NOW, NOW, "cd")
    assert met(security.certificate_deployed(Attempt((old, certificate(90))), certificate(90)))
    assert not met(security.certificate_deployed(Attempt((old,)), certificate(90)))
    assert not met(security.certificate_deployed(Attempt((old,)), None))


@pytest.mark.parametrize(
    ("status", "tags", "missing", "good"),
    [
        (0, {1, 18}, 0, True),
        (0, {3, 18}, 0, True),
        (0, {3, 20}, 0, True),
        (0, {1, 3, 18}, 0, True),
        (0, {10, 3, 18}, 0, True),
        (0, {3, 18, 11}, 0, False),
        (0, {1, 18, 61}, 0, False),
        (0, {3, 18}, 1, False),
        (2, {3, 18}, 0, False),
        (0, {18}, 0, False),
        (0, {1}, 0, False),
        (0, {11}, 0, False),
        (0, {4, 8, 11, 2}, 0, False),
        (0, set(), 0, False),
        (2, set(), 0, False),
    ],
)
def test_an_archive_is_encrypted_by_its_packets(status: int, tags: set[int], missing: int, good: bool) -> None:
    whole = Encryption("a.gpg", 0, frozenset({1, 18}), 0)
    archive = Encryption("b.gpg", status, frozenset(tags), missing)
    assert met(security.archives_encrypted({"/s": [whole], "/t": [whole, archive]})) is good


def test_every_sensitive_folder_holds_an_archive() -> None:
    whole = Encryption("a.gpg", 0, frozenset({1, 18}), 0)
    (found,) = unmet(security.archives_encrypted({"/s": [whole], "/t": []}))
    assert str(found) == "archives in /t: observed none found, expected at least one, encrypted"
