"""A stand-in for Jaeger's query service: a trace for each of the last requests of the customers, as they took it.

No collector is behind it: nginx and the API send no spans. It answers in the shape of the real one.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import Any
from urllib.parse import parse_qs, urlsplit

SERVICE = "tokenswap-api"
TRACES: deque[dict[str, Any]] = deque(maxlen=200)


def record(method: str, path: str, began: float, seconds: float) -> None:
    """Keep a request that was answered; ``began`` in seconds since 1970."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    TRACES.append(
        {
            "traceID": trace,
            "spans": [
                {
                    "traceID": trace,
                    "spanID": span,
                    "flags": 1,
                    "operationName": f"{method} {path}",
                    "references": [],
                    "startTime": int(began * 1_000_000),
                    "duration": int(seconds * 1_000_000),
                    "tags": [{"key": "span.kind", "type": "string", "value": "server"}],
                    "logs": [],
                    "processID": "p1",
                    "warnings": None,
                }
            ],
            "processes": {"p1": {"serviceName": SERVICE, "tags": [{"key": "stand-in", "type": "bool", "value": True}]}},
            "warnings": None,
        }
    )


def answer(path: str) -> tuple[int, Any]:
    """Status and body for a GET of path and query."""
    url = urlsplit(path)
    asked = parse_qs(url.query)
    shape: dict[str, Any] = {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": None}
    if url.path == "/api/services":
        return 200, {**shape, "data": [SERVICE], "total": 1}
    if url.path != "/api/traces":
        return 404, {**shape, "errors": [{"code": 404, "msg": "not found"}]}
    if "service" not in asked:
        return 400, {**shape, "errors": [{"code": 400, "msg": "parameter 'service' is required"}]}
    two_days_ago = (time.time() - 2 * 86400) * 1_000_000
    young = [each for each in tuple(TRACES) if each["spans"][0]["startTime"] > two_days_ago]
    found = young[-int(asked.get("limit", ["100"])[0]) :] if asked["service"] == [SERVICE] else []
    return 200, {**shape, "data": found[::-1]}
