"""What a change record lacks before the change may be begun, by its own words alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsverify import catalogue, changes
from opsverify.gate import preconditions

CATALOGUE = catalogue.load(Path(__file__).parents[2] / "checks")
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
RECORD = """
id = "CHG-1"
class = "standard"
reason = "feature"
summary = "Release 2.4.1 of the API"
[request]
number = "OPS-1812"
by = "Jonas Brandt"
at = 2026-11-20T09:00:00Z
[assessment]
impact = "All requests, for some seconds"
risk = "The API may not come up"
by = "Jonas Brandt"
at = 2026-11-20T10:00:00Z
[test]
environment = "staging"
passed = true
result = "green"
by = "Tomasz Wieczorek"
at = 2026-11-20T15:00:00Z
artefact = "evidence/test.txt"
sha256 = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
[approval]
by = "Aylin Demir"
at = 2026-11-21T08:00:00Z
[window]
from = 2026-11-22T02:00:00Z
to = 2026-11-22T03:00:00Z
[rollback]
plan = "rollback.sh"
"""
ARTEFACTS: dict[str, str | None] = {
    "evidence/test.txt": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
}
EMERGENCY = RECORD.replace('"standard"', '"emergency"').replace('"feature"', '"recovery"')


def without(table: str, text: str = RECORD) -> str:
    head, *tables = re.split(r"(?m)^(?=\[)", text)
    kept = [each for each in tables if not each.startswith(f"[{table}]")]
    assert len(kept) < len(tables)
    return head + "".join(kept)


def lacking(text: str, artefacts: dict[str, str | None] = ARTEFACTS, now: datetime = NOW) -> list[str]:
    change = changes.parse(text, "changes/CHG-1.toml")
    found = preconditions.before(change, artefacts, CATALOGUE, now)
    assert {each.effect for each in found} <= {"NO-GO"}
    assert {each.about for each in found} <= {"CHG-1"}
    return [each.why for each in found]


def test_a_record_that_is_in_order_lacks_nothing() -> None:
    assert lacking(RECORD) == []
    assert lacking(EMERGENCY) == []
    assert lacking(RECORD, now=NOW + timedelta(minutes=60)) == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("request", "has no request"),
        ("assessment", "was not assessed"),
        ("test", "was not tested"),
        ("approval", "was not approved"),
        ("window", "has no window"),
        ("rollback", "has no rollback plan"),
    ],
)
def test_each_step_that_is_missing_is_named(table: str, said: str) -> None:
    assert said in lacking(without(table))
    may_follow = table in ("assessment", "test", "approval")
    assert lacking(without(table, EMERGENCY)) == ([] if may_follow else [said])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("passed = true", "passed = false", "its test failed: green"),
        ('by = "Aylin Demir"', 'by = "jonas  BRANDT"', "was approved by its author (jonas  BRANDT)"),
        ('by = "Aylin Demir"', 'by = "TBD"', "was approved by TBD (a placeholder)"),
        ("2026-11-21T08:00:00Z", "2026-11-20T12:00:00Z", "was tested 2026-11-20 15:00 UTC, after it was approved"),
        ("2026-11-21T08:00:00Z", "2026-11-23T08:00:00Z", "was approved in the future (2026-11-23 08:00 UTC)"),
        ("2026-11-20T09:00:00Z", "2026-11-20T12:00:00Z", "was requested 2026-11-20 12:00 UTC, after assessment"),
        ('"standard"', '"emergency"', "is emergency, but feature makes it standard"),
    ],
)
def test_steps_that_are_wrong_are_named(old: str, new: str, said: str) -> None:
    assert old in RECORD
    assert any(each.startswith(said) for each in lacking(RECORD.replace(old, new)))


def test_a_test_is_worth_what_its_artefact_is() -> None:
    assert lacking(RECORD, {"evidence/test.txt": None}) == ["its artefact evidence/test.txt is gone"]
    assert lacking(RECORD, {"evidence/test.txt": "0" * 64})[0].startswith("its artefact evidence/test.txt is another")


def test_a_window_that_is_over_is_over() -> None:
    over = lacking(RECORD, now=NOW + timedelta(hours=1, seconds=1))
    assert over == ["its window is over since 2026-11-22 03:00 UTC"]


def test_what_was_carried_out_already_has_no_baseline_any_more() -> None:
    done = f'{RECORD}[execution]\nby = "Tomasz Wieczorek"\nfrom = 2026-11-22T02:05:00Z\nto = 2026-11-22T02:10:00Z\n'
    (why,) = lacking(done, now=NOW + timedelta(hours=2))
    assert why.startswith("was carried out already (2026-11-22 02:05 UTC)")


def test_all_that_is_lacking_is_named_at_once() -> None:
    assert len(lacking(without("rollback", without("window", without("approval"))))) == 3


def test_a_window_that_opens_too_late_for_this_baseline_is_told_and_blocks_nothing() -> None:
    change = changes.parse(RECORD, "changes/CHG-1.toml")
    assert preconditions.ahead(change, 4, NOW) == []
    (reason,) = preconditions.ahead(change, 4, NOW - timedelta(hours=5))
    assert reason.effect == "info"
    assert "opens 2026-11-22 02:00 UTC" in reason.why
