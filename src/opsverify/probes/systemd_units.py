"""Time spans and sizes as systemd writes them (systemd.time(7), journald.conf(5))."""

from __future__ import annotations

import re
from math import inf

from opsverify.errors import UnansweredError

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365.25 * DAY
SECONDS = {
    **dict.fromkeys(("us", "usec", "µs", "μs"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), 7 * DAY),
    **dict.fromkeys(("M", "month", "months"), YEAR / 12),
    **dict.fromkeys(("y", "year", "years"), YEAR),
}
POWERS = "BKMGTPE"
LONGEST = 200  # characters; nobody writes a longer one
NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
SPAN = re.compile(rf"({NUMBER})\s*([A-Za-zµμ]*)\s*")
SIZE = re.compile(rf"({NUMBER})\s*([KMGTPE]?)B?")


def parse_span(text: str) -> float:
    """Seconds of a time span: ``1month``, ``2w 3d``, ``90`` (seconds), ``infinity``.

    Raises:
        UnansweredError: it is none.
    """
    text = text.strip()
    if text == "infinity":
        return inf
    seconds, at = 0.0, 0
    while at < len(text) <= LONGEST:
        part = SPAN.match(text, at)
        if part is None or part[2] not in SECONDS:
            break
        seconds += float(part[1]) * SECONDS[part[2]]
        at = part.end()
    if not text or at < len(text):
        raise UnansweredError(f"this time span is not understood: {text[:60]!r}")
    return seconds


def parse_size(text: str) -> float:
    """Bytes of a size: ``500M``, ``1.5G``, ``4096``, ``infinity``.

    Raises:
        UnansweredError: it is none.
    """
    text = text.strip()
    if text == "infinity":
        return inf
    found = SIZE.fullmatch(text)
    if found is None:
        raise UnansweredError(f"this size is not understood: {text[:60]!r}")
    return float(found[1]) * 1024.0 ** POWERS.index(found[2] or "B")
