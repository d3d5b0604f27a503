"""`opsverify reports index|prune`: what the command line says."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from opsverify import pages, profile
from opsverify.errors import UsageError
from opsverify.reports import index

OK = 0


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the subcommand; ``act`` of each of its actions says what is to be done."""
    reports = commands.add_parser("reports", help="list the runs that there are, and take old ones away")
    actions = reports.add_subparsers(required=True, metavar="ACTION", title="actions")
    listed = actions.add_parser("index", help="write reports/index.html and the page of each stream anew")
    listed.add_argument("--lang", choices=pages.LANGUAGES, default="en", help="the language that leads (default: en)")
    pruned = actions.add_parser("prune", help="take away whole runs that are older than the profile wants them kept")
    pruned.add_argument("--profile", required=True, metavar="NAME", help="whose runs: a folder of profiles/, or a file")
    pruned.add_argument("--days", type=_days, metavar="N", help="older than so many days (default: the profile's, 400)")
    pruned.add_argument("--dry-run", action="store_true", help="only say which")
    for act, each in (("index", listed), ("prune", pruned)):
        each.set_defaults(act=act)
        each.add_argument("--reports", type=Path, metavar="DIR", help="where runs are recorded (default: reports/)")
    return [listed, pruned]


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 36500:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected 1 to 36500")
    return int(text)


def run(chosen: argparse.Namespace, root: Path, now: datetime) -> int:
    """Do what was asked.

    Raises:
        UsageError: it cannot be done.
    """
    reports = chosen.reports or root / "reports"
    if not reports.is_dir():
        raise UsageError(f"{reports}: there is no such folder")
    if chosen.act == "index":
        for page in index.write(reports, lang=chosen.lang):
            print(page.relative_to(root) if page.is_relative_to(root) else page)
        return OK
    from opsverify.reports import pruning  # noqa: PLC0415  what only lists needs no chain

    loaded = profile.load(chosen.profile, root, today=now.date(), secrets=False).profile
    days = chosen.days if chosen.days is not None else loaded.evidence.retention_days
    done = pruning.prune(reports / loaded.name, days, now, really=not chosen.dry_run)
    print(done.told(done=not chosen.dry_run))
    if not chosen.dry_run:
        index.write(reports)
    return OK
