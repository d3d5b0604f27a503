"""Rules of the chapter *backup*: the newest dump is young and whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median

from opsverify.judgement import CLOCK_TOLERANCE, Limits, Observation, aged, holds, within
from opsverify.probes.archives import DumpVerification, StoredFile


def dumps(files: Sequence[StoredFile]) -> list[StoredFile]:
    """The database dumps among the files of a store, oldest first by the time in their names."""
    return sorted((each for each in files if each.named), key=lambda each: (str(each.named), each.name))


def newest_is_recent(files: Sequence[StoredFile], limits: Limits, now: datetime) -> list[Observation]:
    """The newest dump is young by its name *and* by its mtime, and no smaller than its predecessors suggest."""
    found = dumps(files)
    if not found:
        return [holds("dumps", "none found", "at least one", met=False)]
    newest = found[-1]
    named = newest.named or now
    compared = [each.size for each in found[-int(limits.median_of.number) :]]
    usual = median(compared)
    observations = [
        aged(f"{newest.name} age by name", named, now, limits.age_hours),
        aged(f"{newest.name} age by mtime", newest.modified, now, limits.age_hours),
        holds(
            "its name lies",
            f"{named:%Y-%m-%d %H:%M} UTC, read as a time in {newest.zone}",
            "not in the future",
            named <= now + CLOCK_TOLERANCE,
        ),
        within("dumps to compare with", len(compared), limits.median_of),
    ]
    if usual <= 0:
        return [*observations, holds("median size", usual, "more than 0 bytes", met=False)]
    return [*observations, within("its size against the median", newest.size / usual, limits.size_share)]


def dumps_are_whole(verified: Sequence[DumpVerification], limits: Limits) -> list[Observation]:
    """Each of the newest dumps decompresses to its end, carries pg_dump's last word, and is as it was written."""
    observations = [within("newest dumps read in full", len(verified), limits.verified_newest)]
    for each in verified:
        expected = each.manifest or "in the manifest"
        observations += [
            holds(f"{each.name} decompresses", each.decompresses, "yes", each.decompresses),
            holds(f"{each.name} ends as a complete dump", each.complete, "yes", each.complete),
            holds(f"{each.name} SHA-256", each.digest, expected, each.digest == each.manifest),
        ]
    return observations
