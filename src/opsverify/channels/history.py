"""The history channel: what earlier runs of the same profile observed. It reads what they wrote, and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from opsverify import past_runs
from opsverify.channels.base import Channel
from opsverify.channels.coding import Coding
from opsverify.channels.document import content_of
from opsverify.errors import UnansweredError
from opsverify.past_runs import History, PastRun
from opsverify.transcript import Transcript

DIRECTORY = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{8}")
DAYS = 31  # so that the thirtieth day before this one is looked at whole
# Of the seven complete days that are judged, and today, each run of an hour counts: the one that is left out may be the
# one that saw the peak. On the days before only forecasts rest, and a few runs tell the highest of a day well enough.
JUDGED_DAYS = 8
ENOUGH_A_DAY, ENOUGH_OF_JUDGED = 4, 24
MOST_A_DAY = 100  # looked at; not every run asks for what is wanted here
MOST_BYTES = 256 * 1024 * 1024  # of all records together


class HistoryChannel(Channel):
    """Reads the records of a profile's stream once, as far back as a forecast looks.

    ``started`` is when this run began: what began later, or is still running, is no past of it.
    """

    kind = "history"

    def __init__(self, profile: str, stream: Path, started: datetime, transcript: Transcript) -> None:
        super().__init__(profile, "runner", 0.0, transcript)
        self.stream = stream
        self.started = started
        self._read: History | None = None

    def earlier(self) -> History:
        """What earlier runs observed; nothing where there were none. A damaged record is told, not fatal.

        Raises:
            UnansweredError: the folder of the runs cannot be read.
        """
        if self._read is None:
            self._read = self.exchange({"runs of": self.target, "days": DAYS}, self._all, HISTORY)
        return self._read

    def _all(self) -> History:
        runs: list[PastRun] = []
        damaged: list[str] = []
        left_out = read = 0
        looked_at, useful = Counter[date](), Counter[date]()
        judged = self.started.astimezone(UTC).date() - timedelta(days=JUDGED_DAYS)
        for day, name in past_runs.by_turns(past_runs.within(dict(self._directories()), self.started, DAYS)):
            enough = ENOUGH_OF_JUDGED if day > judged else ENOUGH_A_DAY
            if useful[day] >= enough or looked_at[day] >= MOST_A_DAY or read > MOST_BYTES:
                left_out += 1
                continue
            looked_at[day] += 1
            try:
                content = content_of(self.stream / name / "results.json", name)
                read += len(content or b"")
                found = past_runs.parse(content.decode("utf-8"), self.target) if content is not None else None
            except (UnansweredError, UnicodeDecodeError):
                damaged.append(name)
                continue
            if found is not None and found.numbers:  # a run that was broken off left none, one of a few checks perhaps
                useful[day] += 1
                runs.append(found)
        return History(tuple(sorted(runs, key=lambda run: run.started)), tuple(damaged), left_out)

    def _directories(self) -> Iterator[tuple[str, datetime]]:
        """The directories of runs, with when each began."""
        try:
            names = sorted(each.name for each in self.stream.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise UnansweredError(f"the runs of {self.target} cannot be read: {error.strerror}") from None
        for name in names:
            match = DIRECTORY.fullmatch(name)
            if match is None:
                continue
            try:
                yield name, datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            except ValueError:  # a thirteenth month is no run of ours
                continue


def _written(found: History) -> dict[str, Any]:
    return {
        "runs": [
            {
                "started": each.started,
                "numbers": [
                    [requirement, target, name, value]
                    for (requirement, target), numbers in each.numbers.items()
                    for name, value in numbers.items()
                ],
            }
            for each in found.runs
        ],
        "damaged": list(found.damaged),
        "left out": found.left_out,
    }


def _read_again(written: dict[str, Any]) -> History:
    return History(tuple(map(_run, written["runs"])), tuple(written["damaged"]), written["left out"])


def _run(written: dict[str, Any]) -> PastRun:
    numbers: dict[tuple[str, str], dict[str, float]] = {}
    for requirement, target, name, value in written["numbers"]:
        numbers.setdefault((requirement, target), {})[name] = value
    return PastRun(written["started"], numbers)


HISTORY = Coding(_written, _read_again)
