"""Facts about containers, from the Docker Engine API as the host sees it (read-only proxy or socket)."""

from __future__ import annotations

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import Attempt, attempt, output
from opsverify.probes.machine import reachable_from_outside

SIDE_BY_SIDE = 8  # questions at a time; sshd lets ten share a connection by default


@dataclass(frozen=True)
class Published:
    """A container port published on the host. An empty ``address`` means every address."""

    address: str
    port: int
    container_port: str

    @property
    def wide(self) -> bool:
        """Whether it can be reached from outside: neither on loopback nor on a private address alone."""
        return not self.address or reachable_from_outside(self.address)

    def __str__(self) -> str:
        return f"{self.address or '*'}:{self.port}->{self.container_port}"


@dataclass(frozen=True)
class Container:
    """A container as ``inspect`` shows it; ``health`` is None where the image defines no health check."""

    id: str
    name: str
    project: str
    service: str
    status: str
    health: str | None
    restart_count: int
    started_at: datetime
    restart_policy: str
    memory_limit: int
    oom_killed: bool
    published: tuple[Published, ...]


@dataclass(frozen=True)
class Usage:
    """What a running container uses: memory in bytes without reclaimable file cache, CPU seconds since its start."""

    memory: int
    resident: int
    limit: int
    cpu_seconds: float


def containers(host: Host) -> tuple[Container, ...]:
    """All containers of the host's engine, stopped ones too (of its Compose project where the engine is shared).

    Raises:
        InsufficientFactsError: the engine knows of no container at all, so nothing can be said of any.
    """
    listed = _engine(host, "/containers/json?all=true")
    project = host.spec.compose_project
    ids = [
        each["Id"]
        for each in listed
        if not host.spec.shared_engine or each["Labels"].get("com.docker.compose.project") == project
    ]
    if not ids:
        raise InsufficientFactsError(
            f"host {host.name}: the Docker engine lists no container (project {project or 'any'})"
        )
    return tuple(parse_inspect(_engine(host, f"/containers/{each}/json")) for each in sorted(ids))


def of_service(host: Host, everything: tuple[Container, ...], service: str) -> tuple[Container, ...]:
    """The containers of a Compose service of the host's project."""
    project = host.spec.compose_project
    return tuple(each for each in everything if each.service == service and project in (None, each.project))


def parse_inspect(data: dict[str, Any]) -> Container:
    """Parse ``GET /containers/{id}/json``.

    Raises:
        UnansweredError: a field is missing; it is named.
    """
    try:
        state, configuration, labels = data["State"], data["HostConfig"], data["Config"]["Labels"] or {}
        everything = configuration.get("PublishAllPorts")  # -P: ports that the engine chose stand only among these
        bindings = (data["NetworkSettings"]["Ports"] if everything else configuration["PortBindings"]) or {}
        return Container(
            id=data["Id"],
            name=data["Name"].lstrip("/"),
            project=labels.get("com.docker.compose.project", ""),
            service=labels.get("com.docker.compose.service", ""),
            status=state["Status"],
            health=state["Health"]["Status"] if state.get("Health") else None,
            restart_count=data["RestartCount"],
            started_at=parse_time(state["StartedAt"]),
            restart_policy=configuration["RestartPolicy"]["Name"] or "no",
            memory_limit=configuration["Memory"],
            oom_killed=state["OOMKilled"],
            published=tuple(
                Published(each["HostIp"] or "", int(each["HostPort"] or 0), port)
                for port, published in sorted(bindings.items())
                for each in published or []
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnansweredError(
            f"docker inspect: the answer is not understood: {type(error).__name__}: {error}"
        ) from None


def parse_time(text: str) -> datetime:
    """Parse the engine's time stamps, which have nanoseconds."""
    return datetime.fromisoformat(re.sub(r"\.(\d{6})\d*", r".\1", text).replace("Z", "+00:00")).astimezone(UTC)


def usages(host: Host, containers: tuple[str, ...]) -> dict[str, Attempt[Usage]]:
    """What running containers use now, by id. Asked side by side: the engine takes up to a second for each answer."""

    def ask(container: str) -> Attempt[Usage]:
        return attempt(lambda: parse_stats(_engine(host, f"/containers/{container}/stats?stream=false&one-shot=true")))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(containers, pool.map(ask, containers), strict=True))


def parse_stats(data: dict[str, Any]) -> Usage:
    """Parse ``GET /containers/{id}/stats``, of cgroup v1 and v2.

    Raises:
        UnansweredError: there are no memory figures in it (the container is not running, or no memory cgroup).
    """
    try:
        memory, detail = data["memory_stats"], data["memory_stats"]["stats"]
        cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
        resident = detail["total_rss"] if "total_rss" in detail else detail["anon"]
        cpu = data["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
        return Usage(memory["usage"] - cache, resident, memory["limit"], cpu)
    except (KeyError, TypeError, AttributeError) as error:
        raise UnansweredError(f"docker stats: no memory figures in the answer (missing: {error})") from None


def _engine(host: Host, path: str) -> Any:
    api = host.spec.docker_api
    if api is None:
        raise UnansweredError(f"host {host.name}: the profile says no docker_api for it")
    where = ["--unix-socket", api.removeprefix("unix://"), "http://localhost"] if api.startswith("unix:") else [api]
    asked = ["curl", "--silent", "--show-error", "--max-time", "9", "--write-out", "%{http_code}", *where]
    answer = output(host, shlex.join(asked) + shlex.quote(path))
    body, status = answer[:-3], answer[-3:]
    if status != "200":
        raise UnansweredError(
            f"host {host.name}: the Docker engine answered {path} with status {status}: {body[:200]!r}"
        )
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise UnansweredError(f"host {host.name}: the Docker engine's answer to {path} is no JSON: {error}") from None
