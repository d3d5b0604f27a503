"""What all channels share: one way to ask, so that nothing is ever asked unguarded, unbounded or unrecorded."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from opsverify import targets
from opsverify.channels.coding import SAME, Coding
from opsverify.errors import NotRecordedError, RefusedError, UnreachableError
from opsverify.recorded import Recorded
from opsverify.transcript import Transcript

A = TypeVar("A")

# Gives address and port to dial in place of a target's own, as when ssh forwards to it.
Dial = Callable[[], tuple[str, int]]

LONGEST_ANSWER = 8 * 1024 * 1024  # bytes; a longer answer is an error, never a truncated fact


def via(spec: targets.Database | targets.Cache) -> str:
    """How a target is reached, for an error about it: `` via host node``, or nothing."""
    return f" via host {spec.via}" if spec.via else ""


class Channel:
    """One connection to one target, under one account.

    Args:
        target: name of the target in the profile.
        account: who is asking, as the target knows it.
        timeout_s: the bound on every single question, in seconds.
        transcript: where questions and answers are written down.
    """

    kind: ClassVar[str]

    def __init__(self, target: str, account: str, timeout_s: float, transcript: Transcript) -> None:
        self.target = target
        self.account = account
        self.timeout_s = timeout_s
        self.transcript = transcript
        self._unreachable: UnreachableError | None = None

    def exchange(self, question: Any, send: Callable[[], A], coding: Coding[A]) -> A:
        """Ask one question that the guard has let through, and write it down with its answer.

        A target once found unreachable is not asked again: it costs one time-out, not one per check. On a replay
        nothing is sent: the transcript answers, and what had failed fails again.

        Raises:
            UnreachableError: the target cannot be reached, now or since an earlier question.
            UnansweredError: it was reached but gave no usable answer.
            NotRecordedError: on a replay, the transcript does not have this question, or no usable answer to it.
        """
        if self._unreachable is not None:
            raise self._unreachable.with_traceback(None)  # else it grows by every check that asks
        if isinstance(self.transcript, Recorded):
            return self._again(self.transcript, question, coding)
        started = datetime.now(UTC)
        begun = time.monotonic()
        try:
            answer = send()
            seen = coding.encode(answer)
        except Exception as error:  # whatever it is, the question was asked and is written down
            self._latch(error)
            self._write(question, started, begun, failure=str(error) or type(error).__name__, error=type(error))
            raise
        self._write(question, started, begun, answer=seen)
        return coding.decode(seen) if coding.decode else answer

    def _again(self, recorded: Recorded, question: Any, coding: Coding[A]) -> A:
        """The answer of the run, out of its transcript."""
        found = recorded.take(self.kind, self.target, question)
        failure = found.raised()
        if failure is not None:
            self._latch(failure)
            raise failure
        if coding.decode is None:
            recorded.miss()
            raise NotRecordedError(f"{found}: what it gave is not kept in the transcript")
        try:
            return coding.decode(found.answer)
        except Exception as error:  # whatever stands there was not written by a run
            recorded.miss()
            raise NotRecordedError(f"{found}: the answer is not understood: {type(error).__name__}: {error}") from None

    def _latch(self, error: Exception) -> None:
        if isinstance(error, UnreachableError):
            self._unreachable = error

    def _write(self, question: Any, started: datetime, begun: float, **outcome: Any) -> None:
        self.transcript.write(
            channel=self.kind,
            target=self.target,
            account=self.account,
            question=question,
            started=started,
            duration_s=time.monotonic() - begun,
            **outcome,
        )

    @property
    def runner(self) -> Runner:
        """What the machine that runs the suite adds of its own."""
        return Runner(self.transcript)

    def anew(self) -> None:
        """Forget that the target was found unreachable, for whoever waits for it: the next question is asked again."""
        self._unreachable = None

    def refuse(self, question: Any, why: str) -> RefusedError:
        """The error of the guard; the attempt itself goes into the transcript."""
        message = f"{self.kind} channel to {self.target}: refused to ask {question!r}: {why}"
        if isinstance(self.transcript, Recorded):
            self.transcript.pass_over(self.kind, self.target, question)
        else:
            self._write(question, datetime.now(UTC), time.monotonic(), failure=message, error=RefusedError)
        return RefusedError(message)

    def close(self) -> None:
        """Let go of the connection."""


class Runner(Channel):
    """What a verdict takes from the runner itself: the time, a random name. Written down, so a replay goes by it."""

    kind = "runner"

    def __init__(self, transcript: Transcript) -> None:
        super().__init__("runner", "runner", 0.0, transcript)

    def now(self) -> datetime:
        """This moment (UTC)."""
        return datetime.fromisoformat(self.exchange("time", lambda: datetime.now(UTC).isoformat(), SAME))

    def seconds(self) -> float:
        """Seconds of a clock that nobody sets; only differences mean anything."""
        return float(self.exchange("seconds of a steady clock", lambda: round(time.monotonic(), 6), SAME))

    def name(self) -> str:
        """A name that nobody else has, 16 hex digits."""
        return str(self.exchange("a random name", lambda: secrets.token_hex(8), SAME))

    def pause(self, seconds: float) -> None:
        """Wait for a live system; a replay waits for nobody."""
        if not isinstance(self.transcript, Recorded):
            time.sleep(seconds)
