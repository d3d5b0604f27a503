"""The ledger: what earlier runs found when they read whole archives, so that the unchanged need not be read again.

``verified.jsonl`` lies beside the runs of a profile, one verdict a line. Only a good verdict spares the reading, only
of a file that has not changed in size, mtime, ctime and inode, and only for so many days as the catalogue says. Who
deletes the file loses nothing but time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, NamedTuple

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from opsverify.catalogue import Strict, Text

NAME = "verified.jsonl"
Whole = Annotated[int, Field(ge=0, lt=2**64)]
Moment = Annotated[int, Field(gt=-(2**63), lt=2**63)]


class Verdict(Strict):
    """What reading a whole archive of a store once showed; times in nanoseconds since 1970, ``size`` in bytes.

    ``whole``: it was as its format has to be, to its end. ``as_written``: its SHA-256 was that of the manifest.
    """

    store: Text
    path: Text
    size: Whole
    mtime_ns: Moment
    ctime_ns: Moment
    inode: Whole
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    whole: bool
    as_written: bool
    read: AwareDatetime

    @property
    def good(self) -> bool:
        """Nothing spoke against the archive."""
        return self.whole and self.as_written


class Ledger(NamedTuple):
    """Verdicts by store and path, and the numbers of the lines that are none."""

    verdicts: dict[tuple[str, str], Verdict]
    malformed: tuple[int, ...] = ()

    def of(self, store: str) -> dict[str, Verdict]:
        """The verdicts on one store's archives, by path."""
        return {path: each for (name, path), each in self.verdicts.items() if name == store}


def parse(text: str) -> Ledger:
    """Read a ledger. A line that is no verdict counts for nothing, and neither do two on one archive."""
    found: dict[tuple[str, str], Verdict] = {}
    lines: dict[tuple[str, str], int] = {}
    malformed: set[int] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        try:
            verdict = Verdict.model_validate_json(line)
        except ValidationError:
            malformed.add(number)
            continue
        key = (verdict.store, verdict.path)
        if key in lines:
            malformed |= {lines[key], number}
            found.pop(key, None)
        else:
            lines[key], found[key] = number, verdict
    return Ledger(found, tuple(sorted(malformed)))


def dump(verdicts: Iterable[Verdict]) -> str:
    """The text of a ledger, in the order of stores and paths."""
    ordered = sorted(verdicts, key=lambda each: (each.store, each.path))
    return "".join(json.dumps(each.model_dump(mode="json"), ensure_ascii=True) + "\n" for each in ordered)
