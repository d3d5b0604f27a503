"""Whether a check that fails after a change fails for the same reason as before it, or for another or a worse one.

What differs from one look to the next without anything having changed (times, sizes, numbers of processes, ids of
containers) must not count; what was fine before, or is further off than before, must. Pure.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from opsverify.judgement import EXACT, show

Seen = Mapping[str, Any]  # an observation as results.json keeps it
Pair = tuple[Seen, Seen]

FURTHER = 0.10  # of the earlier value, by which a number may be further off and still be the same failure
MOST_NAMED = 3
LONGEST = 200  # characters of each of them

# A port says who it is; what else consists of digits is most often a time, a size, a count or the id of something.
KEPT = re.compile(r"(\d+/(?:tcp|udp)\b|\bports? \d+\b|(?<=0\.0\.0\.0):\d+\b|(?<=[\]*]):\d+\b)")
HEX = r"\b(?:0x[0-9a-f]+|[0-9a-f]{12,}|(?=[a-f]*\d)[0-9a-f]{6,})\b"
NUMBER = r"\d+(?:[.,:]\d+)*(?:e[+-]?\d+)?(?: ?[KMGTP]?i?B\b)?"
VARIES = re.compile(f"{HEX}|{NUMBER}", re.IGNORECASE)
NAMED = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # as results.json writes what JSON has no number for


def normal(text: str) -> str:
    """A text without what differs from one look to the next: each number and each hexadecimal id is a ``#``.

    A text that is a number and nothing else is one of a list of numbers (of ports), and stays.
    """
    if text.isdecimal():
        return text
    return "".join(part if place % 2 else VARIES.sub("#", part) for place, part in enumerate(KEPT.split(text)))


def news(before: Sequence[Seen], after: Sequence[Seen], elapsed: timedelta) -> list[str]:
    """What speaks against the later look and did not against the earlier one, in words; nothing where it is the same.

    ``elapsed`` is the time between them, by which ages are higher without anyone's doing.
    """
    fine = {each["name"] for each in before if each["met"]}
    was = [each for each in before if not each["met"]]
    left = [each for each in after if not each["met"]]
    pairs = _paired(was, left, lambda each: (each["name"], normal(each["expected"])))
    unlike = [each for each in left if each["name"] in fine]  # a number in its name tells it from its neighbours
    left = [each for each in left if each["name"] not in fine]
    pairs += _paired(was, left, lambda each: (normal(each["name"]), normal(each["expected"])))
    found = [f"{each['name']}: {_shown(each['observed'])}" for each in unlike + left]
    for one, then in pairs:
        more = _more(one["observed"], then["observed"], then.get("worse"), _older(then, elapsed))
        found += [f"{then['name']}: {more}"] if more else []
    return found


def said(found: Sequence[str]) -> str:
    """The first few of what `news` found, in one line."""
    rest = len(found) - MOST_NAMED
    shown = [each if len(each) <= LONGEST else f"{each[:LONGEST]}…" for each in found[:MOST_NAMED]]
    return "; ".join([*shown, *([f"and {rest} more"] if rest > 0 else [])])


def _paired(was: list[Seen], left: list[Seen], key: Callable[[Seen], tuple[str, str]]) -> list[Pair]:
    """Take what is of the same key out of both lists, one of each at a time."""
    pairs = []
    waiting: dict[tuple[str, str], list[Seen]] = {}
    for each in was:
        waiting.setdefault(key(each), []).append(each)
    for each in left:
        if partners := waiting.get(key(each)):
            pairs.append((partners.pop(0), each))
    gone = {id(each) for pair in pairs for each in pair}
    was[:] = [each for each in was if id(each) not in gone]
    left[:] = [each for each in left if id(each) not in gone]
    return pairs


def _older(seen: Seen, elapsed: timedelta) -> float:
    """By how much an age has grown by the clock alone, in its unit; 0 for what is no age."""
    if seen.get("worse") != "older":
        return 0.0
    return max(0.0, elapsed / timedelta(**{seen["unit"]: 1}))


def _more(one: Any, then: Any, worse: str | None, older: float) -> str:
    """What the later value has that the earlier one had not; empty where they are alike."""
    if isinstance(one, list | tuple) and isinstance(then, list | tuple):
        # Fewer of them are no worse: it is what was found to be wrong that is listed.
        counts = Counter(_element(each) for each in one)
        added = []
        for each in then:
            counts[_element(each)] -= 1
            added += [each] if counts[_element(each)] < 0 else []
        return ", ".join(_shown(each) for each in added)
    numbers = _number(one), _number(then)
    if None not in numbers:
        alike = not _further(*numbers, worse, older)  # type: ignore[arg-type]
    elif isinstance(one, str) and isinstance(then, str):
        alike = normal(one) == normal(then)
    else:
        alike = type(one) is type(then) and one == then
    return "" if alike else f"{_shown(then)}, it was {_shown(one)}"


def _further(one: float, then: float, worse: str | None, older: float) -> bool:
    """Whether a number is further off; where it is not known which way is off, either way is."""
    if math.isnan(one) or math.isnan(then):
        return math.isnan(one) != math.isnan(then)
    room = abs(one) * (FURTHER + EXACT)
    up, down = then - one > room + older, one - then > room
    return {"higher": up, "older": up, "lower": down}.get(worse or "", up or down)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return NAMED.get(value)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _element(value: Any) -> tuple[str, str]:
    return type(value).__name__, normal(value) if isinstance(value, str) else repr(value)


def _shown(value: Any) -> str:
    return show(tuple(value) if isinstance(value, list) else value)
