"""The operator's report: what stands in it, however a check ended and whatever it saw."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from opsverify.charts import MOST_POINTS
from opsverify.summary import observations

REQUIREMENT = """
[[requirement]]
id = "{id}"
title = "Title of {id}"
title_zh = "标题"
manual = "性能优化 › 2. 缓存优化"
lines = "132-141"
statement = "At most {{age}} old, at least {{share}}."
statement_zh = "不超过 {{age}}，至少 {{share}}。"
severity = "high"
kind = ["live"]
missing = "fail"
must_pass = false
remedy = "Remedy of {id}."
remedy_zh = "处理。"
target = "host"
[requirement.limits]
age = {{ at_most = 1, unit = "days", origin = "manual" }}
share = {{ at_least = 0.6, unit = "ratio", origin = "manual" }}
"""
CHECKS = r"""
import pytest
from opsverify.errors import UnreachableError
from opsverify.judgement import holds

@pytest.fixture
def down():
    raise UnreachableError("<b>node</b>: cannot be reached")

@pytest.fixture
def ends_badly():
    yield
    raise RuntimeError("could not put away")

@pytest.mark.requirement("BAD-HOSTILE-01")
def test_hostile(judge):
    judge([holds("fine", "yes", "yes", True)] * 30
          + [holds("<script>alert(1)</script>", "</td>\n\x1b[31m'\"\u202e", "<i>none</i>", False)])

@pytest.mark.requirement("SETUP-DOWN-01")
def test_down(down): ...

@pytest.mark.requirement("CALL-DOWN-01")
def test_down_late(): raise UnreachableError("too late")

@pytest.mark.requirement("END-BAD-01")
def test_end(ends_badly, judge): judge([holds("up", "yes", "yes", True)])

@pytest.mark.requirement("SKIP-SELF-01")
def test_skip(): pytest.skip("no time")
"""
DRAWN = r"""
import pytest
from opsverify.judgement import holds

@pytest.mark.requirement("FINE-A-01")
def test_fine(judge, chart):
    chart("</svg><script>alert(2)</script>", "ratio", [(1.79e9 + 60 * i, i / 1e6) for i in range(9999)], 0.6)
    judge([holds("up", "yes", "yes", True), holds("CPU reaches 0.6 ratio", "in 41 days", "shown", True)])
"""
NAMES = ("BAD-HOSTILE-01", "SETUP-DOWN-01", "CALL-DOWN-01", "END-BAD-01", "SKIP-SELF-01", "FINE-A-01")


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["in-one", "in-parallel"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a run that ends in every way there is."""
    root = tmp_path_factory.mktemp("project")
    for chapter, checks, names in (("health", CHECKS, set(NAMES) - {"FINE-A-01"}), ("capacity", DRAWN, ["FINE-A-01"])):
        folder = root / "checks" / chapter
        folder.mkdir(parents=True)
        entries = [REQUIREMENT.format(id=name) for name in sorted(names)]
        (folder / "requirements.toml").write_text("".join(entries), encoding="utf-8")
        (folder / f"test_{chapter}.py").write_text(checks, encoding="utf-8")
    (root / "profiles" / "demo").mkdir(parents=True)
    (root / "profiles" / "demo" / "profile.toml").write_text(
        'name = "demo"\ndescription = "demo"\nhosts = [{ name = "node", connection = "local://" }]\n', encoding="utf-8"
    )
    (root / "conftest.py").write_text('pytest_plugins = ["opsverify.plugin"]\n', encoding="utf-8")
    (root / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n", encoding="utf-8")
    source = str(Path(__file__).parents[2] / "src")
    subprocess.run(
        [sys.executable, "-m", "pytest", "checks", "--profile", "demo", *request.param],
        cwd=root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": source, "BUILD_URL": "https://ci.invalid/key", "CI": "true"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return next(root.glob("reports/demo/latest/report.html")).read_text(encoding="utf-8")


@cache
def data(page: str) -> dict[str, Any]:
    """What the page's script builds the table from."""
    blob = re.search(r'data-jsonblob="(.*?)"', page, re.DOTALL)
    assert blob
    found: dict[str, Any] = json.loads(html.unescape(blob[1]))
    return found


def rows(page: str) -> dict[str, dict[str, Any]]:
    """The rows of the table by requirement; each check has exactly one."""
    every = [row for tests in data(page)["tests"].values() for row in tests]
    named = {name: row for name in NAMES for row in every if f"<b>{name}</b>" in row["resultsTableRow"][0]}
    assert len(named) == len(every) == len(NAMES)
    return named


def test_each_check_has_one_row_with_its_state(page: str) -> None:
    results = {
        name: (row["result"], re.sub("<.*?>", " ", row["state"])[4:].split()[:2]) for name, row in rows(page).items()
    }

    assert results == {
        "BAD-HOSTILE-01": ("Failed", ["✗", "fail"]),
        "SETUP-DOWN-01": ("Error", ["?", "error"]),
        "CALL-DOWN-01": ("Error", ["?", "error"]),
        "END-BAD-01": ("Error", ["?", "error"]),
        "SKIP-SELF-01": ("Skipped", ["–", "not-tested"]),
        "FINE-A-01": ("Passed", ["✓", "pass"]),
    }


def test_the_filters_count_what_the_rows_show(page: str) -> None:
    counts = dict(re.findall(r'<span class="(\w+)">(\d+) ', page))

    shown = {"failed": "1", "passed": "1", "skipped": "1", "error": "3"}
    assert counts == {**dict.fromkeys(("xfailed", "xpassed", "rerun", "retried"), "0"), **shown}


def test_nothing_observed_acts_in_the_page(page: str) -> None:
    row = rows(page)["BAD-HOSTILE-01"]
    shown = "".join(row["resultsTableRow"]) + row["log"]

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert r"\x1b[31m" in shown
    assert r"\u202e" in shown
    assert shown.count("<script") == 0
    assert page.count("<script") == 1  # pytest-html's own
    assert "\x1b" not in page + shown
    assert "\u202e" not in page + shown


def test_a_row_shows_what_is_not_met_first_and_not_too_much_of_the_rest(page: str) -> None:
    observed = rows(page)["BAD-HOSTILE-01"]["resultsTableRow"][3]

    assert observed.index("<strong>✗ ") < observed.index("fine: yes")
    assert observed.count("fine: yes") == 4
    assert "and 26 more in results.json" in observed


@pytest.mark.parametrize("name", ["SETUP-DOWN-01", "CALL-DOWN-01", "END-BAD-01", "FINE-A-01"])
def test_the_details_say_what_the_manual_demands_in_whichever_phase_a_check_ended(page: str, name: str) -> None:
    log = rows(page)[name]["log"]

    for text in (
        "At most 1 day old, at least 60 %.",
        "不超过 1 天，至少 60 %。",
        "(132-141)",
        f"Remedy of {name}.",
        "处理。",
    ):
        assert text in log


def test_a_traceback_that_no_one_foresaw_is_kept(page: str) -> None:
    assert "ends_badly" in rows(page)["END-BAD-01"]["log"]
    assert '<pre class="kept">' not in rows(page)["SETUP-DOWN-01"]["log"]


def test_the_head_of_the_page_needs_no_script(page: str) -> None:
    head = page[: page.index("data-jsonblob")]

    assert "<title" in head
    assert "opsverify – demo – does not meet the manual" in head
    assert "6 checks" in head
    assert "Remedy of BAD-HOSTILE-01." in head
    assert "&lt;b&gt;node&lt;/b&gt;: cannot be reached" in head
    assert "PARTIAL RUN" in head
    assert re.search(r"\d\d:\d\d:\d\d UTC", head)


def test_a_picture_stands_in_the_details_and_those_of_capacity_in_the_head(page: str) -> None:
    head = page[: page.index("data-jsonblob")]

    assert "<h2>Capacity 容量</h2>" in head
    assert "<p>CPU reaches 0.6 ratio: in 41 days</p>" in head
    for place in (head, rows(page)["FINE-A-01"]["log"]):
        assert place.count("<svg ") == place.count("</svg>") == 1
        assert "limit 60 %" in place
        assert 100 < place.count(" L") < MOST_POINTS
    assert "<svg" not in rows(page)["BAD-HOSTILE-01"]["log"]


def test_the_environment_is_versions_and_nothing_else(page: str) -> None:
    environment = data(page)["environment"]

    assert {"opsverify", "Python", "pytest"} <= set(environment)
    assert all(re.match(r"\d+\.\d+", version) for version in environment.values())
    assert "ci.invalid" not in page


def test_nothing_is_requested_from_elsewhere(page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?!https://pypi\.python\.org/pypi/pytest-html")[^"]', page)
    assert "url(" not in page
    assert "@import" not in page


def test_shares_are_shown_in_percent_and_counts_bare() -> None:
    def shown(observed: object, expected: str, unit: str) -> tuple[str, str]:
        entry = {"observations": [{"name": "x", "observed": observed, "expected": expected, "unit": unit, "met": True}]}
        return observations(entry)[0][1:3]

    assert shown(0.914, "at most 0.8", "ratio") == ("91.4 %", "at most 80 %")
    assert shown(3, "at most 5", "count") == ("3", "at most 5")
    assert shown(1.5, "at most 2", "seconds") == ("1.5 seconds", "at most 2 seconds")
    assert shown(["a", "b"], "none", "") == ("a, b", "none")
