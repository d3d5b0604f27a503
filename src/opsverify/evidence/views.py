"""What stands in the auditor's page and in which order: results, regressions, failures, exceptions, sums. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Any, NamedTuple

from opsverify.catalogue import SEVERITIES
from opsverify.evidence.controls import Control, Controls, of_document
from opsverify.evidence.reading import Evidence, Exchange
from opsverify.evidence.shape import Masked, Redactions
from opsverify.evidence.words import verdict_in
from opsverify.record import GREEN, STATES, Entry, State, verdict
from opsverify.summary import Seen, by_reason, observations
from opsverify.waiving import verdict as under_waivers

MOST_UNMET, MOST_MET, MOST_FOLDED = 12, 3, 60  # observations of a result: seen at once, and below
LOT = 100  # results of one table; a browser lays out only those tables that are in sight


class Span(NamedTuple):
    """Exchanges that follow each other: the place of the first, and how the first and the last are called."""

    place: int
    first: str
    last: str
    length: int


@dataclass(frozen=True)
class Result:
    """One result, with the exchanges that it rests on; ``lost`` are those that the transcript does not have."""

    place: int
    entry: Entry
    seen: list[Seen]
    folded: list[Seen]
    left_out: int
    asked: list[Span]
    lost: list[str]


@dataclass
class Requirement:
    """A row of the coverage matrix."""

    entry: dict[str, Any]
    controls: tuple[Control, ...]
    reason: str  # why nothing in the framework asks for it
    place: int | None = None  # of the first of its results


@dataclass
class Group:
    """What stands together: a chapter of the manual, or a control. ``results`` are those that no earlier group has."""

    name: str
    title: str
    requirements: list[Requirement] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    @property
    def lots(self) -> list[list[Result]]:
        """The results by tables."""
        return [self.results[start : start + LOT] for start in range(0, len(self.results), LOT)]


@dataclass(frozen=True)
class Arrangement:
    """All results in the page's order, and the exchanges that any of them rests on by their place."""

    groups: list[Group]
    results: list[Result]
    exchanges: list[Exchange]


def arranged(evidence: Evidence, framework: str, lang: str) -> Arrangement:
    """Requirements and results in the order of the manual, or in that of a framework's controls."""
    mapping = of_document(evidence.document)
    groups: dict[str, Group] = {each: Group(each, title) for each, title in _controls(mapping, framework, lang)}
    for row in sorted(evidence.document["coverage"], key=lambda row: lines(row["manual"])):
        name = row["requirement"]
        requirement = Requirement(row, mapping.of(name), mapping.reason(name, framework)[lang == "zh"])
        for each in _groups(requirement, framework):
            groups.setdefault(each, Group(each, "")).requirements.append(requirement)
    order = sorted(groups.values(), key=lambda each: framework != "" and not each.name)
    used = {name for entry in evidence.checks for name in entry["exchanges"]}
    exchanges = [each for each in evidence.exchanges.values() if each.id in used]
    places = {each.id: place for place, each in enumerate(exchanges)}
    return Arrangement(order, _results(evidence, order, places, [each.id for each in exchanges]), exchanges)


def _results(evidence: Evidence, groups: list[Group], places: dict[str, int], ids: list[str]) -> list[Result]:
    by_requirement: dict[str, list[Entry]] = {}
    for entry in evidence.checks:
        by_requirement.setdefault(entry["requirement"], []).append(entry)
    made: list[Result] = []
    for group in groups:
        for requirement in group.requirements:
            if requirement.place is None and requirement.entry["requirement"] in by_requirement:
                requirement.place = len(made)
                for entry in by_requirement.pop(requirement.entry["requirement"]):
                    group.results.append(_result(len(made), entry, places, ids))
                    made.append(group.results[-1])
    if by_requirement:  # of requirements that the record's coverage does not have: they must not fall out of sight
        group = Group("?", "?")
        groups.append(group)
        for entry in [each for entries in by_requirement.values() for each in entries]:
            group.results.append(_result(len(made), entry, places, ids))
            made.append(group.results[-1])
    return made


def _controls(mapping: Controls, framework: str, lang: str) -> list[tuple[str, str]]:
    """The controls of a framework in its own order, with their titles."""
    found = mapping.document["frameworks"].get(framework, {"controls": {}})["controls"]
    return [(each, title["title_zh" if lang == "zh" else "title"]) for each, title in found.items()]


def _groups(requirement: Requirement, framework: str) -> list[str]:
    """The groups that a requirement stands in; ``""`` is that of what no control asks for."""
    if framework:
        return [each.id for each in requirement.controls if each.framework == framework] or [""]
    return [re.sub(r" \([\d,-]+\)$", "", requirement.entry["manual"].partition(" › ")[0])]


def lines(manual: str) -> tuple[int, ...]:
    """The lines of the manual that a heading ends in, to put it in the manual's order."""
    named = re.search(r"\(([\d,-]+)\)$", manual)
    return tuple(int(each) for each in re.findall(r"\d{1,9}", named[1])) if named else (10**9,)


def _result(place: int, entry: Entry, places: dict[str, int], ids: list[str]) -> Result:
    seen = observations(entry)
    unmet = sum(not each.met for each in seen)
    shown = max(min(unmet, MOST_UNMET), min(len(seen), MOST_MET))
    folded = seen[shown : shown + MOST_FOLDED]
    found = sorted({places[each] for each in entry["exchanges"] if each in places})
    return Result(
        place=place,
        entry=entry,
        seen=seen[:shown],
        folded=folded,
        left_out=len(seen) - shown - len(folded),
        asked=spans(found, ids),
        lost=[each for each in entry["exchanges"] if each not in places],
    )


def spans(places: Iterable[int], ids: Sequence[str]) -> list[Span]:
    """Places in ascending order as stretches without a gap."""
    found: list[Span] = []
    for place in places:
        if found and found[-1].place + found[-1].length == place:
            found[-1] = found[-1]._replace(last=ids[place], length=found[-1].length + 1)
        else:
            found.append(Span(place, ids[place], ids[place], 1))
    return found


# ---- regressions and failures


@dataclass(frozen=True)
class Regressions:
    """Results that are not green now and were in the run before, with their state then; ``gone``: no longer there.

    ``untested`` were left out this time. ``unknown`` counts results of now that the run before says nothing about:
    it did not have them, or did not test them.
    """

    found: list[tuple[Result, str]]
    untested: list[Result]
    gone: list[tuple[str, str]]
    unknown: int


def regressions(evidence: Evidence, arrangement: Arrangement) -> Regressions:
    """What was green in the run before this one, and is not now; the most severe first."""
    before = evidence.earlier.states
    now = {(each.entry["requirement"], each.entry["target"]): each for each in arrangement.results}
    worse = [(each, before[key]) for key, each in now.items() if _fell(before.get(key, ""), each.entry["state"])]
    return Regressions(
        found=sorted(
            (each for each in worse if each[0].entry["state"] != "not-tested"), key=lambda each: _weight(each[0])
        ),
        untested=[each for each, _ in worse if each.entry["state"] == "not-tested"],
        gone=sorted(key for key, state in before.items() if state in GREEN and key not in now),
        unknown=sum(before.get(key, "not-tested") == "not-tested" for key in now),
    )


def _fell(before: str, now: str) -> bool:
    return before in GREEN and now not in GREEN


def _weight(result: Result) -> tuple[int, int]:
    return SEVERITIES.index(result.entry["severity"]), STATES.index(result.entry["state"])


def failures(arrangement: Arrangement) -> dict[str, list[Result]]:
    """What failed or could not be determined, by severity."""
    found = [each for each in arrangement.results if each.entry["state"] in ("fail", "error")]
    found.sort(key=_weight)
    return {
        severity: mine
        for severity in SEVERITIES
        if (mine := [each for each in found if each.entry["severity"] == severity])
    }


# ---- exceptions


@dataclass(frozen=True)
class Declared:
    """What a person let be or stated of a requirement on some targets; ``left`` in days, None where it does not end."""

    requirement: str
    places: list[tuple[str, int]]
    said: Mapping[str, Any]
    left: int | None


@dataclass(frozen=True)
class Exceptions:
    """Whatever is not a machine's plain verdict: waivers in force, scope, statements, and what was not tested."""

    waivers: list[Mapping[str, Any]]
    waived: list[Result]
    not_applicable: list[Declared]
    attested: list[Declared]
    not_tested: dict[str, list[Result]]


def exceptions(evidence: Evidence, arrangement: Arrangement) -> Exceptions:
    """All exceptions, the next one to run out first."""
    today = evidence.start.astimezone(UTC).date()
    by_state: dict[str, list[Result]] = {}
    for each in arrangement.results:
        by_state.setdefault(each.entry["state"], []).append(each)
    exempt = [
        (each, each.entry["not_applicable"])
        for each in by_state.get("not-applicable", [])
        if each.entry["not_applicable"]
    ]
    stated = [(each, said) for each in by_state.get("attested", []) for said in each.entry["statements"]]
    left_out = by_state.get("not-tested", [])
    place = {id(each.entry): each for each in left_out}
    return Exceptions(
        waivers=sorted(evidence.document["waivers"]["entries"], key=lambda each: each["days_left"]),
        waived=sorted(by_state.get("waived", []), key=_weight),
        not_applicable=_declared(exempt, today),
        attested=_declared(stated, today),
        not_tested={
            why: [place[id(each)] for each in entries]
            for why, entries in by_reason(each.entry for each in left_out).items()
        },
    )


def _declared(found: Iterable[tuple[Result, Mapping[str, Any]]], today: date) -> list[Declared]:
    """The same said of several targets once."""
    together: dict[tuple[str, str], Declared] = {}
    for result, said in found:
        name = result.entry["requirement"]
        made = together.setdefault(
            (name, json.dumps(said)), Declared(name, [], said, days_left(said["expires"], today))
        )
        made.places.append((result.entry["target"], result.place))
    return sorted(together.values(), key=lambda each: (each.left is None, each.left or 0, each.requirement))


def days_left(expires: str, today: date) -> int | None:
    """Days after ``today`` on which something still holds; None where it names no day."""
    try:
        return (date.fromisoformat(expires) - today).days
    except ValueError:
        return None


# ---- reconciliation


@dataclass(frozen=True)
class Reconciliation:
    """The population, counted again from the results themselves; whatever does not agree, in English and in Chinese."""

    total: int
    states: dict[State, int]
    kinds: list[tuple[str, list[str], int, int]]  # kind of target, targets, requirements, results
    wrong: list[tuple[str, str]]


def reconciliation(evidence: Evidence) -> Reconciliation:
    """Hold the record's sums and its verdict against its results."""
    document, checks = evidence.document, evidence.checks
    population, counted = document["population"], Counter(each["state"] for each in checks)
    states = {state: counted.get(state, 0) for state in STATES}
    twice = ", ".join(f"{key[0]} · {key[1]}" for key, count in _subjects(checks).items() if count > 1)
    wrong = []
    if sum(states.values()) != population["total"]:
        wrong.append(
            (
                f"the population is {population['total']}, and there are {len(checks)} results",
                f"检查总体为 {population['total']} 项，而结果有 {len(checks)} 项",
            )
        )
    if states != {state: population["states"].get(state, 0) for state in STATES}:
        wrong.append(("the record's count of states is not that of its results", "记录的各状态计数与其结果不符"))
    if not population["reconciled"]:
        wrong.append(("the run itself says that its population does not add up", "运行记录自述检查总数核对不符"))
    if population["strays"]:
        strays = ", ".join(population["strays"])
        wrong.append((f"not in the population: {strays}", f"不在检查总体内：{strays}"))
    if twice:
        wrong.append((f"more than one result: {twice}", f"有多个结果：{twice}"))
    derived = under_waivers(verdict(checks, population["reconciled"]), document["waivers"]["entries"])
    if derived != document["run"]["verdict"]:
        recorded = document["run"]["verdict"]
        wrong.append(
            (
                f"the record's verdict is {recorded!r}, its results say {derived!r}",
                f"记录的结论为“{verdict_in(recorded, 'zh')}”，而按结果应为“{verdict_in(derived, 'zh')}”",
            )
        )
    kinds = []
    for kind, targets in population["targets"].items():
        mine = [each for each in checks if each["target_kind"] == kind]
        kinds.append((kind, targets, len({each["requirement"] for each in mine}), len(mine)))
    return Reconciliation(population["total"], states, kinds, wrong)


def _subjects(checks: Iterable[Entry]) -> Counter[tuple[str, str]]:
    return Counter((each["requirement"], each["target"]) for each in checks)


# ---- redactions


def redacted(log: Redactions | None) -> list[tuple[str, str, str, int]]:
    """How often each secret was masked in which form, and in what: exchanges, checks, elsewhere."""
    if log is None:
        return []
    parts: dict[str, Iterable[list[Masked]]] = {
        "exchanges": log.exchanges.values(),
        "checks": log.checks.values(),
        "elsewhere": [log.elsewhere],
    }
    counted = Counter[tuple[str, str, str]]()
    for where, lists in parts.items():
        for each in (each for some in lists for each in some):
            counted[where, each.secret, each.form] += each.times
    return [(*key, times) for key, times in counted.items()]
