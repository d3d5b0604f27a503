"""The formats that other tools read, each a view of ``results.json``: written as a run ends, or rendered anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from opsverify import files
from opsverify.errors import UsageError
from opsverify.evidence import intoto, junit, manifest, ocsf, oscal, reading
from opsverify.evidence.source import Source
from opsverify.summary import Document

DIGESTED = (reading.RECORD, reading.TRANSCRIPT, "report.html", "evidence.html")
INPUTS = "inputs"


class Format(NamedTuple):
    """The file of a run that has it, and the function that gives its text."""

    file: str
    render: Callable[[Source], str]


FORMATS: Mapping[str, Format] = {
    "junit": Format(junit.NAME, junit.render),
    "oscal": Format(oscal.NAME, oscal.render),
    "ocsf": Format(ocsf.NAME, ocsf.render),
    "intoto": Format(intoto.NAME, intoto.render),
}


def write(form: Format, directory: Path, document: Document, root: Path) -> None:
    """Write one format of a run into its directory. ``root``: where CI looks for files from.

    To be called when all that it is about is written, and before the run is sealed: it names the digests of the
    record, the transcript, the pages and the inputs.
    """
    files.write(directory / form.file, form.render(gathered(directory, document, root)))


def render(name: str, directory: Path, root: Path) -> str:
    """One format of a run that is over.

    Raises:
        UsageError: the directory holds no record of a run.
    """
    document = reading.record_of(directory)
    try:
        return FORMATS[name].render(gathered(directory, document, root))
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:  # of what the shape leaves open
        told = f"{type(error).__name__}: {error}"
        raise UsageError(f"{directory / reading.RECORD}: is no record that this version reads: {told}") from None


def gathered(directory: Path, document: Document, root: Path) -> Source:
    """A record with what its formats say of the files beside it."""
    where, base = directory.resolve(), root.resolve()  # not by way of the link to the latest run
    folder = where.relative_to(base) if where.is_relative_to(base) else where
    return Source(document, dict(_digests(directory)), folder.as_posix())


def _digests(directory: Path) -> Iterator[tuple[str, str]]:
    inputs = sorted((directory / INPUTS).rglob("*")) if (directory / INPUTS).is_dir() else []
    for path in (*(directory / name for name in DIGESTED), *inputs):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(directory).as_posix(), manifest.digest_at(path)
