"""Rules of restoring: base backups are young and whole, and drills have shown that backups can be restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from opsverify.drills import Comparison, Drill, Kind, derived
from opsverify.judgement import Limit, Limits, Observation, aged, holds, none_of
from opsverify.probes.base_backups import BaseBackup, BaseVerification
from opsverify.rules.archiving import some


def point_in_time_ready(
    bases: Sequence[BaseBackup],
    verified: BaseVerification | None,
    drills: Sequence[Drill],
    limits: Limits,
    now: datetime,
) -> list[Observation]:
    """The newest base backup is young and verifies, and the last drill of the kind reached its moment.

    ``verified`` is of the newest of ``bases``; ``drills`` are the store's, the last one last.
    """
    if not bases or verified is None:
        observations = [holds("base backups", "none found", "at least one", met=False)]
    else:
        newest = bases[-1]
        observations = [
            aged(f"{newest.name} age by name", newest.taken, now, limits.base_age_days),
            holds(
                f"{newest.name} manifest", "there" if newest.manifest else "none", "a backup_manifest", newest.manifest
            ),
            holds(f"{newest.name} against its manifest", verified.problem or "verifies", "verifies", verified.verifies),
        ]
        if verified.made is not None:
            observations.append(aged(f"{newest.name} age by its manifest", verified.made, now, limits.base_age_days))
    return observations + last_drill("point-in-time", drills, limits.drill_age_days, limits.rows_share, now)


def restore_is_tested(
    drills: Sequence[Drill], digests: Mapping[str, str], limits: Limits, now: datetime
) -> list[Observation]:
    """The last restore drill is young, and restored all of a backup of this store.

    ``digests`` is the store's manifest, by file name: the drill has to have restored what the manifest knows.
    """
    observations = last_drill("restore", drills, limits.restore_age_days, limits.rows_share, now)
    found = [each for each in drills if each.kind == "restore"]
    if found:
        backup, known = found[-1].backup, digests.get(found[-1].backup)
        expected = f"as the manifest has it: {known}" if known else "in the manifest of the store"
        observations.append(holds(f"{backup} SHA-256", found[-1].sha256, expected, known == found[-1].sha256))
    return observations


def last_drill(kind: Kind, drills: Sequence[Drill], age: Limit, rows_share: Limit, now: datetime) -> list[Observation]:
    """The last drill of a kind is young and shows, by what it compared, that the backup was restored."""
    found = [each for each in drills if each.kind == kind]
    if not found:
        return [holds(f"{kind} drills on record", "none", "at least one", met=False)]
    last = found[-1]
    outcome = derived(last, rows_share.number)
    failed = [f"{each.name}: {each.observed}, expected {each.expected}" for each in last.checks if not each.met]
    different = [said(each) for each in last.comparisons if not each.met(rows_share.number)]
    return [
        aged(f"last {kind} drill ({last.backup})", last.finished, now, age),
        holds("tables compared", len(last.comparisons), "at least one", bool(last.comparisons)),
        holds("rows restored", last.rows, "at least one", last.rows > 0),
        none_of("tables that were not restored whole", some(different), seen=len(last.comparisons), of="tables"),
        holds("looks at what was restored", len(last.checks), "at least one", bool(last.checks)),
        none_of("findings of the drill", some(failed), seen=len(last.checks), of="looks at what was restored"),
        holds("outcome as recorded", last.outcome, f"{outcome}, as its comparisons show", last.outcome == outcome),
    ]


def said(compared: Comparison) -> str:
    """A comparison in words."""
    rows = [("in the backup", compared.expected), ("restored", compared.restored), ("live, about", compared.live)]
    shown = ", ".join(f"{name} {'none' if count is None else count}" for name, count in rows)
    return f"{compared.table}: {shown}"
