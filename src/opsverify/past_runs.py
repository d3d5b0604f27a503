"""What earlier runs of a profile observed in numbers, out of the records that they left behind. No I/O."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from opsverify.charts import LARGEST
from opsverify.days import Daily, highest
from opsverify.errors import UnansweredError

REMEMBERED = "CAP-"  # how the requirements begin of which a history is any use

Numbers = Mapping[tuple[str, str], Mapping[str, float]]


@dataclass(frozen=True)
class PastRun:
    """A run: when it began (seconds since 1970), and its numbers by requirement and target, then by observation."""

    started: float
    numbers: Numbers


@dataclass(frozen=True)
class History:
    """The runs of a profile that could be read, oldest first, and the directories of those that could not.

    ``left_out`` counts runs that were not looked at, so that a day with many of them costs no more than others.
    """

    runs: tuple[PastRun, ...]
    damaged: tuple[str, ...] = ()
    left_out: int = 0

    def daily(self, requirement: str, target: str) -> dict[str, tuple[Daily, ...]]:
        """The highest value of each UTC day of what a check observed, by the observation's name."""
        points: dict[str, list[tuple[float, float]]] = {}
        for run in self.runs:
            for name, value in run.numbers.get((requirement, target), {}).items():
                points.setdefault(name, []).append((run.started, value))
        return {name: highest(found) for name, found in points.items()}

    def readings(self, requirement: str, target: str) -> list[Mapping[str, float]]:
        """What a check observed in each run that observed anything, oldest first."""
        found = (run.numbers.get((requirement, target)) for run in self.runs)
        return [each for each in found if each]


def parse(text: str, profile: str) -> PastRun | None:
    """Parse a ``results.json``; None for a run of another profile.

    Raises:
        UnansweredError: it is no record of a run.
    """
    try:
        document = json.loads(text)
        if document["run"]["profile"] != profile:
            return None
        started = datetime.fromisoformat(document["run"]["start"])
        if started.tzinfo is None:
            raise UnansweredError("its start has no time zone")
        numbers: dict[tuple[str, str], dict[str, float]] = {}
        for each in document["checks"]:
            if each["requirement"].startswith(REMEMBERED):
                found = {str(seen["name"]): _number(seen) for seen in each["observations"]}
                known = {name: value for name, value in found.items() if value is not None}
                if known:  # every requirement is on record, those that a run left out too
                    numbers[each["requirement"], str(each["target"])] = known
        return PastRun(started.astimezone(UTC).timestamp(), numbers)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UnansweredError(f"is no record of a run: {type(error).__name__}") from None


def _number(observation: Mapping[str, object]) -> float | None:
    value = observation["observed"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) <= LARGEST else None


def within(names: Mapping[str, datetime], now: datetime, days: int) -> list[tuple[date, str]]:
    """The runs that began in the last ``days``, newest first: UTC day and name, of names with the start of each."""
    found = [(start, name) for name, start in names.items() if now - timedelta(days=days) <= start < now]
    return [(start.astimezone(UTC).date(), name) for start, name in sorted(found, reverse=True)]


def by_turns(found: Sequence[tuple[date, str]]) -> list[tuple[date, str]]:
    """The first run of each day, then the second of each, and so on: where not all are read, no day goes without."""
    turns = Counter[date]()
    ranked = []
    for day, name in found:
        ranked.append((turns[day], day, name))
        turns[day] += 1
    return [(day, name) for _, day, name in sorted(ranked, key=lambda each: each[0])]
