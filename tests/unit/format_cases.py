"""Records to be rendered: in every state that there is, and of text that means harm."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st

from opsverify.evidence import controls
from opsverify.evidence.source import Source
from opsverify.record import STATES

Json = dict[str, Any]

SHA = "ab" * 32
FILES = dict.fromkeys(("results.json", "transcript.jsonl", "report.html", "inputs/profile.toml"), SHA)

WAIVER = {
    "requirement": "TST-ONE-01",
    "subject": "*",
    "reason": "the new disk is ordered",
    "risk": "it fills up before that",
    "requested_by": "Aylin Demir",
    "approved_by": "Tomas Novak",
    "ticket": "OPS-1142",
    "created": "2026-11-01",
    "expires": "2026-12-15",
    "days_left": 22,
}
EXEMPTION = {
    "requirement": "TST-ONE-01",
    "target": None,
    "reason": "there is no cache",
    "approved_by": "Tomas Novak",
    "expires": "2027-01-31",
}
STATEMENT = {
    "statement": "restored on a spare machine",
    "by": "Aylin Demir",
    "reviewed_by": "Tomas Novak",
    "date": "2026-11-20",
    "expires": "2027-02-18",
    "artefact": "restore.txt",
    "sha256": SHA,
}
MESSAGES = {
    "fail": "disk: observed 91 %, expected at most 80 %",
    "waived": "disk: observed 91 %, expected at most 80 %",
    "error": "host one: asked df, it said nothing",
    "not-tested": "left out by the selection (-k x)",
}


def entry(state: str = "pass", requirement: str = "TST-ONE-01", target: str = "one", **changes: Any) -> Json:
    """The entry of a check in a state."""
    return {
        "requirement": requirement,
        "title": "Disk has room",
        "title_zh": "磁盘有余量",
        "chapter": "capacity",
        "manual": "容量规划 › 1. 存储 (190)",
        "severity": "high",
        "kind": ["live"],
        "must_pass": False,
        "target": target,
        "target_kind": "host",
        "state": state,
        "result": "fail" if state == "waived" else state,
        "observations": []
        if state in ("not-tested", "not-applicable")
        else [
            {"name": "inodes", "observed": 0.1, "expected": "at most 0.8", "met": True, "unit": "ratio", "worse": None},
            {
                "name": "disk",
                "observed": 0.7 if state in ("pass", "attested") else 0.91,
                "expected": "at most 0.8",
                "met": state in ("pass", "attested"),
                "unit": "ratio",
                "worse": "higher",
            },
        ],
        "message": MESSAGES.get(state, ""),
        "remedy": "Make room.",
        "remedy_zh": "腾出空间。",
        "not_applicable": EXEMPTION if state == "not-applicable" else None,
        "waiver": WAIVER if state == "waived" else None,
        "statements": [STATEMENT] if state == "attested" else [],
        "exchanges": ["gw0-1", "gw0-2"],
        "duration_s": 0.25,
        "check": f"checks/capacity/test_it.py::test_it[{requirement}-{target}]",
        **changes,
    }


def verdict(entries: list[Json]) -> str:
    """What a run of these checks comes to, as the record says it."""
    states = Counter(each["state"] for each in entries)
    if states["fail"]:
        return "not met"
    if states["error"] or states["not-tested"] == len(entries):
        return "undetermined"
    return f"met under {states['waived']} waivers" if states["waived"] else "met"


def record(*entries: Json, mapping: controls.Controls | None = None, **run: Any) -> Json:
    """A record of these checks; ``run`` is what its run says otherwise."""
    checks = list(entries)
    states = Counter(each["state"] for each in checks)
    return {
        "run": {
            "id": "0cd840b3",
            "purpose": "daily",
            "change": "",
            "profile": "lab",
            "profile_file": "profile.toml",
            "profile_sha256": SHA,
            "start": "2026-11-23T07:28:41.989+00:00",
            "end": "2026-11-23T07:28:47.864+00:00",
            "user": "ops",
            "runner": "vm",
            "ci": "",
            "suite_version": "0.1.0",
            "suite_commit": "f5f0a5dc9d4c-dirty",
            "partial": states["not-tested"] > 0,
            "selection": "",
            "verdict": verdict(checks),
            "python": "3.11.2",
            "dependencies": {},
            "duration_s": 5.875,
            "waived": [f"{each['requirement']}-{each['target']}" for each in checks if each["state"] == "waived"],
            **run,
        },
        "scores": {},
        "population": {
            "total": len(checks),
            "states": {state: states[state] for state in STATES},
            "reconciled": True,
            "strays": [],
            "targets": {},
        },
        "waivers": {"file": "", "sha256": "", "entries": []},
        "checks": checks,
        "coverage": [
            {
                **{name: each[name] for name in ("title", "title_zh", "chapter", "manual", "severity")},
                **{"requirement": requirement, "limits": [], "states": {}, "checks": [each["check"]]},
            }
            for requirement, each in {each["requirement"]: each for each in reversed(checks)}.items()
        ],
        "controls": (mapping or controls.Controls()).document,
    }


def source(*entries: Json, mapping: controls.Controls | None = None, **run: Any) -> Source:
    """The same, with the files beside it."""
    return Source(record(*entries, mapping=mapping, **run), FILES, "reports/lab/20261123T072841Z-0cd840b3")


EVERY = tuple(entry(state, requirement=f"TST-{state.upper()}-01") for state in STATES)

HOSTILE = (
    "\x00\x01\x08\x0b\x1b[2J\x7f\x9b",
    "\ud800 half a character \udfff",
    "\ufffe\uffff\U0001fffe",
    "\u202egnp.exe\u202c \u2066\u2069 \u200f",
    "<script>alert(1)</script>]]>&amp;&#0;",
    '" onload="x" \' \\',
    "[[ATTACHMENT|/etc/shadow]] [[attachment|x]] [[[ATTACHMENT|y]]",
    "line\r\nbreak\rand\nmore\n\n\u2028\u2029\x85",
    "[x](javascript:alert(1)) {{ insert: param, x }} `code` **bold** ~~~\n```\n# heading",
    "{{ 7 * 7 }} {% raw %} ${jndi:ldap://x} %s %n",
    " \t\u00a0\u2003 ",
    "",
    "a" * 1_000_000,
    "\u0000" * 50_000,
)
hostile_text = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(), max_size=40),  # halves of characters too
    st.builds("".join, st.lists(st.sampled_from([*HOSTILE[:12], "x"]), max_size=3)),
)
hostile_value = st.one_of(
    hostile_text,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(hostile_text, max_size=3),
)
observation = st.fixed_dictionaries(
    {
        "name": hostile_text,
        "observed": hostile_value,
        "expected": hostile_text,
        "met": st.booleans(),
        "unit": st.sampled_from(["", "ratio", "bytes", "<b>"]),
        "worse": st.none(),
    }
)


@st.composite
def hostile_entries(draw: st.DrawFn) -> Json:
    """A check of which everything that can come from a system or a file of people is hostile."""
    state = draw(st.sampled_from(STATES))
    text = draw(hostile_text)
    found = entry(
        state,
        requirement=draw(st.sampled_from(["TST-ONE-01", "TST-TWO-01", "1 <x>"])),
        target=draw(st.one_of(st.sampled_from(["one", "two"]), hostile_text)),
        title=text,
        chapter=draw(st.sampled_from(["health", "capacity", text])),
        manual=text,
        remedy=text,
        remedy_zh=text,
        message=draw(hostile_text),
        observations=draw(st.lists(observation, max_size=3)),
        exchanges=draw(st.lists(hostile_text, max_size=2)),
        check=text,
    )
    for name in ("waiver", "not_applicable"):
        if found[name]:
            dates = ("created", "expires")
            found[name] = {key: value if key in dates else text for key, value in found[name].items()}
    found["statements"] = [dict.fromkeys(each, text) for each in found["statements"]]
    return found


@st.composite
def hostile_sources(draw: st.DrawFn) -> Source:
    """A record of hostile checks, each of another target."""
    entries = draw(
        st.lists(hostile_entries(), max_size=4, unique_by=lambda each: (each["requirement"], each["target"]))
    )
    text = draw(hostile_text)
    names = ("purpose", "change", "profile", "user", "runner", "ci", "suite_commit", "selection", "suite_version")
    said: dict[str, Any] = dict.fromkeys(names, text)
    return source(*entries, **said)
