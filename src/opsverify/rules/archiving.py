"""Rules of point-in-time recovery: archiving is set up, it goes on, and the archive has no gap."""

from __future__ import annotations

from datetime import datetime

from opsverify import wal
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, holds, none_of, within
from opsverify.probes import Attempt
from opsverify.probes.archiving import NOT_SEGMENTS, Archive, Archiver, ArchiveSettings
from opsverify.probes.base_backups import BaseBackup
from opsverify.rules.archive_command import problem
from opsverify.rules.statements import complete

EXPECTED = "a program that stores each segment, overwrites none, and fails where it could not"


def set_up(settings: ArchiveSettings, limits: Limits) -> list[Observation]:
    """The server archives, writes enough into its log, and its command or library really stores each segment.

    Raises:
        InsufficientFactsError: what the command does cannot be told, and nothing else is wrong.
    """
    modes, levels = limits.archive_modes.values, limits.wal_levels.values
    seen = [
        holds("archive_mode", settings.mode, f"one of {', '.join(map(str, modes))}", settings.mode in modes),
        holds("wal_level", settings.level, f"one of {', '.join(map(str, levels))}", settings.level in levels),
    ]
    if settings.library:  # stands in place of any command
        return [*seen, holds("archive_library", settings.library, EXPECTED, met=True)]
    lacking = []
    try:
        wrong = problem(settings.command)
        said = f"{settings.command} ({wrong})" if wrong else settings.command
        seen.append(holds("archive_command", said, EXPECTED, not wrong))
    except InsufficientFactsError as error:
        lacking.append(str(error))
    return complete(seen, lacking)


def without_gaps(
    archiver: Archiver,
    archive: Attempt[Archive | None],
    base: BaseBackup | None,
    start: Attempt[wal.Start] | None,
    limits: Limits,
) -> list[Observation]:
    """Archiving did not fail last, nothing waits for long, and the archive leads from the base backup to now.

    ``start`` is that of the newest base backup, ``base``; a folder that is not there is None, one that cannot be read
    has a failure. How old the last archived segment is does not matter: where
    nothing is written, nothing is archived.

    Raises:
        InsufficientFactsError: the server is a standby, or one of them cannot be read, and nothing else is wrong.
    """
    if archiver.position is None:
        raise InsufficientFactsError("the server is a standby, whose archiving is its primary's; name the primary")
    seen = [_last_failure(archiver)]
    seen.append(within("oldest finished segment has waited for", archiver.waiting_seconds, limits.ready_age_seconds))
    lacking = [each.failure for each in (archive, start) if each is not None and each.failure]
    if base is None or start is None:
        seen.append(holds("base backups", "none found", "at least one, for the archive to lead on from", met=False))
    if archive.value is None and not archive.failure:
        seen.append(holds("archive", "no such folder", "there is one", met=False))
    if archive.value and base and start and start.value:
        found, lack = _leads_on(archiver, archive.value, base, start.value)
        seen, lacking = [*seen, *found], [*lacking, *lack]
    return complete(seen, lacking)


def leads_on(archiver: Archiver, archive: Archive, base: BaseBackup, start: wal.Start) -> list[Observation]:
    """The archive holds every segment in full size, from a base backup's start to the one that was archived last.

    Raises:
        InsufficientFactsError: it cannot be read, or ends before the base backup, and nothing else is wrong.
    """
    return complete(*_leads_on(archiver, archive, base, start))


def _last_failure(archiver: Archiver) -> Observation:
    expected = "none since the last success"
    if archiver.failed_at is None:
        return holds("last failed archiving", "none", expected, met=True)
    recovered = archiver.archived_at is not None and archiver.archived_at >= archiver.failed_at
    since = f"; last success {_at(archiver.archived_at)}" if archiver.archived_at else "; no success"
    return holds("last failed archiving", f"{archiver.failed} {_at(archiver.failed_at)}{since}", expected, recovered)


def _at(moment: datetime | None) -> str:
    return f"at {moment:%Y-%m-%d %H:%M:%S %Z}" if moment else "never"


def last_archived(archiver: Archiver, archive: Archive, start: wal.Start) -> wal.Segment:
    """The segment up to which the archive has to lead.

    That which was archived last. Where the last thing was none (a timeline's history), or ends before the base backup
    starts (a server that went down archives a segment once more whose mark it lost), it is the newest that lies there
    whole; where nothing was (the counters were reset, or it never worked), the last one that was finished.
    """
    size = archiver.segment_size
    name = archiver.archived or ""
    found = wal.segment(name.partition(".")[0] if name.endswith(".backup") else name, size)
    if found is not None and found.number >= start.position // size:
        return found
    if archiver.archived is None:
        finished = (archiver.position or 0) // size - 1 - archiver.waiting
        return wal.Segment(start.timeline, finished)
    there = [each for each in (wal.segment(name, size) for name in archive.files) if each]
    if found is not None:  # of its timeline; what is longer or shorter may be in the course of being copied
        whole = [each for each in there if archive.files[wal.name_of(each, size)] == size]
        there = [each for each in whole if each.timeline == found.timeline]
    return max(there, key=lambda each: (each.timeline, each.number), default=found or wal.Segment(start.timeline, 0))


def _leads_on(
    archiver: Archiver, archive: Archive, base: BaseBackup, start: wal.Start
) -> tuple[list[Observation], list[str]]:
    """What is observed of the way from the base backup on, and what there is too little of."""
    name, unread = archiver.archived, _otherwise(archive)
    seen: list[Observation] = []
    if name is not None:
        there = name in archive.files or name in unread or bool(archive.others)
        seen.append(holds("last archived", name, "it lies in the archive", there))
    end = last_archived(archiver, archive, start)
    history = archive.histories.get(end.timeline, ())
    if not wal.lies_on(start, end.timeline, history):
        observed = f"starts on timeline {start.timeline}; the archive has gone on to timeline {end.timeline}"
        expected = f"a {end.timeline:08X}.history in the archive that leads from the one to the other"
        return [*seen, holds(f"base backup {base.name}", observed, expected, met=False)], []
    wanted = wal.leading(start, end, history, archiver.segment_size)
    if not wanted:
        early = f"the archive ends before base backup {base.name} starts ({start.segment})"
        return seen, [f"{early}, so it leads nowhere from there yet"]
    missing = [each for each in wanted if each not in archive.files and each not in unread]
    if missing and archive.others and not any(wal.SEGMENT.match(each) for each in archive.files):
        foreign = ", ".join(archive.others[:3])
        return seen, [f"{archive.folder} holds {foreign} and no segments: it is another archiver's"]
    compressed = [unread[each] for each in wanted if each in unread and each not in archive.files]
    short = [
        f"{each} ({archive.files[each]} bytes)"
        for each in wanted
        if archive.files.get(each, archiver.segment_size) != archiver.segment_size
    ]
    span, size = f"{wanted[0]} to {wanted[-1]}", archiver.segment_size
    seen += [
        none_of(f"missing of {span}", some(missing), seen=len(wanted), of="segments"),
        none_of(f"not {size} bytes long, of {span}", some(short), seen=len(wanted) - len(missing), of="segments"),
    ]
    shown = f"segments are there in a form that shows nothing of them, such as {''.join(compressed[:1])}"
    return seen, [shown] if compressed else []


def _otherwise(archive: Archive) -> dict[str, str]:
    """The files that hold a segment compressed, or under another archiver's name, by the segment's name."""
    found = sorted(each for each in archive.files if len(each) > 24 and not each.endswith(NOT_SEGMENTS))
    return {each[:24]: each for each in found if wal.SEGMENT.match(each[:24])}


def some(names: list[str], most: int = 10) -> list[str]:
    """The first of these names, and how many more there are."""
    return names if len(names) <= most else [*names[:most], f"and {len(names) - most} more"]
