"""Verifying one bundle: every file is as it was sealed, no other one is there, and who may has signed that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import TypeVar

from opsverify.errors import UsageError
from opsverify.evidence import chain, manifest, sealing, signoff
from opsverify.evidence.chain import PREV, ChainError, Entry
from opsverify.evidence.finding import Finding, line, wrong
from opsverify.evidence.manifest import SIGNATURE, SUMS, ManifestError
from opsverify.evidence.sealing import SEAL, Seal
from opsverify.evidence.signing import NAMESPACE, Signature, Trust, examine
from opsverify.sshsig import fingerprint
from opsverify.texts import number

T = TypeVar("T")


@dataclass(frozen=True)
class Bundle:
    """A bundle that was looked at. ``digest`` is that of its manifest, empty where there is none; ``previous`` is what
    its ``PREV`` says (``first``: that there is none before it); ``signer`` is empty where nobody's signature holds."""

    name: str
    digest: str
    files: int
    seal: Seal | None
    previous: Entry | None
    first: bool
    signer: str
    findings: tuple[Finding, ...]
    sign_offs: tuple[signoff.Seen, ...] = ()

    @property
    def entry(self) -> Entry | None:
        """The run as the chain knows it; None where it is not sealed."""
        return Entry(self.name, self.digest) if self.digest else None

    @property
    def holds(self) -> bool:
        """Nothing speaks against the bundle, nor against what reviewers have signed."""
        return not wrong(self.findings) and all(each.holds for each in self.sign_offs)

    def told(self) -> str:
        """All of it, a line each, and the word on it last."""
        renamed = self.seal is not None and self.seal.run != self.name
        lines = [line("bundle", f"{self.name}, sealed as {self.seal.run}" if self.seal and renamed else self.name)]
        if self.seal is not None:
            lines.append(
                line("sealed", f"{self.seal.sealed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, by the runner's clock")
            )
            after = (
                "the first run of its stream" if self.first else f"after {self.previous.run if self.previous else '?'}"
            )
            lines.append(line("chain", f"{after} (opsverify bundle chain verifies that)"))
        if self.signer and self.seal is not None:
            lines.append(line("signed", f"SIGNED by {self.signer}, key {self.seal.key}"))
        lines += map(str, self.findings)
        lines += [line("sign-off", str(each)) for each in self.sign_offs]
        if self.digest:
            lines.append(line("digest", self.digest))
        word = f"{number(self.files, 'file')} as sealed" if self.holds else "see the words in capitals"
        lines.append(line("VERIFIED" if self.holds else "NOT VERIFIED", word))
        return "\n".join(lines)


@dataclass(frozen=True)
class Sums:
    """A folder held against its manifest, whoever signed that; ``text`` is None where there is none to be read."""

    text: bytes | None
    listed: Mapping[str, str]
    findings: tuple[Finding, ...]

    @property
    def digest(self) -> str:
        """The digest of the manifest, by which a run is named elsewhere; empty where there is none."""
        return "" if self.text is None else manifest.digest_of(self.text)


def sums(directory: Path) -> Sums:
    """Look at the files of a bundle alone: no key is needed, and nothing is known of who has signed."""
    try:
        text = manifest.content(directory / SUMS)
    except FileNotFoundError:
        finding = Finding("UNFINISHED", f"there is no {SUMS}: the run was never sealed, or that was taken away")
        return Sums(None, {}, (finding,))
    except OSError as error:
        return Sums(None, {}, (Finding("ALTERED", f"{SUMS}: {error.strerror}"),))
    try:
        listed = manifest.parse(text)
    except ManifestError as error:
        return Sums(text, {}, (Finding("ALTERED", f"{SUMS}: {error}"),))
    findings = manifest.differences(directory, listed)
    findings += [
        Finding("ALTERED", f"{SUMS}: does not have {each}, as every sealed run does")
        for each in (PREV, SEAL)
        if each not in listed
    ]
    return Sums(text, listed, tuple(findings))


def verify(directory: Path, by: Trust, *, unsigned_ok: bool = False) -> Bundle:
    """Look at a bundle and at the sign-offs beside it.

    Raises:
        UsageError: there is no such folder.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory.name}: there is no such folder")
    name = directory.name
    held = sums(directory)
    if held.text is None:
        return Bundle(name, "", 0, None, None, False, "", held.findings)
    text, listed, findings = held.text, held.listed, list(held.findings)
    digest = held.digest
    seal = _part(directory / SEAL, findings, sealing.read)
    previous = _part(directory / PREV, findings, chain.parse)
    first = previous is None and _is_first(directory / PREV)
    signature = _signature(directory, text, seal, by, unsigned_ok=unsigned_ok)
    findings += signature.findings
    reviews = signoff.seen(directory, seal, digest, by, signature.key)
    return Bundle(
        name, digest, len(listed), seal, previous, first, signature.signer, tuple(_once(findings)), tuple(reviews)
    )


def _part(path: Path, findings: list[Finding], parse: Callable[[bytes], T]) -> T | None:
    """What a file of the seal says; None where it says nothing that is understood, and then why not."""
    try:
        return parse(manifest.content(path))
    except ChainError as error:
        findings.append(Finding("ALTERED", f"{path.name}: {error}"))
    except OSError:
        pass  # that it is not there, or is no file, is known by now
    return None


def _is_first(path: Path) -> bool:
    try:
        return manifest.content(path) == chain.FIRST.encode()
    except OSError:
        return False


def _signature(directory: Path, text: bytes, seal: Seal | None, by: Trust, *, unsigned_ok: bool) -> Signature:
    """What came of the signature; where there is none, whether there was one once."""
    try:
        armored = manifest.content(directory / SIGNATURE)
    except FileNotFoundError:
        if seal is not None and seal.signed_by:
            gone = f"{SIGNATURE}: {seal.signed_by} had signed with {seal.key}, and it is not there"
            return Signature(None, "", (Finding("MISSING", gone),))
        why = f" ({seal.unsigned_because})" if seal is not None and seal.unsigned_because else ""
        said = f"nobody has signed{why}: whoever may write here can have written all of it"
        return Signature(None, "", (Finding("UNSIGNED", said, fatal=not unsigned_ok),))
    except OSError as error:
        return Signature(None, "", (Finding("ALTERED", f"{SIGNATURE}: cannot be read: {error.strerror}"),))
    expected = by.identity or (seal.signed_by if seal else "") or None
    found = examine(SUMS, text, armored, NAMESPACE, replace(by, identity=expected), seal.sealed if seal else None)
    if found.signer and seal is not None and found.key is not None and seal.key != fingerprint(found.key):
        wrong_key = Finding(
            "WRONG KEY", f"{SEAL}: says {seal.key or 'no key'}, and {fingerprint(found.key)} has signed"
        )
        return Signature(found.key, "", (*found.findings, wrong_key))
    return found


def _once(findings: list[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))
