"""The auditor's page: what stands in it and in which order, and that nothing in it acts."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import cli
from opsverify.errors import UsageError
from opsverify.evidence import page as pages
from opsverify.evidence.page import page
from opsverify.evidence.reading import spoken
from opsverify.evidence.views import lines, spans
from opsverify.record import STATES
from opsverify.summary import SIGNS
from tests.unit.evidence_cases import (
    EARLIER,
    NOW,
    STREAM,
    check,
    document,
    every_state,
    exchange,
    kept,
    many,
    ordinary,
)
from tests.unit.small_project import SECRET, Outcome

HOSTILE = {
    "markup": '<script>alert(1)</script><img src=x onerror="alert(2)">',
    "end of a table": "</td></tr></tbody></table></main></body>",
    "attribute": "\"' onmouseover='alert(1)' x=\"",
    "entities": "&lt;b&gt; &#60;script&#62; &amp",
    "comment": "<!-- --> <![CDATA[ ]]> --!> <?php ?>",
    "template": "{{ 7 * 7 }}{% for x in y %}{# x #}",
    "style": "</style><style>*{display:none}</style>",
    "address": "javascript:alert(1) http://192.0.2.1/x.png",
    "terminal": "\x1b[31mred\x1b[0m\x07\x9b1m",
    "direction": "\u202egnp.exe\u2066\u200f\ufeff",
    "newlines": "a\r\nb\u2028c\u2029d\x85e\x0bf",
    "no characters": "\x00\ud800\udfff\ufffe\U0010ffff\ue000",
    "a long line": "<" * 1_000_000,
}
LONG = ("target 0", "observed", "message", "question", "answer")
ORDER = ("run", "sums", "regressions", "failures", "exceptions", "coverage", "results", "asked", "limits", "manifest")


def tree(text: str) -> ElementTree.Element:
    """The page as XML; whatever broke out of its place makes that fail, or shows."""
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))


def words(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def headline(text: str) -> str:
    return words(next(tree(text).iter("h1")))


def section(text: str, name: str) -> str:
    found = [each for each in tree(text).iter("section") if each.get("aria-labelledby") == name]
    assert len(found) == 1
    return words(found[0])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of every state, after one in which all was well."""
    return ordinary(tmp_path)


def test_the_order_is_the_auditors(run: Path) -> None:
    text = page(run)

    assert [each.get("id") for each in tree(text).iter("h2")] == [*ORDER, "verify", "redactions"]
    assert [words(each) for each in tree(text).iter("h1")] == ["✗ Does not meet the manual"]
    assert "6 of 7 checks tested: 1 failed, 1 could not be determined, 1 failed under a waiver" in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_state_has_a_word_and_a_symbol(run: Path, lang: str) -> None:
    rows = [each for each in tree(page(run, lang)).iter("tbody") if each.get("data-state")]

    assert len(rows) == len(STATES)
    for each in rows:
        state: Any = each.get("data-state")
        word = SIGNS[state].chinese if lang == "zh" else state
        assert f"{SIGNS[state].symbol} {word}" in words(each)


NAMES = (
    r"[A-Z]{3}-[A-Z]-\d\d|gw0-\d+|[0-9a-f]{8,}|UTC|test|host|[Mm]et|opsverify|Python|[Ss][Hh][Aa]-?256(SUMS)?(\.sig)?|"
    r"(results|redactions)\.json|transcript\.jsonl|PREV|\[redacted\]|SOC 2|ISO/IEC|\w+\.toml|never|base64|pg|ID|CC7"
    r"|allowed_signers"
)


def test_a_chinese_page_has_no_english_label(tmp_path: Path) -> None:
    def text(name: str) -> str:
        return f"文{re.sub('[^0-9]', '', name)}"

    run = ordinary(tmp_path, text)
    record = json.loads((run / "results.json").read_text(encoding="utf-8"))
    record["run"]["clocks"] = {"targets": [], "unknown": ["文"]}
    record["population"]["total"] = 8
    record["checks"][0]["message"] = record["checks"][1]["message"] = "长" * 2000
    record["coverage"][0]["limits"][0]["origin"] = "default"
    (run / "results.json").write_text(json.dumps(record), encoding="utf-8")
    masked = [{"secret": "pg", "form": "base64", "times": 3}]
    log = {"exchanges": {"1": masked}, "checks": {}, "elsewhere": masked}
    log |= {"searched": {"files": 5, "bytes": 9}, "withheld": [{"file": "文"}]}
    (run / "redactions.json").write_text(json.dumps(log), encoding="utf-8")
    states = "|".join(STATES)  # beside the Chinese word, where each is explained

    for framework in ("", "iso27001"):
        whole = tree(page(run, "zh", framework))
        for each in whole.iter():
            if each.tag in ("style", "script", "pre", "code"):
                each.text = ""
        labels = [each.get("data-label") or each.get("aria-label") or "" for each in whole.iter()]
        shown = re.sub(rf"\b({NAMES}|{states})\b", "", " ".join([*whole.itertext(), *labels]))
        assert re.findall(r"[^\n]{0,20}[A-Za-z]{2}[^\n]{0,20}", shown) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_tables_say_what_they_are(run: Path, lang: str) -> None:
    whole = tree(page(run, lang))

    assert whole.get("lang") == lang
    for table in whole.iter("table"):
        assert words(table.find("caption") or ElementTree.Element("x")) or table.findtext("caption")
        assert all(each.get("scope") for each in table.iter("th"))
        columns = [sum(int(each.get("colspan", 1)) for each in row) for row in table.findall("thead/tr")]
        assert columns == [len(table.findall("thead/tr/th"))]


def test_a_result_leads_to_what_was_asked_and_answered(run: Path) -> None:
    text = page(run)
    rows = {each.get("data-state"): each for each in tree(text).iter("tbody") if each.get("data-state")}
    failed = rows["fail"]

    target = next(each for each in failed.iter("a")).get("href", "")
    told = next(each for each in tree(text).iter("details") if f"#{each.get('id')}" == target)

    assert "gw0-9 2026-11-23T12:00:01.000 · some channel · some target (some account): some question" in words(told)
    assert "stdout: some answer" in words(told)
    assert told.get("open") is None


def test_what_the_transcript_does_not_have_is_said(tmp_path: Path) -> None:
    run = kept(
        tmp_path, document([check("TST-A-01", "node", "pass", exchanges=["gw0-1", "gw0-2"])]), [exchange("gw0-1")]
    )

    text = page(run)
    assert "✗ not in the transcript: gw0-2" in section(text, "results")
    assert "1 of the exchanges that results rest on are not in the transcript" in words(next(tree(text).iter("header")))
    assert headline(text) == "✗ Not to be relied on. On record: Meets the manual"


@pytest.mark.parametrize(("lang", "framework"), [("en", ""), ("zh", "iso27001")])
def test_every_link_leads_somewhere(tmp_path: Path, lang: str, framework: str) -> None:
    run = many(tmp_path, 210)
    checks = json.loads((run / "results.json").read_text(encoding="utf-8"))["checks"]
    whole = tree(page(run, lang, framework))
    ids = [each.get("id", "") for each in whole.iter() if each.get("id")]
    links = [each.get("href", "") for each in whole.iter("a")]

    assert len(ids) == len(set(ids))
    assert set(links) <= {f"#{each}" for each in ids}
    rows = {each.get("id", ""): each for each in whole.iter("tbody") if each.get("id")}
    matrix = [each for table in whole.iter("table") if table.get("class") == "matrix" for each in table.iter("a")]
    assert all(words(each) in words(rows[each.get("href", "#")[1:]]) for each in matrix)
    assert {words(each) for each in matrix} == {each["requirement"] for each in checks}

    told = [words(each) for each in whole.iterfind(".//details[@id]/summary/code")]
    reached = {re.findall(r"node-\d+", words(row))[0]: set(_reached(row, told)) for row in rows.values()}
    assert reached == {each["target"]: set(each["exchanges"]) for each in checks}


def _reached(row: ElementTree.Element, told: list[str]) -> Iterator[str]:
    """The exchanges that the links of a result lead to: the named one, and as many after it as are said to belong."""
    for link in row.iter("a"):
        first, more = int(link.get("href", "").removeprefix("#x")), re.match(r" \((\d+)\)", link.tail or "")
        yield from told[first : first + (int(more[1]) if more else 1)]


def test_a_long_answer_is_shortened_with_a_note(tmp_path: Path) -> None:
    said = exchange("1", answer="y" * 5000 + "END", question="q" * 3000)
    run = kept(tmp_path, document([check("TST-A-01", "node", "pass", exchanges=["1"])]), [said])
    text = section(page(run), "asked")

    assert "y" * 1500 in text
    assert "END" not in text
    assert "shortened: 5,003 characters, whole in transcript.jsonl" in text
    assert "q" * 801 not in text
    assert "shortened: 3,000 characters, whole in transcript.jsonl" in text


def test_regressions_are_what_was_green_and_is_not(run: Path) -> None:
    text = section(page(run), "regressions")

    assert text.startswith("Regressions (3) Not green now, green in the run before: 0000aaaa")
    assert [each for each in STATES if f"✓ pass {SIGNS[each].symbol} {each}" in text] == ["fail", "error", "waived"]
    assert "Green before, not tested now (1)" in text
    assert "(2026-11-23T12:00:00.000+00:00, 符合手册)" in section(page(run, "zh"), "regressions")


def test_a_run_that_comes_first_or_lost_the_one_before_says_so(tmp_path: Path) -> None:
    first = kept(tmp_path, document([check("TST-A-01", "node", "fail")]))
    assert section(page(first), "regressions").startswith("Regressions (?) Not compared: there is no earlier run")

    (first / "PREV").write_text(f"{'0' * 64}  {EARLIER}/SHA256SUMS\n", encoding="utf-8")
    assert f"not there any more: {EARLIER}" in section(page(first), "regressions")


def test_an_earlier_record_that_cannot_be_read_is_named(run: Path) -> None:
    (run.parent / EARLIER / "results.json").write_text("{}", encoding="utf-8")

    text = section(page(run), "regressions")

    assert "Not compared" in text
    assert f"Passed over, not readable: {EARLIER}" in text


def test_what_is_no_longer_checked_or_was_not_tested_before_is_told(tmp_path: Path) -> None:
    gone, new, skipped = check("TST-A-01", "gone", "pass"), check("TST-A-01", "new", "fail"), "skipped"
    before = [gone, check("TST-A-01", skipped, "not-tested")]
    kept(tmp_path, document(before, id="0000aaaa"), directory=EARLIER)
    run = kept(tmp_path, document([new, check("TST-A-01", skipped, "fail")]))
    text = section(page(run), "regressions")

    assert "None among those that can be compared: 0. 2 results cannot be compared" in text
    assert "✓" not in text
    assert "no longer in the population (1) TST-A-01 · gone" in text


def test_failures_stand_by_severity(tmp_path: Path) -> None:
    checks = [
        check("TST-A-01", "one", "error", severity="low"),
        check("TST-A-01", "two", "fail", severity="critical"),
        check("TST-A-01", "three", "error", severity="critical"),
        check("TST-A-01", "four", "waived", severity="critical"),
    ]
    text = section(page(kept(tmp_path, document(checks))), "failures")

    assert re.findall(r"Critical \(2\)|Low \(1\)| one | two | three | four ", text) == [
        *("Critical (2)", " two ", " three "),
        *("Low (1)", " one "),
    ]
    assert "What to do: some remedy" in text


def test_exceptions_have_their_days_left(run: Path) -> None:
    text = section(page(run), "exceptions")

    assert "12 days 2026-12-05" in text
    assert "38 days 2026-12-31" in text
    assert "7 days 2026-11-30" in text
    assert "does not end never" in text
    assert "Failed under a waiver: the true result (1)" in text
    assert "Not tested (1) some message (1)" in text


@pytest.mark.parametrize(
    ("change", "said", "said_zh"),
    [
        (
            lambda it: it["population"].update(total=8),
            "the population is 8, and there are 7 results",
            "检查总体为 8 项，而结果有 7 项",
        ),
        (
            lambda it: it["population"]["states"].update({"pass": 2, "fail": 0}),
            "the record's count of states is not that of its results",
            "记录的各状态计数与其结果不符",
        ),
        (
            lambda it: it["population"].update(reconciled=False),
            "the run itself says that its population does not add up",
            "运行记录自述检查总数核对不符",
        ),
        (
            lambda it: it["population"].update(strays=["TST-X-01-y"]),
            "not in the population: TST-X-01-y",
            "不在检查总体内：TST-X-01-y",
        ),
        (
            lambda it: it["run"].update(verdict="met under 2 waivers"),
            "the record's verdict is 'met under 2 waivers', its results say 'not met'",
            "记录的结论为“符合手册（含 2 项豁免）”，而按结果应为“不符合手册”",
        ),
        (
            lambda it: it["checks"][1].update(target=it["checks"][3]["target"]),
            "more than one result: TST-A-01 · some target 3",
            "有多个结果：TST-A-01 · some target 3",
        ),
        *(
            (
                change,
                f"1 in a state that nothing on record bears out: {name}",
                f"1 项的状态缺乏依据：{name}",
            )
            for name, change in (
                ("TST-A-02 · some target 6", lambda it: it["checks"][6]["observations"][0].update(met=False)),
                ("TST-A-02 · some target 6", lambda it: it["checks"][6]["observations"].clear()),
                ("TST-A-01 · some target 5", lambda it: it["checks"][5]["statements"].clear()),
                ("TST-A-02 · some target 4", lambda it: it["checks"][4].update(not_applicable=None)),
                ("TST-A-01 · some target 3", lambda it: it["checks"][3].update(waiver=None)),
            )
        ),
        *(
            (
                change,
                "the results that are waived are not those of the register of waivers",
                "已豁免的结果与豁免登记不一致",
            )
            for change in (
                lambda it: it["waivers"]["entries"].clear(),
                lambda it: it["run"]["waived"].clear(),
                lambda it: it["waivers"]["entries"][0].update(use="unused"),
            )
        ),
    ],
)
def test_what_does_not_add_up_is_said_at_the_top(tmp_path: Path, change: Any, said: str, said_zh: str) -> None:
    record = document(every_state())
    change(record)
    run = kept(tmp_path, record, [exchange(f"gw0-{each}") for each in range(9, 16)])

    for lang, one, start in (("en", said, "✗ Not to be relied on."), ("zh", said_zh, "✗ 记录不可采信，")):
        text = page(run, lang)
        found = [words(each) for each in next(tree(text).iter("header")).iter("p") if each.get("class") == "alarm"]
        assert f"✗ {one}" in found
        assert headline(text).startswith(start)
        assert headline(text).removeprefix("✗ ") in words(next(tree(text).iter("title")))


def test_a_record_that_holds_together_is_not_doubted(run: Path) -> None:
    assert headline(page(run)) == "✗ Does not meet the manual"


def test_what_adds_up_is_shown(run: Path) -> None:
    assert (
        "✓ It adds up, counted again from the results: 7 = 1 fail + 1 error + 1 not-tested + 1 waived + "
        "1 not-applicable + 1 attested + 1 pass" in section(page(run), "sums")
    )


def test_the_matrix_stands_by_heading_with_controls(run: Path) -> None:
    tables = [each for each in tree(page(run)).iter("table") if each.get("class") == "matrix"]

    assert [words(each) for each in tables[0].iter("caption")] == ["some 日常操作 (2)"]
    assert [[words(cell) for cell in row] for row in tables[0].iter("tr")] == [
        ["Requirement", "Severity", "Results", "SOC 2", "ISO/IEC 27001:2022"],
        [
            "TST-A-02 some title some 日常操作 › 1. 健康检查 (30-40)",
            "critical",
            "✗ 1 fail – 1 not-tested ○ 1 not-applicable ✓ 1 pass",
            "–",
            "A.8.13 Backup A.8.2 Privileges",
        ],
        [
            "TST-A-01 some title some 日常操作 › 1. 健康检查 (30-40)",
            "high",
            "? 1 error ≈ 1 waived ✎ 1 attested",
            "CC7.2 Watch",
            "A.8.2 Privileges",
        ],
    ]


def test_by_a_framework_all_of_it_stands_by_control(tmp_path: Path) -> None:
    checks = [check(f"TST-A-0{each}", "node", "pass") for each in (1, 2, 3)]
    run = kept(tmp_path, document(checks))
    text = page(run, "zh", "iso27001")

    captions = [words(each) for each in tree(text).iter("caption")]
    assert [each for each in captions if each.startswith(("A.8", "未映射"))] == [
        *("A.8.13 备份 (1)", "A.8.2 特权 (2)", "未映射到该框架的控制项 (1)"),
        *("A.8.13 备份 (1–1)", "A.8.2 特权 (2–2)", "未映射到该框架的控制项 (3–3)"),
    ]
    assert "– 自有。" in section(text, "coverage")


def test_a_framework_that_the_record_does_not_know_is_refused(tmp_path: Path) -> None:
    record = document(every_state())
    del record["controls"]
    run = kept(tmp_path, record)

    assert "no mapping to controls" in page(run)
    with pytest.raises(UsageError, match=r"framework 'soc2': unknown \(known: none"):
        page(run, "en", "soc2")


def test_the_manifest_is_what_is_there_and_then_what_was_sealed(run: Path) -> None:
    digest = hashlib.sha256((run / "results.json").read_bytes()).hexdigest()
    assert f"results.json {digest}" in section(page(run), "manifest")
    assert "As the files were when this page was written" in section(page(run), "manifest")

    (run / "SHA256SUMS").write_text(f"\\{'8' * 64}  a\\nb\n{'7' * 64}  results.json\n", encoding="utf-8")
    text = section(page(run), "manifest")
    assert f"a\\nb {'8' * 64} results.json {'7' * 64}" in text

    (run / "SHA256SUMS").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="SHA256SUMS: it is empty"):
        page(run)


def test_a_run_that_is_not_as_it_was_sealed_says_so_at_the_top(run: Path) -> None:
    digests = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted(run.iterdir())}
    (run / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()), "utf-8")
    assert "Not to be relied on" not in page(run)

    record = (run / "results.json").read_text(encoding="utf-8")
    (run / "results.json").write_text(record.replace("some remedy", "some other remedy"), encoding="utf-8")
    text = page(run)
    assert headline(text).startswith("✗ Not to be relied on.")
    assert f"sealed was {digests['results.json']}" in words(next(tree(text).iter("header")))


def test_an_unsigned_run_says_so_at_the_top(run: Path) -> None:
    assert "UNSIGNED" not in page(run)
    (run / "SHA256SUMS").write_text(f"{'7' * 64}  results.json\n", encoding="utf-8")
    assert "✗ UNSIGNED" in words(next(tree(page(run)).iter("header")))
    (run / "SHA256SUMS.sig").write_text("", encoding="utf-8")
    assert "UNSIGNED" not in page(run)


def test_before_it_is_sealed_a_run_says_whether_it_will_be_signed(tmp_path: Path) -> None:
    signing = {"signed_by": "", "key": "", "unsigned_because": "the profile names no key"}
    run = kept(tmp_path, document(every_state(), evidence=signing))

    assert "UNSIGNED: nobody vouches for this run with a key. the profile names no key" in page(run)


def test_nothing_is_called_signed_before_it_is(tmp_path: Path) -> None:
    signing = {"signed_by": "ops@test", "key": "SHA256:x", "unsigned_because": ""}
    run = kept(tmp_path, document(every_state(), evidence=signing))
    assert "ops@test, SHA256:x after this page was written: see SHA256SUMS" in section(page(run), "run")

    (run / "SHA256SUMS").write_text(f"{'7' * 64}  results.json\n", encoding="utf-8")
    (run / "SHA256SUMS.sig").write_text("", encoding="utf-8")
    assert "ops@test, SHA256:x signed (SHA256SUMS.sig): this page does not verify itself" in section(page(run), "run")


def test_clocks_are_shown_and_a_wrong_one_is_said_at_the_top(tmp_path: Path) -> None:
    clock = {"channel": "shell", "target": "node", "seconds": 0.003, "bound": 0.0093, "answers": 1, "steady": True}
    clocks = {"limit_s": 300.0, "targets": [clock, {**clock, "target": "late", "seconds": -420.0}], "unknown": ["mute"]}
    run = kept(tmp_path, document([check("TST-A-01", "node", "pass")], clocks=clocks))
    text = page(run)

    assert "node +0.003 s (± 0.0093 s), late -420 s (± 0.0093 s) told no time: mute" in section(text, "run")
    assert "! CLOCK: the clock of late is 7 min behind the runner's" in words(next(tree(text).iter("header")))
    assert "! 时钟偏差：late 比执行机慢 7 min" in words(next(tree(page(run, "zh")).iter("header")))


def test_what_was_masked_is_told(tmp_path: Path) -> None:
    said = exchange("1", answer="a [redacted] b [redacted], as a file had it: [redacted]")
    said["redacted"] = [{"secret": "databases.pg", "form": "base64", "times": 2}]
    run = kept(tmp_path, document([check("TST-A-01", "node", "pass", exchanges=["1"])]), [said, exchange("2")])
    assert "read [redacted]: 2 in 1 exchanges." in section(page(run), "redactions")
    assert "1 条询问中共 2 处。" in section(page(run, "zh"), "redactions")
    assert "redactions.json, which is written after this page" in section(page(run), "redactions")

    masked = [{"secret": "databases.pg", "form": "base64", "times": 3}]
    log: dict[str, Any] = {"exchanges": {"1": masked, "2": masked}, "checks": {}, "elsewhere": []}
    log |= {"searched": {"files": 5, "bytes": 9}, "withheld": [{"file": "report.html"}]}
    (run / "redactions.json").write_text(json.dumps(log), encoding="utf-8")
    text = section(page(run), "redactions")
    assert "databases.pg base64 exchanges 6" in text
    assert "databases.pg base64 询问 6" in section(page(run, "zh"), "redactions")
    assert "5 files. ✗ Withheld, since a secret was found in it: report.html" in text


def test_the_commands_to_verify_name_this_run(run: Path) -> None:
    text = section(page(run), "verify")

    assert f"cd reports/{STREAM}/{NOW} sha256sum -c SHA256SUMS ssh-keygen -Y verify -f allowed_signers" in text
    assert f"opsverify replay reports/{STREAM}/{NOW}" in text


# ---- nothing acts


def skeleton(text: str) -> list[tuple[str, tuple[str, ...], str]]:
    """All elements in order, with the names of their attributes and what in these leads or belongs somewhere."""
    return [
        (each.tag, tuple(sorted(each.keys())), " ".join(each.get(name, "") for name in ("id", "class", "href", "lang")))
        for each in tree(text).iter()
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_text(tmp_path: Path, name: str) -> None:
    hostile = HOSTILE[name]
    harmless = "x" * len(hostile)
    shown = {}
    for kind, said in (("hostile", hostile), ("harmless", harmless)):
        # A megabyte in each text of a record would take a minute, and show no more than in those of each kind.
        short = said[:5000]
        run = ordinary(tmp_path / kind, lambda which, a=said, b=short: f"{which}{a if which in LONG else b}")  # type: ignore[misc]
        shown[kind] = {lang: page(run, lang, "iso27001" if lang == "zh" else "") for lang in ("en", "zh")}

    for lang in ("en", "zh"):
        text = shown["hostile"][lang]
        assert skeleton(text) == skeleton(shown["harmless"][lang])
        assert not re.search(
            r"[^\n\x20-\x7e\u00a0-\ud7ff\ue000-\uffff]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text
        )
        text.encode("utf-8")


@given(st.text(min_size=1, max_size=60))
def test_any_text_leaves_the_page_well_formed(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    checks = [check(said, said, "fail", lambda _: said), check("TST-A-01", "x", "attested", lambda _: said)]
    run = kept(tmp_path_factory.mktemp("any"), document(checks, lambda _: said), [exchange(said, lambda _: said)])

    assert tree(page(run)).tag == "html"


def test_the_policy_lets_nothing_in_but_what_is_there(run: Path) -> None:
    text = page(run)
    policy = next(each for each in tree(text).iter("meta") if each.get("http-equiv")).get("content", "")

    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in found]
        assert len(digests) == 1
        assert f"{directive} 'sha256-{digests[0]}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(
        r"\s(src|style|on\w+|action|srcset)=", re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    )
    assert all(each.get("href", "").startswith("#") for each in tree(text).iter("a"))
    assert "url(" not in text
    assert "@import" not in text


# ---- records that are none


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.pop("waivers"), "waivers: Field required"),
        (lambda it: it["checks"][0].update(state="fine"), "checks.0.state"),
        (lambda it: it["checks"][0].update(severity="<b>"), "checks.0.severity"),
        (lambda it: it["run"].update(start="yesterday"), "start: "),
        (lambda it: it["run"].update(start="2026-11-23T12:00:00"), "start: "),
        (lambda it: it["population"]["states"].update(fine=1), "population.states.fine"),
        (lambda it: it["population"]["states"].pop("pass"), "population.states: without pass"),
        (lambda it: it["run"].update(verdict="fine"), "run.verdict: "),
        (lambda it: it["run"].update(clocks={"targets": [{}], "unknown": []}), "run.clocks.targets.0.channel: "),
        (lambda it: it["checks"][0]["observations"][0].pop("observed"), "checks.0.observations.0.observed: "),
        (lambda it: it["checks"][5]["statements"][0].update(artefact=7), "checks.5.statements.0.artefact: "),
    ],
)
def test_what_is_no_record_is_one_clear_error(tmp_path: Path, change: Any, said: str) -> None:
    record = document(every_state())
    change(record)
    run = kept(tmp_path, record)

    with pytest.raises(UsageError, match=r"results\.json: is no record of a run: " + re.escape(said)):
        page(run)


def test_a_transcript_that_is_none_is_one_clear_error(run: Path) -> None:
    (run / "transcript.jsonl").write_text('{"id": "1"}\n', encoding="utf-8")

    with pytest.raises(UsageError, match=r"transcript\.jsonl: line 1 is no exchange"):
        page(run)


def test_bytes_that_are_no_text_are_one_clear_error(run: Path) -> None:
    file = run / "transcript.jsonl"
    file.write_bytes(file.read_bytes().replace(b"some answer", b"some \xff\xfe answer"))

    with pytest.raises(UsageError, match=r"line 1 is no exchange"):  # \xff is no escape of JSON
        page(run)


def test_what_a_page_has_no_use_for_is_let_be(tmp_path: Path) -> None:
    record = document(every_state())
    record["checks"][4]["not_applicable"]["more"] = record["checks"][5]["statements"][0]["more"] = [{}]

    assert "38 days 2026-12-31" in section(page(kept(tmp_path, record)), "exceptions")


# ---- the command


def test_the_command_writes_beside_the_run_not_into_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (run.parent / "latest").symlink_to(run.name)

    assert cli.main(["evidence", str(run.parent / "latest"), "--lang", "zh", "--framework", "soc2"]) == 0
    written = tmp_path / f"evidence-{NOW}-zh-soc2.html"
    assert capsys.readouterr().out == f"{written.name}\n"
    assert tree(written.read_text(encoding="utf-8")).get("lang") == "zh"

    assert cli.main(["evidence", str(run), "-o", str(run / "x.html")]) == cli.USAGE
    assert not (run / "x.html").exists()
    assert "lies inside the run" in capsys.readouterr().err

    assert cli.main(["evidence", str(run), "-o", "-"]) == 0
    assert tree(capsys.readouterr().out).get("lang") == "en"

    assert cli.main(["evidence", str(tmp_path)]) == cli.USAGE
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_writes_its_page(run: Path) -> None:
    assert pages.write(run) == run / "evidence.html"
    assert (run / "evidence.html").read_text(encoding="utf-8") == page(run)
    assert sorted(each.name for each in run.iterdir()) == ["evidence.html", "results.json", "transcript.jsonl"]


def test_every_run_leaves_its_page(everything: Outcome) -> None:
    directory = everything.directory
    assert directory is not None, everything.output
    text = (directory / "evidence.html").read_text(encoding="utf-8")
    files = section(text, "manifest")

    states = everything.states()
    assert len([each for each in tree(text).iter("tbody") if each.get("data-state")]) == len(states)
    assert {each.get("data-state") for each in tree(text).iter("tbody")} - {None} == set(states.values())
    for name in ("results.json", "transcript.jsonl", "report.html", "inputs/profile.toml"):
        assert f"{name} {hashlib.sha256((directory / name).read_bytes()).hexdigest()}" in files
    assert SECRET not in text
    assert "Not to be relied on" not in text + page(directory)  # nor once it is sealed


# ---- small parts, and large ones


@given(st.sets(st.integers(0, 60)))
def test_spans_are_their_places(places: set[int]) -> None:
    ids = [f"x{each}" for each in range(61)]
    found = spans(sorted(places), ids)

    assert [each.place + more for each in found for more in range(each.length)] == sorted(places)
    assert all((ids[each.place], ids[each.place + each.length - 1]) == (each.first, each.last) for each in found)
    assert all(one.place + one.length < other.place for one, other in itertools.pairwise(found))


def test_headings_are_in_the_manuals_order() -> None:
    named = ["x (9-19)", "x (104)", "x (30,40-41)", "without"]

    assert sorted(named, key=lines) == ["x (9-19)", "x (30,40-41)", "x (104)", "without"]


def test_answers_read_as_they_were_said() -> None:
    assert spoken({"exit_status": 0, "stdout": "a\nb\n"}) == "exit_status: 0\nstdout:\na\nb\n"
    assert spoken([{"a": "ä"}, {"a": None}]) == '{"a": "ä"}\n{"a": null}'
    assert spoken(["OK", 1]) == '["OK", 1]'
