"""`opsverify attest`: write an attestation down, and tell which are due."""

from __future__ import annotations

import ast
import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tomlkit
from pydantic import ValidationError

from opsverify import attestations, documents
from opsverify.attestations import Attestation
from opsverify.catalogue import first_problem
from opsverify.channels.document import content_of, inside
from opsverify.documents import Project
from opsverify.errors import OpsverifyError, RefusedError, UsageError

KEYS = ("requirement", "target", "statement", "by", "reviewed_by", "date", "valid_for", "artefact", "sha256")
HEADER = "# Attestations: append with `opsverify attest`; older entries are history and stay.\n"


def add(project: Project, artefact: Path, today: dt.date, **given: Any) -> str:
    """Append an attestation to the profile's file and return it as TOML. ``artefact`` is as the user names it.

    ``given`` are the other keys of an entry: requirement, statement, by, reviewed_by, date, valid_for and, where it is
    about one target alone, target. The file is only replaced once all of it is in order.

    Raises:
        UsageError: something is not as it must be; the file is as it was.
    """
    file = project.documents.shown("attestations")
    relative, digest = _borne_out(project, artefact)
    given = {name: value for name, value in given.items() if value is not None}
    try:
        entry = Attestation(artefact=relative, sha256=digest, **given)
    except ValidationError as error:
        raise UsageError(f"attest: {first_problem(error)}") from None
    profile = project.loaded.profile
    attestations.check_entry(entry, project.catalogue, profile, "attest: ", today)
    before = documents.text(project.documents, "attestations") or HEADER
    attestations.check(attestations.parse(before, file), project.catalogue, profile, file, today)
    shown = _written(entry)
    after = f"{before.rstrip()}\n\n{shown}"
    try:
        whole = attestations.parse(after, file)
    except UsageError:
        whole = []
    if whole[-1:] != [entry]:  # nothing is written that would not be read as it is meant
        raise UsageError(f"{file}: attestation: expected [[attestation]] tables, so that one more can be appended")
    documents.replace(project.documents.attestations, after)
    return shown


def _borne_out(project: Project, artefact: Path) -> tuple[str, str]:
    """An artefact's path from the folder of the attestations, and its digest."""
    folder = project.documents.attestations.parent.resolve()
    try:
        path = artefact.resolve()
        if not path.is_relative_to(folder):
            raise UsageError(
                f"--artefact {artefact}: lies outside of {folder.name}/, the folder of the attestations; "
                "copy it there (into evidence/, say) so that both are kept together"
            )
        relative = path.relative_to(folder)
        content = content_of(inside(project.documents, relative), str(artefact))
    except UsageError:
        raise
    except OpsverifyError as error:
        raise UsageError(f"--artefact {error}") from None
    if not content:
        what = "no such file" if content is None else "is empty, so it bears nothing out"
        raise UsageError(f"--artefact {artefact}: {what}")
    return relative.as_posix(), hashlib.sha256(content).hexdigest()


def _written(entry: Attestation) -> str:
    """An entry as TOML."""
    table = tomlkit.table()
    said = entry.model_dump(exclude_none=True)
    table.update({name: said[name] for name in sorted(said, key=KEYS.index)})
    tables = tomlkit.aot()
    tables.append(table)
    return tomlkit.dumps(tomlkit.document().add("attestation", tables))


class Due(NamedTuple):
    """Something that has to be attested (again): ``until`` is the last day (UTC) on which it holds."""

    what: str
    state: str
    until: dt.date | None = None
    by: str = ""

    @property
    def urgent_from(self) -> dt.date:
        """When somebody has to see to it: since ever where it is missing or spoilt."""
        return self.until if self.until is not None and self.state in ("", "expired") else dt.date.min

    def days_left(self, today: dt.date) -> int | None:
        """Days from ``today`` on which it still holds after today; negative once it has run out."""
        return None if self.until is None else (self.until - today).days


def due(project: Project, within: int, today: dt.date) -> list[Due]:
    """What is missing or spoilt, has run out, or will within so many days; the most urgent first.

    Raises:
        UsageError: a file that is not in order.
    """
    found = sorted(_all(project, today), key=lambda each: (each.urgent_from, each.what))
    last = today + dt.timedelta(days=within)
    return [each for each in found if each.state or each.until is None or each.until <= last]


def _all(project: Project, today: dt.date) -> Iterator[Due]:
    """Everything that people state, with when it runs out. ``state`` says what is wrong with it already."""
    read = documents.read(project.documents, project.loaded, project.catalogue, today)
    for name, held in (("roster", read.roster), ("baseline", read.baseline)):
        yield Due(name, "missing") if held is None else _until(name, held.expires, held.by, today)
    profile = project.loaded.profile
    for requirement in needing(project.root / "checks"):
        if requirement not in project.catalogue:
            continue  # a run refuses that by itself
        for target in profile.names(*project.catalogue[requirement].target_kinds):
            if profile.exemption(requirement, target) is not None:
                continue
            what = requirement if target == "program" else f"{requirement} {target}"
            entry = attestations.newest(read.attestations, requirement, target)
            if entry is None:
                yield Due(what, "missing")
                continue
            ages = [each for each in project.catalogue.limits(requirement) if each.name.endswith("_age_days")]
            last = min([entry.expires, *(entry.date + dt.timedelta(days=int(each.number)) for each in ages)])
            spoilt = _spoilt(project, entry)
            yield Due(what, spoilt, last, entry.by) if spoilt else _until(what, last, entry.by, today)


def _until(what: str, last: dt.date, by: str, today: dt.date) -> Due:
    return Due(what, "expired" if last < today else "", last, by)


def _spoilt(project: Project, entry: Attestation) -> str:
    """What is wrong with the artefact of an attestation; nothing when it is as it was."""
    try:
        content = content_of(inside(project.documents, Path(entry.artefact)), entry.artefact)
    except OpsverifyError as error:
        return f"artefact refused ({error})" if isinstance(error, RefusedError) else "artefact unreadable"
    if content is None:
        return "artefact gone"
    return "" if hashlib.sha256(content).hexdigest() == entry.sha256 else "artefact changed"


def table(rows: list[Due], today: dt.date) -> str:
    """What is due, as a table for a terminal."""
    cells = [("DAYS LEFT", "HOLDS UNTIL", "WHAT", "STATE", "BY")]
    for each in rows:
        left = each.days_left(today)
        cells.append(
            (
                "-" if left is None else str(left),
                str(each.until or "-"),
                each.what,
                each.state or "due",
                each.by or "-",
            )
        )
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]])
        for row in cells
    )


def needing(checks: Path) -> list[str]:
    """The requirements whose check asks for an attestation, read from the source of the checks.

    Raises:
        UsageError: a file that is no Python.
    """
    found: list[str] = []
    for file in sorted(checks.rglob("test_*.py")):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"{file.relative_to(checks.parent)}: not readable as Python: {error}") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and "attestation" in [each.arg for each in node.args.args]:
                markers = [each for each in node.decorator_list if isinstance(each, ast.Call)]
                found += [
                    str(argument.value)
                    for marker in markers
                    if ast.unparse(marker.func).endswith("mark.requirement")
                    for argument in marker.args
                    if isinstance(argument, ast.Constant)
                ]
    return sorted(found)
