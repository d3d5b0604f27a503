"""`opsverify restore-drill`: restore what a store holds, in a place of its own, and record what came out of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from opsverify import drills, stores
from opsverify.catalogue import Catalogue
from opsverify.channels.scratch import Scratch
from opsverify.documents import Project
from opsverify.drills import Drill, Kind, derived
from opsverify.ending import ends_in_order
from opsverify.errors import UnansweredError, UsageError
from opsverify.recovering import recover
from opsverify.restoring import Job, Report, Say, restore
from opsverify.rules.restore import said
from opsverify.run import Run, new_id
from opsverify.texts import visible

# The requirement that a drill of a kind serves: its limits are those that the drill goes by.
SERVES: dict[Kind, str] = {"restore": "BP-BAK-02", "point-in-time": "CHG-RB-PITR-03"}


class Wanted(NamedTuple):
    """What to drill: kinds and stores (all unless named), a backup by name, a moment to recover to; and who does it."""

    by: str
    kinds: Sequence[Kind] = tuple(SERVES)
    store: str | None = None
    backup: str | None = None
    target_time: dt.datetime | None = None


class Held(NamedTuple):
    """What came of the drills: those that are on record now, and why others could not be held."""

    drills: list[Drill]
    unanswered: list[str]
    run: Run


def hold(project: Project, now: dt.datetime, wanted: Wanted, say: Say) -> Held:
    """Hold the drills, one after the other, and append each to the record as soon as it has an outcome.

    Raises:
        UsageError: the profile has no such store, or something that was given is not as it must be.
    """
    if not wanted.by.strip():
        raise UsageError("restore-drill: --by: expected who holds the drill")
    chosen = _stores(project, wanted)
    shares = {kind: _rows_share(project.catalogue, SERVES[kind]) for kind in wanted.kinds}
    identity, name = new_id(now)
    directory = project.root / "reports" / project.loaded.profile.name / "drills" / name
    run = Run(project.root, project.loaded, project.catalogue, directory, identity, now, purpose="restore-drill")
    directory.mkdir(parents=True)
    held = Held([], [], run)
    with ends_in_order(), contextlib.closing(run):
        for store, database in chosen:
            for kind in wanted.kinds:

                def tell(what: str, about: str = f"{store.name}, {kind}") -> None:
                    say(_in_one_line(f"{about}: {what}"))

                try:
                    drill = _one(run, store, database, kind, wanted, shares[kind], tell)
                except UnansweredError as error:
                    held.unanswered.append(f"{store.name}, {kind}: {error}")
                    tell(f"could not be held: {error}")
                    continue
                _append(project, drill)
                held.drills.append(drill)
                tell(f"{drill.outcome}")
    return held


def _stores(project: Project, wanted: Wanted) -> list[tuple[stores.Backups, str]]:
    """The stores to drill, each with the database that is backed up there."""
    profile, file = project.loaded.profile, project.loaded.file.name
    known = ", ".join(each.name for each in profile.backups) or "none"
    chosen = [each for each in profile.backups if wanted.store in (None, each.name)]
    if not chosen:
        raise UsageError(f"{file}: backups: there is no store {wanted.store or ''} to restore from (it has: {known})")
    if len(chosen) > 1 and wanted.backup is not None:
        raise UsageError(f"restore-drill: --backup needs --store, one of {known}")
    found = []
    for store in chosen:
        of_it = [each.name for each in profile.databases if each.store == store.name]
        if len(of_it) != 1:
            has = ", ".join(of_it) or "none"
            raise UsageError(f"{file}: databases: expected one with store = {store.name!r} to compare with, got {has}")
        found.append((store, of_it[0]))
    return found


def _rows_share(catalogue: Catalogue, requirement: str) -> float:
    if requirement not in catalogue:
        raise UsageError(f"checks: there is no requirement {requirement}, by whose limits a drill is held")
    return catalogue.limits(requirement).rows_share.number


def _one(
    run: Run, store: stores.Backups, database: str, kind: Kind, wanted: Wanted, rows_share: float, say: Say
) -> Drill:
    """One drill, from an empty place to its outcome."""
    started = dt.datetime.now(dt.UTC)
    host, live = run.channel("host", store.host), run.channel("database", database)
    with (
        tempfile.TemporaryDirectory(prefix="opsv-fetched-") as fetched,
        Scratch(run.profile.scratch, store.timeout_s, run.transcript) as scratch,
    ):
        say(f"in a {scratch.place.name}")
        job = Job(store, host, live, scratch, Path(fetched), say)
        at = wanted.target_time
        report = restore(job, wanted.backup) if kind == "restore" else recover(job, wanted.backup, at)
    return _drill(run, store.name, kind, report, rows_share, started, wanted.by)


def _drill(run: Run, store: str, kind: Kind, report: Report, rows_share: float, started: dt.datetime, by: str) -> Drill:
    found = Drill(
        kind=kind,
        started=started,
        finished=dt.datetime.now(dt.UTC),
        store=store,
        backup=report.backup,
        sha256=report.sha256,
        server=report.server,
        target_time=report.target_time,
        rows_share=rows_share,
        comparisons=report.comparisons,
        checks=report.checks,
        by=by,
        outcome="not met",
    )
    whole = found.model_copy(update={"outcome": derived(found, rows_share)})
    redacted = run.redactor.value(json.loads(whole.model_dump_json()))
    return Drill.model_validate_json(json.dumps(redacted))


def _append(project: Project, drill: Drill) -> None:
    """Write a drill at the end of the record, in one piece.

    Raises:
        UsageError: the record cannot be written.
    """
    path = project.documents.drills
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(drills.line(drill))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        shown = project.documents.shown("drills")
        raise UsageError(f"{shown}: the drill cannot be put on record: {error.strerror}") from None


def table(held: Held) -> str:
    """The outcome of each drill, with all that was not as expected."""
    lines = []
    for each in held.drills:
        took = (each.finished - each.started).total_seconds()
        what = f"{each.backup}: {each.rows:,} rows of {len(each.comparisons)} tables, {took:.1f} s"
        lines.append(f"{each.outcome.upper():8} {each.kind:14} {each.store}  {what}")
        if each.target_time:
            lines.append(f"         recovered to {each.target_time:%Y-%m-%d %H:%M:%S.%f %Z}")
        for looked in each.checks:
            if not looked.met:
                lines.append(f"         {looked.name}: observed {looked.observed}, expected {looked.expected}")
        lines += [f"         {said(compared)}" for compared in each.comparisons if not compared.met(each.rows_share)]
    lines += [f"{'UNTOLD':8} {why}" for why in held.unanswered]
    return "\n".join(map(_in_one_line, lines))


def _in_one_line(text: str) -> str:
    """A text in which nothing acts on a terminal, or stands for another line: names in a backup may be anything."""
    return visible(text).replace("\n", "\\n")
