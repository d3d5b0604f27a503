"""Facts about the HTTP API: its health answer, its metrics, its WebSocket handshake."""

from __future__ import annotations

import json
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from opsverify.channels.web import WebChannel
from opsverify.probes import Attempt, attempt

HEALTHY = ("healthy", "ok")  # what a health body claims when all is well
EXPOSITION = ("text/plain", "application/openmetrics-text")


@dataclass(frozen=True)
class Health:
    """The answer to GET /health: HTTP status, the state that its body claims, seconds until it was read."""

    status: int
    claims: str
    seconds: float


@dataclass(frozen=True)
class Metrics:
    """The answer to GET /metrics; ``problem`` says why it could not be parsed."""

    status: int
    content_type: str
    families: frozenset[str]
    problem: str


def health(api: WebChannel) -> Attempt[Health]:
    """What the API says of itself, by GET with its body (HEAD and status alone prove little)."""

    def ask() -> Health:
        answer = api.get("/health")
        return Health(answer.status, parse_health(answer.text), answer.seconds)

    return attempt(ask)


def parse_health(text: str) -> str:
    """The ``status`` that a health body claims, in lower case; says so where there is none."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return "no JSON"
    claim = body.get("status") if isinstance(body, dict) else None
    return claim.lower() if isinstance(claim, str) else "no status"


def metrics(api: WebChannel) -> Attempt[Metrics]:
    """What GET /metrics exposes."""

    def ask() -> Metrics:
        answer = api.get("/metrics")
        families, problem = parse_exposition(answer.text)
        return Metrics(answer.status, answer.headers.get("content-type", "none"), families, problem)

    return attempt(ask)


def parse_exposition(text: str) -> tuple[frozenset[str], str]:
    """The names of metric families in an exposition, and why it could not be parsed (empty when it could)."""
    names: set[str] = set()
    try:
        for family in text_string_to_metric_families(text):
            # The parser drops a counter's "_total"; both spellings are the same family.
            names |= {family.name, f"{family.name}_total"} if family.type == "counter" else {family.name}
    except (ValueError, KeyError, IndexError) as error:
        return frozenset(), f"no exposition format: {error}"
    return frozenset(names), ""


def handshake(websocket: WebChannel) -> Attempt[tuple[int, str]]:
    """HTTP status and ``Upgrade`` header of a WebSocket handshake."""

    def ask() -> tuple[int, str]:
        answer = websocket.upgrade()
        return answer.status, answer.headers.get("upgrade", "").lower()

    return attempt(ask)
