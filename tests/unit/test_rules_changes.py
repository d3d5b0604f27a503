"""The steps of changes: what is missing, out of order, or not due yet; what runs; and what to go back to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import changes as lab
from lab import engine, images
from lab.settings import SERVICES
from opsverify import changes as model
from opsverify.changes import Change
from opsverify.channels.document import DocumentChannel
from opsverify.documents import Documents
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.changes import Records, parse_digests
from opsverify.probes.changes import records as read_records
from opsverify.probes.containers import Container
from opsverify.rules import changes
from opsverify.transcript import Transcript
from tests.unit.test_changes import CHANGE, DIGEST, FILE

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)  # 34 hours after the change
DONE = datetime(2026, 11, 22, 2, 10, tzinfo=UTC)
ARTEFACT = "evidence/CHG-2026-0042-test.txt"
EMERGENCY = ('class = "standard"\nreason = "performance"', 'class = "emergency"\nreason = "recovery"')
PENDING = CHANGE[: CHANGE.index("[test]")]


def change(*edits: tuple[str, str], text: str = CHANGE) -> Change:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return model.parse(text, FILE)


def without(step: str) -> Change:
    return change().model_copy(update={step: None})


def records(*found: Change, digest: str | None = DIGEST) -> Records:
    return Records("changes", found, {ARTEFACT: digest})


def told(rule: str, found: Records, demands: LimitsOf, now: datetime = NOW) -> str:
    """The findings of a rule by the id of its requirement; ``ERROR …`` where it cannot judge."""
    limits = demands(rule)
    rules: dict[str, Callable[[], list[Observation]]] = {
        "CHG-CLASS-01": lambda: changes.class_fits(found, limits, "error"),
        "CHG-REQ-01": lambda: changes.requested(found, limits, "fail", now),
        "CHG-RISK-01": lambda: changes.assessed(found, "fail", now),
        "CHG-TEST-01": lambda: changes.tested(found, "fail", now),
        "CHG-APPR-01": lambda: changes.approved(found, limits, "fail", now),
        "CHG-EXEC-01": lambda: changes.executed(found, limits, "fail", now),
        "CHG-VER-01": lambda: changes.verified(found, limits, "fail", now),
        "CHG-DOC-01": lambda: changes.documented(found, limits, "fail", now),
    }
    try:
        return "; ".join(map(str, unmet(rules[rule]())))
    except InsufficientFactsError as error:
        return f"ERROR {error}"


STEPS = ("CHG-REQ-01", "CHG-RISK-01", "CHG-TEST-01", "CHG-APPR-01", "CHG-EXEC-01", "CHG-VER-01", "CHG-DOC-01")


@pytest.mark.parametrize("rule", ["CHG-CLASS-01", *STEPS])
def test_a_change_with_every_step_in_order_meets_all(rule: str, limits_of: LimitsOf) -> None:
    assert told(rule, records(change()), limits_of) == ""


@pytest.mark.parametrize("rule", STEPS)
def test_no_record_at_all_is_a_finding(rule: str, limits_of: LimitsOf) -> None:
    assert told(rule, records(), limits_of) == "change records: observed none in changes/, expected there is one"
    assert told("CHG-CLASS-01", records(), limits_of) == "ERROR change records: none in changes/"


LATER = timedelta(days=9)


@pytest.mark.parametrize(
    ("rule", "step", "said"),
    [
        ("CHG-REQ-01", "request", "has no request"),
        ("CHG-RISK-01", "assessment", "was not assessed"),
        ("CHG-TEST-01", "test", "was not tested"),
        ("CHG-APPR-01", "approval", "was not approved"),
        ("CHG-EXEC-01", "window", "had no window"),
        ("CHG-EXEC-01", "execution", "was verified, but nobody says who carried it out"),
        ("CHG-VER-01", "verification", "was not verified"),
        ("CHG-DOC-01", "documentation", "names no commit of documents"),
    ],
)
def test_a_step_that_is_missing_is_found_by_its_requirement_alone(
    rule: str, step: str, said: str, limits_of: LimitsOf
) -> None:
    found = records(without(step))
    red = {each: text for each in STEPS if (text := told(each, found, limits_of, NOW + LATER))}
    assert f"observed CHG-2026-0042 {said}, expected none" in red.pop(rule)
    assert set(red) <= {"CHG-VER-01"} if step == "execution" else not red


APPROVED = "at = 2026-11-21T08:00:00+01:00"


@pytest.mark.parametrize(
    ("rule", "edits", "said"),
    [
        ("CHG-CLASS-01", [('"performance"', '"recovery"')], "is standard, but recovery makes it emergency"),
        ("CHG-CLASS-01", [('"standard"', '"routine"')], "is routine, but performance makes it standard"),
        ("CHG-REQ-01", [("2026-11-20T09:00:00Z", "2026-11-20T10:30:00Z")], "after assessment 2026-11-20 10:00 UTC"),
        ("CHG-REQ-01", [EMERGENCY, ("2026-11-20T09:00:00Z", "2026-11-23T03:00:00Z")], "too long after"),
        (
            "CHG-RISK-01",
            [("2026-11-20T10:00:00Z", "2026-11-21T07:00:01Z")],
            "after approval 2026-11-21 08:00 UTC+01:00",
        ),
        ("CHG-TEST-01", [("2026-11-20T15:00:00Z", "2026-11-22T02:05:01Z")], "after it was begun 2026-11-22 02:05 UTC"),
        ("CHG-TEST-01", [('passed = true\nresult = "Built', 'passed = false\nresult = "Built')], "its test had failed"),
        ("CHG-APPR-01", [("Aylin Demir", "Jonas Brandt")], "was approved by its author (Jonas Brandt)"),
        ("CHG-APPR-01", [("Aylin Demir", " JONAS  brandt ")], "was approved by its author"),
        ("CHG-APPR-01", [(APPROVED, "at = 2026-11-22T03:05:01+01:00")], "after it was begun 2026-11-22 02:05 UTC"),
        ("CHG-APPR-01", [EMERGENCY, (APPROVED, "at = 2026-11-23T02:10:01Z")], "too long after it was carried out"),
        ("CHG-EXEC-01", [("from = 2026-11-22T02:05:00Z", "from = 2026-11-22T01:59:59Z")], "outside of its window"),
        ("CHG-EXEC-01", [("to = 2026-11-22T02:10:00Z", "to = 2026-11-22T03:00:01Z")], "outside of its window"),
        ("CHG-EXEC-01", [('Brandt"\nfrom', 'Doe"\nfrom')], "was carried out by Jonas Doe (a placeholder)"),
        ("CHG-VER-01", [("2026-11-22T02:30:00Z", "2026-11-22T02:09:59Z")], "before it was carried out"),
        ("CHG-VER-01", [("2026-11-22T02:30:00Z", "2026-11-23T02:10:01Z")], "too long after it was carried out"),
        ("CHG-REQ-01", [('Brandt"\nat = 2026-11-20T09', 'Doe"\nat = 2026-11-20T09')], "requested by Jonas Doe (a pl"),
        ("CHG-APPR-01", [("Aylin Demir", "TBD")], "was approved by TBD (a placeholder)"),
        ("CHG-APPR-01", [("Aylin Demir", "jonas.brandt@tokenswap.io")], "was approved by its author"),
        ("CHG-RISK-01", [("The build takes longer than the window", "N/A")], "without a word of the risk"),
        ("CHG-DOC-01", [('commit = "8fd82e9e11f4"', 'none_needed = "TBD"')], "says 'TBD' for why there is none"),
        ("CHG-TEST-01", [('"staging"', '"Production"')], "was tested in Production, expected a test environment"),
        ("CHG-VER-01", [('passed = true\nresult = "P95', 'passed = false\nresult = "P95')], "was not taken back"),
    ],
)
def test_a_step_that_is_wrong(rule: str, edits: list[tuple[str, str]], said: str, limits_of: LimitsOf) -> None:
    found = told(rule, records(change(*edits)), limits_of)
    assert "CHG-2026-0042" in found
    assert said in found


@pytest.mark.parametrize(
    ("rule", "edits"),
    [
        ("CHG-APPR-01", [EMERGENCY, (APPROVED, "at = 2026-11-22T04:05:00Z")]),  # two hours later
        ("CHG-APPR-01", [EMERGENCY, (APPROVED, "at = 2026-11-23T02:10:00Z")]),  # just in time
        ("CHG-APPR-01", [(APPROVED, "at = 2026-11-22T02:05:00Z")]),
        ("CHG-REQ-01", [EMERGENCY, ("2026-11-20T09:00:00Z", "2026-11-23T02:00:00Z")]),
        (
            "CHG-RISK-01",
            [EMERGENCY, ("2026-11-20T10:00:00Z", "2026-11-22T03:00:00Z"), (APPROVED, "at = 2026-11-22T04:00:00Z")],
        ),
        ("CHG-EXEC-01", [("from = 2026-11-22T02:05:00Z", "from = 2026-11-22T02:00:00Z")]),
        ("CHG-TEST-01", [EMERGENCY, ("2026-11-20T15:00:00Z", "2026-11-22T02:05:00Z")]),
        (
            "CHG-VER-01",
            [
                ('passed = true\nresult = "P95', 'passed = false\nresult = "P95'),
                ('plan = "DROP', 'done = 2026-11-22T02:40:00Z\nplan = "DROP'),
            ],
        ),
    ],
)
def test_what_looks_wrong_and_is_not(rule: str, edits: list[tuple[str, str]], limits_of: LimitsOf) -> None:
    assert told(rule, records(change(*edits)), limits_of) == ""


def test_the_file_of_a_test_has_to_be_the_same(limits_of: LimitsOf) -> None:
    assert f"{ARTEFACT} is gone" in told("CHG-TEST-01", records(change(), digest=None), limits_of)
    assert "is another one, sha256 00" in told("CHG-TEST-01", records(change(), digest="0" * 64), limits_of)


def test_an_empty_file_bears_nothing_out(limits_of: LimitsOf) -> None:
    empty = hashlib.sha256(b"").hexdigest()
    found = records(change((f'sha256 = "{DIGEST}"', f'sha256 = "{empty}"')), digest=empty)
    assert f"its artefact {ARTEFACT} is empty" in told("CHG-TEST-01", found, limits_of)


def test_a_test_that_failed_is_no_step_on_the_way(limits_of: LimitsOf) -> None:
    """Without an approval the change may still be mended; with one it is let through against its own test."""
    bad = change(('passed = true\nresult = "Built', 'passed = false\nresult = "Built'))
    waiting = bad.model_copy(update={"execution": None, "verification": None, "documentation": None})
    assert "was approved though its test had failed" in told("CHG-TEST-01", records(waiting), limits_of)
    proposed = waiting.model_copy(update={"approval": None})
    assert "of none is this step due yet" in told("CHG-TEST-01", records(proposed), limits_of)


def test_a_window_that_has_passed_leaves_a_word_of_what_came_of_it(limits_of: LimitsOf) -> None:
    after = {"execution": None, "verification": None, "documentation": None}
    planned = change().model_copy(update=after)
    closed = datetime(2026, 11, 22, 3, tzinfo=UTC)
    assert "had a window until 2026-11-22 03:00 UTC, and nobody says what came of it" in told(
        "CHG-EXEC-01", records(planned), limits_of, closed + timedelta(days=1, seconds=1)
    )
    assert "of none is this step due yet" in told(
        "CHG-EXEC-01", records(planned), limits_of, closed + timedelta(days=1)
    )
    put_off = planned.model_copy(update={"window": None})
    assert "of none is this step due yet" in told("CHG-EXEC-01", records(put_off), limits_of, NOW + LATER)
    back = planned.model_copy(update={"rollback": model.Rollback(plan="p", done=DONE)})
    assert "was taken back, but nobody says who carried it out" in told("CHG-EXEC-01", records(back), limits_of)


def test_steps_are_not_missed_before_they_are_due(limits_of: LimitsOf) -> None:
    """The run right after a change sees no verification yet; a planned change has hardly any step."""
    young = change().model_copy(update={"verification": None, "documentation": None})
    for rule in ("CHG-VER-01", "CHG-DOC-01"):
        assert "of none is this step due yet" in told(rule, records(young), limits_of, DONE + timedelta(hours=24))
    assert "was not verified" in told("CHG-VER-01", records(young), limits_of, NOW)
    planned = model.parse(PENDING, FILE)
    assert told("CHG-REQ-01", records(planned), limits_of) == ""
    for rule in STEPS[2:]:
        assert "of none is this step due yet" in told(rule, records(planned), limits_of)
        assert told(rule, records(planned, change()), limits_of) == ""
    untested = planned.model_copy(update={"approval": change().approval})
    assert "was not tested before it was approved" in told("CHG-TEST-01", records(untested), limits_of)
    waiting = change(EMERGENCY).model_copy(update={"approval": None, "request": None})
    for rule in ("CHG-APPR-01", "CHG-REQ-01"):
        assert told(rule, records(waiting), limits_of, DONE + timedelta(hours=24)).startswith("ERROR")
        assert told(rule, records(waiting), limits_of, DONE + timedelta(hours=24, seconds=1))


def test_what_is_dated_in_the_future_did_not_happen(limits_of: LimitsOf) -> None:
    early = datetime(2026, 11, 20, 8, tzinfo=UTC)
    red = [rule for rule in STEPS if told(rule, records(change()), limits_of, early)]
    assert set(STEPS) - set(red) == {"CHG-DOC-01"}


# ---- what runs

OTHER = "c" * 64
CONTAINER = Container(
    "id",
    "api_1",
    "p",
    "tokenswap-api",
    "running",
    None,
    0,
    NOW,
    "always",
    0,
    False,
    (),
    NOW,
    "json-file",
    image=f"sha256:{DIGEST}",
)
CONF = {"/etc/tokenswap/app.env": DIGEST}


BROUGHT = changes.Brought(f"sha256:{DIGEST}", "CHG-2", CONF, "CHG-1")


def traced(brought: changes.Brought | None, containers: list[Container], files: dict[str, Any]) -> str:
    try:
        return "; ".join(map(str, unmet(changes.traced("tokenswap-api", containers, brought, files, "fail"))))
    except InsufficientFactsError as error:
        return f"ERROR {error}"


@pytest.mark.parametrize(
    ("containers", "files", "said"),
    [
        ([CONTAINER], CONF, ""),
        ([replace(CONTAINER, status="exited")], CONF, ""),
        ([replace(CONTAINER, image=f"sha256:{OTHER}")], CONF, f"image of api_1: observed sha256:{OTHER}"),
        ([CONTAINER, replace(CONTAINER, name="api_2", image="sha256:0")], CONF, "image of api_2: observed sha256:0"),
        ([CONTAINER], {"/etc/tokenswap/app.env": OTHER}, f"/etc/tokenswap/app.env: observed sha256 {OTHER}"),
        ([CONTAINER], {"/etc/tokenswap/app.env": None}, "/etc/tokenswap/app.env: observed gone"),
        ([], CONF, "ERROR the engine has no container of tokenswap-api"),
        ([], {}, "/etc/tokenswap/app.env: observed gone"),
    ],
)
def test_what_runs_is_held_against_its_change(containers: list[Container], files: dict[str, Any], said: str) -> None:
    found = traced(BROUGHT, containers, files)
    assert said in found
    assert bool(said) == bool(found)


def moved(id_: str, hours: int, **update: Any) -> Change:
    """The same change, so many hours later."""
    first = change()
    assert first.execution
    span = {
        "start": first.execution.start + timedelta(hours=hours),
        "end": first.execution.end + timedelta(hours=hours),
    }
    return first.model_copy(update={"id": id_, "execution": first.execution.model_copy(update=span), **update})


def test_the_newest_approved_change_counts(limits_of: LimitsOf) -> None:
    delay = limits_of("CHG-APPR-01").approval_delay_seconds
    found = records(moved("CHG-3", 3, approval=None), moved("CHG-2", 2), change(), moved("CHG-9", 48))
    assert changes.behind(found, "tokenswap-api", delay, NOW).by == "CHG-2"  # type: ignore[union-attr]
    assert changes.behind(found, "nginx", delay, NOW) is None
    assert "none that is approved and carried out names it" in traced(None, [CONTAINER], {})


def running(image: str = DIGEST, config: dict[str, str] | None = None) -> list[model.Running]:
    return [model.Running(service="tokenswap-api", image=f"sha256:{image}", config=config)]


def test_configuration_is_that_of_the_newest_change_that_says_so(limits_of: LimitsOf) -> None:
    """A release that names an image alone does not let the configuration drift."""
    delay = limits_of("CHG-APPR-01").approval_delay_seconds
    release = moved("CHG-2", 2, running=running(OTHER))
    found = changes.behind(records(change(), release), "tokenswap-api", delay, NOW)
    assert found == (f"sha256:{OTHER}", "CHG-2", CONF, "CHG-2026-0042")
    none = moved("CHG-3", 3, running=running(OTHER, {}))
    found = changes.behind(records(change(), release, none), "tokenswap-api", delay, NOW)
    assert found == (f"sha256:{OTHER}", "CHG-3", {}, "CHG-3")
    slipped_in = moved("CHG-3", 3, running=running(OTHER, {"/etc/x": OTHER}), approval=None)
    found = changes.behind(records(change(), slipped_in), "tokenswap-api", delay, NOW)
    assert found == (f"sha256:{DIGEST}", "CHG-2026-0042", CONF, "CHG-2026-0042")
    unsaid = changes.behind(records(release), "tokenswap-api", delay, NOW)
    assert "configuration of tokenswap-api: observed no approved change names its files" in traced(
        unsaid, [replace(CONTAINER, image=f"sha256:{OTHER}")], {}
    )


def test_what_a_service_goes_back_to() -> None:
    first, second = change(), moved("CHG-2", 2)
    assert changes.former(records(second, first), ["tokenswap-api"], NOW) == (
        ("CHG-2", "tokenswap-api", f"sha256:{DIGEST}"),
    )
    back = model.Rollback(plan="p", images={"tokenswap-api": f"sha256:{OTHER}"})
    named = moved("CHG-2", 2, rollback=back)
    assert changes.former(records(first, named), ["tokenswap-api"], NOW)[0].image == f"sha256:{OTHER}"
    assert changes.former(records(first), ["tokenswap-api"], NOW)[0].image is None
    assert changes.former(records(first), ["nginx"], NOW) == ()
    assert changes.former(records(moved("CHG-2", 48)), ["tokenswap-api"], NOW) == ()


def test_a_later_change_of_something_else_does_not_hide_what_a_release_goes_back_to() -> None:
    release = moved("CHG-2", 2, running=running(OTHER))
    goes_back = ("CHG-2", "tokenswap-api", f"sha256:{DIGEST}")
    redis = moved("CHG-3", 3, running=[model.Running(service="redis", image=f"sha256:{OTHER}")])
    both = changes.former(records(change(), release, redis), ["tokenswap-api", "redis"], NOW)
    assert both == (goes_back, ("CHG-3", "redis", None))
    configured = moved("CHG-4", 4, running=running(OTHER, {}))
    found = changes.former(records(change(), release, redis, configured), ["tokenswap-api", "redis"], NOW)
    assert found == (("CHG-4", "tokenswap-api", f"sha256:{DIGEST}"),)


def test_digests_are_of_the_files_that_were_asked_for() -> None:
    line = f"{DIGEST}  /etc/a b\n"
    assert parse_digests(line, ["/etc/a b"]) == {"/etc/a b": DIGEST}
    for text in ("", line * 2, f"{DIGEST}  /etc/c\n", f"{DIGEST[1:]}  /etc/a b\n"):
        with pytest.raises(UnansweredError, match="sha256sum: expected a line for each of /etc/a b"):
            parse_digests(text, ["/etc/a b"])


def test_the_records_of_the_lab_meet_every_requirement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transcript: Transcript, limits_of: LimitsOf
) -> None:
    """Whatever runs there; and they name all of it, and what the newest release goes back to."""
    now = datetime.now(UTC)
    monkeypatch.setattr(engine, "containers", lambda: {each: {"Image": f"sha256:{DIGEST}"} for each in SERVICES})
    monkeypatch.setattr(engine, "inside", lambda *_: f"{OTHER}  /etc/tokenswap/redis/redis.conf\n")
    monkeypatch.setattr(images, "previous", lambda _: f"sha256:{OTHER}")
    lab.write(tmp_path, now)
    none, kept_here = tmp_path / "none", (tmp_path / "attestations.toml", tmp_path / "changes")
    kept = Documents(tmp_path, none, kept_here[0], none, none, none, none, kept_here[1], none)
    found = read_records(DocumentChannel("program", kept, transcript))
    assert len(found.changes) == 5
    for rule in ("CHG-CLASS-01", *STEPS):
        assert told(rule, found, limits_of, now) == "", rule
    delay = limits_of("CHG-APPR-01").approval_delay_seconds
    assert all(changes.behind(found, each, delay, now) for each in SERVICES)
    redis = changes.behind(found, "redis", delay, now)
    assert redis is not None
    assert redis.config == {lab.REDIS_CONF: OTHER}
    assert all(changes.behind(found, each, delay, now).config is not None for each in SERVICES)  # type: ignore[union-attr]
    assert changes.former(found, list(SERVICES), now) == (("CHG-LAB-0004", "tokenswap-api", f"sha256:{OTHER}"),)
    assert found.shown()["by"] == "Jonas Brandt"
