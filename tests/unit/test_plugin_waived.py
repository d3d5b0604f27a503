"""Waivers in runs of a small project: what is waived stays visible, and nothing else becomes green by it."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.small_project import PROFILE, SECRET, Outcome, Project, entries, reconciles

CHECKS = """
import os

import pytest

from opsverify.errors import UnreachableError
from opsverify.judgement import holds


@pytest.mark.requirement("WVD-FAIL-01")
def test_fails(judge):
    judge([holds("first", "x", "x", met=True), holds("second", "<i>y</i>", "z", met=False)])


@pytest.mark.requirement("WVD-MUST-01")
def test_fails_by_a_plain_assertion(subject):
    assert subject.target == "nowhere", os.environ["TEST_SECRET"]


@pytest.mark.requirement("WVD-FINE-01", "WVD-LONG-01")
def test_fine(judge):
    judge([holds("it", "x", "x", met=True)])
"""
ERRORS = """
@pytest.mark.requirement("ERR-CALL-01")
def test_cannot_see(judge):
    raise UnreachableError("one: cannot be reached")


@pytest.fixture
def down():
    raise AssertionError("a probe failed")


@pytest.mark.requirement("ERR-SETUP-01")
def test_cannot_ask(down, judge):
    judge([holds("it", "y", "x", met=False)])


@pytest.fixture
def ends_badly():
    yield
    raise OSError("could not put away")


@pytest.mark.requirement("ERR-END-01")
def test_fails_and_ends_badly(ends_badly, judge):
    judge([holds("it", "y", "x", met=False)])


@pytest.mark.requirement("ERR-BLIND-01")
def test_sees_nothing(judge):
    judge([])


@pytest.mark.requirement("ERR-SKIP-01")
def test_skips():
    pytest.skip("not today")
"""
WITHOUT_EXEMPTION = PROFILE[: PROFILE.index("[[not_applicable]]")]


def waiver(requirement: str, subject: str, days: int = 60, reason: str = "It is being replaced") -> str:
    today = datetime.now(UTC).date()
    return f"""
[[waiver]]
requirement = "{requirement}"
subject = "{subject}"
reason = "{reason}"
risk = "It may break"
requested_by = "Jonas Brandt"
approved_by = "Aylin Demir"
ticket = "OPS-{len(requirement)}{subject}"
created = {today - timedelta(days=10)}
expires = {today + timedelta(days=days)}
"""


WAIVERS = (
    waiver("WVD-LONG-01", "*", days=80)
    + waiver("WVD-FAIL-01", "*", reason="It is <b>being</b> replaced")
    + waiver("WVD-MUST-01", "one", days=14)
    + waiver("WVD-MUST-01", "two", days=15)
    + waiver("WVD-FINE-01", "one", days=0)
)


def small(root: Path, *, waivers: str = WAIVERS) -> Project:
    found = Project(root)
    must = entries("WVD-MUST-01").replace("must_pass = false", "must_pass = true")
    listed = entries("WVD-FAIL-01", severity="critical") + must + entries("WVD-FINE-01", "WVD-LONG-01", severity="low")
    found.write("checks/health/requirements.toml", listed)
    found.write("checks/health/test_it.py", CHECKS)
    found.write("profiles/test/profile.toml", WITHOUT_EXEMPTION)
    found.write("profiles/test/waivers.toml", waivers)
    return found


@pytest.fixture(scope="module", params=[(), ("-n", "2"), ("-x",)], ids=["in-one", "in-parallel", "stop-at-first"])
def waived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run in which everything that fails is waived."""
    return small(tmp_path_factory.mktemp("waived")).run(*request.param)


def test_a_run_whose_every_failure_is_waived_exits_0_and_says_under_how_many_waivers(waived: Outcome) -> None:
    assert waived.status == 0, waived.output
    run = waived.results["run"]
    assert (run["verdict"], run["partial"]) == ("met under 3 waivers", False)
    assert run["waived"] == ["WVD-FAIL-01-one", "WVD-FAIL-01-two", "WVD-MUST-01-one", "WVD-MUST-01-two"]
    reconciles(waived, 8)
    assert waived.results["population"]["states"]["waived"] == 4
    assert waived.results["population"]["states"]["pass"] == 4


def test_what_is_waived_keeps_its_observations_message_and_true_result(waived: Outcome) -> None:
    found = waived.entry("WVD-FAIL-01")
    assert (found["state"], found["result"]) == ("waived", "fail")
    assert [(each["name"], each["observed"], each["met"]) for each in found["observations"]] == [
        ("first", "x", True),
        ("second", "<i>y</i>", False),
    ]
    assert "second: observed <i>y</i>, expected z" in found["message"]
    assert found["waiver"]["approved_by"] == "Aylin Demir"
    assert found["waiver"]["subject"] == "*"
    assert found["waiver"]["days_left"] == 60
    fine = waived.entry("WVD-FINE-01")
    assert (fine["state"], fine["result"], fine["waiver"]) == ("pass", "pass", None)


def test_both_scores_are_in_the_results(waived: Outcome) -> None:
    assert waived.results["scores"] == {
        "with_waivers": {"met": 8, "of": 8, "share": 1.0},
        "without_waivers": {"met": 4, "of": 8, "share": 0.5},
    }


def test_every_waiver_is_on_record_with_its_use_and_its_file(waived: Outcome) -> None:
    register = waived.results["waivers"]
    assert (register["file"], register["most_days"]) == ("profiles/test/waivers.toml", 90)
    assert re.fullmatch("[0-9a-f]{64}", register["sha256"])
    shown = [
        (each["requirement"], each["subject"], each["days_left"], each["expiring"], each["use"])
        for each in register["entries"]
    ]
    assert shown == [  # what must pass or is critical first
        ("WVD-MUST-01", "one", 14, True, "used"),
        ("WVD-MUST-01", "two", 15, False, "used"),
        ("WVD-FAIL-01", "*", 60, False, "used"),
        ("WVD-FINE-01", "one", 0, True, "unused"),
        ("WVD-LONG-01", "*", 80, False, "unused"),
    ]
    assert register["entries"][2]["checks"] == {"one": "waived", "two": "waived"}


def test_the_terminal_shows_what_is_waived_by_whom_and_for_how_long(waived: Outcome) -> None:
    shown = re.sub(r"[ \n]+", " ", waived.output)
    assert "= FAILURES =" not in shown
    must, fail = (shown.index(f"WAIVED {name}") for name in ("WVD-MUST-01", "WVD-FAIL-01"))
    assert must < fail, "what must pass comes first"
    assert "This must pass" in shown[must:fail]
    assert "observed second: <i>y</i> expected z waiver until" in shown
    assert "14 days left; approved by Aylin Demir for Jonas Brandt (OPS-11one)" in shown
    assert "reason It is being replaced risk It may break" in shown
    assert "≈ 4 waived" in shown
    assert (
        "MEETS THE MANUAL UNDER 3 WAIVERS: 8 checks: 4 failed under a waiver (WVD-MUST-01 on one, WVD-MUST-01 on two, "
        "WVD-FAIL-01 on one, WVD-FAIL-01 on two), 4 green." in shown
    )
    assert "score: 8/8 (100.0 %) met with waivers, 4/8 (50.0 %) without" in shown
    assert re.search(r"4 passed, 4 waived in |4 waived, 4 passed in ", waived.output)


def test_the_terminal_names_what_runs_out_and_what_is_of_no_use(waived: Outcome) -> None:
    found = [line for line in waived.output.splitlines() if line.startswith("waiver ")]
    today = datetime.now(UTC).date()
    assert found == [
        f"waiver runs out: WVD-MUST-01 on one (OPS-11one) holds until {today + timedelta(days=14)}, 14 days left",
        f"waiver runs out: WVD-FINE-01 on one (OPS-11one) holds until {today}, its last day",
        "waiver without use: nothing fails for WVD-FINE-01 on one (OPS-11one): take it out",
        "waiver without use: nothing fails for WVD-LONG-01 on every target (OPS-11*): take it out",
    ]


def test_the_report_shows_it_all_without_a_script_and_nothing_acts_in_it(waived: Outcome) -> None:
    assert waived.directory is not None
    page = (waived.directory / "report.html").read_text(encoding="utf-8")
    head = page[: page.index("data-jsonblob")]
    for text in (
        "≈ MEETS THE MANUAL UNDER 3 WAIVERS 符合手册（含 3 项豁免）",
        "Failed under a waiver 豁免中的不符合项 (4)",
        "✗ must pass 必须通过",
        "✗ second: &lt;i&gt;y&lt;/i&gt;",
        "It is &lt;b&gt;being&lt;/b&gt; replaced",
        "14 days left</b> 有效期至",
        "剩余 14 天",
        "Waivers in force 有效豁免 (5)",
        "unused: nothing failed 未使用：没有不符合项",
        "8/8 (100.0 %) met with waivers, 4/8 (50.0 %) without<br>含豁免 8/8 (100.0 %)，不含豁免 4/8 (50.0 %)",
        "豁免即将到期：WVD-FINE-01 on one",
    ):
        assert text in head, text
    assert head.count("✗ must pass 必须通过") == 4, "each failure, and each waiver"
    assert "WVD-LONG-01（全部对象），OPS-11*，没有不符合项" in head
    assert "opsverify – test – meets the manual under 3 waivers" in head
    assert "<b>being</b>" not in page
    assert html.unescape(page).count('"result": "XFailed"') == 4
    assert '<span class="xfailed">4 ≈ waived' in page
    assert r"Waived \u8c41\u514d" in html.unescape(page), "in the details of the row"


def test_junit_keeps_the_reason_and_no_file_has_the_secret(waived: Outcome) -> None:
    assert waived.directory is not None
    suites = ET.parse(waived.directory / "junit.xml").getroot()
    assert (suites.get("failures"), suites.get("errors")) == ("0", "0")
    reasons = [str(each.get("message")) for each in suites.iter("skipped")]
    assert len(reasons) == 4
    assert all(reason in str(each.text) for reason, each in zip(reasons, suites.iter("skipped"), strict=True))
    assert all(re.match(r"waived until \d{4}-\d\d-\d\d by Aylin Demir \(OPS-11", each) for each in reasons), reasons
    assert any("second: observed <i>y</i>, expected z" in each for each in reasons)
    for path in (each for each in waived.directory.rglob("*") if each.is_file()):
        assert SECRET not in path.read_text(encoding="utf-8"), path.name
    assert SECRET not in waived.output
    assert "[redacted]" in waived.entry("WVD-MUST-01")["message"]


def test_a_failure_beside_a_waived_one_still_fails_the_run(tmp_path: Path) -> None:
    found = small(tmp_path, waivers=waiver("WVD-FAIL-01", "*") + waiver("WVD-MUST-01", "one")).run()
    assert found.status == 1
    assert found.results["run"]["verdict"] == "not met"
    assert found.states()["WVD-MUST-01-two"] == "fail"
    assert found.results["scores"]["with_waivers"]["met"] == 7
    assert "DOES NOT MEET THE MANUAL: 8 checks: 1 failed, 3 failed under a waiver (" in re.sub(
        r"\s+", " ", found.output
    )
    reconciles(found, 8)


def test_a_part_of_a_run_says_nothing_of_unused_waivers(tmp_path: Path) -> None:
    project = small(tmp_path)
    found = project.run("-k", "WVD-FINE-01 or WVD-FAIL-01-one")
    assert found.status == 0, found.output
    assert found.results["run"]["verdict"] == "met under 1 waiver"
    uses = {f"{each['requirement']} {each['subject']}": each["use"] for each in found.results["waivers"]["entries"]}
    assert uses["WVD-FAIL-01 *"] == "used"
    assert set(uses.values()) == {"used", "undetermined"}
    assert "without use" not in found.output
    assert "WHAT WAS TESTED MEETS THE MANUAL UNDER 1 WAIVER: 3 of 8 checks tested" in found.output
    reconciles(found, 8)
    again = project.run("--lf")
    assert again.results["run"]["selection"] == "--lf"
    assert again.states()["WVD-MUST-01-one"] == "waived", "nothing is red, so everything is asked again"


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["in-one", "in-parallel"])
def test_a_waiver_covers_no_error_and_no_test_that_was_left_out(tmp_path: Path, options: tuple[str, ...]) -> None:
    names = ("ERR-CALL-01", "ERR-SETUP-01", "ERR-END-01", "ERR-BLIND-01", "ERR-SKIP-01")
    project = small(tmp_path, waivers=WAIVERS + "".join(waiver(name, "*") for name in names))
    text = (project.root / "checks/health/requirements.toml").read_text(encoding="utf-8")
    project.write("checks/health/requirements.toml", text + entries(*names))
    project.write("checks/health/test_it.py", CHECKS + ERRORS)
    found = project.run(*options)
    assert found.status == 1
    assert found.results["run"]["verdict"] == "undetermined"
    for name in names:
        entry = found.entry(name)
        expected = "not-tested" if name == "ERR-SKIP-01" else "error"
        assert (entry["state"], entry["result"], entry["waiver"]) == (expected, expected, None), name
    ended = found.entry("ERR-END-01")
    assert "observed y, expected x; then OSError: could not put away" in ended["message"]
    uses = {each["requirement"]: each["use"] for each in found.results["waivers"]["entries"]}
    assert {uses[name] for name in names} == {"undetermined"}
    assert found.results["scores"]["with_waivers"] == {"met": 8, "of": 16, "share": 0.5}
    reconciles(found, 18)
    assert found.directory is not None
    page = html.unescape((found.directory / "report.html").read_text(encoding="utf-8"))
    rows = page.count('"resultsTableRow": ["<td class=\\"col-requirement\\"><b>ERR-END-01</b>')
    assert rows == 2, "one row for each target, not one for each phase"


EDITOR = """
def pytest_configure_node(node):
    (node.config.rootpath / "profiles/test/waivers.toml").write_text("# none any more")
"""


def test_a_file_that_is_edited_meanwhile_does_not_part_the_workers_from_the_run(tmp_path: Path) -> None:
    project = small(tmp_path)
    project.write("checks/conftest.py", EDITOR)
    found = project.run("-n", "2")
    assert found.results["run"]["verdict"] == "met under 3 waivers", found.output
    assert len(found.results["waivers"]["entries"]) == 5


def test_what_is_declared_not_applicable_needs_no_waiver(tmp_path: Path) -> None:
    project = small(tmp_path)
    project.write("profiles/test/profile.toml", PROFILE.replace("TST-NA-01", "WVD-FINE-01"))
    found = project.run()
    assert found.entry("WVD-FINE-01")["state"] == "not-applicable"
    uses = {each["requirement"]: each["use"] for each in found.results["waivers"]["entries"]}
    assert uses["WVD-FINE-01"] == "unused"
    assert found.results["scores"]["without_waivers"] == {"met": 2, "of": 6, "share": 1 / 3}


def test_the_profile_may_name_another_file_and_another_limit(tmp_path: Path) -> None:
    project = small(tmp_path, waivers="")
    project.write("kept/ours.toml", waiver("WVD-FAIL-01", "*", days=110) + waiver("WVD-MUST-01", "*"))
    project.write(
        "profiles/test/profile.toml",
        f'{WITHOUT_EXEMPTION}\n[program]\nwaivers = "kept/ours.toml"\nwaiver_days = 120\n',
    )
    found = project.run()
    assert found.status == 0, found.output
    assert (found.results["waivers"]["file"], found.results["waivers"]["most_days"]) == ("kept/ours.toml", 120)


def test_where_there_are_none_nothing_is_said_of_any(tmp_path: Path) -> None:
    project = small(tmp_path)
    (project.root / "profiles/test/waivers.toml").unlink()
    found = project.run("-k", "FINE")
    assert found.results["run"]["verdict"] == "met"
    assert found.results["run"]["waived"] == []
    assert found.results["waivers"] == {"file": "", "sha256": "", "most_days": 90, "entries": []}
    assert "waive" not in found.output.lower()
    assert "score: 4/4 (100.0 %) met, of what was tested" in found.output
