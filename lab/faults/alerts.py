"""Alerts that fire, silences, and the configurations of Alertmanager and of Prometheus' rules."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex

from lab import alerts, engine
from lab.faults.core import wait_until
from lab.settings import ports

ALERTMANAGER_YML = "/etc/alertmanager/alertmanager.yml"
RULES_YML = "/etc/prometheus/rules.yml"


def unnamed() -> str:
    """A name that no alert had before: Alertmanager remembers silences for days."""
    return f"Lab{token_hex(4)}"


@contextlib.contextmanager
def alert(name: str, severity: str, minutes: float, service: str = "lab") -> Iterator[None]:
    """An alert has been firing for so many minutes."""
    labels = {"alertname": name, "severity": severity, "service": service, "cluster": "lab"}
    began = datetime.now(UTC) - timedelta(minutes=minutes)

    def told(until: datetime) -> None:
        alerts.call("alerts", [{"labels": labels, "startsAt": began.isoformat(), "endsAt": until.isoformat()}])

    def fires() -> bool:
        return any(each["labels"]["alertname"] == name for each in alerts.call("alerts"))

    told(datetime.now(UTC) + timedelta(minutes=30))
    try:
        wait_until(fires, f"{name} fires")
        yield
    finally:
        told(datetime.now(UTC))
        wait_until(lambda: not fires(), f"{name} fires no more")


@contextlib.contextmanager
def silence(name: str) -> Iterator[None]:
    """Alerts of a name are silenced from now on."""
    made = alerts.silence({"alertname": name}, timedelta(minutes=30), "a test")
    try:
        yield
    finally:
        alerts.call(f"silence/{made}", method="DELETE")


@contextlib.contextmanager
def routes_edited(*changes: tuple[str, str]) -> Iterator[None]:
    """Alertmanager is configured otherwise, and has read it."""

    def as_told() -> str:
        return str(alerts.call("status")["config"]["original"])

    with _edited("alertmanager", ALERTMANAGER_YML, changes, as_told):
        yield


@contextlib.contextmanager
def alert_rules_edited(*changes: tuple[str, str]) -> Iterator[None]:
    """Prometheus' rules are others, and every one of them has been evaluated."""

    def rules() -> list[dict[str, object]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports()['PROMETHEUS']}/api/v1/rules", timeout=10) as answer:
            return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]

    def as_told() -> str:
        return json.dumps([[each["name"], each["query"], each["labels"]] for each in rules()])

    def evaluated() -> None:
        wait_until(lambda: all(each["health"] == "ok" for each in rules()), "the rules are evaluated")

    with _edited("prometheus", RULES_YML, changes, as_told):
        evaluated()
        yield
    evaluated()


@contextlib.contextmanager
def _edited(
    service: str, path: str, changes: tuple[tuple[str, str], ...], as_told: Callable[[], str]
) -> Iterator[None]:
    before = engine.inside(service, "cat", path)
    after = before
    for old, new in changes:
        if old not in after:
            raise ValueError(f"{service}:{path} does not contain {old!r}")
        after = after.replace(old, new)
    told = as_told()

    def write(text: str, read: Callable[[], bool]) -> None:
        engine.inside(service, "sh", "-c", f"cat > {path}", stdin=text.encode())
        engine.inside(service, "kill", "-HUP", "1")
        wait_until(read, f"{service} has read {path}")

    try:
        write(after, lambda: as_told() != told)
        yield
    finally:
        write(before, lambda: as_told() == told)
