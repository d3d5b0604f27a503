"""Rules of the chapter *backup*: a journal is kept for long enough, though it is bounded by size as well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from opsverify.judgement import Limits, Observation, holds
from opsverify.probes.deleters import Deleters
from opsverify.probes.journals import Journal
from opsverify.rules.retention import days_to_judge, nothing_deletes_too_early
from opsverify.shell.deletions import Deleter

BEGUN = 0.75  # of what it may use: journald deletes whole files, each an eighth of that at most unless told otherwise
MIB = 1024.0**2
BOUNDS = ("SystemMaxUse", "SystemKeepFree", "SystemMaxFileSize", "SystemMaxFiles")


def journal_deletes_nothing_too_early(
    journal: Journal, found: Deleters, since: date | None, limits: Limits, now: datetime
) -> list[Observation]:
    """Whatever deletes in a journal by age, by hand or at a restart keeps it long enough, and its size has not cut in.

    A journal cannot be had without a bound by size, so the bound alone is no finding as it is for files: nobody could
    mend that. It is one as soon as it has deleted what was to be kept: the journal uses nearly what it may, and
    the program's oldest entry is younger than the days that are asked for. Until then it is shown how far it is.

    Raises:
        InsufficientFactsError: something may delete too early, and it cannot be told whether it does.
    """
    first = days_to_judge(int(limits.retention_days.number), since, now)[0]
    told = (
        f"{journal.used / MIB:.1f} of {journal.limit / MIB:.1f} MiB used, {len(journal.files)} files, "
        f"oldest entry {f'{journal.oldest:%Y-%m-%d %H:%M} UTC' if journal.oldest else 'none'}"
    )
    bound = f"the bound by size ({journal.shown(*BOUNDS)})"
    cut = journal.oldest is None or journal.oldest.astimezone(UTC).date() > first
    if journal.persistent and _begun(journal) and cut:
        age = (now - journal.oldest).total_seconds() / 86400 if journal.oldest else None
        by_size = Deleter("journald", f"{bound} has begun to delete: {told}", age)
        return nothing_deletes_too_early(replace(found, found=(*found.found, by_size)), limits)
    return [
        *nothing_deletes_too_early(found, limits),
        holds(bound, told, f"full only with entries of {first} or earlier", met=True),
    ]


def _begun(journal: Journal) -> bool:
    """Whether the journal is so large, or of so many files, that its bounds may have deleted already."""
    a_file = journal.bytes("SystemMaxFileSize", 0)
    most_files = journal.bytes("SystemMaxFiles", 100)
    return journal.used >= min(journal.limit * BEGUN, journal.limit - a_file) or 0 < most_files <= len(journal.files)
