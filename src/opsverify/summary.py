"""What every view says in the same words: the verdict, who comes first, and text that is safe to show.

Everything that was observed is hostile: a host name, a file name or an answer may hold terminal escapes,
marks that turn the direction of writing round, or half of a character. `visible` spells these out; nothing is
shown without it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from opsverify import clocks
from opsverify.catalogue import SEVERITIES
from opsverify.judgement import Limit, show
from opsverify.record import GREEN, STATES, Entry, Record, State
from opsverify.texts import number, visible
from opsverify.waivers import EVERY
from opsverify.waiving import is_met

Document = dict[str, Any]


class Sign(NamedTuple):
    """How a state is shown: never by a colour alone."""

    symbol: str
    chinese: str


SIGNS: dict[State, Sign] = {
    "fail": Sign("✗", "不符合"),
    "error": Sign("?", "无法判定"),
    "not-tested": Sign("–", "未检查"),
    "waived": Sign("≈", "已豁免"),
    "not-applicable": Sign("○", "不适用"),
    "attested": Sign("✎", "已书面确认"),
    "pass": Sign("✓", "符合"),
}

HEADLINES = {
    "met": ("MEETS THE MANUAL", "符合手册"),
    "not met": ("DOES NOT MEET THE MANUAL", "不符合手册"),
    "undetermined": ("COULD NOT BE DETERMINED", "无法判定"),
}

PARTLY_MET = ("WHAT WAS TESTED MEETS THE MANUAL", "已检查部分符合手册")
MOST_NAMED = 5  # of waived checks in a sentence

SPELLED_UNITS = {"days": "天", "hours": "小时", "seconds": "秒", "bytes": "字节"}


class Seen(NamedTuple):
    """One observation in words."""

    name: str
    observed: str
    expected: str
    met: bool


def observations(entry: Entry) -> list[Seen]:
    """The observations of a check as a person reads them, those that are not met first."""
    seen = []
    for each in entry["observations"]:
        value = each["observed"]
        value = tuple(value) if isinstance(value, list) else value
        observed, expected = show(value), each["expected"]
        share = re.fullmatch(r"(at most|at least|more than|less than|exactly) ([\d.]+)", expected)
        if each["unit"] == "ratio" and share and isinstance(value, int | float):
            observed, expected = _percent(value), f"{share[1]} {_percent(float(share[2]))}"
        elif each["unit"] not in ("", "count") and not isinstance(value, str):
            observed, expected = f"{observed} {each['unit']}", f"{expected} {each['unit']}"
        seen.append(Seen(visible(each["name"]), visible(observed), visible(expected), each["met"]))
    return sorted(seen, key=lambda each: each.met)


def _percent(share: float) -> str:
    return f"{share * 100:.6g} %"


def statement(record: Record, requirement: str, *, chinese: bool = False) -> str:
    """What the manual demands, with the limits that are in force for this run."""
    demand = record.run.catalogue[requirement]
    text = demand.statement_zh if chinese else demand.statement
    effective = record.run.catalogue.limits(requirement)
    for own in demand.own_limits():
        limit: Limit = getattr(effective, own.name)
        text = text.replace(f"{{{limit.name}}}", _amount(limit, chinese=chinese))
    return text


def _amount(limit: Limit, *, chinese: bool) -> str:
    if limit.unit == "ratio" and isinstance(limit.value, int | float):
        return _percent(limit.value)
    if limit.unit not in SPELLED_UNITS:
        return show(limit.value)
    if chinese:
        return f"{show(limit.value)} {SPELLED_UNITS[limit.unit]}"
    return f"{show(limit.value)} {limit.unit.removesuffix('s') if limit.value == 1 else limit.unit}"


def says_it_all(entry: Entry, report: pytest.CollectReport | pytest.TestReport) -> bool:
    """Whether a check's entry says all that pytest's report does: the rest is a traceback that no one foresaw."""
    return not report.failed or str(report.longrepr).strip() == entry["message"].strip()


def document_of(record: Record) -> Document:
    """What the record wrote; where it did not come to that, what it would have written."""
    written: Document | None = getattr(record, "written", None)
    if written is not None:
        return written
    redacted: Document = record.run.redactor.value(record.document(datetime.now(UTC)))
    return redacted


def in_state(document: Document, state: State) -> list[Entry]:
    """The checks in a state, the most severe first."""
    found = [each for each in document["checks"] if each["state"] == state]
    return sorted(found, key=lambda each: SEVERITIES.index(each["severity"]))


def by_reason(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Checks that end in the same reason together: one host that is down is one thing to mend, not twelve."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry["message"]].append(entry)
    return dict(groups)


def chapters(entries: Iterable[Entry]) -> str:
    """How many checks of which chapters: ``backup 2, health 20``."""
    return ", ".join(f"{chapter} {count}" for chapter, count in Counter(each["chapter"] for each in entries).items())


def counts(document: Document) -> list[tuple[State, int]]:
    """How many checks are in each state that occurs."""
    states = document["population"]["states"]
    return [(state, states[state]) for state in STATES if states[state]]


def headline(document: Document) -> tuple[str, str]:
    """The verdict in capitals, English and Chinese: of a partial run it must not read as if it were of all."""
    run = document["run"]
    if not is_met(run["verdict"]):
        return HEADLINES[run["verdict"]]
    english, chinese = PARTLY_MET if run["partial"] else HEADLINES["met"]
    used = sum(row["use"] == "used" for row in document["waivers"]["entries"])
    if not used:
        return english, chinese
    return f"{english} UNDER {number(used, 'waiver').upper()}", f"{chinese}（含 {used} 项豁免）"


def sentence(document: Document) -> str:
    """The verdict in one sentence, after its headline."""
    population = document["population"]
    states, total = population["states"], number(population["total"], "check")
    tested = population["total"] - states["not-tested"]
    if not tested:
        return f"none of {total} tested."
    green = sum(states[state] for state in GREEN)
    words = {
        "fail": "failed",
        "error": "could not be determined",
        "waived": "failed under a waiver",
    }
    parts = [f"{states[state]} {word}" for state, word in words.items() if states[state]]
    if states["waived"]:
        parts[-1] += f" ({_waived(document)})"
    parts.append(f"{green} green" if parts else "all green")
    if not population["reconciled"]:
        parts.append("the population does not add up")
    return f"{f'{tested} of {total} tested' if states['not-tested'] else total}: {', '.join(parts)}."


def _waived(document: Document) -> str:
    """Which checks are waived: nothing is met under a waiver without its name."""
    found = [f"{each['requirement']} on {each['target']}" for each in waived(document)]
    more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return visible(", ".join(found[:MOST_NAMED] + more))


def waived(document: Document) -> list[Entry]:
    """The checks that failed under a waiver: first those that must pass, then by severity."""
    return sorted(in_state(document, "waived"), key=lambda each: not each["must_pass"])


def subject_of(waiver: dict[str, Any]) -> tuple[str, str]:
    """What a waiver is about, in English and in Chinese."""
    name, subject = waiver["requirement"], waiver["subject"]
    return (f"{name} on every target", f"{name}（全部对象）") if subject == EVERY else (f"{name} on {subject}",) * 2


def left(waiver: dict[str, Any]) -> tuple[str, str]:
    """How long a waiver still holds, in English and in Chinese."""
    days = waiver["days_left"]
    if days == 0:
        return f"until {waiver['expires']}, its last day", f"有效期至 {waiver['expires']}，今日到期"
    return f"until {waiver['expires']}, {number(days, 'day')} left", f"有效期至 {waiver['expires']}，剩余 {days} 天"


def notices(document: Document) -> list[tuple[str, str]]:
    """What somebody has to see to about the waivers, in English and in Chinese: what runs out, what is of no use."""
    soon, unused = [], []
    for row in document["waivers"]["entries"]:
        (english, chinese), ticket = subject_of(row), row["ticket"]
        if row["expiring"]:
            until, until_zh = left(row)
            soon.append(
                (
                    f"waiver runs out: {english} ({ticket}) holds {until}",
                    f"豁免即将到期：{chinese}，{ticket}，{until_zh}",
                )
            )
        if row["use"] == "unused":
            unused.append(
                (
                    f"waiver without use: nothing fails for {english} ({ticket}): take it out",
                    f"未使用的豁免：{chinese}，{ticket}，没有不符合项，请撤销",
                )
            )
    return [(visible(english), visible(chinese)) for english, chinese in soon + unused]


def clock_notices(document: Document) -> list[tuple[str, str]]:
    """What has to be said loudly of the clocks of the targets, in English and in Chinese."""
    return [(visible(english), visible(chinese)) for english, chinese in clocks.notices(document["run"])]


def score(document: Document) -> tuple[str, str]:
    """How many checks are met, in English and in Chinese; both scores where they differ."""
    whole, bare = document["scores"]["with_waivers"], document["scores"]["without_waivers"]
    english, chinese = f"{_score(whole)} met", f"{_score(whole)} 符合"
    if whole != bare:
        english = f"{english} with waivers, {_score(bare)} without"
        chinese = f"含豁免 {_score(whole)}，不含豁免 {_score(bare)}"
    if document["run"]["partial"]:
        return f"{english}, of what was tested", f"{chinese}（仅限已检查部分）"
    return english, chinese


def _score(of: dict[str, Any]) -> str:
    """``94 of 96 (97.9 %)``, rounded down: nothing is 100 % that is not all of it."""
    tenths = of["met"] * 1000 // of["of"] if of["of"] else None
    return f"{of['met']}/{of['of']}" + ("" if tenths is None else f" ({tenths / 10:.1f} %)")
