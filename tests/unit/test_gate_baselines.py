"""What a gate after a change may be held against: alike in all but what is declared, and fresh."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import profile
from opsverify.gate.baselines import Terms, did_not_happen, incomparable, newest, none_found, parts, terms_of
from opsverify.gate.comparing import Scope, checks_of, compare
from opsverify.gate.settings import Gate
from opsverify.gate.story import Story
from tests.unit.gate_cases import START, change, document, entry, story

GATE = Gate()
ROOT = Path(__file__).parents[2]
EXECUTION = '[execution]\nby = "x"\nfrom = {}\nto = {}\n'


def declares(subject: str, becomes: str) -> str:
    return f'[[scope]]\nsubject = "{subject}"\nbecomes = "{becomes}"\nwhy = "x"\n'


def now(pre: Story, **more: Any) -> Terms:
    return terms_of(pre)._replace(**{"start": START} | more)


def why_not(pre: Story, post: Terms, record: str = "", settings: Gate = GATE) -> list[str]:
    found = incomparable(pre, post, change(record), settings)
    assert {(each.about, each.effect) for each in found} <= {("baseline", "INCONCLUSIVE")}
    return [each.why for each in found]


def test_the_same_a_short_while_ago_is_a_baseline() -> None:
    assert not why_not(story(), now(story()))


@pytest.mark.parametrize(
    ("differs", "why"),
    [
        ({"change": "CHG-2"}, "another change: CHG-1 before, CHG-2 now"),
        ({"profile": "staging"}, "another profile: lab before, staging now"),
        ({"scope": "critical"}, "another scope of the checks: all before, critical now"),
        ({"suite_version": "0.2.0"}, "another version of the suite: 0.1.0 before, 0.2.0 now"),
        ({"suite_commit": "5f96b53-dirty"}, "another commit of the suite: 5f96b53 before, 5f96b53-dirty now"),
        (
            {"limits": {"HLT-RES-01.memory_used": "at most 0.9"}},
            "other limits: HLT-RES-01.memory_used (at most 0.8 before, at most 0.9 now)",
        ),
        ({"limits": {}}, "other limits: HLT-RES-01.memory_used (at most 0.8 before, none now)"),
        (
            {"profile_sha256": "c" * 64},
            "the profile is not the one of before, and the change declares no change of scope",
        ),
        (
            {"targets": {"host": ["node"], "replica": ["replica-1", "replica-2"]}},
            "other targets, which the change does not declare: replica replica-2 added",
        ),
        (
            {"targets": {"host": ["node"]}},
            "other targets, which the change does not declare: replica replica-1 removed",
        ),
        (
            {"parts": {"hosts node": "9", "gate": "2"}},
            "the profile differs in what the change does not declare: hosts node",
        ),
    ],
)
def test_whatever_differs_makes_it_incomparable(differs: dict[str, Any], why: str) -> None:
    assert why_not(story(), now(story(), **differs)) == [why]


@pytest.mark.parametrize(
    ("age", "hours", "stale"),
    [
        (timedelta(hours=4), 4, False),
        (timedelta(hours=4, seconds=1), 4, True),
        (timedelta(hours=4, seconds=1), 5, False),
        (timedelta(days=1), 4, True),
    ],
)
def test_it_may_be_so_many_hours_old(age: timedelta, hours: float, stale: bool) -> None:
    pre = story(start=START - age, end=START - age + timedelta(minutes=1))
    found = why_not(pre, now(pre), settings=Gate(baseline_hours=hours))
    assert found == (
        [f"it is stale: {age / timedelta(hours=1):.1f} h old, at most {hours} h are allowed"] if stale else []
    )


def test_it_has_to_be_from_before() -> None:
    for start, end in ((6, 7), (-60, 6), (6, 0)):
        pre = story(start=START + timedelta(minutes=start), end=START + timedelta(minutes=end))
        (why,) = why_not(pre, now(pre))
        assert why.startswith("it is not from before: it ended at 2026-11-23 12:0"), f"{start} to {end}"


@pytest.mark.parametrize(("minutes", "late"), [(-90, True), (-66, True), (-64, False), (-30, False)])
def test_it_has_to_be_from_before_the_change_was_begun(minutes: int, late: bool) -> None:
    begun = START + timedelta(minutes=minutes)
    record = EXECUTION.format(begun.isoformat(), START.isoformat())
    found = why_not(story(), now(story()), record)
    assert bool(found) is late
    assert all(each.startswith("it is not from before: the change was begun at 2026-11-23 1") for each in found)


@pytest.mark.parametrize(("verdict", "warned"), [("GO", 0), ("WARN", 0), ("INCONCLUSIVE", 1), ("NO-GO", 1)])
def test_a_change_that_was_made_against_the_word_of_the_gate_is_named(verdict: str, warned: int) -> None:
    found = incomparable(story(verdict=verdict), now(story()), change(), GATE)
    assert [(each.effect, verdict in each.why) for each in found] == [("WARN", True)] * warned


# ---- what is declared may differ

TWO = {"host": ["node"], "replica": ["replica-1", "replica-2"]}
OTHER = {"profile_sha256": "c" * 64}


def test_a_declared_target_may_come_and_go_and_nothing_else_with_it() -> None:
    pre = story()
    more = {"hosts node": "1", "gate": "2", "replicas replica-2": "3"}
    added = now(pre, **OTHER, targets=TWO, parts=more)
    assert not why_not(pre, added, declares("replica-2", "added"))
    assert why_not(pre, added, declares("replica-2", "removed")) == why_not(pre, added)
    assert why_not(pre, added, declares("HLT-PG-05-replica-2", "added")) == why_not(pre, added)
    larger = story(profile_sha256="c" * 64, targets=TWO, parts=more)
    assert not why_not(larger, now(pre), declares("replica-2", "removed"))
    moved = added._replace(parts=more | {"hosts node": "elsewhere"})
    assert why_not(pre, moved, declares("replica-2", "added")) == [
        "the profile differs in what the change does not declare: hosts node"
    ]


def test_a_declared_target_is_no_excuse_for_another_address_of_it() -> None:
    pre = story()
    moved = now(pre, **OTHER, parts={"hosts node": "elsewhere", "gate": "2"})
    for becomes in ("added", "removed", "applicable"):
        assert len(why_not(pre, moved, declares("node", becomes))) == 1


@pytest.mark.parametrize(
    ("exemption", "subject", "becomes", "fine"),
    [
        ("HLT-PG-05 replica-1", "HLT-PG-05-replica-1", "not-applicable", True),
        ("HLT-PG-05 replica-1", "replica-1", "not-applicable", True),
        ("HLT-PG-05 replica-1", "HLT-PG-06-replica-1", "not-applicable", False),
        ("HLT-PG-05 replica-1", "1", "not-applicable", False),
        ("HLT-PG-05", "HLT-PG-05-replica-1", "applicable", True),
        ("HLT-PG-05", "replica-1", "applicable", False),
        ("HLT-PG-05 none", "replica-1", "added", True),
        ("HLT-PG-05", "replica-1", "removed", True),
    ],
)
def test_a_declared_exemption_may_differ(exemption: str, subject: str, becomes: str, fine: bool) -> None:
    pre = story()
    post = now(pre, **OTHER, parts={"hosts node": "1", "gate": "2", f"not_applicable {exemption}": "3"})
    assert bool(why_not(pre, post, declares(subject, becomes))) is not fine


def test_what_differs_has_to_be_on_record() -> None:
    pre = story(parts={})
    assert why_not(pre, now(pre, **OTHER), declares("replica-2", "added")) == [
        "the profile is not the one of before, and it is not on record what of it differs"
    ]


def test_no_more_than_a_few_differences_are_named() -> None:
    targets = {"host": ["node", *(f"h{place}" for place in range(9))], "replica": ["replica-1"]}
    (why,) = why_not(story(), now(story(), targets=targets))
    assert why.endswith("host h3 added, host h4 added, and 4 more")


# ---- which one


def test_the_newest_gate_before_this_change_in_this_profile_is_taken() -> None:
    old, new = story(id="00000002"), story(id="00000001", start=START - timedelta(minutes=5))
    others = [
        story(phase="post", start=START),
        story(change="CHG-2", start=START),
        story(profile="staging", start=START),
    ]
    assert newest([new, old, *others], "CHG-1", "lab") == new
    assert newest([old, new, *others], "CHG-1", "lab") == new
    assert newest(others, "CHG-1", "lab") is None
    assert none_found("CHG-1", "lab").effect == "INCONCLUSIVE"


# ---- what a profile consists of


def _profiles() -> list[str]:
    return sorted(each.parent.name for each in ROOT.glob("profiles/*/profile.toml"))


def test_exemptions_are_parts_of_a_profile() -> None:
    declared = {"reason": "x", "approved_by": "x", "expires": date(2027, 1, 1)}
    entries = [
        {"requirement": "HLT-PG-05", "target": "replica-1"} | declared,
        {"requirement": "HLT-PG-05"} | declared,
    ]
    made = profile.Profile.model_validate({"name": "x", "description": "x", "not_applicable": entries})
    assert {"not_applicable HLT-PG-05 replica-1", "not_applicable HLT-PG-05"} <= set(parts(made))


@pytest.mark.parametrize("name", _profiles())
def test_every_profile_is_taken_to_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = profile.load(name, ROOT, today=date(2026, 11, 23), secrets=False).profile
    found = parts(loaded)
    assert {f"hosts {each.name}" for each in loaded.hosts} <= set(found)
    assert {"gate", "name", "limits"} <= set(found)
    assert found == parts(profile.load(name, ROOT, today=date(2026, 11, 23), secrets=False).profile)
    renamed = loaded.model_copy(update={"hosts": [each.model_copy(update={"name": "other"}) for each in loaded.hosts]})
    differ = {each for each in {*found, *parts(renamed)} if found.get(each) != parts(renamed).get(each)}
    assert differ == {f"hosts {each.name}" for each in loaded.hosts} | {"hosts other"}


def test_the_same_text_with_another_environment_is_another_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    before = profile.load("lab", ROOT, today=date(2026, 11, 23), secrets=False)
    monkeypatch.setenv("LAB_PORT_SSH", "12299")
    after = profile.load("lab", ROOT, today=date(2026, 11, 23), secrets=False)
    assert before.digest == after.digest
    pre = story(parts=parts(before.profile))
    assert why_not(pre, now(pre, parts=parts(after.profile))) == [
        "the profile differs in what the change does not declare: hosts node"
    ]


# ---- what is declared and did not happen


def unhappened(record: str, one: Mapping[str, str], other: Mapping[str, str], scope: str = "") -> list[str]:
    """With the states of checks of ``A-01`` by target, on both sides."""
    before, after = (
        checks_of(document([entry("A-01", name, state) for name, state in each.items()]), [], Scope(None, frozenset()))
        for each in (one, other)
    )
    pre, post = (now(story(), targets={"x": sorted(each)}, scope=scope) for each in (one, other))
    record_ = change(record)
    found = did_not_happen(record_, pre, post, compare(before, after, record_, timedelta()))
    assert {each.effect for each in found} <= {"WARN"}
    return [each.about for each in found]


@pytest.mark.parametrize(
    ("subject", "becomes", "other", "done"),
    [
        ("b", "added", {"a": "pass", "b": "pass"}, True),
        ("b", "added", {"a": "pass"}, False),
        ("A-01-b", "added", {"a": "pass", "b": "pass"}, True),
        ("a", "added", {"a": "pass"}, False),
        ("a", "removed", {"a": "pass"}, False),
        ("a", "removed", {}, True),
        ("A-01-a", "removed", {}, True),
        ("A-01-a", "removed", {"a": "pass"}, False),
        ("a", "not-applicable", {"a": "not-applicable"}, True),
        ("a", "not-applicable", {"a": "pass"}, False),
        ("A-01-a", "applicable", {"a": "pass"}, False),
        ("nobody", "removed", {"a": "pass"}, False),
    ],
)
def test_what_is_declared_and_did_not_happen_is_named(subject: str, becomes: str, other: Any, done: bool) -> None:
    found = unhappened(declares(subject, becomes), {"a": "pass"}, other)
    assert found == ([] if done else [f"scope {subject}"])


def test_what_becomes_applicable_was_not_before() -> None:
    record = declares("a", "applicable")
    assert not unhappened(record, {"a": "not-applicable"}, {"a": "pass"})
    assert unhappened(record, {"a": "not-applicable"}, {"a": "not-applicable"}) == ["scope a"]


def test_of_what_is_out_of_scope_nothing_is_said_but_of_targets() -> None:
    assert not unhappened(declares("A-02-a", "removed"), {"a": "pass"}, {"a": "pass"}, "critical")
    assert unhappened(declares("a", "removed"), {"a": "pass"}, {"a": "pass"}, "critical") == ["scope a"]


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)))  # noqa: DTZ001
def test_only_a_time_of_the_last_hours_is_fresh(start: datetime) -> None:
    pre = story(start=start, end=start)
    age = START - start
    fresh = -timedelta(minutes=5) <= age <= timedelta(hours=4)
    assert bool(why_not(pre, now(pre))) is not fresh
