"""Runs as they lie in their folder, for the tests of the auditor's page: of every state, of any size, of any text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from opsverify.record import STATES, verdict
from opsverify.waiving import verdict as under_waivers

Text = Callable[[str], str]
STREAM = "test"
EARLIER, NOW = "20261122T120000Z-0000aaaa", "20261123T120000Z-0000bbbb"
HEADINGS = ("日常操作 › 1. 健康检查 (30-40)", "安全运维 › 2. 访问 (150)", "容量规划 › 1. 指标 (190)")
SEVERITY = ("critical", "high", "medium", "low")
WATCHED = {"why": "It is watched.", "why_zh": "受监视。"}
CONTROLS = {
    "file": "checks/controls.toml",
    "sha256": "c" * 64,
    "frameworks": {
        "soc2": {"name": "SOC 2", "name_zh": "SOC 2", "controls": {"CC7.2": {"title": "Watch", "title_zh": "监视"}}},
        "iso27001": {
            "name": "ISO/IEC 27001:2022",
            "name_zh": "ISO/IEC 27001:2022",
            "controls": {
                "A.8.13": {"title": "Backup", "title_zh": "备份"},
                "A.8.2": {"title": "Privileges", "title_zh": "特权"},
            },
        },
    },
    "mappings": [
        {**WATCHED, "requirements": ["TST-A-01"], "soc2": ["CC7.2"], "iso27001": None, "mlps": None},
        {**WATCHED, "requirements": ["TST-A-01", "TST-A-02"], "soc2": None, "iso27001": ["A.8.2"], "mlps": None},
        {**WATCHED, "requirements": ["TST-A-02"], "soc2": None, "iso27001": ["A.8.13"], "mlps": None},
    ],
    "none": [{"framework": "iso27001", "requirements": ["TST-A-03"], "reason": "Its own.", "reason_zh": "自有。"}],
}


def plain(name: str) -> str:
    """A text that says which one it is."""
    return f"some {name}"


def observation(name: str = "used", *, met: bool = True, text: Text = plain) -> dict[str, Any]:
    """An observation."""
    return {"name": text(name), "observed": text("observed"), "expected": text("expected"), "met": met, "unit": ""}


def check(requirement: str, target: str, state: str, text: Text = plain, **more: Any) -> dict[str, Any]:
    """A result in a state, with what belongs to that state."""
    said = {"statement": text("statement"), "by": text("by"), "reviewed_by": text("reviewer"), "date": "2026-11-20"}
    waiver = {
        "requirement": requirement,
        "subject": target,
        **{name: text(name) for name in ("reason", "risk", "requested_by", "approved_by", "ticket", "created")},
        "expires": "2026-12-05",
        "days_left": 12,
    }
    exempt = {"requirement": requirement, "target": None, "reason": text("scope"), "approved_by": text("approver")}
    known = {
        "requirement": requirement,
        "title": text("title"),
        "title_zh": text("title_zh"),
        "chapter": "health",
        "manual": text(HEADINGS[0]),
        "severity": "high",
        "kind": ["live"],
        "must_pass": state == "fail",
        "target": target,
        "target_kind": "host",
        "state": state,
        "result": "fail" if state == "waived" else state,
        "observations": [observation(met=state not in ("fail", "waived"), text=text)]
        if state in ("pass", "fail", "waived", "attested")
        else [],
        "message": "" if state in ("pass", "attested") else text("message"),
        "remedy": text("remedy"),
        "remedy_zh": text("remedy_zh"),
        "not_applicable": {**exempt, "expires": "2026-12-31"} if state == "not-applicable" else None,
        "waiver": waiver if state == "waived" else None,
        "statements": [
            {**said, "expires": "2026-11-30", "artefact": text("artefact"), "sha256": "d" * 64},
            {**said, "expires": "never"},
        ]
        if state == "attested"
        else [],
        "series": [],
        "series_left_out": 0,
        "exchanges": [],
        "duration_s": 0.1,
        "check": text("node"),
    }
    return known | more


def document(checks: Sequence[dict[str, Any]], text: Text = plain, **run: Any) -> dict[str, Any]:
    """A record of these results; ``run`` is what is otherwise in what the run says of itself."""
    counted = Counter(each["state"] for each in checks)
    waivers = [
        {
            **each["waiver"],
            **{"severity": "high", "must_pass": False, "use": "used", "expiring": True},
            "checks": {each["target"]: "waived"},
        }
        for each in checks
        if each["waiver"]
    ]
    first = {each["requirement"]: each for each in reversed(checks)}
    limit = {"name": text("limit"), "expected": text("at most"), "unit": text("unit"), "origin": text("origin")}
    return {
        "run": {
            "id": "0000bbbb",
            "purpose": "audit",
            "change": text("change"),
            "profile": STREAM,
            "profile_file": text("file"),
            "profile_sha256": "a" * 64,
            "start": "2026-11-23T12:00:00.000+00:00",
            "end": "2026-11-23T12:01:00.000+00:00",
            **{name: text(name) for name in ("user", "runner", "ci", "suite_version", "suite_commit", "python")},
            "dependencies": {text("library"): text("version")},
            "duration_s": 60.0,
            "partial": counted["not-tested"] > 0,
            "selection": text("selection") if counted["not-tested"] else "",
            "verdict": under_waivers(verdict(checks, reconciled=True), waivers),
            "waived": [f"{each['requirement']}-{each['target']}" for each in checks if each["state"] == "waived"],
        }
        | run,
        "scores": {},
        "waivers": {"file": "waivers.toml", "sha256": "b" * 64, "most_days": 90, "entries": waivers},
        "population": {
            "total": len(checks),
            "states": {state: counted[state] for state in STATES},
            "reconciled": True,
            "strays": [],
            "targets": {"host": sorted({each["target"] for each in checks})},
        },
        "checks": list(checks),
        "controls": CONTROLS,
        "coverage": [
            {
                **{name: each[name] for name in ("requirement", "title", "title_zh", "chapter", "manual", "severity")},
                "limits": [limit],
                "states": dict(Counter(one["state"] for one in checks if one["requirement"] == name)),
                "checks": [each["check"]],
            }
            for name, each in first.items()
        ],
    }


def exchange(identity: str, text: Text = plain, **more: Any) -> dict[str, Any]:
    """A line of a transcript."""
    known = {
        "id": identity,
        "at": "2026-11-23T12:00:01.000+00:00",
        "check": text("node"),
        "channel": text("channel"),
        "target": text("target"),
        "account": text("account"),
        "question": text("question"),
        "answer": {"exit_status": 0, "stdout": text("answer"), text("key"): [text("value")]},
        "failure": None,
        "duration_s": 0.01,
    }
    return known | more


def every_state(text: Text = plain) -> list[dict[str, Any]]:
    """A result of each state, on targets of their own."""
    return [
        check(
            "TST-A-01" if place % 2 else "TST-A-02",
            text(f"target {place}"),
            state,
            text,
            exchanges=[f"gw0-{place + 9}"],
            severity=SEVERITY[place % 4],
        )
        for place, state in enumerate(STATES)
    ]


def kept(reports: Path, record: dict[str, Any], exchanges: Iterable[dict[str, Any]] = (), directory: str = NOW) -> Path:
    """A run in its folder."""
    folder = reports / STREAM / directory
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "transcript.jsonl").write_text("".join(json.dumps(each) + "\n" for each in exchanges), encoding="utf-8")
    return folder


def ordinary(reports: Path, text: Text = plain) -> Path:
    """A run of every state, with its transcript, after one in which all was well."""
    checks = every_state(text)
    before = [check(each["requirement"], each["target"], "pass", text) for each in checks]
    kept(reports, document(before, text, id="0000aaaa"), directory=EARLIER)
    return kept(reports, document(checks, text), [exchange(f"gw0-{place}", text) for place in range(9, 16)])


def many(reports: Path, count: int) -> Path:
    """A run of so many results, with as many observations and exchanges as those of the lab have."""
    checks: list[dict[str, Any]] = []
    exchanges: list[dict[str, Any]] = []
    for place in range(count):
        ids = [f"gw{place % 4}-{place * 3 + each}" for each in range(3)]
        state = STATES[place % len(STATES)] if place % 20 == 0 else "pass"
        made = check(f"TST-{'ABCDEFGHIJ'[place % 10]}-{place // 10 % 20:02}", f"node-{place}", state)
        made["manual"] = HEADINGS[place % 3]
        made["severity"] = SEVERITY[place % 4]
        made["observations"] += [observation(f"number {each}") for each in range(3)] if made["observations"] else []
        made["exchanges"] = [*ids, *exchanges_of(exchanges, 9)]
        checks.append(made)
        exchanges += [exchange(each, answer={"exit_status": 0, "stdout": "a line of an answer\n" * 80}) for each in ids]
    return kept(reports, document(checks), exchanges)


def exchanges_of(exchanges: Sequence[dict[str, Any]], most: int) -> list[str]:
    """The newest ids."""
    return [str(each["id"]) for each in exchanges[-most:]]
