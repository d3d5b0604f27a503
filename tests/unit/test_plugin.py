"""The plugin, in real pytest runs of a small project: states, selection, records, and bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SECRET = "hunter22hunter22"

ENTRY = """
[[requirement]]
id = "{id}"
title = "t"
title_zh = "题"
manual = "m"
lines = "1"
statement = "s {{used}}"
statement_zh = "述 {{used}}"
severity = "{severity}"
kind = ["live"]
missing = "error"
must_pass = false
remedy = "r"
remedy_zh = "办"
target = "{target}"
{more}
[requirement.limits.used]
at_most = 0.8
unit = "ratio"
origin = "{origin}"
"""

HEALTH = """
import os

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import holds


def seen(met, observed="x", name="it"):
    return [holds(name, observed, "x", met=met)]


@pytest.mark.requirement("TST-PASS-01")
def test_pass(judge):
    judge(seen(True))


@pytest.mark.requirement("TST-FAIL-01")
def test_fail(judge):
    judge([*seen(True, name="first"), *seen(False, "y", "second")])


@pytest.mark.requirement("TST-PLAIN-01")
def test_plain_assertions_on_testinfras_host(host):
    passwd = host.file("/etc/passwd")
    assert passwd.exists
    assert passwd.mode == 0o644


@pytest.mark.requirement("TST-PLAIN-02")
def test_plain_failure(subject):
    assert subject.target == "other"


@pytest.mark.requirement("TST-RAISE-01")
def test_raises(limits):
    raise InsufficientFactsError(f"too little for {limits.used}")


@pytest.mark.requirement("TST-BOOM-01")
def test_boom():
    raise ValueError("boom")


@pytest.mark.requirement("TST-NOTHING-01")
def test_nothing():
    pass


@pytest.mark.requirement("TST-NOTHING-02")
def test_judges_nothing(judge):
    judge([])


@pytest.fixture
def broken():
    raise AssertionError("a probe failed")


@pytest.mark.requirement("TST-SETUP-01")
def test_setup(broken, judge):
    judge(seen(True))


@pytest.fixture
def breaks_later():
    yield
    raise OSError("late")


@pytest.mark.requirement("TST-TEARDOWN-01")
def test_teardown(breaks_later, judge):
    judge(seen(True))


@pytest.mark.requirement("TST-SKIP-01")
def test_skip():
    pytest.skip("not today, " + os.environ["TEST_SECRET"])


@pytest.mark.requirement("TST-XFAIL-01")
@pytest.mark.xfail
def test_xfail(judge):
    judge(seen(False))


@pytest.mark.requirement("TST-NA-01")
def test_not_applicable(judge):
    judge(seen(False))


@pytest.mark.requirement("TST-GUARD-01")
def test_guard(host, tmp_path):
    host.run(f"touch {tmp_path}/x")


@pytest.mark.requirement("TST-HOSTILE-01")
def test_hostile(judge):
    judge(seen(True, "\\ud800 \\u2028 </script><img src=x onerror=alert(1)> \\x1b[31m \\u202e", "\\x00 na\\nme"))


@pytest.mark.requirement("TST-SECRET-01")
def test_secret(host, request):
    found = host.file(str(request.config.rootpath / "leak")).content_string
    print(found)
    assert found == "something else"


def test_without_a_requirement():
    assert True
"""
SECURITY = """
import pytest

from opsverify.judgement import holds


@pytest.mark.requirement("TST-ONE-01")
def test_one(host, judge):
    judge([holds("root", host.user("root").uid, "0", met=host.user("root").uid == 0)])


@pytest.mark.slow
@pytest.mark.requirement("TST-SLOW-01")
def test_slow(host, judge):
    judge([holds("etc", host.file("/etc").is_directory, "yes", met=host.file("/etc").is_directory)])


@pytest.mark.requirement("TST-TWO-01", "TST-TWO-02")
def test_two(host, judge):
    judge([holds("passwd", host.file("/etc/passwd").exists, "yes", met=True)])
"""
PROFILE = """
name = "test"
description = "d"
[[hosts]]
name = "one"
connection = "local://"
[[hosts]]
name = "two"
connection = "local://"
[[databases]]
name = "pg"
address = "127.0.0.1:1"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
[[not_applicable]]
requirement = "TST-NA-01"
reason = "no such thing here"
approved_by = "someone"
expires = 2999-01-01
"""

STATES = {
    "TST-PASS-01": "pass",
    "TST-FAIL-01": "fail",
    "TST-PLAIN-01": "pass",
    "TST-PLAIN-02": "fail",
    "TST-RAISE-01": "error",
    "TST-BOOM-01": "error",
    "TST-NOTHING-01": "error",
    "TST-NOTHING-02": "error",
    "TST-SETUP-01": "error",
    "TST-TEARDOWN-01": "error",
    "TST-SKIP-01": "not-tested",
    "TST-XFAIL-01": "fail",
    "TST-NA-01": "not-applicable",
    "TST-GUARD-01": "error",
    "TST-HOSTILE-01": "pass",
    "TST-SECRET-01": "fail",
}
GREEN = ("TST-ONE-01", "TST-SLOW-01", "TST-TWO-01", "TST-TWO-02")


def entries(*names: str, severity: str = "high", more: str = "", origin: str = "manual", target: str = "host") -> str:
    return "".join(ENTRY.format(id=name, severity=severity, more=more, origin=origin, target=target) for name in names)


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    status: int
    output: str
    directory: Path | None

    @property
    def results(self) -> dict[str, Any]:
        assert self.directory is not None, self.output
        text = (self.directory / "results.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
        return found

    @property
    def exchanges(self) -> list[dict[str, Any]]:
        assert self.directory is not None, self.output
        text = (self.directory / "transcript.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n") if line]

    def states(self) -> dict[str, str]:
        return {f"{each['requirement']}-{each['target']}": each["state"] for each in self.results["checks"]}

    def entry(self, requirement: str, target: str = "one") -> dict[str, Any]:
        (found,) = [
            each for each in self.results["checks"] if (each["requirement"], each["target"]) == (requirement, target)
        ]
        return dict(found)


class Project:
    """A folder with a conftest, a catalogue, checks and a profile."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("conftest.py", "pyproject.toml"):
            shutil.copy(ROOT / name, root / name)
        self.write("profiles/test/profile.toml", PROFILE)
        self.write("leak", f"it is {SECRET}\u2028!\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def run(self, *arguments: str, profile: str | None = "test", paths: tuple[str, ...] = ("checks",)) -> Outcome:
        before = set(self.runs())
        chosen = ["--profile", profile] if profile else []
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TEST_"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *paths, *chosen, *arguments],
            cwd=self.root,
            env={**environment, "TEST_SECRET": SECRET, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        new = sorted(set(self.runs()) - before)
        assert len(new) <= 1
        return Outcome(done.returncode, done.stdout + done.stderr, new[0] if new else None)

    def runs(self) -> list[Path]:
        return [each for each in self.root.glob("reports/*/*") if not each.is_symlink()]


def reconciles(outcome: Outcome, total: int) -> None:
    population = outcome.results["population"]
    assert population["reconciled"]
    assert population["strays"] == []
    assert population["total"] == total == len(outcome.results["checks"])
    counted = Counter(each["state"] for each in outcome.results["checks"])
    assert {state: count for state, count in population["states"].items() if count} == counted


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One whole run of checks that end in every way there is."""
    project = Project(tmp_path_factory.mktemp("everything"))
    project.write("checks/health/requirements.toml", entries(*STATES))
    project.write("checks/health/test_it.py", HEALTH)
    return project.run("-o", "junit_logging=all")


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose every check passes."""
    project = Project(tmp_path_factory.mktemp("green"))
    project.write(
        "checks/security/requirements.toml",
        entries("TST-ONE-01", severity="critical") + entries("TST-SLOW-01", "TST-TWO-01"),
    )
    project.write("checks/health/requirements.toml", entries("TST-TWO-02", severity="critical"))
    project.write("checks/security/test_it.py", SECURITY)
    project.change("profiles/test/profile.toml", PROFILE[PROFILE.index("[[not_applicable]]") :], "")
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a single check, to be spoilt."""
    return single(tmp_path)


# ---- states


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
    assert {key: second[key] for key in ("name", "observed", "expected", "met", "unit")} == {
        "name": "second",
        "observed": "y",
        "expected": "x",
        "met": False,
        "unit": "",
    }


def test_a_plain_assertion_is_an_observation(everything: Outcome) -> None:
    found = everything.entry("TST-PLAIN-01")["observations"]
    assert [each["name"] for each in found] == ["passwd.exists", "passwd.mode == 0o644"]
    assert all(each["met"] for each in found)
    (failed,) = everything.entry("TST-PLAIN-02")["observations"]
    assert not failed["met"]


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
    assert {path.name for path in written} == {"results.json", "transcript.jsonl", "report.html", "junit.xml"}
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


# ---- selection


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


# ---- bad input


def spoil(path: str, old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.change(path, old, new)


CATALOGUE, CHECK, TEST = "checks/health/requirements.toml", "checks/health/test_it.py", "profiles/test/profile.toml"
LIMIT = '[limits.TST-PASS-01]\nused = {}\n[[hosts]]\nname = "one"'


SPOILT: tuple[tuple[Callable[[Project], None], str], ...] = (
    (spoil(CHECK, '"TST-PASS-01", ', '"TST-PASS-01", "TST-PSAS-01", '), "'TST-PSAS-01' is not in the catalogue"),
    (spoil(CHECK, '"TST-PASS-01", ', ""), "TST-PASS-01 has no check and is not planned"),
    (spoil(CATALOGUE, 'target = "host"', 'target = "host"\nplanned = true'), "is marked planned in the catalogue"),
    (spoil(CHECK, "def test_it", '@pytest.mark.requirement("TST-PASS-01")\ndef test_it'), "already has its check"),
    (spoil(CHECK, "def test_it", "def ("), "checks/health/test_it.py: not readable as Python"),
    (spoil(CATALOGUE, 'severity = "high"', 'severity = "urgent"'), "severity: Input should be 'critical'"),
    (spoil(CATALOGUE, 'target = "host"', 'target = "cache"'), "has no cache to verify TST-PASS-01 on"),
    (spoil(TEST, 'name = "one"', 'nmae = "one"'), "profiles/test/profile.toml: hosts.0."),
    (spoil(TEST, 'name = "one"', "name = 1"), "hosts.0.name: Input should be a valid string (got 1)"),
    (spoil(TEST, "TEST_SECRET", "TEST_NONE"), "databases.pg.password: environment variable TEST_NONE is not set"),
    (spoil(TEST, '[[hosts]]\nname = "one"', LIMIT.format(0.9)), "0.9 is looser than the manual"),
    (spoil(TEST, '[[hosts]]\nname = "one"', LIMIT.format('"0.1"')), "expected a number of ratio"),
    (spoil(TEST, "2999", "1999"), "not_applicable TST-NA-01: expired on 1999-01-01"),
    (spoil(TEST, "TST-NA-01", "TST-NO-01"), "not_applicable: 'TST-NO-01' is not in the catalogue"),
    (spoil(TEST, '"TST-NA-01"', '"TST-NA-01"\ntarget = "tow"'), "no target 'tow' (it applies to: one, two)"),
)


def single(root: Path) -> Project:
    """A project with a single check, to be spoilt."""
    found = Project(root)
    found.write("checks/health/requirements.toml", entries("TST-PASS-01", "TST-NA-01"))
    found.write(
        "checks/health/test_it.py",
        "import pytest\nfrom opsverify.judgement import holds\n"
        '@pytest.mark.requirement("TST-PASS-01", "TST-NA-01")\n'
        "def test_it(judge):\n    judge([holds('a', 1, '1', met=True)])\n",
    )
    return found


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Project, Outcome]]:
    """What came of each of `SPOILT`; they run side by side, to save time."""

    def run(spoil_it: Callable[[Project], None]) -> tuple[Project, Outcome]:
        found = single(tmp_path_factory.mktemp("spoilt"))
        spoil_it(found)
        return found, found.run()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, [each for each, _ in SPOILT]))


@pytest.mark.parametrize("said", [said for _, said in SPOILT])
def test_bad_input_ends_in_one_clear_line_and_creates_nothing(spoilt: list[tuple[Project, Outcome]], said: str) -> None:
    project, found = spoilt[[each for _, each in SPOILT].index(said)]
    assert found.status == pytest.ExitCode.USAGE_ERROR, found.output
    (line,) = [each for each in found.output.splitlines() if each.strip()]
    assert line.startswith("ERROR: ")
    assert said in line
    assert not (project.root / "reports").exists()


@pytest.mark.parametrize(
    ("profile", "said"), [(None, "choose which with --profile NAME (there are: test)"), ("tset", "there are: test")]
)
def test_a_profile_has_to_be_chosen(project: Project, profile: str | None, said: str) -> None:
    found = project.run(profile=profile)
    assert found.status == pytest.ExitCode.USAGE_ERROR
    assert said in found.output
    assert not (project.root / "reports").exists()


@pytest.mark.parametrize(("value", "origin"), [(0.7, "manual"), (0.9, "default")])
def test_a_limit_may_be_tightened_and_the_suites_own_set_freely(project: Project, value: float, origin: str) -> None:
    project.write("checks/health/requirements.toml", entries("TST-PASS-01", "TST-NA-01", origin=origin))
    project.change("profiles/test/profile.toml", '[[hosts]]\nname = "one"', LIMIT.format(value))
    found = project.run()
    assert found.status == 0, found.output
    (row,) = [each for each in found.results["coverage"] if each["requirement"] == "TST-PASS-01"]
    assert row["limits"][0]["expected"] == f"at most {value}"
