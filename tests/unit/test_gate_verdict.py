"""Reasons to one word: the worst wins, and one more reason never makes it better."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.gate.story import EXIT_STATUS, WORSE, Effect, Phase, Reason, Verdict
from opsverify.gate.verdict import OF_EFFECT, WORDS, decide

ORDER: list[Verdict] = ["GO", "WARN", "INCONCLUSIVE", "NO-GO"]
effects = st.sampled_from(WORSE)
reasons = st.lists(st.builds(lambda effect: Reason(effect=effect, about="A-01-x", why="y"), effects))
phases = st.sampled_from(["pre", "post"])


def reason(effect: Effect, about: str = "A-01-x", why: str = "it fails now") -> Reason:
    return Reason(effect=effect, about=about, why=why)


@given(reasons, reasons, phases)
def test_one_more_reason_never_makes_it_better(some: list[Reason], more: list[Reason], phase: Phase) -> None:
    fewer, all_ = (decide("CHG-1", phase, each).verdict for each in (some, [*more, *some]))
    assert ORDER.index(all_) >= ORDER.index(fewer)


@given(reasons, phases)
def test_the_verdict_is_the_worst_reason_whatever_their_order(some: list[Reason], phase: Phase) -> None:
    found = decide("CHG-1", phase, some)
    assert found.verdict == max((OF_EFFECT[each.effect] for each in some), key=ORDER.index, default="GO")
    assert decide("CHG-1", phase, reversed(some)).verdict == found.verdict
    assert [WORSE.index(each.effect) for each in found.reasons] == sorted(
        (WORSE.index(each.effect) for each in some), reverse=True
    )
    assert found.exit_status == EXIT_STATUS[found.verdict]


@pytest.mark.parametrize(
    ("effects", "verdict", "exit_status"),
    [
        ([], "GO", 0),
        (["info"], "GO", 0),
        (["info", "WARN"], "WARN", 0),
        (["WARN", "INCONCLUSIVE"], "INCONCLUSIVE", 20),
        (["INCONCLUSIVE", "NO-GO", "WARN"], "NO-GO", 10),
    ],
)
def test_exit_statuses_are_those_that_automation_goes_by(
    effects: list[Effect], verdict: Verdict, exit_status: int
) -> None:
    found = decide("CHG-1", "post", map(reason, effects))
    assert (found.verdict, found.exit_status) == (verdict, exit_status)


def test_there_are_words_for_every_verdict_in_two_languages() -> None:
    assert set(WORDS) == {(phase, verdict) for phase in ("pre", "post") for verdict in EXIT_STATUS}
    assert set(OF_EFFECT) == set(WORSE)


def test_the_sentence_names_the_change_the_verdict_and_what_is_worst() -> None:
    found = decide("CHG-7", "post", [reason("WARN", "drift"), reason("NO-GO"), reason("NO-GO", "B-01-y")])
    assert found.sentence == (
        "NO-GO for CHG-7: the change has to be taken back (2 against it, 1 to look at); "
        "first of all A-01-x: it fails now."
    )
    assert found.sentence_zh == "CHG-7：NO-GO，必须回退变更（2 项否决，1 项须留意；首先是 A-01-x）。"
    good = decide("CHG-7", "pre", [reason("info")])
    assert good.sentence == "GO for CHG-7: nothing stands against the change."
    assert good.sentence_zh == "CHG-7：GO，变更前未发现障碍。"


@given(st.text(max_size=900))
def test_the_sentence_is_one_line_that_is_not_too_long(why: str) -> None:
    found = decide("CHG-7", "post", [reason("NO-GO", why=why)])
    assert len(found.sentence.splitlines()) == 1
    assert len(found.sentence) < 450
