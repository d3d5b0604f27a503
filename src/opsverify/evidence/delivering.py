"""Where what was made of a run goes: to standard output, or to a file that is no part of any run."""

from __future__ import annotations

import sys
from pathlib import Path

from opsverify.errors import UsageError

STDOUT = "-"


def deliver(text: str, output: str, directory: Path) -> None:
    """Write a text that was made of the run in this directory. ``output``: a file, or ``-`` for standard output.

    Raises:
        UsageError: the file lies inside this run or a sealed one, which it would alter; or it cannot be written.
    """
    from opsverify.evidence.manifest import SUMS  # noqa: PLC0415  the parser alone needs none of it

    if output == STDOUT:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.flush()
        return
    file = Path(output)
    for each in file.resolve().parents:
        if each == directory.resolve() or (each / SUMS).exists():
            raise UsageError(f"{file}: lies inside the run {each.name}, which it would alter; choose another place")
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
