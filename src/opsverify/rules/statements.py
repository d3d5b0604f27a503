"""The rules of what people state, for every chapter: attestations and the baseline.

Where something is missing, ``missing`` (the requirement's) tells whether that is a finding or an error. An error never
hides a finding: it is raised only where nothing speaks against the requirement already.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from opsverify.baseline import Baseline
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limit, Observation, holds, unmet, within
from opsverify.probes.documents import Attested

Missing = Literal["fail", "error", "not-applicable"]


def attested(found: Attested | None, missing: Missing, now: datetime, age: Limit | None = None) -> list[Observation]:
    """Somebody states it, the statement has not run out, and the file that bears it out is still the same.

    ``age`` bounds the days since the statement was made.

    Raises:
        InsufficientFactsError: there is no attestation, and that is no finding.
    """
    return complete(*attestation(found, missing, now, age))


def baseline_holds(baseline: Baseline | None, missing: Missing, now: datetime) -> list[Observation]:
    """A performance baseline is there, has not run out, has figures, and says under what they were taken."""
    seen: list[Observation] = []
    lacking: list[str] = []
    if baseline is None:
        lack("performance baseline", "none", missing, seen, lacking)
    else:
        count = len(baseline.statement)
        seen += [
            good_until("performance baseline", baseline.expires, now),
            holds("taken", f"{baseline.taken:%Y-%m-%d %H:%M %Z}", "not in the future", baseline.taken <= now),
            holds("load", baseline.load, "named", bool(baseline.load)),
            holds("version", baseline.version, "named", bool(baseline.version)),
            holds("statements", count, "at least one", count > 0),
        ]
    return complete(seen, lacking)


def attestation(
    found: Attested | None, missing: Missing, now: datetime, age: Limit | None = None
) -> tuple[list[Observation], list[str]]:
    """As `attested`, for rules that look at more: what is observed, and what there is too little of."""
    seen: list[Observation] = []
    lacking: list[str] = []
    if found is None:
        lack("attestation", "none", missing, seen, lacking)
        return seen, lacking
    entry = found.entry
    seen.append(good_until("attestation", entry.expires, now))
    if age is not None:
        seen.append(within("age of the attestation", (now.date() - entry.date).days, age))
    now_is = "gone" if found.digest is None else f"sha256 {found.digest}"
    expected = f"sha256 {entry.sha256}, as attested"
    seen.append(holds(f"artefact {entry.artefact}", now_is, expected, found.digest == entry.sha256))
    return seen, lacking


def good_until(name: str, expires: date, now: datetime) -> Observation:
    """A statement holds through its last day (UTC)."""
    return holds(f"{name} is good until", f"{expires}", f"{now.date()} or later", expires >= now.date())


def lack(name: str, what: str, missing: Missing, seen: list[Observation], lacking: list[str]) -> None:
    """Note that something is not there, as a finding or as what there is too little of."""
    if missing == "fail":
        seen.append(holds(name, what, "there is one", met=False))
    else:
        lacking.append(f"{name}: {what}")


def complete(seen: list[Observation], lacking: Sequence[str]) -> list[Observation]:
    """What is observed, unless something is lacking and nothing that was seen is a finding.

    Raises:
        InsufficientFactsError: something is lacking.
    """
    if lacking and not unmet(seen):
        raise InsufficientFactsError("; ".join(lacking))
    return seen
