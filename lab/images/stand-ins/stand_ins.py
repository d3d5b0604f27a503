"""Stand-ins for Grafana, Kibana, Elasticsearch, Jaeger, status page, docs and pager: just enough, and they say so.

All but Elasticsearch, Jaeger and the pager speak TLS. A test may have them answer otherwise: OVERRIDES, read at every
request, holds {"8081 /": {"status": 503, "headers": {"X-Name": "value"}, "body": "text, or an object for JSON"}}.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import elasticsearch
import grafana
import jaeger
import traffic

OVERRIDES = Path("/run/stand-ins/overrides.json")
CERTIFICATES = {
    port: f"/etc/stand-ins/{name}"
    for port, name in ((3000, "grafana"), (5601, "kibana"), (8081, "status"), (8082, "docs"))
}
HOOKS: deque[dict[str, Any]] = deque(maxlen=200)
KIBANA = {
    "name": "kibana",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "version": {"number": "7.17.0", "build_snapshot": False},
    "status": {
        "overall": {"state": "green", "title": "Green", "nickname": "Looking good", "icon": "success"},
        "statuses": [{"id": "core:elasticsearch@7.17.0", "message": "stand-in", "state": "green"}],
    },
}


def page(title: str) -> str:
    return (
        f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1>'
        "<p>This is a stand-in of the lab, not the real thing.</p></html>"
    )


ANSWERS: dict[int, dict[str, dict[str, Any] | str]] = {
    3000: {"/": page("Grafana (stand-in)")},
    5601: {"/api/status": KIBANA, "/": page("Kibana (stand-in)")},
    8081: {"/": page("TokenSwap status: all systems operational (stand-in)")},
    8082: {"/": page("TokenSwap API documentation (stand-in)")},
    8090: {"/": page("Webhook receiver (stand-in)")},
    9200: {},
    16686: {},
}


def overridden(port: int, path: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = json.loads(OVERRIDES.read_text()).get(f"{port} {path}")
        return found
    except FileNotFoundError:
        return None


class TlsServer(ThreadingHTTPServer):
    """The certificate is read anew for every connection, for tests swap it; no slow handshake holds up the others."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate = CERTIFICATES[self.server_address[1]]
        context.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
        request.settimeout(30)
        try:
            with context.wrap_socket(request, server_side=True) as encrypted:
                super().finish_request(encrypted, client_address)
        except OSError:  # a client that does not like the certificate, or has gone
            pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: the second would wait for an acknowledgement

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])  # type: ignore[index]

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if other := overridden(self.port, path):
            self.answer(other["status"], other["body"], other["headers"])
            return
        found = ANSWERS[self.port].get(path)
        if self.port == 8090 and self.path == "/hooks":
            found = {"hooks": list(HOOKS)}
        if self.port == 9200 and path != "/ping":
            self.answer(*elasticsearch.answer(self.path), elasticsearch.HEADERS)
            return
        if self.port == 16686 and path != "/ping":
            self.answer(*jaeger.answer(self.path))
            return
        if self.port == 3000 and (told := grafana.answer(self.path, self.headers.get("Authorization", ""))):
            self.answer(*told)
            return
        if path == "/ping":  # for the health check, which asks what no test overrides
            found = "pong"
        if found is None:
            self.answer(404, {"error": "not found"})
        else:
            self.answer(200, found)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            hook = {"path": self.path, "body": json.loads(body)}
        except ValueError:
            self.answer(400, {"error": "not JSON"})
            return
        if self.port == 8090:
            HOOKS.append(hook)
            self.answer(200, {"ok": True})
        else:
            self.answer(405, {"error": "read only"})

    def answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        html = isinstance(body, str)
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        sent = {
            "Content-Type": "text/html; charset=utf-8" if html else "application/json",
            "Content-Length": str(len(raw)),
            "X-Stand-In": "true",
            **(headers or {}),
        }
        self.send_response(status)
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)


def main() -> None:
    for port in ANSWERS:
        kind = TlsServer if port in CERTIFICATES else ThreadingHTTPServer
        server = kind(("0.0.0.0", port), Handler)  # noqa: S104
        threading.Thread(target=server.serve_forever, daemon=True).start()
    traffic.run()


if __name__ == "__main__":
    main()
