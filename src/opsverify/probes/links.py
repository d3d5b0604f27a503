"""Facts about the pages that people are sent to: what they say of themselves, not the status that they say it with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

from opsverify.channels.web import Answer, WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, attempt

HTML = "an HTML page"
UNREAD = ("script", "style", "template", "noscript", "iframe", "noframes", "noembed")
INLINE = frozenset(
    """
    a abbr b bdi bdo cite code data dfn em font i kbd mark q s samp small span strong sub sup time tt u var wbr
    """.split()  # noqa: SIM905
)
LONGEST_PAGE = 1024 * 1024  # characters that are read of a page


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
    return _claim(text, body.get("database")), str(body.get("version") or "unknown")


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
    return _claim(text, told), str(number or "unknown")


def page(link: WebChannel, marker: str) -> Attempt[Page]:
    """A page as people see it."""

    def ask() -> Page:
        answer = link.page()
        return parse_page(answer, marker, tls=link.spec.url.startswith("https://"))

    return attempt(ask)


def parse_page(answer: Answer, marker: str, *, tls: bool) -> Page:
    """What a page shows; the marker is looked for in its text, entities resolved, as a person reads it."""
    redirects = answer.status in (301, 302, 303, 307, 308)
    reader = _Reader()
    try:
        # Not close(), which would take what was never ended for text, in quadratic time; a tag ends the last text.
        reader.feed(f"{answer.text[:LONGEST_PAGE]}<br>")
    except AssertionError as error:  # of html.parser, at markup that is none
        raise UnansweredError(f"the page cannot be read: {error}") from None
    return Page(
        status=answer.status,
        tls=tls,
        elsewhere=answer.headers.get("location", "nowhere") if redirects else "",
        title=_plain(reader.title)[:200],
        has_marker=_plain([marker]) in _plain(reader.text),
    )


def _plain(pieces: list[str]) -> str:
    return " ".join("".join(pieces).split())


class _Reader(HTMLParser):
    """Reads a page as a person does: its title and text, not its comments, attributes, scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.text: list[str] = []
        self._unread: list[str] = []  # the elements that are open and that nobody reads
        self._title: Literal["ahead", "open", "over"] = (
            "ahead"  # drawings in a page have titles too; the first is its own
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._unread += [tag] * (tag in UNREAD)
        if tag == "title" and self._title == "ahead":
            self._title = "open"
        self.text += [" "] * (tag not in INLINE)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)  # to a browser <script/> is <script>

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unread:
            while self._unread.pop() != tag:
                pass  # what was opened inside and never closed
        if tag == "title" and self._title == "open":
            self._title = "over"
        self.text += [" "] * (tag not in INLINE)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.text.append(data)
            self.title += [data] * (self._title == "open")


def _object(text: str) -> dict[str, object]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _claim(text: str, told: object) -> str:
    """The state in lower case; where there is none, what came instead."""
    if isinstance(told, str):
        return told.lower()
    return HTML if text.lstrip()[:1] == "<" else "no state"
