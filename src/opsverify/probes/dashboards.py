"""Facts from Grafana: the dashboards that an account sees, what they draw on, and the health of its data sources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes import about, text_of

PAGE = 1000  # dashboards in one answer: Grafana's own default
MOST_PAGES = 10
MOST_SOURCES = 200
UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
BUILT_IN = ("grafana", "__expr__", "default")  # besides those like "-- Mixed --"
VARIABLE = re.compile(r"\$\{?(\w{1,100})\b.*|\[\[(\w{1,100})\b.*", re.DOTALL)


@dataclass(frozen=True)
class Dashboard:
    """A dashboard as it is listed."""

    title: str
    uid: str


@dataclass(frozen=True)
class Drawn:
    """The data sources, each by its uid or name, that a dashboard names; ``untold`` says why that cannot be told."""

    title: str
    sources: tuple[str, ...]
    untold: str = ""


@dataclass(frozen=True)
class Source:
    """A data source: its name, kind and uid, and its health: ``OK``, or what it says instead.

    ``untold`` says why its health cannot be told: it has no such check, or the account may not ask.
    """

    name: str
    kind: str
    uid: str
    health: str
    untold: str = ""


def listed(link: WebChannel) -> tuple[Dashboard, ...]:
    """All dashboards that the account sees.

    Raises:
        UnansweredError: Grafana does not answer as it should, or has more than `MOST_PAGES` pages of them.
    """
    found: list[Dashboard] = []
    for page in range(1, MOST_PAGES + 1):
        told = parse_listed(_ask(link, "/api/search", {"type": "dash-db", "limit": str(PAGE), "page": str(page)}))
        found += told
        if len(told) < PAGE:
            return tuple(sorted(found, key=lambda each: (each.title, each.uid)))
    raise UnansweredError(f"link {link.target}: more than {MOST_PAGES * PAGE} dashboards")


def parse_listed(text: str) -> tuple[Dashboard, ...]:
    """The dashboards of /api/search; folders, which older versions list too when they are asked otherwise, are none.

    Raises:
        UnansweredError: it is no such answer.
    """
    try:
        return tuple(
            Dashboard(text_of(each["title"]), text_of(each["uid"]))
            for each in _list(text)
            if text_of(each["type"]) == "dash-db"
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no list of dashboards: {error!r}"[:300]) from None


def drawn(link: WebChannel, dashboards: Sequence[Dashboard]) -> tuple[Drawn, ...]:
    """The data sources that each of these dashboards names.

    Raises:
        UnreachableError: Grafana answers no more.
    """
    return tuple(_drawn(link, each) for each in dashboards)


def _drawn(link: WebChannel, dashboard: Dashboard) -> Drawn:
    if not UID.fullmatch(dashboard.uid):
        return Drawn(dashboard.title, (), f"a uid that none can have: {dashboard.uid!r}"[:200])
    try:
        return Drawn(dashboard.title, parse_drawn(_ask(link, f"/api/dashboards/uid/{dashboard.uid}", {})))
    except UnreachableError:
        raise
    except UnansweredError as error:
        return Drawn(dashboard.title, (), str(error))


def parse_drawn(text: str) -> tuple[str, ...]:
    """The data sources that the panels, queries, variables and annotations of a dashboard name.

    Left out are those that Grafana has built in, the default one, and whatever a variable of the dashboard stands for.
    A variable that it does not have is told as it is: nothing was put in its place when the dashboard was imported.

    Raises:
        UnansweredError: it is no dashboard.
    """
    try:
        dashboard = json.loads(text)["dashboard"]
        variables = {text_of(each["name"]) for each in (dashboard.get("templating") or {}).get("list") or []}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no dashboard: {error!r}"[:300]) from None
    named = set()
    for each in _named(dashboard):
        variable = VARIABLE.fullmatch(each)
        if variable is None or (variable[1] or variable[2]) not in variables:
            named.add(each)
    return tuple(sorted(named))


def _named(dashboard: Any) -> Iterator[str]:
    """Every data source that anything in a dashboard names, by uid or (before Grafana 8.3) by name."""
    waiting = [dashboard]
    while waiting:
        here = waiting.pop()
        if isinstance(here, list):
            waiting += here
        elif isinstance(here, dict):
            waiting += here.values()
            told = here.get("datasource")
            if isinstance(told, dict):
                told = None if told.get("type") == "__expr__" else told.get("uid")
            if isinstance(told, str) and told and told not in BUILT_IN and not told.startswith("-- "):
                yield told


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
        found = tuple((text_of(each["name"]), text_of(each["type"]), text_of(each["uid"])) for each in _list(text))
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
        return Source(name, kind, uid, "", str(error))
    return Source(name, kind, uid, *parse_health(answer.status, answer.text))


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
