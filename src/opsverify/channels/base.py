"""What all channels share: one way to ask, so that nothing is ever asked unguarded, unbounded or unrecorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from opsverify import targets
from opsverify.errors import RefusedError, UnreachableError
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

    def exchange(self, question: Any, send: Callable[[], A], shown: Callable[[A], Any]) -> A:
        """Ask one question that the guard has let through, and write it down with its answer.

        A target once found unreachable is not asked again: it costs one time-out, not one per check.

        Raises:
            UnreachableError: the target cannot be reached, now or since an earlier question.
            UnansweredError: it was reached but gave no usable answer.
        """
        if self._unreachable is not None:
            raise self._unreachable
        started = datetime.now(UTC)
        begun = time.monotonic()
        try:
            answer = send()
            seen = shown(answer)
        except Exception as error:  # whatever it is, the question was asked and is written down
            if isinstance(error, UnreachableError):
                self._unreachable = error
            self._write(question, started, begun, failure=str(error) or type(error).__name__)
            raise
        self._write(question, started, begun, answer=seen)
        return answer

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

    def anew(self) -> None:
        """Forget that the target was found unreachable, for whoever waits for it: the next question is asked again."""
        self._unreachable = None

    def refuse(self, question: Any, why: str) -> RefusedError:
        """The error of the guard; the attempt itself goes into the transcript."""
        message = f"{self.kind} channel to {self.target}: refused to ask {question!r}: {why}"
        self._write(question, datetime.now(UTC), time.monotonic(), failure=message)
        return RefusedError(message)

    def close(self) -> None:
        """Let go of the connection."""
