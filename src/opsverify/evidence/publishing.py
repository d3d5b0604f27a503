"""The hook that a sealed run's digest is given to: what others keep of it, nobody here can take back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from opsverify import files
from opsverify.errors import UsageError
from opsverify.evidence.chain import Entry
from opsverify.gate.children import bounded

SUFFIX = ".published.json"


def publish(
    stream: Path, entry: Entry, command: Sequence[str], root: Path, seconds: float, redact: Callable[[str], str]
) -> str:
    """Start the hook with the digest as its last argument, and keep what it said beside the run.

    Returns why the digest is not published; empty when it is. The run stands either way.
    """
    started = datetime.now(UTC)
    said: list[str] = []
    try:
        ended = bounded([*command, entry.digest], root, seconds, redact, said.append)
    except UsageError as error:
        status, took, output, problem = None, 0.0, "", redact(str(error))
    else:
        status, took, output = ended.status, ended.seconds, ended.output
        problem = "" if status == 0 else _how(status, command[0], seconds)
        last = output.strip().rpartition("\n")[2]
        problem += f": {redact(last)}" if problem and last else ""
    kept = {
        "run": entry.run,
        "digest": entry.digest,
        "command": [redact(each) for each in command],
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(took, 3),
        "status": status,
        "problem": problem,
        "output": output,
    }
    try:
        files.write(stream / f"{entry.run}{SUFFIX}", (json.dumps(kept, ensure_ascii=False, indent=1) + "\n").encode())
    except OSError as error:
        problem = problem or f"what {command[0]} said cannot be kept: {error.strerror}"
    return problem


def _how(status: int | None, program: str, seconds: float) -> str:
    if status is None:
        return f"{program} had not ended after {seconds:g} s, and was ended"
    return f"{program} was ended by signal {-status}" if status < 0 else f"{program} ended with status {status}"
