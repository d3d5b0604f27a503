"""Waivers over real faults: what fails is waived and stays visible, what cannot be seen is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab import faults
from tests.lab.conftest import Verify

SSH = "127.0.0.1:${LAB_PORT_SSH:-12222}"


def waiver(requirement: str, subject: str, days: int = 60) -> str:
    today = datetime.now(UTC).date()
    return f"""
[[waiver]]
requirement = "{requirement}"
subject = "{subject}"
reason = "It is being replaced"
risk = "Whatever the manual says about it"
requested_by = "Jonas Brandt"
approved_by = "Aylin Demir"
ticket = "OPS-1830"
created = {today}
expires = {today + timedelta(days=days)}
"""


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of waivers, beside the profile that ``verify`` makes."""
    return tmp_path / "waivers.toml"


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["in-one", "in-parallel"])
def test_a_real_fault_under_a_waiver_is_waived_and_one_without_use_is_named(
    kept: Path, verify: Verify, options: tuple[str, ...]
) -> None:
    kept.write_text(waiver("RED-POL-01", "redis") + waiver("RED-MEM-01", "*", days=5), encoding="utf-8")
    with faults.redis_setting("maxmemory-policy", "noeviction"):
        outcome = verify(*options)
        kept.unlink()
        assert verify("-k", "RED-POL-01").red == {"RED-POL-01-redis": "fail"}, "without the waiver it is red"
    assert outcome.red == {}, outcome.output
    assert outcome.exit_status == 0, outcome.output
    assert outcome.results["run"]["verdict"] == "met under 1 waiver"
    assert outcome.results["run"]["waived"] == ["RED-POL-01-redis"]
    check = outcome.check("RED-POL-01-redis")
    assert (check["state"], check["result"], check["waiver"]["ticket"]) == ("waived", "fail", "OPS-1830")
    assert "noeviction" in str([each for each in check["observations"] if not each["met"]])
    population = outcome.results["population"]
    assert population["reconciled"]
    assert population["states"]["waived"] == 1
    whole, bare = (outcome.results["scores"][name] for name in ("with_waivers", "without_waivers"))
    assert whole["met"] == whole["of"] == bare["of"] == bare["met"] + 1
    uses = {each["requirement"]: each["use"] for each in outcome.results["waivers"]["entries"]}
    assert uses == {"RED-POL-01": "used", "RED-MEM-01": "unused"}
    said = " ".join(outcome.output.split())  # lines are broken at the terminal's width
    assert "MEETS THE MANUAL UNDER 1 WAIVER" in said
    assert "WAIVED RED-POL-01" in said
    assert "waiver without use: nothing fails for RED-MEM-01 on every target (OPS-1830): take it out" in said
    assert "5 days left" in said
    page = (outcome.directory / "report.html").read_text(encoding="utf-8")
    assert "Failed under a waiver 豁免中的不符合项 (1)" in page
    assert "剩余 5 天" in page


def test_a_waiver_covers_no_error(kept: Path, verify: Verify) -> None:
    kept.write_text(waiver("HLT-MEM-01", "node") + waiver("NET-FW-01", "*"), encoding="utf-8")
    outcome = verify("-k", "HLT-MEM-01 or NET-FW-01", replace={SSH: "127.0.0.1:1"})
    assert {state for state in outcome.states.values() if state != "not-tested"} == {"error"}
    assert outcome.exit_status == 1
    assert outcome.results["run"]["verdict"] == "undetermined"
    assert {each["use"] for each in outcome.results["waivers"]["entries"]} == {"undetermined"}
    assert "without use" not in outcome.output


def test_what_must_pass_may_be_waived_and_stands_out(kept: Path, verify: Verify) -> None:
    """Its limit is tightened to what no real disk keeps to."""
    kept.write_text(waiver("CAP-TRG-DISK-01", "node"), encoding="utf-8")
    outcome = verify("-k", "CAP-TRG-DISK-01", append="\n[limits.CAP-TRG-DISK-01]\ndisk_used = 0.000001\n")
    assert outcome.exit_status == 0, outcome.output
    assert outcome.states["CAP-TRG-DISK-01-node"] == "waived"
    assert "This must pass: without the waiver it blocks every change." in outcome.output
    assert "✗ must pass 必须通过" in (outcome.directory / "report.html").read_text(encoding="utf-8")
