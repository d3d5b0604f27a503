"""The hook on NO-GO: what the change record says is to be done then, as it stands there and without a shell."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from opsverify.changes import Change
from opsverify.errors import UsageError
from opsverify.gate import children
from opsverify.gate.story import Rollback

NOT_STARTED = 126  # the exit status of what cannot be started


def command(change: Change, root: Path) -> list[str]:
    """The hook of a change, found to be there before anything is asked of any system.

    Raises:
        UsageError: the record names none, or one that is no program.
    """
    if change.on_no_go is None:
        raise UsageError(f'{change.id}: on_no_go: --execute-rollback needs it, such as ["./scripts/rollback.sh"]')
    program = change.on_no_go[0]
    path = root / program
    there = path.is_file() and os.access(path, os.X_OK) if "/" in program else shutil.which(program) is not None
    if not there:
        where = "from the project's root" if "/" in program else "on the PATH"
        raise UsageError(f"{change.id}: on_no_go: {program!r} is no program that can be run ({where})")
    return list(change.on_no_go)


def execute(
    hook: list[str], root: Path, seconds: float, redact: Callable[[str], str], say: Callable[[str], None]
) -> Rollback:
    """Run the hook in the project's root, bounded, and keep how it ended with what it said; ``say`` shows that."""
    # With a slash it is a path from the root, whatever folder this was started in.
    argv = [str(root / hook[0]), *hook[1:]] if "/" in hook[0] else hook
    try:
        ended = children.bounded(argv, root, seconds, redact, say)
    except UsageError as error:  # as a shell has it
        say(redact(str(error)))
        ended = children.Ended(NOT_STARTED, 0, redact(str(error)))
    return Rollback(
        command=[redact(each) for each in hook],
        exit_status=ended.status,
        seconds=round(ended.seconds, 3),
        output=ended.output,
        verdict=None,
        reasons=[],
        verification=None,
    )
