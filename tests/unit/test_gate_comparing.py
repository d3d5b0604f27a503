"""Checks before and after a change: every pair of states, and nothing that is not known ever looks well."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.gate import verdict
from opsverify.gate.comparing import (
    ABSENT,
    UNSTABLE,
    Check,
    Scope,
    before,
    checks_before,
    checks_of,
    compare,
    counted,
    judge,
    reasons,
    scope_of,
    unsound,
)
from opsverify.gate.story import WORSE, Compared, Side
from opsverify.record import GREEN
from tests.unit.gate_cases import STATES, UNMET, change, document, entry, side

HOUR = timedelta(hours=1)
ALL = Scope(None, frozenset())
NOTHING: frozenset[str] = frozenset()

SHORT = {
    "+": ("ok", "info"),
    "fixed": ("fixed", "info"),
    "new": ("new", "info"),
    "regr": ("regression", "NO-GO"),
    "bad": ("new failure", "NO-GO"),
    "pre": ("pre-existing", "WARN"),
    "flaky": ("unstable", "INCONCLUSIVE"),
    "once": ("unstable", "WARN"),
    "waived": ("waived", "WARN"),
    "?": ("unknown", "INCONCLUSIVE"),
    "lost": ("coverage lost", "INCONCLUSIVE"),
    "scope": ("scope change", "INCONCLUSIVE"),
}
# Nothing declared, not `must_pass`; what fails fails for the same reason on both sides.
MATRIX = """
before \\ after   pass   attested  fail   waived  unstable  error  not-tested  not-applicable  absent
pass             +      +         regr   waived  flaky     ?      ?           scope           lost
attested         +      +         regr   waived  flaky     ?      ?           scope           lost
fail             fixed  fixed     pre    waived  flaky     ?      ?           scope           lost
waived           fixed  fixed     pre    waived  flaky     ?      ?           scope           lost
unstable         once   once      flaky  waived  flaky     ?      ?           scope           lost
error            fixed  fixed     ?      waived  flaky     ?      ?           scope           lost
not-tested       new    new       ?      waived  flaky     ?      ?           scope           lost
not-applicable   scope  scope     bad    scope   flaky     ?      ?           +               scope
absent           new    new       bad    waived  flaky     ?      ?           scope           -
"""
# What `must_pass` makes of it: what fails now is against the change, whatever was before.
MUST_PASS = {(was, "fail"): "NO-GO" for was in STATES}
# What the change record declares, and what it makes of the pairs that it is about.
DECLARED = {
    "removed": {(was, ABSENT) for was in STATES if was != ABSENT},
    "not-applicable": {(was, "not-applicable") for was in STATES if was != "not-applicable"},
    "added": {(ABSENT, "not-applicable")},
    "applicable": {("not-applicable", now) for now in ("pass", "attested")},
}


def matrix() -> list[tuple[str, str, str, str]]:
    """Every cell: state before, state after, word and effect."""
    head, *rows = [line.split() for line in MATRIX.strip().splitlines()]
    after = head[3:]
    return [
        (was, now, *SHORT[cell]) for was, *cells in rows for now, cell in zip(after, cells, strict=True) if cell != "-"
    ]


def test_the_matrix_has_every_pair() -> None:
    assert {(was, now) for was, now, *_ in matrix()} == {(was, now) for was in STATES for now in STATES} - {
        (ABSENT,) * 2
    }


@pytest.mark.parametrize("must_pass", [False, True], ids=["", "must_pass"])
@pytest.mark.parametrize(("was", "now", "comparison", "effect"), matrix())
def test_every_pair_of_states_has_its_word_and_effect(
    was: str, now: str, comparison: str, effect: str, must_pass: bool
) -> None:
    found = judge(side(was), side(now), must_pass=must_pass, declared=NOTHING, elapsed=HOUR)
    expected = MUST_PASS.get((was, now), effect) if must_pass else effect
    assert (found.comparison, found.effect) == (comparison, expected)
    assert bool(found.why) == (comparison != "ok")
    assert ("must pass" in found.why) == (expected != effect)


@pytest.mark.parametrize("declared", DECLARED)
@pytest.mark.parametrize(("was", "now", "comparison", "effect"), matrix())
def test_what_is_declared_excuses_what_it_is_about_and_nothing_else(
    was: str, now: str, comparison: str, effect: str, declared: str
) -> None:
    found = judge(side(was), side(now), must_pass=False, declared=frozenset({declared}), elapsed=HOUR)
    excused = (was, now) in DECLARED[declared]
    if (declared, was, now) == ("applicable", "not-applicable", "waived"):
        assert (found.comparison, found.effect) == ("waived", "WARN")
    else:
        assert (found.comparison, found.effect) == (comparison, "info" if excused else effect)
    assert ("as the change declares" in found.why) == excused
    assert ("does not declare" in found.why) == (found.comparison in ("scope change", "coverage lost") and not excused)


WORSE_LAG = UNMET | {"observed": 10.0}
ANOTHER = UNMET | {"name": "disk", "observed": "read-only", "expected": "writable"}


@pytest.mark.parametrize("must_pass", [False, True], ids=["", "must_pass"])
@pytest.mark.parametrize("was", ["fail", "waived", UNSTABLE])
@pytest.mark.parametrize(
    ("observed", "more"),
    [([WORSE_LAG], "lag: 10, it was 9"), ([UNMET, ANOTHER], "disk: read-only"), ([ANOTHER], "disk")],
)
def test_what_fails_for_more_than_before_is_worse(
    was: str, observed: list[dict[str, Any]], more: str, must_pass: bool
) -> None:
    found = judge(side(was), side("fail", *observed), must_pass=must_pass, declared=NOTHING, elapsed=HOUR)
    assert (found.comparison, found.effect) == ("worsened", "NO-GO")
    assert more in found.why


def test_where_nothing_was_observed_the_messages_are_held_against_each_other() -> None:
    def failed(message: str) -> Side:
        return Side(state="fail", message=message, observations=[], samples=["fail"])

    def found(one: str, other: str) -> str | None:
        return judge(failed(one), failed(other), must_pass=False, declared=NOTHING, elapsed=HOUR).comparison

    assert found("pid 1 is gone", "pid 2 is gone") == "pre-existing"
    assert found("pid 1 is gone", "pid 2 is a zombie") == "worsened"


def test_ages_may_grow_by_the_time_between_the_runs() -> None:
    then, now = (UNMET | {"observed": hours, "unit": "hours", "worse": "older"} for hours in (30, 36))
    arguments = {"must_pass": False, "declared": NOTHING}
    assert judge(side("fail", then), side("fail", now), elapsed=4 * HOUR, **arguments).comparison == "pre-existing"  # type: ignore[arg-type]
    assert judge(side("fail", then), side("fail", now), elapsed=HOUR, **arguments).comparison == "worsened"  # type: ignore[arg-type]


# ---- properties

states = st.sampled_from(STATES)
sides = st.builds(
    lambda state, observed: side(state, *observed),
    states,
    st.lists(st.sampled_from([UNMET, WORSE_LAG, ANOTHER, UNMET | {"met": True}]), max_size=3),
)
becoming = st.frozensets(st.sampled_from(["added", "removed", "applicable", "not-applicable"]))


@given(sides, sides, st.booleans(), becoming)
def test_nothing_that_is_not_known_after_the_change_is_well(
    pre: Side | None, post: Side | None, must_pass: bool, declared: frozenset[str]
) -> None:
    if pre is None and post is None:
        return
    found = judge(pre, post, must_pass=must_pass, declared=declared, elapsed=HOUR)
    if counted(post) in ("error", "not-tested", UNSTABLE):
        assert found.effect == "INCONCLUSIVE"
    if counted(post) == "fail":
        assert found.effect != "info"
    if counted(post) == "waived":
        assert found.effect in ("WARN", "INCONCLUSIVE")
    if found.effect == "NO-GO":
        assert counted(post) == "fail", "only what was seen to fail each time may have a change taken back"


@given(sides, sides, st.booleans(), becoming, becoming)
def test_declaring_more_never_makes_it_worse_and_must_pass_never_makes_it_better(
    pre: Side | None, post: Side | None, must_pass: bool, declared: frozenset[str], more: frozenset[str]
) -> None:
    if pre is None and post is None:
        return
    plain = judge(pre, post, must_pass=must_pass, declared=declared, elapsed=HOUR)
    excused = judge(pre, post, must_pass=must_pass, declared=declared | more, elapsed=HOUR)
    assert WORSE.index(excused.effect) <= WORSE.index(plain.effect)
    strict = judge(pre, post, must_pass=True, declared=declared, elapsed=HOUR)
    assert WORSE.index(strict.effect) >= WORSE.index(plain.effect)


entries = st.lists(
    st.builds(
        entry,
        st.sampled_from(["HLT-PG-01", "SEC-FW-02", "BAK-LATEST-01"]),
        st.sampled_from(["node", "postgres", "none"]),
        st.sampled_from([each for each in STATES if each not in (ABSENT, UNSTABLE)]),
        must_pass=st.booleans(),
        severity=st.sampled_from(["critical", "high", "low"]),
    ),
    unique_by=lambda each: (each["requirement"], each["target"]),
)


@given(entries)
def test_a_run_against_itself_is_undetermined_or_refused_for_what_was_so_before_alone(
    found: list[dict[str, Any]],
) -> None:
    run = checks_of(document(found), [], ALL)
    compared = compare(run, run, change(), timedelta())
    assert len(compared) == len(found)
    for each in compared:
        state, blocked = counted(each.post), each.must_pass and counted(each.post) == "fail"
        assert (each.effect == "INCONCLUSIVE") == (state in ("error", "not-tested"))
        assert (each.effect == "NO-GO") == blocked
        assert (each.comparison == "ok") == (state in GREEN)


@given(entries, entries)
def test_no_result_with_an_error_is_ever_go(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    pre, post = (checks_of(document(each), [], ALL) for each in (one, other))
    said = verdict.decide("CHG-1", "post", reasons(compare(pre, post, change(), HOUR)))
    if any(each["state"] in ("error", "not-tested") for each in other if each["target"] != "none"):
        assert said.exit_status in (10, 20)
    if any(each["state"] == "fail" for each in other if each["target"] != "none"):
        assert said.verdict != "GO"


@given(entries)
def test_before_a_change_only_what_must_pass_blocks_it(found: list[dict[str, Any]]) -> None:
    for each in before(checks_of(document(found), [], ALL)):
        state = counted(each.pre)
        expected = "info" if state in GREEN else "WARN"
        if each.must_pass and state in ("fail", "error", "not-tested"):
            expected = "NO-GO" if state == "fail" else "INCONCLUSIVE"
        assert (each.effect, each.post, each.comparison) == (expected, None, None)
        assert bool(each.why) == (expected != "info")


@pytest.mark.parametrize(("must_pass", "effect"), [(False, "WARN"), (True, "INCONCLUSIVE")])
def test_what_is_unstable_before_a_change_is_not_seen_to_pass(must_pass: bool, effect: str) -> None:
    again = [document([entry("HLT-PG-01", "postgres", "pass")])]
    checks = checks_of(document([entry("HLT-PG-01", "postgres", "fail", must_pass=must_pass)]), again, ALL)
    (found,) = before(checks)
    assert found.effect == effect
    assert "(fail, pass)" in found.why


# ---- sides


def failing(checks: dict[str, Check]) -> list[str]:
    return [subject for subject, check in checks.items() if counted(check.side) == "fail"]


def test_every_answer_of_a_check_that_was_asked_again_is_kept() -> None:
    first = document(
        [entry("A-01", "x", "fail", message="boom"), entry("A-01", "y", "pass"), entry("A-01", "z", "fail")]
    )
    second = document([entry("A-01", "x", "fail"), entry("A-01", "y", "not-tested"), entry("A-01", "z", "pass")])
    third = document([entry("A-01", "x", "fail"), entry("A-01", "y", "not-tested"), entry("A-01", "z", "not-tested")])
    assert failing(checks_of(first, [], ALL)) == ["A-01-x", "A-01-z"]
    assert failing(checks_of(first, [second], ALL)) == ["A-01-x"]
    found = checks_of(first, [second, third], ALL)
    assert {subject: each.side.samples for subject, each in found.items()} == {
        "A-01-x": ["fail", "fail", "fail"],
        "A-01-y": ["pass"],
        "A-01-z": ["fail", "pass"],
    }
    assert [counted(each.side) for each in found.values()] == ["fail", "pass", UNSTABLE]
    assert found["A-01-x"].side.message == "boom"


@pytest.mark.parametrize("later", ["pass", "error", "waived"])
def test_what_does_not_say_the_same_each_time_is_unstable(later: str) -> None:
    checks = checks_of(document([entry("A-01", "x", "fail")]), [document([entry("A-01", "x", later)])], ALL)
    assert counted(checks["A-01-x"].side) == UNSTABLE


@pytest.mark.parametrize(
    ("class_", "areas", "markers", "covered"),
    [
        ("standard", "", "", [True, True, True]),
        ("emergency", 'areas = ["security"]', "critical", [True, False, False]),
        ("routine", 'areas = ["security"]', "critical or security", [True, True, False]),
        ("routine", "", "critical", [True, False, False]),
    ],
)
def test_the_class_of_a_change_decides_the_scope(class_: str, areas: str, markers: str, covered: list[bool]) -> None:
    scope = scope_of(change(areas, class_))
    found = [
        entry("A-01", "x", "pass", severity="critical"),
        entry("B-01", "x", "pass", chapter="security"),
        entry("C-01", "x", "pass"),
    ]
    assert (scope.markers, [scope.covers(each) for each in found]) == (markers, covered)
    assert len(checks_of(document(found), [], scope)) == sum(covered)


def test_records_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="A-01-x is in the record of one run twice"):
        checks_of(document([entry("A-01", "x", "pass"), entry("A-01", "x", "pass")]), [], ALL)
    with pytest.raises(ValueError, match="A-01-x: 'skipped' is no state of a check"):
        checks_of(document([entry("A-01", "x", "skipped")]), [], ALL)
    with pytest.raises(ValueError, match="'xfail' is no state"):
        checks_of(document([entry("A-01", "x", "fail")]), [document([entry("A-01", "x", "xfail")])], ALL)


def test_what_a_gate_kept_is_what_it_compared() -> None:
    run = checks_of(document([entry("A-01", "x", "fail"), entry("A-01", "y", "pass")]), [], ALL)
    kept = [Compared.model_validate_json(each.model_dump_json()) for each in before(run)]
    again = checks_before(kept)
    assert {subject: each.side for subject, each in again.items()} == {name: each.side for name, each in run.items()}
    assert [each.comparison for each in compare(again, run, change(), HOUR)] == ["pre-existing", "ok"]


# ---- whole runs


def compared(one: list[dict[str, Any]], other: list[dict[str, Any]], scope: str = "") -> dict[str, tuple[Any, str]]:
    pre, post = (checks_of(document(each), [], ALL) for each in (one, other))
    found = compare(pre, post, change(scope), HOUR)
    return {each.subject: (each.comparison, each.effect) for each in found}


def declares(subject: str, becomes: str) -> str:
    return f'[[scope]]\nsubject = "{subject}"\nbecomes = "{becomes}"\nwhy = "x"\n'


@pytest.mark.parametrize("subject", ["replica-2", "A-01-replica-2"])
def test_a_lost_check_is_undetermined_unless_it_or_its_target_is_declared(subject: str) -> None:
    here, gone = entry("A-01", "replica-1", "pass"), entry("A-01", "replica-2", "pass")
    assert compared([here, gone], [here])["A-01-replica-2"] == ("coverage lost", "INCONCLUSIVE")
    assert compared([here, gone], [here], declares(subject, "removed"))["A-01-replica-2"] == ("coverage lost", "info")
    assert compared([here, gone], [here], declares(subject, "added"))["A-01-replica-2"][1] == "INCONCLUSIVE"
    assert compared([here, gone], [here], declares("replica", "removed"))["A-01-replica-2"][1] == "INCONCLUSIVE"


def test_the_first_target_of_a_kind_takes_the_place_of_none() -> None:
    none, first = entry("A-01", "none", "not-applicable"), entry("A-01", "replica-1", "pass")
    assert compared([none], [none]) == {"A-01-none": ("ok", "info")}
    assert compared([none], [first]) == {"A-01-replica-1": ("new", "info")}
    assert compared([first], [none]) == {"A-01-replica-1": ("coverage lost", "INCONCLUSIVE")}
    assert compared([none], [])["A-01-none"] == ("scope change", "INCONCLUSIVE")


def test_the_worst_comes_first_and_of_these_the_most_severe() -> None:
    one = [entry("A-01", name, "pass", severity="low") for name in "abc"]
    one[2] = entry("A-01", "c", "pass", severity="critical")
    other = [entry("A-01", "a", "error"), *(entry("A-01", name, "fail") for name in "bc")]
    pre, post = (checks_of(document(each), [], ALL) for each in (one, other))
    found = compare(pre, post, change(), HOUR)
    assert [each.target for each in found] == ["b", "c", "a"]
    other[2]["severity"] = "critical"
    pre, post = (checks_of(document(each), [], ALL) for each in (one, other))
    found = compare(pre, post, change(), HOUR)
    assert [each.target for each in found] == ["c", "b", "a"]
    assert [each.about for each in reasons(found)] == ["A-01-c", "A-01-b", "A-01-a"]


@pytest.mark.parametrize("states", [[], ["not-applicable"]])
def test_where_no_check_showed_anything_nothing_was_shown(states: list[str]) -> None:
    run = checks_of(document([entry("A-01", str(place), state) for place, state in enumerate(states)]), [], ALL)
    for found in (before(run), compare(run, run, change(), HOUR)):
        (reason,) = reasons(found)
        assert (reason.effect, reason.about) == ("INCONCLUSIVE", "checks")


@pytest.mark.parametrize("population", [{"reconciled": False}, {"strays": ["A-01-y"]}, {"total": 2}])
def test_a_run_that_lost_sight_of_checks_decides_nothing(population: dict[str, Any]) -> None:
    found = [entry("A-01", "x", "pass")]
    assert not unsound(document(found))
    (reason,) = unsound(document(found, **population))
    assert (reason.effect, reason.about) == ("INCONCLUSIVE", "run 0123abcd")


def test_a_long_message_is_cut_and_of_many_lines_the_first_is_told() -> None:
    run = checks_of(document([entry("A-01", "x", "error", message=f"{'x' * 999}\nsecond")]), [], ALL)
    (found,) = before(run)
    assert len(found.why) < 400
    assert "second" not in found.why
    assert json.loads(found.model_dump_json())["pre"]["message"].endswith("second")


def test_a_check_names_its_subject() -> None:
    made = side("pass")
    assert made is not None
    assert Check(entry("A-01", "x", "pass"), made).subject == "A-01-x"
