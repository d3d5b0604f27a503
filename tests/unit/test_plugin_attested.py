"""The checks of what people state, run by pytest for real: attested where it holds, red where it does not."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab import documents as lab
from tests.unit.small_project import Outcome, Project

ROOT = Path(__file__).parents[2]
WITHOUT_DNS = ("-k", "not MAIL")
ON_FAIL = {"CON-PHONE-01", "CON-DUTY-01", "CON-DUTY-02", "CON-DUTY-03"}  # these are findings when nothing is there


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the real checks of the chapter *people*."""
    project = Project(tmp_path_factory.mktemp("people"))
    shutil.copytree(ROOT / "checks" / "people", project.root / "checks" / "people")
    project.write("profiles/test/profile.toml", 'name = "test"\ndescription = "d"\n')
    return project


def states(outcome: Outcome) -> dict[str, str]:
    return {
        each["requirement"]: each["state"] for each in outcome.results["checks"] if "MAIL" not in each["requirement"]
    }


def test_what_people_state_is_attested_and_shown_with_its_statement(people: Project) -> None:
    lab.write(people.root / "profiles" / "test", datetime.now(UTC), people.root / "checks")
    found = people.run(*WITHOUT_DNS)
    assert found.status == 0, found.output
    assert set(states(found).values()) == {"attested"}
    phone = found.entry("CON-PHONE-01", "program")
    assert [each["by"] for each in phone["statements"]] == ["Mara Lindqvist", "Aylin Demir"]
    assert phone["statements"][1]["artefact"] == "evidence/CON-PHONE-01.md"
    asked = {each["id"]: each["channel"] for each in found.exchanges}
    assert [asked[each] for each in phone["exchanges"]].count("document") == 3
    assert found.directory is not None
    assert "Aylin Demir" in (found.directory / "report.html").read_text(encoding="utf-8")


def test_a_statement_that_has_run_out_is_red(people: Project) -> None:
    lab.write(people.root / "profiles" / "test", datetime.now(UTC) - timedelta(days=31), people.root / "checks")
    found = people.run(*WITHOUT_DNS)
    assert found.status == 1
    assert set(states(found).values()) == {"fail"}


def test_where_nobody_states_anything_nothing_is_green(people: Project) -> None:
    for name in ("roster", "attestations"):
        (people.root / "profiles" / "test" / f"{name}.toml").unlink(missing_ok=True)
    found = people.run(*WITHOUT_DNS)
    assert found.status == 1
    assert {name for name, state in states(found).items() if state == "fail"} == ON_FAIL
    assert {state for name, state in states(found).items() if name not in ON_FAIL} == {"error"}
