"""Where the files lie that people keep, and that each is in order before any system is asked anything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from opsverify import accepted, attestations, baseline, changes, incidents, roster, stores, waivers
from opsverify.catalogue import Catalogue, check_coverage, claims
from opsverify.catalogue import load as load_catalogue
from opsverify.errors import UsageError
from opsverify.profile import LoadedProfile
from opsverify.profile import load as load_profile

Which = Literal["roster", "attestations", "baseline", "accepted", "drills", "waivers"]
Folder = Literal["changes", "incidents"]


class Documents(NamedTuple):
    """The paths of the files; none of them has to exist. ``root`` is the project's.

    ``keys`` are the files of signed inventories of keys, by the name that the profile gives them. ``changes`` and
    ``incidents`` are folders; ``manual`` is None where the profile names none.
    """

    root: Path
    roster: Path
    attestations: Path
    baseline: Path
    accepted: Path
    drills: Path
    waivers: Path
    changes: Path
    incidents: Path
    manual: Path | None = None
    keys: Mapping[str, Path] = MappingProxyType({})

    def path(self, which: Which | Folder) -> Path:
        """One of the files, or folders, that every program has."""
        found: Path = getattr(self, which)
        return found

    def shown(self, which: Which | Folder) -> str:
        """Its path as it is written in messages: from the project's root where it lies below it."""
        path = self.path(which)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name

    def records(self, folder: Folder) -> list[str]:
        """The names of the files of a folder of records, in their order; none where there is no such folder.

        Raises:
            UsageError: the folder cannot be read, or holds what looks like records that would be passed over.
        """
        try:
            entries = sorted(self.path(folder).iterdir())
            for each in entries:
                if each.is_dir() or (each.suffix.lower() == ".toml" and each.suffix != ".toml"):
                    raise UsageError(
                        f"{self.shown(folder)}/{each.name}: expected records as files <id>.toml, no folders"
                    )
            return [each.name for each in entries if each.suffix == ".toml"]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"{self.shown(folder)}: cannot be read: {error.strerror}") from None


def of(loaded: LoadedProfile, root: Path) -> Documents:
    """The files of a profile: those that it names, or those beside it."""
    named, beside = loaded.profile.program, loaded.file.absolute().parent
    named_by_stores = [each.files for each in loaded.profile.keystores if isinstance(each, stores.ApiKeys)]
    given = {which: getattr(named, which) for which in (*get_args(Which), *get_args(Folder))}
    return Documents(
        root=root.absolute(),
        manual=root.absolute() / named.manual if named.manual else None,
        keys={name: (root.absolute() if "/" in name else beside) / name for names in named_by_stores for name in names},
        **{which: root.absolute() / path if path else beside / _named(which) for which, path in given.items()},
    )


def _named(which: Which | Folder) -> str:
    if which in get_args(Folder):
        return which
    return "drills.jsonl" if which == "drills" else f"{which}.toml"


class Project(NamedTuple):
    """What a command works on: a profile, the catalogue, and the files that people keep."""

    root: Path
    loaded: LoadedProfile
    catalogue: Catalogue
    documents: Documents


def project(root: Path, profile: str, today: date, *, secrets: bool = False) -> Project:
    """The project at ``root`` under a profile, validated as a run validates it.

    Raises:
        UsageError: one line with file and key.
    """
    loaded = load_profile(profile, root, today=today, secrets=secrets)
    demands = load_catalogue(root / "checks").with_overrides(loaded.profile.limits, file=loaded.file)
    return Project(root, loaded, demands, of(loaded, root))


def validated(project: Project, today: date) -> Read:
    """All that is input, held against each other, before anything is asked of any system; the files as they are.

    Raises:
        UsageError: one line with file and key.
    """
    loaded, demands = project.loaded, project.catalogue
    check_coverage(demands, claims(project.root / "checks"))
    for entry in loaded.profile.not_applicable:
        if entry.requirement not in demands:
            raise UsageError(f"{loaded.file}: not_applicable: {entry.requirement!r} is not in the catalogue")
        known = loaded.profile.names(*demands[entry.requirement].target_kinds)
        if entry.target not in (None, *(known or ["none"])):
            raise UsageError(
                f"{loaded.file}: not_applicable {entry.requirement}: no target {entry.target!r} "
                f"(it applies to: {', '.join(known) or 'none'})"
            )
    return read(project.documents, loaded, demands, today)


class Read(NamedTuple):
    """What the files hold; None, or no entries, for one that does not exist."""

    roster: roster.Roster | None
    attestations: list[attestations.Attestation]
    baseline: baseline.Baseline | None
    accepted: list[accepted.Acceptance]
    changes: list[changes.Change]
    incidents: list[incidents.Incident]
    waivers: waivers.Waivers


def read(documents: Documents, loaded: LoadedProfile, catalogue: Catalogue, today: date) -> Read:
    """Read and validate every one of the files that exists.

    Raises:
        UsageError: one line with file and key for anything that is not as it must be.
    """
    texts = {which: text(documents, which) for which in get_args(Which)}
    found = Read(
        None if texts["roster"] is None else roster.parse(texts["roster"], documents.shown("roster")),
        attestations.parse(texts["attestations"] or "", documents.shown("attestations")),
        None if texts["baseline"] is None else baseline.parse(texts["baseline"], documents.shown("baseline")),
        accepted.parse(texts["accepted"] or "", documents.shown("accepted")),
        [changes.parse(*each) for each in _records(documents, "changes")],
        [incidents.parse(*each) for each in _records(documents, "incidents")],
        waived(documents, loaded, catalogue, today),
    )
    for each in found.changes:
        unknown = [area for area in each.areas if area not in catalogue.chapters]
        if unknown:
            file, known = f"{documents.shown('changes')}/{each.id}.toml", ", ".join(catalogue.chapters)
            raise UsageError(f"{file}: areas: {unknown[0]!r} is no chapter (there are: {known})")
    attestations.check(found.attestations, catalogue, loaded.profile, documents.shown("attestations"), today)
    if found.roster is not None:
        _not_to_come(f"{documents.shown('roster')}: date", found.roster.date, today)
    if found.baseline is not None:
        _not_to_come(f"{documents.shown('baseline')}: taken", found.baseline.taken.astimezone(UTC).date(), today)
    return found


def waived(documents: Documents, loaded: LoadedProfile, catalogue: Catalogue, today: date) -> waivers.Waivers:
    """The waivers of a profile, held against catalogue, profile and calendar; none where there is no file.

    Raises:
        UsageError: one line with file and key.
    """
    written = text(documents, "waivers")
    if written is None:
        return waivers.Waivers()
    found = waivers.parse(written, documents.shown("waivers"))
    waivers.check(found, catalogue, loaded.profile, today)
    return found


def _records(documents: Documents, folder: Folder) -> Iterator[tuple[str, str]]:
    """Text and shown path of each record of a folder."""
    for name in documents.records(folder):
        shown = f"{documents.shown(folder)}/{name}"
        yield _text(documents.path(folder) / name, shown) or "", shown


def _not_to_come(key: str, day: date, today: date) -> None:
    if day > today:
        raise UsageError(f"{key}: {day} is in the future, expected at most {today} (UTC)")


def text(documents: Documents, which: Which) -> str | None:
    """The text of one of the files as it is, line ends and all; None when it does not exist.

    Raises:
        UsageError: it cannot be read.
    """
    return _text(documents.path(which), documents.shown(which))


def _text(path: Path, shown: str) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(f"{shown}: cannot be read: {why}") from None


def replace(path: Path, text: str) -> None:
    """Write a file in one step: whoever reads it meanwhile sees the old text or the new one, never a part.

    Raises:
        UsageError: the folder is not there, or may not be written to.
    """
    path = path.resolve()  # a link stays a link
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
            fresh = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                fresh.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
                fresh.replace(path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be written in {path.parent.name}/: {error.strerror}") from None
