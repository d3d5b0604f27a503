"""The verdict of a run in one sentence, in the page's language; numbers of what it rests on."""

from __future__ import annotations

import re

from opsverify.record import GREEN
from opsverify.summary import HEADLINES, Document, headline
from opsverify.summary import sentence as english

CHINESE = {"fail": "项不符合", "error": "项无法判定", "waived": "项在豁免下不符合"}


def verdict(document: Document, lang: str, *, doubted: bool) -> str:
    """The verdict in a few words; one of a record that is ``doubted`` stands nowhere without saying so."""
    said, chinese = headline(document)
    if lang == "zh":
        return f"记录不可采信，其结论为：{chinese}" if doubted else chinese
    return f"Not to be relied on. On record: {said.capitalize()}" if doubted else said.capitalize()


def verdict_in(recorded: str, lang: str) -> str:
    """A verdict as records have it (``not met``), in the page's language."""
    if lang != "zh":
        return recorded
    under = re.fullmatch(r"met under (\d+) waivers?", recorded)
    if under:
        return f"{HEADLINES['met'][1]}（含 {under[1]} 项豁免）"
    return HEADLINES[recorded][1] if recorded in HEADLINES else recorded


def sentence(document: Document, lang: str) -> str:
    """What the verdict counts, as one sentence."""
    if lang != "zh":
        return english(document)
    population, waived = document["population"], document["run"]["waived"]
    states, total = population["states"], population["total"]
    tested = total - states["not-tested"]
    if not tested:
        return f"{total} 项检查均未执行。"
    parts = [f"{states[state]} {word}" for state, word in CHINESE.items() if states[state]]
    if waived:
        named = "、".join(waived[:5]) + ("等" if len(waived) > 5 else "")
        parts[-1] += f"（{named}）"
    green = sum(states[state] for state in GREEN)
    parts.append(f"{green} 项达标" if parts else "全部达标")
    if not population["reconciled"]:
        parts.append("检查总数核对不符")
    scope = f"已检查 {tested} 项（共 {total} 项）" if states["not-tested"] else f"共检查 {total} 项"
    return f"{scope}：{'，'.join(parts)}。"


SEVERITY = {
    "critical": ("critical", "严重"),
    "high": ("high", "高"),
    "medium": ("medium", "中"),
    "low": ("low", "低"),
}
MEANINGS = {
    "fail": ("the requirement is not met", "未满足要求"),
    "error": ("could not be determined; counts as not met", "无法判定，不视为达标"),
    "not-tested": ("left out of this run", "本次运行未执行"),
    "waived": ("not met, under a valid waiver", "未满足要求，但有有效豁免"),
    "not-applicable": ("declared out of place in the profile", "环境配置中声明不适用"),
    "attested": ("met, resting on a person's statement", "达标，依据人员的书面确认"),
    "pass": ("met, as observed", "经实测达标"),
}
PURPOSES = {
    "ad-hoc": ("ad-hoc", "临时检查"),
    "daily": ("daily", "日常检查"),
    "pre": ("pre", "变更前检查"),
    "post": ("post", "变更后检查"),
    "audit": ("audit", "审计"),
}
ORIGINS = {
    "manual": ("manual", "手册"),
    "sibling": ("sibling", "相关手册"),
    "default": ("default", "套件默认值"),
}
PLACES = {
    "exchanges": ("exchanges", "询问"),
    "checks": ("checks", "检查"),
    "elsewhere": ("elsewhere", "其他"),
}
USES = {
    "used": ("used", "已使用"),
    "unused": ("unused: nothing failed", "未使用：没有不符合项"),
    "undetermined": ("not shown by this run", "本次运行未能判定"),
}
