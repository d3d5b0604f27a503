"""What a gate says: on the terminal, as a story, and as Markdown in which nothing that came from a system is markup."""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.gate import command, telling
from opsverify.gate.keeping import Kept
from opsverify.gate.story import Baseline, Drift, Measured, Rollback, Settling, Undone, Verification
from opsverify.terminal import width
from tests.unit.gates import START, reason, story

ROOT = Path("/project")
RUN = Verification(
    directory="reports/test/20261123T120010Z-11111111", results_sha256="c" * 64, selection="", verdict="not met"
)


def kept(**more: object) -> Kept:
    held = story(**more)  # type: ignore[arg-type]
    return Kept(ROOT / f"reports/test/gates/CHG-1/20261123T120000Z-{held.id}-{held.phase}", held)


NO_GO = kept(
    phase="post",
    verdict="NO-GO",
    exit_status=10,
    sentence="NO-GO for CHG-1: the change has to be taken back.",
    reasons=[reason("WARN", "images node", "one difference"), reason()],
    verification=RUN,
    reprobes=[RUN, RUN],
    baseline=Baseline(id="0f0f0f0f", directory="reports/…-pre", start=START, age_seconds=840),
    settling=Settling(settled=True, seconds=6.2, polls=[]),
    drift=[
        Drift(area="pg_settings pg", name="work_mem", before="4MB", after="8MB", declared=True, effect="info"),
        Drift(area="images node", name="api", before="sha256:1", after=None, declared=False, effect="WARN"),
    ],
    undone=[Undone(what="version of the API", before="2.4.0", after="2.4.1", found="2.4.0")],
    numbers=[
        Measured(
            name="api api",
            pre=[0.01],
            post=[0.015],
            median_pre=0.01,
            median_post=0.015,
            worse_by=0.5,
            p=0.0001,
            effect="NO-GO",
            why="slower",
        )
    ],
    rollback=Rollback(
        command=["./scripts/rollback.sh", "api"],
        exit_status=0,
        seconds=3.2,
        output="done",
        verdict="GO",
        reasons=[],
        verification=RUN,
    ),
)


def test_a_gate_tells_reasons_first_the_verdict_and_where_the_reports_are() -> None:
    lines = telling.told(NO_GO, ROOT).split("\n")
    text = "\n".join(lines)
    assert lines[0] == "== post CHG-1  test  2026-11-23 12:00:00 UTC  NO-GO =="
    assert "A release (standard: all requirements)" in lines[1]
    assert "baseline 0f0f0f0f, 14 min old" in text
    assert "ready after 6.2 s" in text
    assert "asked again 2 times" in text
    assert text.index("HLT-PG-01-postgres: passed before, and fails now") < text.index("images node: one difference")
    assert "10.0 ms → 15.0 ms (+50%)" in text
    assert "+ work_mem: 8MB  (declared)" in text
    assert "version of the API: 2.4.0 → 2.4.1; 2.4.0" in text
    assert "rollback: ./scripts/rollback.sh api ended with status 0, after 3.2 s" in text
    assert "verified again: GO against the same baseline" in text
    assert "✗ NO-GO for CHG-1: the change has to be taken back." in text
    assert lines[-4:] == [
        "gate            reports/test/gates/CHG-1/20261123T120000Z-0a1b2c3d-post/gate.html",
        "                reports/test/gates/CHG-1/20261123T120000Z-0a1b2c3d-post/gate.json",
        "verification    reports/test/20261123T120010Z-11111111/report.html",
        "after rollback  reports/test/20261123T120010Z-11111111/report.html",
    ]


def test_the_story_so_far_has_the_newest_last() -> None:
    earlier = kept(reasons=[reason("WARN", "one"), reason("info", "two", "fixed")], verdict="WARN")
    text = telling.so_far([earlier, NO_GO], ROOT)
    assert text.index("== pre CHG-1") < text.index("== post CHG-1")
    assert "one: passed before, and fails now" in text
    assert "two" not in text
    assert text.endswith(telling.told(NO_GO, ROOT))
    assert telling.so_far([], ROOT) == "no gate was held yet"


def test_a_gate_without_a_baseline_says_so() -> None:
    assert "no baseline" in telling.told(kept(phase="post"), ROOT)
    assert "no baseline" not in telling.told(kept(), ROOT)


def test_a_hook_that_did_not_end_is_told() -> None:
    assert NO_GO.story.rollback is not None
    update = {"exit_status": None, "verdict": None, "reasons": [reason("INCONCLUSIVE", "rollback", "too long")]}
    broken = NO_GO.story.rollback.model_copy(update=update)
    text = telling.told(Kept(NO_GO.directory, NO_GO.story.model_copy(update={"rollback": broken})), ROOT)
    assert "was ended, it took too long, after 3.2 s" in text
    assert "verified again: not" in text
    assert "rollback: too long" in text


def test_many_reasons_are_cut_and_counted() -> None:
    text = telling.told(kept(reasons=[reason(about=f"R-{number}") for number in range(100)]), ROOT)
    assert "… and 60 more in gate.json" in text


HOSTILE = "\x1b[31m\r\n== forged ==\u202e| `<img src=x onerror=alert(1)>` @everyone [x](http://evil) ``````"


@given(st.text(max_size=80).map(lambda text: f"{HOSTILE}{text}"))
def test_nothing_that_came_from_a_system_is_markup_or_acts_on_a_terminal(text: str) -> None:
    hostile = kept(
        phase="post",
        sentence=text,
        summary=text,
        reasons=[reason("NO-GO", text, text)],
        end=START + timedelta(seconds=1),
        drift=[Drift(area=text, name=text, before=text, after=text, declared=False, effect="WARN")],
    )
    terminal = telling.told(hostile, ROOT)
    assert "\x1b" not in terminal
    assert "\u202e" not in terminal
    assert "== forged ==" not in terminal.split("\n")
    markdown = telling.markdown(hostile, ROOT)
    outside, fence = [], ""
    for line in markdown.split("\n"):
        if not fence and line.startswith("```"):
            fence = line.rstrip("dif")
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert not fence
    for line in outside:
        assert not any(sign in line for sign in ("<", "@", "http:", "\x1b"))
        assert line.count("|") - line.count("\\|") in (0, 4)
    assert not any(line.startswith("== forged") for line in markdown.split("\n"))


@pytest.mark.parametrize("columns", [40, 80])
def test_lines_fit_the_terminal(columns: int) -> None:
    lines = telling.told(NO_GO, ROOT, columns).split("\n")
    assert max(width(line) for line in lines if "reports/test" not in line) <= columns + 4  # a path can be copied


def test_the_summary_of_a_job_is_appended_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    assert telling.summarise(telling.markdown(NO_GO, ROOT)) is None
    text = file.read_text(encoding="utf-8")
    assert text.startswith("before\n## ✗ NO-GO: post CHG\\-1\n")
    assert "| NO-GO | HLT\\-PG\\-01\\-postgres | passed before, and fails now |" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary.md"))
    assert "cannot be written: No such file" in str(telling.summarise("x"))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert telling.summarise("x") is None


class Gone(io.TextIOBase):
    """A pipe that nobody reads any more."""

    def write(self, *_: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_gate_that_nobody_looks_at_any_more_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())
    command._say("verifying")
    command._echo("going back")
    sys.stdout.close()
