"""Containers: stopped, hung, crashed, with another policy, and beside the stack."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

from lab import engine, history
from lab.faults.core import is_healthy, wait_healthy, wait_until
from lab.faults.prometheus import forget
from lab.settings import PROJECT_LABEL, SERVICE_LABEL, run

NODE_ITSELF = 8 * 1024 * 1024  # bytes that a Node.js process takes before it does anything
ONE_OFF = "com.docker.compose.oneoff=True"


@contextlib.contextmanager
def stopped(service: str, *dependents: str) -> Iterator[None]:
    """A service is stopped; its dependents have noticed when this begins, and have recovered when it ends."""
    container = engine.container_id(service)
    run(["docker", "stop", "-t", "10", container])
    try:
        for each in dependents:
            wait_until(lambda each=each: not is_healthy(each), f"{each} unhealthy")  # type: ignore[misc]
        yield
    finally:
        run(["docker", "start", container])
        wait_healthy(service, *dependents)
        if dependents:
            forget()


@contextlib.contextmanager
def sizes_untold() -> Iterator[None]:
    """The exporter of the databases' sizes is down, and Prometheus has noticed; afterwards it knows them again."""

    def told() -> bool:
        return bool(history.query('pg_database_size_bytes{datname="tokenswap"}'))

    with stopped("postgres-exporter"):
        wait_until(lambda: not told(), "the sizes are stale")
        yield
    wait_until(told, "the sizes are told again")


@contextlib.contextmanager
def paused(service: str) -> Iterator[None]:
    """A service hangs: its processes are there, and answer nothing."""
    container = engine.container_id(service)
    run(["docker", "pause", container])
    try:
        yield
    finally:
        run(["docker", "unpause", container])
        wait_healthy(service)


@contextlib.contextmanager
def restarted_by_crash(service: str, times: int) -> Iterator[None]:
    """The main process of a service dies so often, and the engine brings it back each time."""
    container = engine.container_id(service)
    for count in range(1, times + 1):
        pid = engine.containers()[service]["State"]["Pid"]
        run(["kill", "-KILL", str(pid)])
        wait_until(lambda n=count: engine.containers()[service]["RestartCount"] >= n, f"{service} restarted")  # type: ignore[misc]
        wait_until(lambda: bool(engine.containers()[service]["State"]["Running"]), f"{service} running")
    wait_healthy(service)
    try:
        yield
    finally:
        run(["docker", "restart", "-t", "5", container])  # by hand: the engine counts anew
        wait_healthy(service)


@contextlib.contextmanager
def restart_policy(service: str, policy: str) -> Iterator[None]:
    """A service has another restart policy."""
    container = engine.container_id(service)
    run(["docker", "update", f"--restart={policy}", container])
    try:
        yield
    finally:
        run(["docker", "update", "--restart=unless-stopped", container])


@contextlib.contextmanager
def memory_hoarded(share: float) -> Iterator[None]:
    """The API's container uses this share of its memory limit, which is raised so that its health checks fit in too."""
    container = engine.container_id("tokenswap-api")
    before = engine.containers()["tokenswap-api"]["HostConfig"]
    limit = 2 * before["Memory"]
    run(["docker", "update", f"--memory={limit}", f"--memory-swap={2 * limit}", container])
    node = "const hoard = Buffer.alloc({}, 1); process.stdin.resume().on('end', () => process.exit(hoard[0] - 1))"
    command = [
        "docker",
        "exec",
        "-i",
        container,
        "node",
        "-e",
        node.format(int(share * limit) - _resident() - NODE_ITSELF),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as hoarder:
        try:
            wait_until(lambda: _resident() > (share - 0.03) * limit, "the memory is in use")
            yield
        finally:
            assert hoarder.stdin is not None
            hoarder.stdin.close()
            hoarder.wait(20)
            back = [f"--memory={before['Memory']}", f"--memory-swap={before['MemorySwap']}"]
            run(["docker", "update", *back, container])


def _resident() -> int:
    """Bytes that the processes of the API's container hold."""
    path = f"http://docker/containers/{engine.container_id('tokenswap-api')}/stats?stream=false&one-shot=true"
    told = engine.inside("node", "curl", "-fsS", "--unix-socket", "/run/docker.sock", path)
    detail = json.loads(told)["memory_stats"]["stats"]
    return int(detail["total_rss"] if "total_rss" in detail else detail["anon"])


@contextlib.contextmanager
def published(port: str) -> Iterator[None]:
    """A container beside the stack publishes a port: ``0.0.0.0:16399:6379``."""
    image = engine.containers()["redis"]["Config"]["Image"]
    label = ["--label", PROJECT_LABEL, "--label", "com.docker.compose.service=leak"]
    leak = run(
        ["docker", "run", "-d", "--rm", *label, "-p", port, "--entrypoint", "sleep", image, "600"]
    ).stdout.strip()
    try:
        yield
    finally:
        run(["docker", "rm", "-f", leak])


@contextlib.contextmanager
def one_shot(service: str = "migrate") -> Iterator[None]:
    """A container of the project that did its work and ended, as ``docker-compose run`` leaves it."""
    image = engine.containers()["redis"]["Config"]["Image"]
    label = ["--label", PROJECT_LABEL, "--label", f"{SERVICE_LABEL}={service}", "--label", ONE_OFF]
    done = run(["docker", "run", "-d", *label, "--entrypoint", "true", image]).stdout.strip()
    try:
        yield
    finally:
        run(["docker", "rm", "-f", done])


@contextlib.contextmanager
def twin(
    service: str,
    log_driver: str = "json-file",
    say: str = "",
    options: tuple[str, ...] = (),
    log_options: tuple[str, ...] = ("max-size=10m", "max-file=3"),
    image: str = "",
) -> Iterator[None]:
    """A second container of a service runs beside the stack, healthy, with this log driver; it prints ``say`` once.

    ``options`` are more of ``docker run``, and overrule those that a twin has anyway; ``image`` is the service's own
    unless given.
    """
    labels = {PROJECT_LABEL, f"{SERVICE_LABEL}={service}", f"{engine.BESIDE_LABEL}=twin"}
    given = ["--restart", "unless-stopped", "--memory", "32m", "--user", "nobody", "--log-driver", log_driver]
    if log_driver == "json-file":
        given += [part for each in log_options for part in ("--log-opt", each)]
    given += ["--health-cmd", "true", "--health-interval", "1s", "--entrypoint", "/usr/bin/tini"]
    command = [*given, *(part for label in labels for part in ("--label", label)), *options]
    command.append(image or str(engine.containers()[service]["Image"]))
    script = '[ -z "$0" ] || echo "$0"; exec sleep 3600'
    made = run(["docker", "run", "-d", *command, "--", "sh", "-c", script, say]).stdout.strip()
    try:
        state = ["docker", "inspect", "-f", "{{.State.Health.Status}}", made]
        wait_until(lambda: run(state).stdout.strip() == "healthy", "the twin healthy")
        yield
    finally:
        run(["docker", "rm", "-f", made])
