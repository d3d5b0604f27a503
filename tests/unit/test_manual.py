"""The manual as a document: its lines and who owns them, what it links to, and what its end says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import documents as lab
from opsverify.catalogue import Catalogue
from opsverify.judgement import Limits, unmet
from opsverify.probes.manual import Manual, parse_manual
from opsverify.rules import documents

LimitsOf = Callable[[str], Limits]
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "manual/operations-manual.zh.md").read_text(encoding="utf-8")
MANUAL = parse_manual("operations-manual.zh.md", TEXT)
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def test_the_manual_of_the_project() -> None:
    assert len(MANUAL.lines) == 274
    assert MANUAL.links == ("monitoring.md", "maintenance.md")
    assert (MANUAL.updated, MANUAL.version, MANUAL.maintainer) == (date(2024, 1, 15), "v1.0", "运维团队")
    kinds = {each.number: each.kind for each in MANUAL.lines}
    assert [kinds[n] for n in (1, 5, 9, 40, 41, 42, 43, 46, 270, 274)] == [
        "heading",
        "content",
        "heading",
        "fence",
        "content",
        "content",
        "blank",
        "fence",
        "rule",
        "content",
    ]


def test_every_line_of_the_manual_of_the_project_has_an_owner(demands: Catalogue, limits_of: LimitsOf) -> None:
    owners = {each.id: each.lines for each in demands.values()}
    assert unmet(documents.covered(MANUAL, owners, limits_of("DOC-SCOPE-01"), "fail")) == []


@pytest.mark.parametrize(
    ("text", "owners", "said"),
    [
        ("# a\n\nb\n", {"A-01": "3"}, ""),
        ("# a\n\nb\nc\n", {"A-01": "3"}, "observed 0004: c, expected none"),
        ("# a\n\nb\n```\n# c\n```\n", {"A-01": "1-4"}, "observed 0005: # c"),
        ("# a\n\nb\n", {"A-01": "3-4"}, "requirements of lines that there are not: observed A-01 (3-4)"),
        ("# a\n", {"A-01": "1"}, "operations manual: observed no line of content"),
        ("# a\n<!-- b\nc\n\n-->\n", {"A-01": "1"}, "operations manual: observed no line of content"),
        ("# a\n<!-- b -->\nc\n", {"A-01": "1"}, "observed 0003: c"),
        ("# a\n```\n<!-- b\n```\n", {"A-01": "1"}, "observed 0003: <!-- b"),
        ("# a\n~~~\nx\n```\n", {"A-01": "3"}, "observed 0004: ```"),
    ],
)
def test_a_line_without_an_owner_is_found(text: str, owners: dict[str, str], said: str, limits_of: LimitsOf) -> None:
    seen = documents.covered(parse_manual("m", text), owners, limits_of("DOC-SCOPE-01"), "fail")
    told = "; ".join(map(str, unmet(seen)))
    assert said in told
    assert bool(said) == bool(told)


def test_no_manual_is_a_finding_of_each(limits_of: LimitsOf) -> None:
    for seen in (
        documents.covered(None, {}, limits_of("DOC-SCOPE-01"), "fail"),
        documents.links_lead(None, {}, limits_of("DOC-LINK-01"), "fail"),
        documents.kept_up(None, limits_of("DOC-META-01"), "fail", NOW),
    ):
        assert [str(each) for each in unmet(seen)] == ["operations manual: observed none, expected there is one"]


LINKED: dict[str, Manual | None] = {name: parse_manual(name, text) for name, text in lab.LINKED.items()}


def links(linked: dict[str, Manual | None], limits_of: LimitsOf, manual: Manual = MANUAL) -> str:
    return "; ".join(map(str, unmet(documents.links_lead(manual, linked, limits_of("DOC-LINK-01"), "fail"))))


def test_linked_manuals_are_there_and_cover_their_topics(limits_of: LimitsOf) -> None:
    assert links(LINKED, limits_of) == ""
    gone = links({**LINKED, "monitoring.md": None}, limits_of)
    assert "linked manual monitoring.md: observed gone, expected there" in gone
    assert "Grafana 仪表板配置" in gone
    # A topic is a section that says something, not a word in passing.
    for old, new in (
        ("## 升级和迁移流程\n", "升级和迁移流程\n"),
        ("## 升级和迁移流程\n", "<!--\n## 升级和迁移流程\n"),
        ("先运行", "\n## 先运行"),
    ):
        assert old in lab.LINKED["maintenance.md"]
        text = lab.LINKED["maintenance.md"].replace(old, new)
        assert "topics without a section" in links({**LINKED, "maintenance.md": parse_manual("m", text)}, limits_of)
    renamed = lab.LINKED["maintenance.md"].replace("## 升级和迁移流程", "# 4. 升级和  迁移流程（草案）")
    assert links({**LINKED, "maintenance.md": parse_manual("m", renamed)}, limits_of) == ""


def test_a_manual_that_links_nowhere_is_a_finding(limits_of: LimitsOf) -> None:
    text = TEXT.replace("](./", "](https://elsewhere.example/")
    assert "links to no other" in links({}, limits_of, parse_manual("m", text))


@pytest.mark.parametrize(
    ("old", "new", "now", "said"),
    [
        ("", "", datetime(2025, 1, 14, tzinfo=UTC), ""),
        ("", "", datetime(2025, 1, 15, tzinfo=UTC), "age of the manual: observed 366 days, expected at most 365 days"),
        ("2024年1月15日", "2024-01-15", NOW, ""),
        ("最后更新时间", "last updated", NOW, ""),
        ("2024年1月15日", "2024年2月30日", NOW, "last update: observed 2024年2月30日"),
        (
            "*本文档最后更新时间: 2024年1月15日*",
            "<!-- 最后更新时间: 2024年1月15日 -->",
            NOW,
            "last update: observed nothing",
        ),
        ("2024年1月15日", "昨天", NOW, "last update: observed 昨天"),
        ("2024年1月15日", "2024年6月2日", NOW, "last update: observed 2024-06-02, expected a day that is not to come"),
        ("*本文档最后更新时间: 2024年1月15日*", "", NOW, "last update: observed nothing"),
        ("文档版本: v1.0", "", NOW, "version: observed nothing"),
        ("维护者: 运维团队", "维护者:", NOW, "maintainer: observed nothing"),
        ("维护者: 运维团队", "维护者: 待定", NOW, "maintainer: observed 待定, expected named"),
        ("文档版本: v1.0", "文档版本: TBD", NOW, "version: observed TBD, expected named"),
    ],
)
def test_what_the_end_of_the_manual_says(old: str, new: str, now: datetime, said: str, limits_of: LimitsOf) -> None:
    manual = parse_manual("m", TEXT.replace(old, new) if old else TEXT)
    told = "; ".join(map(str, unmet(documents.kept_up(manual, limits_of("DOC-META-01"), "fail", now))))
    assert said in told
    assert bool(said) == bool(told)


def test_the_labs_copy_is_read_over_today(tmp_path: Path) -> None:
    now = datetime.now(UTC) + timedelta(days=1)
    lab._write_manuals(tmp_path, now)
    copy = parse_manual("m", (tmp_path / lab.MANUAL.name).read_text(encoding="utf-8"))
    assert copy.updated == now.date()
    assert len(copy.lines) == len(MANUAL.lines)


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    found = parse_manual("m", text)
    assert [each.number for each in found.lines] == list(range(1, len(text.splitlines()) + 1))
