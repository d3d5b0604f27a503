"""Docker: there, answering, and the compose command that this machine has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from lab.settings import COMPOSE_FILE, LAB, PROJECT, PROJECT_LABEL, SERVICE_LABEL, STATE, Problem, run, step

DOCKERD_PID = STATE / "dockerd.pid"
DOCKERD_LOG = STATE / "dockerd.log"
BESIDE_LABEL = "opsverify.lab.beside"  # a test's own container beside the stack, whatever service it claims to be
PACKAGES = ["docker.io", "docker-compose", "mmdebstrap"]
HOW = "install Docker and Compose (Debian: apt-get install docker.io docker-compose mmdebstrap) and start the engine"


def _has_compose() -> bool:
    if shutil.which("docker-compose"):
        return True
    return bool(shutil.which("docker")) and run(["docker", "compose", "version"], check=False).returncode == 0


def _answers() -> bool:
    return run(["docker", "version", "--format", "{{.Server.Version}}"], check=False, timeout=60).returncode == 0


def _is_debian() -> bool:
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def install(packages: list[str]) -> None:
    """Install Debian packages, or say what to install."""
    if os.geteuid() != 0 or not _is_debian():
        raise Problem(f"{', '.join(packages)} missing: {HOW}")
    with step(f"Installing {' '.join(packages)}"):
        apt = ["apt-get", "-q", "-y", "-o", "Acquire::Check-Valid-Until=false"]
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        run([*apt, "update"])
        run([*apt, "install", "--no-install-recommends", "iptables", *packages])


def ensure() -> None:
    """Docker and Compose are installed and the engine answers; or one clear line."""
    if not shutil.which("docker") or not _has_compose():
        install(PACKAGES)
    if _answers():
        return
    if os.geteuid() == 0 and not shutil.which("dockerd"):  # a client alone, as some images have it
        install(PACKAGES)
    if os.geteuid() != 0:
        raise Problem(
            f"the Docker engine does not answer {os.environ.get('USER', 'you')}: start it, or join the group docker"
        )
    with step("Starting the Docker engine"):
        if Path("/run/systemd/system").is_dir():
            run(["systemctl", "start", "docker"])
        else:
            _start_dockerd()
        for _ in range(120):
            if _answers():
                return
            time.sleep(0.5)
        raise Problem(f"the Docker engine did not start: see {DOCKERD_LOG.relative_to(LAB.parent)}, or {HOW}")


def _start_dockerd() -> None:
    if not shutil.which("dockerd"):
        raise Problem(f"there is no dockerd: {HOW}")
    STATE.mkdir(mode=0o700, exist_ok=True)
    with DOCKERD_LOG.open("ab") as log:
        daemon = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    DOCKERD_PID.write_text(str(daemon.pid))


def stop_if_ours() -> None:
    """Stop the engine when `up` started it and nobody else's containers run."""
    if not DOCKERD_PID.exists():
        return
    pid = int(DOCKERD_PID.read_text())
    comm = Path(f"/proc/{pid}/comm")
    if not comm.exists() or comm.read_text().strip() != "dockerd":
        return
    if run(["docker", "ps", "-q"], check=False).stdout.strip():
        print("Other containers run: the Docker engine stays up")
        return
    with step("Stopping the Docker engine"):
        os.kill(pid, 15)
        for _ in range(100):
            if not comm.exists() or "zombie" in Path(f"/proc/{pid}/status").read_text():
                return
            time.sleep(0.2)


@lru_cache(maxsize=1)
def compose_command() -> tuple[str, ...]:
    """`docker compose` (version 2) where it exists, `docker-compose` (1.29) elsewhere."""
    plugin = run(["docker", "compose", "version"], check=False).returncode == 0
    start = ("docker", "compose") if plugin else ("docker-compose",)
    return (*start, "-p", PROJECT, "-f", str(COMPOSE_FILE))


def compose(*arguments: str) -> None:
    """Run Compose on the lab's file."""
    run([*compose_command(), *arguments])


def containers() -> dict[str, dict[str, Any]]:
    """Every container of the lab, by service, as `docker inspect` tells it."""
    ids = run(["docker", "ps", "-aq", "--filter", f"label={PROJECT_LABEL}"]).stdout.split()
    if not ids:
        return {}
    found = json.loads(run(["docker", "inspect", *ids], check=False).stdout or "[]")
    return {
        item["Config"]["Labels"][SERVICE_LABEL]: item
        for item in found
        if item["Config"]["Labels"].get("com.docker.compose.oneoff", "False") != "True"
        and BESIDE_LABEL not in item["Config"]["Labels"]
    }


def container_id(service: str) -> str:
    """The container of a service; names are never relied on."""
    found = containers().get(service)
    if not found:
        raise Problem(f"the lab has no {service}: run `python -m lab up`")
    return str(found["Id"])


def inside(service: str, *command: str, user: str = "root", stdin: bytes | None = None, check: bool = True) -> str:
    """Run a command in a service's container (as root, unless told otherwise) and give back its output."""
    options = ["-u", user] + (["-i"] if stdin is not None else [])
    return run(["docker", "exec", *options, container_id(service), *command], stdin=stdin, check=check).stdout
