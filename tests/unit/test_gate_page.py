"""The gate's page: what stands in it and in which order, and that nothing a live system says can act in it."""

from __future__ import annotations

import datetime as dt
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsverify.catalogue import load
from opsverify.gate import dots
from opsverify.gate.page import GROUPS, MARKS, bundles, output, page, run_link, side_by_side
from opsverify.gate.story import (
    EXIT_STATUS,
    Baseline,
    Compared,
    Comparison,
    Drift,
    Effect,
    Measured,
    Phase,
    Poll,
    Reason,
    Rollback,
    Settling,
    Side,
    Snapshot,
    Story,
    Undone,
    Verdict,
    Verification,
)
from opsverify.pages import HEADINGS
from opsverify.record import STATES
from opsverify.texts import UNSEEN

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2026, 11, 23, 2, 14, 7, tzinfo=dt.UTC)
HOSTILE = (
    "</td></style><script>alert(1)</script>",
    "\x1b[31mred\x1b]0;title\x07\r\x00",
    "\u202eright to left\u2066 \u200f",
    "half \ud800 a character \udfff",
    "\"' onmouseover='x()' {{ 7*7 }} {% raw %} ]]> --> &lt; &#0;",
    "javascript:alert(1)",
    "one\ntwo\n\n\u2028three",
)


def observation(name: str, observed: object, *, met: bool, expected: str = "at most 80") -> dict[str, Any]:
    return {"name": name, "observed": observed, "expected": expected, "met": met, "unit": ""}


def side(state: str = "pass", *observations: dict[str, Any], **kept: Any) -> Side:
    return Side(**{"state": state, "message": "", "observations": list(observations), "samples": [state], **kept})


def compared(
    name: str, comparison: Comparison | None = "ok", effect: Effect = "info", pre: Side | None = None, **kept: Any
) -> Compared:
    about: dict[str, Any] = {
        "subject": f"{name}-node",
        "requirement": name,
        "target": "node",
        "title": f"Title of {name}",
        "title_zh": "标题",
        "manual": "日常操作 › 1. 健康检查",
        "severity": "high",
        "must_pass": False,
        "post": side(),
        "why": "" if effect == "info" else f"why {name}",
    }
    return Compared(**{**about, "pre": pre, "comparison": comparison, "effect": effect, **kept})


def run(name: str = "20261123T021407Z-aaaaaaaa") -> Verification:
    return Verification(directory=f"reports/lab/{name}", results_sha256="4b" * 32, selection="", verdict="not met")


def told(phase: Phase = "post", verdict: Verdict = "NO-GO", **kept: Any) -> Story:
    about: dict[str, Any] = {
        "id": "5c1f0a9e",
        "phase": phase,
        "change": "CHG-2026-0142",
        "summary": "tokenswap-api 1.9.0",
        "class_": "standard",
        "scope": "",
        "profile": "lab",
        "profile_sha256": "e1" * 32,
        "change_sha256": "99" * 32,
        "targets": {"database": ["postgres"]},
        "limits": {},
        "suite_version": "0.1.0",
        "suite_commit": "9ccd22b1c070",
        "user": "deploy",
        "runner": "runner-3",
        "ci": "job 8812",
        "start": NOW,
        "end": NOW + dt.timedelta(seconds=97),
        "verdict": verdict,
        "exit_status": EXIT_STATUS[verdict],
        "sentence": f"{verdict} for CHG-2026-0142: in one sentence.",
        "sentence_zh": "一句话。",
        "reasons": [],
        "checks": [],
        "verification": None,
    }
    return Story(**{**about, **kept})


def full(phase: Phase = "post", verdict: Verdict = "NO-GO") -> Story:
    """A story that has something of everything."""
    before = side("pass", observation("load", 12, met=True))
    failing = side("fail", observation("load", 97, met=False), samples=["fail", "fail"], message="load: 97")
    waiver = {"reason": "disk in January", "approved_by": "b.lee", "ticket": "OPS-1", "expires": "2026-12-05"}
    waived = side("waived", observation("copies", ["a", "b"], met=False), waiver=waiver)
    down = side("error", message="node: cannot be reached")
    everything: list[Compared] = [
        compared("HLT-OK-01", pre=before),
        compared("HLT-NEW-01", "new"),
        compared("HLT-BACK-01", "fixed", pre=failing),
        compared("HLT-OLD-01", "pre-existing", "WARN", failing, post=failing),
        compared("HLT-LOST-01", "coverage lost", "INCONCLUSIVE", before, post=None),
        compared("HLT-GONE-01", "unknown", "INCONCLUSIVE", before, post=down),
        compared("HLT-LOAD-01", "regression", "NO-GO", before, post=failing, must_pass=True),
        compared("BAK-COPY-01", "waived", "WARN", waived, post=waived),
    ]
    if phase == "pre":
        everything = [
            each.model_copy(update={"comparison": None, "pre": each.post or each.pre, "post": None})
            for each in everything
        ]
    numbers = Measured(
        name="GET /health",
        pre=[0.004, 0.005, 0.0045],
        post=[0.008, 0.009, 3.0],
        median_pre=0.0045,
        median_post=0.009,
        worse_by=1.0,
        p=0.001,
        effect="NO-GO",
        why="median 4.5 ms before and 9 ms after",
    )
    later: dict[str, Any] = {
        "reprobes": [run("20261123T021507Z-bbbbbbbb")],
        "baseline": Baseline(
            id="77aa0b21", directory="reports/lab/gates/C/x-77aa0b21-pre", start=NOW, age_seconds=2040
        ),
        "settling": Settling(settled=False, seconds=22, polls=[Poll(at=NOW, waiting={"api": "503"})]),
        "drift": [
            Drift(area="config redis", name="save", before="60", after="90", declared=True, effect="info"),
            Drift(area="ports node", name="tcp 6379", before=None, after="redis", declared=False, effect="WARN"),
        ],
        "undone": [Undone(what="config redis: x", before="1", after="2", found="unchanged: 1")],
        "numbers": [numbers],
        "rollback": Rollback(
            command=["./back.sh", "now"],
            exit_status=0,
            seconds=41.3,
            output="stopping\nstarted\n",
            verdict="GO",
            reasons=[Reason(effect="WARN", about="HLT-OLD-01-node", why="still")],
            verification=run("20261123T021607Z-cccccccc"),
        ),
    }
    return told(
        phase,
        verdict,
        reasons=[Reason(effect=each.effect, about=each.subject, why=each.why) for each in everything if each.why],
        checks=everything,
        verification=run(),
        configuration=Snapshot(areas={"config redis": {"save": "90"}}, unread={"firewall node": "may not look"}),
        samples={"GET /health": [0.004], "PING": [0.001]},
        **(later if phase == "post" else {}),
    )


def tree(text: str) -> ElementTree.Element:
    """The page as a strict reader sees it."""
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))


def words(text: str) -> str:
    """All that can be read in the body, on one line."""
    return " ".join(_text(tree(text)).split())


def _text(element: ElementTree.Element) -> str:
    parts = [element.text or ""]
    for each in element:
        parts += [_text(each), each.tail or ""]
    inner = "".join(parts)
    return inner if element.tag in ("span", "a", "b", "code", "del", "ins") else f" {inner} "


EVERY = [(phase, verdict, lang) for phase in get_args(Phase) for verdict in get_args(Verdict) for lang in ("en", "zh")]


@pytest.mark.parametrize(("phase", "verdict", "lang"), EVERY)
@pytest.mark.parametrize("build", [told, full])
def test_every_verdict_makes_a_whole_accessible_page(
    phase: Phase, verdict: Verdict, lang: str, build: Callable[..., Story]
) -> None:
    root = tree(page(build(phase, verdict), lang))

    assert root.get("lang") == lang
    heading = ["".join(each.itertext()) for each in root.iter("h1")]
    assert len(heading) == 1, heading
    assert {verdict, MARKS[verdict].symbol, MARKS[verdict].chinese} <= set(heading[0].split())
    assert all(each.get("scope") for each in root.iter("th"))
    assert all(each[0].tag == "caption" and "".join(each[0].itertext()).strip() for each in root.iter("table"))
    assert all(each.find("title") is not None and each.find("desc") is not None for each in root.iter("svg"))
    identities = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(identities) == len(set(identities))
    for each in root.iter("a"):
        to = str(each.get("href"))
        assert to.startswith(("#", "../", "gate.json", "transcript.jsonl"))
        assert not to.startswith("#") or to[1:] in identities


def test_it_asks_for_nothing_from_outside_and_runs_nothing() -> None:
    root = tree(page(full()))
    assert not {"script", "link", "img", "iframe", "object", "form"} & {each.tag for each in root.iter()}
    assert not [
        name for each in root.iter() for name in each.attrib if name.startswith("on") or name in ("src", "style")
    ]
    assert not [each for each in ("http:", "https:", "@import", "url(") if each in page(full())]


def everywhere(value: Any, text: str, keep: frozenset[str]) -> Any:
    """A story's fields with a text before each string that may be anything."""
    if isinstance(value, dict):
        return {name: each if name in keep else everywhere(each, text, keep) for name, each in value.items()}
    if isinstance(value, list):
        return [everywhere(each, text, keep) for each in value]
    return f"{text}{value}" if isinstance(value, str) else value


# What the model allows to be only one of a few words, or moments.
FIXED = frozenset({"phase", "verdict", "class_", "effect", "comparison", "start", "end", "at", "subject", "about"})


def saying(story: Story, text: str) -> Story:
    """The same story, in which every text begins with this one."""
    names = {each.subject: f"{text}{each.subject}" for each in story.checks}
    changed = everywhere(story.model_dump(), text, FIXED)
    for each in changed["checks"]:
        each["subject"] = names[each["subject"]]
    for each in (*changed["reasons"], *(changed["rollback"] or {"reasons": []})["reasons"]):
        each["about"] = f"{text}{each['about']}"
    for each in (story.rollback, story.verification):  # a run's own verdict may be anything, a gate's may not
        assert each is None or each.verdict
    return Story.model_validate(changed)


def shape(root: ElementTree.Element) -> list[tuple[str, tuple[str, ...]]]:
    """The elements with the names of their attributes: what a text must not be able to change."""
    return [(each.tag, tuple(sorted(each.keys()))) for each in root.iter()]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("phase", get_args(Phase))
def test_hostile_text_everywhere_changes_nothing_but_the_text(text: str, phase: Phase) -> None:
    made = page(saying(full(phase), text))

    assert shape(tree(made)) == shape(tree(page(saying(full(phase), "x"))))
    made.encode("utf-8")
    assert not {each for each in made if each != "\n" and unicodedata.category(each) in UNSEEN}
    assert not [each.get("href") for each in tree(made).iter("a") if ":" in str(each.get("href"))]


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec=None), max_size=60))
def test_no_text_whatever_changes_the_shape_of_the_page(text: str) -> None:
    made = page(saying(full(), f"{text}x"))
    assert shape(tree(made)) == shape(tree(page(saying(full(), "x"))))
    made.encode("utf-8")


def test_what_is_far_too_long_is_cut_and_says_so() -> None:
    started = time.process_time()
    made = page(saying(full(), "\u0416" * 1_000_000))
    assert "1,000,0" in made
    assert "all in gate.json" in made
    assert len(made) < 600_000
    assert time.process_time() - started < 10


def test_a_value_of_a_million_parts_is_cut_too() -> None:
    check = compared(
        "A-01", "regression", "NO-GO", post=side("fail", observation("open", list(range(10**6)), met=False))
    )
    assert len(page(told(checks=[check]))) < 60_000


def test_five_hundred_checks_are_drawn_fast_and_folded_by_chapter() -> None:
    pre = side("pass", *(observation(f"value {count}", count, met=True) for count in range(20)))
    checks = [compared(f"HLT-X-{count:03}", pre=pre, post=pre) for count in range(500)]
    page(told())  # the template is read once
    started = time.process_time()
    made = page(told(verdict="GO", checks=checks, baseline=full().baseline))
    assert time.process_time() - started < 4
    root = tree(made)
    folded = [each for each in root.iter("details") if "HLT-X-000" in "".join(each.itertext())]
    assert len(folded) == 1
    assert "Daily operations" in "".join(folded[0].find("summary").itertext())  # type: ignore[union-attr]
    assert len(list(folded[0].iter("tr"))) == 501


def test_regressions_come_first_and_the_worst_reason_too() -> None:
    text = words(page(full()))
    order = [
        "Why 原因",
        "NO-GO 否决 HLT-LOAD-01-node",
        "INCONCLUSIVE 无法判定 HLT-LOST-01-node",
        "WARN 须留意 HLT-OLD-01-node",
        "Regressions 退化 (1)",
        "Could not be determined 无法判定 (1)",
        "No longer checked 不再检查 (1)",
        "Failing before the change already 原有问题 (1)",
        "Fixed 已修复 (1)",
        "New checks 新增检查 (1)",
        "Configuration 配置",
        "Latencies 延迟",
        "Rollback 回滚 Command",
        "Settling 恢复就绪",
        "Waived 已豁免",
        "All other checks 其余检查 (1)",
        "Who, when, where",
    ]
    places = [text.find(each) for each in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)


def test_what_is_not_met_after_the_change_is_shown_on_both_sides() -> None:
    pre = side("pass", observation("load", 12, met=True), observation("swap", 0, met=True))
    post = side("fail", observation("load", 97, met=False), observation("swap", 0, met=True))
    before, after, hidden = side_by_side(compared("A-01", "regression", "NO-GO", pre, post=post))
    assert [(each.name, each.observed, each.met) for each in before] == [("load", "12", True)]
    assert [(each.name, each.observed, each.met) for each in after] == [("load", "97", False)]
    assert hidden == 0


def test_one_that_says_the_same_on_twelve_checks_is_one_reason() -> None:
    some = [Reason(effect="INCONCLUSIVE", about=f"A-{count}", why="node: cannot be reached") for count in range(12)]
    found = bundles([Reason(effect="WARN", about="x", why="y"), *some, Reason(effect="NO-GO", about="z", why="y")])
    assert [(each.effect, len(each.about)) for each in found] == [("NO-GO", 1), ("INCONCLUSIVE", 12), ("WARN", 1)]
    assert "12 × the same" in words(page(told(reasons=some)))


def test_without_a_baseline_nothing_reads_as_if_it_had_been_compared() -> None:
    story = full().model_copy(update={"baseline": None, "drift": [], "undone": [], "numbers": [], "rollback": None})
    text = words(page(story))
    assert text.count("Not compared: there is no baseline to compare with.") == 2
    assert "No regressions" not in text
    assert "No differences" not in text
    assert "there was nothing to compare it with" in text


def test_what_is_empty_says_so() -> None:
    text = words(page(told()))
    for each in ("No check was made.", "No configuration was read.", "No latency was measured."):
        assert each in text
    assert "This gate rolled nothing back." in text
    assert "This gate rolled nothing back." not in words(page(told("pre")))


def test_differences_are_told_apart_by_words() -> None:
    text = words(page(full()))
    assert "Differences 差异 (2), not declared 未申报: 1" in text
    assert text.find("tcp 6379") < text.find("save")  # what nobody declared comes first
    assert "absent 无 + redis ! not declared 未申报" in text.replace("\u00a0", " ")
    assert "− 60 + 90 ✓ declared 已申报" in text.replace("\u00a0", " ")
    assert "config redis: x 1 2 unchanged: 1" in text
    assert "firewall node may not look" in text


@pytest.mark.parametrize(
    ("status", "verdict", "expected"),
    [
        (0, "GO", "exit status 退出码 0; verified again 再次检查: ✓ GO 放行"),
        (1, "INCONCLUSIVE", "exit status 退出码 1; verified again 再次检查: ? INCONCLUSIVE 无法判定"),
        (None, None, "not seen to its end 未见结束; verified again 再次检查: not 否"),
    ],
)
def test_what_came_of_the_rollback_stands_at_the_top(status: int | None, verdict: str | None, expected: str) -> None:
    story = full()
    assert story.rollback is not None
    back = story.rollback.model_copy(update={"exit_status": status, "verdict": verdict})
    text = words(page(story.model_copy(update={"rollback": back})))
    assert expected in text
    assert text.find(expected) < text.find("Why 原因")


def test_of_long_output_the_beginning_and_more_of_the_end_is_kept() -> None:
    lines = output("\n".join(f"line {count}" for count in range(10_000)))
    assert (lines[0], lines[-1], len(lines)) == ("line 0", "line 9999", 301)
    assert lines[60] == "… 9,700 lines left out, all in gate.json …"
    assert output("a\nb") == ["a", "b"]


def test_a_waiver_is_shown_with_the_days_that_are_left() -> None:
    text = words(page(full()))
    assert (
        "disk in January until 有效期至 2026-12-05 (days left 剩余天数: 12) · approved by 批准人 b.lee · OPS-1" in text
    )


def test_links_lead_from_the_folder_of_the_gate_to_the_runs() -> None:
    links = {str(each.get("href")) for each in tree(page(full())).iter("a")}
    assert {
        f"../../../20261123T021407Z-aaaaaaaa/{name}" for name in ("report.html", "results.json", "transcript.jsonl")
    } <= links
    assert "../x-77aa0b21-pre/gate.html" in links
    assert run_link("reports/lab/a b:<c>/") == "../../../a%20b%3A%3Cc%3E"
    assert [run_link(each) for each in ("", "..", "reports/..")] == ["", "", ""]


def test_a_state_asked_more_than_once_shows_every_answer() -> None:
    post = side("fail", observation("load", 97, met=False), samples=["fail", "pass", "fail"])
    text = words(page(told(checks=[compared("A-01", "unstable", "INCONCLUSIVE", post=post)])))
    assert "asked 检查次数 3×: ✗ fail, ✓ pass, ✗ fail" in text


def test_only_two_languages_are_spoken() -> None:
    with pytest.raises(ValueError, match="expected one of en, zh"):
        page(told(), "fr")


def test_every_class_state_and_chapter_has_its_name() -> None:
    assert set(get_args(Comparison)) - {"waived"} <= set(GROUPS)
    assert set(STATES) - {"pass", "attested", "not-applicable", "waived"} <= set(GROUPS)
    catalogue = load(ROOT / "checks")
    assert {catalogue[each].heading.partition(" › ")[0] for each in catalogue} <= set(HEADINGS)


SAMPLES = st.lists(st.floats(allow_nan=True) | st.floats(1e-4, 10) | st.sampled_from([0.0, 1e308, -1.0]), max_size=60)


@given(SAMPLES, SAMPLES | st.none(), st.text(max_size=200))
def test_whatever_was_measured_makes_a_sound_picture(pre: list[float], post: list[float] | None, name: str) -> None:
    drawn = dots.svg(name, pre, post)
    root = ElementTree.fromstring(drawn)
    assert {each.tag for each in root.iter()} <= {"svg", "title", "desc", "line", "text", "circle"}
    for each in root.iter("circle"):
        assert dots.LEFT - 0.1 <= float(each.get("cx", "")) <= dots.WIDTH - dots.RIGHT + 0.1
        assert 0 < float(each.get("cy", "")) < dots.FLOOR
    for each in root.iter("line"):
        assert all(0 <= float(each.get(name, "")) <= dots.WIDTH for name in ("x1", "x2", "y1", "y2"))


def test_many_equal_samples_lie_around_their_row_and_not_on_the_other() -> None:
    root = ElementTree.fromstring(dots.svg("x", [0.004] * 1000, [0.004] * 1000))
    for each in root.iter("circle"):
        row = dots.ROWS[each.get("class") == "after"]
        assert abs(float(each.get("cy", "")) - row) <= dots.SPREAD


def test_every_sample_is_a_dot_or_is_named() -> None:
    root = ElementTree.fromstring(dots.svg("x", [0.004, 0.005, 0.006], [0.005, 0.006, 0.007, 3.0]))
    assert len(list(root.iter("circle"))) == 6
    written = [each.text for each in root.iter("text")]
    assert "1 more, up to 3 s →" in written
    assert {"median 5 ms", "median 6.5 ms"} <= set(written)
    assert root.findtext("desc") == (
        "before: 3 samples, median 5 ms, from 4 ms to 6 ms; after: 4 samples, median 6.5 ms, from 5 ms to 3 s"
    )
