"""The head of the operator's report: verdict, what to do, counts, and what the run says nothing about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any

from opsverify import charts, clocks, drawing
from opsverify.catalogue import SEVERITIES
from opsverify.record import STATES, Entry
from opsverify.summary import (
    SIGNS,
    Document,
    Seen,
    by_reason,
    chapters,
    clock_notices,
    counts,
    headline,
    in_state,
    left,
    notices,
    observations,
    score,
    sentence,
    waived,
)
from opsverify.texts import clip, number, visible
from opsverify.waivers import EVERY
from opsverify.waiving import is_met

CHINESE = {
    "health": "健康检查",
    "alerting": "告警",
    "performance": "性能",
    "security": "安全",
    "backup": "备份",
    "capacity": "容量",
    "change": "变更",
    "people": "人员",
    "critical": "严重",
    "high": "高",
    "medium": "中",
    "low": "低",
}
MOST_UNMET = 8  # the table below has more
MOST_CHARACTERS = 300
BLOCKING = " <strong>✗ must pass 必须通过</strong>"
USES = {
    "used": "used 已使用",
    "unused": "unused: nothing failed 未使用：没有不符合项",
    "undetermined": "not shown by this run 本次运行未能判定",
}
LEFT = " reaches "  # observations that are named so say when a limit will be reached


def overview(document: Document) -> str:
    """The summary of a run as HTML that needs no script."""
    return "\n".join(
        part
        for part in (
            _verdict(document),
            _unsigned(document),
            _clocks(document),
            _about(document),
            _partial(document),
            _failures(document),
            _errors(document),
            _waived(document),
            _waivers(document),
            _counts(document),
            _capacity(document),
        )
        if part
    )


def safe(text: object, most: int | None = None) -> str:
    """A text as it may stand in a page: nothing in it acts, and it keeps to one line of the source."""
    shown = str(text) if most is None else clip(str(text), most)
    return escape(visible(shown)).replace("\n", "<br>")


def _verdict(document: Document) -> str:
    verdict = document["run"]["verdict"]
    english, chinese = headline(document)
    under_waivers = bool(document["run"]["waived"])
    mark = ("≈" if under_waivers else "✓") if is_met(verdict) else {"not met": "✗", "undetermined": "?"}[verdict]
    look = "met" if is_met(verdict) else verdict.replace(" ", "-")
    look += " part" * (document["run"]["partial"] or under_waivers)
    return f'<div class="verdict {look}"><b>{mark} {english} {chinese}</b><span>{safe(sentence(document))}</span></div>'


def _unsigned(document: Document) -> str:
    evidence = document["run"]["evidence"]
    if evidence["signed_by"]:
        return ""
    return (
        '<p class="unsigned"><b>✗ UNSIGNED 未签名</b> Nobody answers for this run: '
        f"{safe(evidence['unsigned_because'])}. 本次运行没有签名，无法证明其出处。</p>"
    )


def _clocks(document: Document) -> str:
    said = "".join(f"<li>{safe(english)}<br>{safe(chinese)}</li>" for english, chinese in clock_notices(document))
    title = "! Times of several systems cannot be held together 各系统时间不可对照"
    return f'<div class="partial"><b>{title}</b><ul>{said}</ul></div>' if said else ""


def _about(document: Document) -> str:
    run = document["run"]
    evidence = run["evidence"]
    key = f"{evidence['signed_by']}, key {evidence['key']}\nsee whether it holds 验证: opsverify bundle verify"
    rows = {
        "Run 运行": run["id"],
        "Profile 环境": f"{run['profile']} (sha256 {run['profile_sha256'][:12]}…)",
        "Purpose 目的": run["purpose"],
        "Start 开始": _moment(run["start"]),
        "End 结束": f"{_moment(run['end'])} ({run['duration_s']:.1f} s)",
        "By 执行": f"{run['user']} on {run['runner']}",
        "Signed 签名": key if evidence["key"] else "UNSIGNED 未签名",
        "Score 得分": "\n".join(score(document)),
        "Suite 版本": f"{run['suite_version']} ({run['suite_commit']})",
    }
    if clocks.line(run):
        rows["Clocks 时钟偏差"] = clocks.line(run)
    return (
        '<dl class="about">' + "".join(f"<div><dt>{k}</dt><dd>{safe(v)}</dd></div>" for k, v in rows.items()) + "</dl>"
    )


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def _partial(document: Document) -> str:
    left_out = in_state(document, "not-tested")
    if not left_out:
        return ""
    reasons = "".join(
        f"<li>{safe(reason)}: {len(entries)} ({safe(chapters(entries))})"
        f"<details><summary>which</summary>{safe(_named(entries))}</details></li>"
        for reason, entries in by_reason(left_out).items()
    )
    total = number(document["population"]["total"], "check")
    return (
        f'<div class="partial"><b>– PARTIAL RUN 部分检查: {len(left_out)} of {total} not tested.</b> '
        f"Nothing here says that they are in order.<ul>{reasons}</ul></div>"
    )


def _named(entries: Iterable[Entry]) -> str:
    return ", ".join(f"{each['requirement']} on {each['target']}" for each in entries)


def _failures(document: Document) -> str:
    failed = in_state(document, "fail")
    if not failed:
        return ""
    rows = []
    for entry in failed:
        observed, expected = side_by_side(observations(entry), unmet=MOST_UNMET, met=0, characters=MOST_CHARACTERS)
        remedy = f'{safe(entry["remedy"])}<br><span class="muted">{safe(entry["remedy_zh"])}</span>'
        rows.append(_row(name_of(entry), safe(entry["target"]), lines(observed), lines(expected), remedy))
    return _list(
        f"✗ Failed 不符合 ({len(failed)})",
        ("Requirement 要求", "Target 对象", "Observed 实测", "Expected 要求值", "What to do 处理"),
        rows,
        "fail",
    )


def _errors(document: Document) -> str:
    groups = by_reason(in_state(document, "error"))
    if not groups:
        return ""
    rows = []
    for reason, entries in groups.items():
        affected = [f"{name_of(each)} on {safe(each['target'])}" for each in entries]
        rows.append(_row(safe(reason, 2000), lines(affected)))
    title = f"? Could not be determined 无法判定 ({sum(map(len, groups.values()))})"
    return _list(title, ("Reason 原因", "Requirements 要求"), rows, "error")


def _waived(document: Document) -> str:
    """What failed under a waiver: as visible as any other failure, with who has let it be and for how long."""
    found = waived(document)
    if not found:
        return ""
    rows = []
    for entry in found:
        observed, expected = side_by_side(observations(entry), unmet=MOST_UNMET, met=0, characters=MOST_CHARACTERS)
        name = name_of(entry) + BLOCKING * entry["must_pass"]
        rows.append(_row(name, safe(entry["target"]), lines(observed), lines(expected), excused(entry["waiver"])))
    return _list(
        f"≈ Failed under a waiver 豁免中的不符合项 ({len(found)})",
        ("Requirement 要求", "Target 对象", "Observed 实测", "Expected 要求值", "Waiver 豁免"),
        rows,
        "waived",
    )


def excused(waiver: dict[str, Any]) -> str:
    """A waiver in words: how long, why, at which risk, and by whom."""
    english, chinese = left(waiver)
    people = f"requested by {waiver['requested_by']}, approved by {waiver['approved_by']}, {waiver['ticket']}"
    return (
        f"<b>{safe(english)}</b> {safe(chinese)}<br>{safe(waiver['reason'], MOST_CHARACTERS)}"
        f'<br>Risk 风险: {safe(waiver["risk"], MOST_CHARACTERS)}<br><span class="muted">{safe(people)}</span>'
    )


def _waivers(document: Document) -> str:
    """Every waiver in force, with days left and of what use it was."""
    register = document["waivers"]
    if not register["entries"]:
        return ""
    rows = []
    for row in register["entries"]:
        title = f'{name_of(row)} <span class="muted">{safe(row["title_zh"])}</span>' + BLOCKING * row["must_pass"]
        days = f"{row['days_left']}" + (" – runs out soon 即将到期" if row["expiring"] else "")
        subject = "* (every target 全部对象)" if row["subject"] == EVERY else row["subject"]
        rows.append(_row(title, safe(subject), f"{days}<br>{row['expires']}", USES[row["use"]], safe(row["ticket"])))
    said = "".join(f"<li>{safe(english)}<br>{safe(chinese)}</li>" for english, chinese in notices(document))
    listed = _list(
        f"Waivers in force 有效豁免 ({len(rows)})",
        ("Requirement 要求", "Subject 对象", "Days left 剩余天数", "Use 使用情况", "Ticket 工单"),
        rows,
        "waived",
    )
    return (f'<ul class="notices">{said}</ul>' if said else "") + listed


def name_of(entry: Entry) -> str:
    """A requirement as it is called wherever there is room for one line."""
    return f"<b>{safe(entry['requirement'])}</b> {badge(entry['severity'])} {safe(entry['title'])}"


def badge(severity: str) -> str:
    """A severity, to be told apart at a glance."""
    return f'<span class="severity {escape(severity)}">{escape(severity)}</span>'


def lines(texts: Iterable[str]) -> str:
    """Pieces of HTML, one below the other."""
    return "".join(f"<div>{each}</div>" for each in texts)


def side_by_side(seen: list[Seen], *, unmet: int, met: int, characters: int) -> tuple[list[str], list[str]]:
    """Observed and expected line by line, so many of each; what is expected of all alike is said once."""
    shown = [each for each in seen if not each.met][:unmet] + [each for each in seen if each.met][:met]
    observed = []
    for each in shown:
        text = f"{safe(each.name, 200)}: {safe(each.observed, characters)}"
        observed.append(text if each.met else f"<strong>✗ {text}</strong>")
    left = len(seen) - len(shown) if met else sum(not each.met for each in seen) - len(shown)
    if left:
        observed.append(f'<span class="muted">and {left} more in results.json</span>')
    if len({each.expected for each in shown}) == 1:
        return observed, [safe(shown[0].expected, characters)]
    return observed, [f"{safe(each.name, 200)}: {safe(each.expected, characters)}" for each in shown]


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{each}</td>" for each in cells) + "</tr>"


def _list(title: str, columns: Iterable[str], rows: Iterable[str], state: str) -> str:
    head = "".join(f'<th scope="col">{each}</th>' for each in columns)
    return (
        f'<table class="first {state}"><caption>{title}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _counts(document: Document) -> str:
    entries = document["checks"]
    by_chapter = _matrix(
        "By chapter 按章节", entries, "chapter", list(dict.fromkeys(each["chapter"] for each in entries))
    )
    by_severity = _matrix("By severity 按级别", entries, "severity", list(SEVERITIES))
    population = document["population"]
    sums = " + ".join(f"{count} {state}" for state, count in counts(document))
    sound = (
        f"Population {population['total']} = {sums}" if population["reconciled"] else "✗ The population does not add up"
    )
    strays = f"; not in the population: {safe(', '.join(population['strays']))}" if population["strays"] else ""
    return f'<div class="matrices">{by_chapter}{by_severity}</div><p class="muted">{sound}{strays}.</p>'


def pictures(entry: Entry) -> str:
    """The pictures of a check."""
    left_out = entry["series_left_out"]
    more = f'<p class="muted">and {left_out} more that the record does not keep</p>' if left_out else ""
    drawn = "".join(drawing.figure(charts.of(each)) for each in entry["series"])
    return f'<div class="charts">{drawn}</div>{more}'


def _capacity(document: Document) -> str:
    """How close the system is to its limits, where all is well too: pictures of the chapter, and the days left."""
    drawn = [each for each in document["checks"] if each["chapter"] == "capacity" and each["series"]]
    if not drawn:
        return ""
    return f'<section class="capacity"><h2>Capacity 容量</h2><div>{"".join(map(_drawn, drawn))}</div></section>'


def _drawn(entry: Entry) -> str:
    sign = SIGNS[entry["state"]]
    state = f'<span class="state {entry["state"]}">{sign.symbol} {entry["state"]} {sign.chinese}</span>'
    left = [f"{each.name}: {each.observed}" for each in observations(entry) if LEFT in each.name]
    days = f"<p>{safe('; '.join(left), MOST_CHARACTERS)}</p>" if left else ""
    return f"<article><h3>{name_of(entry)} · {safe(entry['target'])} · {state}</h3>{days}{pictures(entry)}</article>"


def _matrix(caption: str, entries: list[Entry], key: str, names: list[str]) -> str:
    cells = Counter((each[key], each["state"]) for each in entries)
    states = [state for state in STATES if any(cells[name, state] for name in names)]
    head = "".join(
        f'<th scope="col" class="state {state}">{SIGNS[state].symbol} {state}<br>{SIGNS[state].chinese}</th>'
        for state in states
    )
    rows = []
    for name in names:
        counted = "".join(
            f'<td class="state {state}">{cells[name, state]}</td>' if cells[name, state] else "<td>·</td>"
            for state in states
        )
        total = sum(cells[name, state] for state in states)
        rows.append(f'<tr><th scope="row">{safe(name)} {CHINESE.get(name, "")}</th>{counted}<td>{total}</td></tr>')
    return (
        f'<table class="matrix"><caption>{caption}</caption><thead><tr><td></td>{head}'
        f'<th scope="col">all<br>合计</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
