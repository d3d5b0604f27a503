"""Commands that delete by names which the files in question never have: of another folder's, though they lie in it."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from opsverify.shell.facts import Followed, Ran
from opsverify.shell.values import known

ALTERNATIVES = {"-o", "-or", ",", "(", ")"}
NEGATIONS = {"!", "-not"}


def that_may_match(followed: Followed, paths: Sequence[str], more: Sequence[str] = ()) -> Followed:
    """What was followed, without each ``find`` (and what its pipeline does) that asks for other names than these.

    That are the names of files, and of each folder above them, for those may be removed as a whole; and ``more``.
    """
    names = {name for path in paths for name in path.split("/") if name} | set(more)
    return replace(followed, ran=tuple(each for each in followed.ran if not _of_others(each, names)))


def _of_others(ran: Ran, names: Collection[str]) -> bool:
    ways = [way for way in ran.stages[0].ways if way] if ran.stages else []
    return bool(ways) and not ran.stages[0].empties and all(_excludes(way, names) for way in ways)


def _excludes(way: Sequence[str], names: Collection[str]) -> bool:
    """Whether it is a ``find`` with a condition on the name that none of the names meets."""
    if posixpath.basename(way[0]) != "find" or set(way) & ALTERNATIVES:
        return False
    for before, word, value in zip(way, way[1:], way[2:], strict=False):
        if word in ("-name", "-iname") and before not in NEGATIONS and known(value):
            pattern = value.lower() if word == "-iname" else value
            if not any(fnmatchcase(each, pattern) for each in names):
                return True
    return False
