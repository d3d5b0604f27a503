"""The real checks of CPU and memory on this machine, in a profile without Prometheus: earlier runs are all there is."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsverify import readings
from opsverify.catalogue import load
from opsverify.readings import Cpu, Memory

ROOT = Path(__file__).parents[2]
PROFILE = 'name = "bare"\ndescription = "one host"\n[[hosts]]\nname = "here"\nconnection = "local://"\n'
EXEMPT = """
[[not_applicable]]
requirement = "{}"
reason = "there is no such thing here"
approved_by = "a test"
expires = 2999-01-01
"""


def verify(folder: Path) -> dict[str, Any]:
    """The entries of capacity of one run, by requirement."""
    lacking = [each.id for each in load(ROOT / "checks").values() if not {"host", "program"} & set(each.target_kinds)]
    profile = folder / "bare.toml"
    profile.write_text(PROFILE + "".join(map(EXEMPT.format, lacking)), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "checks",
        "--profile",
        str(profile),
        "--reports",
        str(folder / "reports"),
    ]
    done = subprocess.run(
        [*command, "-k", "CAP-", "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    latest = folder / "reports/bare/latest/results.json"
    assert latest.exists(), done.stdout + done.stderr
    checks = json.loads(latest.read_text(encoding="utf-8"))["checks"]
    return {each["requirement"]: each for each in checks if each["requirement"].startswith("CAP-")}


def remember(folder: Path, busy: float, used: float, days: int = 9) -> None:
    """Runs of the last days, four a day, of a machine that was busy like this all the time."""
    now = datetime.now(UTC)
    for number in range(days * 4):
        at = now - timedelta(hours=6 * number, minutes=30)
        ticks = 400.0 * (at - now + timedelta(days=60)).total_seconds()
        cpu = Cpu(at.timestamp(), (now - timedelta(days=60)).timestamp(), ticks, ticks * (1 - busy))
        seen: dict[str, Cpu | Memory] = {"CPU": cpu, "MEM": Memory(at.timestamp(), used)}
        checks = [
            {
                "requirement": f"CAP-{kind}{of}-01",
                "target": "here",
                "observations": [{"name": each.name, "observed": each.observed} for each in readings.shown(reading)],
            }
            for of, reading in seen.items()
            for kind in ("", "TRG-")
        ]
        directory = folder / "reports/bare" / f"{at:%Y%m%dT%H%M%SZ}-{number:08x}"
        directory.mkdir(parents=True)
        record = {"run": {"profile": "bare", "start": at.isoformat()}, "checks": checks}
        (directory / "results.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.slow
def test_earlier_runs_serve_and_it_is_said_that_they_do(tmp_path: Path) -> None:
    remember(tmp_path, busy=0.75, used=0.95)
    found = verify(tmp_path)
    red = {name: each["state"] for name, each in found.items() if each["state"] in ("fail", "error")}
    hot = {"CAP-CPU-01", "CAP-MEM-01", "CAP-TRG-CPU-01", "CAP-TRG-MEM-01"}
    assert {name for name, state in red.items() if state == "fail"} >= hot
    observations = {each["name"]: each["observed"] for each in found["CAP-TRG-CPU-01"]["observations"]}
    assert "by this suite's own runs" in observations["here mean CPU use reaches 70 %"]
    assert observations["history"] == "36 earlier runs of this profile"
    assert found["CAP-NET-01"]["state"] == "not-applicable"


@pytest.mark.slow
def test_cool_days_pass_and_targets_are_stricter_than_triggers(tmp_path: Path) -> None:
    remember(tmp_path, busy=0.65, used=0.84)
    found = verify(tmp_path)
    names = ("CAP-CPU-01", "CAP-TRG-CPU-01", "CAP-TRG-MEM-01")
    assert [found[name]["state"] for name in names] == ["fail", "pass", "pass"]


@pytest.mark.slow
def test_a_first_run_knows_nothing_yet_and_leaves_what_it_saw_to_later_ones(tmp_path: Path) -> None:
    found = verify(tmp_path)
    assert found["CAP-TRG-MEM-01"]["state"] == "error"
    assert "0 of 3 days" in found["CAP-TRG-MEM-01"]["message"]
    kept = {each["name"]: each["observed"] for each in found["CAP-TRG-CPU-01"]["observations"]}
    assert kept[readings.TICKS] >= kept[readings.IDLE] > 0
    assert kept[readings.AT] > kept[readings.BOOTED]
