"""Selecting, running in parallel, stopping early: every run reconciles and says what it left out."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.unit.small_project import (
    PROFILE,
    Outcome,
    Project,
    reconciles,
)


def test_a_whole_green_run_exits_0_and_is_not_partial(green: Project) -> None:
    found = green.run()
    assert found.status == 0, found.output
    assert set(found.states().values()) == {"pass"}
    assert found.results["run"]["verdict"] == "met"
    assert found.results["run"]["partial"] is False
    reconciles(found, 8)


NODE = "checks/security/test_it.py::test_two[TST-TWO-02-two]"


@pytest.mark.parametrize(
    ("arguments", "paths", "tested", "selection"),
    [
        (("-k", "slow"), ("checks",), {"TST-SLOW-01-one", "TST-SLOW-01-two"}, "-k 'slow'"),
        (
            ("-m", "critical"),
            ("checks",),
            {"TST-ONE-01-one", "TST-ONE-01-two", "TST-TWO-02-one", "TST-TWO-02-two"},
            "-m 'critical'",
        ),
        (
            ("-m", "security and not slow"),
            ("checks",),
            {"TST-ONE-01-one", "TST-ONE-01-two", "TST-TWO-01-one", "TST-TWO-01-two"},
            "-m 'security and not slow'",
        ),
        (
            ("-n", "2", "-m", "health"),
            ("checks",),
            {"TST-TWO-02-one", "TST-TWO-02-two"},
            "-m 'health'",
        ),
        ((), (NODE,), {"TST-TWO-02-two"}, NODE),
    ],
)
def test_a_selection_is_a_partial_run_that_says_what_it_left_out(
    green: Project, arguments: tuple[str, ...], paths: tuple[str, ...], tested: set[str], selection: str
) -> None:
    found = green.run(*arguments, paths=paths)
    assert found.status == 0, found.output
    states = found.states()
    assert {name for name, state in states.items() if state == "pass"} == tested
    assert {state for name, state in states.items() if name not in tested} == {"not-tested"}
    assert (found.results["run"]["partial"], found.results["run"]["selection"]) == (True, selection)
    left_out = {each["message"] for each in found.results["checks"] if each["state"] == "not-tested"}
    assert left_out == {f"left out by the selection ({selection})"}
    assert "PARTIAL RUN" in found.output
    reconciles(found, 8)


def test_deselected_checks_are_named(green: Project) -> None:
    found = green.run("--deselect", "checks/security/test_it.py::test_slow")
    assert found.states()["TST-SLOW-01-one"] == "not-tested"
    assert "--deselect" in found.results["run"]["selection"]
    reconciles(found, 8)


def test_parallel_workers_make_one_run(green: Project) -> None:
    found = green.run("-n", "2")
    assert found.status == 0, found.output
    assert set(found.states().values()) == {"pass"}
    known = {each["id"] for each in found.exchanges}
    used = {each for entry in found.results["checks"] for each in entry["exchanges"]}
    assert used
    assert used <= known
    assert len(known) == len(found.exchanges)
    reconciles(found, 8)


def test_exchanges_of_a_check_are_in_the_transcript(everything: Outcome) -> None:
    known = {each["id"] for each in everything.exchanges}
    used = {each for entry in everything.results["checks"] for each in entry["exchanges"]}
    assert used
    assert used <= known


def test_a_run_that_stops_at_the_first_failure_says_what_it_did_not_reach(project: Project) -> None:
    project.change("checks/health/test_it.py", "met=True", "met=False")
    project.change("profiles/test/profile.toml", PROFILE[PROFILE.index("[[not_applicable]]") :], "")
    found = project.run("-x")
    assert found.status == pytest.ExitCode.TESTS_FAILED
    assert Counter(found.states().values()) == {"fail": 1, "not-tested": 3}
    assert {each["message"] for each in found.results["checks"] if each["state"] == "not-tested"} == {"not reached"}
    reconciles(found, 4)
    again = project.run("--lf")
    assert Counter(again.states().values()) == {"fail": 1, "not-tested": 3}
    assert again.results["run"]["selection"] == "--lf"
    reconciles(again, 4)


def test_a_check_that_pytest_never_collects_is_not_green(project: Project) -> None:
    project.change("checks/health/test_it.py", "def test_it", "def check_it")
    project.write("checks/health/test_other.py", "def test_other():\n    pass\n")
    found = project.run()
    assert found.status != 0
    reconciles(found, 4)


def test_nothing_selected_is_no_success(green: Project) -> None:
    assert green.run("-k", "no_such_check").status == pytest.ExitCode.NO_TESTS_COLLECTED


def test_collecting_alone_creates_nothing(green: Project) -> None:
    found = green.run("--collect-only", "-q")
    assert found.status == 0
    assert found.directory is None


def test_a_kind_of_target_that_the_profile_lacks_leaves_the_check_on_the_other_kind(green: Project) -> None:
    requirements = green.root / "checks/security/requirements.toml"
    text = requirements.read_text(encoding="utf-8")
    begin = text.index('id = "TST-ONE-01"')
    changed = text[begin:].replace('target = "host"', 'target = ["host", "cache"]', 1)
    requirements.write_text(text[:begin] + changed, encoding="utf-8")
    green.change("checks/security/test_it.py", 'requirement("TST-ONE-01")', 'requirement("TST-ONE-01", on="host")')
    green.write(
        "checks/security/test_more.py",
        'import pytest\n\n@pytest.mark.requirement("TST-ONE-01", on="cache")\ndef test_it(cache):\n    assert cache\n',
    )
    found = green.run()
    assert found.status == 0, found.output
    reconciles(found, 8)
