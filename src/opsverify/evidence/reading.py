"""What a run left behind, read back for the page: its record, its transcript, its manifest, and the run before it.

Only files are read. What a record lacks, or says otherwise than a record does, is one clear error: a page that
leaves something out in silence is no evidence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from opsverify.catalogue import first_problem
from opsverify.errors import UsageError
from opsverify.evidence import manifest
from opsverify.evidence.chain import PREV
from opsverify.evidence.manifest import SIGNATURE, SUMS, ManifestError
from opsverify.evidence.shape import Document as Shape
from opsverify.evidence.shape import Moments, Redactions
from opsverify.record import Entry
from opsverify.summary import Document
from opsverify.transcript import natural

RECORD, TRANSCRIPT, REDACTIONS = "results.json", "transcript.jsonl", "redactions.json"
# What changes yet while the page is written, the page itself among it.
UNFINISHED = re.compile(r"redactions\.json|\.?evidence.*\.(?:html|tmp)")
DIRECTORY = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
LONGEST_ANSWER, SHORTEST_ANSWER = 1500, 240  # characters
ALL_ANSWERS = 6_000_000  # characters of all answers together, so that a page of many stays one that opens
LONGEST_QUESTION = 800

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Exchange:
    """What was asked and answered, as far as there is room for it; lengths are those of the whole."""

    id: str
    at: str
    channel: str
    target: str
    account: str
    question: str
    question_length: int
    answer: str
    answer_length: int
    failed: bool
    masked: int


@dataclass(frozen=True)
class Earlier:
    """The run before this one, or why there is none to compare with."""

    id: str = ""
    directory: str = ""
    start: str = ""
    verdict: str = ""
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    why_not: str = ""
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that the page is made of."""

    directory: Path
    document: Document
    start: datetime
    end: datetime
    exchanges: dict[str, Exchange]
    earlier: Earlier
    files: dict[str, str]  # digests by name
    sealed: bool
    broken: list[str]  # what of a sealed run is not as it was sealed
    signed: bool | None  # of a run that is not sealed yet: whether it is to be; None where it does not say
    redactions: Redactions | None

    @property
    def checks(self) -> list[Entry]:
        """The results."""
        found: list[Entry] = self.document["checks"]
        return found


def read(directory: Path) -> Evidence:
    """Read what a run left behind.

    Raises:
        UsageError: one line with the file that is not there, or is none of ours.
    """
    directory = directory.resolve()  # "latest" is a link; the names of a run and of its stream are those of the folders
    document = record_of(directory)
    moments = Moments.model_validate(document["run"])
    sealed = (directory / SUMS).is_file()
    return Evidence(
        directory=directory,
        document=document,
        start=moments.start,
        end=moments.end,
        exchanges=transcript(directory / TRANSCRIPT),
        earlier=earlier(directory, document["run"]["profile"]),
        files=_files(directory, sealed=sealed),
        sealed=sealed,
        broken=_broken(directory) if sealed else [],
        signed=(directory / SIGNATURE).is_file() if sealed else _to_be_signed(document),
        redactions=_redactions(directory / REDACTIONS),
    )


def record_of(directory: Path) -> Document:
    """The record of a run, which has all that its views need and no state but those that there are.

    Raises:
        UsageError: there is none, or it is not as a record has to be.
    """
    file = directory / RECORD
    try:
        document = json.loads(_text(file))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: is no record of a run: {error}") from None
    _validated(Shape, document, file)
    _validated(Moments, document["run"], file)
    found: Document = document
    return found


def _to_be_signed(document: Document) -> bool | None:
    signing = document["run"].get("evidence")
    return None if signing is None else bool(signing["signed_by"])


def _redactions(file: Path) -> Redactions | None:
    """The log of redactions, which a run writes at its very end."""
    if not file.is_file():
        return None
    try:
        return Redactions.model_validate_json(_text(file))
    except ValidationError as error:
        raise UsageError(f"{file}: is no log of redactions: {first_problem(error)}") from None


def _validated(model: type[M], document: Any, file: Path) -> M:
    try:
        return model.model_validate(document, strict=model is not Moments)
    except ValidationError as error:
        raise UsageError(f"{file}: is no record of a run: {first_problem(error)}") from None


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8", "backslashreplace")
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None


# ---- transcript


def transcript(file: Path) -> dict[str, Exchange]:
    """The exchanges of a transcript by id, in the order of their ids; empty where there is none.

    Raises:
        UsageError: a line that is no exchange.
    """
    if not file.exists():
        return {}
    lines = [line for line in _text(file).split("\n") if line]
    most = max(SHORTEST_ANSWER, min(LONGEST_ANSWER, ALL_ANSWERS // max(1, len(lines))))
    found = [_exchange(line, number, most, file) for number, line in enumerate(lines, 1)]
    return {each.id: each for each in sorted(found, key=lambda each: natural(each.id))}


def _exchange(line: str, number: int, most: int, file: Path) -> Exchange:
    try:
        said = json.loads(line)
        failed = said["failure"] is not None
        question, answer = spoken(said["question"]), spoken(said["failure"] if failed else said["answer"])
        return Exchange(
            id=str(said["id"]),
            at=str(said["at"]),
            channel=str(said["channel"]),
            target=str(said["target"]),
            account=str(said["account"]),
            question=question[:LONGEST_QUESTION],
            question_length=len(question),
            answer=answer[:most],
            answer_length=len(answer),
            failed=failed,
            masked=sum(each["times"] for each in said.get("redacted", [])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{file}: line {number} is no exchange: {type(error).__name__} {error}") from None


def spoken(value: Any) -> str:
    """A question or an answer as a person reads it: texts as they are, one part below the other."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(_line(str(key), each) for key, each in value.items())
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return "\n".join(json.dumps(each, ensure_ascii=False) for each in value)
    return json.dumps(value, ensure_ascii=False)


def _line(key: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{key}:\n{text}" if "\n" in text else f"{key}: {text}"


# ---- manifest


def _files(directory: Path, *, sealed: bool) -> dict[str, str]:
    """The digests of a run's files as its manifest has them; as they are now, where it is not sealed yet."""
    try:
        if sealed:
            found = manifest.parse(manifest.content(directory / SUMS))
        else:
            files = manifest.contents(directory).files
            found = {name: manifest.digest_at(files[name]) for name in sorted(files) if not UNFINISHED.fullmatch(name)}
        return {manifest.spelled(name): digest for name, digest in found.items()}
    except OSError as error:
        raise UsageError(f"{directory}: cannot be read: {error.strerror or error}") from None
    except ManifestError as error:
        raise UsageError(f"{directory / SUMS}: {error}") from None


def _broken(directory: Path) -> list[str]:
    """What of a sealed run is not as its manifest has it: a page of it would show another run than the sealed one."""
    expected = manifest.parse(manifest.content(directory / SUMS))
    return [f"{each.word} {each.text}" for each in manifest.differences(directory, expected)]


# ---- the run before


def earlier(directory: Path, profile: str) -> Earlier:
    """The run before this one in its stream: the one that it is chained to, or the newest one that began before."""
    unreadable: list[str] = []
    chained = _chained(directory)
    if chained is not None and not (directory.parent / chained / RECORD).is_file():
        return Earlier(directory=chained, why_not="gone")
    for each in [directory.parent / chained] if chained else _before(directory):
        try:
            document = json.loads(_text(each / RECORD))
            run = document["run"]
            if run["profile"] != profile:
                continue
            return Earlier(
                id=str(run["id"]),
                directory=each.name,
                start=str(run["start"]),
                verdict=str(run["verdict"]),
                states={(str(one["requirement"]), str(one["target"])): str(one["state"]) for one in document["checks"]},
                unreadable=tuple(unreadable),
            )
        except (UsageError, ValueError, KeyError, TypeError, RecursionError):
            unreadable.append(each.name)
    return Earlier(why_not="none", unreadable=tuple(unreadable))


def _chained(directory: Path) -> str | None:
    """The directory that PREV names."""
    file = directory / PREV
    named = re.search(rf"({DIRECTORY.pattern})/{SUMS}", _text(file)) if file.is_file() else None
    return named[1] if named else None


def _before(directory: Path) -> Iterator[Path]:
    """Runs that began before this one, newest first; one that was killed left no record, and is passed over."""
    for each in sorted(directory.parent.iterdir(), reverse=True):
        if (
            DIRECTORY.fullmatch(each.name)
            and each.name < directory.name
            and not each.is_symlink()
            and (each / RECORD).is_file()
        ):
            yield each
