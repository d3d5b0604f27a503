"""No part of a secret is left where pytest cuts a value or breaks it into lines, nor in what it names or logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.small_project import SECRET, Project, entries

CUTTING = """
import os

import pytest

from opsverify.judgement import holds

S = os.environ["TEST_SECRET"]


class Thing:
    def __repr__(self):
        return "x" * 110 + S + "y" * 300


@pytest.mark.requirement("TST-LOCALS-01")
def test_locals():
    def inner(argument, *rest, **named):
        thing = Thing()
        table = {"a": argument, "b": [argument, "z" * 100 + S]}
        raise ValueError("no")
    pieces = ["x" * at + S + "y" * (240 - at) for at in range(95, 130)]
    first, last = "x" * 110 + S + "y" * 300, "x" * 300 + S + "y" * 110
    inner(first, last, named=last)


@pytest.mark.requirement("TST-TEXT-01")
def test_text():
    text = "x" * 620 + S + "y" * 300
    assert text == "y" * 900


@pytest.mark.requirement("TST-TRUE-01")
def test_true():
    assert not ("x" * 110 + S + "y" * 300).strip()


@pytest.mark.requirement("TST-HOLDS-01")
def test_holds():
    assert ("x" * 110 + S + "y" * 300).strip()


@pytest.mark.requirement("TST-WITHIN-01")
def test_within():
    assert S not in "x" * 300 + S + "z" * 300


@pytest.mark.requirement("TST-LIST-01")
def test_list():
    assert ["x" * 30] * 20 + [S + "z" * 100, b"x" * 70 + S.encode() + b"y" * 100, "a b " * 30 + S + " c" * 50] == ["y"]
"""
NAMES = ("LOCALS", "TEXT", "TRUE", "HOLDS", "WITHIN", "LIST")
PROFILE = """
name = "test"
description = "d"
[[hosts]]
name = "one"
connection = "local://"
[[databases]]
name = "pg"
address = "127.0.0.1:1"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
"""


def made(root: Path, checks: str, *names: str) -> Project:
    """A project with these checks."""
    project = Project(root)
    project.write("profiles/test/profile.toml", PROFILE)
    project.write("checks/health/requirements.toml", entries(*(f"TST-{each}-01" for each in names)))
    project.write("checks/health/test_it.py", checks)
    return project


@pytest.mark.parametrize(
    "options", [(), ("-vvv", "-o", "verbosity_assertions=0"), ("-n", "1", "-o", "verbosity_assertions=2")], ids=" ".join
)
def test_what_is_cut_leaves_no_part_of_a_secret(tmp_path: Path, options: tuple[str, ...]) -> None:
    project = made(tmp_path, CUTTING, *NAMES)
    outcome = project.run("--showlocals", "-o", "junit_logging=all", *options)
    assert outcome.status == 1, outcome.output
    states = outcome.states()
    assert [states[f"TST-{each}-01-one"] for each in NAMES] == ["error", "fail", "fail", "pass", "fail", "fail"]
    assert outcome.directory is not None
    ends = (SECRET[:4], SECRET[-4:])  # of any part that is cut off, one or the other
    seen = {"terminal": outcome.output}
    for path in outcome.directory.rglob("*"):
        if path.is_file():
            seen[path.name] = path.read_text(encoding="utf-8")
    for name, text in seen.items():
        assert "[redacted" in text or name not in ("terminal", "results.json", "report.html", "junit.xml")
        assert not [each for each in ends if each in text], name


NAMED = """
import os

import pytest

from opsverify.judgement import holds


@pytest.mark.requirement("TST-A-01")
def test_a(judge):
    judge([holds("a", 1, "1", met=True)])


@pytest.mark.parametrize("value", [os.environ["TEST_SECRET"]])
def test_b(value):
    assert False
"""


def test_a_secret_in_what_names_a_test_is_in_no_cache_either(tmp_path: Path) -> None:
    outcome = made(tmp_path, NAMED, "A").run()
    assert outcome.status == 1
    assert "::test_b[value-redacted]" in outcome.output
    assert SECRET not in outcome.output
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()] == [
        "leak"
    ]


WARNS = """
import logging
import os
import warnings

import pytest

from opsverify.judgement import holds


class Odd(UserWarning):
    def __init__(self, first, second):
        super().__init__(first + second)


@pytest.mark.filterwarnings("default")
@pytest.mark.requirement("TST-A-01")
def test_a(judge):
    warnings.warn(Odd("careless ", os.environ["TEST_SECRET"]))
    logging.getLogger("x").error("said %s", os.environ["TEST_SECRET"])
    judge([holds("a", 1, "1", met=True)])
"""


def test_a_warning_of_any_class_is_masked_and_a_log_file_is_searched(tmp_path: Path) -> None:
    outcome = made(tmp_path, WARNS, "A").run("--log-file=log.txt")
    assert outcome.status == 1
    assert "Odd: careless [redacted]" in outcome.output
    assert "SECRET databases.pg (plain, line 1) in log.txt: the file was deleted" in outcome.output
    assert not (tmp_path / "log.txt").exists()
