"""A restore drill: the newest dump of a store is restored into an empty server of its own, and counted."""

from __future__ import annotations

import gzip
import shlex
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import IO

from opsverify import cluster as clusters
from opsverify import dumps, stores
from opsverify.channels.scratch import ProgramFailedError, Scratch
from opsverify.channels.shell import Host
from opsverify.channels.sql import SqlChannel
from opsverify.cluster import DATABASE, Cluster
from opsverify.drills import Comparison, Looked
from opsverify.dumps import DumpText, Table
from opsverify.errors import UnansweredError
from opsverify.probes import archives
from opsverify.probes.drills import Live, live
from opsverify.rules import backup
from opsverify.rules.archiving import some

RESERVE = 256 * 1024 * 1024  # bytes that are left free beside what a drill needs
PAGES = "pages and indexes, by pg_amcheck"
FIRST_WITH_AMCHECK = 14
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What a drill works on: a store on its host, the live database that is backed up there, and a scratch place.

    ``fetched`` is an empty folder of this machine; ``say`` tells a person how it goes on.
    """

    store: stores.Backups
    host: Host
    database: SqlChannel
    scratch: Scratch
    fetched: Path
    say: Say


@dataclass
class Report:
    """What a drill saw, as it goes on."""

    backup: str
    sha256: str
    server: str = ""
    target_time: datetime | None = None
    comparisons: list[Comparison] = field(default_factory=list)
    checks: list[Looked] = field(default_factory=list)

    def look(self, name: str, observed: str, expected: str, met: bool) -> bool:
        """Write down a look at something; whether it was as expected."""
        self.checks.append(Looked(name=name, observed=observed, expected=expected, met=met))
        return met


def restore(job: Job, wanted: str | None = None) -> Report:
    """Restore a dump (the newest unless ``wanted`` names another) and compare what came out of it.

    Raises:
        UnansweredError: it cannot be told, for a reason that is not the dump's.
    """
    dump = _dump(job, wanted)
    known = archives.manifest(job.host, job.store.manifest).get(dump.name)
    there = live(job.database)
    room(job, 2 * dump.size, 2 * there.size + dump.size)
    job.say(f"fetching {dump.name}, {dump.size:,} bytes")
    path = job.fetched / "dump"
    question = shlex.join(["cat", "--", dump.path])
    digest = job.host.channel.download(question, path, dump.size, job.store.timeout_s)
    report = Report(dump.name, digest, clusters.versions(job.scratch).said)
    expected = f"as the manifest has it: {known}" if known else "in the manifest of the store"
    if not report.look("SHA-256 of the dump", digest, expected, digest == known):
        return report
    custom = not dump.name.endswith(".sql.gz")
    job.say("reading it to its end")
    text = _text_of_custom(job, path, report) if custom else _text_of_plain(path, report)
    if text is None or not _is_whole(job, text, report):
        return report
    job.say(f"restoring {sum(text.rows.values()):,} rows of {len(text.rows)} tables")
    cluster = Cluster(job.scratch)
    cluster.create()
    cluster.make_roles(text.kept_apart)
    if _fill_from_custom(job, cluster, report) if custom else _fill_from_plain(job, cluster, path, text, report):
        look_at(job, cluster, DATABASE, text.rows, there, report)
    return report


def _dump(job: Job, wanted: str | None) -> archives.StoredFile:
    found = backup.dumps(archives.files(job.host, job.store.database, job.store.timezone))
    if wanted is not None:
        found = [each for each in found if each.name == wanted]
    if not found:
        what = f"no dump {wanted}" if wanted else "no dump"
        raise UnansweredError(f"store {job.store.name}: there is {what} in {job.store.database}")
    return found[-1]


def room(job: Job, here: int, there: int) -> None:
    """That there is room for so many bytes on this machine, and in the scratch place; they may be one disk.

    Raises:
        UnansweredError: there is not.
    """
    needed = here + there + RESERVE
    for where, free in (("this machine", shutil.disk_usage(job.fetched).free), ("scratch place", job.scratch.free())):
        if free < needed:
            raise UnansweredError(f"the {where} has {free:,} bytes left, a drill needs {needed:,}")


def _text_of_plain(path: Path, report: Report) -> DumpText | None:
    try:
        with gzip.open(path) as lines:
            return dumps.read(lines)
    except (OSError, EOFError, zlib.error) as error:
        report.look("the dump decompresses to its end", str(error), "yes", met=False)
        return None


def _text_of_custom(job: Job, path: Path, report: Report) -> DumpText | None:
    with path.open("rb") as file:
        job.scratch.run("dd", f"of={job.scratch.folder}/dump", "status=none", feed=_copy_of(file), shown="the dump")
    try:
        return job.scratch.read("pg_restore", "-f", "-", f"{job.scratch.folder}/dump", by=dumps.read)
    except ProgramFailedError as error:
        if "unsupported version" in str(error):
            raise UnansweredError(f"scratch: pg_restore is older than the dump: {error}") from None
        report.look("pg_restore reads the dump to its end", str(error), "yes", met=False)
        return None


def _is_whole(job: Job, text: DumpText, report: Report) -> bool:
    """Whether it makes sense to restore it."""
    said = "yes" if text.complete else f"no, it ends in the rows of {text.cut}" if text.cut else "no"
    if not report.look("the dump ends as a complete one", said, "yes", text.complete):
        return False
    found = clusters.versions(job.scratch)
    if text.major is not None and text.major > found.major:
        raise UnansweredError(f"scratch: PostgreSQL {found.said} is older than the dump, which is of {text.major}")
    if text.connects:
        raise UnansweredError("the dump names the database to restore to; drills take one made without --create")
    return True


def _fill_from_plain(job: Job, cluster: Cluster, path: Path, text: DumpText, report: Report) -> bool:
    clusters.safe_to_feed(clusters.versions(job.scratch))
    # A dump of an older pg_dump leaves psql open to commands in it; this closes it, and psql forgets it at the end.
    first = b"" if text.restricted else f"\\restrict {token_hex(16)}\n".encode()

    def feed(pipe: IO[bytes]) -> None:
        pipe.write(first)
        with gzip.open(path) as lines:
            shutil.copyfileobj(lines, pipe, 1 << 20)

    answer = job.scratch.run("psql", *cluster.psql(DATABASE), "-o", "/dev/null", feed=feed, shown="the dump")
    return _filled(report, "psql", answer.status, answer.stderr, answer.words)


def _fill_from_custom(job: Job, cluster: Cluster, report: Report) -> bool:
    where = ["-h", job.scratch.folder, "-p", clusters.PORT, "-U", cluster.user, "-d", DATABASE]
    answer = job.scratch.run("pg_restore", "--exit-on-error", *where, f"{job.scratch.folder}/dump")
    return _filled(report, "pg_restore", answer.status, answer.stderr, answer.words)


def _filled(report: Report, program: str, status: int, said: str, words: str) -> bool:
    if clusters.lacks_extension(said):
        raise UnansweredError(f"scratch: install what the dump needs: {words}")
    observed = f"{program} ended with status {status}" + (f": {words}" if status else "")
    return report.look("the dump is restored", observed, "without an error", status == 0)


def _copy_of(file: IO[bytes]) -> Callable[[IO[bytes]], None]:
    return lambda pipe: shutil.copyfileobj(file, pipe, 1 << 20)


def look_at(job: Job, cluster: Cluster, database: str, expected: dict[Table, int], there: Live, report: Report) -> None:
    """Count every table of what was restored, and look for what is flawed in it and not in the live database."""
    job.say("counting rows")
    counted = cluster.counts(database)
    alive = {(each.schema, each.name): each for each in there.tables}
    # What is not logged does not survive a recovery; only a dump tells how much of it to expect.
    lasting = {name: each.rows for name, each in alive.items() if each.logged or name in expected}
    for name in sorted(expected.keys() | lasting.keys()):
        report.comparisons.append(
            Comparison(
                table=".".join(name), expected=expected.get(name), restored=counted.get(name), live=lasting.get(name)
            )
        )
    flawed = sorted(name for _, name in cluster.flaws(database) - there.flaws)
    words = ", ".join(some(flawed)) or "none"
    report.look("constraints not validated and indexes not valid", words, "none but those of the live one", not flawed)
    job.say("reading every page")
    broken = cluster.checked(database)
    if broken is None:
        since_14 = clusters.versions(job.scratch).major >= FIRST_WITH_AMCHECK
        lacks = "install it and its extension (postgresql-contrib)" if since_14 else "this version has none"
        report.look(PAGES, f"not read, for there is no pg_amcheck: {lacks}", "in order", met=not since_14)
    else:
        report.look(PAGES, broken or "in order", "in order", not broken)
