"""How a container is confined: its user, capabilities, namespaces and mounts, from the engine's ``inspect``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAMESPACES = ("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode")


@dataclass(frozen=True)
class Confinement:
    """What keeps a container from being root on its host.

    ``user`` as the image or the engine was told, empty for root. ``host_namespaces`` are those that it shares with the
    host, ``mounts`` the paths of the host that it sees, ``devices`` the host's devices that it may use, by path or by
    kind and number.
    """

    user: str
    privileged: bool
    added: frozenset[str]
    security: tuple[str, ...]
    host_namespaces: tuple[str, ...]
    mounts: tuple[str, ...]
    devices: tuple[str, ...]


def parse_confinement(data: dict[str, Any]) -> Confinement:
    """Parse ``GET /containers/{id}/json``.

    Raises:
        KeyError, TypeError, AttributeError: a field is missing, or is of another kind.
    """
    configuration = data["HostConfig"]
    names = (each.upper().removeprefix("CAP_") for each in configuration["CapAdd"] or [])
    shared = [each for each in NAMESPACES if configuration[each] == "host"]
    devices = [each["PathOnHost"] for each in configuration["Devices"] or []]
    return Confinement(
        user=data["Config"]["User"],
        privileged=configuration["Privileged"],
        added=frozenset(names),
        security=tuple(configuration["SecurityOpt"] or []),
        host_namespaces=tuple(each.removesuffix("Mode").lower() for each in shared),
        mounts=tuple(sorted(each["Source"] for each in data["Mounts"] if each["Type"] == "bind")),
        devices=tuple(sorted([*devices, *(configuration.get("DeviceCgroupRules") or [])])),
    )
