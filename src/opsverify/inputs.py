"""What a run took from the outside before it asked anything: ``inputs/`` of its directory, out of which it is replayed.

- ``run.json``: id, start to the microsecond, purpose, change; file and digest of the profile; the waivers in force.
- ``profile.toml``: the profile as it was written. ``profile.json``: as it was in force, with the values of environment
  variables and of defaults. Both hold references to secrets, never secrets.
- ``catalogue.json``: every requirement with its limits, as loaded.

What was read or asked later, the files that people keep among it, is in the transcript.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from opsverify import documents
from opsverify.catalogue import Catalogue, Requirement, Strict, Text, first_problem
from opsverify.documents import Folder, Which
from opsverify.errors import UsageError
from opsverify.profile import LoadedProfile, Profile
from opsverify.recorded import Recorded
from opsverify.redaction import Redactor
from opsverify.run import Run
from opsverify.waivers import Waivers

FOLDER = "inputs"
M = TypeVar("M", bound=BaseModel)
NOWHERE = Path("/nonexistent/replay")  # where the files of a replay lie: none of them is opened
REFERENCE = re.compile(r"""\{\s*(?:env|file)\s*=\s*(?:"[^"\n]*"|'[^'\n]*')\s*\}""")


class About(Strict):
    """``run.json``."""

    format: Literal[1]
    id: Text
    start: AwareDatetime
    purpose: Text
    change: str
    profile_file: Text
    profile_sha256: Text
    waivers: list[str]


class _Catalogue(Strict):
    requirements: list[Requirement]


class Limits(Strict):
    """A file of ``--limits``: ``[limits.<requirement>]`` tables as a profile has them."""

    limits: Annotated[dict[str, Annotated[dict[str, Any], Field(min_length=1)]], Field(min_length=1)]


def write(run: Run) -> None:
    """Write ``inputs/`` into the directory of a run that begins.

    Raises:
        UsageError: the profile's file is not what was loaded a moment ago.
    """
    folder = run.directory / FOLDER
    folder.mkdir()
    loaded = run.loaded
    shown = loaded.file.relative_to(run.root) if loaded.file.is_relative_to(run.root) else Path(loaded.file.name)
    about = About(
        format=1,
        id=run.id,
        start=run.started,
        purpose=run.purpose,
        change=run.change,
        profile_file=str(shown),
        profile_sha256=loaded.digest,
        waivers=run.waivers.packed(),
    )
    profile = loaded.profile.model_dump(mode="json")
    kept = documents.of(loaded, run.root)
    profile["program"] |= {which: kept.shown(which) for which in (*get_args(Which), *get_args(Folder))}
    demands = [each.model_dump(mode="json") for each in run.catalogue.values()]
    for name, value in (
        ("run", about.model_dump(mode="json")),
        ("profile", profile),
        ("catalogue", {"requirements": demands}),
    ):
        text = json.dumps(run.redactor.value(value), ensure_ascii=False, indent=1)
        (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    written = loaded.file.read_bytes().decode("utf-8")
    (folder / "profile.toml").write_bytes(_without_secrets(written, run.redactor).encode())


def _without_secrets(text: str, redactor: Redactor) -> str:
    """A profile as it is where it holds nothing but references to secrets, so that its digest is that of the run."""
    bare = REFERENCE.sub('""', text)
    return text if redactor.text(bare) == bare and not redactor.leaks(text) else redactor.text(text)


def again(directory: Path, limits: Path | None = None) -> Run:
    """The run of a directory once more: its inputs, its clock, and a transcript that answers in place of live systems.

    Args:
        directory: of the run.
        limits: a file of limits to try; they may be looser than the manual's.

    Raises:
        UsageError: one line with file and key for anything that is not as a run leaves it.
    """
    if not (directory / "results.json").is_file():
        raise UsageError(f"{directory}: is no finished run: it has no results.json")
    folder = directory / FOLDER
    if not folder.is_dir():
        raise UsageError(f"{directory}: has no {FOLDER}/, so it cannot be replayed; an earlier version left none")
    about = _read(folder / "run.json", About)
    profile = _read(folder / "profile.json", Profile)
    file = folder / "profile.json"
    demands = Catalogue(_read(folder / "catalogue.json", _Catalogue).requirements)
    in_force = demands.with_overrides(profile.limits, file=file)
    if limits is not None:
        in_force = in_force.tried(limits_in(limits), file=limits)
    try:
        waivers = Waivers.unpacked(about.waivers)
    except (ValueError, ValidationError):
        raise UsageError(f"{folder / 'run.json'}: waivers: are not as a run writes them") from None
    loaded = LoadedProfile(profile, NOWHERE / about.profile_file, about.profile_sha256, {})
    run = Run(
        root=NOWHERE,
        loaded=loaded,
        catalogue=in_force,
        directory=directory.absolute(),
        id=about.id,
        started=about.start,
        purpose=about.purpose,
        change=about.change,
        waivers=waivers,
    )
    run.transcript = Recorded(directory / "transcript.jsonl", run.redactor)
    return run


def _read(file: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise UsageError(f"{file}: {first_problem(error)}") from None


def limits_in(file: Path) -> dict[str, dict[str, Any]]:
    """The limits of a file of ``--limits``, by requirement and name; there is at least one.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        return Limits.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).limits
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{file}: not readable as TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{file}: {first_problem(error)}") from None
