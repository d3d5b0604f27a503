"""Rules of the chapter *backup*: the newest dump is young and whole, and every day has a backup that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import CLOCK_TOLERANCE, Limits, Observation, aged, holds, within
from opsverify.probes import Attempt
from opsverify.probes.archives import StoredFile
from opsverify.probes.base_backups import BaseVerification
from opsverify.probes.verification import Verification
from opsverify.rules.statements import complete


def dumps(files: Sequence[StoredFile]) -> list[StoredFile]:
    """The database dumps among the files of a store, oldest first by the time in their names."""
    return sorted((each for each in files if each.named), key=lambda each: (str(each.named), each.name))


def newest_is_recent(files: Sequence[StoredFile], limits: Limits, now: datetime) -> list[Observation]:
    """The newest dump is young by its name *and* by its mtime, and no smaller than its predecessors suggest.

    Those are of its own format, where there are enough of it.
    """
    found = dumps(files)
    if not found:
        return [holds("dumps", "none found", "at least one", met=False)]
    newest = found[-1]
    named = newest.named or now
    wanted = int(limits.median_of.number)
    alike = [each for each in found if each.custom == newest.custom]
    compared = [each.size for each in (alike if len(alike) >= wanted else found)[-wanted:]]
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


def dumps_are_whole(
    verified: Sequence[Verification], base: Attempt[BaseVerification] | None, limits: Limits
) -> list[Observation]:
    """Each of the newest dumps reads to its end as its format demands, and is as it was written.

    So does the newest base backup, by its own manifest; None where the store has none.

    Raises:
        InsufficientFactsError: one of them could not be read, and nothing is wrong with the others.
    """
    observations = [within("newest dumps read in full", len(verified), limits.verified_newest)]
    lacking = []
    for each in verified:
        if each.unanswered:
            lacking.append(each.unanswered)
            continue
        expected = each.manifest or "in the manifest"
        observations += [
            holds(f"{each.name} as its format demands", each.problem or "whole", "whole", not each.problem),
            holds(f"{each.name} SHA-256", each.digest, expected, each.digest == each.manifest),
        ]
    if base is not None:
        if base.value is None:
            lacking.append(base.failure)
        else:
            problem = base.value.problem
            name = f"{base.value.name} by pg_verifybackup, its write-ahead log apart"
            observations.append(holds(name, problem or "verifies", "verifies", not problem))
    return complete(observations, lacking)


def day_of(moment: datetime, zone: str) -> date:
    """The day on which a moment falls in a zone."""
    return moment.astimezone(UTC if zone == "UTC" else ZoneInfo(zone)).date()


def days_to_cover(zone: str, since: date | None, limits: Limits, now: datetime) -> list[date]:
    """The last complete days in the store's zone, oldest first, as many as are to be kept; none of before ``since``."""
    today = day_of(now, zone)
    days = [today - timedelta(days=back) for back in range(int(limits.retention_days.number), 0, -1)]
    return [each for each in days if since is None or each >= since]


def every_day_is_covered(
    verified: Sequence[Verification],
    days: Sequence[date],
    zone: str,
    limits: Limits,
    now: datetime,
    malformed: Sequence[int] = (),
) -> list[Observation]:
    """Each day has as many verified backups as it has to, by the times in their names.

    ``malformed`` are the lines of the ledger that are no verdicts: what they were about was read again.

    Raises:
        InsufficientFactsError: there is no day to judge yet; or a day would have too few, but for dumps that could not
            be read, and no other day is short.
    """
    if not days:
        raise InsufficientFactsError("the service is younger than a whole day, so there is no day to judge")
    good = _by_day((each for each in verified if each.verified), zone)
    unread = _by_day((each for each in verified if each.unanswered), zone)
    wanted = limits.backups_per_day.number
    short = [day for day in days if len(good.get(day, ())) < wanted]
    missing = [day for day in short if len(good.get(day, ())) + len(unread.get(day, ())) < wanted]
    seen = f"none of {len(days)} days, {days[0]} to {days[-1]} in {zone}"
    observations = [
        Observation(
            "days with too few verified backups",
            tuple(map(str, missing)) or seen,
            f"none; {limits.backups_per_day} a day",
            not missing,
        ),
        *_how_verified(verified, limits, now, malformed),
    ]
    return complete(observations, [each.unanswered for day in short for each in unread.get(day, ())])


def _by_day(verified: Iterable[Verification], zone: str) -> dict[date, list[Verification]]:
    found: dict[date, list[Verification]] = {}
    for each in verified:
        if each.dump.named is not None:
            found.setdefault(day_of(each.dump.named, zone), []).append(each)
    return found


def _how_verified(
    verified: Sequence[Verification], limits: Limits, now: datetime, malformed: Sequence[int]
) -> list[Observation]:
    taken_over = [each for each in verified if each.taken_over]
    read = len(verified) - len(taken_over)
    broken = [f"{each.name}: {_against(each)}" for each in verified if not each.verified]
    observations = [
        holds(
            "backups verified",
            f"{read} read now, {len(taken_over)} unchanged since an earlier run read them",
            "each read in full, now or since it changed last",
            met=True,
        )
    ]
    if taken_over:
        oldest = min(each.read for each in taken_over)
        observations.append(aged("oldest verdict of an earlier run", oldest, now, limits.reread_after_days))
    if malformed:
        lines = f"no verdicts in {'line' if len(malformed) == 1 else 'lines'} {', '.join(map(str, malformed))}"
        observations.append(holds("ledger of earlier runs", lines, "what they were about is read again", met=True))
    if broken:
        observations.append(Observation("backups that do not count", tuple(broken), "not the only ones of a day", True))
    return observations


def _against(each: Verification) -> str:
    """What speaks against a backup, in words."""
    differs = "in no manifest" if each.manifest is None else "not what the manifest says"
    return each.unanswered or each.problem or differs
