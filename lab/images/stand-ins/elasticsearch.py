"""A stand-in for Elasticsearch 7.17: an index of logs for each of the last 35 days, and the policy that deletes them.

It answers the questions of the suite in the shapes of the real one, and says so in its cluster's name.
"""

from __future__ import annotations

import fnmatch
import time
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

DAYS = 35
POLICY = "tokenswap-logs"
HEADERS = {"X-elastic-product": "Elasticsearch"}
DAY = 86400
STORED = 422_502  # bytes of an index


def indices() -> dict[str, float]:
    """When the index of each day was created, in seconds since 1970."""
    midnight = time.time() // DAY * DAY
    days = [midnight - back * DAY for back in range(DAYS, -1, -1)]
    return {time.strftime("tokenswap-logs-%Y.%m.%d", time.gmtime(day)): day for day in days}


def documents(created: float) -> int:
    """Made up, but the same whenever it is asked for a day that is over."""
    return 1400 + int(created // DAY) * 7 % 90


def health() -> dict[str, Any]:
    """``_cluster/health``: as of one node, whose replicas have nowhere to go but are none."""
    shards = len(indices())
    return {
        "cluster_name": "stand-in",
        "status": "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": shards,
        "active_shards": shards,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    }


def cat(pattern: str, wanted: str, in_bytes: bool) -> list[dict[str, Any]]:
    """``_cat/indices?format=json``: all values are text."""
    size = str(STORED) if in_bytes else f"{STORED / 1024:.1f}kb"
    found = []
    for name, created in indices().items():
        if fnmatch.fnmatch(name, pattern):
            row = {
                "health": "green",
                "status": "open",
                "index": name,
                "uuid": f"stand-in-{name[-10:].replace('.', '')}",
                "pri": "1",
                "rep": "0",
                "docs.count": str(documents(created)),
                "docs.deleted": "0",
                "store.size": size,
                "pri.store.size": size,
            }
            columns = wanted.split(",") if wanted else list(row)
            found.append({column: row[column] for column in columns if column in row})
    return found


def allocation() -> list[dict[str, Any]]:
    """``_cat/allocation?format=json&bytes=b``; a stand-in has a disk of which a quarter is in use."""
    total, used = 50 * 2**30, 12 * 2**30
    return [
        {"shards": str(DAYS + 1), "disk.total": str(total), "disk.used": str(used), "disk.avail": str(total - used)}
        | {"disk.percent": "24", "host": "127.0.0.1", "ip": "127.0.0.1", "node": "stand-in"}
    ]


def explained(pattern: str) -> dict[str, Any]:
    """``_ilm/explain``."""
    found = {}
    for name, created in indices().items():
        if fnmatch.fnmatch(name, pattern):
            millis = int(created * 1000)
            found[name] = {
                "index": name,
                "managed": True,
                "policy": POLICY,
                "lifecycle_date_millis": millis,
                "age": f"{(time.time() - created) / DAY:.2f}d",
                "phase": "hot",
                "phase_time_millis": millis,
                "action": "complete",
                "action_time_millis": millis,
                "step": "complete",
                "step_time_millis": millis,
            }
    return {"indices": found}


def policy(name: str) -> tuple[int, dict[str, Any]]:
    """``_ilm/policy/<name>``."""
    if name != POLICY:
        reason = f"Lifecycle policy not found: {name}"
        error = {"type": "resource_not_found_exception", "reason": reason}
        return 404, {"error": {"root_cause": [error], **error}, "status": 404}
    phases = {
        "hot": {"min_age": "0ms", "actions": {"set_priority": {"priority": 100}}},
        "delete": {"min_age": f"{DAYS}d", "actions": {"delete": {"delete_searchable_snapshot": True}}},
    }
    return 200, {name: {"version": 1, "modified_date": "2026-09-01T08:00:00.000Z", "policy": {"phases": phases}}}


def answer(path: str) -> tuple[int, Any]:
    """Status and body for a GET of path and query."""
    url = urlsplit(path)
    asked, query = unquote(url.path).strip("/").split("/"), parse_qs(url.query)
    match asked:
        case [""] | ["_cluster", "health"]:
            about = {"name": "stand-in", "cluster_name": "stand-in", "version": {"number": "7.17.0"}}
            return 200, health() if asked[0] else about
        case ["_cat", "indices", pattern] | ["_cat", "allocation" as pattern]:
            sizes = query.get("bytes") == ["b"]
            return 200, allocation() if asked[1] == pattern else cat(pattern, query.get("h", [""])[0], sizes)
        case [pattern, "_ilm", "explain"]:
            return 200, explained(pattern)
        case ["_ilm", "policy", name]:
            return policy(name)
        case [index, "_count"] if index in indices():
            count = documents(indices()[index])
            count = count // 10 if query.get("q") == ['level:"DEBUG"'] else count
            return 200, {"count": count, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}
    reason = f"no such index [{asked[0]}]"
    error = {"type": "index_not_found_exception", "reason": reason, "index": asked[0]}
    return 404, {"error": {"root_cause": [error], **error}, "status": 404}
