"""Sign-offs: what reviewers say of a sealed run, signed by each of them, beside the bundle and never inside.

``<run>.signoffs/<UTC>-<id>.json`` names reviewer, role, verdict and the digest of the manifest; ``….json.sig``
beside it is an SSH signature, which ``ssh-keygen -Y sign -n opsverify-signoff`` makes just as well.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AwareDatetime, Field, ValidationError

from opsverify import files, sshsig
from opsverify.catalogue import Strict, Text, first_problem
from opsverify.errors import UsageError
from opsverify.evidence import manifest
from opsverify.evidence.finding import Finding, wrong
from opsverify.evidence.sealing import CLOCK, Seal
from opsverify.evidence.settings import Identity
from opsverify.evidence.signing import SIGN_OFF, Trust, examine

NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}\.json")
SUFFIX = ".signoffs"
Verdict = Literal["accepted", "accepted-with-remarks", "rejected"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class SignOff(Strict):
    """What one reviewer says of one sealed run; ``identity`` is the principal that allowed signers know them by."""

    format: Literal[1] = 1
    run: Text
    manifest_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reviewer: Text
    role: Text
    verdict: Verdict
    remarks: str = ""
    at: AwareDatetime
    identity: Identity


class Seen(NamedTuple):
    """A sign-off as it was found (None: not understood), and what speaks against it."""

    file: str
    said: SignOff | None
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Nothing speaks against it."""
        return not wrong(self.findings)

    def __str__(self) -> str:
        if self.said is None:
            return f"{self.file}: DOES NOT HOLD: {self.findings[0].text}"
        said = self.said
        who = f"{said.reviewer} ({said.role}): {said.verdict}, {said.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        remarks = f": {said.remarks}" if said.remarks else ""
        why = "; ".join(f"{each.word}: {each.text}" for each in self.findings)
        word = f"holds, signed by {said.identity}" if self.holds else "DOES NOT HOLD"
        return f"{who}{remarks}; {word}{f' ({why})' if why else ''}"


def folder(directory: Path) -> Path:
    """Where the sign-offs of a run lie."""
    return directory.with_name(f"{directory.name}{SUFFIX}")


def add(directory: Path, said: SignOff, key: Ed25519PrivateKey | None) -> Path:
    """Keep a sign-off beside its bundle; without a key the reviewer still has to sign it. Where it is then.

    Raises:
        UsageError: it cannot be written.
    """
    text = (json.dumps(said.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n").encode()
    path = folder(directory) / f"{said.at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        if key is not None:
            files.write(path.with_name(f"{path.name}.sig"), sshsig.sign(text, key, SIGN_OFF).encode())
        files.write(path, text)
    except OSError as error:
        raise UsageError(f"{path.parent.name}: cannot be written: {error.strerror}") from None
    return path


def seen(directory: Path, seal: Seal | None, digest: str, by: Trust, runner: bytes | None) -> list[Seen]:
    """The sign-offs of a run, the oldest first. ``runner`` is the key that has signed the run: it reviews nothing."""
    where = folder(directory)
    try:
        names = sorted(each.name for each in where.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        return [Seen(where.name, None, (Finding("SIGN-OFF", f"cannot be read: {error.strerror}"),))]
    found = [_seen(where / name, seal, digest, by, runner) for name in names if NAME.fullmatch(name)]
    known = {each.file for each in found} | {f"{each.file}.sig" for each in found}
    strays = [name for name in names if name not in known and not name.startswith(".")]
    return found + [Seen(name, None, (Finding("SIGN-OFF", "belongs to no sign-off"),)) for name in strays]


def _seen(path: Path, seal: Seal | None, digest: str, by: Trust, runner: bytes | None) -> Seen:
    try:
        text = manifest.content(path)
        said = SignOff.model_validate_json(text)
    except OSError as error:
        return Seen(path.name, None, (Finding("SIGN-OFF", f"cannot be read: {error.strerror}"),))
    except ValidationError as error:
        return Seen(path.name, None, (Finding("ALTERED", f"is not understood: {first_problem(error)[:200]}"),))
    findings = []
    run = seal.run if seal else path.parent.name.removesuffix(SUFFIX)
    if said.manifest_sha256 != digest or said.run != run:
        findings.append(
            Finding("ALTERED", f"is about {said.run}, digest {said.manifest_sha256}, not about this bundle")
        )
    if seal is not None and said.at < seal.sealed - CLOCK:  # with a key that has run out since, say
        made = f"{said.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        findings.append(Finding("SIGN-OFF", f"was made at {made}, before the run was sealed, by its own account"))
    try:
        armored = manifest.content(path.with_name(f"{path.name}.sig"))
    except FileNotFoundError:
        return Seen(path.name, said, (*findings, Finding("UNSIGNED", f"nobody has signed {path.name}")))
    except OSError as error:
        return Seen(path.name, said, (*findings, Finding("SIGN-OFF", f"{path.name}.sig: {error.strerror}")))
    signature = examine(path.name, text, armored, SIGN_OFF, replace(by, identity=said.identity), said.at)
    if runner is not None and signature.key == runner:
        findings.append(Finding("WRONG KEY", "the run's own key has signed it, which is no second person"))
    return Seen(path.name, said, (*findings, *signature.findings))


def identity_of(key: Ed25519PrivateKey, by: Trust) -> str:
    """The one principal that allowed signers know a key by.

    Raises:
        UsageError: there is none, or it is not one name.
    """
    raw = key.public_key().public_bytes_raw()
    names = {each.principals for each in by.signers or () if each.key == raw and each.signs(SIGN_OFF)}
    if len(names) != 1 or re.search(r"[,*?!]", next(iter(names))):
        told = " or ".join(sorted(names)) or "nobody"
        raise UsageError(f"sign-off: needs --identity: by the allowed signers the key is that of {told}")
    return names.pop()


def written(text: dict[str, object]) -> SignOff:
    """A sign-off of what a reviewer gave.

    Raises:
        UsageError: something given is not as it must be.
    """
    try:
        return SignOff.model_validate(text)
    except ValidationError as error:
        raise UsageError(f"sign-off: {first_problem(error)}") from None


def moment(now: datetime) -> datetime:
    """The moment of a sign-off, to the second."""
    return now.astimezone(UTC).replace(microsecond=0)
