"""Each format is valid by its published schema, says what the record says, and no text breaks out of it."""

from __future__ import annotations

import json
import re
import time
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pydantic
import pytest
import xmlschema
from hypothesis import given, settings

from opsverify.errors import UsageError
from opsverify.evidence import formats, intoto, junit, ocsf, oscal
from opsverify.evidence.source import Source
from opsverify.record import GREEN, STATES
from tests.unit import published
from tests.unit.format_cases import (
    EVERY,
    HOSTILE,
    STATEMENT,
    Json,
    entry,
    hostile_sources,
    record,
    source,
)
from tests.unit.small_project import SECRET, Outcome
from tests.unit.small_project import STATES as ENDED

VALID: dict[str, Callable[[str], Any]] = {
    "junit": published.junit,
    "oscal": published.oscal,
    "ocsf": published.ocsf,
    "intoto": published.intoto,
}
MAY_BE_UNSEEN = {"\n"}


@pytest.mark.parametrize("name", VALID)
def test_every_state_is_valid_by_the_published_schema(name: str) -> None:
    VALID[name](formats.FORMATS[name].render(source(*EVERY)))


@pytest.mark.parametrize("name", VALID)
def test_each_state_alone_is_valid_too(name: str) -> None:
    for each in EVERY:
        VALID[name](formats.FORMATS[name].render(source(each)))
    VALID[name](formats.FORMATS[name].render(source()))


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=40)
@given(told=hostile_sources())
def test_no_text_breaks_a_format(name: str, told: Source) -> None:
    text = formats.FORMATS[name].render(told)
    text.encode("utf-8")
    assert len(text) < 3_000_000, "what is too long is cut"
    VALID[name](text)
    if name == "ocsf":
        assert text.count("\n") == len(told.checks)


@pytest.mark.parametrize("name", VALID)
@settings(max_examples=40)
@given(told=hostile_sources())
def test_nothing_is_left_that_cannot_be_seen(name: str, told: Source) -> None:
    text = formats.FORMATS[name].render(told)
    unseen = {each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}
    assert unseen <= MAY_BE_UNSEEN


@pytest.mark.parametrize("name", VALID)
def test_the_same_record_gives_the_same_text(name: str) -> None:
    render = formats.FORMATS[name].render
    assert render(source(*EVERY)) == render(source(*json.loads(json.dumps(EVERY))))


def test_schemas_refuse_what_is_wrong() -> None:
    """The proofs above could fail: each schema finds an error that is put in."""
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        published.junit(
            junit.render(source(*EVERY)).replace("<skipped ", "<omitted ").replace("</skipped", "</omitted")
        )
    with pytest.raises(jsonschema.ValidationError):
        published.ocsf(ocsf.render(source(*EVERY)).replace('"severity_id":4', '"severity_id":44'))
    wrong: tuple[dict[str, Any], ...] = ({"methods": []}, {"unknown": "x"}, {"uuid": "1"})
    for spoilt in wrong:
        document = oscal.document(source(*EVERY))
        document["assessment-results"]["results"][0]["observations"][0] |= spoilt
        with pytest.raises(pydantic.ValidationError):
            published.oscal(json.dumps(document))


@pytest.mark.parametrize(
    ("of", "reference"),
    [
        ("observations", "subject-uuid"),
        ("observations", "actor-uuid"),
        ("observations", "href"),
        ("findings", "observation-uuid"),
        ("findings", "risk-uuid"),
        ("findings", "target-id"),
        ("local-definitions", "component-uuid"),
    ],
)
def test_a_reference_to_nothing_would_be_found(of: str, reference: str) -> None:
    results = oscal.document(source(*EVERY))["assessment-results"]
    text = json.dumps(results["results"][0][of])
    assert f'"{reference}": ' in text
    spoilt = re.sub(rf'("{reference}": "#?)[^"]+', r"\g<1>00000000-0000-4000-8000-000000000000", text, count=1)
    results["results"][0][of] = json.loads(spoilt)
    assert len(list(published.dangling(results))) == 1


# ---- JUnit XML


def cases(told: Source) -> dict[str, ET.Element]:
    root = ET.fromstring(junit.render(told))
    return {str(each.get("classname")).rpartition(".")[2]: each for each in root.iter("testcase")}


def test_junit_has_each_state_where_ci_looks_for_it() -> None:
    found = cases(source(*EVERY))
    of = {name: [each.tag for each in case if each.tag != "system-out"] for name, case in found.items()}
    assert of == {
        "TST-FAIL-01": ["failure"],
        "TST-ERROR-01": ["error"],
        "TST-NOT-TESTED-01": ["skipped"],
        "TST-WAIVED-01": ["skipped"],
        "TST-NOT-APPLICABLE-01": ["skipped"],
        "TST-ATTESTED-01": [],
        "TST-PASS-01": [],
    }
    stated = found["TST-ATTESTED-01"].findtext("system-out")
    assert stated is not None
    assert stated.startswith("ATTESTED: ")
    assert "by: Aylin Demir; reviewed by: Tomas Novak" in stated
    assert found["TST-PASS-01"].find("system-out") is None
    failure = found["TST-FAIL-01"].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "✗ disk: observed 91 %, expected at most 80 %" in failure.text
    assert "✓ inodes: observed 10 %" in failure.text
    assert "what to do: Make room." in failure.text
    assert "gw0-1, gw0-2" in failure.text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("TST-WAIVED-01", "waived until 2026-12-15 by Tomas Novak (OPS-1142): the new disk is ordered | disk: obs"),
        ("TST-NOT-APPLICABLE-01", "there is no cache (until 2027-01-31, approved by Tomas Novak)"),
        ("TST-NOT-TESTED-01", "left out by the selection (-k x)"),
    ],
)
def test_a_reason_stands_in_the_element_as_well_as_in_its_message(name: str, reason: str) -> None:
    """GitLab drops the attributes of an element that has text, and shows nothing of one that has none."""
    skipped = cases(source(*EVERY))[name].find("skipped")
    assert skipped is not None
    assert reason in str(skipped.get("message"))
    assert reason in str(skipped.text)


@pytest.mark.parametrize("state", STATES)
def test_a_run_that_is_not_met_is_red_in_ci(state: str) -> None:
    told = source(entry(state), verdict="undetermined")
    told.document["population"]["reconciled"] = False
    suites = ET.fromstring(junit.render(told))
    assert int(str(suites.get("failures"))) + int(str(suites.get("errors"))) == 1
    assert len(suites.findall(".//failure") + suites.findall(".//error")) == 1
    assert suites.get("tests") == str(len(suites.findall(".//testcase")))


def test_a_run_without_any_check_is_red_in_ci() -> None:
    (error,) = ET.fromstring(junit.render(source(verdict="undetermined"))).iter("error")
    assert error.text == "undetermined: none of 0 checks tested."


def test_no_state_but_those_that_there_are_is_a_case_that_passes() -> None:
    for render in (each.render for each in formats.FORMATS.values()):
        with pytest.raises((KeyError, ValueError), match=r"excellent|not in tuple"):
            render(source(entry("excellent"), verdict="met"))


def test_junit_attaches_what_the_run_left_behind_and_nothing_else() -> None:
    text = junit.render(source(*(entry("fail", target=f"t{at}", message=each) for at, each in enumerate(HOSTILE))))
    attached = re.findall(r"\[\[ATTACHMENT\|(.*?)\]\]", text, re.IGNORECASE)
    folder = "reports/lab/20261123T072841Z-0cd840b3"
    assert set(attached) == {f"{folder}/report.html", f"{folder}/transcript.jsonl"}
    first = ET.fromstring(text).find(".//testcase/system-out")
    assert first is not None
    assert str(first.text).startswith(f"[[ATTACHMENT|{folder}/report.html]]"), "GitLab shows the first alone"


def test_junit_is_read_by_junitparser(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(junit.render(source(*EVERY)), encoding="utf-8")
    read: Any = junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    (suite,) = read
    assert (read.tests, read.failures, read.errors, suite.skipped) == (7, 1, 1, 3)
    assert suite.name == "capacity"
    assert {each.name: each.value for each in suite.properties()} == {
        "opsverify.run.id": "0cd840b3",
        "opsverify.run.profile": "lab",
        "opsverify.run.verdict": "not met",
        "opsverify.run.purpose": "daily",
        "opsverify.run.start": "2026-11-23T07:28:41.989+00:00",
        "opsverify.run.end": "2026-11-23T07:28:47.864+00:00",
        "opsverify.run.suite_version": "0.1.0",
        "opsverify.run.suite_commit": "f5f0a5dc9d4c-dirty",
    }
    assert next((each.classname, each.name) for each in suite) == (
        "lab.capacity.TST-FAIL-01",
        "TST-FAIL-01 on one: Disk has room",
    )


def test_a_dot_in_a_name_makes_no_package_in_jenkins() -> None:
    (case,) = ET.fromstring(junit.render(source(entry(), profile="eu.production"))).iter("testcase")
    assert case.get("classname") == "eu_production.capacity.TST-ONE-01"


# ---- OSCAL


def finding(*entries: Json) -> Json:
    (found,) = published.oscal(oscal.render(source(*entries)))["results"][0]["findings"]
    return dict(found["target"])


@pytest.mark.parametrize(
    ("states", "state", "reason"),
    [
        (["pass"], "satisfied", "pass"),
        (["pass", "attested"], "satisfied", "pass"),
        (["not-applicable"], "satisfied", "other"),
        (["not-applicable", "pass"], "satisfied", "pass"),
        (["not-applicable", "fail"], "not-satisfied", "fail"),
        (["pass", "fail"], "not-satisfied", "fail"),
        (["pass", "waived"], "not-satisfied", "fail"),
        (["pass", "error"], "not-satisfied", "other"),
        (["pass", "not-tested"], "not-satisfied", "other"),
        (["not-tested"], "not-satisfied", "other"),
        (["fail", "error"], "not-satisfied", "fail"),
    ],
)
def test_a_requirement_is_satisfied_when_all_its_checks_are_green(states: list[str], state: str, reason: str) -> None:
    target = finding(*(entry(each, target=f"t{at}") for at, each in enumerate(states)))
    assert (target["status"]["state"], target["status"]["reason"]) == (state, reason)
    assert target["target-id"] == "TST-ONE-01"
    applies = "implementation-status" not in target
    assert applies == (states != ["not-applicable"]), "it says nothing of what is there, but that nothing applies"


def test_risks_are_open_unless_somebody_accepted_them() -> None:
    (result,) = published.oscal(oscal.render(source(*EVERY)))["results"]
    assert [(each["status"], each.get("deadline")) for each in result["risks"]] == [
        ("open", None),
        ("deviation-approved", "2026-12-15T23:59:59Z"),
    ]
    assert result["risks"][1]["statement"] == "it fills up before that"
    (logged,) = result["risks"][1]["risk-log"]["entries"]
    assert "OPS-1142" in logged["description"]


def test_what_was_left_out_was_not_reviewed() -> None:
    told = source(entry(), entry("not-tested", "TST-TWO-01"))
    (result,) = published.oscal(oscal.render(told))["results"]
    (selection,) = result["reviewed-controls"]["control-selections"]
    assert selection["include-controls"] == [{"control-id": "TST-ONE-01"}]
    assert selection["exclude-controls"] == [{"control-id": "TST-TWO-01"}]
    (objectives,) = result["reviewed-controls"]["control-objective-selections"]
    assert objectives["include-objectives"] == [{"objective-id": "TST-ONE-01"}]
    assert objectives["exclude-objectives"] == [{"objective-id": "TST-TWO-01"}]


@pytest.mark.parametrize("told", [source(), source(entry("not-tested"))])
def test_a_run_that_tested_nothing_has_reviewed_nothing(told: Source) -> None:
    (result,) = published.oscal(oscal.render(told))["results"]
    for (each,) in result["reviewed-controls"].values():
        assert each["include-all"] == {}, "OSCAL takes no less"
        assert each["remarks"] == "Nothing was reviewed."


@pytest.mark.parametrize(
    ("state", "kind", "expected"),
    [
        ("pass", ["live", "artefact"], ["TEST", "EXAMINE"]),
        ("pass", ["live", "attested"], ["TEST"]),  # nobody was asked
        ("attested", ["live", "attested"], ["TEST", "INTERVIEW"]),
        ("attested", ["artefact"], ["EXAMINE", "INTERVIEW"]),
        ("fail", ["attested"], ["INTERVIEW"]),
        ("not-tested", ["live"], ["UNKNOWN"]),
        ("not-applicable", ["live"], ["UNKNOWN"]),
    ],
)
def test_an_observation_says_by_what_it_was_made(state: str, kind: list[str], expected: list[str]) -> None:
    (result,) = published.oscal(oscal.render(source(entry(state, kind=kind))))["results"]
    assert result["observations"][0]["methods"] == expected


def test_evidence_is_named_with_its_digest() -> None:
    results = published.oscal(oscal.render(source(*EVERY)))
    links = {each["rlinks"][0]["href"]: each["rlinks"][0]["hashes"] for each in results["back-matter"]["resources"]}
    assert set(links) == {"results.json", "transcript.jsonl", "report.html"}
    attested = next(each for each in results["results"][0]["observations"] if "ATTESTED" in each["title"])
    assert any(STATEMENT["statement"] in each["description"] for each in attested["relevant-evidence"])


def test_ids_are_of_the_run() -> None:
    def ids(run: str) -> set[str]:
        results = oscal.document(source(*EVERY, id=run))
        return {each for key, each in published.walk(results) if key == "uuid"}

    assert ids("0cd840b3") == ids("0cd840b3")
    assert not ids("0cd840b3") & ids("0cd840b4")


def test_markdown_does_not_act() -> None:
    (result,) = published.oscal(oscal.render(source(entry("fail", message="[x](javascript:1) <b>*y*</b>"))))["results"]
    assert r"\[x\](javascript:1) \<b\>\*y\*\</b\>" in result["risks"][0]["description"]


# ---- OCSF


def test_ocsf_says_pass_for_nothing_but_what_passed() -> None:
    events = published.ocsf(ocsf.render(source(*EVERY)))
    found = {each["compliance"]["status_code"]: each for each in events}
    assert {state: each["compliance"]["status"] for state, each in found.items()} == {
        "fail": "Fail",
        "error": "Unknown",
        "not-tested": "Unknown",
        "waived": "Fail",
        "not-applicable": "Not Applicable",
        "attested": "Pass",
        "pass": "Pass",
    }
    assert {state: each.get("status") for state, each in found.items() if "status" in each} == {
        "fail": "New",
        "error": "New",
        "waived": "Waived",
    }
    assert found["waived"]["status_id"] == 99, "3 is what was found to be benign"
    assert {each["unmapped"]["state"] for each in events} == set(STATES)
    assert all("duration" not in each for each in events), "it would be the time from start_time to end_time"
    assert found["waived"]["comment"].startswith("waived until 2026-12-15")
    assert found["fail"]["severity"] == "High"
    assert found["pass"]["severity"] == "Informational"
    assert found["fail"]["evidences"][0] == {
        "name": "disk",
        "data": {"observed": "91 %", "expected": "at most 80 %", "met": False},
    }
    assert found["fail"]["time"] == 1795418927864
    assert (found["fail"]["type_uid"], found["fail"]["class_uid"]) == (200301, 2003)


def test_a_finding_is_known_again_in_the_next_run() -> None:
    def known(run: str) -> list[tuple[str, str]]:
        events = published.ocsf(ocsf.render(source(*EVERY, id=run)))
        return [(each["finding_info"]["uid"], each["metadata"]["uid"]) for each in events]

    first, second = known("0cd840b3"), known("0cd840b4")
    assert [uid for uid, _ in first] == [uid for uid, _ in second]
    assert {uid for _, uid in first} & {uid for _, uid in second} == set()
    assert len({uid for uid, _ in first}) == len(EVERY)


# ---- in-toto


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["pass", "attested", "not-applicable"], "PASSED"),
        (["pass", "waived"], "WARNED"),
        (["pass", "not-tested"], "WARNED"),
        (["pass", "error"], "FAILED"),
        (["pass", "fail"], "FAILED"),
        (["not-tested"], "FAILED"),
    ],
)
def test_a_statement_passes_only_what_was_all_tested_and_met(states: list[str], expected: str) -> None:
    entries = [entry(each, target=f"t{at}") for at, each in enumerate(states)]
    predicate = published.intoto(intoto.render(source(*entries)))["predicate"]
    assert predicate["result"] == expected
    listed = [each for name in ("passedTests", "warnedTests", "failedTests") for each in predicate[name]]
    assert len(listed) == len(states) - states.count("not-applicable")
    (suite,) = [each for each in predicate["configuration"] if each["name"] == "opsverify"]
    attested = [f"TST-ONE-01-t{at}" for at, each in enumerate(states) if each == "attested"]
    assert suite["annotations"]["attested"] == attested, "the predicate has no list for these"


@pytest.mark.parametrize("state", [each for each in STATES if each not in GREEN])
def test_no_check_that_is_not_green_is_in_a_statement_that_passes(state: str) -> None:
    assert intoto.verdict(source(entry(), entry(state, target="two"), verdict="met", partial=False)) != "PASSED"


def test_a_run_that_does_not_add_up_fails() -> None:
    told = source(entry())
    told.document["population"]["reconciled"] = False
    assert intoto.verdict(told) == "FAILED"


def test_a_statement_is_about_the_files_by_digest() -> None:
    statement = published.intoto(intoto.render(source(*EVERY, suite_commit="ab" * 20, ci="https://ci.example/42")))
    assert [each["name"] for each in statement["subject"]] == ["results.json", "transcript.jsonl"]
    names = {each["name"]: each.get("digest") for each in statement["predicate"]["configuration"]}
    assert {"profile lab", "inputs/profile.toml", "opsverify"} <= set(names)
    assert names["opsverify"] == {"gitCommit": "ab" * 20}
    assert statement["predicate"]["url"] == "https://ci.example/42"


# ---- a run


def test_a_run_writes_every_format_and_each_is_valid(everything: Outcome) -> None:
    assert everything.directory is not None
    for name, valid in VALID.items():
        path = everything.directory / formats.FORMATS[name].file
        valid(path.read_text(encoding="utf-8"))
    suites = ET.parse(everything.directory / "junit.xml").getroot()
    assert suites.get("tests") == str(2 * len(ENDED)), "on both hosts"
    folder = everything.directory.relative_to(everything.directory.parents[2])
    assert f"[[ATTACHMENT|{folder}/report.html]]" in (everything.directory / "junit.xml").read_text(encoding="utf-8")


def test_a_run_that_is_over_gives_the_same_again(everything: Outcome) -> None:
    assert everything.directory is not None
    root = everything.directory.parents[2]
    for name, each in formats.FORMATS.items():
        text = formats.render(name, everything.directory, root)
        assert text == (everything.directory / each.file).read_text(encoding="utf-8"), name
        assert SECRET not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "run/results.json: cannot be read: No such file or directory"),
        ("{", "run/results.json: is no record of a run: "),
        ("[" * 100_000, "run/results.json: is no record of a run: "),
        ("[]", "run/results.json: is no record of a run: "),
        (json.dumps({"run": {}, "population": {}, "checks": []}), "is no record of a run: run.id: "),
        (json.dumps({**record(entry()), "checks": [{}]}), "is no record of a run: checks.0.requirement: "),
        (json.dumps({**record(entry()), "checks": [3]}), "is no record of a run: checks.0: "),
        (json.dumps(record(entry("excellent"), verdict="met")), "is no record of a run: checks.0.state: "),
        (json.dumps(record(entry(), end="yesterday")), "is no record of a run: end: "),
    ],
)
def test_what_is_no_record_is_one_clear_error(tmp_path: Path, text: str | None, message: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if text is not None:
        (run / "results.json").write_text(text, encoding="utf-8")
    for name in formats.FORMATS:
        with pytest.raises(UsageError, match=re.escape(message)):
            formats.render(name, run, tmp_path)


def test_ten_thousand_checks_take_seconds() -> None:
    many = [entry(STATES[at % len(STATES)], target=f"t{at}") for at in range(10_000)]
    told = source(*many)
    start = time.process_time()
    sizes = {name: len(each.render(told)) for name, each in formats.FORMATS.items()}
    assert time.process_time() - start < 10
    assert sizes["junit"] < 30_000_000, "what GitLab takes"
