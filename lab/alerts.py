"""The lab's Alertmanager, asked and told by its own interface; and the one silence that the lab lives with."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.settings import ports

SILENCE_DAYS, RENEWED_DAYS = 10, 5
# Whoever builds and tests on the machine of the lab keeps its CPU and memory busy: these alerts are true, and known.
HOST = {"service": "node"}


def call(path: str, body: Any = None, method: str | None = None) -> Any:
    """What Alertmanager answers to a GET, or to a POST of ``body``."""
    data = None if body is None else json.dumps(body).encode()
    url = f"http://127.0.0.1:{ports()['ALERTMANAGER']}/api/v2/{path}"
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def silence(labels: Mapping[str, str], lasts: timedelta, comment: str, known: str = "") -> str:
    """Silence alerts with these labels from now on, or (``known``: its id) let a silence last longer; gives its id."""
    now = datetime.now(UTC)
    matchers = [{"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in labels.items()]
    told = {
        "matchers": matchers,
        "startsAt": now.isoformat(),
        "endsAt": (now + lasts).isoformat(),
        "createdBy": "python -m lab",
        "comment": comment,
        **({"id": known} if known else {}),
    }
    return str(call("silences", told)["silenceID"])


def keep_silence() -> None:
    """The alerts about the host are silenced, and stay so for days."""
    ours = [
        each
        for each in call("silences")
        if each["status"]["state"] == "active" and {one["name"]: one["value"] for one in each["matchers"]} == HOST
    ]
    until = datetime.now(UTC) + timedelta(days=RENEWED_DAYS)
    if not any(datetime.fromisoformat(each["endsAt"]) > until for each in ours):
        silence(HOST, timedelta(days=SILENCE_DAYS), "the machine of the lab is busy with building and testing")
