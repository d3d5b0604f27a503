"""What the world sees: the pages that the manual links to, the name server, and the way to the API."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lab import deliver, engine, pki, state
from lab.faults.core import file_edited, wait_healthy
from lab.settings import SERVER_NAME, run

STAND_IN_PORTS = {"grafana": 3000, "kibana": 5601, "status": 8081, "docs": 8082, "elasticsearch": 9200, "jaeger": 16686}
OVERRIDES = "/run/stand-ins/overrides.json"
DNS_CONF = "/etc/dnsmasq.conf"
NOWHERE = "192.0.2.1"  # an address for documentation: nobody has it


@contextlib.contextmanager
def stand_in(
    name: str,
    path: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    body: str | dict[str, Any] | list[Any] = "",
) -> Iterator[None]:
    """A stand-in (grafana, kibana, elasticsearch, jaeger, status, docs) answers otherwise on one path.

    ``body`` is text, or an object for JSON.
    """
    before = engine.inside("stand-ins", "sh", "-c", f"cat {OVERRIDES} 2>/dev/null || echo {{}}")
    answer = {"status": status, "headers": dict(headers or {}), "body": body}
    _override(json.dumps({**json.loads(before), f"{STAND_IN_PORTS[name]} {path}": answer}))
    try:
        yield
    finally:
        _override(before)


def _override(text: str) -> None:
    write = f"cat > {OVERRIDES}.new && mv {OVERRIDES}.new {OVERRIDES}"
    engine.inside("stand-ins", "sh", "-c", write, stdin=text.encode())


@contextlib.contextmanager
def stand_in_certificate(name: str, *, names: tuple[str, ...] = (), days: float = 90) -> Iterator[None]:
    """A stand-in serves another certificate: for other names, or (below zero days) one that has expired."""
    begins = datetime.now(UTC) - timedelta(days=90) if days < 0 else None
    text, key = pki.issue(pki.load_issuer(state.CA), list(names or state.CERTIFICATES[name]), days, begins=begins)
    right = deliver.link_certificate(name)
    deliver.put([deliver.replaced(each, key if each.path.endswith(".key") else text) for each in right])
    try:
        yield
    finally:
        deliver.put(right)


@contextlib.contextmanager
def no_mail() -> Iterator[None]:
    """The name server knows of no mail server for the domain, and says so without an error."""
    record = f"mx-host={SERVER_NAME.removeprefix('api.')},"
    try:
        with file_edited("dns", DNS_CONF, record, f"# {record}"):
            _restart_dns()
            yield
    finally:
        _restart_dns()


def _restart_dns() -> None:
    run(["docker", "restart", "-t", "5", engine.container_id("dns")])  # it reads its configuration at the start only
    wait_healthy("dns")


def cut_off() -> contextlib.AbstractContextManager[None]:
    """From outside the API's name leads nowhere, while the published port answers."""
    local = "127.0.0.1\tlocalhost"
    return file_edited("blackbox", "/etc/hosts", local, f"{local}\n{NOWHERE}\t{SERVER_NAME}")
