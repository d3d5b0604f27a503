"""What a check ends in, and what is recorded of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.small_project import (
    SECRET,
    STATES,
    Outcome,
    reconciles,
    single,
)


@pytest.mark.parametrize(("requirement", "state"), STATES.items())
def test_a_check_ends_in_its_state_on_every_target(everything: Outcome, requirement: str, state: str) -> None:
    assert {everything.entry(requirement, target)["state"] for target in ("one", "two")} == {state}


def test_a_run_that_is_not_green_exits_as_failed_and_reconciles(everything: Outcome) -> None:
    assert everything.status == pytest.ExitCode.TESTS_FAILED, everything.output
    assert everything.results["run"]["verdict"] == "not met"
    reconciles(everything, 2 * len(STATES))


def test_fail_and_error_are_told_apart_on_the_terminal(everything: Outcome) -> None:
    failed = re.search(r"(\d+) failed", everything.output)
    errors = re.search(r"(\d+) error", everything.output)
    assert failed is not None
    assert errors is not None


def test_observed_and_expected_are_kept_apart(everything: Outcome) -> None:
    first, second = everything.entry("TST-FAIL-01")["observations"]
    assert (first["name"], first["met"]) == ("first", True)
    assert {key: second[key] for key in ("name", "observed", "expected", "met", "unit", "worse")} == {
        "name": "second",
        "observed": "y",
        "expected": "x",
        "met": False,
        "unit": "",
        "worse": None,
    }


def test_a_plain_assertion_is_an_observation(everything: Outcome) -> None:
    found = everything.entry("TST-PLAIN-01")["observations"]
    assert [each["name"] for each in found] == ["passwd.exists", "passwd.mode == 0o644"]
    assert all(each["met"] for each in found)
    (failed,) = everything.entry("TST-PLAIN-02")["observations"]
    assert not failed["met"]


def test_what_a_library_asserts_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Compiled anew, or testinfra's own assertions might be left from a project in which nobody is told of them.
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "compiled"))
    project = single(tmp_path)
    project.write(
        "checks/health/test_it.py",
        "import pytest\n"
        '@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")\n'
        "def test_it(host):\n    host.check_output('true')\n    host.run_expect([0], 'true')\n",
    )
    entry = project.run().entry("TST-PASS-01")
    assert (entry["state"], entry["observations"]) == ("error", [])
    assert "without observing anything" in entry["message"]


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("TST-RAISE-01", "too little for at most 0.8"),
        ("TST-BOOM-01", "ValueError: boom"),
        ("TST-NOTHING-01", "without observing anything"),
        ("TST-NOTHING-02", "the rule observed nothing"),
        ("TST-SETUP-01", "a probe failed"),
        ("TST-TEARDOWN-01", "late"),
        ("TST-SKIP-01", "not today"),
        ("TST-NA-01", "no such thing here (until 2999-01-01)"),
        ("TST-GUARD-01", "'touch' is not on the read-only list"),
    ],
)
def test_a_state_comes_with_its_reason(everything: Outcome, requirement: str, message: str) -> None:
    assert message in everything.entry(requirement)["message"]


def test_a_check_with_nothing_but_testinfras_host_is_guarded_and_recorded(everything: Outcome) -> None:
    by_id = {each["id"]: each for each in everything.exchanges}
    found = [by_id[each] for each in everything.entry("TST-PLAIN-01")["exchanges"]]
    assert found
    assert {(each["channel"], each["target"]) for each in found} == {("shell", "one")}
    assert all("test_plain_assertions_on_testinfras_host[TST-PLAIN-01-one]" in each["check"] for each in found)
    (refused,) = [by_id[each] for each in everything.entry("TST-GUARD-01")["exchanges"]]
    assert "refused to ask" in refused["failure"]


def test_a_secret_is_in_no_file_of_the_run(everything: Outcome) -> None:
    assert everything.directory is not None
    written = [path for path in everything.directory.rglob("*") if path.is_file()]
    assert {str(path.relative_to(everything.directory)) for path in written} == {
        "results.json",
        "transcript.jsonl",
        "report.html",
        "junit.xml",
        "oscal-assessment-results.json",
        "ocsf.jsonl",
        "test-result.intoto.json",
        "evidence.html",
        "redactions.json",
        "SHA256SUMS",
        "PREV",
        "seal.json",
        *(f"inputs/{name}" for name in ("run.json", "profile.json", "profile.toml", "catalogue.json")),
    }
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path.name
    assert SECRET not in everything.output
    assert "[redacted]" in everything.entry("TST-SECRET-01")["message"]


def test_results_have_the_keys_that_others_rely_on(everything: Outcome) -> None:
    results = everything.results
    assert {"run", "population", "checks", "coverage"} <= set(results)
    assert {"id", "profile", "profile_sha256", "start", "end", "verdict", "partial", "suite_version"} <= set(
        results["run"]
    )
    assert {"requirement", "manual", "severity", "target", "state", "observations", "message", "duration_s"} <= set(
        results["checks"][0]
    )
    assert {each["requirement"] for each in results["coverage"]} == set(STATES)


def test_latest_points_at_the_newest_run(everything: Outcome) -> None:
    assert everything.directory is not None
    assert (everything.directory.parent / "latest").resolve() == everything.directory.resolve()
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", everything.directory.name)
