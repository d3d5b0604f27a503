"""``opsverify replay``: what a run judged, judged again from what it wrote down, and held against what it said."""

from __future__ import annotations

import json
import os
import re
import subprocess  # noqa: TID251  starts the suite once more; no system is asked anything
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsverify import __version__, inputs, recorded, recount
from opsverify.errors import UsageError
from opsverify.evidence import bundle
from opsverify.evidence.finding import Finding, line
from opsverify.evidence.manifest import SIGNATURE, SUMS
from opsverify.evidence.reading import TRANSCRIPT, record_of
from opsverify.evidence.sealing import SEAL
from opsverify.redaction import MASK
from opsverify.replaying import Entry, performed_in
from opsverify.run import commit
from opsverify.texts import clip, number, visible

WORDS = ("message", "observations")  # in which something may be masked
COMPARED = ("state", "result", *WORDS, "severity", "must_pass", "not_applicable", "waiver", "statements")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")  # of an object, in the words of a plain assertion: new in each process
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
LONGEST = 400


@dataclass(frozen=True)
class Sealed:
    """Whether a run is as it was sealed, by its checksums alone; ``digest`` is empty where it was never sealed."""

    digest: str
    files: int
    findings: Sequence[Finding]

    @property
    def altered(self) -> bool:
        """Something is not as it was sealed."""
        return bool(self.findings)

    def told(self) -> str:
        """All of it, a line each."""
        if self.altered:
            whole = "neither what this run says nor what a replay makes of it shows anything"
            return "\n".join([*map(str, self.findings), line("NOT AS SEALED", whole)])
        if not self.digest:
            return line("UNSEALED", f"there is no {SUMS}: nothing shows that these files are as the run left them")
        words = f"{number(self.files, 'file')} as {SUMS} has them; who signed that, opsverify bundle verify tells"
        return "\n".join([line("sealed", words), line("digest", self.digest)])


def sealed(directory: Path) -> Sealed:
    """Hold a run against its checksums; no key is needed.

    Raises:
        UsageError: there is no such folder.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory}: there is no such folder")
    held = bundle.sums(directory)
    findings = [each for each in held.findings if each.word != "UNFINISHED"]
    if held.text is None:
        left = [each for each in (SEAL, SIGNATURE) if os.path.lexists(directory / each)]
        findings += [Finding("MISSING", f"{SUMS}: is not there, and {each} is") for each in left]
    return Sealed(held.digest, len(held.listed), findings)


@dataclass(frozen=True)
class Difference:
    """A check that says something else than the run has on record; ``replayed`` is None where it could not be done."""

    subject: str
    recorded: Entry
    replayed: Entry | None
    masked: bool = False

    @property
    def words_of_a_mask(self) -> bool:
        """Whether it says the same but for a secret, which the run saw and the transcript does not hold."""
        return (
            self.masked and self.replayed is not None and _but_for_words(self.recorded) == _but_for_words(self.replayed)
        )

    @property
    def state(self) -> bool:
        """Whether the state differs, and not the words alone."""
        return self.replayed is None or self.replayed["state"] != self.recorded["state"]


@dataclass(frozen=True)
class Outcome:
    """What a replay came to."""

    run: Mapping[str, Any]
    suite: tuple[str, str]  # version and commit of the one that replayed it
    performed: int
    answers: int
    left_out: Mapping[str, str] = field(default_factory=dict)
    broken_off: Sequence[str] = ()  # of those left out, what had asked something
    problems: Sequence[str] = ()  # of the record as a whole
    differences: Sequence[Difference] = ()
    tried: Sequence[Difference] = ()
    limits: Path | None = None

    @property
    def different(self) -> list[Difference]:
        """The differences that count."""
        return [each for each in self.differences if not each.words_of_a_mask]

    @property
    def equal(self) -> bool:
        """Every check says what is on record, and with other limits none would have come to another state."""
        return not self.different and not self.problems and not any(each.state for each in self.tried)


def perform(directory: Path, root: Path, limits: Path | None = None) -> Outcome:
    """Replay a run with the checks of the project at ``root``; with ``limits``, then once more under those.

    Raises:
        UsageError: the directory is no run that can be replayed, or the limits are none.
    """
    run = inputs.again(directory)  # so that what is wrong with it is said before anything is started
    results = record_of(directory)
    performed = performed_in(results)
    if not performed:
        raise UsageError(f"{directory}: no check was performed in this run, so there is nothing to repeat")
    if limits is not None:
        inputs.again(directory, limits)
        _can_be_tried(limits, performed)
    exchanges = list(recorded.read(directory / TRANSCRIPT))
    masked = {each.id: MASK in json.dumps([each.answer, each.failure], ensure_ascii=False) for each in exchanges}
    problems = list(recount.problems(run, results, exchanges))
    differences = list(_differences(performed, _checks(directory, root, None), masked))
    tried: list[Difference] = []
    if limits is not None and not problems and all(each.words_of_a_mask for each in differences):
        tried = list(_differences(performed, _checks(directory, root, limits), masked))
    left_out = {
        recount.subject(each): f"{each['state']}: {each['message']}" for each in results["checks"] if not each["check"]
    }
    asked = {each.check.partition("[")[2].removesuffix("]") for each in exchanges}
    return Outcome(
        run=results["run"],
        suite=(__version__, commit(root)),
        performed=len(performed),
        answers=len(exchanges),
        left_out=left_out,
        broken_off=sorted(asked & set(left_out)),
        problems=problems,
        differences=differences,
        tried=tried,
        limits=limits,
    )


def _can_be_tried(limits: Path, performed: Mapping[str, Entry]) -> None:
    judged = {each["requirement"] for each in performed.values() if each["state"] != "not-applicable"}
    for name in inputs.limits_in(limits):
        if name not in judged:
            raise UsageError(f"{limits}: limits.{name}: the run judged nothing by it, so there is nothing to try")


def _checks(directory: Path, root: Path, limits: Path | None) -> dict[str, Entry]:
    """What the checks say now, by subject."""
    with tempfile.TemporaryDirectory(prefix="opsv-replay-") as folder:
        to = Path(folder) / "checks.json"
        command = [sys.executable, "-m", "pytest", str(root / "checks"), "--replay", str(directory.absolute())]
        command += ["--replay-to", str(to), *(["--replay-limits", str(limits.absolute())] if limits else [])]
        done = subprocess.run(  # noqa: S603  no shell, and every word is ours
            [*command, "-p", "no:cacheprovider", "-q", "--tb=line"],
            cwd=root,
            env={name: value for name, value in os.environ.items() if name in KEPT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )
        if not to.is_file():
            said = (done.stdout + done.stderr).strip()
            errors = "; ".join(each[1:].strip() for each in said.splitlines() if each.startswith("E "))
            why = (errors or said)[-2000:]
            raise UsageError(f"the checks cannot be performed: pytest ended with status {done.returncode}: {why}")
        found = json.loads(to.read_bytes())
    return {recount.subject(each): each for each in found}


def _differences(
    before: Mapping[str, Entry], replayed: Mapping[str, Entry], masked: Mapping[str, bool]
) -> Iterator[Difference]:
    for subject, entry in before.items():
        again = replayed.get(subject)
        if again is None or any(_plain(entry[key]) != _plain(again[key]) for key in COMPARED):
            yield Difference(subject, entry, again, any(masked.get(each, False) for each in entry["exchanges"]))


def _but_for_words(entry: Entry) -> str:
    rest = {key: entry[key] for key in COMPARED if key not in WORDS}
    return _plain([rest, [each["met"] for each in entry["observations"]]])


def _plain(value: Any) -> str:
    return ADDRESS.sub("0x…", json.dumps(value, ensure_ascii=False, sort_keys=True))


def told(outcome: Outcome) -> str:
    """What came of it, for a terminal."""
    return "\n".join(visible(each.replace("\n", "\\n")) for each in _lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    run = outcome.run
    yield f"replay of run {run['id']} ({run['profile']}, {run['purpose']}) by its own clock: {run['start']}"
    made, now = (run["suite_version"], run["suite_commit"]), outcome.suite
    yield f"made with opsverify {made[0]} ({made[1]}), replayed with {now[0]} ({now[1]})"
    if made != now:
        yield "ANOTHER SUITE: it may judge otherwise than that of the run; differences may be its own"
    elif "unknown" in now[1] or "dirty" in now[1]:
        yield "SUITE UNKNOWN: it is of no commit, so it may not be that of the run"
    yield (
        f"{number(outcome.performed, 'check')} performed again from {number(outcome.answers, 'exchange')}; "
        "no system was asked anything"
    )
    if outcome.left_out:
        yield f"{number(len(outcome.left_out), 'check')} had not been performed, so there is nothing to repeat:"
        for why, names in _grouped(outcome.left_out).items():
            yield f"  {why} ({len(names)}): {clip(', '.join(names), LONGEST)}"
    if outcome.broken_off:
        asked = clip(", ".join(outcome.broken_off), LONGEST)
        yield f"  {len(outcome.broken_off)} of these had asked something, as the transcript has it: {asked}"
    for each in outcome.differences:
        yield from _difference(each)
    yield from (f"record: {problem}" for problem in outcome.problems)
    if outcome.different or outcome.problems:
        checks = f"{number(len(outcome.different), 'check')} of {outcome.performed}"
        and_more = f" and {number(len(outcome.problems), 'line')} of the record as a whole" if outcome.problems else ""
        yield f"DIFFERENT: {checks}{and_more}, see above"
        if outcome.limits:
            yield f"the limits of {outcome.limits} were not tried: a trial says nothing while the replay differs"
        return
    masked = f", {len(outcome.differences)} but for words that were masked" if outcome.differences else ""
    yield f"EQUAL: every check says what is on record ({outcome.performed}{masked})"
    if outcome.limits:
        yield from _trial(outcome, outcome.limits)


def _trial(outcome: Outcome, limits: Path) -> Iterator[str]:
    yield ""
    yield f"TRIAL under the limits of {limits}: not a verdict, and nothing that the run was judged by"
    changed = [each for each in outcome.tried if each.state]
    for each in changed:
        yield from _difference(each)
    words = len(outcome.tried) - len(changed)
    yield (
        f"TRIAL: {number(len(changed), 'check')} would have come to another state; "
        f"{number(words, 'check')} would have expected something else and come to the same"
    )


def _difference(each: Difference) -> Iterator[str]:
    said, replayed = each.recorded, each.replayed
    if replayed is None:
        yield f"{each.subject}: recorded {said['state']}, not replayed: today's suite has no such check"
        return
    yield f"{each.subject}: recorded {said['state']}, replayed {replayed['state']}"
    if each.masked:
        yield "  rests on an answer in which a secret was masked before it was written"
    if said["message"] != replayed["message"]:
        yield f"  message: recorded {_shown(said['message'])}"
        yield f"           replayed {_shown(replayed['message'])}"
    shown_already = {"state", *WORDS, *(["result"] if each.state else [])}
    for key in COMPARED:
        if key not in shown_already and _plain(said[key]) != _plain(replayed[key]):
            yield f"  {key}: recorded {_shown(said[key])}, replayed {_shown(replayed[key])}"
    before, after = said["observations"], replayed["observations"]
    for place in range(max(len(before), len(after))):
        was, now = ([*side, *[None] * len(before + after)][place] for side in (before, after))
        if _plain(was) != _plain(now):
            yield f"  observation {place + 1}: recorded {_observation(was)}"
            yield f"  {' ' * len(f'observation {place + 1}:')} replayed {_observation(now)}"


def _observation(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "none"
    met = "met" if found["met"] else "not met"
    return f"{_shown(found['name'])}: {_shown(found['observed'])}, expected {_shown(found['expected'])} ({met})"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clip(" ".join(text.split()) or "nothing", LONGEST)


def _grouped(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for subject, why in left_out.items():
        found.setdefault(_shown(why), []).append(subject)
    return found
