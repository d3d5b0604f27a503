"""The transcript: every question asked of a live system and its answer, redacted before it is written.

One JSON object a line: ``id``, ``at`` (UTC), ``check`` (node id), ``channel``, ``target``, ``account``,
``question``, ``answer`` or ``failure`` with its type (``error``), ``duration_s``; ``redacted`` where something was
masked, with the count of it. From it a reader can re-perform every verdict, and ``opsverify replay`` does.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opsverify.redaction import Redactor, Tally, rows


@dataclass
class Transcript:
    """An append-only file of exchanges. ``part`` tells parallel workers' files and ids apart."""

    path: Path
    redactor: Redactor
    part: str = ""
    check: str = ""
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)  # probes may ask side by side

    def write(
        self,
        *,
        channel: str,
        target: str,
        account: str,
        question: Any,
        started: datetime,
        duration_s: float,
        answer: Any = None,
        failure: str | None = None,
        error: type[Exception] | None = None,
    ) -> str:
        """Write one exchange down and return its id."""
        with self._lock:
            self.count += 1
            number = self.count
        masked: Tally = Tally()
        exchange = {
            "id": f"{self.part}{number}",
            "at": started.astimezone(UTC).isoformat(timespec="milliseconds"),
            "check": self.check,
            "channel": channel,
            "target": target,
            "account": account,
            "question": self.redactor.value(question, masked),
            "answer": self.redactor.value(answer, masked),
            "failure": failure if failure is None else self.redactor.text(failure, masked),
            "error": error and error.__name__,
            "duration_s": round(duration_s, 4),
        }
        if masked:
            exchange["redacted"] = rows(masked)
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(exchange, ensure_ascii=False, default=str) + "\n")
        return str(exchange["id"])

    def ids_since(self, count: int) -> list[str]:
        """The ids of the exchanges written after the first ``count``."""
        return [f"{self.part}{number}" for number in range(count + 1, self.count + 1)]


def natural(identity: str) -> tuple[str, int, str]:
    """What ids are sorted by to stand as they were given: ``gw1-10`` after ``gw1-9``."""
    part, _, number = identity.rpartition("-")
    return (part, int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0, number)


def merge(directory: Path) -> None:
    """Join the parts that parallel workers left in ``directory`` into one transcript, by time.

    A last line without an end is half an exchange, of a worker that was killed: it is left out.
    """
    parts = sorted(directory.glob("transcript.*.part.jsonl"))
    whole = directory / "transcript.jsonl"
    # Not splitlines(): an answer may hold U+2028 and other things that it takes for the end of a line.
    texts = [each.read_bytes().rpartition(b"\n")[0].decode() for each in (*parts, whole) if each.exists()]
    lines = [line for text in texts for line in text.split("\n") if line]
    lines.sort(key=lambda line: str(json.loads(line)["at"]))
    whole.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for part in parts:
        part.unlink()
