"""The transcript of a run that is over, as it answers a replay: each question as, and as often as, it was then."""

from __future__ import annotations

import builtins
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsverify import errors
from opsverify.errors import NotRecordedError, UsageError
from opsverify.redaction import Redactor
from opsverify.transcript import Transcript, natural

NOT_RECORDED = "not recorded"  # stands among a check's exchanges for a question that the transcript lacks
TEXTS = ("id", "at", "check", "channel", "target", "account")


@dataclass
class Exchange:
    """One line of a transcript; ``used`` once it has answered."""

    id: str
    at: str
    check: str
    channel: str
    target: str
    question: Any
    answer: Any
    failure: str | None
    error: str | None
    used: bool = False

    def __str__(self) -> str:
        return f"exchange {self.id} ({self.channel} channel to {self.target})"

    @property
    def part(self) -> str:
        """The parallel worker that asked; empty where the run had one process."""
        return self.id.rpartition("-")[0]

    def raised(self) -> Exception | None:
        """The failure that the question ended in: an error of the type and with the words of then."""
        if self.failure is None:
            return None
        name = self.error or ""
        known = getattr(errors, name, None) or getattr(builtins, name, None)
        if isinstance(known, type) and issubclass(known, errors.OpsverifyError):
            return known(self.failure)
        # Of other libraries no more is needed than the name, which is what messages show.
        base: type = Exception
        if isinstance(known, type) and issubclass(known, Exception) and not issubclass(known, ExceptionGroup):
            base = known
        words = "" if self.failure == name else self.failure
        named = type(name or "Exception", (base,), {"__init__": _bare, "__str__": lambda _: words})
        raised: Exception = named()
        return raised


def _bare(*_: Any) -> None:
    """Builtin errors want arguments of their own; the words are all that is known of them."""


Key = tuple[str, str, str, str]


class Recorded(Transcript):
    """A transcript that answers.

    A question is known by channel, target and its text (as redacted). Asked several times, its answers come in the
    order of then; those that the same check got come first. ``part`` is the parallel worker whose answers count: each
    of them asked for itself.
    """

    def __init__(self, path: Path, redactor: Redactor) -> None:
        super().__init__(path, redactor)
        self._known: defaultdict[Key, list[Exchange]] = defaultdict(list)
        self._taken: list[str] = []
        # Not by time: the clock of the runner may have been set back while something was asked again and again.
        self.exchanges = sorted(read(path), key=lambda each: natural(each.id))
        for each in self.exchanges:
            self._known[self._key(each.part, each.channel, each.target, each.question)].append(each)

    def take(self, channel: str, target: str, question: Any) -> Exchange:
        """The exchange in which this question was asked.

        Raises:
            NotRecordedError: it was not asked, or not as often.
        """
        found = self._next(channel, target, question)
        if found is None:
            self.miss()
            asked = json.dumps(self.redactor.value(question), ensure_ascii=False, default=str)
            raise NotRecordedError(
                f"{channel} channel to {target}: the transcript lacks the question {asked[:500]}, or an answer to it"
            )
        return found

    def pass_over(self, channel: str, target: str, question: Any) -> None:
        """As `take`, for a question that the guard refuses again: nothing is lost where it is not there."""
        self._next(channel, target, question)

    def _next(self, channel: str, target: str, question: Any) -> Exchange | None:
        with self._lock:
            known = self._known.get(self._key(self.part, channel, target, question), [])
            left = [each for each in known if not each.used]
            found = next((each for each in left if each.check == self.check), left[0] if left else None)
            if found is not None:
                found.used = True
                self._taken.append(found.id)
                self.count = len(self._taken)
            return found

    def miss(self) -> None:
        """Take note that the check had no answer, whatever it makes of that."""
        with self._lock:
            self._taken.append(NOT_RECORDED)
            self.count = len(self._taken)

    def ids_since(self, count: int) -> list[str]:
        """The ids of the exchanges that have answered after the first ``count`` did."""
        return self._taken[count:]

    def _key(self, part: str, channel: str, target: str, question: Any) -> Key:
        text = json.dumps(self.redactor.value(question), sort_keys=True, default=str)
        return part, channel, target, text


def read(path: Path) -> Iterator[Exchange]:
    """The exchanges of a transcript, in the order in which they were written.

    Raises:
        UsageError: it cannot be read, or a line is no exchange, is there twice or out of its order in time.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UsageError(f"{path.name}: cannot be read: {why}") from None
    known, before = set(), ""
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines(): see `transcript.merge`
        if not line:
            continue
        where = f"{path.name}: line {number}"
        found = _exchange(line, where)
        if found.id in known:
            raise UsageError(f"{where}: exchange {found.id!r} stands there for the second time")
        if found.at < before:
            raise UsageError(f"{where}: exchange {found.id!r} is of an earlier time than the one above it")
        known.add(found.id)
        before = found.at
        yield found


def _exchange(line: str, where: str) -> Exchange:
    try:
        written = json.loads(line)
        texts = {name: written[name] for name in TEXTS}
        failure, error = written["failure"], written["error"]
        found = Exchange(
            **{name: texts[name] for name in ("id", "at", "check", "channel", "target")},
            question=written["question"],
            answer=written["answer"],
            failure=failure,
            error=error,
        )
    except (ValueError, TypeError, RecursionError):
        raise UsageError(f"{where}: is no exchange: not readable as JSON") from None
    except KeyError as missing:
        raise UsageError(f"{where}: is no exchange: it has no {missing}") from None
    for name, value in texts.items():
        if not isinstance(value, str):
            raise UsageError(f"{where}: {name}: got {value!r}, expected a text")
    if not all(isinstance(each, str | None) for each in (failure, error)):
        raise UsageError(f"{where}: failure and error are texts, or null")
    if error is not None and not error.isidentifier():
        raise UsageError(f"{where}: error: got {error!r}, expected the name of a type")
    return found


def order(exchanges: Iterable[Exchange]) -> dict[str, int]:
    """The checks in the order in which they first asked something: node id to place."""
    return {check: place for place, check in enumerate(dict.fromkeys(each.check for each in exchanges))}
