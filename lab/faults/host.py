"""The host: its firewall, ports, disk and files."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab import engine

RUNS = "/var/lib/tokenswap/runs"


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


@contextlib.contextmanager
def file_saved(path: str, do: str = "true") -> Iterator[None]:
    """A command does something to a file of the host, which then is put back with its owner, mode and times."""
    saved = f"/run/saved-{secrets.token_hex(4)}"
    engine.inside("node", "cp", "-a", path, saved)
    try:
        engine.inside("node", "sh", "-c", do)
        yield
    finally:
        engine.inside("node", "sh", "-c", f"rm -rf {path} && mv {saved} {path}")


@contextlib.contextmanager
def _last_run(script: str, change: Mapping[str, object]) -> Iterator[None]:
    """The record of a script's last run says something else."""
    path = f"{RUNS}/{script.removesuffix('.sh')}.jsonl"
    with file_saved(path):
        *earlier, last = engine.inside("node", "cat", path).splitlines()
        record = json.dumps({**json.loads(last), **change}, separators=(",", ":"))
        text = "".join(f"{line}\n" for line in (*earlier, record))
        engine.inside("node", "sh", "-c", f"cat > {path}", stdin=text.encode())
        yield


def run_aged(script: str, hours: float) -> contextlib.AbstractContextManager[None]:
    """The last recorded run of a script ended so many hours ago."""
    ended = datetime.now(UTC) - timedelta(hours=hours)
    started = ended - timedelta(seconds=1)
    return _last_run(script, {"started": f"{started:%Y-%m-%dT%H:%M:%SZ}", "finished": f"{ended:%Y-%m-%dT%H:%M:%SZ}"})


def run_failed(script: str) -> contextlib.AbstractContextManager[None]:
    """The last recorded run of a script failed."""
    return _last_run(script, {"rc": 1})


@contextlib.contextmanager
def memory_taken(share: float) -> Iterator[None]:
    """This share of the machine's memory, which is the host's too, is in use by a process."""
    size = int(share * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    hoard = mmap.mmap(-1, size)
    try:
        for page in range(0, size, os.sysconf("SC_PAGE_SIZE")):
            hoard[page] = 1
        yield
    finally:
        hoard.close()


def memory_available() -> float:
    """The share of the machine's memory that is available now."""
    told = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE))
    return int(told["MemAvailable"]) / int(told["MemTotal"])
