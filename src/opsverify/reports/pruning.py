"""Retention: old runs are taken away whole, and the stream says so.

What may go is older than the policy, is not the newest run, nor one that a gate or a sign-off that is kept refers to.
Before a folder goes, two files beside the runs say that it goes: ``PRUNED``, a line of ``sha256sum`` for each, by which
the chain is stepped over there, and ``pruned.jsonl``, which says when, by whom and by which policy. Who is broken off
in between has announced more than was done; the next time does the rest.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import shutil
import socket  # noqa: TID251  only for the name of this machine, no connection
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opsverify import files
from opsverify.errors import UsageError
from opsverify.evidence import chain, manifest
from opsverify.evidence.chain import HEAD, PREV, PRUNED, ChainError, Entry
from opsverify.evidence.manifest import SUMS, ManifestError
from opsverify.reports import summaries
from opsverify.reports.lock import RUNNING

LOG = "pruned.jsonl"
DOOMED = ".pruned-"
UNSEALED = "is not sealed"


@dataclass(frozen=True)
class Kept:
    """A run that is old enough and stays, and why."""

    run: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What goes (with the digest of its ``SHA256SUMS``; empty: never sealed), and what stays though it is old."""

    days: int
    going: tuple[Entry, ...]
    kept: tuple[Kept, ...]

    def told(self, *, done: bool) -> str:
        """A line for each run, and how many they are."""
        word = "removed" if done else "would go"
        lines = [f"{word:10}{each.run}{'' if each.digest else ' (was never sealed)'}" for each in self.going]
        lines += [f"{'stays':10}{each.run}: {each.why}" for each in self.kept]
        count = len(self.going)
        return "\n".join((*lines, f"{count} run{'' if count == 1 else 's'} older than {self.days} days {word}"))


@contextlib.contextmanager
def _alone(stream: Path) -> Iterator[None]:
    """Nobody runs, nobody seals.

    Raises:
        UsageError: somebody does.
    """
    try:
        with (stream / RUNNING).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{stream.name}: a run is going on; prune when it has ended") from None
            with chain.locked(stream, 5.0):
                yield
    except OSError as error:
        raise UsageError(f"{stream.name}: cannot be pruned: {error.strerror}") from None
    except ChainError as error:
        raise UsageError(f"{stream.name}: {error}") from None


def prune(stream: Path, days: int, now: datetime, *, really: bool) -> Plan:
    """Take away the runs of a stream that are older than so many days; without ``really`` only say which.

    Raises:
        UsageError: there is no such stream, its chain is broken, or a run is going on.
    """
    if not stream.is_dir():
        raise UsageError(f"{stream.name}: there is no such stream")
    with _alone(stream):
        broken = breaks(stream)
        if broken:
            raise UsageError(f"{stream.name}: its chain is broken, so nothing is taken away: {broken[0]}")
        found = plan(stream, days, now)
        if really:
            _sweep(stream)
        if really and found.going:
            _announce(stream, found, now)
            for each in found.going:
                _remove(stream, each.run)
    return found


def breaks(stream: Path) -> list[str]:
    """Where the chain of a stream does not hold: each sealed run follows one that is there, or was pruned.

    Also that no file of a run was altered that is listed, for what is taken away can't be looked at any more.
    """
    try:
        gone = chain.pruned(stream)
        sealed = {name: _digest(stream / name) for name in chain.runs(stream)}
        there = {Entry(name, digest) for name, digest in sealed.items() if digest}
        found = []
        followed: set[Entry] = set()
        for entry in sorted(there):
            before = chain.read(stream / entry.run / PREV)
            if before is not None:
                if before not in there and before not in gone:
                    found.append(f"{entry.run} follows {before.run}, which is not there as it was sealed")
                if before in followed:
                    found.append(f"two runs follow {before.run}")
                followed.add(before)
            listed = manifest.parse((stream / entry.run / SUMS).read_bytes())
            wrong = [each.text for each in manifest.differences(stream / entry.run, listed) if each.fatal]
            found += [f"{entry.run}: {each}" for each in wrong[:1]]
        if there:
            newest = chain.read(stream / HEAD)
            if newest not in there:
                found.append(f"{HEAD} names {newest.run if newest else 'no run'}, which is not there as it was sealed")
    except (ChainError, ManifestError) as error:
        return [str(error)]
    return found


def _digest(directory: Path) -> str:
    """The digest of a run's ``SHA256SUMS``; empty of one that was never sealed."""
    try:
        return manifest.digest_of((directory / SUMS).read_bytes())
    except FileNotFoundError:
        return ""


def plan(stream: Path, days: int, now: datetime) -> Plan:
    """Which runs go, and which stay though they are old."""
    names = chain.runs(stream)
    ages = {name: now - begun for name in names if (begun := _begun(name)) is not None}
    old = [name for name in names if name in ages and ages[name] > timedelta(days=days)]
    reasons = _referred(stream, names)
    going: list[Entry] = []
    kept: list[Kept] = []
    for name in old:
        why = reasons.get(name)
        if why:
            kept.append(Kept(name, why))
        else:
            going.append(Entry(name, _digest(stream / name)))
    return Plan(days, tuple(going), tuple(kept))


def _begun(name: str) -> datetime | None:
    try:
        return datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _referred(stream: Path, names: list[str]) -> Mapping[str, str]:
    """Runs that stay whatever their age, and why."""
    found: dict[str, str] = {}
    gates = stream / "gates"
    stories = sorted(gates.glob("*/*/gate.json")) if gates.is_dir() else []
    for path in stories:
        for name in set(summaries.RUN.findall(path.read_text(encoding="utf-8", errors="replace"))):
            found[name] = f"the gate {path.parent.parent.name}/{path.parent.name} refers to it"
    for name in names:
        signed = stream / f"{name}.signoffs"
        if signed.is_dir() and any(signed.iterdir()):
            found[name] = "it is signed off"
    newest = {names[-1]} if names else set()
    with contextlib.suppress(ChainError):
        head = chain.read(stream / HEAD)
        newest |= {head.run} if head else set()
    found |= dict.fromkeys(newest, "it is the newest")
    return found


def _announce(stream: Path, found: Plan, now: datetime) -> None:
    """Say what goes before it goes; each line of both files is whole, whatever happens."""
    sealed = [each for each in found.going if each.digest]
    known = chain.pruned(stream)
    before = (stream / PRUNED).read_bytes() if (stream / PRUNED).exists() else b""
    files.write(stream / PRUNED, before + b"".join(each.line for each in sealed if each not in known))
    log = stream / LOG
    earlier = log.read_bytes() if log.exists() else b""
    # What a line begins with: further on it has the run that was followed, which may have stayed.
    told = {each.partition(b",")[0] for each in earlier.splitlines()}
    rows = [_row(stream, each, found.days, now) for each in found.going if _opening(each.run) not in told]
    files.write(log, earlier + "".join(json.dumps(each, ensure_ascii=True) + "\n" for each in rows).encode())


def _opening(name: str) -> bytes:
    return f'{{"run": "{name}"'.encode()


def _row(stream: Path, entry: Entry, days: int, now: datetime) -> dict[str, Any]:
    before: Entry | None = None
    if entry.digest:
        before = chain.read(stream / entry.run / PREV)
    verdict = None
    with contextlib.suppress(summaries.DamagedError):
        verdict = summaries.run(stream / entry.run).verdict
    return {
        "run": entry.run,
        "sha256sums": entry.digest or UNSEALED,
        "prev": {"run": before.run, "sha256sums": before.digest} if before else None,
        "verdict": verdict,
        "pruned": now.astimezone(UTC).isoformat(timespec="seconds"),
        "by": f"{getpass.getuser()} on {socket.gethostname()}",
        "policy": f"older than {days} days",
    }


def _sweep(stream: Path) -> None:
    """Remove what somebody who was broken off had begun to remove."""
    for each in stream.glob(f"{DOOMED}*"):
        shutil.rmtree(each, ignore_errors=True)


def _remove(stream: Path, name: str) -> None:
    """Take a run away in one step for whoever looks: first it has no name that a run has, then it is gone."""
    doomed = stream / f"{DOOMED}{name}-{os.getpid()}"
    (stream / name).rename(doomed)
    shutil.rmtree(doomed)
    with contextlib.suppress(FileNotFoundError):
        (stream / f"{name}.published.json").unlink()
