"""The verification runs of a gate: ordinary runs of the suite, as anybody starts them, and what they left on record."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from opsverify.errors import OpsverifyError, UsageError
from opsverify.gate import children
from opsverify.gate.comparing import Scope
from opsverify.gate.story import Phase, Verification
from opsverify.record import point_latest

OK, RED, BROKEN_OFF, INTERNAL, USAGE, NOTHING = range(6)  # pytest's own exit status


class VerificationError(OpsverifyError):
    """The suite itself did not come to an end: nothing is known of any system."""


class Verified(NamedTuple):
    """A verification run, and what is in its ``results.json``."""

    run: Verification
    document: dict[str, Any]


def described(markers: str) -> str:
    """A scope in words, by the markers that choose it."""
    return f"requirements that are {markers}" if markers else "all requirements"


@dataclass
class Suite:
    """Runs the checks of a project as ``pytest checks`` does. ``watched`` starts a program and waits for it."""

    root: Path
    profile: str
    name: str
    phase: Phase
    change: str
    scope: Scope
    say: Callable[[str], None]
    watched: Callable[[Sequence[str], Path], int] = children.watched

    def verify(self) -> Verified:
        """Verify all that is in scope.

        Raises:
            UsageError: the suite refused what it was given, or nothing at all is in scope.
            VerificationError: it came to no end.
        """
        return self._run(["checks", *(["-m", self.scope.markers] if self.scope.markers else [])])

    def again(self, first: Verified, times: int) -> list[Verified]:
        """Ask what failed again, so many times at most.

        A check that was answered otherwise once is not asked any more: it is known then that it cannot be relied on.

        Raises:
            UsageError, VerificationError: as `verify`.
        """
        found: list[Verified] = []
        failing = _failing(first)
        for count in range(1, times + 1):
            if not failing:
                break
            checks = "1 check that fails" if len(failing) == 1 else f"{len(failing)} checks that fail"
            self.say(f"asking {checks} again ({count} of {times})")
            # What fails has been told in full; now it matters only whether it does so again.
            found.append(self._run(["-q", "--no-summary", *failing.values()]))
            still = _failing(found[-1])
            failing = {name: node for name, node in failing.items() if name in still}
        if found:
            point_latest(self.root / first.run.directory)  # who looks for the latest run wants all of it
        return found

    def _run(self, chosen: Sequence[str]) -> Verified:
        """One run; the suite's own words go to the terminal as it says them."""
        identity = secrets.token_hex(4)
        command = [sys.executable, "-m", "pytest", *chosen, "--profile", self.profile]
        command += ["--purpose", self.phase, "--change", self.change, "--run-id", identity]
        status = self.watched(command, self.root)
        stream = self.root / "reports" / self.name
        found = sorted(each for each in stream.glob(f"*-{identity}") if (each / "results.json").is_file())
        if status == USAGE:
            raise UsageError(f"{self.change}: the verification was refused; its reason stands above")
        if status == NOTHING:
            raise UsageError(
                f"{self.change}: no check is in scope ({described(self.scope.markers)}): nothing was verified"
            )
        if status not in (OK, RED) or not found:
            what = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            lost = "" if found else ", and left no results.json behind"
            raise VerificationError(f"the verification {what}{lost}: see what it said above")
        return read(found[-1], self.root, status)


def _failing(verified: Verified) -> dict[str, str]:
    """The checks that failed, by what they are about, with their node ids."""
    return {
        f"{each['requirement']}-{each['target']}": str(each["check"])
        for each in verified.document["checks"]
        if each["state"] == "fail" and each["check"]
    }


def read(directory: Path, root: Path, status: int) -> Verified:
    """What a run left on record.

    Raises:
        VerificationError: its record is none, or does not go with how it ended.
    """
    try:
        content = (directory / "results.json").read_bytes()
        document: dict[str, Any] = json.loads(content)
        run, population = document["run"], document["population"]
        states = {each["state"] for each in document["checks"] if not left_out(each)}
        if not population["reconciled"]:
            raise VerificationError(f"{directory.name}: the population of the run does not add up")
        if status != OK and not states & {"fail", "error", "not-tested"}:
            raise VerificationError(f"{directory.name}: the run ended red though no check is: see above")
        shown = directory.relative_to(root) if directory.is_relative_to(root) else directory
        made = Verification(
            directory=str(shown),
            results_sha256=hashlib.sha256(content).hexdigest(),
            selection=run["selection"],
            verdict=run["verdict"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationError(f"{directory.name}: its results.json is no record of a run: {error}") from None
    return Verified(made, document)


def left_out(entry: Mapping[str, Any]) -> bool:
    """Whether a check was not asked for at all; one that was and was not reached is not left out."""
    return bool(entry["state"] == "not-tested" and entry["message"].startswith("left out by the selection"))
