"""The lab's change records: invented people, and the images and configuration that really run, by their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from lab import engine, images
from lab.settings import SERVICES

REDIS_CONF = "/etc/tokenswap/redis/redis.conf"  # as the node sees it
RELEASED = "tokenswap-api"

RECORD = """\
# Of the lab; `python -m lab up` writes it anew.
id = "{id}"
class = "{class_}"
reason = "{reason}"
summary = "{summary}"
areas = ["{area}"]

[request]
number = "LAB-{number}"
by = "Jonas Brandt"
at = {requested}
"""
STEPS = """
[assessment]
impact = "{impact}"
risk = "The API may not come up again; then it goes back to what ran before"
by = "Jonas Brandt"
at = {assessed}

[test]
environment = "staging"
passed = true
result = "Every check of the suite was green afterwards"
by = "Tomasz Wieczorek"
at = {tested}
artefact = "{artefact}"
sha256 = "{sha256}"

[approval]
by = "Mara Lindqvist"
at = {approved}

[window]
from = {opens}
to = {closes}

[execution]
by = "Tomasz Wieczorek"
from = {begun}
to = {done}

[verification]
passed = true
result = "Every check of the suite is green"
by = "Tomasz Wieczorek"
at = {verified}

[documentation]
none_needed = "The manual says nothing of it that has changed"

[rollback]
plan = "rollback.sh, for each service that the change touches"
script = "/opt/tokenswap/scripts/rollback.sh"
"""
RUNNING = """
[[running]]
service = "{service}"
image = "{image}"
"""


@dataclass(frozen=True)
class Done:
    """A change that was carried out so many days ago; ``approved_after`` its begin (an emergency's may be positive)."""

    number: int
    class_: str
    reason: str
    area: str
    summary: str
    impact: str
    days_ago: float
    approved_after: timedelta = timedelta(hours=-20)


BROUGHT_UP = Done(1, "standard", "feature", "health", "The stack is set up", "Everything", 20)
CONFIGURED = Done(2, "routine", "configuration", "performance", "A bound on the memory of Redis", "The cache", 9)
MENDED = Done(
    3,
    "emergency",
    "security-fix",
    "security",
    "nginx without a security hole",
    "All requests, for a second",
    5,
    timedelta(hours=2),
)
RELEASE = Done(4, "standard", "feature", "health", "A release of the API", "All requests, for some seconds", 3)
PLANNED = ("routine", "monitoring-rules", "alerting", "An alert for a full disk of backups")


def write(folder: Path, now: datetime) -> None:
    """Write the records and the results of their tests below ``folder``, from what runs in the lab now."""
    found = engine.containers()
    running = {service: str(found[service]["Image"]) for service in SERVICES}
    former = images.previous(RELEASED)
    digest = engine.inside("node", "sha256sum", REDIS_CONF).split()[0]
    brought = {**running, RELEASED: former}
    config = {"redis": f'config = {{ "{REDIS_CONF}" = "{digest}" }}\n'}
    first = dict.fromkeys(SERVICES, "config = {}\n") | config  # of the others it lies in the image
    texts = {
        BROUGHT_UP: _record(folder, BROUGHT_UP, now) + _running(brought, first),
        CONFIGURED: _record(folder, CONFIGURED, now) + _running({"redis": running["redis"]}, config),
        MENDED: _record(folder, MENDED, now) + _running({"nginx": running["nginx"]}),
        RELEASE: _record(folder, RELEASE, now)
        + f'images = {{ "{RELEASED}" = "{former}" }}\n'
        + _running({RELEASED: running[RELEASED]}),
    }
    records = folder / "changes"
    records.mkdir(exist_ok=True)
    for change, text in texts.items():
        (records / f"{_id(change.number)}.toml").write_text(text, encoding="utf-8")
    class_, reason, area, summary = PLANNED
    planned = {"class_": class_, "reason": reason, "area": area, "summary": summary}
    text = RECORD.format(id=_id(5), number=5, requested=_at(now - timedelta(days=1)), **planned)
    (records / f"{_id(5)}.toml").write_text(text, encoding="utf-8")


def _id(number: int) -> str:
    return f"CHG-LAB-{number:04}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _record(folder: Path, change: Done, now: datetime) -> str:
    """A record with all of its steps, and the file with the result of its test."""
    begun = now - timedelta(days=change.days_ago)
    artefact = folder / "evidence" / f"{_id(change.number)}-test.txt"
    artefact.parent.mkdir(parents=True, exist_ok=True)
    artefact.write_text(f"{change.summary}: every check green on staging, {begun:%Y-%m-%d}\n", encoding="utf-8")
    times = {
        "requested": begun - timedelta(days=3),
        "assessed": begun - timedelta(days=2),
        "tested": begun - timedelta(days=1),
        "approved": begun + change.approved_after,
        "opens": begun - timedelta(minutes=5),
        "begun": begun,
        "done": begun + timedelta(minutes=6),
        "verified": begun + timedelta(minutes=20),
        "closes": begun + timedelta(minutes=55),
    }
    return (RECORD + STEPS).format(
        id=_id(change.number),
        number=change.number,
        class_=change.class_,
        reason=change.reason,
        area=change.area,
        summary=change.summary,
        impact=change.impact,
        artefact=artefact.relative_to(folder),
        sha256=hashlib.sha256(artefact.read_bytes()).hexdigest(),
        **{name: _at(moment) for name, moment in times.items()},
    )


def _running(services: Mapping[str, str], config: Mapping[str, str] = MappingProxyType({})) -> str:
    """What runs since, as TOML: the image of each service, and its configuration where it has one on the host."""
    return "".join(
        RUNNING.format(service=service, image=image) + config.get(service, "") for service, image in services.items()
    )
