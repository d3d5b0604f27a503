"""An in-toto statement of a run's result: which files it is about, by digest, and what was tested by which inputs.

It is no attestation of its own: it says what ``results.json`` says, and is signed with the bundle that it is in. What
was tested is a running system, which has no digest: the subjects are the record and the transcript of it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from opsverify.evidence.source import Source, line
from opsverify.record import Entry
from opsverify.waiving import is_met

NAME = "test-result.intoto.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
SUBJECTS = ("results.json", "transcript.jsonl")
LISTS = {
    "not-applicable": None,
    "pass": "passedTests",
    "attested": "passedTests",
    "waived": "warnedTests",
    "not-tested": "warnedTests",
    "fail": "failedTests",
    "error": "failedTests",
}
NAMES = ("passedTests", "warnedTests", "failedTests")

Json = dict[str, Any]


def render(source: Source) -> str:
    """The whole statement as JSON."""
    return json.dumps(statement(source), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def statement(source: Source) -> Json:
    """The whole statement. What is not applicable was not tested, and is in none of its lists."""
    tests = {name: [_name(each) for each in source.checks if LISTS[each["state"]] == name] for name in NAMES}
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": source.sha256[name]}} for name in SUBJECTS if name in source.sha256
        ],
        "predicateType": PREDICATE,
        "predicate": {"result": verdict(source), "configuration": _configuration(source), **_url(source), **tests},
    }


def verdict(source: Source) -> str:
    """``PASSED`` is a run of everything that met everything; under waivers, or in part, it is ``WARNED``.

    Verdict and checks have to agree on that: the worse of them counts.
    """
    run, lists = source.run, {LISTS[each["state"]] for each in source.checks}
    if not is_met(run["verdict"]) or not source.document["population"]["reconciled"] or "failedTests" in lists:
        return "FAILED"
    return "PASSED" if run["verdict"] == "met" and not run["partial"] and "warnedTests" not in lists else "WARNED"


def _name(entry: Entry) -> str:
    return line(f"{entry['requirement']}-{entry['target']}")


def _configuration(source: Source) -> list[Json]:
    """What decided what was tested, and how: profile, what the run took in (`inputs`), mapping of controls, suite."""
    run = source.run
    rows = [
        {"name": line(f"profile {run['profile']}"), "digest": {"sha256": line(run["profile_sha256"])}},
        *({"name": name, "digest": {"sha256": source.sha256[name]}} for name in source.sha256 if "/" in name),
        _suite(source),
    ]
    mapping = source.document.get("controls") or {}
    waivers = source.document.get("waivers") or {}
    for it in (mapping, waivers):
        if it.get("sha256"):
            rows.append({"name": line(it["file"]), "digest": {"sha256": line(it["sha256"])}})
    return rows


def _suite(source: Source) -> Json:
    """The suite; and which tests passed by what a person states, for which the predicate has no list."""
    run = source.run
    commit = line(run["suite_commit"])
    whole = re.fullmatch(r"[0-9a-f]{40}", commit)
    return {
        "name": "opsverify",
        "uri": f"pkg:generic/opsverify@{re.sub(r'[^0-9A-Za-z.+_-]', '_', run['suite_version'])}",
        **({"digest": {"gitCommit": commit}} if whole else {}),
        "annotations": {
            "commit": commit,
            "attested": [_name(each) for each in source.checks if each["state"] == "attested"],
        },
    }


def _url(source: Source) -> Json:
    """Where the run was made, where CI said so."""
    where = str(source.run.get("ci", ""))
    return {"url": line(where)} if re.match(r"https?://\S+$", where) else {}
