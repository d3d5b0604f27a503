"""No part of a secret is left where pytest cuts a value, or breaks it into lines."""

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


@pytest.mark.parametrize(
    "options", [(), ("-vvv", "-o", "verbosity_assertions=0"), ("-n", "1", "-o", "verbosity_assertions=2")], ids=" ".join
)
def test_what_is_cut_leaves_no_part_of_a_secret(tmp_path: Path, options: tuple[str, ...]) -> None:
    project = Project(tmp_path)
    project.write("profiles/test/profile.toml", PROFILE)
    project.write("checks/health/requirements.toml", entries(*(f"TST-{each}-01" for each in NAMES)))
    project.write("checks/health/test_it.py", CUTTING)
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
