"""JUnit XML of a run, as GitLab and Jenkins show it best.

A suite for each chapter, a case for each check. One more case, an error, where none of them is red though the run is
not met (nothing was tested, or it does not add up): to CI a file without any red is green.

GitLab takes the text *inside* ``<failure>``, ``<error>`` and ``<skipped>`` and drops their attributes, Jenkins shows
``message`` first: so reasons stand in both. ``[[ATTACHMENT|path]]`` in ``<system-out>`` attaches the files of the run;
GitLab shows the first alone. Text of systems is defused everywhere: it could have a file of the CI machine attached.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator

from opsverify.evidence.source import Source, block, exchanges, line, statements, told, why
from opsverify.record import Entry
from opsverify.summary import sentence
from opsverify.waiving import is_met

NAME = "junit.xml"
ELEMENTS = {
    "pass": None,
    "attested": None,
    "fail": "failure",
    "error": "error",
    "waived": "skipped",
    "not-applicable": "skipped",
    "not-tested": "skipped",
}
RED = ("failure", "error")
ATTACHED = ("report.html", "evidence.html", "transcript.jsonl")
MARK = re.compile(r"\[(?=\[ATTACHMENT\|)", re.IGNORECASE)
PROPERTIES = ("id", "profile", "verdict", "purpose", "change", "start", "end", "suite_version", "suite_commit")


def render(source: Source) -> str:
    """The whole file."""
    root = ET.Element("testsuites", name=_line(f"opsverify {source.run['profile']}"))
    suites = [_suite(source, chapter, mine) for chapter, mine in _chapters(source)]
    if not is_met(source.run["verdict"]) and not any(ELEMENTS[each["state"]] in RED for each in source.checks):
        suites.append(_undetermined(source))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in suites)))
    root.set("time", f"{_seconds(source.checks):.3f}")
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _chapters(source: Source) -> Iterator[tuple[str, list[Entry]]]:
    for chapter in dict.fromkeys(each["chapter"] for each in source.checks):
        yield chapter, [each for each in source.checks if each["chapter"] == chapter]


def _suite(source: Source, chapter: str, mine: list[Entry]) -> ET.Element:
    counts = Counter(ELEMENTS[each["state"]] for each in mine)
    suite = ET.Element(
        "testsuite",
        name=_line(chapter),
        tests=str(len(mine)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=f"{_seconds(mine):.3f}",
        timestamp=_line(source.run["start"]),
        hostname=_line(source.run["runner"]),
    )
    properties = ET.SubElement(suite, "properties")
    for name in PROPERTIES:
        if source.run.get(name):
            ET.SubElement(properties, "property", name=f"opsverify.run.{name}", value=_line(source.run[name]))
    suite.extend(_case(source, each) for each in mine)
    ET.SubElement(suite, "system-out").text = _attachments(source)
    return suite


def _undetermined(source: Source) -> ET.Element:
    """A run that has not come to a verdict, though none of its checks says so."""
    suite = ET.Element("testsuite", name="run", tests="1", failures="0", errors="1", skipped="0")
    case = ET.SubElement(suite, "testcase", classname=f"{_part(source.run['profile'])}.run.verdict", name="verdict")
    told = f"{source.run['verdict']}: {sentence(source.document)}"
    ET.SubElement(case, "error", message=_line(told), type="error").text = _line(told)
    return suite


def _case(source: Source, entry: Entry) -> ET.Element:
    """One check. What names it never holds a dot of its own, by which Jenkins tells packages."""
    case = ET.Element(
        "testcase",
        classname=f"{_part(source.run['profile'])}.{_part(entry['chapter'])}.{_part(entry['requirement'])}",
        name=_line(f"{entry['requirement']} on {entry['target']}: {entry['title']}"),
        time=f"{_seconds([entry]):.3f}",
    )
    element = ELEMENTS[entry["state"]]
    if entry["state"] == "attested":  # a person has said so: it must not read as if a machine had seen it
        ET.SubElement(case, "system-out").text = _defused("\n".join(_story(entry)))
    if element is not None:
        outcome = ET.SubElement(case, element, message=_defused(why(entry)), type=entry["state"])
        outcome.text = _defused("\n".join(_story(entry)))
        ET.SubElement(case, "system-out").text = _attachments(source)
    return case


def _story(entry: Entry) -> Iterator[str]:
    """All that there is to say of a check that is not simply met."""
    yield f"{entry['state'].upper()}: {why(entry)}"
    if entry["state"] == "waived":
        waiver = entry["waiver"]
        yield f"risk: {line(waiver['risk'])} (requested by {line(waiver['requested_by'])})"
    yield ""
    yield from told(entry)
    yield from (f"stated: {each}" for each in statements(entry))
    if entry["state"] in ("fail", "error", "waived"):
        yield f"what to do: {line(entry['remedy'])}"
        yield f"怎么办: {line(entry['remedy_zh'])}"
    yield f"manual: {line(entry['manual'])}; severity: {line(entry['severity'])}"
    yield f"exchanges in transcript.jsonl: {exchanges(entry)}"
    if "\n" in entry["message"].strip():
        yield f"\n{block(entry['message'])}"


def _attachments(source: Source) -> str:
    folder = "" if source.folder == "." else f"{_line(source.folder)}/"
    return "\n".join(f"[[ATTACHMENT|{folder}{name}]]" for name in ATTACHED if name in source.sha256)


def _seconds(entries: list[Entry]) -> float:
    return sum(max(0.0, float(each["duration_s"])) for each in entries)


def _part(text: str) -> str:
    return _line(text).replace(".", "_")


def _line(text: object) -> str:
    return _defused(line(text))


def _defused(text: str) -> str:
    return MARK.sub("[ ", text)
