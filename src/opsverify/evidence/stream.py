"""Verifying a whole stream: every bundle in it, and that together they are the one chain that was sealed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import NamedTuple

from opsverify.errors import UsageError
from opsverify.evidence import bundle, chain
from opsverify.evidence.bundle import Bundle
from opsverify.evidence.chain import HEAD, PRUNED, ChainError, Entry
from opsverify.evidence.finding import Finding, line, wrong
from opsverify.evidence.manifest import SUMS
from opsverify.evidence.sealing import CLOCK
from opsverify.evidence.signing import Trust
from opsverify.texts import number


class Pointer(NamedTuple):
    """What ``HEAD`` says (None: nothing), and why it says nothing."""

    entry: Entry | None
    problem: str = ""


@dataclass(frozen=True)
class Stream:
    """A stream that was looked at."""

    name: str
    bundles: tuple[Bundle, ...]
    findings: tuple[Finding, ...]
    tip: Entry | None

    @property
    def holds(self) -> bool:
        """Nothing speaks against any run, nor against their order."""
        return not wrong(self.findings)

    def told(self) -> str:
        """What was found, a line each, and the word on it last."""
        sealed = sum(bool(each.digest) for each in self.bundles)
        signers = sorted({each.signer for each in self.bundles if each.signer})
        lines = [line("stream", self.name), *map(str, self.findings)]
        if signers:
            lines.append(line("signed", f"SIGNED by {', '.join(signers)}"))
        if self.tip is not None:
            lines.append(line("head", f"{self.tip.digest} {self.tip.run}"))
        word = f"{number(sealed, 'run')} in one chain" if self.holds else "see the words in capitals"
        lines.append(line("VERIFIED" if self.holds else "NOT VERIFIED", word))
        return "\n".join(lines)


def verify(stream: Path, by: Trust, *, head: str | None = None, unsigned_ok: bool = False) -> Stream:
    """Look at every run of a stream. ``head`` is the digest of a run that was written down elsewhere.

    Raises:
        UsageError: there is no such folder, or no sealed run in it and none expected.
    """
    try:
        names = chain.runs(stream)
    except OSError as error:
        raise UsageError(f"{stream.name}: cannot be read as a folder of runs: {error.strerror}") from None
    pointer = _pointer(stream)
    if not names and pointer.entry is None and head is None:
        raise UsageError(f"{stream.name}: there is no run in it, expected the folder of a stream (reports/<profile>)")
    bundles = [bundle.verify(stream / name, by, unsigned_ok=unsigned_ok) for name in names]
    findings = [found for each in bundles for found in _of(each, stream.name)]
    try:
        pruned = chain.pruned(stream)
    except ChainError as error:
        pruned = frozenset()
        findings.append(Finding("ALTERED", str(error)))
    order, tip = linked(bundles, pointer, pruned, head)
    return Stream(stream.name, tuple(bundles), (*findings, *order), tip)


def _pointer(stream: Path) -> Pointer:
    try:
        return Pointer(chain.read(stream / HEAD))
    except ChainError as error:
        return Pointer(None, str(error))


def _of(each: Bundle, stream: str) -> Iterator[Finding]:
    """What there is to say of a run among others."""
    if not each.digest:  # a run that goes on, or was killed: nothing of the chain rests on it
        yield from (
            Finding(found.word, found.text, found.word != "UNFINISHED").about(each.name) for found in each.findings
        )
        return
    yield from (found.about(each.name) for found in each.findings)
    yield from (Finding("SIGN-OFF", str(seen)).about(each.name) for seen in each.sign_offs if not seen.holds)
    if each.seal is not None and each.seal.run != each.name:
        yield Finding("REORDERED", f"{each.name}: was sealed as {each.seal.run}")
    if each.seal is not None and each.seal.stream != stream:
        yield Finding(
            "REORDERED", f"{each.name}: was sealed in the stream {each.seal.stream}, not in {stream}", fatal=False
        )


def linked(
    bundles: Sequence[Bundle], head: Pointer, pruned: Collection[Entry], published: str | None
) -> tuple[list[Finding], Entry | None]:
    """Whether runs are one chain: what is not as it was sealed, and its newest run. Pure."""
    sealed = [each for each in bundles if each.digest]
    unsealed = {each.name for each in bundles if not each.digest}
    known = {each.name: each for each in sealed}
    by_digest = {each.digest: each for each in sealed}
    findings = [
        found
        for each in sealed
        if each.previous is not None
        for found in _before(each, each.previous, known, by_digest, unsealed, pruned)
    ]
    findings += _firsts(sealed)
    followers: dict[Entry, list[str]] = defaultdict(list)
    for each in sealed:
        if each.previous is not None:
            followers[each.previous].append(each.name)
    findings += [
        Finding("FORKED", f"{' and '.join(names)} each follow {entry.run}; a run has one successor")
        for entry, names in followers.items()
        if len(names) > 1
    ]
    tips = [each.entry for each in sealed if each.entry is not None and each.entry not in followers]
    findings += _head(head, tips, known, by_digest, unsealed)
    tip = head.entry if head.entry in tips else max(tips, default=None)
    entries = {each.entry for each in sealed}
    resumed = [each for each in sealed if each.previous is not None and each.previous not in entries]
    if not wrong(findings):  # of a chain that is broken anyway there are several ends
        ends = [each for each in sealed if each.entry in tips and each.entry != tip]
        findings += [strange for each in ends for strange in _strange(each, resumed)]
    if published is not None and published not in by_digest:
        findings.append(_published(published, resumed, pruned))
    return findings, tip


def _strange(end: Bundle, resumed: Sequence[Bundle]) -> Iterator[Finding]:
    """What is wrong with a run that nothing follows, and that is not the newest.

    What followed it may have been taken away on purpose, as what the ``resumed`` runs follow was; but then one of these
    was sealed after it.
    """
    later = [each.seal for each in resumed if each is not end and each.seal is not None]
    seal = end.seal
    if seal is None or not any(each.stream == seal.stream and seal.sealed <= each.sealed + CLOCK for each in later):
        yield Finding("FORKED", f"{end.name}: is no part of the chain: nothing follows it, and it is not the newest")


def _published(digest: str, resumed: Sequence[Bundle], pruned: Collection[Entry]) -> Finding:
    """What there is to say of a digest that was written down, and that no run has.

    A run that was taken away on purpose had begun before one was sealed that goes on after a run that is gone; and the
    newest never goes.
    """
    gone = next((each for each in pruned if each.digest == digest), None)
    if gone is None:
        return Finding("TRUNCATED", f"no run has the digest {digest}: the chain was cut off before it, or written anew")
    has = f"{gone.run}: has the digest {digest} by {PRUNED}, which says that it was taken away"
    began = gone.run.partition("-")[0]
    if any(each.seal and began <= f"{each.seal.sealed.astimezone(UTC) + CLOCK:%Y%m%dT%H%M%SZ}" for each in resumed):
        return Finding("PRUNED", has, fatal=False)
    return Finding("TRUNCATED", f"{has}, and no run goes on after it")


def _before(
    each: Bundle,
    previous: Entry,
    known: dict[str, Bundle],
    by_digest: dict[str, Bundle],
    unsealed: Collection[str],
    pruned: Collection[Entry],
) -> Iterator[Finding]:
    """What is wrong with the run that a run follows."""
    there = known.get(previous.run)
    if there is not None and there.digest == previous.digest:
        if there.seal and each.seal and each.seal.sealed < there.seal.sealed - CLOCK:
            yield Finding("REORDERED", f"{each.name}: was sealed before {there.name}, which it follows")
    elif previous.digest in by_digest:
        moved = by_digest[previous.digest].name
        yield Finding("REORDERED", f"{moved}: is the run that {each.name} follows, where it was called {previous.run}")
    elif there is not None:
        yield Finding("ALTERED", f"{previous.run}: its {SUMS} is not the one that {each.name} follows")
    elif previous.run in unsealed:
        yield Finding("MISSING", f"{previous.run}: its {SUMS} is not there, and {each.name} follows it")
    elif previous in pruned:
        yield Finding(
            "PRUNED", f"{previous.run}: was taken away, as {PRUNED} says; {each.name} follows it", fatal=False
        )
    else:
        yield Finding("MISSING", f"{previous.run}: is not there, and {each.name} follows it")


def _firsts(sealed: Sequence[Bundle]) -> Iterator[Finding]:
    firsts = [each for each in sealed if each.first]
    if len(firsts) > 1:
        names = " and ".join(each.name for each in firsts)
        yield Finding("FORKED", f"{names} each say that they are the first; a stream has one")


def _head(
    head: Pointer,
    tips: Sequence[Entry],
    known: dict[str, Bundle],
    by_digest: dict[str, Bundle],
    unsealed: Collection[str],
) -> Iterator[Finding]:
    """What is wrong at the end of the chain."""
    if head.entry is None:
        if tips:
            yield Finding(
                "TRUNCATED", f"{HEAD} {head.problem or 'says that there is no run'}: nothing says where it ends"
            )
        return
    run, digest = head.entry
    if run in known and known[run].digest != digest and digest not in by_digest:
        yield Finding("ALTERED", f"{run}: its {SUMS} is not the one that {HEAD} names")
    elif digest in by_digest and by_digest[digest].name != run:
        yield Finding("REORDERED", f"{by_digest[digest].name}: is the run that {HEAD} names, where it was called {run}")
    elif digest not in by_digest:  # whatever PRUNED says: the newest run is never taken away on purpose
        what = f"its {SUMS} is not there" if run in unsealed else "is not there"
        yield Finding("TRUNCATED", f"{run}: is the newest run by {HEAD}, and {what}")
    elif tips and head.entry not in tips:
        later = max(tips).run
        yield Finding(
            "HEAD", f"{later}: was sealed after {run}, which {HEAD} names; the next run goes on after it", fatal=False
        )
