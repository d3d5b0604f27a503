"""What Prometheus and Alertmanager of the lab are doing, and waiting until they do what they are there for."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from lab.settings import Problem, ports


def asked(port: str, path: str) -> Any:
    """The answer of a server of the lab, by the name of its port; an empty table when there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports()[port]}{path}", timeout=10) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return {}


def targets(job: str = "") -> list[dict[str, Any]]:
    """The active targets of Prometheus (of one job), as it tells them."""
    found = asked("PROMETHEUS", "/api/v1/targets").get("data", {}).get("activeTargets", [])
    return [each for each in found if job in ("", each["labels"]["job"])]


def up(job: str = "", instance: str = "") -> bool:
    """Whether all targets (of one job) are up, and are this instance."""
    found = targets(job)
    return bool(found) and all(
        each["health"] == "up" and instance in ("", each["labels"]["instance"]) for each in found
    )


def rules() -> list[tuple[str, dict[str, Any]]]:
    """Every rule of Prometheus with the name of its group."""
    groups = asked("PROMETHEUS", "/api/v1/rules").get("data", {}).get("groups", [])
    return [(group["name"], rule) for group in groups for rule in group["rules"]]


def alerts() -> set[str]:
    """The names of the alerts that Alertmanager has."""
    return {each["labels"]["alertname"] for each in asked("ALERTMANAGER", "/api/v2/alerts") or []}


def settle(seconds: float = 60) -> None:
    """Wait until targets are scraped, rules evaluated, and the alert that always fires has arrived.

    Raises:
        Problem: that takes longer.
    """
    until = time.monotonic() + seconds
    while waiting := _waits_for():
        if time.monotonic() > until:
            raise Problem(f"{waiting} after {seconds:.0f} s: see the targets and rules of Prometheus")
        time.sleep(0.25)


def _waits_for() -> str:
    if not up():
        return "not all targets of Prometheus are up"
    if {rule["health"] for name, rule in rules() if name == "tokenswap"} != {"ok"}:
        return "not all alert rules are evaluated"
    return "" if "Watchdog" in alerts() else "no alert has reached Alertmanager"
