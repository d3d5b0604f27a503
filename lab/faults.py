"""Real faults for the lab, and near misses: each a context manager that breaks something and heals it again.

Only tests use this; no check can reach it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator

from lab import deliver, engine, history, pki, state
from lab.settings import PROJECT_LABEL, SERVER_NAME, SERVICE_LABEL, run

REDIS_CONF = "/etc/redis/redis.conf"
NGINX_CONF = "/etc/nginx/nginx.conf"
ONE_OFF = "com.docker.compose.oneoff=True"
FAULT_SWITCH = "/run/tokenswap/faults.json"


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for a condition, at most so long.

    Raises:
        TimeoutError: it did not come true.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for: {what}")
        time.sleep(0.25)


def is_healthy(service: str) -> bool:
    """Whether the service's container runs and calls itself healthy."""
    found = engine.containers()[service]["State"]
    return bool(found["Running"] and found["Health"]["Status"] == "healthy")


def wait_healthy(*services: str) -> None:
    """Wait until the services are healthy."""
    for service in services:
        wait_until(lambda service=service: is_healthy(service), f"{service} healthy")  # type: ignore[misc]


@contextlib.contextmanager
def all_of(*parts: contextlib.AbstractContextManager[object], pause: float = 0) -> Iterator[None]:
    """Several faults at once, in this order, and healed in the opposite one; ``pause`` seconds old."""
    with contextlib.ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        time.sleep(pause)
        yield


def forget() -> None:
    """Let Prometheus forget the last minutes: an outage stays in its five-minute rates for as long."""
    history.backfill()
    wait_healthy("prometheus")


# ---- services


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


# ---- Redis


def redis(*command: str) -> str:
    """Ask Redis as its administrator."""
    return engine.inside(
        "redis",
        "redis-cli",
        "--no-auth-warning",
        "--user",
        "admin",
        "--pass",
        state.secret("redis_admin"),
        *command,
    )


@contextlib.contextmanager
def redis_setting(name: str, value: str) -> Iterator[None]:
    """A setting of Redis is changed live, as CONFIG SET does it: until the next restart."""
    before = redis("CONFIG", "GET", name).splitlines()[1]
    redis("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        redis("CONFIG", "SET", name, before)


@contextlib.contextmanager
def file_edited(service: str, path: str, old: str, new: str, after: tuple[str, ...] = ()) -> Iterator[None]:
    """A file in a service's container has ``new`` in place of ``old``; ``after`` is run after each change."""
    before = engine.inside(service, "cat", path)
    if old not in before:
        raise ValueError(f"{service}:{path} does not contain {old!r}")

    def write(text: str) -> None:
        engine.inside(service, "sh", "-c", f"cat > {path}", stdin=text.encode())
        if after:
            engine.inside(service, *after)
            time.sleep(0.5)

    write(before.replace(old, new))
    try:
        yield
    finally:
        write(before)


# ---- the host


@contextlib.contextmanager
def on_node(do: str, undo: str) -> Iterator[None]:
    """A command runs on the host, and another one undoes it."""
    engine.inside("node", "sh", "-c", do)
    try:
        yield
    finally:
        engine.inside("node", "sh", "-c", undo)


def firewall(do: str) -> contextlib.AbstractContextManager[None]:
    """A change of the firewall; afterwards it is set up anew."""
    return on_node(do, "/usr/local/sbin/firewall >/dev/null")


@contextlib.contextmanager
def listening(address: str, port: int) -> Iterator[None]:
    """A process listens on the host."""
    kind = "TCP6-LISTEN" if ":" in address else "TCP-LISTEN"
    command = f"socat {kind}:{port},bind={address},reuseaddr,fork SYSTEM:true"
    engine.inside("node", "sh", "-c", f"setsid {command} >/dev/null 2>&1 </dev/null & sleep 0.5")
    try:
        yield
    finally:
        engine.inside("node", "pkill", "-f", f"^socat {kind}:{port},bind=")


@contextlib.contextmanager
def api_port_wide(port: int) -> Iterator[None]:
    """One of the API's own ports listens on every address instead of loopback."""
    engine.inside("node", "published", "stop", str(port))
    try:
        with listening("0.0.0.0", port):  # noqa: S104  the fault itself
            yield
    finally:
        engine.inside("node", "published", "start", str(port))


def data_disk_filled(percent: float) -> contextlib.AbstractContextManager[None]:
    """The data disk is filled to so much of what can be used of it."""
    script = f"""
        set -e
        set -- $(df -B1024 --output=used,avail /srv/data | tail -1)
        fill=$(awk "BEGIN {{ print int(({percent} / 100) * ($1 + $2) - $1) }}")
        fallocate -l ${{fill}}K /srv/data/filler
    """
    return on_node(script, "rm -f /srv/data/filler")


def inodes_used_up(percent: float) -> contextlib.AbstractContextManager[None]:
    """The data disk has blocks left, but hardly any inodes."""
    script = f"""
        set -e
        mkdir -p /srv/data/many && cd /srv/data/many
        set -- $(df --output=itotal,iused /srv/data | tail -1)
        fill=$(awk "BEGIN {{ print int(({percent} / 100) * $1 - $2) }}")
        seq $fill | xargs touch
    """
    return on_node(script, "rm -rf /srv/data/many")


# ---- certificates and nginx


@contextlib.contextmanager
def certificate(
    *, days: float = 90, names: tuple[str, ...] = (SERVER_NAME,), chain: bool = True, reload: bool = True
) -> Iterator[None]:
    """Another certificate lies on disk, and nginx serves it if it is reloaded."""
    text, key = pki.issue(pki.load_issuer(state.CA), list(names), days, chain=chain)
    items = deliver.certificate()
    swapped = {"tokenswap.crt": text, "tokenswap.key": key}
    deliver.put([each if each.path not in swapped else deliver.replaced(each, swapped[each.path]) for each in items])
    if reload:
        _reload_nginx()
    try:
        yield
    finally:
        deliver.put(items)
        _reload_nginx()


def _reload_nginx() -> None:
    engine.inside("nginx", "nginx", "-s", "reload")
    time.sleep(1)


def nginx_edited(old: str, new: str) -> contextlib.AbstractContextManager[None]:
    """nginx runs with an edited configuration."""
    return file_edited("nginx", NGINX_CONF, old, new, ("nginx", "-s", "reload"))


# ---- PostgreSQL


def sql(text: str) -> str:
    """Ask PostgreSQL as its superuser."""
    return engine.inside("postgres", "psql", "-XAtqc", text, "tokenswap", user="postgres")


@contextlib.contextmanager
def sql_change(do: str, undo: str) -> Iterator[None]:
    """A statement is executed, and another one undoes it."""
    sql(do)
    try:
        yield
    finally:
        sql(undo)


@contextlib.contextmanager
def session(*statements: str, settle: float = 1) -> Iterator[None]:
    """A session of a client executes statements one after the other, then stays as it is."""
    name = f"fault-{secrets.token_hex(4)}"
    psql = ["psql", "-Xq", f"dbname=tokenswap application_name={name}"]
    command = ["docker", "exec", "-i", "-u", "postgres", engine.container_id("postgres"), *psql]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        assert client.stdin is not None
        client.stdin.write("".join(f"{each};\n" for each in statements).encode())
        client.stdin.flush()
        time.sleep(settle)
        try:
            yield
        finally:
            # What still waits is cancelled; at the end of its input psql leaves, and takes its transaction along.
            mine = f"application_name = '{name}' AND state = 'active'"
            sql(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {mine}")  # noqa: S608  a name made here
            client.stdin.close()
            client.wait(20)


# ---- backups


@contextlib.contextmanager
def newest_dump_replaced(make: str) -> Iterator[str]:
    """The newest dump is made anew by a shell command from ``$old`` into ``$new``; its mtime stays. Gives its name."""
    script = f"""
        set -e
        cd /backup/database
        old=$(ls backup_*.sql.gz | tail -1)
        cp -p "$old" /tmp/saved-dump
        new=/tmp/new-dump
        {make}
        cat "$new" > "$old"
        touch -r /tmp/saved-dump "$old"
        rm -f "$new"
        echo "$old"
    """
    name = engine.inside("node", "sh", "-c", script).strip().splitlines()[-1]
    try:
        yield name
    finally:
        heal = f"cat /tmp/saved-dump > /backup/database/{name}; touch -r /tmp/saved-dump /backup/database/{name}"
        engine.inside("node", "sh", "-c", heal)


def stored_file(path: str, make: str) -> contextlib.AbstractContextManager[None]:
    """A file is added to the backup store, made by a shell command into ``$new``."""
    script = "\n".join(["set -e", f"new={path}", make, f"chgrp --reference=/backup {path}", f"chmod 0640 {path}"])
    return on_node(script, f"rm -f {path}")


# ---- traffic and history


@contextlib.contextmanager
def api_misbehaves(**faults: float | str) -> Iterator[None]:
    """The API's fault switch is on: error_share, delay_ms, health."""
    engine.inside("tokenswap-api", "sh", "-c", f"cat > {FAULT_SWITCH}", stdin=json.dumps(faults).encode())
    time.sleep(1.5)
    try:
        yield
    finally:
        engine.inside("tokenswap-api", "rm", "-f", FAULT_SWITCH)
        time.sleep(1.5)


@contextlib.contextmanager
def past(*, cpu: float = 0.35, memory: float = 0.45) -> Iterator[None]:
    """Prometheus remembers another past."""
    history.backfill(cpu=cpu, memory=memory)
    wait_healthy("prometheus")
    try:
        yield
    finally:
        forget()
