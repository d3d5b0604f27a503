"""The record of a run: what each check observed and expected, its state, and that nothing fell out of sight.

``results.json`` is the source of truth; every report is a view of it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from opsverify import charts, files, waiving
from opsverify.catalogue import Requirement
from opsverify.errors import OpsverifyError
from opsverify.judgement import Observation, Value
from opsverify.profile import NotApplicable
from opsverify.run import Run, Subject
from opsverify.waivers import Waiver

State = Literal["pass", "fail", "error", "not-applicable", "waived", "attested", "not-tested"]
STATES: tuple[State, ...] = ("fail", "error", "not-tested", "waived", "not-applicable", "attested", "pass")
GREEN: frozenset[State] = frozenset({"pass", "attested", "not-applicable"})

MOST_SERIES = 24  # of one check; whatever else it saw is in its observations

Entry = dict[str, Any]


@dataclass
class Recorder:
    """Collects what one check saw, and derives its state from how its phases ended."""

    exemption: NotApplicable | None = None
    waiver: Waiver | None = None
    state: State = "pass"
    message: str = ""
    observations: list[Observation] = field(default_factory=list)
    exchanges: list[str] = field(default_factory=list)
    statements: list[Entry] = field(default_factory=list)
    series: list[charts.Series] = field(default_factory=list)
    duration_s: float = 0.0

    def observe(self, observations: Iterable[Observation]) -> None:
        """Keep observations, met or not."""
        self.observations += observations

    def use(self, exchanges: Iterable[str]) -> None:
        """Keep the ids of exchanges that the verdict rests on."""
        self.exchanges += [each for each in exchanges if each not in self.exchanges]

    def rest_on(self, statement: Entry) -> None:
        """Keep a person's dated statement that the verdict rests on: it can make it attested, never pass."""
        self.statements += [statement] if statement not in self.statements else []

    def draw(self, series: charts.Series) -> None:
        """Keep a series, for a picture beside what was observed. It is no observation: nothing is judged by it."""
        self.series += [series]

    def end_phase(self, when: str, failure: BaseException | None, duration_s: float) -> None:
        """Take note of how a phase (setup, call, teardown) ended."""
        self.duration_s += duration_s
        if failure is None:
            if when == "call" and not self.observations:
                self._conclude("error", "the check passed without observing anything; it cannot have shown anything")
            elif when == "call" and self.statements:
                self._conclude("attested", "")
        elif isinstance(failure, pytest.skip.Exception):
            self._conclude("not-applicable" if self.exemption else "not-tested", str(failure.msg))
        elif when == "call" and isinstance(failure, AssertionError | pytest.fail.Exception):
            self._conclude("fail", str(failure) or type(failure).__name__)
            if all(each.met for each in self.observations):
                self.observations.append(Observation("assertion", self.message, "it holds", False))
        else:
            known = isinstance(failure, OpsverifyError)
            self._conclude("error", str(failure) if known else f"{type(failure).__name__}: {failure}")

    def _conclude(self, state: State, message: str) -> None:
        if self.state in ("pass", "attested"):
            self.state, self.message = state, message
            if state == "fail" and self.waiver is not None:
                self.state = "waived"
        elif self.state == "waived" and state == "error":  # a waiver covers what failed, never what is not known
            self.state, self.message = state, f"{self.message}; then {message}"

    def entry(self, subject: Subject, requirement: Requirement, node: str, today: date) -> Entry:
        """The check's entry of ``results.json``; ``result`` is its state without any waiver."""
        return {
            "requirement": requirement.id,
            "title": requirement.title,
            "title_zh": requirement.title_zh,
            "chapter": requirement.chapter,
            "manual": requirement.heading,
            "severity": requirement.severity,
            "kind": list(requirement.kind),
            "must_pass": requirement.must_pass,
            "target": subject.target,
            "target_kind": subject.kind,
            "state": self.state,
            "result": "fail" if self.state == "waived" else self.state,
            "observations": [{**asdict(each), "observed": _json(each.observed)} for each in self.observations],
            "message": self.message,
            "remedy": requirement.remedy,
            "remedy_zh": requirement.remedy_zh,
            "not_applicable": self.exemption.model_dump(mode="json") if self.exemption else None,
            "waiver": self.waiver.shown(today) if self.waiver and self.state == "waived" else None,
            "statements": self.statements,
            "series": [charts.document(each) for each in self.series[:MOST_SERIES]],
            "series_left_out": max(0, len(self.series) - MOST_SERIES),
            "exchanges": self.exchanges,
            "duration_s": round(self.duration_s, 4),
            "check": node,
        }


def _json(value: Value) -> Any:
    """A value as JSON can hold it: NaN and the infinities by name."""
    if isinstance(value, tuple):
        return [_json(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


RECORDER = pytest.StashKey[Recorder]()


def subject_of(item: pytest.Item) -> Subject | None:
    """The subject of a check; None for any other test."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("subject") if callspec else None
    return found if isinstance(found, Subject) else None


def recorder_of(item: pytest.Item) -> Recorder:
    """The recorder of a check."""
    return item.stash.setdefault(RECORDER, Recorder())


@dataclass
class Record:
    """All entries of a run, held against its population."""

    run: Run
    selection: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)
    written: dict[str, Any] | None = None
    clocks: dict[str, Any] = field(default_factory=dict)  # of the targets, by `clocks.document`

    def add(self, entry: Entry) -> None:
        """Keep an entry (the last one of a check is the complete one)."""
        self.entries[f"{entry['requirement']}-{entry['target']}"] = entry

    def lose(self, subject: str, why: str) -> None:
        """Take note that a check was lost, with the worker that ran it."""
        for each in self.run.population():
            if str(each) == subject:
                recorder = Recorder(state="error", message=f"the check was lost: {self.run.redactor.text(why)}")
                self.add(recorder.entry(each, self.run.catalogue[each.requirement], "", self.run.today))

    def complete(self) -> list[Entry]:
        """Every subject of the population with its entry; what was not run is ``not-tested``, and why."""
        catalogue = self.run.catalogue
        entries = []
        for subject in self.run.population():
            entry = self.entries.get(str(subject))
            if entry is None:
                left_out = str(subject) not in self.selected
                why = f"left out by the selection ({self.selection})" if left_out and self.selection else "not reached"
                recorder = Recorder(state="not-tested", message=why)
                entry = recorder.entry(subject, catalogue[subject.requirement], "", self.run.today)
            entries.append({"worker": "", **entry})
        return entries

    def document(self, ended: datetime) -> dict[str, Any]:
        """The content of ``results.json``."""
        entries = self.complete()
        counted = self.counted(entries)
        return {
            "run": {
                **self.run.about(),
                "clocks": self.clocks,
                "end": ended.astimezone(UTC).isoformat(timespec="milliseconds"),
                "duration_s": round((ended - self.run.started).total_seconds(), 3),
                "selection": self.selection,
                **counted["run"],
            },
            **{name: counted[name] for name in ("scores", "waivers", "population")},
            "checks": entries,
            "coverage": counted["coverage"],
            "controls": self.run.controls,
        }

    def counted(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """What of ``results.json`` the entries of all checks add up to."""
        counts = Counter(each["state"] for each in entries)
        population = self.run.population()
        known = {str(each) for each in population}
        strays = sorted(set(self.entries) - known)
        reconciled = sum(counts.values()) == len(population) and not strays
        waivers = waiving.in_force(
            self.run.waivers, entries, self.run.catalogue, self.run.today, whole=not self.selection
        )
        return {
            "run": {
                "partial": counts["not-tested"] > 0,
                "verdict": waiving.verdict(verdict(entries, reconciled), waivers),
                "waived": [f"{each['requirement']}-{each['target']}" for each in entries if each["state"] == "waived"],
            },
            "scores": waiving.scores(each["state"] for each in entries),
            "waivers": {
                "file": self.run.waivers.file,
                "sha256": self.run.waivers.sha256,
                "most_days": self.run.profile.program.waiver_days,
                "entries": waivers,
            },
            "population": {
                "total": len(population),
                "states": {state: counts.get(state, 0) for state in STATES},
                "reconciled": reconciled,
                "strays": strays,
                "targets": {
                    kind: sorted({each.target for each in population if each.kind == kind})
                    for kind in sorted({each.kind for each in population})
                },
            },
            "coverage": coverage(self.run, entries),
        }

    def write(self, ended: datetime) -> dict[str, Any]:
        """Write ``results.json``, redacted, and return what it holds."""
        document: dict[str, Any] = self.run.redactor.value(self.document(ended))
        text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
        path = self.run.directory / "results.json"
        files.write(path, text)
        self.written = document
        return document


def verdict(entries: Sequence[Entry], reconciled: bool) -> str:
    """The verdict of a run: ``not met``, ``undetermined`` or ``met`` (of what was tested). The worst wins."""
    states = {each["state"] for each in entries}
    if "fail" in states:
        return "not met"
    tested = states - {"not-tested"}
    if "error" in states or not tested or not reconciled:
        return "undetermined"
    return "met"


def coverage(run: Run, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Requirement by requirement: whether it is covered, by which check, and with which states."""
    rows = []
    for requirement in run.catalogue.values():
        mine = [each for each in entries if each["requirement"] == requirement.id]
        rows.append(
            {
                "requirement": requirement.id,
                "title": requirement.title,
                "title_zh": requirement.title_zh,
                "chapter": requirement.chapter,
                "manual": requirement.heading,
                "severity": requirement.severity,
                "limits": [
                    {"name": each.name, "expected": str(each), "unit": each.unit, "origin": each.origin}
                    for each in run.catalogue.limits(requirement.id)
                ],
                "states": dict(Counter(each["state"] for each in mine)),
                "checks": sorted({each["check"].partition("[")[0] for each in mine if each["check"]}),
            }
        )
    return rows


def point_latest(directory: Path) -> None:
    """Let ``latest`` beside a run's directory point at it."""
    link = directory.parent / "latest"
    fresh = directory.parent / f".latest-{directory.name}"
    fresh.symlink_to(directory.name)
    fresh.replace(link)
