"""Facts about the pages that people are sent to: what they say of themselves, not the status that they say it with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape

from opsverify.channels.web import Answer, WebChannel
from opsverify.probes import Attempt, attempt

HTML = "an HTML page"


@dataclass(frozen=True)
class State:
    """An answer of a status interface: HTTP status, and the state that its body claims (or what it is instead)."""

    status: int
    claims: str
    version: str


@dataclass(frozen=True)
class Page:
    """A page after its redirects: HTTP status, whether it came over TLS, where it sends people, title, its marker.

    ``elsewhere`` is the address of another host that it redirects to, empty when it stays on its own.
    """

    status: int
    tls: bool
    elsewhere: str
    title: str
    has_marker: bool


def grafana(link: WebChannel) -> Attempt[State]:
    """What Grafana says of its database, by GET /api/health."""

    def ask() -> State:
        answer = link.get("/api/health")
        return State(answer.status, *parse_grafana(answer.text))

    return attempt(ask)


def parse_grafana(text: str) -> tuple[str, str]:
    """The state of the database and Grafana's version, from /api/health."""
    body = _object(text)
    return _claim(text, body, body.get("database")), str(body.get("version", "unknown"))


def kibana(link: WebChannel) -> Attempt[State]:
    """The overall state that Kibana reports, by GET /api/status."""

    def ask() -> State:
        answer = link.get("/api/status")
        return State(answer.status, *parse_kibana(answer.text))

    return attempt(ask)


def parse_kibana(text: str) -> tuple[str, str]:
    """The overall state and Kibana's version, from /api/status: ``state`` of 7.x, ``level`` of 8.x."""
    body = _object(text)
    status, version = body.get("status"), body.get("version")
    overall = status.get("overall") if isinstance(status, dict) else None
    told = overall.get("level", overall.get("state")) if isinstance(overall, dict) else None
    number = version.get("number") if isinstance(version, dict) else None
    return _claim(text, body, told), str(number or "unknown")


def page(link: WebChannel, marker: str) -> Attempt[Page]:
    """A page as people see it."""

    def ask() -> Page:
        answer = link.page()
        return parse_page(answer, marker, tls=link.spec.url.startswith("https://"))

    return attempt(ask)


def parse_page(answer: Answer, marker: str, *, tls: bool) -> Page:
    """What a page shows; the marker is looked for in its text, entities resolved, as a person reads it."""
    redirects = answer.status in (301, 302, 303, 307, 308)
    title = re.search(r"<title[^>]*>(.*?)</title>", answer.text[:65536], re.IGNORECASE | re.DOTALL)
    return Page(
        status=answer.status,
        tls=tls,
        elsewhere=answer.headers.get("location", "nowhere") if redirects else "",
        title=" ".join(unescape(title[1]).split())[:200] if title else "",
        has_marker=marker in unescape(answer.text),
    )


def _object(text: str) -> dict[str, object]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _claim(text: str, body: dict[str, object], told: object) -> str:
    """The state in lower case; where there is none, what came instead."""
    if isinstance(told, str):
        return told.lower()
    if body:
        return "no state"
    return HTML if text.lstrip()[:1] == "<" else "no JSON"
