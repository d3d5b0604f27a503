"""Every requirement that a machine can judge is proven by a fault in the lab, and by a near miss."""

from __future__ import annotations

import re
from pathlib import Path

from opsverify import catalogue
from tests.lab.cases import FAULTS, NEAR_MISSES

ROOT = Path(__file__).parents[2]
AUTOMATED = [each.id for each in catalogue.load(ROOT / "checks").values() if each.kind != ["attested"]]
# The cases of a past that Prometheus has to be given are tests of their own.
HISTORY = (ROOT / "tests/lab/test_history.py").read_text(encoding="utf-8")


def test_every_automated_requirement_has_a_fault_that_turns_it_red() -> None:
    red = {subject for each in FAULTS for subject in each.red} | set(re.findall(r'"(\S+)": "fail"', HISTORY))
    assert [each for each in AUTOMATED if not any(subject.startswith(f"{each}-") for subject in red)] == []


def test_every_automated_requirement_has_a_near_miss_that_stays_green() -> None:
    green = [word for each in NEAR_MISSES for word in each.green]
    green += [word for words in re.findall(r'"-k", "([^"]+)"', HISTORY) for word in words.split(" or ")]
    assert [each for each in AUTOMATED if not any(word in each or word.startswith(f"{each}-") for word in green)] == []
