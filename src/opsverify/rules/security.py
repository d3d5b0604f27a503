"""Rules of the chapter *security*: firewall, published ports, certificates, encrypted archives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from opsverify.judgement import Limits, Observation, holds, none_of, show, within
from opsverify.probes import Attempt
from opsverify.probes.archives import Encryption
from opsverify.probes.certificates import Certificate
from opsverify.probes.containers import Container
from opsverify.probes.firewall import Chains, FirewallRule, Ufw


def firewall_in_force(ufw: Ufw, boot_enabled: bool, chains: Sequence[Chains]) -> list[Observation]:
    """ufw is active, stays so over a boot, and its chains really hang in the kernel's INPUT chain."""
    observations = [
        holds("ufw", "active" if ufw.active else "inactive", "active", ufw.active),
        holds("enabled at boot", boot_enabled, "yes", boot_enabled),
    ]
    for each in chains:
        drops = each.input_policy in ("DROP", "REJECT")
        observations += [
            holds(f"{each.family} INPUT policy in the kernel", each.input_policy, "DROP or REJECT", drops),
            holds(f"{each.family} ufw chains in INPUT", each.input_jumps, "at least 1", each.input_jumps > 0),
            holds(
                f"{each.family} ufw user rules in the kernel",
                each.user_rules,
                "at least 1",
                each.user_rules > 0,
            ),
        ]
    return observations


def only_allowed_ports(ufw: Ufw, limits: Limits) -> list[Observation]:
    """Nothing but the allowed ports is let in, over IPv4 and IPv6 alike, and nothing is let in by default."""
    if not ufw.active:
        return [holds("ufw", "inactive", "active", met=False)]
    refused = ufw.default_incoming in ("deny", "reject")
    observations = [holds("default for incoming traffic", ufw.default_incoming, "deny or reject", refused)]
    expected = {str(port) for port in limits.allowed_ports.values}
    for family in ("IPv4", "IPv6"):
        allowed = {port for rule in ufw.rules if rule.family == family and rule.allows for port in ports_of(rule)}
        shown = tuple(sorted(allowed, key=lambda port: (not port.isdigit(), int(port) if port.isdigit() else 0, port)))
        observations.append(Observation(f"{family} allowed in", shown, str(limits.allowed_ports), allowed == expected))
    return observations


def ports_of(rule: FirewallRule) -> list[str]:
    """The TCP ports that a rule speaks of, one by one; anything else (ranges, other protocols, any) as it stands."""
    match = re.fullmatch(r"(?P<ports>\d+(,\d+)*)(/tcp)?( \([^)]*\))?", rule.ports)
    return match["ports"].split(",") if match else [rule.ports]


def published_ports(containers: Sequence[Container], limits: Limits) -> list[Observation]:
    """No container port is published to the world but the allowed ones: Docker's own rules bypass ufw."""
    allowed = limits.published_ports.values
    wide = [
        f"{container.name} {each}"
        for container in containers
        for each in container.published
        if each.wide and each.port not in allowed
    ]
    return [none_of("ports published on every address", wide, seen=len(containers), of="containers")]


def certificate_remaining(served: Attempt[Certificate], limits: Limits, now: datetime) -> list[Observation]:
    """The certificate that is served will last a while, and is valid already."""
    if served.value is None:
        return [holds("handshake", served.failure, "a certificate is served", met=False)]
    certificate = served.value
    days = (certificate.not_after - now).total_seconds() / 86400
    return [
        within("served certificate remaining", days, limits.remaining_days),
        holds(
            "valid from",
            f"{certificate.not_before:%Y-%m-%d %H:%M} UTC",
            "in the past",
            certificate.not_before <= now,
        ),
    ]


def certificate_verifies(why_not: Attempt[str]) -> list[Observation]:
    """A client that verifies chain and name accepts the listener."""
    problem = (why_not.failure or "no answer") if why_not.value is None else why_not.value
    return [holds("chain and name", problem or "verified", "verified", not problem)]


def certificate_deployed(served: Attempt[Certificate], on_disk: Certificate) -> list[Observation]:
    """What is served is what lies on disk: a renewed file helps nobody until the server has loaded it."""
    if served.value is None:
        return [holds("handshake", served.failure, "a certificate is served", met=False)]
    same = served.value.sha256 == on_disk.sha256
    return [holds("served certificate (SHA-256)", served.value.sha256, f"as on disk: {on_disk.sha256}", same)]


def archives_encrypted(archives: Sequence[Encryption]) -> list[Observation]:
    """Every sensitive archive is encrypted by its packets, whatever its name says."""
    if not archives:
        return [holds("sensitive archives", "none found", "at least one, encrypted", met=False)]
    plain = [
        f"{each.name} (tags {show(tuple(sorted(each.tags)))}, gpg status {each.status}, {each.missing} bytes missing)"
        for each in archives
        if not each.encrypted
    ]
    return [none_of("sensitive archives not encrypted", plain, seen=len(archives), of="archives")]
