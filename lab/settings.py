"""Names, places and ports of the lab, and the two ways it talks to its user: a step and a problem."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

LAB = Path(__file__).resolve().parent
IMAGES = LAB / "images"
STATE = LAB / ".state"
COMPOSE_FILE = LAB / "compose.yaml"

PROJECT = "tokenswap-lab"
PROJECT_LABEL = f"com.docker.compose.project={PROJECT}"
SERVICE_LABEL = "com.docker.compose.service"
SERVICES = (
    "node",
    "nginx",
    "tokenswap-api",
    "postgres",
    "postgres-replica",
    "redis",
    "prometheus",
    "alertmanager",
    "node-exporter",
    "postgres-exporter",
    "blackbox",
    "price-feed",
    "stand-ins",
    "dns",
    "offsite",
)
SERVER_NAME = "api.tokenswap.io"
LINKS = {name: f"{name}.tokenswap.io" for name in ("grafana", "kibana", "status", "docs")}

DEFAULT_PORTS = {
    "SSH": 12222,
    "HTTP": 18080,
    "HTTPS": 18443,
    "POSTGRES": 15432,
    "REDIS": 16379,
    "PROMETHEUS": 19090,
    "ALERTMANAGER": 19093,
    "GRAFANA": 13001,
    "KIBANA": 15601,
    "STATUS": 18081,
    "DOCS": 18082,
    "ELASTICSEARCH": 19200,
    "JAEGER": 16686,
    "DNS": 15353,
    "BLACKBOX": 19115,
    "OFFSITE": 12223,
}


class Problem(Exception):
    """Something the user has to know, in one line that says what to do."""


def ports() -> dict[str, int]:
    """The loopback ports, each of which LAB_PORT_<NAME> may change."""
    chosen = {}
    for name, default in DEFAULT_PORTS.items():
        text = os.environ.get(f"LAB_PORT_{name}") or str(default)
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise Problem(f"LAB_PORT_{name}={text}: give a port number from 1 to 65535")
        chosen[name] = int(text)
    return chosen


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{what} …", end=" ", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - began:.1f} s", flush=True)


def run(
    command: Sequence[str], *, stdin: bytes | None = None, check: bool = True, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Run a command, keep what it says; a failure is a Problem with its last line."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise Problem(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"{' '.join(command[:4])} took longer than {timeout:.0f} s") from None
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode:
        lines = [line for line in (out + err).splitlines() if line.strip()] or ["it said nothing"]
        raise Problem(f"{' '.join(command[:4])} … ended with {done.returncode}: {lines[-1].strip()}")
    return subprocess.CompletedProcess(command, done.returncode, out, err)
