"""Bringing the stack up, waiting for it, telling its state, and taking it away without a trace."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from lab import (
    alerts,
    changes,
    deliver,
    disk,
    documents,
    engine,
    history,
    images,
    load,
    logs,
    monitoring,
    past,
    state,
)
from lab.settings import (
    COMPOSE_FILE,
    LAB,
    PROJECT,
    PROJECT_LABEL,
    SERVER_NAME,
    SERVICE_LABEL,
    SERVICES,
    STATE,
    Problem,
    ports,
    run,
    step,
)

APPLIED = STATE / "applied"
SEEDED = STATE / "seeded"
BASELINE = STATE / "documents" / "baseline.toml"
DRILLS = STATE / "documents" / "drills.jsonl"
SEED_AGAIN_AFTER = 6 * 3600
DRILL_AGAIN_AFTER = 24 * 3600


def health(container: dict[str, Any] | None) -> str:
    """One word for a container: healthy, starting, unhealthy, exited, missing …"""
    if container is None:
        return "missing"
    found = container["State"]
    if found["Status"] != "running":
        return str(found["Status"])
    return str(found.get("Health", {}).get("Status", "running"))


def ailing() -> dict[str, str]:
    """The services that are not healthy, and what they are instead."""
    found = engine.containers()
    states = {service: health(found.get(service)) for service in SERVICES}
    return {service: word for service, word in states.items() if word != "healthy"}


def wait(seconds: float = 180) -> None:
    """Until every service is healthy and the node answers on ssh and 443."""
    until = time.monotonic() + seconds
    while bad := ailing():
        if time.monotonic() > until:
            told = ", ".join(f"{service} is {word}" for service, word in bad.items())
            first = next(iter(bad))
            raise Problem(
                f"{told} after {seconds:.0f} s: see `docker logs` of the container labelled {SERVICE_LABEL}={first}"
            )
        time.sleep(0.5)
    while (silent := _silent()) is not None:
        if time.monotonic() > until:
            raise Problem(f"{silent} does not answer on 127.0.0.1: is another program on that port?")
        time.sleep(0.3)


def _silent() -> str | None:
    """Which of ssh and https does not answer from this machine."""
    try:
        with socket.create_connection(("127.0.0.1", ports()["SSH"]), 3) as connection:
            if not connection.recv(4).startswith(b"SSH"):
                return "ssh"
    except OSError:
        return "ssh"
    context = ssl.create_default_context(cafile=str(state.CA / "ca.crt"))
    try:
        with socket.create_connection(("127.0.0.1", ports()["HTTPS"]), 3) as connection:
            context.wrap_socket(connection, server_hostname=SERVER_NAME).close()
    except OSError:
        return "https"
    return None


def _fingerprint() -> str:
    """What the running containers were made from."""
    told = [COMPOSE_FILE.read_text(), repr(sorted(ports().items())), repr(sorted(images.image_ids().items()))]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def up() -> None:
    """Bring the lab up, whatever is there already."""
    began = time.monotonic()
    ports()  # a bad port number is told before anything is done
    engine.ensure()
    built = images.ensure()
    if not state.CA.exists() and _volumes():
        with step("Removing volumes of a lab whose keys are gone"):
            _remove_all()
    if not _volumes():  # somebody pruned them: what was handed out and seeded there is gone as well
        for each in (APPLIED, SEEDED):
            each.unlink(missing_ok=True)
    _drop_beside()
    changed = state.make()
    documents.ensure(STATE / "documents", datetime.now(UTC))
    mounted = disk.mount()
    fingerprint = _fingerprint()
    applied = APPLIED.read_text() if APPLIED.exists() else ""
    if built or changed or mounted or applied != fingerprint or ailing():
        _bring_up(changed or not applied, mounted)
        APPLIED.write_text(fingerprint)
    wait()
    _make_past()
    changes.write(STATE / "documents", datetime.now(UTC))
    listed = " ".join(f"{name.lower()}={port}" for name, port in ports().items())
    print(f"lab is healthy ({time.monotonic() - began:.1f} s) on 127.0.0.1: {listed}")


def _make_past() -> None:
    """Metrics of weeks and backups of months, where they are missing; both at once, for neither touches the other."""
    _fill_logs()
    past.fill()
    alerts.keep_silence()
    work: dict[str, Callable[[], None]] = {}
    if not history.is_complete():
        work[f"{history.DAYS} days of metrics"] = history.backfill
    if not SEEDED.exists() or time.time() - SEEDED.stat().st_mtime > SEED_AGAIN_AFTER:
        work["the backups of the past nights"] = _seed_backups
    unused = not SEEDED.exists()
    if work:
        with step(f"Making {' and '.join(work)}"), ThreadPoolExecutor() as pool:
            for result in [pool.submit(make) for make in work.values()]:
                result.result()
            wait()
            monitoring.settle()
    if unused or not BASELINE.exists():  # last, on a machine that is quiet again
        with step("Measuring the performance baseline"):
            _take_baseline()
    if not _drilled():
        with step("Restoring the newest backups, to show that they can be"):
            _hold_drills()


def _take_baseline() -> None:
    """What later executions are held against, taken by the operator's own command; and some executions since."""
    load.statements()
    about = ["--load", "the lab's own customers", "--version", "tokenswap-api of the lab", "--by", "python -m lab up"]
    run([sys.executable, "-m", "opsverify.cli", "baseline", "--profile", "lab", *about])
    load.statements()


def _drilled() -> bool:
    """Whether the last drill of each kind is young and went well."""
    if not DRILLS.exists() or time.time() - DRILLS.stat().st_mtime > DRILL_AGAIN_AFTER:
        return False
    good = [line for line in DRILLS.read_text(encoding="utf-8").splitlines()[-2:] if '"outcome":"met"' in line]
    return all(any(f'"kind":"{kind}"' in line for line in good) for kind in ("restore", "point-in-time"))


def _hold_drills() -> None:
    """What restore drills show, by the operator's own command; the archive holds what was committed until now."""
    engine.inside("postgres", "psql", "-XAtqc", "SELECT pg_switch_wal()", user="postgres")
    waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
    until = time.monotonic() + 60
    while engine.inside("postgres", "psql", "-XAtqc", waiting, user="postgres").strip() != "0":
        if time.monotonic() > until:
            raise Problem("PostgreSQL archives nothing: see its log, and whether it may write to /backup/wal")
        time.sleep(0.2)
    by = ["--by", "python -m lab up"]
    run([sys.executable, "-m", "opsverify.cli", "restore-drill", "--profile", "lab", *by])


def _seed_backups() -> None:
    engine.inside("node", "/usr/local/sbin/seed-backups")
    SEEDED.touch()


def _fill_logs() -> None:
    """The application's logs of the days on which there was no lab, told by what the files hold."""
    script = r"""cd /var/log/tokenswap && ls && zcat -f * 2>/dev/null | grep '"level":"DEBUG"' \
        | grep -o '^{"timestamp":"[0-9-]*' | sort -u"""
    told = engine.inside("node", "sh", "-c", script).splitlines()
    there = {line.removeprefix('{"timestamp":"') for line in told if line.startswith("{")}
    days = logs.lacking(35, there)
    if days:
        with step(f"Making the logs of {len(days)} days"):
            deliver.put(deliver.past_logs(days, set(told)))


def _volumes() -> list[str]:
    return run(["docker", "volume", "ls", "-q", "--filter", f"label={PROJECT_LABEL}"]).stdout.split()


def _bring_up(new_secrets: bool, mounted: bool) -> None:
    with step("Creating containers"):
        first = not _volumes()
        # Not nginx: it shares the node's network, and Compose 1.29 forgets that when the node does not run yet.
        # And the node by itself first: Docker fills an empty volume from the image of whoever mounts it, and two that
        # are created side by side get in each other's way.
        engine.compose("up", "--no-start", "node")
        engine.compose("up", "--no-start", "--remove-orphans", *(name for name in SERVICES if name != "nginx"))
    _drop_stranded_nginx()
    if new_secrets:
        with step("Handing out keys, passwords and certificates"):
            deliver.put([*deliver.folders(), *deliver.secrets()])
    with step("Starting"):
        engine.compose("up", "-d", "--remove-orphans")
    found = engine.containers()
    again = [name for name in SERVICES if health(found.get(name)) == "unhealthy"]
    if mounted and not first:
        again += ["node", "node-exporter"]
    elif new_secrets:
        # Renewed certificates: nginx and PostgreSQL read theirs at the start.
        again += [
            name for name in ("nginx", "postgres", "postgres-replica", "redis") if health(found.get(name)) == "healthy"
        ]
    if again:
        with step(f"Restarting {', '.join(sorted(set(again)))}"):
            run(["docker", "restart", "-t", "10", *(str(found[name]["Id"]) for name in sorted(set(again)))])
    with step("Waiting until all are healthy"):
        wait()


def _drop_beside() -> None:
    """What an interrupted test left beside the stack: Compose would take it for the service that it poses as."""
    ids = run(["docker", "ps", "-aq", "--filter", f"label={engine.BESIDE_LABEL}"]).stdout.split()
    if ids:
        run(["docker", "rm", "-f", *ids])


def _drop_stranded_nginx() -> None:
    """nginx shares the node's network: made for a node that is gone it can't start, so let Compose make it anew."""
    found = engine.containers()
    nginx, node = found.get("nginx"), found.get("node")
    if nginx and node and nginx["HostConfig"]["NetworkMode"] != f"container:{node['Id']}":
        run(["docker", "rm", "-f", nginx["Id"]])


def status() -> bool:
    """Print a table; whether all is well."""
    found = engine.containers()
    rows = [("SERVICE", "STATE", "HEALTH", "PORTS")]
    for service in SERVICES:
        container = found.get(service)
        bindings = (container or {}).get("NetworkSettings", {}).get("Ports") or {}
        published = [
            f"{bound['HostIp']}:{bound['HostPort']}->{inner}"
            for inner, outer in sorted(bindings.items())
            for bound in outer or []
        ]
        rows.append(
            (
                service,
                container["State"]["Status"] if container else "missing",
                health(container),
                ", ".join(published),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  " + row[3])
    return not ailing()


def _remove_all() -> None:
    """Containers, networks and volumes of the project, whoever made them."""
    ids = run(["docker", "ps", "-aq", "--filter", f"label={PROJECT_LABEL}"]).stdout.split()
    if ids:
        run(["docker", "rm", "-fv", *ids], check=False)
    for kind in ("network", "volume"):
        found = run(["docker", kind, "ls", "-q", "--filter", f"label={PROJECT_LABEL}"]).stdout.split()
        if found:
            run(["docker", kind, "rm", *found])


def down(keep_images: bool) -> None:
    """Take the lab away; nothing of it stays (but its images, when asked for)."""
    if shutil.which("docker") and run(["docker", "version"], check=False).returncode == 0:
        with step(f"Removing containers, networks and volumes of {PROJECT}"):
            _remove_all()
        if not keep_images:
            with step("Removing images"):
                images.remove()
        disk.unmount()
        engine.stop_if_ours()
    elif STATE.exists() and os.geteuid() == 0:
        disk.unmount()
    if STATE.exists():
        shutil.rmtree(STATE)
    print(f"{LAB.name} is gone")
