"""The end of a run: it is sealed, its digest is given away, and the terminal says who answers for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from opsverify.errors import UsageError
from opsverify.evidence import formats, manifest, page, publishing, reading, sealing, signing
from opsverify.evidence.finding import line
from opsverify.evidence.formats import FORMATS
from opsverify.evidence.manifest import SIGNATURE, SUMS
from opsverify.evidence.sealing import Sealed, SealingError
from opsverify.run import Run
from opsverify.summary import Document


def _unheard(run: Run, sealed: Sealed) -> list[str]:
    """Why those who verify this run by the profile's own allowed signers will not believe its signature."""
    settings, root = run.profile.evidence, run.root
    if not sealed.signed_by or settings.allowed_signers is None:
        return []
    revoked = root / settings.revoked if settings.revoked else None
    now = datetime.now(UTC)
    try:
        by = signing.trust(now, root / settings.allowed_signers, revoked, settings.identity)
        text, armored = (manifest.content(run.directory / name) for name in (SUMS, SIGNATURE))
    except (UsageError, OSError) as error:
        return [line("WRONG KEY", f"nobody can verify it: {error}")]
    return [str(each) for each in signing.examine(SUMS, text, armored, signing.NAMESPACE, by, now).findings]


class Say(Protocol):
    """Shows a line on the terminal, in colour."""

    def __call__(self, text: str, **markup: bool) -> None: ...


def show(run: Run, document: Document, say: Say) -> bool:
    """Write the auditor's page and the other formats; whether all of them are: a run without one is incomplete.

    There is none of a record that was withheld: it would say what the record does, in spellings that no search knows.

    Raises:
        OSError: a file cannot be written, which is no matter of this one view.
    """
    views: dict[str, Callable[[], object]] = {page.NAME: partial(page.write, run.directory)}
    views |= {each.file: partial(formats.write, each, run.directory, document, run.root) for each in FORMATS.values()}
    if not (run.directory / reading.RECORD).is_file():
        say(line("NOT WRITTEN", f"{', '.join(views)}: {reading.RECORD}, which they show, was withheld"), red=True)
        return False
    written = True
    for name, write in views.items():
        try:
            write()
        except OSError:
            raise
        except Exception as error:
            say(line("NOT WRITTEN", f"{name}: {type(error).__name__}: {error}"), red=True)
            written = False
    return written


def finish(run: Run, say: Say) -> bool:
    """Seal a run and publish its digest; whether it is sealed. Who has signed is said, and that nobody has."""
    try:
        sealed = sealing.seal(run.directory, run.signing, lambda: datetime.now(UTC))
    except SealingError as error:
        say(line("NOT SEALED", f"{error}: this run is no evidence"), red=True, bold=True)
        return False
    if sealed.signed_by:
        say(line("SIGNED", f"by {sealed.signed_by}, key {run.signing.fingerprint}"), green=True)
    else:
        say(line("UNSIGNED", f"{run.signing.missing}: nobody answers for this run"), red=True, bold=True)
    for complaint in _unheard(run, sealed):
        say(complaint, red=True, bold=True)
    say(line("digest", f"{sealed.entry.digest} {sealed.entry.run}"))
    if sealed.remark:
        say(line("CHAIN", sealed.remark), red=True, bold=True)
    settings = run.profile.evidence
    if settings.publish:
        problem = publishing.publish(
            run.directory.parent,
            sealed.entry,
            settings.publish,
            run.root,
            settings.publish_seconds,
            run.redactor.text,
        )
        if problem:
            say(line("NOT PUBLISHED", f"{problem} (the run stands)"), red=True, bold=True)
        else:
            say(line("published", f"by {settings.publish[0]}"))
    return True
