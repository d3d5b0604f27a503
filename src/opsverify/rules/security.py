"""Rules of the chapter *security*: firewall, published ports, certificates, encrypted archives, key pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limit, Limits, Observation, holds, none_of, show, within
from opsverify.probes import Attempt
from opsverify.probes.archives import Encryption
from opsverify.probes.certificates import Certificate
from opsverify.probes.containers import Container
from opsverify.probes.documents import Attested
from opsverify.probes.firewall import Chains, FirewallRule, Ufw
from opsverify.probes.keypairs import Entry
from opsverify.rules.statements import Missing, attestation, complete

IPV6_OFF = holds("IPv6", "switched off in the kernel", "switched off, or under the same rules as IPv4", met=True)


def firewall_in_force(
    ufw: Ufw, boot_enabled: bool, chains: Sequence[Chains], *, ipv6: bool = True
) -> list[Observation]:
    """ufw is active, stays so over a boot, its chains really hang in the kernel's INPUT chain, and nothing goes around.

    Raises:
        InsufficientFactsError: the kernel's filter table of a family is not among the facts.
    """
    missing = {"IPv4", *(["IPv6"] if ipv6 else [])} - {each.family for each in chains}
    if missing:
        raise InsufficientFactsError(f"the kernel's filter table is not known: {', '.join(sorted(missing))}")
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
            none_of(
                f"{each.family} rules that let traffic in around ufw",
                [*each.foreign, *_untold(ufw, each)],
                seen=each.input_jumps + each.user_rules,
                of="jumps and user rules of ufw",
            ),
        ]
    return observations if ipv6 else [*observations, IPV6_OFF]


def _untold(ufw: Ufw, chains: Chains) -> list[str]:
    """What ufw's user rules in the kernel accept but ufw itself does not tell of."""
    told = set()
    for rule in ufw.rules:
        if rule.family == chains.family and rule.allows:
            ports, _, only = re.sub(r"( \(.*\)| on \S+)", "", rule.ports).split(" ")[-1].partition("/")
            known = re.fullmatch(r"\d+(:\d+)?(,\d+(:\d+)?)*", ports)
            protocols = (only,) if only else ("tcp", "udp")
            told |= {f"{port}/{each}" for port in ports.split(",") for each in protocols} if known else {"any"}
    return [f"ufw's user rules: {each}" for each in chains.let_in if each not in told]


def only_allowed_ports(ufw: Ufw, limits: Limits, *, ipv6: bool = True) -> list[Observation]:
    """Nothing but the allowed ports is let in, over IPv4 and IPv6 alike, and nothing is let in by default."""
    if not ufw.active:
        return [holds("ufw", "inactive", "active", met=False)]
    refused = ufw.default_incoming in ("deny", "reject")
    observations = [holds("default for incoming traffic", ufw.default_incoming, "deny or reject", refused)]
    expected = {str(port) for port in limits.allowed_ports.values}
    for family in ("IPv4", "IPv6") if ipv6 else ("IPv4",):
        allowed = {port for rule in ufw.rules if rule.family == family and rule.allows for port in ports_of(rule)}
        shown = tuple(sorted(allowed, key=lambda port: (not port.isdigit(), int(port) if port.isdigit() else 0, port)))
        observations.append(Observation(f"{family} allowed in", shown, str(limits.allowed_ports), allowed == expected))
    return observations if ipv6 else [*observations, IPV6_OFF]


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


def certificate_remaining(served: Attempt[tuple[Certificate, ...]], limits: Limits, now: datetime) -> list[Observation]:
    """Each certificate that is served will last a while, and is valid already."""
    if served.value is None:
        return [holds("handshake", served.failure, "a certificate is served", met=False)]
    observations = []
    for certificate in served.value:
        which = f" {certificate.sha256[:16]}…" if len(served.value) > 1 else ""
        days = (certificate.not_after - now).total_seconds() / 86400
        begun = f"{certificate.not_before:%Y-%m-%d %H:%M} UTC"
        observations += [
            within(f"served certificate{which} remaining", days, limits.remaining_days),
            holds(f"valid{which} from", begun, "in the past", certificate.not_before <= now),
        ]
    return observations


def certificate_verifies(why_not: Attempt[str]) -> list[Observation]:
    """A client that verifies chain and name accepts the listener."""
    problem = (why_not.failure or "no answer") if why_not.value is None else why_not.value
    return [holds("chain and name", problem or "verified", "verified", not problem)]


def certificate_deployed(served: Attempt[tuple[Certificate, ...]], on_disk: Certificate | None) -> list[Observation]:
    """What lies on disk is served: a renewed file helps nobody until the server has loaded it."""
    if on_disk is None:
        return [holds("certificate on disk", "no such file", "the certificate that is served", met=False)]
    if served.value is None:
        return [holds("handshake", served.failure, "a certificate is served", met=False)]
    seen = tuple(each.sha256 for each in served.value)
    return [holds("served certificate (SHA-256)", seen, f"as on disk: {on_disk.sha256}", on_disk.sha256 in seen)]


def archives_encrypted(archives: Mapping[str, Sequence[Encryption]]) -> list[Observation]:
    """Every archive in each sensitive folder is encrypted by its packets, whatever its name says."""
    observations = []
    for folder, found in archives.items():
        if not found:
            observations.append(holds(f"archives in {folder}", "none found", "at least one, encrypted", met=False))
            continue
        plain = [
            f"{each.name} (tags {show(tuple(sorted(each.tags)))}, gpg status {each.status}, "
            f"{each.missing} bytes missing)"
            for each in found
            if not each.encrypted
        ]
        observations.append(none_of(f"archives in {folder} not encrypted", plain, seen=len(found), of="archives"))
    return observations


def key_access_is_tight(
    folder: str,
    found: Sequence[Entry],
    review: Attested | None,
    limits: Limits,
    missing: Missing,
    now: datetime,
) -> list[Observation]:
    """Root alone may use the key pairs, there are some, and who has access to them was reviewed lately.

    A mode may grant less than its limit, never more. A link is no key pair: where it leads, other rights hold.

    Raises:
        InsufficientFactsError: there is no review, and that is no finding.
    """
    reviewed = attestation(review, missing, now, limits.review_age_days)
    if not found:
        seen = [holds(folder, "no such folder", "the folder of the key pairs", met=False)]
        return complete([*seen, *reviewed[0]], reviewed[1])
    files = [each for each in found if each.kind == "file"]
    folders = [each for each in found if each.kind == "folder"]
    foreign = [f"{each.path} ({each.owner})" for each in found if each.owner != "root"]
    odd = [f"{each.path} ({each.kind})" for each in found if each.kind not in ("file", "folder")]
    seen = [
        _tight("folders", folders, limits.directory_mode),
        _tight("files", files, limits.file_mode),
        none_of("not root's own", foreign, seen=len(found), of="files and folders"),
        none_of("links and the like", odd, seen=len(found), of="files and folders"),
        holds(f"key files in {folder}", len(files), "at least one", bool(files)),
    ]
    return complete([*seen, *reviewed[0]], reviewed[1])


def _tight(what: str, entries: Sequence[Entry], limit: Limit) -> Observation:
    """No mode grants what the limit's does not."""
    granted = int(str(limit.value), 8)
    loose = tuple(f"{each.path} ({each.shown})" for each in entries if each.mode & ~granted)
    shown = loose or f"{show(tuple(sorted({each.shown for each in entries})))} ({len(entries)} {what})"
    return holds(f"modes of {what}", shown, f"{limit.value} or less", not loose)
