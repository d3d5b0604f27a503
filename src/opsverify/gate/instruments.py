"""What a gate measures on one side of a change: readiness, verification, configuration and latencies."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from opsverify.gate import comparing, settling
from opsverify.gate.comparing import Check
from opsverify.gate.settings import Gate
from opsverify.gate.story import Poll, Reason, Settling, Snapshot
from opsverify.gate.verifying import Suite, VerificationError, Verified
from opsverify.probes import configuration, latency, readiness
from opsverify.run import Run

Say = Callable[[str], None]


@dataclass
class Measurement:
    """What was measured on one side of the change."""

    first: Verified
    again: list[Verified]
    checks: dict[str, Check]
    configuration: Snapshot = field(default_factory=Snapshot)
    latencies: latency.Latencies = field(default_factory=latency.Latencies)

    def sound(self) -> list[Reason]:
        """Why its verification is nothing to decide by."""
        return comparing.unsound(self.first.document)


@dataclass(frozen=True)
class Instruments:
    """What a gate measures with: one run's channels and transcript, and the suite."""

    run: Run
    suite: Suite
    say: Say

    @property
    def settings(self) -> Gate:
        """How the profile wants its gates."""
        return self.run.profile.gate

    def settle(self) -> Settling:
        """Wait until everything is ready."""
        with self.asking() as run:
            quick = readiness.hurried(run)
            with contextlib.closing(quick):
                words = f"{self.settings.settle_polls} times in a row, for {self.settings.settle_seconds:g} s at most"
                self.say(f"waiting until everything is ready {words}")
                said: list[str] = []

                def poll() -> Poll:
                    found = readiness.poll(quick)
                    waiting = "; ".join(f"{on}: {why}" for on, why in found.waiting.items())
                    if waiting and said[-1:] != [waiting]:
                        self.say(f"not ready: {waiting}")
                        said.append(waiting)
                    return found

                return settling.settle(poll, time.monotonic, time.sleep, self.settings)

    def measure(self) -> Measurement:
        """Verify, ask what failed again, and take configuration and samples."""
        self.say("verifying")
        first = self.suite.verify()
        again = self.suite.again(first, self.settings.reprobes)
        try:
            checks = comparing.checks_of(first.document, [each.document for each in again], self.suite.scope)
        except (ValueError, KeyError) as error:
            raise VerificationError(f"{first.run.directory}: its results.json is no record of a run: {error}") from None
        with self.asking() as run:
            self.say("reading the configuration")
            snapshot = configuration.snapshot(run)
            self.say(f"taking {self.settings.samples} samples of each latency")
            latencies = latency.latencies(run, self.settings.samples)
        return Measurement(first, again, checks, snapshot, latencies)

    @contextlib.contextmanager
    def asking(self) -> Iterator[Run]:
        """Channels of one step's own: what was unreachable in an earlier one is asked anew. One transcript for all."""
        fresh = replace(self.run, channels={}, facts={})
        fresh.transcript = self.run.transcript
        with contextlib.closing(fresh):
            yield fresh
