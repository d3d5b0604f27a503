"""Facts that people keep on file: the roster, attestations with the digest of their artefact now, the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsverify import attestations
from opsverify.attestations import Attestation
from opsverify.baseline import Baseline
from opsverify.baseline import parse as parse_baseline
from opsverify.channels.document import DocumentChannel
from opsverify.incidents import Incident
from opsverify.incidents import parse as parse_incident
from opsverify.probes import Attempt, attempt
from opsverify.roster import Roster
from opsverify.roster import parse as parse_roster

if TYPE_CHECKING:
    from opsverify.channels.names import NamesChannel


@dataclass(frozen=True)
class Attested:
    """The attestation that counts, and the SHA-256 of its artefact as it is now; None when that is gone."""

    entry: Attestation
    digest: str | None


def roster(program: DocumentChannel) -> Roster | None:
    """The roster; None when there is none."""
    text = program.text("roster")
    return None if text is None else parse_roster(text, program.documents.shown("roster"))


def attestation(program: DocumentChannel, requirement: str, target: str) -> Attested | None:
    """What was attested last of a requirement on a target; None when nothing was."""
    entries = attestations.parse(program.text("attestations") or "", program.documents.shown("attestations"))
    found = attestations.newest(entries, requirement, target)
    return None if found is None else Attested(found, program.digest(found.artefact))


def baseline(program: DocumentChannel) -> Baseline | None:
    """The performance baseline; None when there is none."""
    text = program.text("baseline")
    return None if text is None else parse_baseline(text, program.documents.shown("baseline"))


def incidents(program: DocumentChannel) -> tuple[Incident, ...]:
    """The incident records, in the order of their files."""
    return tuple(parse_incident(text, file) for file, text in program.records("incidents").items())


def mail_exchangers(names: NamesChannel, domain: str) -> Attempt[tuple[str, ...]]:
    """The servers that take mail for a domain."""
    return attempt(lambda: names.mail_exchangers(domain))
