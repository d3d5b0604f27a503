"""The performance baseline: which statements the databases spent their time on, under which load, at which version.

``baseline.toml`` is written by ``opsverify baseline``; later runs are held against it.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import tomlkit
from pydantic import AfterValidator, Field

from opsverify.attestations import Days, days, parsed, plausible
from opsverify.catalogue import Strict, Text


def _with_an_offset(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        raise ValueError("expected a time with its offset, such as 2026-11-23T12:00:00Z")
    return value


class BaselineStatement(Strict):
    """One statement of a database: its id there, how often it ran, and the milliseconds that it took in all.

    ``text`` is how it begins, normalised; empty where the database would not show it.
    """

    database: Text
    queryid: Text
    calls: Annotated[int, Field(ge=0)]
    total_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    text: str = ""


class Baseline(Strict):
    """What was measured, when, by whom, under which load and version, and how long it may be compared with."""

    taken: Annotated[dt.datetime, AfterValidator(plausible), AfterValidator(_with_an_offset)]
    valid_for: Days
    by: Text
    load: Text
    version: Text
    statement: list[BaselineStatement] = Field(default_factory=list)

    @property
    def expires(self) -> dt.date:
        """The last day (UTC) on which it holds."""
        return self.taken.astimezone(dt.UTC).date() + dt.timedelta(days=days(self.valid_for))

    def shown(self) -> dict[str, str]:
        """As the record keeps it: load and version are a person's word, the figures nobody's."""
        return {
            "statement": f"Performance baseline of version {self.version} under this load: {self.load}",
            "by": self.by,
            "reviewed_by": "nobody (measured by opsverify)",
            "date": self.taken.astimezone(dt.UTC).date().isoformat(),
            "expires": self.expires.isoformat(),
        }


def parse(text: str, file: str) -> Baseline:
    """The baseline of a file.

    Raises:
        UsageError: one line with file and key.
    """
    return parsed(Baseline, text, file)


def dump(baseline: Baseline) -> str:
    """A baseline as the text of its file."""
    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `opsverify baseline`; take a new one rather than edit it."))
    for name in ("taken", "valid_for", "by", "load", "version"):
        document.add(name, getattr(baseline, name))
    statements = tomlkit.aot()
    for each in baseline.statement:
        table = tomlkit.table()
        table.update(each.model_dump())
        statements.append(table)
    if baseline.statement:
        document.add("statement", statements)
    return tomlkit.dumps(document)
