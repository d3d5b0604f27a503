"""The word of a gate as text: on the terminal, as the story of a change so far, and as Markdown for a CI job's summary.

Whatever came from a live system is hostile here too: it is shown with what cannot be seen spelled out, and in Markdown
nothing of it is markup.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from opsverify.gate import drift
from opsverify.gate.keeping import GATE, PAGE, Kept
from opsverify.gate.story import WORSE, Measured, Reason, Rollback, Story, Verification
from opsverify.gate.verifying import described
from opsverify.terminal import pad, wrap
from opsverify.texts import visible

MOST_DIFFERENCES = 120  # lines of the diff
MOST = 40  # lines of one kind; the rest is in gate.json
LONGEST = 400  # characters of one value
SUMMARY = "GITHUB_STEP_SUMMARY"
SYMBOLS = {"GO": "✓", "WARN": "!", "NO-GO": "✗", "INCONCLUSIVE": "?", "info": "·"}
INDENT = 2
LABEL = 16


def told(kept: Kept, root: Path, columns: int = 100) -> str:
    """One gate, for whoever stands before the terminal: reasons first, the verdict last."""
    story = kept.story
    lines = [_head(story), *_circumstances(story)]
    for block in (_reasons(story.reasons), _drift(story), _numbers(story.numbers), _rollback(story)):
        lines += ["", *block] if block else []
    lines += ["", f"{SYMBOLS[story.verdict]} {story.sentence}", f"  {story.sentence_zh}", ""]
    return "\n".join([*(part for line in lines for part in _folded(line, columns)), *_places(kept, root)])


def so_far(gates: Sequence[Kept], root: Path, columns: int = 100) -> str:
    """The story of a change: each gate in short, the newest last and in full."""
    if not gates:
        return "no gate was held yet"
    lines = []
    for each in gates[:-1]:
        story = each.story
        worst = [reason for reason in story.reasons if reason.effect != "info"]
        short = [story.sentence, *_reasons(worst), *_rollback(story)]
        lines += [part for line in (_head(story), *(f"  {each}" for each in short)) for part in _folded(line, columns)]
        lines += [*_places(each, root), ""]
    return "\n".join([*lines, told(gates[-1], root, columns)])


def _places(kept: Kept, root: Path) -> list[str]:
    """Where the reports are; a path is not folded, so that it can be copied."""
    return [f"{pad(label, LABEL)}{visible(where)}" for label, where in _where(kept, root)]


def _folded(line: str, columns: int) -> Iterator[str]:
    """A line in as many as it takes, those that follow set in."""
    text = visible(line).replace("\n", "\\n")
    indent = len(text) - len(text.lstrip()) + INDENT
    for position, part in enumerate(wrap(text, max(40, columns - indent))):
        yield " " * indent * bool(position) + part


def _head(story: Story) -> str:
    when = f"{story.start.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"== {story.phase} {story.change}  {story.profile}  {when}  {story.verdict} =="


def _circumstances(story: Story) -> Iterator[str]:
    """Under what a gate was held: the change, who, what was in scope, which baseline, and how readiness came."""
    took = (story.end - story.start).total_seconds()
    yield f"{story.summary} ({story.class_}: {described(story.scope)})"
    yield f"gate {story.id} by {story.user} on {story.runner}{f', {story.ci}' if story.ci else ''}, {took:.1f} s"
    if story.baseline is not None:
        age = story.baseline.age_seconds / 60
        yield f"baseline {story.baseline.id}, {age:.0f} min old: {story.baseline.directory}"
    elif story.phase == "post":
        yield "no baseline"
    if story.settling is not None:
        looks = f"{story.settling.seconds:.1f} s and {len(story.settling.polls)} looks"
        yield f"{'ready' if story.settling.settled else 'not ready'} after {looks}"
    if story.reprobes:
        again = "once" if len(story.reprobes) == 1 else f"{len(story.reprobes)} times"
        yield f"what failed was asked again {again}"


def _reasons(reasons: Sequence[Reason]) -> list[str]:
    """The reasons, the worst first."""
    found = []
    for effect in reversed(WORSE):
        mine = [each for each in reasons if each.effect == effect]
        found += [f"{SYMBOLS[effect]} {pad(effect, LABEL)}{each.about}: {_clipped(each.why)}" for each in mine[:MOST]]
        if len(mine) > MOST:
            found.append(f"{SYMBOLS[effect]} {pad(effect, LABEL)}… and {len(mine) - MOST} more in {GATE}")
    return found


def _drift(story: Story) -> list[str]:
    """What differs in the configuration, as a diff, and what was declared in vain."""
    lines = drift.listing(story.drift, story.undone)
    more = [f"… and {len(lines) - MOST_DIFFERENCES} more lines in {GATE}"] if len(lines) > MOST_DIFFERENCES else []
    return lines[:MOST_DIFFERENCES] + more


def _numbers(numbers: Sequence[Measured]) -> list[str]:
    """The medians of the numbers, before and after."""
    return [f"latency of {each.name}: {_medians(each)}" for each in numbers[:MOST]]


def _medians(each: Measured) -> str:
    before, after = (
        "not measured" if value is None else f"{value * 1000:.1f} ms" for value in (each.median_pre, each.median_post)
    )
    share = "" if each.worse_by is None else f" ({each.worse_by:+.0%})"
    return f"{before} → {after}{share}"


def _rollback(story: Story) -> list[str]:
    """What came of the hook."""
    if story.rollback is None:
        return []
    found = [f"rollback: {_ended(story.rollback)}", f"verified again: {_word_after(story.rollback)}"]
    worst = [each for each in story.rollback.reasons if each.effect != "info"]
    return found + [f"  {line}" for line in _reasons(worst)]


def _ended(each: Rollback) -> str:
    how = "was ended, it took too long" if each.exit_status is None else f"ended with status {each.exit_status}"
    return f"{' '.join(each.command)} {how}, after {each.seconds:.1f} s"


def _word_after(each: Rollback) -> str:
    return "not" if each.verdict is None else f"{each.verdict} against the same baseline"


def _where(kept: Kept, root: Path) -> Iterator[tuple[str, str]]:
    """Where the reports are: of the gate, and of each verification."""
    directory = kept.directory.relative_to(root) if kept.directory.is_relative_to(root) else kept.directory
    yield "gate", f"{directory}/{PAGE}"
    yield "", f"{directory}/{GATE}"
    story = kept.story
    after = story.rollback.verification if story.rollback else None
    runs: list[tuple[str, Verification | None]] = [("verification", story.verification), ("after rollback", after)]
    for label, run in runs:
        if run is not None:
            yield label, f"{run.directory}/report.html"


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters, all in {GATE})"


# ---- Markdown, for the summary of a CI job


def markdown(kept: Kept, root: Path) -> str:
    """The word of a gate as Markdown, of GitHub's kind."""
    story = kept.story
    lines = [f"## {SYMBOLS[story.verdict]} {story.verdict}: {story.phase} {_plain(story.change)}", ""]
    lines += [_plain(story.sentence), "", _plain(story.sentence_zh), ""]
    lines += [f"- {_plain(each)}" for each in _circumstances(story)]
    reasons = [each for effect in reversed(WORSE) for each in story.reasons if each.effect == effect]
    if reasons:
        lines += ["", "| effect | about | why |", "|---|---|---|"]
        lines += [f"| {each.effect} | {_plain(each.about)} | {_plain(_clipped(each.why))} |" for each in reasons[:MOST]]
        if len(reasons) > MOST:
            lines.append(f"| | | … and {len(reasons) - MOST} more in {GATE} |")
    for title, block in (
        ("Configuration", _drift(story)),
        ("Numbers", _numbers(story.numbers)),
        ("Rollback", _rollback(story)),
    ):
        lines += ["", f"### {title}", "", *_fenced(block)] if block else []
    lines += ["", *(f"- {label or 'record'}: {_plain(where)}" for label, where in _where(kept, root)), ""]
    return "\n".join(lines)


def _fenced(lines: Sequence[str]) -> list[str]:
    """Lines as they are; no run of backticks among them is as long as the fence."""
    shown = [visible(each).replace("\n", "\\n") for each in lines]
    longest = max((len(each) for line in shown for each in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", *shown, fence]


def _plain(text: str) -> str:
    """A text in which nothing is markup, a mention or a link, on one line."""
    one = visible(text).replace("\n", " ")
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", one)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "&#64;"), ("://", "&#58;//")):
        escaped = escaped.replace(sign, entity)
    return escaped


def summarise(text: str) -> str | None:
    """Append to the summary of the CI job, where there is one; what keeps it from being written, None where nothing."""
    where = os.environ.get(SUMMARY)
    if not where:
        return None
    try:
        with Path(where).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError as error:
        return f"the summary of the job ({SUMMARY}) cannot be written: {error.strerror}"
    return None
