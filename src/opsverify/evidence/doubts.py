"""Why a record is not to be relied on: what its sums, states, waivers, transcript or seal say otherwise. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from opsverify.evidence.reading import Evidence
from opsverify.evidence.views import Reconciliation
from opsverify.record import Entry

MOST_NAMED = 5


def doubts(evidence: Evidence, sums: Reconciliation) -> list[tuple[str, str]]:
    """Each reason in English and in Chinese; none where all of it holds together."""
    return [*sums.wrong, *_states(evidence), *_waivers(evidence), *_transcript(evidence), *_seal(evidence)]


def _states(evidence: Evidence) -> Iterator[tuple[str, str]]:
    found = [f"{each['requirement']} · {each['target']}" for each in evidence.checks if not founded(each)]
    if found:
        named = ", ".join(found[:MOST_NAMED]) + (" …" if len(found) > MOST_NAMED else "")
        yield (
            f"{len(found)} in a state that nothing on record bears out: {named}",
            f"{len(found)} 项的状态缺乏依据：{named}",
        )


def founded(entry: Entry) -> bool:
    """Whether a result has what its state rests on: what was observed and is met, who stated it, who let it be."""
    observed = bool(entry["observations"]) and all(each["met"] for each in entry["observations"])
    match entry["state"]:
        case "pass":
            return observed
        case "attested":
            return observed and bool(entry["statements"])
        case "not-applicable":
            return entry["not_applicable"] is not None
        case "waived":
            return entry["waiver"] is not None
    return True


def _waivers(evidence: Evidence) -> Iterator[tuple[str, str]]:
    waived = [(each["requirement"], each["target"]) for each in evidence.checks if each["state"] == "waived"]
    register = {
        (row["requirement"], target)
        for row in evidence.document["waivers"]["entries"]
        for target, state in row["checks"].items()
        if row["use"] == "used" and state == "waived"
    }
    named = sorted(evidence.document["run"]["waived"])
    if register != set(waived) or named != sorted(f"{name}-{target}" for name, target in waived):
        yield "the results that are waived are not those of the register of waivers", "已豁免的结果与豁免登记不一致"


def _transcript(evidence: Evidence) -> Iterator[tuple[str, str]]:
    lost = {name for entry in evidence.checks for name in entry["exchanges"]} - evidence.exchanges.keys()
    if lost:
        yield (
            f"{len(lost)} of the exchanges that results rest on are not in the transcript",
            f"结果所依据的询问中有 {len(lost)} 条不在询问记录中",
        )


def _seal(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for each in evidence.broken:
        yield f"not as it was sealed: {each}", f"与封存时不符：{each}"
