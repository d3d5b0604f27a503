"""Sealing a finished run: nothing of it changes from then on, and whoever changes it anyway is found out.

What makes a run a sealed one is its ``SHA256SUMS``, which comes last into its folder: a run that is killed before that
is unfinished, and one that is killed after it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, Field, ValidationError

from opsverify import files, sshsig
from opsverify.catalogue import Strict, first_problem
from opsverify.errors import OpsverifyError, reason
from opsverify.evidence import chain, manifest
from opsverify.evidence.chain import PREV, ChainError, Entry
from opsverify.evidence.manifest import SIGNATURE, SUMS, ManifestError
from opsverify.evidence.signing import NAMESPACE, Signing

SEAL = "seal.json"
CLOCK = timedelta(minutes=5)  # by which two clocks may differ, or a runner's was set back between two runs


class SealingError(OpsverifyError):
    """A run could not be sealed: why, in one line. It is as unfinished as one that was killed."""


class Seal(Strict):
    """What a run says of its own sealing: where, when (by the clock of the runner), after which, and by whom.

    ``verify_time`` is the same moment as ``ssh-keygen -O verify-time`` takes it. ``signed_by`` and ``key`` are empty
    where nobody has signed; ``unsigned_because`` says why not.
    """

    format: Literal[1] = 1
    stream: Annotated[str, Field(min_length=1)]
    run: Annotated[str, Field(min_length=1)]
    sealed: AwareDatetime
    verify_time: Annotated[str, Field(pattern=r"^\d{14}Z$")]
    previous: str | None
    namespace: str
    signed_by: str
    key: str
    unsigned_because: str


class Sealed(NamedTuple):
    """A run that was sealed, who has signed it (empty: nobody), and what has to be said about the chain."""

    entry: Entry
    signed_by: str
    remark: str


def seal(directory: Path, signing: Signing, now: Callable[[], datetime]) -> Sealed:
    """Seal a run whose files are all written, at the end of its stream's chain.

    Raises:
        SealingError: it cannot be done.
    """
    stream = directory.parent
    try:
        with chain.locked(stream):
            if (directory / SUMS).exists():
                raise SealingError(f"{directory.name}: is sealed already")
            last = chain.newest(stream)
            files.write(directory / PREV, last.entry.line if last.entry else chain.FIRST.encode())
            files.write(directory / SEAL, _seal(directory, signing, now(), last.entry))
            digests = manifest.digests_of(directory)
            text = manifest.dump(digests)
            _settle(directory, digests)
            if signing.key is not None:
                signature = sshsig.sign(text, signing.key, NAMESPACE)
                files.write(directory / SIGNATURE, signature.encode())
            files.write(directory / SUMS, text)  # from here on it is sealed
            entry = Entry(directory.name, manifest.digest_of(text))
            remark = _pointed(stream, entry) or last.remark
    except OSError as error:
        raise SealingError(f"{directory.name}: {reason(error)}") from None
    except (ChainError, ManifestError) as error:
        raise SealingError(f"{directory.name}: {error}") from None
    return Sealed(entry, signing.identity if signing.key else "", remark)


def _settle(directory: Path, names: Iterable[str]) -> None:
    """Let all that is sealed reach the disk, or a power cut leaves a run that somebody seems to have altered."""
    sealed = {directory / each for each in names}
    folders = {folder for each in sealed for folder in each.parents if folder.is_relative_to(directory.parent)}
    for path in sealed | folders:
        files.settle(path)


def _pointed(stream: Path, entry: Entry) -> str:
    """Let the stream say that this run is its newest; why it could not, which the next run makes good."""
    try:
        chain.point(stream, entry)
    except OSError as error:
        return f"{chain.HEAD} cannot be written: {error.strerror}; the next run goes on after this one all the same"
    return ""


def _seal(directory: Path, signing: Signing, now: datetime, last: Entry | None) -> bytes:
    moment = now.astimezone(UTC).replace(microsecond=0)
    about = signing.about()
    found = Seal(
        stream=directory.parent.name,
        run=directory.name,
        sealed=moment,
        verify_time=f"{moment:%Y%m%d%H%M%S}Z",
        previous=last.run if last else None,
        namespace=NAMESPACE,
        signed_by=about["signed_by"],
        key=about["key"],
        unsigned_because=about["unsigned_because"],
    )
    return (json.dumps(found.model_dump(mode="json"), ensure_ascii=True, indent=1) + "\n").encode()


def read(content: bytes) -> Seal:
    """What a run says of its own sealing.

    Raises:
        ChainError: it is not understood.
    """
    try:
        return Seal.model_validate_json(content)
    except ValidationError as error:
        raise ChainError(f"{SEAL}: {first_problem(error)[:200]}") from None
