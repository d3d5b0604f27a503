"""The operations manual as a document: its lines, the manuals that it links to, its sections, and what its end says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from opsverify.channels.document import DocumentChannel

Kind = Literal["heading", "fence", "blank", "rule", "comment", "content"]
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
COMMENT = re.compile(r" {0,3}<!--")
HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
LINK = re.compile(r"\[([^\][]{0,200})\]\(<?([^()\s<>]{1,300})>?\)")
LAST_LINES = 12  # that are read for what the manual says of itself
SAYS = r"\W{0,3}[:：]\W{0,3}(.{1,80})"
SAID = {
    "updated": re.compile(rf"(?:最后更新(?:时间|日期)?|更新时间|更新日期|last updated?){SAYS}", re.IGNORECASE),
    "version": re.compile(rf"(?:文档版本|版本号|版本|version){SAYS}", re.IGNORECASE),
    "maintainer": re.compile(rf"(?:维护者|维护人|maintainers?|maintained by){SAYS}", re.IGNORECASE),
}
DAY = re.compile(r"([0-9]{4})(?:\s*年\s*|[-/.])([0-9]{1,2})(?:\s*月\s*|[-/.])([0-9]{1,2})(?:\s*日|(?![0-9]))")


@dataclass(frozen=True)
class Line:
    """A line with its number from 1; only ``content`` says anything that could be demanded."""

    number: int
    kind: Kind
    text: str


@dataclass(frozen=True)
class Section:
    """A heading, and how many lines of content stand below it, those of sections inside it too."""

    title: str
    content: int


@dataclass(frozen=True)
class Manual:
    """A manual as it reads.

    ``links`` are the other manuals that it leads to, as it writes them; ``updated`` is None where ``updated_text`` is
    no day; what the end does not say is empty.
    """

    name: str
    lines: tuple[Line, ...]
    sections: tuple[Section, ...]
    links: tuple[str, ...]
    updated: date | None
    updated_text: str
    version: str
    maintainer: str


def manual(program: DocumentChannel) -> Manual | None:
    """The operations manual; None where the profile names none, or it is not there."""
    path = program.documents.manual
    text = None if path is None else program.manual()
    return None if path is None or text is None else parse_manual(path.name, text)


def linked(program: DocumentChannel, names: tuple[str, ...]) -> dict[str, Manual | None]:
    """The manuals that it links to, by name; None for one that is not there.

    Raises:
        RefusedError: a link leads out of the manual's folder.
    """
    found: dict[str, Manual | None] = {}
    for name in names:
        text = program.manual(name)
        found[name] = None if text is None else parse_manual(name, text)
    return found


def parse_manual(name: str, text: str) -> Manual:
    """Read a text in Markdown."""
    lines = tuple(_lines(text))
    # Links in a fence are examples.
    prose = [each.text for each in _prose(lines)]
    links = [target.removeprefix("./") for each in prose for _, target in LINK.findall(each)]
    files = [each.partition("#")[0] for each in links if not re.match(r"[a-z][a-z0-9+.-]*:|//|#", each, re.I)]
    end = [each.text for each in lines if each.kind not in ("blank", "comment")][-LAST_LINES:]
    said = {key: _said(pattern, end) for key, pattern in SAID.items()}
    return Manual(
        name,
        lines,
        tuple(_sections(lines)),
        tuple(dict.fromkeys(each for each in files if each.endswith(".md"))),
        _day(said["updated"]),
        said["updated"],
        said["version"],
        said["maintainer"],
    )


def _lines(text: str) -> Iterator[Line]:
    """Every line with its kind. A comment in a block of commands says what they are for, so it is content."""
    fence, comment = "", False
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.fullmatch(line)
        kind: Kind = "content"
        if not line.strip():
            kind = "blank"
        elif not fence and (comment or COMMENT.match(line)):
            kind, comment = "comment", "-->" not in line
        elif fence:
            closes = mark and mark[1][0] == fence[0] and len(mark[1]) >= len(fence) and not mark[2].strip()
            kind, fence = ("fence", "") if closes else ("content", fence)
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            kind, fence = "fence", mark[1]
        elif HEADING.fullmatch(line):
            kind = "heading"
        elif RULE.fullmatch(line):
            kind = "rule"
        yield Line(number, kind, line)


def _prose(lines: tuple[Line, ...]) -> Iterator[Line]:
    """The lines outside of fences."""
    inside = False
    for each in lines:
        inside ^= each.kind == "fence"
        if not inside and each.kind in ("heading", "content"):
            yield each


def _sections(lines: tuple[Line, ...]) -> Iterator[Section]:
    headings = [(i, HEADING.fullmatch(each.text)) for i, each in enumerate(lines) if each.kind == "heading"]
    found = [(i, len(match[1]), match[2] or "") for i, match in headings if match]
    for position, (i, level, title) in enumerate(found):
        end = next((j for j, other, _ in found[position + 1 :] if other <= level), len(lines))
        yield Section(" ".join(title.split()), sum(each.kind == "content" for each in lines[i:end]))


def _said(pattern: re.Pattern[str], lines: list[str]) -> str:
    """What the last of the lines that speaks of it says, without Markdown's marks."""
    found = [match[1] for line in lines if (match := pattern.search(line))]
    return found[-1].strip(" \t*_`") if found else ""


def _day(text: str) -> date | None:
    match = DAY.match(text)
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None
