"""Stand-ins for Grafana, Kibana, the status page, the docs and the pager: they answer just enough, and say so."""

from __future__ import annotations

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import traffic

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
    3000: {
        "/api/health": {"commit": "stand-in", "database": "ok", "version": "9.5.0"},
        "/": page("Grafana (stand-in)"),
    },
    5601: {"/api/status": KIBANA, "/": page("Kibana (stand-in)")},
    8081: {"/": page("TokenSwap status: all systems operational (stand-in)")},
    8082: {"/": page("TokenSwap API documentation (stand-in)")},
    8090: {"/": page("Webhook receiver (stand-in)")},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])  # type: ignore[index]

    def do_GET(self) -> None:
        found = ANSWERS[self.port].get(self.path.split("?")[0])
        if self.port == 8090 and self.path == "/hooks":
            found = {"hooks": list(HOOKS)}
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

    def answer(self, status: int, body: dict[str, Any] | str) -> None:
        html = isinstance(body, str)
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if html else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("X-Stand-In", "true")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)


def main() -> None:
    for port in ANSWERS:
        server = ThreadingHTTPServer(("0.0.0.0", port), Handler)  # noqa: S104
        threading.Thread(target=server.serve_forever, daemon=True).start()
    traffic.run()


if __name__ == "__main__":
    main()
