"""Cases of the files that people keep, and of the name server that knows who takes their mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, together

PHONE = '"+49 30 23125 042"'
MAILS = ("CON-MAIL-01-program", "CON-MAIL-02-program", "CON-MAIL-03-program")
DUTY = tuple(f"CON-DUTY-0{each}-program" for each in (1, 2, 3))
# What rests on the roster.
ROSTER = (*MAILS, "CON-PHONE-01-program", *(f"CON-TEAM-0{each}-program" for each in (1, 2, 3)), *DUTY)
LEVELS = tuple(f"CON-ESC-0{each}-program" for each in (1, 2, 3, 4))
MANAGER = 'roles = ["operations-manager", "engineer"]'
JOHN_DOE = """
[[people]]
name = "John Doe"
roles = ["operations-manager"]
mail = "john.doe@tokenswap.io"
"""

SECOND = """
[[shifts]]
person = "Henrik Sommer"
duty = "emergency"
from = {}T12:00:00
to = {}T12:00:00
"""

Injected = AbstractContextManager[Any]


def day(offset: int) -> str:
    """A day from today, as TOML writes it."""
    return f"{datetime.now(UTC) + timedelta(days=offset):%Y-%m-%d}"


def roster(old: str, new: str) -> Injected:
    """Something in the roster is written otherwise."""
    return faults.document("roster.toml", lambda text: text.replace(old, new))


def attestation(requirement: str, change: Callable[[str], str] | None) -> Injected:
    """One attestation says something else, or (None) was never made."""

    def changed(text: str) -> str:
        head, *entries = text.split("[[attestation]]")
        kept = [head]
        for each in entries:
            named = f'requirement = "{requirement}"' in each
            kept += [] if named and change is None else [change(each) if named and change else each]
        return "[[attestation]]".join(kept)

    return faults.document("attestations.toml", changed)


def nobody(duty: str) -> Injected:
    """The shifts of a kind that begin in the next days are not taken by anyone."""

    def changed(text: str) -> str:
        head, *entries = text.split("[[shifts]]")
        begins = [(re.findall(r"from = (\S+)T", each)[0], each) for each in entries]
        gone = [each for begin, each in begins if f'duty = "{duty}"' in each and day(0) < begin <= day(8)]
        return "[[shifts]]".join([head, *(each for each in entries if each not in gone)])

    return faults.document("roster.toml", changed)


def dated(offset: int, valid_for: str) -> Callable[[str], str]:
    """An attestation of another day."""
    return lambda entry: re.sub(
        r'valid_for = "\d+d"', f'valid_for = "{valid_for}"', re.sub(r"date = \S+", f"date = {day(offset)}", entry)
    )


def people(name: str, inject: Callable[[], Injected], *red: str, state: str = "fail") -> Fault:
    """A fault that only these checks can see."""
    return Fault(name, inject, dict.fromkeys(red, state), lane="documents")


FAULTS = [
    people("nobody is on emergency duty next week", lambda: nobody("emergency"), "CON-DUTY-02-program"),
    people(
        "nobody is on duty at all next week",
        lambda: together(nobody("emergency"), nobody("weekday")),
        *DUTY[:2],
    ),
    # One document each, and each wrong in a way that its own requirement has to tell.
    people(
        "one person for all weeks, no third level, the manual's telephone, John Doe, another address",
        lambda: together(
            faults.document("roster.toml", lambda text: re.sub(r'person = "[^"]+"', 'person = "Aylin Demir"', text)),
            roster('[[escalation]]\nlevel = 3\nroles = ["architect", "technical-lead"]\n', ""),
            roster(PHONE, '"+1-555-0123"'),
            faults.document("roster.toml", lambda text: text.replace(MANAGER, 'roles = ["engineer"]') + JOHN_DOE),
            roster('"ops@', '"operations@'),
        ),
        DUTY[2],
        LEVELS[2],
        "CON-PHONE-01-program",
        "CON-TEAM-01-program",
        MAILS[0],
    ),
    people(
        "the CTO for everything, a telephone of films, a drill too long ago, an attestation run out, one changed",
        lambda: together(
            roster("severe_only = true", "severe_only = false"),
            roster(PHONE, '"+1 212 555 0123"'),
            attestation("CON-MAIL-02", dated(-91, "120d")),
            attestation("CON-TEAM-03", dated(-31, "30d")),
            faults.document("evidence/CON-TEAM-02.md", lambda text: text + "and more\n"),
        ),
        LEVELS[3],
        "CON-PHONE-01-program",
        MAILS[1],
        "CON-TEAM-03-program",
        "CON-TEAM-02-program",
    ),
    people(
        "an attestation is missing, and another's artefact",
        lambda: together(attestation("CON-PHONE-01", None), faults.document_gone("evidence/CON-MAIL-03.md")),
        "CON-PHONE-01-program",
        MAILS[2],
    ),
    people("no server takes the domain's mail", faults.no_mail, *MAILS),
    people("the name server is down", lambda: faults.stopped("dns"), *MAILS, state="error"),
    people(
        "the roster has run out",
        lambda: faults.document("roster.toml", lambda text: re.sub(r"date = \S+", f"date = {day(-31)}", text, count=1)),
        *ROSTER,
        *LEVELS,
    ),
    Fault(
        "there is no roster",
        lambda: faults.document_gone("roster.toml"),
        {
            **dict.fromkeys((*ROSTER, *LEVELS), "error"),
            **dict.fromkeys(("CON-PHONE-01-program", *DUTY), "fail"),
        },
        lane="documents",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "two people share a shift, one hands over in the middle of it",
        lambda: faults.document(
            "roster.toml", lambda text: text + SECOND.format(day(1), day(2)) + SECOND.format(day(2), day(3))
        ),
        ("CON-DUTY", "CON-ESC"),
        lane="documents",
    ),
    NearMiss(
        "a drill 90 days ago, an attestation that runs out today, a telephone written otherwise",
        lambda: together(
            attestation("CON-MAIL-02", dated(-90, "120d")),
            attestation("CON-TEAM-03", dated(-30, "30d")),
            roster(PHONE, '"+49 (0)30 23125-042"'),
        ),
        ("CON-MAIL", "CON-TEAM", "CON-PHONE"),
        lane="documents",
    ),
]
