"""What the waivers of a profile did to a run: which were used, how long each still holds, and both scores."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opsverify.catalogue import Catalogue
from opsverify.waivers import EXPIRING_DAYS, Waiver, Waivers

MET = ("pass", "attested")
JUDGED = (*MET, "waived", "fail", "error")  # what applies, and was tested
SETTLED = (*MET, "not-applicable")


def scores(states: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How many of the checks that apply and were tested are met: with what is waived counted as met, and without.

    ``share`` is from 0 to 1, or None where nothing was tested. An error is not met.
    """
    counted = Counter(states)
    of, met = sum(counted[state] for state in JUDGED), sum(counted[state] for state in MET)
    return {"with_waivers": _score(met + counted["waived"], of), "without_waivers": _score(met, of)}


def _score(met: int, of: int) -> dict[str, Any]:
    return {"met": met, "of": of, "share": met / of if of else None}


def in_force(
    kept: Waivers, entries: Sequence[Mapping[str, Any]], catalogue: Catalogue, today: dt.date, *, whole: bool
) -> list[dict[str, Any]]:
    """Each waiver with what became of it: ``use`` is ``used``, ``unused`` or ``undetermined``.

    Unused is one for which nothing failed in a run of everything (``whole``); what was left out, or could not be
    determined, leaves that open. ``checks`` has the state of each check that it is about. What must pass, or is
    critical, comes first, then what runs out first.
    """
    rows = []
    for waiver in kept.entries:
        requirement = catalogue[waiver.requirement]
        states = {
            each["target"]: each["state"] for each in entries if waiver.about(each["requirement"], each["target"])
        }
        rows.append(
            {
                **waiver.shown(today),
                "expiring": waiver.days_left(today) <= EXPIRING_DAYS,
                "title": requirement.title,
                "title_zh": requirement.title_zh,
                "severity": requirement.severity,
                "must_pass": requirement.must_pass,
                "use": _use(states.values(), whole=whole),
                "checks": states,
            }
        )
    return sorted(rows, key=lambda row: (not weighty(row), row["expires"], row["requirement"], row["subject"]))


def _use(states: Iterable[str], *, whole: bool) -> str:
    found = list(states)
    if "waived" in found:
        return "used"
    return "unused" if whole and all(state in SETTLED for state in found) else "undetermined"


def weighty(of: Mapping[str, Any]) -> bool:
    """Tell whether a waiver, or a check, is about something that must pass or is critical."""
    return bool(of["must_pass"]) or of["severity"] == "critical"


def verdict(base: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """The verdict of a run with what it owes to waivers: ``met under 2 waivers``."""
    used = sum(row["use"] == "used" for row in rows)
    return f"met under {used} waiver{'' if used == 1 else 's'}" if base == "met" and used else base


def is_met(verdict: str) -> bool:
    """Tell whether a verdict is ``met``, under waivers or without any."""
    return verdict == "met" or verdict.startswith("met under ")


def excuse(waiver: Waiver) -> str:
    """Why a failure is waived, in one line."""
    return f"waived until {waiver.expires} by {waiver.approved_by} ({waiver.ticket}): {waiver.reason}"
