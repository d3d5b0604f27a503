"""The configuration of all live systems of a profile at one moment, as text, to be held against another moment's.

What changes by itself is left out: what a fact is worth here is that it stays the same until somebody changes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from opsverify.channels.shell import Host
from opsverify.channels.tls import TlsChannel
from opsverify.errors import OpsverifyError, UnansweredError
from opsverify.gate.story import Snapshot
from opsverify.probes import cache_settings, certificates, containers, firewall_rules, machine, packages
from opsverify.probes import postgres_settings as postgres
from opsverify.probes.certificates import Certificate
from opsverify.probes.containers import Container
from opsverify.probes.machine import Socket
from opsverify.redaction import Redactor
from opsverify.run import Run

Values = Mapping[str, str | tuple[str, ...]]

SIDE_BY_SIDE = 8
EMPTY = "(empty)"  # so that a change record can name it
RUNNING = ("running", "paused", "restarting")
# Control characters, and what else makes a text look like another one; "\n" stands for the end of a line of its own.
HOSTILE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


@dataclass(frozen=True)
class Part:
    """A part of an area: what to ask of which channel (kind and name). What cannot be asked leaves the others be."""

    area: str
    kind: str
    target: str
    ask: Callable[[Any], Values]


def snapshot(run: Run) -> Snapshot:
    """Read the configuration of every host, database, cache and listener of the profile, side by side.

    A value that is a list, such as the rules of a chain, has a line of its own for each entry, in order, each with an
    end of line. An area of which something could not be read is in ``unread`` with why, and in ``areas`` with the rest.
    """
    groups = list(_groups(run))
    for group in groups:  # before anything runs side by side: a run makes one channel for each target
        _opened(run, group[0])
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        read = list(chain.from_iterable(pool.map(partial(_read, run), groups)))
    areas: dict[str, dict[str, str]] = {}
    unread: dict[str, list[str]] = {}
    for part, values, problem in read:
        if problem:
            unread.setdefault(part.area, []).append(problem)
        else:
            areas.setdefault(part.area, {}).update(_clean(run, values))
    return Snapshot(
        areas={area: dict(sorted(names.items())) for area, names in sorted(areas.items())},
        # A target that is down says so once.
        unread={area: _text(run, "; ".join(dict.fromkeys(problems))) for area, problems in sorted(unread.items())},
    )


def _groups(run: Run) -> Iterator[list[Part]]:
    """The parts that are asked one after the other: those of one target."""
    for host in run.profile.hosts:
        name = host.name
        yield [
            *([Part(f"images {name}", "host", name, images)] if host.docker_api else []),
            Part(f"firewall {name}", "host", name, firewall_rules.ufw_rules),
            Part(f"firewall {name}", "host", name, partial(firewall_rules.kernel_rules, family="IPv4")),
            Part(f"firewall {name}", "host", name, partial(firewall_rules.kernel_rules, family="IPv6")),
            Part(f"ports {name}", "host", name, ports),
            Part(f"packages {name}", "host", name, packages.versions),
        ]
    for database in run.profile.databases:
        asked = (postgres.settings, postgres.settings_of_roles, postgres.rights)
        yield [Part(f"pg_settings {database.name}", "database", database.name, ask) for ask in asked]
    for cache in run.profile.caches:
        area = f"config {cache.name}"
        yield [Part(area, "cache", cache.name, ask) for ask in (cache_settings.settings, cache_settings.accounts)]
        if cache.config_file is not None:
            ask = partial(cache_settings.secrets, path=cache.config_file.path)
            yield [Part(area, "host", cache.config_file.host, ask)]
    for listener in run.profile.listeners:
        yield [Part(f"certificate {listener.name}", "listener", listener.name, certificate)]


def _opened(run: Run, part: Part) -> tuple[Any, str]:
    """The channel that a part is asked through, or why there is none."""
    try:
        return run.channel(part.kind, part.target), ""
    except OpsverifyError as error:
        return None, str(error)


def _read(run: Run, group: Sequence[Part]) -> list[tuple[Part, Values, str]]:
    found: list[tuple[Part, Values, str]] = []
    for part in group:
        channel, problem = _opened(run, part)
        values: Values = {}
        if not problem:
            try:
                values = part.ask(channel)
            except OpsverifyError as error:
                problem = str(error)
            except Exception as error:  # an answer that no one thought of: unread, and the others go on
                problem = f"{part.target}: {type(error).__name__}: {error}"
        found.append((part, values, problem))
    return found


def _clean(run: Run, values: Values) -> dict[str, str]:
    """Values as text: secrets and control characters replaced, a list as lines."""
    return {
        _text(run, name): _text(run, value or EMPTY)
        if isinstance(value, str)
        else "".join(f"{_text(run, each)}\n" for each in value)
        for name, value in values.items()
    }


def _text(run: Run, text: str) -> str:
    return plain(run.redactor, text)


def plain(redactor: Redactor, text: str) -> str:
    """A text without secrets and control characters, which redacting it again (when it is written) does not change."""
    shown = HOSTILE.sub(lambda found: found[0].encode("unicode_escape").decode(), redactor.text(text))
    return redactor.text(shown)


def images(host: Host) -> Values:
    """The image of each running service (elsewhere: container) by id, with the name by which it was asked for."""
    return parse_images(host.spec.compose_project, containers.containers(host))


def parse_images(project: str | None, found: Sequence[Container]) -> Values:
    """Images by service; a service of another Compose project has that before its name."""
    by_name: dict[str, set[str]] = {}
    for each in found:
        if each.status in RUNNING and not each.oneoff:
            name = each.service or each.name
            if each.project not in ("", project) and each.service:
                name = f"{each.project}/{name}"
            named = each.reference if each.reference and each.reference not in each.image else ""
            by_name.setdefault(name, set()).add(f"{each.image} ({named})" if named else each.image)
    return {name: ", ".join(sorted(some)) for name, some in by_name.items()}


def ports(host: Host) -> Values:
    """The sockets that listen on a host, but for those that were given any port that was free."""
    ephemeral = machine.ephemeral_ports(host)
    return parse_ports(machine.sockets(host), machine.udp_sockets(host), ephemeral)


def parse_ports(tcp: Sequence[Socket], udp: Sequence[Socket], ephemeral: range) -> Values:
    """Listening sockets by address and port.

    In the range of ports that the kernel gives away, a UDP socket is a client that waits for an answer, and what
    listens on loopback (as Docker's name server does) gets another port with each start. What listens to the world in
    that range stays: nobody should do so unnoticed.
    """
    lasting = [each for each in tcp if not (each.port in ephemeral and _loopback(each.address))]
    return {
        **{f"tcp {each}": "listening" for each in lasting},
        **{f"udp {each}": "listening" for each in udp if each.port not in ephemeral},
    }


def _loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def certificate(listener: TlsChannel) -> Values:
    """What identifies the certificates that a listener serves: mostly one, else one for each kind of key."""
    served = certificates.served(listener).required()
    if not served:
        raise UnansweredError(f"listener {listener.target}: served no certificate")
    found: dict[str, str] = {}
    for number, each in enumerate(served, 1):
        found |= _identity(each, f" of certificate {number}" if number > 1 else "")
    return found


def _identity(each: Certificate, which: str) -> dict[str, str]:
    return {
        f"issuer{which}": each.issuer,
        f"not after{which}": each.not_after.isoformat(),
        f"serial{which}": each.serial,
        f"sha256{which}": each.sha256,
        f"subject{which}": each.subject,
    }
