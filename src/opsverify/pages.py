"""What the pages share that are made with Jinja2: one way of a text into a page, and a few words.

What a live system said is hostile. All of it goes through one place on its way into a page (`shown`), where it is cut,
spelled out where it cannot be seen, and then escaped by the template.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from opsverify.texts import visible

LANGUAGES = ("en", "zh")
# The chapters of the manual, for whoever does not read Chinese.
HEADINGS: dict[str, str] = {
    "运维手册": "Operations manual",
    "文档结构": "Structure of the documents",
    "快速参考": "Quick reference",
    "日常操作": "Daily operations",
    "应急响应": "Emergency response",
    "告警响应": "Alert response",
    "性能优化": "Performance",
    "安全运维": "Security",
    "容量规划": "Capacity",
    "变更管理": "Changes",
    "联系信息": "Contacts",
    "最佳实践": "Good practice",
}


def environment(source: str, longest: int, lang: str = "en") -> Environment:
    """An environment in which values reach a page by `shown` alone; ``source`` names the file that holds them whole."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=partial(shown, most=longest, source=source, lang=lang),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(cut=partial(cut, source=source, lang=lang), moment=moment, span=span)
    made.globals.update(HEADINGS=HEADINGS)
    return made


def style(*files: Path) -> str:
    """The style sheet that all pages share, with those of one page after it."""
    return "".join(each.read_text(encoding="utf-8") for each in (Path(__file__).with_name("pages.css"), *files))


def shown(value: object, most: int, source: str, lang: str = "en") -> object:
    """Any value as it may be escaped into a page: cut, and nothing in it acts; what is markup by now stays."""
    return value if hasattr(value, "__html__") else visible(cut(str(value), most, source, lang))


def cut(text: str, most: int, source: str, lang: str = "en") -> str:
    """Cut an overlong text, and say so."""
    if len(text) <= most:
        return text
    whole = (
        f"共 {len(text):,} 个字符，全文见 {source}" if lang == "zh" else f"{len(text):,} characters, all in {source}"
    )
    return f"{text[:most].rstrip()} … ({whole})"


def checked(lang: str) -> str:
    """A language as pages know it.

    Raises:
        ValueError: they do not.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"language {lang!r}: expected one of {', '.join(LANGUAGES)}")
    return lang


def moment(when: datetime) -> str:
    """A moment, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """How long something took, as a person says it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
