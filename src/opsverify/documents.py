"""Where the files lie that people keep, and that each is in order before any system is asked anything."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, date
from pathlib import Path
from typing import Literal, NamedTuple

from opsverify import attestations, baseline, roster
from opsverify.catalogue import Catalogue
from opsverify.catalogue import load as load_catalogue
from opsverify.errors import UsageError
from opsverify.profile import LoadedProfile
from opsverify.profile import load as load_profile

Which = Literal["roster", "attestations", "baseline"]


class Documents(NamedTuple):
    """The paths of the three files; none of them has to exist. ``root`` is the project's."""

    root: Path
    roster: Path
    attestations: Path
    baseline: Path

    def path(self, which: Which) -> Path:
        """One of the three."""
        return {"roster": self.roster, "attestations": self.attestations, "baseline": self.baseline}[which]

    def shown(self, which: Which) -> str:
        """Its path as it is written in messages: from the project's root where it lies below it."""
        path = self.path(which)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name


def of(loaded: LoadedProfile, root: Path) -> Documents:
    """The files of a profile: those that it names, or those beside it."""
    named, beside = loaded.profile.program, loaded.file.absolute().parent
    return Documents(
        root.absolute(),
        *(
            root.absolute() / given if given else beside / f"{which}.toml"
            for which, given in (
                ("roster", named.roster),
                ("attestations", named.attestations),
                ("baseline", named.baseline),
            )
        ),
    )


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


class Read(NamedTuple):
    """What the files hold; None, or no entries, for one that does not exist."""

    roster: roster.Roster | None
    attestations: list[attestations.Attestation]
    baseline: baseline.Baseline | None


def read(documents: Documents, loaded: LoadedProfile, catalogue: Catalogue, today: date) -> Read:
    """Read and validate every one of the files that exists.

    Raises:
        UsageError: one line with file and key for anything that is not as it must be.
    """
    texts = {which: text(documents, which) for which in ("roster", "attestations", "baseline")}
    found = Read(
        None if texts["roster"] is None else roster.parse(texts["roster"], documents.shown("roster")),
        attestations.parse(texts["attestations"] or "", documents.shown("attestations")),
        None if texts["baseline"] is None else baseline.parse(texts["baseline"], documents.shown("baseline")),
    )
    attestations.check(found.attestations, catalogue, loaded.profile, documents.shown("attestations"), today)
    if found.roster is not None:
        _not_to_come(f"{documents.shown('roster')}: date", found.roster.date, today)
    if found.baseline is not None:
        _not_to_come(f"{documents.shown('baseline')}: taken", found.baseline.taken.astimezone(UTC).date(), today)
    return found


def _not_to_come(key: str, day: date, today: date) -> None:
    if day > today:
        raise UsageError(f"{key}: {day} is in the future, expected at most {today} (UTC)")


def text(documents: Documents, which: Which) -> str | None:
    """The text of one of the files as it is, line ends and all; None when it does not exist.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return documents.path(which).read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(f"{documents.shown(which)}: cannot be read: {why}") from None


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
