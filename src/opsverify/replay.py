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

from opsverify import __version__, inputs, recorded
from opsverify.redaction import MASK
from opsverify.replaying import Entry, performed_in
from opsverify.summary import clip, number, visible

COMPARED = ("state", "result", "message", "observations")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")  # of an object, in the words of a plain assertion: new in each process
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
LONGEST = 400


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
        return self.masked and not self.state

    @property
    def state(self) -> bool:
        """Whether the state differs, and not the words alone."""
        return self.replayed is None or self.replayed["state"] != self.recorded["state"]


@dataclass(frozen=True)
class Outcome:
    """What a replay came to."""

    run: Mapping[str, Any]
    performed: int
    answers: int
    left_out: Mapping[str, str] = field(default_factory=dict)
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
        return not self.different and not any(each.state for each in self.tried)


def perform(directory: Path, root: Path, limits: Path | None = None) -> Outcome:
    """Replay a run with the checks of the project at ``root``; with ``limits``, then once more under those.

    Raises:
        UsageError: the directory is no run that can be replayed, or the limits are none.
    """
    inputs.again(directory, limits)  # so that what is wrong with it is said before anything is started
    results = inputs.results(directory)
    performed = performed_in(results)
    lines = _masked(directory)
    replayed = _checks(directory, root, None)
    differences = list(_differences(performed, replayed, lines))
    tried: list[Difference] = []
    if limits is not None and all(each.words_of_a_mask for each in differences):
        tried = list(_differences(performed, _checks(directory, root, limits), lines))
    left_out = {
        f"{each['requirement']}-{each['target']}": f"{each['state']}: {each['message']}"
        for each in results["checks"]
        if not each["check"]
    }
    return Outcome(results["run"], len(performed), len(lines), left_out, differences, tried, limits)


def _checks(directory: Path, root: Path, limits: Path | None) -> dict[str, Entry]:
    """What the checks say now, by subject."""
    with tempfile.TemporaryDirectory(prefix="opsv-replay-") as folder:
        to = Path(folder) / "checks.json"
        command = [sys.executable, "-m", "pytest", str(root / "checks"), "--replay", str(directory.absolute())]
        command += ["--replay-to", str(to), *(["--replay-limits", str(limits.absolute())] if limits else [])]
        done = subprocess.run(  # noqa: S603  no shell, and every word is ours
            [*command, "-p", "no:cacheprovider", "-q", "--tb=no"],
            cwd=root,
            env={name: value for name, value in os.environ.items() if name in KEPT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )
        if not to.is_file():
            said = (done.stdout + done.stderr).strip()[-2000:]
            raise RuntimeError(f"pytest ended with status {done.returncode} and said: {said}")
        found = json.loads(to.read_bytes())
    return {f"{each['requirement']}-{each['target']}": each for each in found}


def _masked(directory: Path) -> dict[str, bool]:
    """The exchanges of a run, and whether something in the answer was masked before it was written."""
    found = recorded.read(directory / "transcript.jsonl")
    return {each.id: MASK in json.dumps(each.answer, ensure_ascii=False) for each in found}


def _differences(
    before: Mapping[str, Entry], replayed: Mapping[str, Entry], masked: Mapping[str, bool]
) -> Iterator[Difference]:
    for subject, entry in before.items():
        again = replayed.get(subject)
        if again is None or any(_plain(entry.get(key)) != _plain(again[key]) for key in COMPARED):
            yield Difference(subject, entry, again, any(masked.get(each, False) for each in entry["exchanges"]))


def _plain(value: Any) -> str:
    return ADDRESS.sub("0x…", json.dumps(value, ensure_ascii=False, sort_keys=True))


def told(outcome: Outcome) -> str:
    """What came of it, for a terminal."""
    return visible("\n".join(_lines(outcome)))


def _lines(outcome: Outcome) -> Iterator[str]:
    run = outcome.run
    yield f"replay of run {run['id']} ({run['profile']}, {run['purpose']}) by its own clock: {run['start']}"
    yield f"made with opsverify {run['suite_version']} ({run['suite_commit']}), replayed with {__version__}"
    yield (
        f"{number(outcome.performed, 'check')} performed again from {number(outcome.answers, 'exchange')}; "
        "no system was asked anything"
    )
    if outcome.left_out:
        yield f"{number(len(outcome.left_out), 'check')} had not been performed, so there is nothing to repeat:"
        for why, names in _grouped(outcome.left_out).items():
            yield f"  {why} ({len(names)}): {clip(', '.join(names), LONGEST)}"
    for each in outcome.differences:
        yield from _difference(each)
    if outcome.different:
        yield f"DIFFERENT: {number(len(outcome.different), 'check')} of {outcome.performed}, see above"
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
