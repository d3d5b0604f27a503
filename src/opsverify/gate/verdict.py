"""From reasons to one word: the worst wins, nothing is weighed against anything. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from opsverify.gate.story import EXIT_STATUS, WORSE, Effect, Phase, Reason, Verdict

OF_EFFECT: dict[Effect, Verdict] = {
    "info": "GO",
    "WARN": "WARN",
    "INCONCLUSIVE": "INCONCLUSIVE",
    "NO-GO": "NO-GO",
}
WORDS: dict[tuple[Phase, Verdict], tuple[str, str]] = {
    ("pre", "GO"): ("nothing stands against the change", "变更前未发现障碍"),
    ("pre", "WARN"): ("the change may be made, with what is named in mind", "可以变更，但须留意所列事项"),
    ("pre", "INCONCLUSIVE"): ("it cannot be told whether the change may be made: hold it", "无法判定能否变更：请暂缓"),
    ("pre", "NO-GO"): ("the change must not be made", "不得变更"),
    ("post", "GO"): ("the change broke nothing that was verified", "变更未破坏任何已核验项"),
    ("post", "WARN"): (
        "nothing that was verified got worse by the change, but look at what is named",
        "已核验项未因变更恶化，但请查看所列事项",
    ),
    ("post", "INCONCLUSIVE"): (
        "it cannot be told whether the change broke anything: hold, and call someone",
        "无法判定变更是否造成破坏：请暂停并通知值班人员",
    ),
    ("post", "NO-GO"): ("the change has to be taken back", "必须回退变更"),
}
COUNTED: dict[Effect, tuple[str, str]] = {
    "NO-GO": ("against it", "项否决"),
    "INCONCLUSIVE": ("undetermined", "项无法判定"),
    "WARN": ("to look at", "项须留意"),
}


class Decision(NamedTuple):
    """The word of a gate, the exit status that goes with it, its reasons worst first, and one sentence about it."""

    verdict: Verdict
    exit_status: int
    reasons: list[Reason]
    sentence: str
    sentence_zh: str


def decide(change: str, phase: Phase, reasons: Iterable[Reason]) -> Decision:
    """Decide by the worst of the reasons; among equally bad ones the order stays as it is given."""
    ordered = sorted(reasons, key=lambda each: -WORSE.index(each.effect))
    verdict = OF_EFFECT[ordered[0].effect] if ordered else "GO"
    english, chinese = WORDS[phase, verdict]
    counts = Counter(each.effect for each in ordered)
    told = [effect for effect in COUNTED if counts[effect]]
    sentence, sentence_zh = f"{verdict} for {change}: {english}", f"{change}：{verdict}，{chinese}"
    if told:
        first = ordered[0]
        sentence += f" ({', '.join(f'{counts[each]} {COUNTED[each][0]}' for each in told)})"
        sentence += f"; first of all {first.about}: {_one_line(first.why)}"
        sentence_zh += f"（{'，'.join(f'{counts[each]} {COUNTED[each][1]}' for each in told)}；首先是 {first.about}）"
    return Decision(verdict, EXIT_STATUS[verdict], ordered, f"{sentence.rstrip('.')}.", f"{sentence_zh}。")


def _one_line(text: str) -> str:
    """The first of what a reason says; the rest stands with the reason itself."""
    first = " ".join(text.partition("; ")[0].split())
    return first if len(first) <= 160 else f"{first[:160]}…"
