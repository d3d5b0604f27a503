"""Facts about where the data lie: machines, devices, and what a copy of the backup store holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from opsverify import stores
from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import archives, output, verification
from opsverify.probes.archives import Encryption, StoredFile

MACHINE = re.compile(r"[0-9a-f]{32}\n[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Holding:
    """A place that holds the data, or a backup of it; ``provider`` and ``offsite`` are as the profile has them.

    ``machine`` (see `machine`) and ``device`` (``st_dev`` there) are None where a provider keeps the data.
    ``newest`` is the newest dump there and ``digest`` its SHA-256. ``unanswered`` is why nothing more is known: that
    is a fact about the place, so that it hides nothing of the others.
    """

    name: str
    provider: str
    offsite: bool = False
    machine: str | None = None
    device: int | None = None
    newest: StoredFile | None = None
    digest: str = ""
    unanswered: str = ""


@dataclass(frozen=True)
class Sealed:
    """The archives in a folder of sensitive data and below it, and the files there that hold a private key as text."""

    archives: tuple[Encryption, ...]
    private_keys: tuple[str, ...]


def of_production(host: Host | None, production: stores.Production) -> Holding:
    """Where the live data lie; ``host`` is None where a provider keeps them."""
    known = Holding("production", production.provider)
    return known if host is None else _located(known, host, str(production.path))


def of_store(host: Host, store: stores.Backups, newest: StoredFile | None) -> Holding:
    """Where the backup store lies, and its newest dump."""
    return _located(Holding(store.name, store.provider, newest=newest), host, store.database)


def of_copy(host: Host, copy: stores.Copy, zone: str, timeout_s: float) -> Holding:
    """Where a copy of the store lies, and its newest dump, which is read in full within ``timeout_s``."""
    known = _located(Holding(copy.name, copy.provider, copy.offsite), host, copy.database)
    if known.unanswered:
        return known
    try:
        dumps = [each for each in archives.files(host, copy.database, zone) if each.named]
        newest = max(dumps, key=lambda each: (str(each.named), each.name), default=None)
        digest = verification.digest(host, newest, timeout_s) if newest else ""
        return replace(known, newest=newest, digest=digest)
    except UnansweredError as error:
        return replace(known, unanswered=str(error))


def _located(known: Holding, host: Host, path: str) -> Holding:
    known = replace(known, machine=address(host))
    try:
        return replace(known, machine=machine(host), device=device(host, path))
    except UnansweredError as error:
        return replace(known, unanswered=str(error))


def machine(host: Host) -> str:
    """Which machine a host is, under whatever name or account it is reached.

    By systemd's id and that of the running kernel: clones of a machine share the one, containers the other. Where a
    host does not tell both, by its address.
    """
    told = host.run("cat -- /etc/machine-id /proc/sys/kernel/random/boot_id")
    return told.stdout.strip() if told.rc == 0 and MACHINE.fullmatch(told.stdout.strip()) else address(host)


def address(host: Host) -> str:
    """How a host is reached, whoever asks."""
    return re.sub(r"(?<=://)[^@/]*@|:22\Z", "", host.spec.connection).lower()


def device(host: Host, path: str) -> int:
    """The device that a path lies on, as its host numbers it.

    Raises:
        UnansweredError: it cannot be told.
    """
    said = output(host, "stat -L -c %s -- %s", "%d", path).strip()
    if not (said.isascii() and said.isdigit()):
        raise UnansweredError(f"host {host.name}: stat of {path}: this is no device: {said!r}")
    return int(said)
