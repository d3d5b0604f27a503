"""The gate's page: ``gate.html``, for whoever has to decide at night, and for whoever asks later why.

One file that needs nothing else: no script, no request. What a live system said is hostile, and all of it goes through
one place on its way into the page (`pages.shown`), where it is cut, spelled out where it cannot be seen, and then
escaped by the template. That is XML as well as HTML, so that a test can tell that nothing broke out of its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from jinja2 import Template

from opsverify import pages
from opsverify.catalogue import SEVERITIES
from opsverify.gate import dots
from opsverify.gate.story import WORSE, Compared, Drift, Effect, Measured, Reason, Side, Story
from opsverify.judgement import Value, show
from opsverify.record import State
from opsverify.summary import SIGNS, Seen, Sign, observations

GATE = "gate.json"  # where all is that a page leaves out
LONGEST = 2000  # characters of one text
MOST_VALUE = 300  # of one value beside others
MOST_ITEMS = 200  # of a list that is one value
MOST_SEEN = 8  # observations of a check on one side
MOST_BRIEF = 3  # and of one of the many that changed nothing
MOST_REASONS = 40
MOST_ROWS = 400
MOST_PLOTS = 6  # that are seen at once
MOST_HEAD, MOST_TAIL = 60, 240  # lines of output; how it ended says more than how it began

MARKS: dict[str, Sign] = {
    "GO": Sign("✓", "放行"),
    "WARN": Sign("!", "须留意"),
    "NO-GO": Sign("✗", "否决"),
    "INCONCLUSIVE": Sign("?", "无法判定"),
    "info": Sign("·", "提示"),
}
# What became of a check, in the order in which one wants to know: regressions first.
GROUPS: dict[str, tuple[str, str]] = {
    "regression": ("Regressions", "退化"),
    "worsened": ("Got worse", "恶化"),
    "new failure": ("New failures", "新增失败"),
    "fail": ("Failing", "不符合"),
    "error": ("Could not be determined", "无法判定"),
    "unknown": ("Could not be determined", "无法判定"),
    "unstable": ("Unstable: other answers when asked again", "结果不稳定"),
    "coverage lost": ("No longer checked", "不再检查"),
    "not-tested": ("Not tested", "未检查"),
    "scope change": ("Scope changes", "范围变更"),
    "pre-existing": ("Failing before the change already", "原有问题"),
    "fixed": ("Fixed", "已修复"),
    "new": ("New checks", "新增检查"),
    "ok": ("As before", "无变化"),
}


class Bundle(NamedTuple):
    """Reasons that are the same: one host that is down is one thing to mend, not twelve."""

    effect: Effect
    why: str
    about: list[str]


class Group(NamedTuple):
    """Checks that the change did the same to."""

    name: str
    title: tuple[str, str]
    effect: Effect
    checks: list[Compared]


@dataclass(frozen=True)
class Row:
    """An observation as a line beside others."""

    name: str
    observed: str
    expected: str
    met: bool


def page(story: Story, lang: str = "en") -> str:
    """A gate as one HTML file; labels have both languages, and ``lang`` (``en``, ``zh``) is the one that leads.

    Raises:
        ValueError: the language is none of these.
    """
    waived = [each for each in story.checks if _waived(each)]
    told = [each for each in story.checks if not _waived(each) and _counts(each)]
    rest = [each for each in story.checks if not _waived(each) and not _counts(each)]
    anchors = {each.subject: f"check-{place}" for place, each in enumerate([*told, *waived])}
    numbers = _numbers(story)
    return _template().render(
        story=story,
        lang=pages.checked(lang),
        css=pages.style(Path(__file__).with_name("page.css")),
        footer=re.sub(r"[^\w .:/-]", "?", f"{story.change} {story.phase} {story.id[:40]}"[:120], flags=re.ASCII),
        reasons=bundles(story.reasons),
        reasons_after=bundles(story.rollback.reasons) if story.rollback else [],
        groups=groups(told),
        waived=waived,
        chapters=chapters(rest),
        rest=len(rest),
        counts=Counter(each.comparison or _latest(each).state for each in story.checks),
        titles={each.subject: each for each in story.checks},
        anchors=anchors,
        areas=by_area(story.drift),
        numbers=numbers,
        foremost=max(MOST_PLOTS, sum(each.effect != "info" for each in numbers)),
        compared=story.baseline is not None,
    )


@cache
def _template() -> Template:
    environment = pages.environment(GATE, LONGEST)
    environment.filters.update(
        sides=side_by_side,
        brief=brief,
        output=output,
        run=run_link,
        gate=gate_link,
        states=lambda checks: Counter(_latest(each).state for each in checks),
        flat=lambda text: " ".join(text.split()),
    )
    environment.globals.update(
        MARKS=MARKS,
        MOST_REASONS=MOST_REASONS,
        MOST_ROWS=MOST_ROWS,
        state=_state,
        plot=dots.svg,
        days_left=days_left,
    )
    return environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


# ---- texts


cut = partial(pages.cut, source=GATE)


def output(text: str) -> list[str]:
    """What a program said, line by line: how it began, how it ended, and how much is left out between."""
    lines = [cut(each, LONGEST // 2) for each in text.splitlines()]
    left = len(lines) - MOST_HEAD - MOST_TAIL
    if left <= 1:
        return lines
    return [*lines[:MOST_HEAD], f"… {left:,} lines left out, all in {GATE} …", *lines[-MOST_TAIL:]]


def run_link(directory: str) -> str:
    """The folder of a verification, as a page in ``<stream>/gates/<change>/<gate>/`` links to it."""
    return _link("../../..", directory)


def gate_link(directory: str) -> str:
    """The folder of another gate of the same change."""
    return _link("..", directory)


def _link(there: str, directory: str) -> str:
    name = directory.rstrip("/").rpartition("/")[2]
    return "" if name in ("", ".", "..") else f"{there}/{quote(name, safe='', errors='replace')}"


def _state(name: str) -> Sign:
    return SIGNS.get(cast(State, name), Sign("?", ""))


def days_left(waiver: Mapping[str, Any], story: Story) -> str:
    """How many days a waiver still holds; empty where it does not say."""
    if "days_left" in waiver:
        return str(waiver["days_left"])
    try:
        return str((datetime.fromisoformat(str(waiver.get("expires"))).date() - story.end.astimezone(UTC).date()).days)
    except ValueError:
        return ""


# ---- reasons and checks


def bundles(reasons: Sequence[Reason]) -> list[Bundle]:
    """The reasons, worst first, those that say the same together."""
    found: dict[tuple[Effect, str], list[str]] = {}
    for each in sorted(reasons, key=lambda each: -WORSE.index(each.effect)):
        found.setdefault((each.effect, each.why), []).append(each.about)
    return [Bundle(effect, why, about) for (effect, why), about in found.items()]


def groups(checks: Iterable[Compared]) -> list[Group]:
    """Checks by what became of them: the worst effect first, then in the order of `GROUPS`."""
    found: dict[str, list[Compared]] = {}
    for each in sorted(checks, key=lambda each: (-WORSE.index(each.effect), SEVERITIES_BY.get(each.severity, 9))):
        found.setdefault(each.comparison or _latest(each).state, []).append(each)
    order = list(GROUPS)
    made = [
        Group(name, GROUPS.get(name, (name.capitalize(), "")), mine[0].effect, mine) for name, mine in found.items()
    ]
    return sorted(
        made, key=lambda each: (-WORSE.index(each.effect), order.index(each.name) if each.name in order else 99)
    )


SEVERITIES_BY: dict[str, int] = {name: place for place, name in enumerate(SEVERITIES)}


def chapters(checks: Iterable[Compared]) -> dict[str, list[Compared]]:
    """Checks by the chapter of the manual that asks for them."""
    found: dict[str, list[Compared]] = {}
    for each in checks:
        found.setdefault(each.manual.partition(" › ")[0] or "–", []).append(each)
    return found


def _latest(each: Compared) -> Side:
    side = each.post or each.pre
    return side or Side(state="not-tested", message="", observations=[], samples=[])


def _waived(each: Compared) -> bool:
    return each.comparison == "waived" or (each.comparison is None and _latest(each).state == "waived")


def _counts(each: Compared) -> bool:
    """Whether a check is to be seen at once: it counts, or the change did something to it."""
    return each.effect != "info" or each.comparison not in (None, "ok")


def side_by_side(check: Compared) -> tuple[list[Row], list[Row], int]:
    """What was observed before and after: what is not met on either side, on both. And how much is not shown."""
    pre, post = (_seen(each) if each else [] for each in (check.pre, check.post))
    names = {each.name for each in (*post, *pre) if not each.met}
    before, after = ([each for each in side if each.name in names] or side[:MOST_BRIEF] for side in (pre, post))
    hidden = max(0, len(before) - MOST_SEEN) + max(0, len(after) - MOST_SEEN)
    return [_row(each) for each in before[:MOST_SEEN]], [_row(each) for each in after[:MOST_SEEN]], hidden


def brief(check: Compared) -> list[Row]:
    """A few words on what a check saw last."""
    return [_row(each) for each in _seen(_latest(check))[:MOST_BRIEF]]


def _row(seen: Seen) -> Row:
    name, observed, expected = (cut(each, MOST_VALUE) for each in (seen.name, seen.observed, seen.expected))
    return Row(name, observed, expected, seen.met)


def _seen(side: Side) -> list[Seen]:
    """The observations of a side as a person reads them; what is far too long is cut before it is looked at."""
    blank: dict[str, Any] = {"name": "", "observed": "", "expected": "", "unit": "", "met": False}
    return observations({"observations": [{**blank, **_short(each)} for each in side.observations]})


def _short(observation: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in observation.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return cut(value, LONGEST)
    if isinstance(value, list | tuple):
        more = len(value) - MOST_ITEMS
        kept: list[Any] = [_value(each) for each in value[:MOST_ITEMS]]
        return [*kept, f"and {more} more in {GATE}"] if more > 0 else kept
    return show(cast(Value, str(value))) if isinstance(value, dict) else value


# ---- configuration and numbers


def by_area(drift: Iterable[Drift]) -> dict[str, list[Drift]]:
    """Differences by area; areas and names that nobody declared first."""
    found: dict[str, list[Drift]] = {}
    for each in sorted(drift, key=lambda each: each.declared):
        found.setdefault(each.area, []).append(each)
    return found


def _numbers(story: Story) -> list[Measured]:
    """The numbers, worst first; those that were held against nothing as well."""
    known = {each.name for each in story.numbers}
    alone = [_alone(name, values, story) for name, values in story.samples.items() if name not in known]
    return [*sorted(story.numbers, key=lambda each: -WORSE.index(each.effect)), *alone]


def _alone(name: str, values: list[float], story: Story) -> Measured:
    pre, post = (values, []) if story.phase == "pre" else ([], values)
    return Measured(
        name=name,
        pre=pre,
        post=post,
        median_pre=None,
        median_post=None,
        worse_by=None,
        p=None,
        effect="info",
        why="kept, to be compared after the change" if story.phase == "pre" else "there was nothing to compare it with",
    )
