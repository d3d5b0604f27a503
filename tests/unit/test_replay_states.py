"""Replays of runs that ended in every state, and of such as did not come to their end."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.replays import gone, made, replay, sealed_anew
from tests.unit.small_project import Outcome, Project, entries
from tests.unit.test_plugin_waived import waiver

DIES = """

@pytest.mark.requirement("RPL-DIES-01")
def test_ends_its_worker(host, judge):
    output(host, "cat ROOT/state")
    if host.name == "one":
        os._exit(1)
    judge([holds("a", 1, "1", met=True)])
"""


def test_every_state_is_reached_again(everything: Outcome) -> None:
    assert everything.directory is not None
    project = object.__new__(Project)
    project.root = everything.directory.parents[2]
    found = replay(project, everything.directory)
    differing = {
        line.partition(":")[0]
        for line in found.output.splitlines()
        if line.startswith("TST-") and ", replayed " in line
    }
    # These two go by the environment and by a folder of pytest's, of which a replay knows nothing.
    assert differing == {f"TST-{name}-01-{target}" for name in ("SKIP", "GUARD") for target in ("one", "two")}
    assert "DIFFERENT: 4 checks of 32, see above" in found.output
    assert found.status == 1


def test_what_was_waived_is_waived_again_and_not_without_its_waiver(tmp_path: Path) -> None:
    project = made(tmp_path, used="0.9\n")
    project.write("profiles/test/waivers.toml", waiver("RPL-LIMIT-01", "*"))
    outcome = project.run("-n", "2")
    assert outcome.results["population"]["states"]["waived"] == 2, outcome.output
    gone(project)
    (tmp_path / "profiles/test/waivers.toml").unlink()
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 0, found.output
    about = outcome.directory / "inputs/run.json"
    about.write_text(json.dumps({**json.loads(about.read_bytes()), "waivers": ["", ""]}), encoding="utf-8")
    sealed_anew(outcome.directory)
    found = replay(project, outcome.directory)
    assert found.status == 1
    assert "RPL-LIMIT-01-one: recorded waived, replayed fail" in found.output
    assert "run.verdict: results.json says 'met under 1 waiver', its checks add up to 'met'" in found.output


def test_a_run_that_stopped_at_its_first_failure_is_replayed_as_far_as_it_went(tmp_path: Path) -> None:
    project = made(tmp_path, state="down\n")
    outcome = project.run("-x")
    assert outcome.results["population"]["states"]["not-tested"] > 8
    gone(project)
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 0, found.output
    assert "not-tested: not reached" in found.output


def test_a_run_that_lost_a_worker_is_replayed_without_what_was_lost(tmp_path: Path) -> None:
    project = made(tmp_path)
    source = (tmp_path / "checks/health/test_it.py").read_text(encoding="utf-8")
    project.write("checks/health/test_it.py", source + DIES.replace("ROOT", str(tmp_path)))
    catalogue = (tmp_path / "checks/health/requirements.toml").read_text(encoding="utf-8")
    project.write("checks/health/requirements.toml", catalogue + entries("RPL-DIES-01"))
    outcome = project.run("-n", "2")
    lost = [each for each in outcome.results["checks"] if "the check was lost" in each["message"]]
    assert lost, outcome.output
    gone(project)
    assert outcome.directory is not None
    found = replay(project, outcome.directory)
    assert found.status == 0, found.output
    assert "error: the check was lost" in found.output
    assert "of these had asked something, as the transcript has it: RPL-DIES-01-one" in found.output
