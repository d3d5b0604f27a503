"""Sides, changes and stories for the tests of the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from opsverify.changes import Change, parse
from opsverify.gate.comparing import ABSENT, UNSTABLE
from opsverify.gate.story import Side, Story

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
UNMET = {"name": "lag", "observed": 9.0, "expected": "at most 5", "met": False, "unit": "s", "worse": "higher"}
STATES = ("pass", "attested", "fail", "waived", UNSTABLE, "error", "not-tested", "not-applicable", ABSENT)


def change(text: str = "", class_: str = "standard") -> Change:
    """A change of little but what is given."""
    reason = {"standard": "feature", "emergency": "recovery", "routine": "configuration"}[class_]
    head = f'id = "CHG-1"\nclass = "{class_}"\nreason = "{reason}"\nsummary = "x"\n'
    return parse(head + text, "CHG-1.toml")


def side(state: str, *observations: Mapping[str, Any]) -> Side | None:
    """A side in a state that counts; what fails has an observation that says so."""
    if state == ABSENT:
        return None
    samples = {"fail": ["fail"] * 3, UNSTABLE: ["fail", "pass"]}.get(state, [state])
    failing = samples[0] in ("fail", "waived")
    return Side(
        state=samples[0],
        message="lag: observed 9 s, expected at most 5 s" if failing else "",
        observations=[dict(each) for each in observations or ([UNMET] if failing else [])],
        samples=samples,
    )


def entry(requirement: str, target: str, state: str, **more: Any) -> dict[str, Any]:
    """An entry of ``results.json``."""
    return {
        "requirement": requirement,
        "target": target,
        "title": "It works",
        "title_zh": "正常",
        "chapter": "health",
        "manual": "x (1)",
        "severity": "high",
        "must_pass": False,
        "state": state,
        "observations": [UNMET] if state == "fail" else [],
        "message": "",
    } | more


def document(entries: Sequence[Mapping[str, Any]], **population: Any) -> dict[str, Any]:
    """What of a ``results.json`` is compared."""
    whole = {"total": len(entries), "reconciled": True, "strays": []}
    return {"run": {"id": "0123abcd"}, "population": whole | population, "checks": list(entries)}


def story(**more: Any) -> Story:
    """A gate before the change, an hour before `START`."""
    given = {
        "id": "0123abcd",
        "phase": "pre",
        "change": "CHG-1",
        "summary": "x",
        "class_": "standard",
        "scope": "",
        "profile": "lab",
        "profile_sha256": "a" * 64,
        "parts": {"hosts node": "1", "gate": "2"},
        "change_sha256": "b" * 64,
        "targets": {"host": ["node"], "replica": ["replica-1"]},
        "limits": {"HLT-RES-01.memory_used": "at most 0.8"},
        "suite_version": "0.1.0",
        "suite_commit": "5f96b53",
        "user": "x",
        "runner": "x",
        "ci": "",
        "start": START - timedelta(hours=1),
        "end": START - timedelta(minutes=59),
        "verdict": "GO",
        "exit_status": 0,
        "sentence": "x",
        "sentence_zh": "x",
        "reasons": [],
        "checks": [],
        "verification": None,
    }
    return Story.model_validate(given | more)
