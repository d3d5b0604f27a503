"""A stand-in for Grafana 9.5: dashboards in folders, data sources and their health, for who brings a viewer's token.

It answers the questions of the suite in the shapes of the real one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = Path("/etc/stand-ins/grafana_viewer")
HEALTH = {"commit": "stand-in", "database": "ok", "version": "9.5.0"}
DASHBOARDS = {
    "tokenswap-api": ("TokenSwap API", "TokenSwap"),
    "tokenswap-trading": ("TokenSwap trading", "TokenSwap"),
    "hosts": ("Hosts and containers", "Infrastructure"),
}
SOURCES = {
    "prometheus": ("Prometheus", "prometheus", "http://prometheus:9090", "Successfully queried the Prometheus API."),
    "logs": ("Logs", "elasticsearch", "http://stand-ins:9200", "Elasticsearch data source is healthy."),
}


def search(wanted: dict[str, list[str]]) -> list[dict[str, Any]]:
    """``/api/search``."""
    rows = [
        {
            "id": number,
            "uid": uid,
            "title": title,
            "uri": f"db/{uid}",
            "url": f"/d/{uid}/{uid}",
            "slug": "",
            "type": "dash-db",
            "tags": [],
            "isStarred": False,
            "folderId": 40 + number,
            "folderUid": folder.lower(),
            "folderTitle": folder,
            "folderUrl": f"/dashboards/f/{folder.lower()}/{folder.lower()}",
            "sortMeta": 0,
        }
        for number, (uid, (title, folder)) in enumerate(DASHBOARDS.items(), start=1)
    ]
    limit, page = (int(wanted.get(name, [default])[0]) for name, default in (("limit", "1000"), ("page", "1")))
    return rows[(page - 1) * limit : page * limit]


def dashboard(uid: str) -> dict[str, Any]:
    """``/api/dashboards/uid/<uid>``: a panel with metrics, and one with the logs."""
    title, folder = DASHBOARDS[uid]
    panels = [
        {
            "id": number,
            "type": panel,
            "title": name,
            "datasource": {"type": kind, "uid": source},
            "targets": [{"refId": "A", "datasource": {"type": kind, "uid": source}}],
        }
        for number, (panel, source, (name, kind, *_)) in enumerate(
            (panel, source, SOURCES[source]) for panel, source in (("timeseries", "prometheus"), ("logs", "logs"))
        )
    ]
    builtin = {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "type": "dashboard",
    }
    found = {"uid": uid, "title": title, "schemaVersion": 37, "panels": panels, "annotations": {"list": [builtin]}}
    return {"meta": {"type": "db", "folderTitle": folder}, "dashboard": {**found, "templating": {"list": []}}}


def sources() -> list[dict[str, Any]]:
    """``/api/datasources``."""
    return [
        {
            "id": number,
            "uid": uid,
            "orgId": 1,
            "name": name,
            "type": kind,
            "typeName": name,
            "access": "proxy",
            "url": url,
            "user": "",
            "database": "",
            "basicAuth": False,
            "isDefault": number == 1,
            "jsonData": {},
            "readOnly": True,
        }
        for number, (uid, (name, kind, url, _)) in enumerate(SOURCES.items(), start=1)
    ]


def answer(path: str, authorization: str) -> tuple[int, Any] | None:
    """Status and body for a GET of path and query; None for what anybody may see."""
    url = urlsplit(path)
    if url.path == "/api/health":
        return 200, HEALTH
    if not url.path.startswith("/api/"):
        return None
    if authorization != f"Bearer {TOKEN.read_text().strip()}":
        return 401, {"message": "Unauthorized", "messageId": "auth.unauthorized", "statusCode": 401, "traceID": ""}
    found = told(url.path.split("/")[2:], parse_qs(url.query))
    return (404, {"message": "Not found", "traceID": ""}) if found is None else (200, found)


def told(asked: list[str], wanted: dict[str, list[str]]) -> Any:
    """The body for a path below ``/api/``; None where there is nothing."""
    match asked:
        case ["search"]:
            return search(wanted)
        case ["dashboards", "uid", uid] if uid in DASHBOARDS:
            return dashboard(uid)
        case ["datasources"]:
            return sources()
        case ["datasources", "uid", uid, "health"] if uid in SOURCES:
            return {"message": SOURCES[uid][3], "status": "OK"}
    return None
