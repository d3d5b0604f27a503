"""A point-in-time drill: a base backup and the archive are recovered to a moment between two commits.

That this happened is proven without a mark in production: the archive itself tells which transaction was the first to
end after that moment, and the recovered server has to have stopped just before it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import tarfile
import time
from datetime import datetime
from pathlib import Path
from typing import IO

from opsverify import cluster as clusters
from opsverify import wal
from opsverify.channels.scratch import ProgramFailedError
from opsverify.cluster import Cluster
from opsverify.errors import UnansweredError
from opsverify.judgement import Observation, show
from opsverify.probes import archiving, base_backups, output
from opsverify.probes.base_backups import BaseBackup
from opsverify.probes.drills import Live, live
from opsverify.probes.verification import parse_digests
from opsverify.restoring import Job, Report, look_at, room
from opsverify.rules import archiving as rules
from opsverify.rules.archiving import some

STOPPED = re.compile(
    r"recovery stopping before (commit|abort)(?: of|) .*?transaction (\d+), time (\S+ [^\s,]+(?: UTC)?)"
)
POLL_S = 0.2
SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user;\n"


class _Failed(Exception):
    """The drill has come to an end with a finding."""


def recover(job: Job, wanted: str | None = None, target_time: datetime | None = None) -> Report:
    """Recover a base backup (the newest unless ``wanted`` names another) to ``target_time``, or a moment found here.

    Raises:
        UnansweredError: it cannot be told, for a reason that is neither the base backup's nor the archive's.
    """
    base = _base(job, wanted)
    said = output(job.host, "sha256sum -- %s", f"{base.path}/{base_backups.MANIFEST}", timeout_s=job.store.timeout_s)
    (digest,) = parse_digests(said, 1)
    report = Report(base.name, digest, clusters.versions(job.scratch).said, target_time)
    with contextlib.suppress(_Failed):
        _recover(job, base, report)
    return report


def _recover(job: Job, base: BaseBackup, report: Report) -> None:
    start = base_backups.wal_start(job.host, base.path)
    archiver = archiving.archiver(job.database)
    archive = archiving.archive(job.host, job.store.wal)
    if archive is None:
        raise UnansweredError(f"store {job.store.name}: there is no folder {job.store.wal}")
    _must_all(report, rules.leads_on(archiver, archive, base, start))
    end = rules.last_archived(archiver, archive, start)
    history = archive.histories.get(end.timeline, ())
    segments = wal.leading(start, end, history, archiver.segment_size)
    histories = [name for name in archive.files if wal.HISTORY.match(name)]
    there = live(job.database)

    size = base_backups.size(job.host, base.path)
    fetched = size.tarred + len(segments) * archiver.segment_size
    room(job, fetched, 2 * fetched)
    cluster = Cluster(job.scratch)
    _unpack(job, base, size.tarred, report)
    _put_archive(job, {name: archive.files[name] for name in (*segments, *histories)})
    target = _target(job, base, segments, report)
    report.target_time = target.moment
    timeline = "current" if end.timeline == start.timeline else str(end.timeline)
    _run(job, cluster, target, timeline, report)
    _look(job, cluster, there, report)


def _base(job: Job, wanted: str | None) -> BaseBackup:
    found = base_backups.base_backups(job.host, job.store.base, job.store.timezone)
    found = tuple(each for each in found if wanted in (None, each.name))
    if not found or not found[-1].manifest:
        what = f"base backup {wanted}" if wanted else "base backup"
        lacks = f"{what} {found[-1].name} has no {base_backups.MANIFEST}" if found else f"there is no {what}"
        raise UnansweredError(f"store {job.store.name}: {lacks} in {job.store.base}")
    return found[-1]


def _must_all(report: Report, seen: list[Observation]) -> None:
    met = [report.look(each.name, show(each.observed), each.expected, each.met) for each in seen]
    if not all(met):
        raise _Failed


def _must(met: bool) -> None:
    if not met:
        raise _Failed


def _unpack(job: Job, base: BaseBackup, most: int, report: Report) -> None:
    """Fetch the base backup, and hold every file of it against its manifest."""
    job.say(f"fetching {base.name}, up to {most:,} bytes")
    path = job.fetched / "base.tar"
    job.host.channel.download(shlex.join(["tar", "-C", base.path, "-cf", "-", "."]), path, most, job.store.timeout_s)
    _holds_no_links(path)
    data = f"{job.scratch.folder}/data"
    _ran(job, "mkdir", "-m", "0700", data)

    def feed(pipe: IO[bytes]) -> None:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                pipe.write(chunk)

    answer = job.scratch.run("tar", "-C", data, "-xf", "-", "--no-same-owner", feed=feed, shown=base.name)
    if answer.status != 0:
        raise UnansweredError(f"scratch: tar cannot unpack {base.name}: {answer.words}")
    path.unlink()
    _ran(job, "chmod", "0700", data)  # not as its host had it, where accounts that verify may have to read it
    job.say("holding it against its manifest")
    checked = job.scratch.run("pg_verifybackup", "-n", "-q", data)
    problem = base_backups.parse_verdict(checked.status, (checked.stderr or checked.stdout.decode()).strip())
    _must(report.look(f"{base.name} against its manifest", problem or "verifies", "verifies", not problem))
    _is_of_this_version(job, data)
    # Left behind by a standby, they would have the server follow somebody.
    _ran(job, "rm", "-f", f"{data}/standby.signal", f"{data}/recovery.signal", f"{data}/postmaster.pid")


def _holds_no_links(packed: Path) -> None:
    """That a base backup is nothing but files and folders: a server would write to wherever a link leads.

    A tablespace is a link, and so is ``pg_wal`` after ``pg_basebackup --waldir``.

    Raises:
        UnansweredError: it is not.
    """
    try:
        with tarfile.open(packed, "r:") as entries:
            odd = sorted(each.name.removeprefix("./") for each in entries if not (each.isfile() or each.isdir()))
    except tarfile.TarError as error:
        raise UnansweredError(f"the base backup did not arrive as a tar archive: {error}") from None
    if odd:
        raise UnansweredError(
            f"the base backup has links that lead out of its folder (tablespaces, or its write-ahead log), which "
            f"drills do not follow: {', '.join(some(odd))}"
        )


def _is_of_this_version(job: Job, data: str) -> None:
    said = job.scratch.run("cat", f"{data}/PG_VERSION").stdout.decode(errors="replace").strip()
    found = clusters.versions(job.scratch)
    if said != str(found.major):
        raise UnansweredError(f"scratch: PostgreSQL {found.said} cannot run a base backup of version {said}")
    if job.scratch.run("cat", f"{data}/tablespace_map").stdout.strip():
        raise UnansweredError("the base backup has tablespaces outside of its folder, which drills do not fetch")


def _put_archive(job: Job, files: dict[str, int]) -> None:
    """Fetch files of the archive into the scratch place, one after the other."""
    folder = f"{job.scratch.folder}/wal"
    _ran(job, "mkdir", "-m", "0700", folder)
    job.say(f"fetching {len(files)} files of the archive, {sum(files.values()):,} bytes")
    for name, size in files.items():
        question = shlex.join(["cat", "--", f"{job.store.wal}/{name}"])
        job.host.channel.download(question, job.fetched / name, size, job.store.timeout_s)

    def feed(pipe: IO[bytes]) -> None:
        with tarfile.open(fileobj=pipe, mode="w|") as packed:
            for name in files:
                packed.add(job.fetched / name, name, filter=_anonymous)

    answer = job.scratch.run("tar", "-C", folder, "-xf", "-", "--no-same-owner", feed=feed, shown="the archive")
    if answer.status != 0:
        raise UnansweredError(f"scratch: tar cannot unpack the archive: {answer.words}")
    for name in files:
        (job.fetched / name).unlink()


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _ran(job: Job, program: str, *arguments: str) -> None:
    answer = job.scratch.run(program, *arguments)
    if answer.status != 0:
        raise UnansweredError(f"scratch: {program} ended with status {answer.status} and said: {answer.words}")


def _target(job: Job, base: BaseBackup, segments: list[str], report: Report) -> wal.Target:
    """The moment to recover to, by the transactions that the archive holds."""
    job.say("looking for commits in the archive")
    manifest = f"{job.scratch.folder}/data/{base_backups.MANIFEST}"
    after = job.scratch.read("cat", manifest, by=base_backups.consistent_at)
    targets = wal.Targets(after, report.target_time)
    folder = f"{job.scratch.folder}/wal"
    for run in _runs(segments):
        try:
            job.scratch.read("pg_waldump", "-p", folder, "-r", "Transaction", run[0], run[-1], by=targets.feed)
        except ProgramFailedError as error:
            report.look("the archive is readable to its end", str(error), "yes", met=False)
            raise _Failed from None
    if targets.found is None:
        when = f"around {report.target_time:%Y-%m-%d %H:%M:%S %Z}" if report.target_time else "one after the other"
        raise UnansweredError(
            f"cannot be tested: the archive ({segments[0]} to {segments[-1]}) holds no two commits {when} after base "
            f"backup {base.name}; {targets.commits} in all"
        )
    return targets.found


def _runs(segments: list[str]) -> list[list[str]]:
    """The segments of one timeline after the other."""
    found: list[list[str]] = []
    for each in segments:
        if found and found[-1][-1][:8] == each[:8]:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _run(job: Job, cluster: Cluster, target: wal.Target, timeline: str, report: Report) -> None:
    """Recover to the target, show that it was reached and not passed, and open the server."""
    job.say(f"recovering to {target.moment:%Y-%m-%d %H:%M:%S.%f %Z}, {target.commits} commits after the base backup")
    cluster.write(f"{cluster.data}/recovery.signal", "")
    settings = {
        **cluster.required(),
        "restore_command": f'cp {shlex.quote(job.scratch.folder)}/wal/%f "%p"',
        "recovery_target_time": f"{target.moment:%Y-%m-%d %H:%M:%S.%f}+00",
        "recovery_target_action": "pause",
        "recovery_target_timeline": timeline,
    }
    try:
        cluster.start(settings)
    except UnansweredError as error:
        report.look("the server starts from the base backup", str(error), "yes", met=False)
        raise _Failed from None
    _log_in(job, cluster)
    state = _paused(job, cluster)
    _must(report.look("recovery reaches its target", state or "paused there", "it pauses there", not state))
    stopped = STOPPED.findall(cluster.said())
    said = "before the {} of transaction {} at {}"
    observed = said.format(*stopped[-1]) if stopped else "its log does not say where"
    at = f"{target.at:%Y-%m-%d %H:%M:%S.%f}+00"
    met = bool(stopped) and stopped[-1][:2] == (target.ending, str(target.transaction))
    met = met and wal.moment(stopped[-1][2]) == target.at
    first = "the first to end in the archive after the target"
    expected = f"{said.format(target.ending, target.transaction, at)}, {first}"
    report.look("recovery stopped", observed, expected, met)
    (last,) = cluster.rows("SELECT json_build_array(pg_last_xact_replay_timestamp()::text);\n", "postgres")
    moment = wal.moment(last[0]) if last[0] else None
    expected = f"at most {target.moment:%Y-%m-%d %H:%M:%S.%f}+00"
    met = moment is not None and moment <= target.moment
    report.look("last transaction that was replayed", last[0] or "none", expected, met)


def _log_in(job: Job, cluster: Cluster) -> None:
    """Find out which of the administrators of the profile is a superuser of the recovered server."""
    for name in job.database.spec.administrators:
        cluster.user = name
        # One that may log in but is none would find the server closed to all that follows.
        if cluster.sql(SUPERUSER, "postgres").stdout.strip() == b"t":
            return
    names = ", ".join(job.database.spec.administrators)
    said = cluster.complaint()
    raise UnansweredError(
        f"scratch: none of the administrators of the profile ({names}) may log in as a superuser: {said or 'no error'}"
    )


def _paused(job: Job, cluster: Cluster) -> str:
    """Wait until recovery pauses at its target; what became of it instead, else nothing."""
    until = time.monotonic() + job.store.timeout_s
    question = "SELECT json_build_array(pg_is_in_recovery(), pg_is_in_recovery() AND pg_is_wal_replay_paused());\n"
    while time.monotonic() < until:
        answer = cluster.sql(question, "postgres")
        if answer.status != 0:
            return cluster.complaint() or answer.words
        if answer.stdout.strip() == b"[true, true]":
            return ""
        if answer.stdout.strip() == b"[false, false]":
            return "it went past its target and opened the server"
        time.sleep(POLL_S)
    return f"it had not after {job.store.timeout_s:g} s"


def _look(job: Job, cluster: Cluster, there: Live, report: Report) -> None:
    """Open the server, as whoever needed it would, and look at what is in it."""
    cluster.sql("SELECT pg_wal_replay_resume();\n", "postgres")
    until = time.monotonic() + job.store.timeout_s
    while (answer := cluster.sql("SELECT pg_is_in_recovery();\n", "postgres")).stdout.strip() != b"f":
        if answer.status != 0 or time.monotonic() > until:
            report.look("the server opens", cluster.complaint() or answer.words, "yes", met=False)
            raise _Failed
        time.sleep(POLL_S)
    report.look("the server opens", "yes", "yes", met=True)
    look_at(job, cluster, job.database.spec.dbname, {}, there, report)
