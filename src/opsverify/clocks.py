"""By how much the clock of each target differs from that of the runner, as the transcript bears it out. Pure.

A target told its time in an answer: it did so after it was asked and before it had answered. So its clock is ahead by
no more and no less than what these two moments allow; several answers narrow it down. Where nothing told a time, the
difference is not known, and that is said too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

LOUD_S = 300.0  # a log line may then be of another day, a certificate valid or not by the clock alone
HOST_ASKS = "date +%s.%N"
DATABASE_ASKS = "SELECT to_char(extract(epoch FROM clock_timestamp()), 'FM9999999999.000000') AS seconds"
ROUNDED_S = 0.001  # of the moments and durations of a transcript
FARTHEST_S = 4e11  # no clock that is any use tells more


class Span(NamedTuple):
    """By how many seconds a clock is ahead: at least and at most."""

    least: float
    most: float


@dataclass(frozen=True)
class Skew:
    """The clock of a target: ahead of the runner's by ``seconds`` (behind: negative), give or take ``bound``.

    ``steady``: all ``answers`` allow for that; else the clock was set during the run, and the bound spans them all.
    """

    channel: str
    target: str
    seconds: float
    bound: float
    answers: int
    steady: bool

    @property
    def loud(self) -> bool:
        """It is off by more than anybody may overlook."""
        return abs(self.seconds) > LOUD_S

    def __str__(self) -> str:
        way = "ahead of" if self.seconds > 0 else "behind"
        return f"the clock of {self.target} is {_span(abs(self.seconds))} {way} the runner's (± {self.bound:.2g} s)"


def measured(lines: Iterable[str]) -> list[Skew]:
    """The clock of each target that told its time anywhere in a transcript."""
    spans: dict[tuple[str, str], list[Span]] = {}
    for line in lines:
        if '"date' not in line and "server_time_usec" not in line and "clock_timestamp" not in line:
            continue  # far quicker than to read each one
        try:
            exchange = json.loads(line)
            found = span(exchange)
            key = (str(exchange["channel"]), str(exchange["target"]))
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            continue  # what an answer says is hostile, and one that tells no time is none of ours
        if found is not None:
            spans.setdefault(key, []).append(found)
    return [_skew(*key, found) for key, found in sorted(spans.items())]


def _skew(channel: str, target: str, spans: list[Span]) -> Skew:
    least, most = max(each.least for each in spans), min(each.most for each in spans)
    steady = least <= most
    if not steady:
        least, most = min(each.least for each in spans), max(each.most for each in spans)
    return Skew(channel, target, round((least + most) / 2, 3), round((most - least) / 2, 4), len(spans), steady)


def span(exchange: Mapping[str, Any]) -> Span | None:
    """What one exchange allows; None where it tells no time.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, OverflowError: neither does it look like one that could.
    """
    told = _told(exchange)
    if told is None:
        return None
    time, resolution = told
    if not math.isfinite(time) or not 0 <= time < FARTHEST_S:
        return None
    asked = datetime.fromisoformat(exchange["at"]).timestamp()
    answered = asked + float(exchange["duration_s"]) + 2 * ROUNDED_S
    return Span(time - answered, time + resolution - asked)


def _told(exchange: Mapping[str, Any]) -> tuple[float, float] | None:
    """The time that an answer tells, in seconds since 1970, and what it is rounded down to."""
    answer = exchange["answer"]
    match exchange["channel"]:
        case "shell" if exchange["question"] == HOST_ASKS:
            found = re.fullmatch(r"\d{1,12}\.\d{1,9}", answer["stdout"].strip())
            return (float(found[0]), 0.0) if found and answer["exit_status"] == 0 else None
        case "sql" if exchange["question"] == DATABASE_ASKS:
            return float(answer[0]["seconds"]), 1e-6
        case "web":
            headers = answer["headers"]
            # What a cache answers tells when somebody else was asked.
            if "date" not in headers or int(headers.get("age", 0)):
                return None
            moment = parsedate_to_datetime(headers["date"])
            return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp(), 1.0
        case "cache":
            found = re.search(r"server_time_usec[\"': ]{1,6}(\d{1,18})", json.dumps(answer))
            return (int(found[1]) / 1e6, 0.0) if found else None
    return None


def document(skews: Iterable[Skew], unknown: Iterable[str]) -> dict[str, Any]:
    """As ``results.json`` keeps it, in ``run``: ``alarm`` is what has to be said loudly, in one line, or empty."""
    found = list(skews)
    loud = [str(each) for each in found if each.loud]
    return {
        "limit_s": LOUD_S,
        "targets": [asdict(each) for each in found],
        "unknown": sorted(unknown),
        "alarm": "; ".join(loud),
    }


def notices(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What has to be said loudly of the clocks of a run, in English and in Chinese."""
    for each in _read(about):
        if each.loud:
            way = "快" if each.seconds > 0 else "慢"
            yield f"CLOCK: {each}", f"时钟偏差：{each.target} 比执行机{way} {_span(abs(each.seconds))}"
        elif not each.steady:
            yield f"CLOCK: that of {each.target} was set during the run", f"时钟在运行期间被调整：{each.target}"


def line(about: Mapping[str, Any]) -> str:
    """All clocks in one line; empty where none is known."""
    return ", ".join(f"{each.target} {each.seconds + 0.0:+.3g} s (± {each.bound:.2g} s)" for each in _read(about))


def _read(about: Mapping[str, Any]) -> list[Skew]:
    return [Skew(**each) for each in (about.get("clocks") or {}).get("targets", [])]


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
