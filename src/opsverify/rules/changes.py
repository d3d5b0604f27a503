"""Rules of the chapter *change*: the steps of each change, by its record, and what runs, against these records.

A change that was not carried out yet is judged by the steps that are due by then: what is there has to be right, and
what is still to come is not missed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from opsverify.attestations import same_person
from opsverify.changes import CLASS_OF, Change, Trial
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import CLOCK_TOLERANCE, Limit, Limits, Observation, holds, none_of
from opsverify.probes.changes import Records
from opsverify.probes.containers import Container
from opsverify.rules.people import placeholder
from opsverify.rules.statements import Missing, complete, lack

NOT_DUE = ""
FILLED_IN = ("", "na", "tbd", "tba", "todo", "xxx", "待定", "待补充")  # so that something stands there
EMPTY = hashlib.sha256(b"").hexdigest()
PRODUCTION = re.compile(
    r"(the\s+)?(prod|prd|production|live)(\W+env(ironment)?)?|生产(环境)?|线上(环境)?", re.IGNORECASE
)
# What is wrong with one step of a change; None where nothing is, `NOT_DUE` where it is still to come.
Problem = Callable[[Change], str | None]


def class_fits(records: Records, limits: Limits, missing: Missing) -> list[Observation]:
    """The class of each change is one of the manual's, and the one that its reason makes."""

    def problem(change: Change) -> str | None:
        fitting = CLASS_OF[change.reason]
        if change.class_ in limits.classes.values and change.class_ == fitting:
            return None
        return f"is {change.class_}, but {change.reason} makes it {fitting}"

    return _each("changes whose class does not fit their reason", records, problem, missing)


def requested(records: Records, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """Each change was asked for before anything else was done; what an emergency did may be asked for later."""
    delay = _span(limits.request_delay_seconds)

    def problem(change: Change) -> str | None:
        emergency = change.class_ == "emergency"
        if change.request is None:
            return NOT_DUE if emergency and not _passed(change.done, delay, now) else "has no request"
        at = change.request.at
        if placeholder(change.request.by):
            return f"was requested by {change.request.by} (a placeholder)"
        if at > now + CLOCK_TOLERANCE:
            return f"was requested in the future ({_at(at)})"
        if emergency:
            late = change.done is not None and at > change.done + delay
            return f"was requested {_at(at)}, too long after it was carried out" if late else None
        before = [f"{name} {_at(each)}" for name, each in _dated(change) if each < at]
        return f"was requested {_at(at)}, after {', '.join(before)}" if before else None

    return _each("changes that were not requested first", records, problem, missing)


def assessed(records: Records, missing: Missing, now: datetime) -> list[Observation]:
    """Impact and risk of each change were assessed before it was approved, and before it was carried out."""

    def problem(change: Change) -> str | None:
        approved = change.approval.at if change.approval else None
        begun = change.execution.start if change.execution and change.class_ != "emergency" else None
        if change.assessment is None:
            due = change.approval is not None or change.execution is not None
            return "was not assessed" if due else NOT_DUE
        at = change.assessment.at
        unsaid = [each for each in ("impact", "risk") if _says_nothing(getattr(change.assessment, each))]
        if unsaid:
            return f"was assessed without a word of the {' and '.join(unsaid)}"
        late = [(name, each) for name, each in (("approval", approved), ("execution", begun)) if each and at > each]
        if at > now + CLOCK_TOLERANCE:
            return f"was assessed in the future ({_at(at)})"
        return f"was assessed {_at(at)}, after {late[0][0]} {_at(late[0][1])}" if late else None

    return _each("changes without an assessment of impact and risk before approval", records, problem, missing)


def tested(records: Records, missing: Missing, now: datetime) -> list[Observation]:
    """Each change was tested before it was approved and carried out, and the file that bears it out is still the same.

    An emergency may be approved first.
    """

    def problem(change: Change) -> str | None:
        test, execution = change.test, change.execution
        approved = change.approval.at if change.approval and change.class_ != "emergency" else None
        if test is None:
            return "was not tested" if execution else "was not tested before it was approved" if approved else NOT_DUE
        if unproven := _unproven(test, records.artefacts.get(test.artefact)):
            return unproven
        steps = (("begun", execution.start if execution else None), ("approved", approved))
        late = [f"after it was {name} {_at(each)}" for name, each in steps if each and test.at > each]
        if late or test.at > now + CLOCK_TOLERANCE:
            return f"was tested {_at(test.at)}, {late[0] if late else 'in the future'}"
        if test.passed:
            return None
        let_through = "carried out" if execution else "approved" if approved else ""
        return f"was {let_through} though its test had failed" if let_through else NOT_DUE

    return _each("changes without a good test before approval and execution", records, problem, missing)


def _unproven(test: Trial, digest: str | None) -> str | None:
    """Why a test proves nothing, whatever its result; ``digest`` is that of its artefact now."""
    if digest != test.sha256:
        return f"its artefact {test.artefact} is {'gone' if digest is None else f'another one, sha256 {digest}'}"
    if digest == EMPTY:
        return f"its artefact {test.artefact} is empty"
    if PRODUCTION.fullmatch(test.environment):
        return f"was tested in {test.environment}, expected a test environment"
    return None


def approved(records: Records, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """Each change was approved by another person before it was carried out; an emergency at most so long after."""

    def problem(change: Change) -> str | None:
        return not_approved(change, limits.approval_delay_seconds, now)

    return _each("changes without another person's approval before execution", records, problem, missing)


def not_approved(change: Change, delay: Limit, now: datetime) -> str | None:
    """What is wrong with the approval of a change. Its author is who requested it, else who carried it out."""
    approval, execution = change.approval, change.execution
    emergency = change.class_ == "emergency"
    if approval is None:
        waiting = execution is None or (emergency and not _passed(execution.end, _span(delay), now))
        return NOT_DUE if waiting else "was not approved"
    author = change.request.by if change.request else execution.by if execution else ""
    if wrong := _wrong_approver(approval.by, author):
        return wrong
    if approval.at > now + CLOCK_TOLERANCE:
        return f"was approved in the future ({_at(approval.at)})"
    if execution is None or approval.at <= execution.start:
        return None
    if not emergency:
        return f"was approved {_at(approval.at)}, after it was begun {_at(execution.start)}"
    late = approval.at - execution.end > _span(delay)
    return f"was approved {_at(approval.at)}, too long after it was carried out {_at(execution.end)}" if late else None


def _wrong_approver(name: str, author: str) -> str | None:
    if placeholder(name):
        return f"was approved by {name} (a placeholder)"
    return f"was approved by its author ({name})" if same_person(name, author) else None


def executed(records: Records, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """Each change was carried out by a named person inside its window, and that is on record soon after the window."""
    delay = _span(limits.record_delay_seconds)

    def problem(change: Change) -> str | None:
        execution, window = change.execution, change.window
        if execution is None:
            return _unfinished(change, delay, now)
        if placeholder(execution.by):
            return f"was carried out by {execution.by} (a placeholder)"
        if execution.end > now + CLOCK_TOLERANCE:
            return f"was carried out in the future ({_at(execution.end)})"
        if window is None:
            return "had no window"
        inside = window.start <= execution.start and execution.end <= window.end
        span, planned = (f"{_at(each.start)} – {_at(each.end)}" for each in (execution, window))
        return None if inside else f"was carried out {span}, outside of its window {planned}"

    return _each("changes that were not carried out as planned", records, problem, missing)


def _unfinished(change: Change, delay: timedelta, now: datetime) -> str:
    """What is wrong with a change of which nobody says that it was carried out."""
    if change.verification:
        return "was verified, but nobody says who carried it out"
    if change.rollback and change.rollback.done:
        return "was taken back, but nobody says who carried it out"
    if change.window and _passed(change.window.end, delay, now):
        return f"had a window until {_at(change.window.end)}, and nobody says what came of it"
    return NOT_DUE


def verified(records: Records, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """The result of each change was verified after it, and is good, or the change was taken back."""
    delay = _span(limits.verification_delay_seconds)

    def problem(change: Change) -> str | None:
        verification, done = change.verification, change.done
        if verification is None:
            return "was not verified" if _passed(done, delay, now) else NOT_DUE
        if done is None or verification.at < done:
            return f"was verified {_at(verification.at)}, before it was carried out"
        if verification.at > now + CLOCK_TOLERANCE:
            return f"was verified in the future ({_at(verification.at)})"
        if verification.at > done + delay:
            return f"was verified {_at(verification.at)}, too long after it was carried out {_at(done)}"
        back = change.rollback.done if change.rollback else None
        if verification.passed or (back is not None and done <= back <= now + CLOCK_TOLERANCE):
            return None
        return f"did not succeed ({verification.result}), and was not taken back"

    return _each("changes whose result was not verified", records, problem, missing)


def documented(records: Records, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """Each change names the commit that brought the documents in line, or says why there was nothing to do."""
    delay = _span(limits.documentation_delay_seconds)

    def problem(change: Change) -> str | None:
        if change.documentation is None:
            return "names no commit of documents" if _passed(change.done, delay, now) else NOT_DUE
        reason = change.documentation.none_needed
        return f"says {reason!r} for why there is none" if reason and _says_nothing(reason) else None

    return _each("changes after which the documents were not updated", records, problem, missing)


# ---- what runs


class Brought(NamedTuple):
    """What has to run of a service, and the changes that brought it.

    ``config`` is the digest of each file of its configuration, by path; None where no change says which these are.
    """

    image: str
    by: str
    config: Mapping[str, str] | None
    configured_by: str


def behind(records: Records, service: str, delay: Limit, now: datetime) -> Brought | None:
    """What has to run of a service by the newest change that names it, was approved and carried out.

    A change that says nothing of the configuration leaves it as the change before it did. An emergency counts while
    its approval may still follow.
    """
    good = [each for each in _carried_out(records, now) if not not_approved(each, delay, now)]
    mine = [(each.id, running) for each in good if (running := each.runs(service))]
    if not mine:
        return None
    by, newest = mine[-1]
    told = [(id_, each.config) for id_, each in mine if each.config is not None]
    configured_by, config = told[-1] if told else ("", None)
    return Brought(newest.image, by, config, configured_by)


def traced(
    service: str,
    containers: Sequence[Container],
    brought: Brought | None,
    files: Mapping[str, str | None],
    missing: Missing,
) -> list[Observation]:
    """What runs of a service is what the changes brought: the image, and each file of its configuration.

    ``brought`` is that of `behind`; ``files`` are the digests of its configuration on the host.
    """
    seen: list[Observation] = []
    lacking: list[str] = []
    if brought is None:
        lack(f"change that brought {service}", "none that is approved and carried out names it", missing, seen, lacking)
        return complete(seen, lacking)
    if not containers:
        lacking.append(f"the engine has no container of {service}")
    for each in containers:
        expected = f"{brought.image}, by {brought.by}"
        seen.append(holds(f"image of {each.name}", each.image, expected, each.image == brought.image))
    if brought.config is None:
        what = "no approved change names its files (config = {} where there are none on the host)"
        lack(f"configuration of {service}", what, missing, seen, lacking)
        return complete(seen, lacking)
    count = len(brought.config)
    seen.append(holds("files of configuration on record", count, f"those that {brought.configured_by} names", met=True))
    for path, digest in brought.config.items():
        now_is = files.get(path)
        shown = "gone" if now_is is None else f"sha256 {now_is}"
        seen.append(holds(path, shown, f"sha256 {digest}, by {brought.configured_by}", now_is == digest))
    return complete(seen, lacking)


class Former(NamedTuple):
    """What a service goes back to from its newest change: an image; None where no record names it."""

    change: str
    service: str
    image: str | None


def former(records: Records, services: Sequence[str], now: datetime) -> tuple[Former, ...]:
    """What each of the services goes back to; nothing of one that runs what it first ran, nor where nothing changed."""
    done = [each for each in _carried_out(records, now) if any(each.runs(name) for name in services)]
    found = []
    for name in services:
        mine = [(each, running.image) for each in done if (running := each.runs(name))]
        if not mine:
            continue
        newest, current = mine[-1]
        named = newest.rollback.images.get(name) if newest.rollback else None
        others = [image for _, image in mine if image != current]
        if named or others or newest is done[-1]:
            same = current if len(mine) > 1 else None  # its configuration alone has changed
            found.append(Former(newest.id, name, named or (others[-1] if others else same)))
    return tuple(found)


# ---- what they share


def _carried_out(records: Records, now: datetime) -> list[Change]:
    """The changes that were carried out, the newest last; of two at one moment, the one with the later id."""
    done = [(each.done, each.id, each) for each in records.changes if each.done and each.done <= now + CLOCK_TOLERANCE]
    return [each for _, _, each in sorted(done, key=lambda entry: entry[:2])]


def _each(name: str, records: Records, problem: Problem, missing: Missing) -> list[Observation]:
    """Observe that no change has a problem, of those for which the step is due."""
    if not records.changes:
        seen: list[Observation] = []
        lacking: list[str] = []
        lack("change records", f"none in {records.folder}/", missing, seen, lacking)
        return complete(seen, lacking)
    told = [(each.id, problem(each)) for each in records.changes]
    due = [(id_, what) for id_, what in told if what != NOT_DUE]
    if not due:
        raise InsufficientFactsError(
            f"{len(told)} change records in {records.folder}/, and of none is this step due yet"
        )
    return [none_of(name, [f"{id_} {what}" for id_, what in due if what], seen=len(due), of="changes")]


def _says_nothing(text: str) -> bool:
    return re.sub(r"[\W_]", "", text).casefold() in FILLED_IN


def _dated(change: Change) -> list[tuple[str, datetime]]:
    """The steps behind the request, with when they were taken."""
    steps = [
        ("assessment", change.assessment.at if change.assessment else None),
        ("test", change.test.at if change.test else None),
        ("approval", change.approval.at if change.approval else None),
        ("execution", change.execution.start if change.execution else None),
        ("verification", change.verification.at if change.verification else None),
    ]
    return [(name, at) for name, at in steps if at is not None]


def _span(limit: Limit) -> timedelta:
    return timedelta(seconds=limit.number)


def _passed(moment: datetime | None, delay: timedelta, now: datetime) -> bool:
    """Whether so much time has passed since a moment; never where there is no such moment."""
    return moment is not None and now - moment > delay


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
