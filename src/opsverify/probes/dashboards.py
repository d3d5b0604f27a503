"""Facts from Grafana: the dashboards that an account sees, and what its data sources say of their health."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes import about

PAGE = 1000  # dashboards in one answer: Grafana's own default
MOST_PAGES = 10
MOST_SOURCES = 200
UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True)
class Source:
    """A data source: its name and kind, and its health: ``OK``, or what it says instead.

    ``untold`` says why its health cannot be told: it has no such check, or the account may not ask.
    """

    name: str
    kind: str
    health: str
    untold: str = ""


def titles(link: WebChannel) -> tuple[str, ...]:
    """The titles of all dashboards that the account sees.

    Raises:
        UnansweredError: Grafana does not answer as it should, or has more than `MOST_PAGES` pages of them.
    """
    found: list[str] = []
    for page in range(1, MOST_PAGES + 1):
        told = parse_titles(_ask(link, "/api/search", {"type": "dash-db", "limit": str(PAGE), "page": str(page)}))
        found += told
        if len(told) < PAGE:
            return tuple(sorted(found))
    raise UnansweredError(f"link {link.target}: more than {MOST_PAGES * PAGE} dashboards")


def parse_titles(text: str) -> tuple[str, ...]:
    """The titles of /api/search; folders, which older versions list too when they are asked otherwise, are none.

    Raises:
        UnansweredError: it is no such answer.
    """
    try:
        return tuple(_text(each["title"]) for each in _list(text) if _text(each["type"]) == "dash-db")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no list of dashboards: {error!r}"[:300]) from None


def sources(link: WebChannel) -> tuple[Source, ...]:
    """All data sources, each with what it says when Grafana asks it for its health.

    Raises:
        UnansweredError: Grafana does not answer as it should, or has more than `MOST_SOURCES` of them.
        UnreachableError: it answers no more.
    """
    listed = parse_sources(_ask(link, "/api/datasources", {}))
    if len(listed) > MOST_SOURCES:
        raise UnansweredError(f"link {link.target}: {len(listed)} data sources, more than {MOST_SOURCES}")
    return tuple(_source(link, *each) for each in listed)


def parse_sources(text: str) -> tuple[tuple[str, str, str], ...]:
    """Name, kind and uid of the data sources of /api/datasources.

    Raises:
        UnansweredError: it is no such answer, or an uid is not of the form that Grafana allows.
    """
    try:
        found = tuple((_text(each["name"]), _text(each["type"]), _text(each["uid"])) for each in _list(text))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no list of data sources: {error!r}"[:300]) from None
    for name, _, uid in found:
        if not UID.fullmatch(uid):
            raise UnansweredError(f"data source {name!r} has a uid that none can have: {uid!r}"[:300])
    return found


def _source(link: WebChannel, name: str, kind: str, uid: str) -> Source:
    try:
        answer = link.get(f"/api/datasources/uid/{uid}/health")
    except UnreachableError:
        raise
    except UnansweredError as error:
        return Source(name, kind, "", str(error))
    return Source(name, kind, *parse_health(answer.status, answer.text))


def parse_health(status: int, text: str) -> tuple[str, str]:
    """The health that a data source tells, or (in its place) why it cannot be told.

    A data source says ``OK`` with status 200 and ``ERROR`` with 400. Grafana itself says 404 where the data source has
    no such check, 401 or 403 where the account may not ask, and 500 where the check ended without an answer.
    """
    try:
        told = json.loads(text)
        said = told.get("status") if isinstance(told.get("status"), str) else None
        message = " ".join(str(told.get("message") or "")[:200].split())
    except (ValueError, AttributeError, RecursionError):
        return "", f"status {status}, and no health in the answer: {text[:60]!r}"
    if said is not None and status in (200, 400):
        return (said, "") if said == "OK" and status == 200 else (f"{said}: {message}", "")
    if status >= 500:
        return f"status {status}: {message}", ""
    return "", f"status {status}: {message or 'no health in the answer'}"


def _ask(link: WebChannel, path: str, parameters: dict[str, str]) -> str:
    with about(f"link {link.target}: GET {path}"):
        answer = link.get(path, parameters)
        if answer.status in (401, 403):
            raise UnansweredError(
                f"answered with status {answer.status}: the account may not ask that (token of the link)"
            )
        if answer.status != 200:
            raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
        return answer.text


def _list(text: str) -> list[Any]:
    told = json.loads(text)
    if not isinstance(told, list):
        raise TypeError("no list")
    return told


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no text: {value!r}"[:100])
    return value
