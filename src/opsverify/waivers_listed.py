"""`opsverify waivers lint`: the waivers of a profile, validated as a run validates them, as a table for a terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from opsverify import documents
from opsverify.catalogue import Catalogue
from opsverify.documents import Project
from opsverify.terminal import pad, width
from opsverify.texts import number, visible
from opsverify.waivers import EVERY, EXPIRING_DAYS, Waiver, running_out

HEAD = ("DAYS LEFT", "HOLDS UNTIL", "REQUIREMENT", "SUBJECT", "SEVERITY", "TICKET", "APPROVED BY", "REASON")
LONGEST = dt.timedelta.max.days


def everything(project: Project, today: dt.date) -> str:
    """All waivers, the next to run out first, and how many run out soon or are about what matters most.

    Raises:
        UsageError: one line with file and key for whatever is not in order.
    """
    kept = documents.waived(project.documents, project.loaded, project.catalogue, today)
    file = project.documents.shown("waivers")
    if not kept.entries:
        return f"{file}: {'no waivers' if kept.file else 'no such file, so nothing is waived'}"
    soon = len(running_out(kept.entries, EXPIRING_DAYS, today))
    heavy = sum(_weight(each, project.catalogue) != "" for each in kept.entries)
    said = [f"{file}: {number(len(kept.entries), 'waiver')}, each in order"]
    said += [f"{number(soon, 'waiver')} to run out within {EXPIRING_DAYS} days"] if soon else []
    said += [f"{heavy} of what must pass or is critical"] if heavy else []
    return f"{_table(running_out(kept.entries, LONGEST, today), project.catalogue, today)}\n{'; '.join(said)}"


def due(project: Project, within: int, today: dt.date) -> str:
    """The waivers that run out within so many days; nothing where there are none.

    Raises:
        UsageError: as `everything`.
    """
    kept = documents.waived(project.documents, project.loaded, project.catalogue, today)
    rows = running_out(kept.entries, within, today)
    return _table(rows, project.catalogue, today) if rows else ""


def _weight(waiver: Waiver, catalogue: Catalogue) -> str:
    requirement = catalogue[waiver.requirement]
    if requirement.must_pass:
        return f"{requirement.severity}, must pass"
    return "critical" if requirement.severity == "critical" else ""


def _table(rows: Iterable[Waiver], catalogue: Catalogue, today: dt.date) -> str:
    cells = [HEAD]
    for each in rows:
        cells.append(
            (
                str(each.days_left(today)),
                str(each.expires),
                each.requirement,
                f"{EVERY} (every target)" if each.subject == EVERY else each.subject,
                _weight(each, catalogue) or catalogue[each.requirement].severity,
                _line(each.ticket),
                _line(each.approved_by),
                _line(each.reason),
            )
        )
    widths = [max(width(row[column]) for row in cells) for column in range(len(HEAD) - 1)]
    return "\n".join(
        "  ".join([*(pad(cell, columns) for cell, columns in zip(row[:-1], widths, strict=True)), row[-1]])
        for row in cells
    )


def _line(text: str) -> str:
    return visible(" ".join(text.split()))
