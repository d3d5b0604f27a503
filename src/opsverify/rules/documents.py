"""Rules of the operations manual itself: all of it is covered, what it links to is there, and it is kept up to date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from opsverify.judgement import Limits, Observation, holds, none_of, within
from opsverify.probes.manual import Manual
from opsverify.rules.people import placeholder
from opsverify.rules.statements import Missing, complete, lack

LONGEST_QUOTE = 60


def covered(manual: Manual | None, lines: Mapping[str, str], limits: Limits, missing: Missing) -> list[Observation]:
    """Every line of content belongs to as many requirements as the limit says.

    ``lines`` are those that each requirement covers, by its id, as the catalogue writes them (``9-19,21``).
    """
    seen: list[Observation] = []
    lacking: list[str] = []
    content = [each for each in manual.lines if each.kind == "content"] if manual else []
    if not content:
        lack("operations manual", "none" if manual is None else "no line of content", missing, seen, lacking)
        return complete(seen, lacking)
    owners: dict[int, int] = {}
    for written in lines.values():
        for number in numbers(written):
            owners[number] = owners.get(number, 0) + 1
    bare = [each for each in content if not limits.requirements_per_line.met(owners.get(each.number, 0))]
    name = f"lines that do not belong to {limits.requirements_per_line} requirement"
    seen.append(
        none_of(
            name,
            [f"{each.number:04}: {each.text.strip()[:LONGEST_QUOTE]}" for each in bare],
            seen=len(content),
            of="lines of content",
        )
    )
    last = max(each.number for each in content)
    beyond = [f"{id_} ({written})" for id_, written in lines.items() if max(numbers(written)) > last]
    seen.append(none_of("requirements of lines that there are not", beyond, seen=len(lines), of="requirements"))
    return complete(seen, lacking)


def numbers(written: str) -> set[int]:
    """The line numbers of ``9-19,21``."""
    found: set[int] = set()
    for part in written.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def links_lead(
    manual: Manual | None, linked: Mapping[str, Manual | None], limits: Limits, missing: Missing
) -> list[Observation]:
    """The manuals that it links to are there, and each topic is a heading of one of them with something below it."""
    seen: list[Observation] = []
    lacking: list[str] = []
    if manual is None or not manual.links:
        what = "none" if manual is None else "links to no other"
        lack("operations manual", what, missing, seen, lacking)
        return complete(seen, lacking)
    for name in manual.links:
        seen.append(
            holds(
                f"linked manual {name}", "gone" if linked[name] is None else "there", "there", linked[name] is not None
            )
        )
    sections = [each for found in linked.values() if found for each in found.sections if each.content]
    titles = [_plain(each.title) for each in sections]
    topics = [str(each) for each in limits.topics.values]
    open_ = [each for each in topics if not any(_plain(each) in title for title in titles)]
    seen.append(none_of("topics without a section", open_, seen=len(topics), of="topics"))
    return complete(seen, lacking)


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()


def kept_up(manual: Manual | None, limits: Limits, missing: Missing, now: datetime) -> list[Observation]:
    """The manual's end says when it was last updated, and that is not too long ago, its version and its maintainer."""
    seen: list[Observation] = []
    lacking: list[str] = []
    if manual is None:
        lack("operations manual", "none", missing, seen, lacking)
        return complete(seen, lacking)
    updated = manual.updated
    shown = f"{updated}" if updated else manual.updated_text or "nothing"
    good = updated is not None and updated <= now.date()
    seen.append(holds("last update", shown, "a day that is not to come", good))
    if updated is not None and good:
        seen.append(within("age of the manual", (now.date() - updated).days, limits.age_days))
    for name, said in (("version", manual.version), ("maintainer", manual.maintainer)):
        seen.append(holds(name, said or "nothing", "named", not placeholder(said)))
    return complete(seen, lacking)
