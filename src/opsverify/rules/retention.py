"""Rules of the chapter *backup*: logs are there for every day, and nothing deletes logs or backups too early."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import isinf

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, holds, none_of, within
from opsverify.probes.deleters import Deleters
from opsverify.probes.log_days import LogDays
from opsverify.shell.deletions import Deleter


def days_to_judge(days: int, since: date | None, now: datetime) -> list[date]:
    """The last so many complete UTC days, but none before ``since``.

    Raises:
        InsufficientFactsError: there is no such day yet.
    """
    today = now.astimezone(UTC).date()
    found = [today - timedelta(days=back) for back in range(days, 0, -1)]
    found = [day for day in found if since is None or day >= since]
    if not found:
        raise InsufficientFactsError(f"there is no complete day since {since} yet, so there is nothing to judge by")
    return found


def logs_of_every_day(
    logs: LogDays, level: str, since: date | None, limits: Limits, now: datetime
) -> list[Observation]:
    """The logs hold entries of each day, and among them entries of the level that makes them detailed.

    Raises:
        InsufficientFactsError: there is no complete day yet, or a day is lacking that may be in what cannot be read.
    """
    days = days_to_judge(int(limits.retention_days.number), since, now)
    lacking = [day.isoformat() for day in days if not limits.documents.met(logs.entries.get(day, 0))]
    bare = [
        day.isoformat()
        for day in days
        if day.isoformat() not in lacking and not limits.documents.met(logs.detailed.get(day, 0))
    ]
    if logs.unread and (lacking or bare):
        raise InsufficientFactsError(
            f"no entries of {', '.join((lacking + bare)[:5])} can be seen, but not everything could be read: "
            f"{', '.join(logs.unread[:5])}"
        )
    if not logs.entries and logs.undecoded:
        raise InsufficientFactsError(
            f"none of {logs.undecoded} lines has timestamp (with Z) and level where a JSON line of a log has them"
        )
    judged = [logs.entries.get(day, 0) for day in days]
    told = f"{len(days)} days from {days[0]}" + (f", the service began on {since}" if since else "")
    return [
        none_of(f"days without entries ({told})", lacking, seen=len(days), of="days"),
        none_of(f"days with entries, but without any of level {level}", bare, seen=len(days), of="days"),
        within("fewest entries of a day", min(judged), limits.documents),
        holds(
            "what was read",
            f"{sum(logs.entries.values())} entries in {logs.sources} {logs.of}, {logs.undecoded} lines not understood",
            "at least one entry",
            bool(logs.entries),
        ),
    ]


def nothing_deletes_too_early(found: Deleters, limits: Limits) -> list[Observation]:
    """Whatever deletes leaves things alone for long enough; by number or size alone it guarantees nothing.

    Raises:
        InsufficientFactsError: something may delete too early, and it cannot be told whether it does.
    """
    limit = limits.retention_days

    def enough(each: Deleter) -> bool:
        return each.keeps_days is not None and limit.met(each.keeps_days)

    observations = [
        Observation(f"{each.where}: {each.what}", _kept(each), str(limit), enough(each), limit.unit, limit.worse)
        for each in found.found
        if enough(each) or not each.doubt
    ]
    doubted = [each for each in found.found if each.doubt and not enough(each)]
    if doubted and all(each.met for each in observations):
        raise InsufficientFactsError(
            f"it cannot be told what is deleted: {'; '.join(f'{d.where}: {d.what}: {d.doubt}' for d in doubted[:5])}"
            + (f" and {len(doubted) - 5} more" if len(doubted) > 5 else "")
        )
    if not sum(found.seen.values()):
        raise InsufficientFactsError("nothing that may delete could be looked through")
    looked = ", ".join(f"{count} {kind}" for kind, count in found.seen.items())
    told = f"{len(found.found)} that delete here, {found.elsewhere} elsewhere, among {looked}"
    return [*observations, holds("looked through", told, "all sources read", met=True)]


def _kept(each: Deleter) -> float | str:
    if each.keeps_days is None:
        return "no age in days"
    return "for ever" if isinf(each.keeps_days) else round(each.keeps_days, 3)
