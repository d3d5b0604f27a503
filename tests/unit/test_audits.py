"""Dependency audits: the tool's own result is read, whole or not at all, and what is accepted is so until its end."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.documents import NPM_AUDIT
from opsverify.accepted import Acceptance, parse
from opsverify.errors import InsufficientFactsError, UnansweredError, UsageError
from opsverify.judgement import Limits, unmet
from opsverify.probes import Attempt
from opsverify.probes.audits import Advisory, Audit, parse_audit
from opsverify.probes.documents import Attested
from opsverify.rules.audits import dependencies_audited
from tests.unit.test_rules_people import DRILL

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()
CRITICAL = Advisory("GHSA-aaaa-bbbb-cccc", "left-pad", "critical")
AUDIT = Audit("npm audit", 42, "dependencies", (CRITICAL, Advisory("GHSA-1", "x", "high")))
ATTESTED = Attested(DRILL.entry.model_copy(update={"date": TODAY, "valid_for": "60d"}), DRILL.entry.sha256)


def npm(change: Callable[[dict[str, Any]], object] = lambda _: None) -> str:
    data = copy.deepcopy(NPM_AUDIT)
    change(data)
    return json.dumps(data)


def critical(data: dict[str, Any]) -> None:
    package = data["vulnerabilities"]["pretty-table"]
    package["severity"] = package["via"][0]["severity"] = "critical"
    data["vulnerabilities"]["app-kit"] = {"severity": "critical", "via": ["pretty-table"]}
    data["metadata"]["vulnerabilities"].update(critical=2, moderate=0)


def test_what_npm_found_is_told_by_its_advisory() -> None:
    found = parse_audit(npm())
    assert (found.tool, found.seen, found.made) == ("npm audit", 42, None)
    assert found.advisories == (Advisory("GHSA-0000-0000-0001", "pretty-table", "moderate"),)
    assert parse_audit(npm(critical)).advisories == (Advisory("GHSA-0000-0000-0001", "pretty-table", "critical"),)


def test_what_a_real_npm_wrote(captured: Callable[[str], str]) -> None:
    """npm 11 on the lab's API, with an invented advisory about something that a dependency depends on."""
    found = parse_audit(captured("npm-audit-critical.json"))
    assert found.advisories == (Advisory("GHSA-0000-0000-0002", "tdigest", "critical"),)
    assert parse_audit(captured("npm-audit-clean.json")) == Audit("npm audit", 29, "dependencies", ())


TRIVY: dict[str, Any] = {
    "SchemaVersion": 2,
    "CreatedAt": "2026-11-20T08:00:00.123456789Z",
    "ArtifactName": "tokenswap-api",
    "Results": [
        {
            "Target": "debian 12",
            "Class": "os-pkgs",
            "Vulnerabilities": [{"VulnerabilityID": "CVE-2026-1", "PkgName": "zlib1g", "Severity": "CRITICAL"}],
        },
        {"Target": "Node.js", "Class": "lang-pkgs"},
        {"Target": "key.pem", "Class": "secret"},
    ],
}


def test_what_trivy_found_is_told_by_its_number_and_when() -> None:
    found = parse_audit(json.dumps(TRIVY))
    assert found.advisories == (Advisory("CVE-2026-1", "zlib1g", "critical"),)
    assert (found.tool, found.seen, found.unseen) == ("trivy of tokenswap-api", 2, "")
    assert found.made == datetime(2026, 11, 20, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", UnansweredError, "it is no JSON"),
        ("# all is well", UnansweredError, "it is no JSON"),
        ("[]", UnansweredError, "neither"),
        ('{"error": {"code": "ENOLOCK"}}', UnansweredError, "neither"),
        ('{"auditReportVersion": 1, "advisories": {}}', UnansweredError, "neither"),
        ('{"auditReportVersion": 2, "vulnerabilities": {}}', UnansweredError, "metadata"),
        (npm(lambda data: data["metadata"]["dependencies"].update(total=0)), InsufficientFactsError, "no dependency"),
        (npm(lambda data: data["metadata"]["vulnerabilities"].update(critical=1)), UnansweredError, "it is not whole"),
        (npm(lambda data: data["vulnerabilities"]["pretty-table"].update(via=["x"])), UnansweredError, "KeyError: 'x'"),
        (npm(lambda data: data["vulnerabilities"]["pretty-table"].update(severity="bad")), UnansweredError, "'bad'"),
        (json.dumps({**TRIVY, "Results": None}), InsufficientFactsError, "no packages"),
        (json.dumps({**TRIVY, "Results": TRIVY["Results"][2:]}), InsufficientFactsError, "no packages"),
        (json.dumps(TRIVY).replace("CRITICAL", "AWFUL"), UnansweredError, "the severity 'AWFUL' is not known"),
        (json.dumps(TRIVY).replace("2026-11-20T08", "yesterday"), UnansweredError, "not understood"),
        (json.dumps({**TRIVY, "CreatedAt": "2026-11-20T08:00:00"}), UnansweredError, "names no time zone"),
        (json.dumps({**TRIVY, "CreatedAt": "0001-01-01T00:00:00+14:00"}), UnansweredError, "not understood"),
    ],
)
def test_what_is_no_whole_result_is_no_clean_one(text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        parse_audit(text)


@pytest.mark.parametrize(
    ("system", "results", "said"),
    [
        ({"Family": "debian", "Name": "12.5"}, TRIVY["Results"], ""),
        ({"Family": "none"}, TRIVY["Results"][1:], ""),
        ({"Family": "debian", "Name": "9.13", "EOSL": True}, TRIVY["Results"], "debian 9.13 is past its end of life"),
        ({"Family": "fedora", "Name": "39"}, TRIVY["Results"][1:], "not looked at the packages of fedora 39"),
    ],
)
def test_what_trivy_could_not_see_is_an_error_unless_something_else_is_wrong(
    limits_of: LimitsOf, system: dict[str, Any], results: list[dict[str, Any]], said: str
) -> None:
    limits = limits_of("BP-SEC-01")
    clean = [{key: value for key, value in each.items() if key != "Vulnerabilities"} for each in results]
    found = parse_audit(json.dumps({**TRIVY, "Metadata": {"OS": system}, "Results": clean}))
    assert said in found.unseen
    assert bool(found.unseen) == bool(said)
    if said:
        with pytest.raises(InsufficientFactsError, match=said):
            judged(limits, Attempt(found))
    else:
        assert judged(limits, Attempt(found)) == ""
    assert "left-pad" in judged(limits, Attempt(replace(found, advisories=(CRITICAL,))))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["vulnerabilities", "metadata"]), JSON)
def test_a_result_of_any_shape_is_understood_or_refused(key: str, value: object) -> None:
    with pytest.raises(UnansweredError):
        parse_audit(npm(lambda data: data.update({key: value})))


def judged(
    limits: Limits,
    audit: Attempt[Audit] | None,
    *accepted: Acceptance,
    found: Attested | None = ATTESTED,
) -> str:
    return "; ".join(map(str, unmet(dependencies_audited(found, audit, accepted, limits, "error", NOW))))


def acceptance(days: int, advisory: str = CRITICAL.id) -> Acceptance:
    return Acceptance(advisory=advisory, reason="r", approved_by="a", expires=TODAY + timedelta(days=days))


def test_a_critical_advisory_is_accepted_until_its_end(limits_of: LimitsOf) -> None:
    limits, audit = limits_of("BP-SEC-01"), Attempt(AUDIT)
    assert "critical advisories not accepted for at most 90 days: observed GHSA-aaaa-bbbb-cccc in left-pad" in judged(
        limits, audit
    )
    assert judged(limits, audit, acceptance(1)) == judged(limits, audit, acceptance(0)) == ""
    assert judged(limits, audit, acceptance(90)) == ""
    assert "left-pad (accepted until 2027-02-22), expected none" in judged(limits, audit, acceptance(91))
    assert judged(limits, audit, acceptance(0, "ghsa-AAAA-bbbb-cccc")) == ""
    assert "left-pad (accepted until 2026-11-22)" in judged(limits, audit, acceptance(-1))
    assert judged(limits, audit, acceptance(1), acceptance(-9)) == ""
    assert "not accepted" in judged(limits, audit, acceptance(1, "GHSA-1"))
    assert judged(limits, Attempt(Audit("npm audit", 42, "dependencies", AUDIT.advisories[1:]))) == ""


def test_an_audit_is_as_old_as_it_says_itself(limits_of: LimitsOf) -> None:
    def made(days: int) -> str:
        old = Audit("trivy", 2, "sets of packages", (), NOW - timedelta(days=days))
        return judged(limits_of("BP-SEC-01"), Attempt(old))

    assert made(30) == ""
    assert "audit made: observed 31 days, expected at most 30" in made(31)
    assert "audit made: observed -1 days" in made(-1)


def test_a_finding_is_never_hidden_by_what_is_lacking(limits_of: LimitsOf) -> None:
    limits = limits_of("BP-SEC-01")
    no_result: Attempt[Audit] = Attempt(None, "evidence/x.md: it is no JSON")
    with pytest.raises(InsufficientFactsError, match="it is no JSON"):
        judged(limits, no_result)
    with pytest.raises(InsufficientFactsError, match="attestation: none"):
        judged(limits, None, found=None)
    old = Attested(ATTESTED.entry.model_copy(update={"date": TODAY - timedelta(days=31)}), ATTESTED.digest)
    assert "age of the attestation: observed 31" in judged(limits, no_result, found=old)
    assert "artefact evidence/call.txt" in judged(limits, None, found=Attested(ATTESTED.entry, "b" * 64))


ENTRY = """
[[accepted]]
advisory = "GHSA-1"
reason = "Not reachable from outside."
approved_by = "Claire Fontaine"
expires = 2026-12-01
"""


def test_an_acceptance_has_a_reason_an_approver_and_an_end() -> None:
    assert parse(ENTRY, "f")[0].expires == date(2026, 12, 1)
    assert parse("", "f") == []
    with pytest.raises(UsageError, match=r"f: not readable as TOML: .* too deep"):
        parse(f"accepted = {'[' * 5000}", "f")
    for line in ENTRY.strip().splitlines()[1:]:
        with pytest.raises(UsageError, match=rf"f: accepted\.0\.{line.split()[0]}"):
            parse(ENTRY.replace(line + "\n", ""), "f")
