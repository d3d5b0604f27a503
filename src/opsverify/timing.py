"""At the end of a run: what the clocks of its targets say, for whoever holds times of several systems together."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opsverify import clocks
from opsverify.errors import OpsverifyError
from opsverify.probes.clocks import ask
from opsverify.run import Run

KINDS = {"shell": "host", "sql": "database"}


def measure(run: Run) -> dict[str, Any]:
    """Ask each host and database that has answered in this run for its time, and read the rest out of its answers.

    To be called when the transcript is whole. What never answered is not asked, and no clock can fail a run: what is
    not known is named.
    """
    path = run.transcript.path
    run.transcript.check = ""
    answered, named = _answered(path)
    for channel, target in sorted(answered):
        kind = KINDS.get(channel)
        if kind and any(each.name == target for each in run.profile.targets(kind)):  # type: ignore[arg-type]
            with contextlib.suppress(OpsverifyError):
                ask(run.channel(kind, target))
    skews = clocks.measured(_lines(path))
    known = {(each.channel, each.target) for each in skews}
    unknown = {
        target for channel, target in named if channel in (*KINDS, "web", "cache") and (channel, target) not in known
    }
    return clocks.document(skews, unknown)


def _answered(path: Path) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Channel and target of what has answered, and of all that was asked."""
    answered, named = set(), set()
    for line in _lines(path):
        exchange = json.loads(line)
        key = (str(exchange["channel"]), str(exchange["target"]))
        named.add(key)
        if exchange["failure"] is None:
            answered.add(key)
    return answered, named


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from file
