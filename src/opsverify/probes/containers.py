"""Facts about containers, from the Docker Engine API as the host sees it (read-only proxy or socket)."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import Attempt, about, attempt, raw_output
from opsverify.probes.confinement import Confinement, parse_confinement
from opsverify.probes.machine import reachable_from_outside

STILL_BOUND = ("running", "paused")  # in these states the engine holds a container's ports
LOG_LINES = 100  # as many as the manual looks at
LOG_RECORD = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))( (?P<said>.*))?", re.DOTALL
)
# A record's own word for its level, in JSON, logfmt, or as PostgreSQL and nginx write it; not the word in a message.
ERROR_LEVEL = re.compile(
    r"""(?<!\w)[\"']?(level|severity|lvl)[\"']?\s*[:=]\s*[\"']?(error|err|fatal|panic|critical|crit|alert|emerg)\b"""
    r"""|^\S+ \S+( \S+)? \[\d+\].*? (ERROR|FATAL|PANIC):  |\[(error|crit|alert|emerg)\] \d+#\d+:""",
    re.IGNORECASE,
)
SIDE_BY_SIDE = 8  # questions at a time; sshd lets ten share a connection by default


class _GoneError(UnansweredError):
    """The engine knows no such thing (any more)."""


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
    """A container as ``inspect`` shows it; ``health`` is None where the image defines no health check.

    ``oneoff`` is what ``docker compose run`` starts: it carries the service's name but is none of its containers.
    ``image`` is the id of its image, ``reference`` the name (and tag) by which it was asked for.
    """

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
    created: datetime
    log_driver: str
    oneoff: bool = False
    confinement: Confinement | None = None
    log_options: tuple[tuple[str, str], ...] = ()
    log_path: str = ""
    image: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Usage:
    """What a running container uses: memory in bytes without reclaimable file cache, CPU seconds since its start."""

    memory: int
    resident: int
    limit: int
    cpu_seconds: float


@dataclass(frozen=True)
class Log:
    """The end of a container's log: time of the newest line (None: there is no line), and how it is read.

    ``errors`` counts the records of level error or above among the last ``lines``, where they name their level.
    """

    newest: datetime | None
    lines: int
    errors: int


@dataclass(frozen=True)
class Listed:
    """A container as the engine's list shows it: little, but of all of them in one question. ``health`` as above."""

    name: str
    project: str
    service: str
    status: str
    health: str | None
    oneoff: bool


def listed(host: Host) -> tuple[Listed, ...]:
    """All containers of the host's engine (of its Compose project where the engine is shared); perhaps none."""
    with about(f"host {host.name}"):
        found = parse_list(_engine(host, "/containers/json?all=true"))
    return tuple(each for each in found if not host.spec.shared_engine or each.project == host.spec.compose_project)


def parse_list(data: Any) -> tuple[Listed, ...]:
    """Parse ``GET /containers/json``: health stands at the end of the status, as in ``Up 5 minutes (healthy)``.

    Raises:
        UnansweredError: it is not understood.
    """
    try:
        return tuple(_listed(each, each["Labels"] or {}) for each in data)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UnansweredError(f"docker ps: the answer is not understood: {type(error).__name__}: {error}") from None


def _listed(data: dict[str, Any], labels: dict[str, str]) -> Listed:
    health = re.search(r"\((?:health: )?(healthy|unhealthy|starting)\)\Z", data["Status"])
    return Listed(
        data["Names"][0].lstrip("/"),
        labels.get("com.docker.compose.project", ""),
        labels.get("com.docker.compose.service", ""),
        data["State"],
        health[1] if health else None,
        labels.get("com.docker.compose.oneoff") == "True",
    )


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
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        found = tuple(each for each in pool.map(partial(_inspected, host), sorted(ids)) if each is not None)
    if not found:
        raise InsufficientFactsError(
            f"host {host.name}: the Docker engine lists no container (project {project or 'any'})"
        )
    return found


def _inspected(host: Host, container: str) -> Container | None:
    """A container; None when it is gone since it was listed, as those of a job may be at any moment."""
    try:
        with about(f"host {host.name}"):
            return parse_inspect(_engine(host, f"/containers/{container}/json"))
    except _GoneError:
        return None


def has_image(host: Host, image: str) -> bool:
    """Whether the engine has an image, by its id."""
    try:
        with about(f"host {host.name}"):
            return bool(_engine(host, f"/images/{image}/json")["Id"] == image)
    except _GoneError:
        return False
    except (KeyError, TypeError):
        raise UnansweredError(f"host {host.name}: the Docker engine tells no id of the image {image}") from None


def of_service(host: Host, everything: tuple[Container, ...], service: str) -> tuple[Container, ...]:
    """The containers of a Compose service of the host's project, without those that were run for one command."""
    project = host.spec.compose_project
    return tuple(
        each for each in everything if each.service == service and project in (None, each.project) and not each.oneoff
    )


def parse_inspect(data: dict[str, Any]) -> Container:
    """Parse ``GET /containers/{id}/json``.

    Raises:
        UnansweredError: a field is missing; it is named.
    """
    try:
        state, configuration, labels = data["State"], data["HostConfig"], data["Config"]["Labels"] or {}
        # What is asked for and what is bound differ: by -P, by a range, by a network taken away.
        bound = state["Status"] in STILL_BOUND
        bindings = (data["NetworkSettings"]["Ports"] if bound else configuration["PortBindings"]) or {}
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
                Published(each["HostIp"] or "", number, port)
                for port, published in sorted(bindings.items())
                for each in published or []
                for number in _ports(each["HostPort"] or "0")
            ),
            created=parse_time(data["Created"]),
            log_driver=configuration["LogConfig"]["Type"],
            oneoff=labels.get("com.docker.compose.oneoff") == "True",
            confinement=parse_confinement(data),
            log_options=tuple(sorted((configuration["LogConfig"].get("Config") or {}).items())),
            log_path=data.get("LogPath") or "",
            image=data["Image"],
            reference=data["Config"].get("Image") or "",
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnansweredError(
            f"docker inspect: the answer is not understood: {type(error).__name__}: {error}"
        ) from None


def _ports(text: str) -> range:
    """One port, or every port of a range (``8000-8010``) of which the engine takes one at the start."""
    first, dash, last = text.partition("-")
    found = range(int(first), int(last if dash else first) + 1)
    if not found or found[-1] > 65535:
        raise ValueError(f"no port or range of ports: {text!r}")
    return found


def parse_time(text: str) -> datetime:
    """Parse the engine's time stamps, which have nanoseconds."""
    return datetime.fromisoformat(re.sub(r"\.(\d{6})\d*", r".\1", text).replace("Z", "+00:00")).astimezone(UTC)


def usages(host: Host, containers: tuple[str, ...]) -> dict[str, Attempt[Usage]]:
    """What running containers use now, by id. Asked side by side: the engine takes up to a second for each answer."""

    def ask(container: str) -> Attempt[Usage]:
        return attempt(lambda: _sampled(host, container))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip(containers, pool.map(ask, containers), strict=True))


def _sampled(host: Host, container: str) -> Usage:
    with about(f"host {host.name}"):
        return parse_stats(_engine(host, f"/containers/{container}/stats?stream=false&one-shot=true"))


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


def log(host: Host, container: str) -> Log:
    """The last `LOG_LINES` lines that the engine keeps of a container.

    Raises:
        UnansweredError: its driver does not let the engine read what it wrote.
    """
    with about(f"host {host.name}"):
        return parse_log(_log(host, container, LOG_LINES))


def said(host: Host, container: str, lines: int) -> tuple[str, ...]:
    """What a container wrote in its last ``lines`` (at most 9999) records, without their times. Raises as `log`."""
    with about(f"host {host.name}"):
        return tuple(text for _, text in _understood(_log(host, container, lines)))


def _log(host: Host, container: str, lines: int) -> bytes:
    return _ask(host, f"/containers/{container}/logs?stdout=true&stderr=true&timestamps=true&tail={lines}")


def parse_log(data: bytes) -> Log:
    """Parse the engine's answer: records that begin with their time, one in a frame, or in a line where there is a TTY.

    Raises:
        UnansweredError: a record without a time, or with one that there is not; a frame that is cut off.
    """
    newest, errors, lines = None, 0, 0
    for at, text in _understood(data):
        newest = at if newest is None else max(newest, at)
        errors += bool(ERROR_LEVEL.search(text))
        lines += 1
    return Log(newest, lines, errors)


def _understood(data: bytes) -> Iterator[tuple[datetime, str]]:
    """Time and text of each record."""
    for record in [each.decode("utf-8", "backslashreplace") for each in _records(data)]:
        found = LOG_RECORD.fullmatch(record.rstrip("\r\n"))
        try:
            at = parse_time(found["time"]) if found else None
        except (ValueError, OverflowError):
            at = None
        if found is None or at is None:
            raise UnansweredError(f"docker logs: this record is not understood: {record[:200]!r}")
        yield at, found["said"] or ""


def _records(data: bytes) -> Iterator[bytes]:
    """The records in an answer: each frame has a stream, three zeros, and its size in four bytes before it."""
    if data[:1] not in (b"\0", b"\1", b"\2"):
        yield from (line for line in data.split(b"\n") if line.strip())
        return
    at = 0
    while at < len(data):
        head = data[at : at + 8]
        end = at + 8 + int.from_bytes(head[4:], "big")
        if head[1:4] != b"\0\0\0" or len(head) < 8 or end > len(data):
            raise UnansweredError(f"docker logs: this frame is not understood: {data[at : at + 40]!r}")
        yield data[at + 8 : end]
        at = end


def _engine(host: Host, path: str) -> Any:
    body = _ask(host, path)
    try:
        return json.loads(body)
    except ValueError as error:
        raise UnansweredError(f"host {host.name}: the Docker engine's answer to {path} is no JSON: {error}") from None


def address(host: Host, path: str) -> list[str]:
    """A path of the engine's API as words for curl.

    Raises:
        UnansweredError: the profile does not say where the API is.
    """
    api = host.spec.docker_api
    if api is None:
        raise UnansweredError(f"host {host.name}: the profile says no docker_api for it")
    if api.startswith("unix:"):
        return ["--unix-socket", api.removeprefix("unix://"), f"http://localhost{path}"]
    return [f"{api}{path}"]


def _ask(host: Host, path: str) -> bytes:
    asked = ["curl", "--silent", "--show-error", "--max-time", "9", "--write-out", "%{http_code}"]
    answer = raw_output(host, shlex.join([*asked, *address(host, path)]))
    body, status = answer[:-3], answer[-3:].decode(errors="replace")
    if status != "200":
        raise (_GoneError if status == "404" else UnansweredError)(
            f"host {host.name}: the Docker engine answered {path} with status {status}: {body[:200]!r}"
        )
    return body
