"""An in-toto statement of a run's result: which files it is about, by digest, and what was tested by which inputs.

It is no attestation of its own: it says what ``results.json`` says, and is signed with the bundle that it is in.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from opsverify.evidence.source import Source, line
from opsverify.waiving import is_met

NAME = "test-result.intoto.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
SUBJECTS = ("results.json", "transcript.jsonl")
LISTS = {
    "pass": "passedTests",
    "attested": "passedTests",
    "waived": "warnedTests",
    "not-tested": "warnedTests",
    "fail": "failedTests",
    "error": "failedTests",
}

Json = dict[str, Any]


def render(source: Source) -> str:
    """The whole statement as JSON."""
    return json.dumps(statement(source), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def statement(source: Source) -> Json:
    """The whole statement. What is not applicable was not tested, and is in none of its lists."""
    tests: dict[str, list[str]] = {each: [] for each in dict.fromkeys(LISTS.values())}
    for entry in source.checks:
        if entry["state"] in LISTS:
            tests[LISTS[entry["state"]]].append(line(f"{entry['requirement']}-{entry['target']}"))
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": source.sha256[name]}} for name in SUBJECTS if name in source.sha256
        ],
        "predicateType": PREDICATE,
        "predicate": {"result": verdict(source), "configuration": _configuration(source), **_url(source), **tests},
    }


def verdict(source: Source) -> str:
    """``PASSED`` is a run of everything that met everything; under waivers, or in part, it is ``WARNED``."""
    run = source.run
    if not is_met(run["verdict"]) or not source.document["population"]["reconciled"]:
        return "FAILED"
    return "PASSED" if run["verdict"] == "met" and not run["partial"] else "WARNED"


def _configuration(source: Source) -> list[Json]:
    """What decided what was tested, and how: profile, catalogue with its limits, mapping of controls, suite."""
    run = source.run
    rows = [
        {"name": line(f"profile {run['profile']}"), "digest": {"sha256": line(run["profile_sha256"])}},
        {
            "name": "catalogue with limits in force (coverage of results.json, as canonical JSON)",
            "digest": {"sha256": catalogue_digest(source)},
        },
        *({"name": name, "digest": {"sha256": source.sha256[name]}} for name in source.sha256 if "/" in name),
        _suite(run),
    ]
    mapping = source.document.get("controls") or {}
    waivers = source.document.get("waivers") or {}
    for it in (mapping, waivers):
        if it.get("sha256"):
            rows.append({"name": line(it["file"]), "digest": {"sha256": line(it["sha256"])}})
    return rows


def _suite(run: Json) -> Json:
    commit = line(run["suite_commit"])
    whole = re.fullmatch(r"[0-9a-f]{40}", commit)
    return {
        "name": "opsverify",
        "uri": f"pkg:pypi/opsverify@{re.sub(r'[^0-9A-Za-z.+_-]', '_', run['suite_version'])}",
        **({"digest": {"gitCommit": commit}} if whole else {}),
        "annotations": {"commit": commit},
    }


def catalogue_digest(source: Source) -> str:
    """SHA-256 of the requirements and the limits that were in force, without what became of them."""
    rows = [
        {name: value for name, value in row.items() if name not in ("states", "checks")}
        for row in source.document["coverage"]
    ]
    text = json.dumps(rows, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _url(source: Source) -> Json:
    """Where the run was made, where CI said so."""
    where = str(source.run.get("ci", ""))
    return {"url": line(where)} if re.match(r"https?://\S+$", where) else {}
