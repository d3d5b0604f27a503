"""``opsverify evidence``: the auditor's page of a run once more, in either language, or by a framework's controls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from opsverify.evidence.delivering import STDOUT, deliver
from opsverify.pages import LANGUAGES

OK = 0
FRAMEWORKS = ("soc2", "iso27001", "mlps")


def add(commands: Any) -> None:
    """Add the subcommand to those of the command line."""
    evidence = commands.add_parser("evidence", help="the auditor's page of a run: in another language, by controls")
    evidence.add_argument("directory", type=Path, metavar="DIR", help="the folder of a run")
    evidence.add_argument("--lang", choices=LANGUAGES, default="en", help="the page's language (default: en)")
    evidence.add_argument("--framework", choices=FRAMEWORKS, default="", help="in the order of its controls")
    evidence.add_argument(
        "-o", dest="output", metavar="FILE", help="where to write it; - is stdout (default: here, named after the run)"
    )
    evidence.set_defaults(do=run)


def run(chosen: argparse.Namespace) -> int:
    """Render the page and write it.

    Raises:
        UsageError: no run is there, the record knows no such framework, or the file cannot be written: a file that is
            added to a run would make its manifest fail.
    """
    from opsverify.evidence.page import page  # noqa: PLC0415  the parser alone needs none of it

    directory: Path = chosen.directory.resolve()
    text = page(directory, chosen.lang, chosen.framework)
    words = ["evidence", directory.name, chosen.lang, chosen.framework]
    output = chosen.output or f"{'-'.join(filter(None, words))}.html"
    deliver(text, output, directory)
    if output != STDOUT:
        print(output)
    return OK
