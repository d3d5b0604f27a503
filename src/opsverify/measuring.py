"""`opsverify baseline`: ask each database where its time went, and write that down to compare with later."""

from __future__ import annotations

import datetime as dt

from pydantic import ValidationError

from opsverify import baseline, documents
from opsverify.baseline import Baseline, BaselineStatement
from opsverify.catalogue import first_problem
from opsverify.documents import Project
from opsverify.errors import InsufficientFactsError, UsageError
from opsverify.probes import postgres
from opsverify.run import Run, new_id


def take(
    project: Project, now: dt.datetime, *, by: str, load: str, version: str, valid_for: str
) -> tuple[Baseline, Run]:
    """Take a new baseline of every database of the profile and write it to its file.

    The run that is returned says where the transcript of the questions lies.

    Raises:
        UsageError: the profile has no database, or something given is not as it must be.
        UnansweredError: a database cannot be asked, or has nothing recorded; the file is as it was.
    """
    if not project.loaded.profile.databases:
        raise UsageError(f"{project.loaded.file.name}: databases: has none to take a baseline of")
    try:  # before anything is asked
        head = Baseline(taken=now.replace(microsecond=0), valid_for=valid_for, by=by, load=load, version=version)
    except ValidationError as error:
        raise UsageError(f"baseline: {first_problem(error)}") from None
    identity, name = new_id(now)
    directory = project.root / "reports" / project.loaded.profile.name / "baselines" / name
    run = Run(project.root, project.loaded, project.catalogue, directory, identity, now, purpose="baseline")
    directory.mkdir(parents=True)
    try:
        found = [each for database in project.loaded.profile.databases for each in _statements(run, database.name)]
    finally:
        run.close()
    taken = head.model_copy(update={"statement": found})
    text = baseline.dump(taken)
    baseline.parse(text, project.documents.shown("baseline"))
    documents.replace(project.documents.baseline, text)
    return taken, run


def _statements(run: Run, database: str) -> list[BaselineStatement]:
    recorded = postgres.statements(run.channel("database", database))
    if not recorded:
        raise InsufficientFactsError(
            f"database {database}: no statement is recorded, so there is nothing to compare with"
        )
    return [
        BaselineStatement(
            database=database,
            queryid=each.queryid,
            calls=each.calls,
            total_ms=round(each.total_ms, 3),
            text=run.redactor.text(each.text),
        )
        for each in sorted(recorded, key=lambda each: (-each.total_ms, each.queryid))
    ]
