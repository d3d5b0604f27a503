"""What a change record lacks before a change is begun. Pure: record, digests and now in, reasons out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from opsverify.catalogue import Catalogue
from opsverify.changes import Change
from opsverify.errors import InsufficientFactsError
from opsverify.gate.story import Reason
from opsverify.judgement import Limits, Observation
from opsverify.probes.changes import Records
from opsverify.rules import changes as rules
from opsverify.rules.people import placeholder

# An emergency is put right first: these may follow.
MAY_FOLLOW = frozenset({"assessment", "test", "approval"})
STEPS = {
    "request": "has no request",
    "assessment": "was not assessed",
    "test": "was not tested",
    "approval": "was not approved",
    "window": "has no window",
    "rollback": "has no rollback plan",
}
Rule = Callable[[Limits], Sequence[Observation]]


def before(change: Change, artefacts: dict[str, str | None], catalogue: Catalogue, now: datetime) -> list[Reason]:
    """Everything that keeps a change from being begun, as its record says it.

    ``artefacts`` has the SHA-256 of the file that bears the test out; None where it is gone.
    """
    found = [*_missing(change), *_wrong(change, artefacts, catalogue, now), *_too_late(change, now)]
    return [Reason(effect="NO-GO", about=change.id, why=each) for each in dict.fromkeys(found)]


def ahead(change: Change, hours: float, now: datetime) -> list[Reason]:
    """That a window opens so late that what is measured now is no baseline any more by then."""
    if change.window is None or change.window.start - now <= timedelta(hours=hours):
        return []
    opens = f"{change.window.start:%Y-%m-%d %H:%M %Z}"
    why = f"its window opens {opens}: a baseline is good for {hours:g} h, so verify again before it"
    return [Reason(effect="info", about=change.id, why=why)]


def _missing(change: Change) -> Iterator[str]:
    for name, what in STEPS.items():
        if getattr(change, name) is None and not (change.class_ == "emergency" and name in MAY_FOLLOW):
            yield what
    if change.test is not None and not change.test.passed:
        yield f"its test failed: {change.test.result}"
    if change.approval is not None and placeholder(change.approval.by):
        yield f"was approved by {change.approval.by} (a placeholder)"


def _wrong(change: Change, artefacts: dict[str, str | None], catalogue: Catalogue, now: datetime) -> Iterator[str]:
    """What the rules of change records find in this one: steps out of order, its author's approval, another class."""
    records = Records("changes", (change,), artefacts)
    judged: list[tuple[str, str, Rule]] = [
        ("class_", "CHG-CLASS-01", lambda limits: rules.class_fits(records, limits, "fail")),
        ("request", "CHG-REQ-01", lambda limits: rules.requested(records, limits, "fail", now)),
        ("assessment", "CHG-RISK-01", lambda _: rules.assessed(records, "fail", now)),
        ("test", "CHG-TEST-01", lambda _: rules.tested(records, "fail", now)),
        ("approval", "CHG-APPR-01", lambda limits: rules.approved(records, limits, "fail", now)),
    ]
    for step, requirement, rule in judged:
        # A step that is not there is told of above. A project of a user's own may do without the requirement.
        if getattr(change, step) is None or requirement not in catalogue:
            continue
        try:
            observed = rule(catalogue.limits(requirement))
        except InsufficientFactsError:  # not due yet
            continue
        for each in observed:
            if not each.met:
                told = each.observed if isinstance(each.observed, tuple) else (each.observed,)
                yield from (str(what).removeprefix(f"{change.id} ") for what in told)


def _too_late(change: Change, now: datetime) -> Iterator[str]:
    if change.execution is not None:
        begun = f"{change.execution.start:%Y-%m-%d %H:%M %Z}"
        yield f"was carried out already ({begun}): what is measured now is no state before it"
    elif change.window is not None and now > change.window.end:
        yield f"its window is over since {change.window.end:%Y-%m-%d %H:%M %Z}"
