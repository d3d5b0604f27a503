"""The configuration before a change held against the one after it: what differs, and whether someone declared it.

Pure: snapshots and declarations in, differences and reasons out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from opsverify.changes import Difference
from opsverify.gate.story import Drift, Effect, Reason, Snapshot, Undone

ABSENT = "absent"  # how a change record says that something is not there
ALL = "*"  # the name of an area as a whole, where only one side has it at all
NAMED = 5  # differences that a reason names
LONGEST = 300  # characters of a value in a listing
QUANTITY = re.compile(r"(-?[0-9]{1,18})\s*([A-Za-z]{1,3})")
BYTES = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40}
# Of time as PostgreSQL writes it, to the letter; of bytes Redis takes any case.
MICROSECONDS = {"us": 1, "ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}


@dataclass(frozen=True)
class Found:
    """What came of the comparison."""

    drift: list[Drift]
    undone: list[Undone]
    reasons: list[Reason]


@dataclass(frozen=True)
class _Difference:
    area: str
    name: str
    before: str | None
    after: str | None


def compared(pre: Snapshot, post: Snapshot, expected: Sequence[Difference]) -> Found:
    """Hold two snapshots against each other, and their differences against the declared ones.

    An undeclared difference is a WARN; so is a declared one that did not happen, or not as declared: then what did
    happen is undeclared. An area that only one side could read is INCONCLUSIVE, one that neither could read a WARN.
    """
    left = list(_differences(pre, post))
    drift: list[Drift] = []
    undone: list[Undone] = []
    for declared in {(each.what, each.before, each.after): each for each in expected}.values():
        mine = _taken(left, declared)
        if mine is None:
            undone.append(
                Undone(
                    what=declared.what,
                    before=declared.before,
                    after=declared.after,
                    found=_instead(pre, post, declared),
                )
            )
        else:
            drift.append(_drift(mine, declared=True))
    drift += [_drift(each, declared=False) for each in left]
    drift.sort(key=lambda each: (each.area, each.name))
    return Found(drift, undone, [*_unread(pre, post), *_undeclared(drift), *_not_done(undone)])


def _drift(found: _Difference, *, declared: bool) -> Drift:
    return Drift(
        area=found.area,
        name=found.name,
        before=found.before,
        after=found.after,
        declared=declared,
        effect="info" if declared else "WARN",
    )


def _differences(pre: Snapshot, post: Snapshot) -> Iterator[_Difference]:
    for area in sorted({*pre.areas, *post.areas}):
        before, after = pre.areas.get(area), post.areas.get(area)
        if before is not None and after is not None:
            yield from _of_area(area, before, after, area in pre.unread, area in post.unread)
        elif area not in (pre.unread if before is None else post.unread):
            yield _Difference(area, ALL, _size(before), _size(after))


def _of_area(
    area: str, before: Mapping[str, str], after: Mapping[str, str], partly_before: bool, partly_after: bool
) -> Iterator[_Difference]:
    """The differences of an area. What a side lacks that was not read in full may still be there."""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if (old is None and partly_before) or (new is None and partly_after) or old == new:
            continue
        if "\n" in f"{old}{new}":
            yield from (_Difference(area, name, *each) for each in _of_lines(old or "", new or ""))
        else:
            yield _Difference(area, name, old, new)


def _of_lines(before: str, after: str) -> Iterator[tuple[str | None, str | None]]:
    """What of a list, one entry a line, was taken out and put in; one that only moved was both."""
    # Which of several shortest ways is taken must not go by which side is which.
    swapped = before > after
    one, other = (each.split("\n")[:-1] for each in ((after, before) if swapped else (before, after)))
    for what, start, end, first, last in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if what != "equal":
            gone, come = one[start:end], other[first:last]
            yield from ((each, None) for each in (come if swapped else gone))
            yield from ((None, each) for each in (gone if swapped else come))


def _size(names: Mapping[str, str] | None) -> str | None:
    return None if names is None else f"{len(names)} names"


def _taken(left: list[_Difference], declared: Difference) -> _Difference | None:
    """Take the difference that a declaration is about out of those that are left; None when it did not happen."""
    mine = [each for each in left if f"{each.area}: {each.name}" == declared.what]
    for each in mine:
        if _is(each.area, declared.before, each.before) and _is(each.area, declared.after, each.after):
            left.remove(each)
            return each
    # One entry of a list for another.
    gone = next((each for each in mine if each.after is None and _is(each.area, declared.before, each.before)), None)
    come = next((each for each in mine if each.before is None and _is(each.area, declared.after, each.after)), None)
    if gone is None or come is None:
        return None
    left.remove(gone)
    left.remove(come)
    return _Difference(gone.area, gone.name, gone.before, come.after)


def _is(area: str, declared: str, value: str | None) -> bool:
    """Whether a value is the declared one, however its unit or its white space is written."""
    if value is None:
        return declared == ABSENT
    told, said = " ".join(declared.split()), " ".join(value.split())
    if told == said:
        return True
    if area.startswith("images "):  # the id tells which image it is; the name behind it is only what it was asked by
        return told == said.partition(" (")[0]
    amount = _amount(area, told)
    return amount is not None and amount == _amount(area, said)


def _amount(area: str, text: str) -> tuple[str, int] | None:
    """A quantity in its smallest unit, bytes or microseconds; Redis has its bytes without a unit."""
    if area.startswith("config ") and re.fullmatch(r"[0-9]{1,18}", text):
        return "bytes", int(text)
    found = QUANTITY.fullmatch(text)
    if found is None:
        return None
    number, unit = int(found[1]), found[2]
    if unit.lower() in BYTES:
        return "bytes", number * BYTES[unit.lower()]
    return ("time", number * MICROSECONDS[unit]) if unit in MICROSECONDS else None


def _instead(pre: Snapshot, post: Snapshot, declared: Difference) -> str:
    """What is there in place of a declared difference."""
    area, _, name = declared.what.partition(": ")
    known = sorted({*pre.areas, *post.areas, *pre.unread, *post.unread})
    if area not in known or not name:
        return f"nothing is known by this name; expected <area>: <name>, where the area is one of {', '.join(known)}"
    values = [side.areas.get(area, {}).get(name) for side in (pre, post)]
    for value, side in zip(values, (pre, post), strict=True):
        if value is None and area in side.unread:
            return f"could not be read: {side.unread[area]}"
    before, after = values
    if before is None and after is None:
        return f"{area} has nothing of the name {name!r}, on neither side"
    if before == after:
        return f"unchanged: {_shown(after)}"
    return f"{_shown(before)} → {_shown(after)}"


def _unread(pre: Snapshot, post: Snapshot) -> Iterator[Reason]:
    for area in sorted({*pre.unread, *post.unread}):
        before, after = pre.unread.get(area), post.unread.get(area)
        effect: Effect = "INCONCLUSIVE"
        if before is not None and after is not None:
            effect, why = "WARN", f"could not be read in full, neither before nor after the change: {after}"
        elif after is not None:
            why = f"could not be read in full after the change: {after}"
        else:
            why = f"could not be read in full before the change: {before}"
        yield Reason(effect=effect, about=f"configuration of {area}", why=why)


def _undeclared(drift: Iterable[Drift]) -> Iterator[Reason]:
    by_area: dict[str, list[str]] = {}
    for each in drift:
        if not each.declared:
            by_area.setdefault(each.area, []).append(f"{each.name}: {_shown(each.before)} → {_shown(each.after)}")
    for area, some in by_area.items():
        more = f"; and {len(some) - NAMED} more" if len(some) > NAMED else ""
        count = (
            "a difference that no one declared" if len(some) == 1 else f"{len(some)} differences that no one declared"
        )
        yield Reason(effect="WARN", about=f"configuration of {area}", why=f"{count}: {'; '.join(some[:NAMED])}{more}")


def _not_done(undone: Iterable[Undone]) -> Iterator[Reason]:
    for each in undone:
        why = f"declared {each.before} → {each.after}, which did not happen; {each.found}"
        yield Reason(effect="WARN", about=each.what, why=why)


def listing(drift: Sequence[Drift], undone: Sequence[Undone]) -> list[str]:
    """The differences as lines for a terminal, like a unified diff: by area, ``-`` before the change, ``+`` after."""
    lines: list[str] = []
    for area in sorted({each.area for each in drift}):
        lines.append(f"@@ {area} @@")
        for each in (one for one in drift if one.area == area):
            word = "  (declared)" if each.declared else "  (UNDECLARED)"
            sides = [("-", each.before), ("+", each.after)]
            shown = [f"{sign} {each.name}: {_shown(value)}" for sign, value in sides if value is not None]
            lines += [f"{line}{word if number == len(shown) else ''}" for number, line in enumerate(shown, 1)]
    if undone:
        lines.append("@@ declared, but did not happen @@")
        lines += [f"! {each.what}: {each.before} → {each.after}; {each.found}" for each in undone]
    return lines


def _shown(value: str | None) -> str:
    if value is None:
        return ABSENT
    text = " ⏎ ".join(value.split("\n")[:-1]) if value.endswith("\n") else value
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
