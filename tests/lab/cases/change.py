"""Cases of change records, of what runs, of the way back, and of the manual itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from lab import documents, faults, images
from lab.settings import SERVICES
from tests.lab.cases.kinds import Fault, NearMiss, together
from tests.lab.cases.people import attestation

MANUAL = documents.MANUAL.name
STEPS = tuple(f"CHG-{each}-01-program" for each in ("REQ", "RISK", "TEST", "APPR", "EXEC", "VER", "DOC"))
DOCUMENTS = ("DOC-SCOPE-01-program", "DOC-LINK-01-program", "DOC-META-01-program")
GATE, BY_HAND = "CHG-RB-AUTO-01-deploy", "CHG-RB-MAN-01-rollback"
# Those of the lab that the profile does not name are parts of the scenery.
TRACED = tuple(f"CHG-TRACE-01-{each}" for each in SERVICES if each not in ("node", "stand-ins", "dns", "offsite"))
GOES_BACK = '/opt/tokenswap/scripts/rollback.sh "$service"'
RECREATES = 'recreate "$service" "$repository:latest"'

WINDOW = "[window]\nfrom = 2026-01-05T02:00:00Z\nto = 2026-01-05T03:00:00Z\n\n"

Injected = AbstractContextManager[Any]


def table(number: int, name: str, change: Callable[[str], str]) -> Injected:
    """One table of a change record is written otherwise; gone where nothing is left of it."""

    def changed(text: str) -> str:
        head, *tables = re.split(r"(?m)^(?=\[)", text)
        return head + "".join(change(each) if each.startswith(f"[{name}]") else each for each in tables)

    return faults.document(f"changes/CHG-LAB-{number:04}.toml", changed)


def gone(number: int, name: str) -> Injected:
    """A step of a change was not taken."""
    return table(number, name, lambda _: "")


def moved(number: int, name: str, hours: float, key: str = "at") -> Injected:
    """A step was taken so many hours later, or earlier."""

    def later(match: re.Match[str]) -> str:
        return f"{match[1]}{datetime.fromisoformat(match[2]) + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"

    return table(number, name, lambda text: re.sub(rf"(?m)^({key} = )(\S+)$", later, text))


def failed(number: int, name: str) -> Injected:
    """A test, or the look at the result, went badly."""
    return table(number, name, lambda text: text.replace("passed = true", "passed = false"))


def manual(old: str, new: str) -> Injected:
    """Something in the operations manual is written otherwise."""
    return faults.document(MANUAL, lambda text: text.replace(old, new, 1))


def dated(days: int) -> Injected:
    """The operations manual was last updated so many days ago."""
    day = datetime.now(UTC) - timedelta(days=days)
    return faults.document(
        MANUAL, lambda text: re.sub(r"(更新时间: )\S+日", rf"\g<1>{day.year}年{day.month}月{day.day}日", text)
    )


def script(path: str, old: str, new: str) -> Injected:
    """A script of the host is written otherwise."""
    return faults.file_edited("node", path, old, new)


def change(name: str, inject: Callable[[], Injected], *red: str, state: str = "fail") -> Fault:
    """A fault that only these checks can see; its lane is that of records, of scripts that deploy, or of the manual."""
    lane = "manual" if red[0].startswith("DOC") else "deploying" if red[0].startswith("CHG-RB") else "changes"
    return Fault(name, inject, dict.fromkeys(red, state), lane=lane)


FAULTS = [
    change(
        "a class that does not fit, self-approval, another file of a test, a change outside of its window",
        lambda: together(
            faults.record(2, ('class = "routine"', 'class = "standard"')),
            faults.record(2, ('by = "Mara Lindqvist"', 'by = " jonas  BRANDT"')),
            faults.document("evidence/CHG-LAB-0004-test.txt", lambda text: f"{text}and more\n"),
            moved(3, "window", 0.5, key="from"),
        ),
        "CHG-CLASS-01-program",
        *(STEPS[each] for each in (2, 3, 4)),
    ),
    change(
        "no request, no assessment, no test, no look at the result, no word of the documents",
        lambda: together(
            gone(1, "request"),
            gone(3, "assessment"),
            gone(2, "test"),
            gone(1, "verification"),
            gone(2, "documentation"),
        ),
        *(STEPS[each] for each in (0, 1, 2, 5, 6)),
    ),
    change(
        "execution before approval, a test that had failed, a request after the assessment, a result that is bad",
        lambda: together(
            moved(2, "approval", 21), failed(3, "test"), moved(1, "request", 25), failed(1, "verification")
        ),
        *(STEPS[each] for each in (0, 2, 3, 5)),
    ),
    change(
        "an emergency approved after more than a day, tested and assessed too late, carried out by nobody",
        lambda: together(
            moved(3, "approval", 22.2),
            moved(4, "test", 24.2),
            moved(2, "assessment", 29),
            table(1, "execution", lambda text: re.sub('by = ".*"', 'by = "TBD"', text)),
        ),
        *(STEPS[each] for each in (1, 2, 3, 4)),
    ),
    change(
        "a window of which nobody says what came, a look at the result after days, an approval by nobody",
        lambda: together(
            faults.record(5, ("[request]", f"{WINDOW}[request]")),
            moved(1, "verification", 100),
            faults.record(2, ('by = "Mara Lindqvist"', 'by = "TBD"')),
        ),
        *(STEPS[each] for each in (3, 4, 5)),
    ),
    Fault(
        "there are no change records",
        lambda: faults.document_gone("changes"),
        {"CHG-CLASS-01-program": "error", **dict.fromkeys((*STEPS, *TRACED, BY_HAND), "fail")},
        lane="changes",
    ),
    change(
        "what runs was brought by no change on record",
        lambda: faults.document_gone("changes/CHG-LAB-0004.toml"),
        "CHG-TRACE-01-tokenswap-api",
    ),
    change(
        "a container of a service runs an image that no record knows",
        lambda: faults.twin("alertmanager", say="level=info started", image=images.tag("base")),
        "CHG-TRACE-01-alertmanager",
    ),
    change(
        "the gate rolls back by docker-compose",
        lambda: script(faults.DEPLOY, GOES_BACK, "docker-compose rollback"),
        GATE,
    ),
    change(
        "the gate asks for something else than health",
        lambda: script(faults.DEPLOY, "tokenswap.io/health", "tokenswap.io/metrics"),
        GATE,
    ),
    change(
        "the gate does not notice that the API is unhealthy, and nobody has drilled it",
        lambda: together(
            script(faults.DEPLOY, "curl -fsS -m 5", "curl -sS -o /dev/null -m 5"),
            script(faults.DEPLOY, """ | grep -q '"status":"healthy"'""", ""),
            attestation("CHG-RB-AUTO-01", None),
        ),
        GATE,
    ),
    change(
        "the gate throws away what health says",
        lambda: script(faults.DEPLOY, " && return 0", " || true"),
        GATE,
    ),
    change(
        "the gate goes back in a branch that is never reached",
        lambda: script(faults.DEPLOY, GOES_BACK, f"if false; then {GOES_BACK}; fi"),
        GATE,
    ),
    change(
        "the rollback script rolls back by docker-compose",
        lambda: script(faults.ROLLBACK, RECREATES, 'docker-compose rollback "$service"'),
        GATE,
        BY_HAND,
    ),
    change("the rollback script does nothing", lambda: script(faults.ROLLBACK, RECREATES, "exit 0"), GATE, BY_HAND),
    change("the rollback script does not parse", lambda: script(faults.ROLLBACK, "set -euo", "if set -euo"), BY_HAND),
    change(
        "the rollback script is gone",
        lambda: faults.file_saved(faults.ROLLBACK, f"rm {faults.ROLLBACK}"),
        GATE,
        BY_HAND,
    ),
    change("the previous image was pruned", faults.previous_image_gone, BY_HAND),
    change(
        "a line of the manual without a requirement, a topic without a section, a manual of 366 days",
        lambda: together(
            faults.document(MANUAL, lambda text: f"{text}\n- 每季度进行灾难演练\n"),
            faults.document("monitoring.md", lambda text: text.replace("## 告警规则和通知", "另见：")),
            dated(366),
        ),
        *DOCUMENTS,
    ),
    change(
        "a linked manual is gone, and the manual says no version",
        lambda: together(faults.document_gone("maintenance.md"), manual("*文档版本: v1.0*", "")),
        *DOCUMENTS[1:],
    ),
    change("the manual is gone", lambda: faults.document_gone(MANUAL), *DOCUMENTS),
]

NEAR_MISSES = [
    NearMiss(
        "an emergency approved just in time, an execution that fills its window, a bad result that was taken back",
        lambda: together(
            moved(3, "approval", 22),
            moved(2, "window", 5 / 60, key="from"),
            failed(1, "verification"),
            table(
                1,
                "rollback",
                lambda text: f"{text.rstrip()}\ndone = {datetime.now(UTC) - timedelta(days=19):%Y-%m-%dT%H:%M:%SZ}\n",
            ),
        ),
        ("CHG-CLASS", *(each.removesuffix("-01-program") for each in STEPS)),
        lane="changes",
    ),
    NearMiss(
        "a service is stopped, and runs what its change brought",
        lambda: faults.stopped("blackbox"),
        ("CHG-TRACE-01-blackbox",),
        lane="changes",
    ),
    NearMiss(
        "the gate asks on loopback, by a variable, and goes back by the engine's own rollback",
        lambda: together(
            script(faults.DEPLOY, "https://api.tokenswap.io/health", '"$url/health"'),
            script(faults.DEPLOY, "healthy() {", "url=http://127.0.0.1:3000\nhealthy() {"),
            script(faults.DEPLOY, GOES_BACK, 'docker service update --rollback "$service"'),
        ),
        ("CHG-RB-AUTO-01",),
        lane="changes",
    ),
    NearMiss(
        "the previous image has another name",
        faults.image_kept_without_name,
        ("CHG-RB-MAN-01",),
        lane="changes",
    ),
    NearMiss(
        "a manual of 365 days with another heading, and a topic with a number",
        lambda: together(
            dated(365),
            manual("## 概述", "## 1. 概述"),
            faults.document("monitoring.md", lambda text: text.replace("## 告警规则和通知", "### 3. 告警规则和通知")),
        ),
        ("DOC-SCOPE", "DOC-LINK", "DOC-META"),
        lane="changes",
    ),
]
