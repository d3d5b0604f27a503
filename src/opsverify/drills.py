"""The record of restore drills: what was restored, what it was compared with, and what came of it.

``drills.jsonl`` beside the profile holds one line of JSON a drill, written by ``opsverify restore-drill``. It is a
machine's record of what it saw: the outcome is derived from the comparisons and checks in it, never from a word.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError, model_validator

from opsverify.catalogue import Strict, Text, first_problem
from opsverify.errors import UnansweredError

Kind = Literal["restore", "point-in-time"]
Outcome = Literal["met", "not met"]
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Comparison(Strict):
    """The rows of one table: in the backup itself (``expected``), as restored, and in the live database by estimate.

    None where there is nothing to compare with; ``restored`` is None where the table is not there.
    """

    table: Text
    expected: Count | None = None
    restored: Count | None = None
    live: Count | None = None

    def met(self, rows_share: float) -> bool:
        """All rows of the backup were restored, and at least ``rows_share`` of what the live database holds."""
        if self.restored is None or (self.expected is None and self.live is None):
            return False
        whole = self.expected is None or self.restored == self.expected
        return whole and (self.live is None or self.restored >= rows_share * self.live)


class Looked(Strict):
    """One look at what was restored: what was observed, what was expected, and whether that was met."""

    name: Text
    observed: str
    expected: Text
    met: bool


class Drill(Strict):
    """One drill. ``backup`` names the dump or base backup, ``sha256`` is of the dump, or of the base's manifest.

    ``rows_share`` is the share of the live rows that was demanded; ``outcome`` repeats what follows from the rest.
    """

    kind: Kind
    started: AwareDatetime
    finished: AwareDatetime
    store: Text
    backup: Text
    sha256: Digest
    server: str
    target_time: AwareDatetime | None = None
    rows_share: Annotated[float, Field(gt=0, le=1)]
    comparisons: list[Comparison] = Field(default_factory=list)
    checks: list[Looked] = Field(default_factory=list)
    by: Text
    outcome: Outcome

    @model_validator(mode="after")
    def _in_order(self) -> Drill:
        if self.finished < self.started:
            raise ValueError("finished: expected not before started")
        return self

    @property
    def rows(self) -> int:
        """The rows that were restored, of all tables."""
        return sum(each.restored or 0 for each in self.comparisons)


def derived(drill: Drill, rows_share: float) -> Outcome:
    """What follows from the comparisons and checks of a drill. One that brought back no row at all proves nothing."""
    compared = drill.rows > 0 and all(each.met(rows_share) for each in drill.comparisons)
    return "met" if compared and drill.checks and all(each.met for each in drill.checks) else "not met"


def parse(text: str, name: str) -> list[Drill]:
    """The drills on record, in the order of the file.

    Raises:
        UnansweredError: a line is none; says which one and why.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(Drill.model_validate_json(line))
        except ValidationError as error:
            raise UnansweredError(f"{name}: line {number}: {first_problem(error)}") from None
    return found


def line(drill: Drill) -> str:
    """A drill as a line of the record."""
    return drill.model_dump_json() + "\n"
