"""The end of a run: it is sealed, its digest is given away, and the terminal says who answers for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from opsverify.evidence import publishing, sealing
from opsverify.evidence.finding import line
from opsverify.evidence.sealing import SealingError
from opsverify.run import Run


class Say(Protocol):
    """Shows a line on the terminal, in colour."""

    def __call__(self, text: str, **markup: bool) -> None: ...


def finish(run: Run, say: Say) -> bool:
    """Seal a run and publish its digest; whether it is sealed. Who has signed is said, and that nobody has."""
    signing = run.signing
    try:
        sealed = sealing.seal(run.directory, signing, lambda: datetime.now(UTC))
    except SealingError as error:
        say(line("NOT SEALED", f"{error}: this run is no evidence"), red=True, bold=True)
        return False
    if sealed.signed_by:
        say(line("SIGNED", f"by {sealed.signed_by}, key {signing.fingerprint}"), green=True)
    else:
        say(line("UNSIGNED", f"{signing.missing}: nobody answers for this run"), red=True, bold=True)
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
