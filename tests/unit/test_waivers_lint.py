"""`opsverify waivers lint`: what it lists, and that whatever is wrong ends in one line and status 64."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsverify import cli
from opsverify.catalogue import Catalogue
from tests.unit.conftest import Command
from tests.unit.test_waivers import ENTRY, ROOT

NOW = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)
TODAY = NOW.date()
PROFILE = 'name = "test"\ndescription = "d"\nhosts = [{ name = "node", connection = "local://" }]\n'


def entry(requirement: str = "HLT-MEM-01", subject: str = "node", days: int = 60, ticket: str = "OPS-1830") -> str:
    return (
        ENTRY.replace("HLT-MEM-01", requirement)
        .replace('"node"', f'"{subject}"')
        .replace("OPS-1830", ticket)
        .replace("2026-11-01", str(TODAY - timedelta(days=5)))
        .replace("2027-01-30", str(TODAY + timedelta(days=days)))
    )


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of waivers of a profile with one host; the command is started in its project."""
    for file in (ROOT / "checks").glob("*/requirements.toml"):
        copy = tmp_path / "checks" / file.parent.name / file.name
        copy.parent.mkdir(parents=True)
        shutil.copy(file, copy)
    found = tmp_path / "profiles" / "test" / "waivers.toml"
    found.parent.mkdir(parents=True)
    found.with_name("profile.toml").write_text(PROFILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_now", lambda: NOW)
    return found


def words(line: str) -> list[str]:
    return re.split(r" {2,}", line)


def test_all_are_listed_with_days_left_the_next_to_run_out_first(command: Command, kept: Path) -> None:
    kept.write_text(
        entry() + entry("SEC-FW-01", "*", 14, "OPS-1") + entry("CON-PHONE-01", "program", 0, "值班-2"), encoding="utf-8"
    )
    said = command("waivers", "lint")
    assert (said.status, said.err) == (0, "")
    head, *rows, last = said.out.splitlines()
    assert words(head) == [
        "DAYS LEFT",
        "HOLDS UNTIL",
        "REQUIREMENT",
        "SUBJECT",
        "SEVERITY",
        "TICKET",
        "APPROVED BY",
        "REASON",
    ]
    assert [words(row)[:4] for row in rows] == [
        ["0", "2026-11-23", "CON-PHONE-01", "program"],
        ["14", "2026-12-07", "SEC-FW-01", "* (every target)"],
        ["60", "2027-01-22", "HLT-MEM-01", "node"],
    ]
    assert words(rows[2])[5:] == ["OPS-1830", "Aylin Demir", "The host gets more memory on 2026-12-10"]
    assert last.startswith("profiles/test/waivers.toml: 3 waivers, each in order; 2 waivers to run out within 14 days")


def test_what_must_pass_or_is_critical_stands_out(command: Command, kept: Path, demands: Catalogue) -> None:
    on_hosts = [each for each in demands.values() if "host" in each.target_kinds]
    must = next(each for each in on_hosts if each.must_pass)
    critical = next(each for each in on_hosts if each.severity == "critical" and not each.must_pass)
    other = next(each for each in on_hosts if each.severity != "critical" and not each.must_pass)
    kept.write_text("".join(entry(each.id) for each in (must, critical, other)), encoding="utf-8")
    said = command("waivers", "lint")
    by_name = {words(row)[2]: words(row)[4] for row in said.out.splitlines()[1:4]}
    assert by_name[must.id] == f"{must.severity}, must pass"
    assert (by_name[critical.id], by_name[other.id]) == ("critical", other.severity)
    assert said.out.rstrip().endswith("; 2 of what must pass or is critical")


def test_due_lists_what_runs_out_within_that_time_and_ends_in_1(command: Command, kept: Path) -> None:
    kept.write_text(entry() + entry("SEC-FW-01", "*", 14), encoding="utf-8")
    said = command("waivers", "lint", "--due", "14d")
    assert said.status == 1
    assert [words(row)[2] for row in said.out.splitlines()[1:]] == ["SEC-FW-01"]
    assert command("waivers", "lint", "--due", "60d").out.count("\n") == 3
    none = command("waivers", "lint", "--due", "13d")
    assert (none.status, none.out) == (0, "nothing is due within 13d\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "profiles/test/waivers.toml: no such file, so nothing is waived\n"),
        ("# none\n", "profiles/test/waivers.toml: no waivers\n"),
    ],
)
def test_none_is_in_order(command: Command, kept: Path, text: str | None, said: str) -> None:
    if text is not None:
        kept.write_text(text, encoding="utf-8")
    found = command("waivers", "lint")
    assert (found.status, found.out, found.err) == (0, said, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (entry().replace("HLT-MEM-01", "HLT-MEM-99"), "waiver.0.requirement: 'HLT-MEM-99' is not in the catalogue"),
        (entry(subject="elsewhere"), "waiver.0.subject: no host 'elsewhere' in the profile (it has: node;"),
        (entry(days=-1), "waiver.0.expires: the waiver of HLT-MEM-01 on node expired on 2026-11-22"),
        (entry(days=86), "waiver.0.expires: 2027-02-17 is 91 days after it was created, expected at most 90 days"),
        (entry().replace("Aylin Demir", "jonas  Brandt"), "waiver.0: approved_by: 'jonas Brandt' requested it"),
        (entry().replace("2026-11-18", "2026-11-24"), "waiver.0.created: 2026-11-24 is in the future"),
        (entry() + entry(subject="*"), "waiver.1.subject: HLT-MEM-01 on every target is waived by waiver.0"),
        (entry().replace("expires", "until"), "waiver.0.expires: Field required"),
        (entry() + "\x1b[2J", "not readable as TOML"),
    ],
)
def test_what_is_wrong_ends_in_one_line_and_64(command: Command, kept: Path, text: str, said: str) -> None:
    kept.write_text(text, encoding="utf-8")
    for options in ((), ("--due", "5d")):
        found = command("waivers", "lint", *options)
        assert (found.status, found.out) == (64, "")
        assert found.err.startswith("opsverify: profiles/test/waivers.toml: ")
        assert said in found.err
        assert found.err.count("\n") == 1
        assert "\x1b" not in found.err


def test_what_is_wrong_elsewhere_does_not_matter_to_it(command: Command, kept: Path) -> None:
    """Whoever mends the waivers need not mend the roster first."""
    (kept.parent / "roster.toml").write_text("by = 1\n", encoding="utf-8")
    kept.write_text(entry(), encoding="utf-8")
    assert command("waivers", "lint").status == 0


@pytest.mark.parametrize("arguments", [("waivers",), ("waivers", "lint", "--due", "soon"), ("waivers", "list")])
def test_wrong_use_ends_in_one_line(command: Command, kept: Path, arguments: tuple[str, ...]) -> None:
    found = command(*arguments)
    assert (found.status, found.out, found.err.count("\n")) == (64, "", 1)


def test_hostile_text_does_not_act_on_the_terminal(command: Command, kept: Path) -> None:
    kept.write_text(entry().replace("The host gets", r"a\u001b[2J\nb\u202e"), encoding="utf-8")
    said = command("waivers", "lint")
    assert said.status == 0
    assert r"a\x1b[2J b\u202e" in said.out
    assert len(said.out.splitlines()) == 3
