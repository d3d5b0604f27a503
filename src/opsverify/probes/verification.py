"""Facts about dumps that were read in full: now, or by an earlier run while they have not changed since."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsverify import stores
from opsverify.channels.ledger import LedgerChannel
from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError, UnreachableError
from opsverify.judgement import CLOCK_TOLERANCE
from opsverify.ledger import Ledger, Verdict
from opsverify.probes import archives, output
from opsverify.probes.archives import NO_SUCH_COMMAND, SIDE_BY_SIDE, StoredFile
from opsverify.progress import Progress

COMPLETE = "-- PostgreSQL database dump complete"
MARKER = re.compile(rb"^" + COMPLETE.encode() + rb"\r?$", re.MULTILINE)  # a line of its own: rows may quote it
DIGEST = re.compile(r"\\?([0-9a-f]{64}) [ *]/")  # a backslash where the name has characters that are spelled out
# Digests are asked of several small files at once. What is larger is asked alone, so that a bound is of one file, and
# read alone: the host may have other work, and its disk is what takes the time.
BATCH_FILES, SMALL_BYTES = 16, 64 * 1024 * 1024
STILL_READING_S = 0.5


@dataclass(frozen=True)
class Verification:
    """What reading a whole dump showed; ``digest`` is of the file as it is, ``manifest`` what was written down.

    ``problem`` is what speaks against it, in words, and empty when it is whole. ``read`` is when it was read, in an
    earlier run where it is ``taken_over``. ``unanswered`` is why it could not be read; then nothing is known of it.
    """

    dump: StoredFile
    problem: str
    digest: str
    manifest: str | None
    read: datetime
    taken_over: bool = False
    unanswered: str = ""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.dump.name

    @property
    def verified(self) -> bool:
        """It was read, is whole, and is what was written down."""
        return not self.unanswered and not self.problem and self.digest == self.manifest


@dataclass(frozen=True)
class Reading:
    """How to read: which store's dumps, what is written of them, when, and since when a verdict is young enough."""

    store: stores.Backups
    written: dict[str, str]
    at: datetime
    taken_since: datetime


def earlier(ledger: LedgerChannel) -> Ledger:
    """What runs before this one found."""
    return ledger.earlier()


def verified(
    host: Host,
    ledger: LedgerChannel,
    store: stores.Backups,
    dumps: tuple[StoredFile, ...],
    digests: tuple[tuple[str, str], ...],
    progress: Progress,
    reread_after_days: float = 0,
) -> tuple[Verification, ...]:
    """Verify dumps, in their order: read those in full that no earlier verdict spares, and write the verdicts down.

    A verdict spares the reading of a file that has not changed for ``reread_after_days``; with 0, of none. A dump that
    cannot be read is among the verified as such, so that it hides nothing of the others.

    Raises:
        UnreachableError: the host cannot be reached.
        UnansweredError: the ledger cannot be read or written, or the store cannot be listed again.
    """
    how = Reading(store, dict(digests), ledger.started, ledger.started - timedelta(days=reread_after_days))
    before = ledger.earlier().of(store.name) if reread_after_days else {}
    found = {each.path: _taken_over(each, before.get(each.path), how) for each in dumps}
    unread = [each for each in dumps if found[each.path] is None]
    fresh: list[Verification] = []

    def show(done: int) -> None:
        progress(f"verifying backups of {store.name}", len(fresh) + done, len(unread))

    for files in _portions(unread):
        fresh += _read(host, files, how, show)
        _keep(host, ledger, fresh[-len(files) :], how)  # an hour's reading is not lost with the next file
    known = {each.dump.path: each for each in fresh}
    return tuple(found[each.path] or known[each.path] for each in dumps)


def _portions(dumps: Sequence[StoredFile]) -> list[list[StoredFile]]:
    """What is read side by side: all small files, then each large one by itself."""
    small = [each for each in dumps if each.size <= SMALL_BYTES]
    return [*([small] if small else []), *([each] for each in dumps if each.size > SMALL_BYTES)]


def _taken_over(dump: StoredFile, verdict: Verdict | None, how: Reading) -> Verification | None:
    """The verdict of an earlier run, where it is good, not too old, and about the very file that lies there now."""
    written = how.written.get(dump.name)
    if verdict is None or not verdict.good or verdict.sha256 != written:
        return None
    seen = (verdict.size, verdict.mtime_ns, verdict.ctime_ns, verdict.inode)
    if seen != (dump.size, dump.modified_ns, dump.changed_ns, dump.inode):
        return None
    if not how.taken_since <= verdict.read <= how.at + CLOCK_TOLERANCE:
        return None
    return Verification(dump, "", verdict.sha256, written, verdict.read, taken_over=True)


def _keep(host: Host, ledger: LedgerChannel, fresh: Sequence[Verification], how: Reading) -> None:
    """Write verdicts down, but for files that have changed while they were read: those are read again next time."""
    now = {each.path: each for each in archives.files(host, how.store.database, how.store.timezone)}
    ledger.keep(
        [
            Verdict(
                store=how.store.name,
                path=each.dump.path,
                size=each.dump.size,
                mtime_ns=each.dump.modified_ns,
                ctime_ns=each.dump.changed_ns,
                inode=each.dump.inode,
                sha256=each.digest,
                whole=not each.problem,
                as_written=each.digest == each.manifest,
                read=each.read,
            )
            for each in fresh
            if not each.unanswered and now.get(each.dump.path) == each.dump
        ],
        now.keys(),
    )


def _read(host: Host, dumps: Sequence[StoredFile], how: Reading, show: Callable[[int], None]) -> list[Verification]:
    """Read dumps in full, several side by side."""
    timeout_s = how.store.timeout_s
    digests: dict[str, str | UnansweredError] = {}
    problems: dict[str, str | UnansweredError] = {}

    def take_digests(files: Sequence[StoredFile]) -> None:
        digests.update(_digests(host, files, timeout_s))

    def look_for_problem(file: StoredFile) -> None:
        problems[file.path] = _problem(host, file, timeout_s)

    show(0)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        pending: set[Future[None]] = {pool.submit(take_digests, batch) for batch in _batches(dumps)}
        pending |= {pool.submit(look_for_problem, each) for each in dumps}
        try:
            while pending:
                finished, pending = wait(pending, STILL_READING_S, FIRST_COMPLETED)
                for each in finished:
                    each.result()
                show(min(len(digests), len(problems)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [_verification(each, problems[each.path], digests[each.path], how) for each in dumps]


def _verification(
    dump: StoredFile, problem: str | UnansweredError, digest: str | UnansweredError, how: Reading
) -> Verification:
    known = Verification(dump, "", "", how.written.get(dump.name), how.at)
    if isinstance(digest, UnansweredError):
        return replace(known, unanswered=str(digest))
    if isinstance(problem, UnansweredError) and digest == known.manifest:
        return replace(known, unanswered=str(problem))
    return replace(known, problem=str(problem), digest=digest)  # another file than was written, whatever it holds


def _batches(dumps: Iterable[StoredFile]) -> list[list[StoredFile]]:
    """Small files in groups, every large one alone."""
    found: list[list[StoredFile]] = []
    room, size = 0, 0
    for each in dumps:
        if not room or size + each.size > SMALL_BYTES:
            found.append([])
            room, size = BATCH_FILES, 0
        found[-1].append(each)
        room, size = room - 1, size + each.size
    return found


def _digests(host: Host, files: Sequence[StoredFile], timeout_s: float) -> dict[str, str | UnansweredError]:
    """SHA-256 by path, or why there is none: where a question about several files fails, each is asked by itself."""
    try:
        said = output(host, shlex.join(["sha256sum", "--", *(each.path for each in files)]), timeout_s=timeout_s)
        found = parse_digests(said, len(files))
        return dict(zip((each.path for each in files), found, strict=True))
    except UnreachableError:
        raise
    except UnansweredError as error:
        if len(files) == 1:
            return {files[0].path: error}
    return {path: digest for each in files for path, digest in _digests(host, [each], timeout_s).items()}


def parse_digests(text: str, count: int) -> list[str]:
    """The digests in the answer of sha256sum about so many files, in their order.

    Raises:
        UnansweredError: there is another number of lines, or one that is not understood.
    """
    found = []
    for line in text.removesuffix("\n").split("\n"):
        match = DIGEST.match(line)
        if match is None:
            raise UnansweredError(f"sha256sum: this line is not understood: {line!r}")
        found.append(match[1])
    if len(found) != count:
        raise UnansweredError(f"sha256sum: told {len(found)} digests of {count} files")
    return found


def digest(host: Host, file: StoredFile, timeout_s: float | None = None) -> str:
    """The SHA-256 of one file, in hexadecimal.

    Raises:
        UnansweredError: it cannot be read.
    """
    said = output(host, shlex.join(["sha256sum", "--", file.path]), timeout_s=timeout_s)
    return parse_digests(said, 1)[0]


def _problem(host: Host, dump: StoredFile, timeout_s: float) -> str | UnansweredError:
    """What is wrong with a dump, empty when nothing is; or why that cannot be told."""
    try:
        return _custom(host, dump, timeout_s) if dump.custom else _packed(host, dump, timeout_s)
    except UnreachableError:
        raise
    except UnansweredError as error:
        return error


def _packed(host: Host, dump: StoredFile, timeout_s: float) -> str:
    """Read a dump as text to its end, once: the gzip stream with its checksum, and the marker that pg_dump writes last.

    An empty pipe gives a valid gzip file of 20 bytes and a dump that was cut and compressed again passes
    ``gzip -t``; only the marker tells. It is not the last line (``\\unrestrict`` follows), so the last KiB is searched.
    The pipeline's status is that of ``tail``; whatever ails the stream, gzip says so.
    """
    result = host.run("zcat -- %s | tail -c 1024", dump.path, timeout_s=timeout_s)
    said = _text(result.stderr_bytes)
    if result.rc != 0 or "Permission denied" in said or "No such file" in said or "not found" in said:
        raise UnansweredError(
            f"host {host.name}: {dump.path} cannot be read: {said or f'zcat ended with status {result.rc}'}"
        )
    if said:
        return f"does not decompress: {said.splitlines()[-1]}"
    return "" if MARKER.search(result.stdout_bytes) else "does not end as a complete dump"


def _custom(host: Host, dump: StoredFile, timeout_s: float) -> str:
    """Let pg_restore read a dump in PostgreSQL's own format to its end, into nothing; ``-l`` would read its head alone.

    Raises:
        InsufficientFactsError: the host has no pg_restore, or one that is older than the dump.
    """
    result = host.run("pg_restore -f /dev/null %s", dump.path, timeout_s=timeout_s)
    said = _text(result.stderr_bytes)
    told = (said.splitlines() or [f"status {result.rc}"])[0].removeprefix("pg_restore: ").removeprefix("error: ")
    if result.rc in NO_SUCH_COMMAND or "is not installed" in said:
        raise InsufficientFactsError(
            f"host {host.name}: has no pg_restore (of postgresql-client), so nothing tells whether {dump.path} is whole"
        )
    if "unsupported version" in said:
        raise InsufficientFactsError(
            f"host {host.name}: its pg_restore is older than the dump {dump.path} and cannot read it: {told}"
        )
    if "Permission denied" in said or "No such file" in said:
        raise UnansweredError(f"host {host.name}: {dump.path} cannot be read: {told}")
    return "" if result.rc == 0 else f"pg_restore does not read it to its end: {told}"


def _text(said: bytes) -> str:
    return said.decode("utf-8", "backslashreplace").strip()
