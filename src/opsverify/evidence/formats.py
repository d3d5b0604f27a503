"""The formats that other tools read, each a view of ``results.json``: written as a run ends, or rendered anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from opsverify.errors import UsageError
from opsverify.evidence import intoto, junit, manifest, ocsf, oscal
from opsverify.evidence.source import Source
from opsverify.summary import Document

RECORD = "results.json"
DIGESTED = (RECORD, "transcript.jsonl", "report.html", "evidence.html")
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
    unfinished = directory / f".{form.file}.tmp"
    unfinished.write_text(form.render(gathered(directory, document, root)), encoding="utf-8", newline="\n")
    unfinished.replace(directory / form.file)


def render(name: str, directory: Path, root: Path) -> str:
    """One format of a run that is over.

    Raises:
        UsageError: the directory holds no record that can be read.
    """
    document = read(directory)
    try:
        return FORMATS[name].render(gathered(directory, document, root))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise UsageError(f"{directory.name}/{RECORD}: is no record of a run that this version reads: {told}") from None


def read(directory: Path) -> Document:
    """The record of a run.

    Raises:
        UsageError: there is none, or it is not as a record has to be.
    """
    shown = f"{directory.name}/{RECORD}"
    try:
        document = json.loads((directory / RECORD).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read ({error.strerror}); expected the directory of a run") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown}: is no JSON: {error}") from None
    expected = {"run": dict, "population": dict, "checks": list, "coverage": list}
    for name, kind in expected.items():
        if not isinstance(document, dict) or not isinstance(document.get(name), kind):
            raise UsageError(f"{shown}: is no record of a run: has no {name}")
    found: Document = document
    return found


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
