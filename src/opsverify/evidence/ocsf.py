"""OCSF Compliance Findings (class 2003), one line of JSON for each check, for whatever gathers security events.

What is waived has failed: its compliance is ``Fail`` and its status ``Waived``, not ``Suppressed``, by which OCSF means
what is benign. Only ``pass`` and ``attested`` are ``Pass``; what could not be determined, or was not tested, is
``Unknown``. What was held against is the manual alone, so no standard of others is named as evaluated: the controls
that the evidence serves stand in ``unmapped``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from opsverify.evidence import controls
from opsverify.evidence.source import Source, block, line, result, seen, statements, why
from opsverify.record import Entry

NAME = "ocsf.jsonl"
VERSION = "1.5.0"
CATEGORY, CLASS, CREATE = 2, 2003, 1
COMPLIANCE = {
    "pass": (1, "Pass"),
    "attested": (1, "Pass"),
    "fail": (3, "Fail"),
    "waived": (3, "Fail"),
    "error": (0, "Unknown"),
    "not-tested": (0, "Unknown"),
    "not-applicable": (99, "Not Applicable"),
}
STATUS = {"waived": (99, "Waived"), "fail": (1, "New"), "error": (1, "New")}
SEVERITIES = {"critical": (5, "Critical"), "high": (4, "High"), "medium": (3, "Medium"), "low": (2, "Low")}
INFORMATIONAL = (1, "Informational")

Json = dict[str, Any]


def render(source: Source) -> str:
    """A line for each check."""
    return "".join(
        json.dumps(each, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n" for each in events(source)
    )


def events(source: Source) -> Iterator[Json]:
    """The events, in the order of the record."""
    mapping = controls.of_document(source.document)
    for position, entry in enumerate(source.checks):
        yield _event(source, entry, position, mapping)


def _event(source: Source, entry: Entry, position: int, mapping: controls.Controls) -> Json:
    run, state = source.run, entry["state"]
    worried = state in ("fail", "error", "waived", "not-tested")
    severity_id, severity = SEVERITIES.get(entry["severity"], (0, "Unknown")) if worried else INFORMATIONAL
    identity = line(f"{run['profile']}/{entry['requirement']}/{entry['target_kind']}/{entry['target']}")
    event: Json = {
        "class_uid": CLASS,
        "class_name": "Compliance Finding",
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "activity_id": CREATE,
        "activity_name": "Create",
        "type_uid": CLASS * 100 + CREATE,
        "type_name": "Compliance Finding: Create",
        "time": _millis(run["end"]),
        "start_time": _millis(run["start"]),
        "end_time": _millis(run["end"]),
        "severity_id": severity_id,
        "severity": severity,
        "message": line(f"{entry['requirement']} on {entry['target']}: {state}: {why(entry)}"),
        "metadata": {
            "version": VERSION,
            "product": {"name": "opsverify", "version": line(run["suite_version"])},
            "uid": line(f"{run['id']}/{position}"),
            "correlation_uid": line(run["id"]),
            "event_code": line(entry["requirement"]),
            "labels": [line(f"purpose:{run['purpose']}"), line(f"verdict:{run['verdict']}")],
        },
        "finding_info": {
            "uid": identity,
            "title": line(entry["title"]),
            "desc": block(entry["message"]) or line(""),
            "types": [line(entry["chapter"])],
            "created_time": _millis(run["end"]),
            "data_sources": ["transcript.jsonl"],
        },
        "compliance": _compliance(entry),
        "resources": [
            {
                "uid": line(f"{entry['target_kind']}/{entry['target']}"),
                "name": line(entry["target"]),
                "type": line(entry["target_kind"]),
                "namespace": line(run["profile"]),
            }
        ],
        "unmapped": {
            "state": state,
            "result": result(entry),
            "must_pass": bool(entry["must_pass"]),
            "check": line(entry["check"]),
            "exchanges": [line(each) for each in entry["exchanges"]],
            "duration_s": entry["duration_s"],
            "serves": [line(f"{each.framework}:{each.id}") for each in mapping.of(entry["requirement"])],
        },
    }
    evidence = _evidence(entry)
    if evidence:
        event["evidences"] = evidence
    if state in STATUS:
        event["status_id"], event["status"] = STATUS[state]
    if worried:
        event["remediation"] = {"desc": f"{block(entry['remedy'])}\n{block(entry['remedy_zh'])}"}
    if entry.get("waiver") or entry.get("not_applicable"):
        event["comment"] = why(entry)
    return event


def _compliance(entry: Entry) -> Json:
    status_id, status = COMPLIANCE[entry["state"]]
    return {
        "control": line(entry["requirement"]),
        "desc": line(f"{entry['title']} ({entry['manual']})"),
        "standards": ["Operations manual"],
        "requirements": [line(entry["requirement"])],
        "status_id": status_id,
        "status": status,
        "status_code": line(entry["state"]),
        "status_details": [why(entry)],
    }


def _evidence(entry: Entry) -> list[Json]:
    """What was observed, and what people state."""
    found, _ = seen(entry)
    rows: list[Json] = [
        {"name": line(each.name), "data": {"observed": each.observed, "expected": each.expected, "met": each.met}}
        for each in found
    ]
    return rows + [{"name": "statement", "data": {"text": each}} for each in statements(entry)]


def _millis(moment: str) -> int:
    """Milliseconds since 1970, UTC where no zone is given."""
    found = datetime.fromisoformat(moment)
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
