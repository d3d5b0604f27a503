"""Holding the checks of two runs against each other: every pair of states has a word and an effect. Pure.

What a check says counts as `fail` only where it failed each time it was asked. One that was asked more than once and
did not say the same each time is `unstable`, which is neither failing nor green.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from opsverify.catalogue import SEVERITIES
from opsverify.changes import Change
from opsverify.gate.alike import news, said
from opsverify.gate.story import WORSE, Compared, Comparison, Effect, Reason, Side
from opsverify.record import STATES

Document = Mapping[str, Any]
Entry = Mapping[str, Any]

ABSENT, UNSTABLE = "absent", "unstable"
NOBODY = "none"  # the target of a requirement that the profile has no target for
GOOD = frozenset({"pass", "attested"})
SHARED = ("requirement", "target", "title", "title_zh", "manual", "severity", "must_pass")
BEFORE = {
    "pass": "passed",
    "attested": "was attested",
    "fail": "failed",
    "error": "could not be determined",
    "not-tested": "was not tested",
    "not-applicable": "was not applicable",
    "waived": "failed under a waiver",
    UNSTABLE: "was unstable",
    ABSENT: "was not there",
}
NOW = {
    "pass": "passes now",
    "attested": "is attested now",
    "fail": "fails now",
    "error": "cannot be determined now",
    "not-tested": "was not tested now",
    "not-applicable": "is not applicable now",
    "waived": "fails under a waiver now",
    UNSTABLE: "does not say the same each time it is asked",
    ABSENT: "is not there any more",
}


class Scope(NamedTuple):
    """What a gate verifies, by the class of the change: every check where there are no ``severities``."""

    severities: frozenset[str] | None
    chapters: frozenset[str]

    def covers(self, entry: Entry) -> bool:
        """Whether a check is in the scope."""
        return self.severities is None or entry["severity"] in self.severities or entry["chapter"] in self.chapters

    @property
    def markers(self) -> str:
        """The scope as an argument of pytest's ``-m``; empty for every check."""
        return "" if self.severities is None else " or ".join(sorted(self.severities | self.chapters))


def scope_of(change: Change) -> Scope:
    """The scope that the class of a change asks for."""
    if change.class_ == "standard":
        return Scope(None, frozenset())
    return Scope(frozenset({"critical"}), frozenset(change.areas if change.class_ == "routine" else ()))


class Check(NamedTuple):
    """A check as one run has it, with the answers of the runs that asked it again."""

    entry: Entry
    side: Side

    @property
    def subject(self) -> str:
        """Requirement and target, as everywhere."""
        return subject_of(self.entry)


def subject_of(entry: Entry) -> str:
    """Requirement and target of an entry of ``results.json``."""
    return f"{entry['requirement']}-{entry['target']}"


def checks_of(document: Document, again: Sequence[Document], scope: Scope) -> dict[str, Check]:
    """The checks of a run that are in the scope, by subject, with every later answer of those asked ``again``.

    Raises:
        ValueError: a check is there twice, or in a state that there is not.
    """
    later: dict[str, list[str]] = {}
    for entry in (each for run in again for each in run["checks"]):
        if entry["state"] != "not-tested":
            later.setdefault(subject_of(entry), []).append(_state_of(entry))
    found: dict[str, Check] = {}
    for entry in document["checks"]:
        subject = subject_of(entry)
        if subject in found:
            raise ValueError(f"{subject} is in the record of one run twice")
        if scope.covers(entry):
            found[subject] = Check(entry, _side(entry, later.get(subject, [])))
    return found


def _side(entry: Entry, later: Sequence[str]) -> Side:
    return Side(
        state=_state_of(entry),
        message=entry["message"],
        observations=[dict(each) for each in entry["observations"]],
        samples=[entry["state"], *later],
        waiver=entry.get("waiver"),
    )


def _state_of(entry: Entry) -> str:
    state = str(entry["state"])
    if state not in STATES:
        raise ValueError(f"{subject_of(entry)}: {state!r} is no state of a check")
    return state


def checks_before(kept: Iterable[Compared]) -> dict[str, Check]:
    """The checks of the gate before the change, out of its story."""
    return {
        each.subject: Check({name: getattr(each, name) for name in SHARED}, each.pre)
        for each in kept
        if each.pre is not None
    }


def counted(side: Side | None) -> str:
    """The state that counts: `absent`, `unstable`, or the one that it was in each time."""
    if side is None:
        return ABSENT
    return side.state if set(side.samples) <= {side.state} else UNSTABLE


# ---- before a change


def before(checks: Mapping[str, Check]) -> list[Compared]:
    """What stands against making the change at all: whatever is `must_pass` has to be seen to pass."""
    found = []
    for check in checks.values():
        state = counted(check.side)
        effect: Effect = "info" if state in GOOD or state == "not-applicable" else "WARN"
        why = "" if effect == "info" else f"{_present(check.side)}{_because(check.side)}"
        if check.entry["must_pass"] and effect == "WARN" and state != "waived":
            effect = "NO-GO" if state == "fail" else "INCONCLUSIVE"
            why = f"must pass before a change is made, but {why}"
        found.append(_compared(check, check.side, None, Judged(None, effect, why)))
    return worst_first(found)


def _present(side: Side) -> str:
    state = counted(side)
    return _asked(side) if state == UNSTABLE else NOW[state].removesuffix(" now")


# ---- after a change


class Judged(NamedTuple):
    """The word for a pair of states, what it does to the verdict, and why."""

    comparison: Comparison | None
    effect: Effect
    why: str


def compare(pre: Mapping[str, Check], post: Mapping[str, Check], change: Change, elapsed: timedelta) -> list[Compared]:
    """Hold every check of two runs against each other, those with the worst effect first.

    ``elapsed`` is the time from the first question of the one to the last of the other.
    """
    ours, theirs = _without_stand_ins(pre, post), _without_stand_ins(post, pre)
    found = []
    for subject in dict.fromkeys([*ours, *theirs]):
        check = theirs.get(subject) or ours[subject]
        one, other = (checks[subject].side if subject in checks else None for checks in (ours, theirs))
        names = (subject, check.entry["target"])
        declared = frozenset(each.becomes for each in change.scope if each.subject in names)
        judged = judge(one, other, must_pass=check.entry["must_pass"], declared=declared, elapsed=elapsed)
        found.append(_compared(check, one, other, judged))
    return worst_first(found)


def _without_stand_ins(one: Mapping[str, Check], other: Mapping[str, Check]) -> dict[str, Check]:
    """Without what stands for a target that there is none of, where the other run has such targets.

    The first target of a kind, or the last one, is declared and judged by its own name.
    """
    real = {each.entry["requirement"] for each in other.values() if each.entry["target"] != NOBODY}

    def stands_in(check: Check) -> bool:
        nobody = check.entry["target"] == NOBODY and check.side.state == "not-applicable"
        return nobody and check.subject not in other and check.entry["requirement"] in real

    return {subject: each for subject, each in one.items() if not stands_in(each)}


def judge(
    pre: Side | None, post: Side | None, *, must_pass: bool, declared: frozenset[str], elapsed: timedelta
) -> Judged:
    """The word for one check on both sides. ``declared`` is what the change record says becomes of it.

    The worse of the two wins, what the check says now and that it came into the scope or went out of it.
    """
    was, now = counted(pre), counted(post)
    scope = _scope(was, now, declared)
    if scope is not None and now in (ABSENT, "not-applicable"):
        return scope
    state = _state(pre, post, must_pass=must_pass, elapsed=elapsed)
    if scope is None or WORSE.index(state.effect) >= max(1, WORSE.index(scope.effect)):
        return state
    return scope


def _scope(was: str, now: str, declared: frozenset[str]) -> Judged | None:
    """What is to be said where a check came into the scope of verification, or went out of it; None where neither."""
    if was == now or (now != ABSENT and "not-applicable" not in (was, now)):
        return None
    comparison: Comparison = "scope change"
    if now == ABSENT:
        comparison = comparison if was == "not-applicable" else "coverage lost"
        fitting = {"removed"}
    elif now == "not-applicable":
        fitting = {"not-applicable", "added"} if was == ABSENT else {"not-applicable"}
    else:
        fitting = {"applicable"}
    why = f"{BEFORE[was]} before, and {NOW[now]}"
    if fitting & declared:
        return Judged(comparison, "info", f"{why}, as the change declares")
    return Judged(comparison, "INCONCLUSIVE", f"{why}, which the change does not declare")


def _state(pre: Side | None, post: Side | None, *, must_pass: bool, elapsed: timedelta) -> Judged:
    """The word for what a check says now, by what it said before."""
    was, now = counted(pre), counted(post)
    if post is None or now == "not-applicable":
        return Judged("ok", "info", "")  # on both sides; `_scope` has spoken of the rest
    why = f"{BEFORE[was]} before, and {_asked(post) if now == UNSTABLE else NOW[now]}{_because(post)}"
    match now:
        case "fail":
            return _failing(pre, post, why, must_pass=must_pass, elapsed=elapsed)
        case "pass" | "attested":
            return _passing(was, why)
        case "waived":
            return Judged("waived", "WARN", why)
        case "unstable":
            return Judged("unstable", "INCONCLUSIVE", why)
    return Judged("unknown", "INCONCLUSIVE", why)


def _passing(was: str, why: str) -> Judged:
    match was:
        case "pass" | "attested":
            return Judged("ok", "info", "")
        case "fail" | "waived" | "error":
            return Judged("fixed", "info", why)
        case "unstable":
            return Judged("unstable", "WARN", f"{why}, asked once: nothing shows that it is stable")
    return Judged("new", "info", why)


def _failing(pre: Side | None, post: Side, why: str, *, must_pass: bool, elapsed: timedelta) -> Judged:
    """The word for a check that fails after the change, each time it was asked."""
    was = counted(pre)
    if was in GOOD:
        return Judged("regression", "NO-GO", why)
    if pre is None or was == "not-applicable":
        return Judged("new failure", "NO-GO", why)
    if was in ("error", "not-tested"):
        return Judged("unknown", "NO-GO", f"must pass: {why}") if must_pass else Judged("unknown", "INCONCLUSIVE", why)
    more = news(*_reasons_of(pre, post), elapsed)
    if more:
        return Judged("worsened", "NO-GO", f"{BEFORE[was]} before, and {NOW['fail']} for more than that: {said(more)}")
    comparison: Comparison = "unstable" if was == UNSTABLE else "pre-existing"
    why = f"{BEFORE[was]} before, and fails for the same reason now{_because(post)}"
    if must_pass:
        return Judged(comparison, "NO-GO", f"must pass: {why}")
    return Judged(comparison, "INCONCLUSIVE" if was == UNSTABLE else "WARN", why)


def _reasons_of(pre: Side, post: Side) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What was observed on both sides; the messages, where a side has no observation that is not met."""
    if all(any(not each["met"] for each in side.observations) for side in (pre, post)):
        return pre.observations, post.observations
    one, other = ([{"name": "message", "observed": side.message, "expected": "", "met": False}] for side in (pre, post))
    return one, other


def _asked(side: Side) -> str:
    return f"{NOW[UNSTABLE]} ({', '.join(side.samples)})"


def _because(side: Side) -> str:
    first = side.message.strip().partition("\n")[0]
    return f": {first if len(first) <= 300 else f'{first[:300]}…'}" if first else ""


def _compared(check: Check, pre: Side | None, post: Side | None, judged: Judged) -> Compared:
    return Compared(
        subject=check.subject,
        **{name: check.entry[name] for name in SHARED},
        pre=pre,
        post=post,
        comparison=judged.comparison,
        effect=judged.effect,
        why=judged.why,
    )


# ---- both


def worst_first(found: Iterable[Compared]) -> list[Compared]:
    """The worst effect first, and of those the most severe requirement first."""
    return sorted(found, key=lambda each: (-WORSE.index(each.effect), SEVERITIES.index(each.severity)))


def reasons(compared: Sequence[Compared]) -> list[Reason]:
    """What of the checks counts towards the verdict; that nothing was shown by any of them counts too."""
    found = [Reason(effect=each.effect, about=each.subject, why=each.why) for each in compared if each.effect != "info"]
    latest = [each.post if each.comparison else each.pre for each in compared]
    if not any(counted(side) in (*GOOD, "fail", "waived") for side in latest):
        why = "no check in the scope of this change showed anything"
        found.append(Reason(effect="INCONCLUSIVE", about="checks", why=why))
    return found


def unsound(document: Document) -> list[Reason]:
    """Why a run's record is nothing to decide by, where that is so: checks fell out of sight."""
    population, run = document["population"], document["run"]
    if population["reconciled"] and not population["strays"] and population["total"] == len(document["checks"]):
        return []
    why = f"its population does not add up ({population['total']} checks, {len(document['checks'])} results)"
    return [Reason(effect="INCONCLUSIVE", about=f"run {run['id']}", why=why)]
