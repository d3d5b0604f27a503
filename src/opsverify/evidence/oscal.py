"""OSCAL assessment results of a run (NIST's format, version 1.1.2 and later read it).

The controls of these results are the requirements of the suite's own catalogue; what they serve in other frameworks
stands in properties. An observation for each check, a finding for each requirement (the worst of its checks decides),
a risk for each check that failed, waived or not. Ids are derived from the run's, so that rendering anew gives the same.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from opsverify.evidence import controls
from opsverify.evidence.source import Source, block, exchanges, green, line, result, statements, told, why
from opsverify.record import STATES, Entry

NAME = "oscal-assessment-results.json"
VERSION = "1.1.2"
NAMESPACE = "urn:opsverify:oscal"
FILES = {
    "results.json": ("The record of the run; all else is rendered from it", "application/json"),
    "transcript.jsonl": ("Every question asked of a live system, and its answer", "application/jsonl"),
    "report.html": ("The operator's view of the record", "text/html"),
    "evidence.html": ("The auditor's view of the record", "text/html"),
}
REFERRED = ("results.json", "transcript.jsonl")
METHODS = {"live": "TEST", "config": "EXAMINE", "artefact": "EXAMINE", "attested": "INTERVIEW"}
REASONS = {"fail": "fail", "waived": "fail", "pass": "pass", "attested": "pass"}
ACTS = re.compile(r"[\\`*_\[\]<>&^~{}\"#|$]")  # characters that Markdown, in which OSCAL has its prose, acts on

Json = dict[str, Any]


def render(source: Source) -> str:
    """The whole document as JSON, in one line: it is long, and for tools."""
    return json.dumps(document(source), ensure_ascii=False, allow_nan=False) + "\n"


def document(source: Source) -> Json:
    """The whole document."""
    run = source.run
    ids = _Ids(f"{run['id']}/{run['start']}")
    end = run["end"]
    found: Json = {
        "assessment-results": {
            "uuid": ids.of("document"),
            "metadata": {
                "title": _title(f"Operational verification of {run['profile']}"),
                "last-modified": end,
                "version": line(run["id"]),
                "oscal-version": VERSION,
                "props": _props(run_id=run["id"], purpose=run["purpose"], change=run.get("change", "")),
                "roles": [{"id": "assessor", "title": "Who had the run made"}],
                "parties": [{"uuid": ids.of("party"), "type": "person", "name": line(run["user"])}],
                "responsible-parties": [{"role-id": "assessor", "party-uuids": [ids.of("party")]}],
            },
            "import-ap": {
                "href": f"#{ids.of('file', 'results.json')}",
                "remarks": "The plan is the profile and the catalogue, as the record has them.",
            },
            "results": [_result(source, ids)],
            "back-matter": {"resources": list(_resources(source, ids))},
        }
    }
    filled: Json = _filled(found)
    return filled


class _Ids:
    """Ids of all that a run has, the same each time."""

    def __init__(self, run: str) -> None:
        self._known: dict[tuple[str, ...], str] = {}
        self._space = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:opsverify:run:{run.encode('utf-8', 'backslashreplace')!r}")

    def of(self, kind: str, *names: str) -> str:
        """The id of one thing."""
        key = (kind, *names)
        if key not in self._known:  # JSON escapes halves of characters, which no digest takes
            self._known[key] = str(uuid.uuid5(self._space, json.dumps(key)))
        return self._known[key]

    def check(self, kind: str, entry: Entry) -> str:
        """The id of what belongs to a check."""
        return self.of(kind, entry["requirement"], entry["target_kind"], entry["target"])


def _result(source: Source, ids: _Ids) -> Json:
    run = source.run
    states = source.document["population"]["states"]
    counted = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    failed = [each for each in source.checks if result(each) == "fail"]
    return {
        "uuid": ids.of("result"),
        "title": _title(f"Run {run['id']}: {run['verdict']}"),
        "description": _prose([f"{source.document['population']['total']} checks: {counted or 'none'}."]),
        "start": run["start"],
        "end": run["end"],
        "props": _props(
            verdict=run["verdict"],
            reconciled="yes" if source.document["population"]["reconciled"] else "no",
            partial="yes" if run["partial"] else "no",
            selection=run["selection"],
            suite_commit=run["suite_commit"],
            profile_sha256=run["profile_sha256"],
        ),
        "local-definitions": {
            "inventory-items": list(_inventory(source, ids)),
            "assessment-assets": {
                "components": [
                    {
                        "uuid": ids.of("tool"),
                        "type": "software",
                        "title": "opsverify",
                        "description": "The suite that made the run.",
                        "props": _props(version=run["suite_version"], commit=run["suite_commit"]),
                        "status": {"state": "operational"},
                    }
                ],
                "assessment-platforms": [
                    {
                        "uuid": ids.of("platform"),
                        "title": _title(run["runner"]),
                        "uses-components": [{"component-uuid": ids.of("tool")}],
                    }
                ],
            },
        },
        "reviewed-controls": _reviewed(source),
        "observations": [_observation(source, ids, each) for each in source.checks],
        "risks": [_risk(ids, each) for each in failed],
        "findings": list(_findings(source, ids)),
    }


def _filled(value: Any) -> Any:
    """The same without empty lists, of which OSCAL knows none."""
    if isinstance(value, dict):
        return {name: _filled(each) for name, each in value.items() if each != []}
    return [_filled(each) for each in value] if isinstance(value, list) else value


def _reviewed(source: Source) -> Json:
    """What was looked at, and what the run left out altogether."""
    tested = {each["requirement"] for each in source.checks if each["state"] != "not-tested"}
    every = list(dict.fromkeys(each["requirement"] for each in source.checks))
    reviewed, left_out = [each for each in every if each in tested], [each for each in every if each not in tested]

    def selected(what: str, name: str) -> Json:
        chosen = [{name: _token(each)} for each in reviewed]  # OSCAL has no selection of nothing
        found: Json = {f"include-{what}": chosen} if chosen else {"include-all": {}, "remarks": "Nothing was reviewed."}
        return {**found, f"exclude-{what}": [{name: _token(each)} for each in left_out]}

    return {
        "control-selections": [
            {"description": "Requirements of the catalogue of opsverify.", **selected("controls", "control-id")}
        ],
        "control-objective-selections": [selected("objectives", "objective-id")],
    }


def _inventory(source: Source, ids: _Ids) -> Iterator[Json]:
    for kind, target in dict.fromkeys((each["target_kind"], each["target"]) for each in source.checks):
        yield {
            "uuid": ids.of("target", kind, target),
            "description": _prose([f"{line(target)} ({line(kind)}), as the profile names it."]),
            "props": _props(target=target, target_kind=kind),
        }


def _observation(source: Source, ids: _Ids, entry: Entry) -> Json:
    paragraphs = [f"{entry['state']}: {why(entry)}", *told(entry)]
    evidence = [
        ("transcript.jsonl", f"Exchanges {exchanges(entry)}."),
        ("results.json", f"The entry of {entry['requirement']} on {entry['target']}."),
    ]
    return {
        "uuid": ids.check("observation", entry),
        "title": _title(f"{entry['requirement']} on {entry['target']}"),
        "description": _prose(paragraphs),
        "props": _props(state=entry["state"], result=result(entry), check=entry["check"], severity=entry["severity"]),
        "methods": _methods(entry),
        "types": ["finding" if not green(entry) else "control-objective"],
        "origins": [_origin(ids)],
        "subjects": [
            {
                "subject-uuid": ids.of("target", entry["target_kind"], entry["target"]),
                "type": "inventory-item",
                "title": _title(entry["target"]),
            }
        ],
        "relevant-evidence": [
            *({"href": f"#{ids.of('file', name)}", "description": _prose([text])} for name, text in evidence),
            *({"description": _prose([f"Stated: {each}"])} for each in statements(entry)),
        ],
        "collected": source.run["end"],
    }


def _methods(entry: Entry) -> list[str]:
    """How a check looked: by asking people only where one has said something, and not at all where it did not run."""
    if entry["state"] in ("not-tested", "not-applicable"):
        return ["UNKNOWN"]
    kinds = [each for each in entry["kind"] if each != "attested"] + ["attested"] * bool(entry["statements"])
    return list(dict.fromkeys(METHODS.get(each, "UNKNOWN") for each in kinds or entry["kind"])) or ["UNKNOWN"]


def _risk(ids: _Ids, entry: Entry) -> Json:
    waiver = entry.get("waiver")
    found: Json = {
        "uuid": ids.check("risk", entry),
        "title": _title(f"{entry['requirement']} is not met on {entry['target']}: {entry['title']}"),
        "description": _prose([line(entry["message"]), f"The manual demands it: {line(entry['manual'])}."]),
        "statement": _prose([waiver["risk"] if waiver else "Nobody has accepted this risk."]),
        "props": _props(must_pass="yes" if entry["must_pass"] else "no"),
        "status": "deviation-approved" if waiver else "open",
        "origins": [_origin(ids)],
        "characterizations": [
            {
                "origin": _origin(ids),
                "facets": [{"name": "severity", "system": NAMESPACE, "value": line(entry["severity"])}],
            }
        ],
        "remediations": [
            {
                "uuid": ids.check("remedy", entry),
                "lifecycle": "recommendation",
                "title": "What to do",
                "description": _prose([entry["remedy"], entry["remedy_zh"]]),
            }
        ],
        "related-observations": [{"observation-uuid": ids.check("observation", entry)}],
    }
    if waiver:
        found["deadline"] = f"{waiver['expires']}T23:59:59Z"
        found["risk-log"] = {
            "entries": [
                {
                    "uuid": ids.check("waiver", entry),
                    "title": "Waived",
                    "description": _prose(
                        [
                            why(entry),
                            f"Requested by {line(waiver['requested_by'])}, approved by {line(waiver['approved_by'])}, "
                            f"ticket {line(waiver['ticket'])}, until {line(waiver['expires'])}.",
                        ]
                    ),
                    "start": f"{waiver['created']}T00:00:00Z",
                    "status-change": "deviation-approved",
                }
            ]
        }
    return found


def _findings(source: Source, ids: _Ids) -> Iterator[Json]:
    mapping = controls.of_document(source.document)
    by_requirement: dict[str, list[Entry]] = {}
    for entry in source.checks:
        by_requirement.setdefault(entry["requirement"], []).append(entry)
    for requirement, mine in by_requirement.items():
        failed = [each for each in mine if result(each) == "fail"]
        found: Json = {
            "uuid": ids.of("finding", requirement),
            "title": _title(f"{requirement}: {mine[0]['title']}"),
            "description": _prose([f"{line(each['target'])}: {line(each['state'])}" for each in mine]),
            "props": [
                *_props(severity=mine[0]["severity"], manual=mine[0]["manual"], chapter=mine[0]["chapter"]),
                *(
                    {"name": "serves", "ns": NAMESPACE, "class": _token(each.framework), "value": line(each.id)}
                    for each in mapping.of(requirement)
                ),
            ],
            "origins": [_origin(ids)],
            "target": _target(requirement, mine),
            "related-observations": [{"observation-uuid": ids.check("observation", each)} for each in mine],
        }
        if failed:
            found["related-risks"] = [{"risk-uuid": ids.check("risk", each)} for each in failed]
        yield found


def _target(requirement: str, mine: list[Entry]) -> Json:
    """Whether a requirement is satisfied: where one of its checks is not green, it is not.

    What does not apply decides only where nothing applies.
    """
    applying = [each for each in mine if each["state"] != "not-applicable"]
    state = min((each["state"] for each in applying or mine), key=STATES.index)
    met = all(green(each) for each in mine)
    status = {
        "state": "satisfied" if met else "not-satisfied",
        "reason": REASONS.get(state, "other"),
        "remarks": _prose([f"The worst of {len(applying or mine)} checks: {state}."]),
    }
    found: Json = {"type": "objective-id", "target-id": _token(requirement), "status": status}
    if not applying:
        found["implementation-status"] = {
            "state": "not-applicable",
            "remarks": _prose(dict.fromkeys(why(each) for each in mine)),
        }
    return found


def _resources(source: Source, ids: _Ids) -> Iterator[Json]:
    for name, (title, media) in FILES.items():
        if name not in source.sha256 and name not in REFERRED:
            continue
        link: Json = {"href": name, "media-type": media}
        if name in source.sha256:
            link["hashes"] = [{"algorithm": "SHA-256", "value": source.sha256[name]}]
        yield {"uuid": ids.of("file", name), "title": title, "rlinks": [link]}


def _origin(ids: _Ids) -> Json:
    return {"actors": [{"type": "tool", "actor-uuid": ids.of("tool")}]}


def _props(**values: object) -> list[Json]:
    """Properties of our own; what has no value is left out."""
    return [
        {"name": name.replace("_", "-"), "ns": NAMESPACE, "value": line(value)}
        for name, value in values.items()
        if str(value).strip()
    ]


def _token(text: str) -> str:
    """A name where OSCAL takes letters, digits, dots, hyphens and underscores alone."""
    safe = re.sub(r"[^0-9A-Za-z.\-_]", lambda each: f"_{ord(each[0]):x}_", text)
    return safe if re.match(r"[A-Za-z_]", safe) else f"_{safe}"


def _title(text: object) -> str:
    return ACTS.sub(r"\\\g<0>", line(text))


def _prose(paragraphs: Iterable[object]) -> str:
    """Paragraphs of Markdown in which nothing acts."""
    escaped = (ACTS.sub(r"\\\g<0>", block(each).strip()) for each in paragraphs)
    return "\n\n".join(each for each in escaped if each) or "–"
