"""What deletes in a journal: journald by its own settings, and ``journalctl --vacuum-…`` of commands that are run.

journald deletes whole files: one goes when the *first* entry in it is older than MaxRetentionSec, and the newest entry
in it may be younger by MaxFileSec, after which a file is ended. So only the difference of the two is kept for certain
(seen with journald 252: of 24 s and 12 s, twelve were left). The same holds for ``--vacuum-time``.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from math import inf, isinf

from opsverify.errors import UnansweredError
from opsverify.probes.deleters import Deleters, in_folders
from opsverify.probes.journals import CONFIGURATION, Journal
from opsverify.probes.named_finds import that_may_match
from opsverify.probes.schedules import Schedule
from opsverify.probes.systemd_units import DAY, parse_span
from opsverify.shell.deletions import Deleter, not_followed
from opsverify.shell.facts import Followed
from opsverify.shell.values import ANY, known, shown

MONTH = "1month"  # MaxFileSec, unless it is set
# Names of files as journald begins them: an archived one, that of a user, and one that was not ended well.
NAMES = ("system@0-1-2.journal", "user-1000.journal", "user-1000@0-1-2.journal", "system@0-1.journal~")


def of_journal(schedule: Schedule, journal: Journal) -> Deleters:
    """All that deletes in a journal: what deletes files in its folder, journald, and vacuuming commands.

    Not its bound by size, which every journal has (`rules.journal`).
    """
    followed = that_may_match(schedule.followed, [*journal.folders, *journal.files], NAMES)
    in_folder = in_folders(replace(schedule, followed=followed), journal.folders)
    vacuumed, elsewhere = vacuums(schedule.followed, journal)
    found = (*in_folder.found, *_by_journald(journal), *vacuumed)
    seen = {**in_folder.seen, "settings of journald": len(journal.settings)}
    return Deleters(tuple(dict.fromkeys(found)), in_folder.elsewhere + elsewhere, seen)


def _by_journald(journal: Journal) -> list[Deleter]:
    found = []
    if not journal.persistent:
        place = f"{journal.filesystem or 'no folder'} at /var/log/journal"
        found.append(Deleter(CONFIGURATION, f"{journal.shown('Storage')}, {place}: gone with a restart", 0.0))
    span = journal.span("MaxRetentionSec", "0") or inf
    what = journal.shown("MaxRetentionSec")
    if not isinf(span):
        what = f"{journal.shown('MaxRetentionSec', 'MaxFileSec')} (the age less the span of a file)"
    where = journal.settings["MaxRetentionSec"].where if "MaxRetentionSec" in journal.settings else CONFIGURATION
    return [*found, Deleter(where, what, _kept(span, journal))]


def _kept(span: float, journal: Journal) -> float | None:
    """Days that are left for certain where files are deleted whose first entry is older than a span in seconds."""
    of_a_file = journal.span("MaxFileSec", MONTH) or inf  # 0: a file ends by its size alone
    if isinf(span):
        return inf
    return None if isinf(of_a_file) else max(span - of_a_file, 0.0) / DAY


def vacuums(followed: Followed, journal: Journal) -> tuple[tuple[Deleter, ...], int]:
    """What of the commands vacuums a journal, and how many ask journalctl for something else.

    What could not be followed is doubted.
    """
    found: list[Deleter] = []
    elsewhere = 0
    for where, way in followed.ways():
        at = next((i for i, each in enumerate(way) if posixpath.basename(each) == "journalctl"), None)
        if at is not None:
            deleters = _vacuum(where, way[at:], journal)
            elsewhere += not deleters
            found += deleters
    return tuple(dict.fromkeys((*found, *not_followed(followed)))), elsewhere


def _vacuum(where: str, way: tuple[str, ...], journal: Journal) -> list[Deleter]:
    what, found = shown(" ".join(way)), []
    for index, word in enumerate(way[1:], 1):
        _, given, value = word.partition("=")
        if word.startswith(ANY) and not way[index - 1].startswith("-"):
            found.append(Deleter(where, what, None, "which options it is given cannot be told"))
        elif word.startswith("--vacuum-t"):
            found.append(_by_age(where, what, value if given else "".join(way[index + 1 : index + 2]), journal))
        elif word.startswith("--va"):  # by size or by number of files; options may be cut short
            found.append(Deleter(where, what, None))
    return found


def _by_age(where: str, what: str, value: str, journal: Journal) -> Deleter:
    if not known(value):
        return Deleter(where, what, None, "the age that it keeps cannot be told")
    try:
        return Deleter(where, what, _kept(parse_span(value) or inf, journal))
    except UnansweredError as error:
        return Deleter(where, what, None, str(error))
