"""Facts from the result of a dependency audit, as ``npm audit --json`` or trivy writes it: what was found, how bad."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsverify import accepted as acceptances
from opsverify.accepted import Acceptance
from opsverify.channels.document import DocumentChannel
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import Attempt, about, attempt

NPM = frozenset(("info", "low", "moderate", "high", "critical"))
TRIVY = frozenset(("unknown", "low", "medium", "high", "critical"))
PACKAGES = ("os-pkgs", "lang-pkgs")  # the classes of trivy's results that a scan for vulnerabilities makes


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability in something that is used, under the name by which it is accepted or not."""

    id: str
    package: str
    severity: str

    def __str__(self) -> str:
        return f"{self.id} in {self.package}"


@dataclass(frozen=True)
class Audit:
    """The result of an audit: by which tool, over how many things (``of``: what they are), and when, where it says.

    ``unseen`` says what the tool has had before it and could tell nothing of; mostly empty.
    """

    tool: str
    seen: int
    of: str
    advisories: tuple[Advisory, ...]
    made: datetime | None = None
    unseen: str = ""


def audit(program: DocumentChannel, artefact: str) -> Attempt[Audit]:
    """The result that an attestation refers to; not had where it is none of these two."""

    def ask() -> Audit:
        with about(artefact):
            return parse_audit(program.artefact(artefact) or "")

    return attempt(ask)


def accepted(program: DocumentChannel) -> tuple[Acceptance, ...]:
    """The findings that the program has accepted for a while."""
    return tuple(acceptances.parse(program.text("accepted") or "", program.documents.shown("accepted")))


def parse_audit(text: str) -> Audit:
    """Parse the result of ``npm audit --json`` (report version 2) or of ``trivy … --format json`` (schema version 2).

    Raises:
        UnansweredError: it is neither, or something in it is not understood.
        InsufficientFactsError: it has looked at nothing.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise UnansweredError("it is no JSON, expected the result of npm audit --json or of trivy") from None
    try:
        match data:
            case {"auditReportVersion": 2, "vulnerabilities": dict()}:
                return _npm(data)
            case {"SchemaVersion": 2, "ArtifactName": str()}:
                return _trivy(data)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise UnansweredError(f"it is not understood: {type(error).__name__}: {error}") from None
    raise UnansweredError("it is neither the result of npm audit --json (version 2) nor of trivy (schema version 2)")


def _npm(data: Mapping[str, Any]) -> Audit:
    packages, counts = data["vulnerabilities"], data["metadata"]["vulnerabilities"]
    seen = data["metadata"]["dependencies"]["total"]
    if not seen:
        raise InsufficientFactsError("npm audit has looked at no dependency")
    found = frozenset(_of_npm(packages))
    told = Counter(_known(each["severity"], NPM) for each in packages.values())
    counted = {severity: counts[severity] for severity in sorted(NPM)}
    if any(told[severity] != count for severity, count in counted.items()):
        raise UnansweredError(f"npm audit counts {counted}, but tells of {dict(told)}: it is not whole")
    if bool(told["critical"]) != any(each.severity == "critical" for each in found):
        raise UnansweredError("npm audit calls packages critical without an advisory that is, or the other way round")
    return Audit("npm audit", seen, "dependencies", _sorted(found))


def _of_npm(packages: Mapping[str, Any]) -> Iterator[Advisory]:
    """The advisories themselves; a package that is hit through another one names that one, which is told of too."""
    for name, package in packages.items():
        for via in package["via"]:
            if isinstance(via, str):
                packages[via]  # it has to be told of
            else:
                address = str(via.get("url") or "").rstrip("/").rpartition("/")[2]
                yield Advisory(address or str(via["source"]), via.get("name") or name, _known(via["severity"], NPM))


def _trivy(data: Mapping[str, Any]) -> Audit:
    results = [each for each in data.get("Results") or [] if each.get("Class") in PACKAGES]
    if not results:
        raise InsufficientFactsError("trivy has looked at no packages (a scan for vulnerabilities lists what it saw)")
    found = frozenset(
        Advisory(each["VulnerabilityID"], each["PkgName"], _known(each["Severity"], TRIVY))
        for result in results
        for each in result.get("Vulnerabilities") or []
    )
    made = datetime.fromisoformat(data["CreatedAt"]) if data.get("CreatedAt") else None
    if made is not None and made.tzinfo is None:
        raise UnansweredError(f"trivy's CreatedAt names no time zone: {data['CreatedAt']}")
    return Audit(
        f"trivy of {data['ArtifactName']}",
        len(results),
        "sets of packages",
        _sorted(found),
        made and made.astimezone(UTC),
        _unseen(data.get("Metadata") or {}, results),
    )


def _unseen(about_it: Mapping[str, Any], results: Iterable[Mapping[str, Any]]) -> str:
    """What a system hides: past its end of life it has no advisories, and of one unknown to it trivy says nothing."""
    system = about_it.get("OS") or {}
    name = " ".join(str(system.get(each) or "") for each in ("Family", "Name")).strip()
    if system.get("EOSL"):
        return f"{name} is past its end of life, so nobody tells of its vulnerabilities any more"
    if name not in ("", "none") and not any(each["Class"] == "os-pkgs" for each in results):
        return f"trivy has not looked at the packages of {name} itself"
    return ""


def _known(severity: str, severities: frozenset[str]) -> str:
    if severity.lower() not in severities:
        raise UnansweredError(f"the severity {severity!r} is not known")
    return severity.lower()


def _sorted(found: Iterable[Advisory]) -> tuple[Advisory, ...]:
    return tuple(sorted(found, key=str))
