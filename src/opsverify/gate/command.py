"""`opsverify gate pre|post|show`: what the command line says, and what is shown of it. The gate itself is in `gate`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opsverify.changes import Id
from opsverify.documents import Project
from opsverify.ending import ends_in_order
from opsverify.errors import UsageError
from opsverify.texts import visible

OK = 0


def add(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the subcommand to those of the command line; its own subcommands, for what all of them share."""
    gate = commands.add_parser("gate", help="go or no-go before and after a change")
    phases = gate.add_subparsers(required=True, metavar="PHASE", title="phases")
    pre = phases.add_parser("pre", help="before a change: is its record in order, and what is the state of things?")
    post = phases.add_parser("post", help="after a change: what is otherwise than before it?")
    show = phases.add_parser("show", help="the story of a change so far, the newest gate last")
    for name, phase in (("pre", pre), ("post", post), ("show", show)):
        phase.set_defaults(phase=name, asks=name != "show", execute_rollback=False)
        phase.add_argument("change", type=_change, metavar="CHANGE", help="the id of the change, such as CHG-2026-0042")
    post.add_argument(
        "--execute-rollback", action="store_true", help="on NO-GO run on_no_go of the change record, and verify again"
    )
    return [pre, post, show]


def _change(text: str) -> str:
    try:
        return TypeAdapter(Id).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected the id of a change, such as CHG-2026-0042") from None


def run(chosen: argparse.Namespace, project: Project) -> int:
    """Hold a gate, or show those that were held; the exit status is that of the verdict.

    Raises:
        OpsverifyError: as `gate.hold` and `keeping.stories`.
        KeyboardInterrupt: it was told to end.
    """
    from opsverify.gate import gate, telling  # noqa: PLC0415  the parser alone needs none of it

    if chosen.phase == "show":
        return _show(project, chosen.change)
    by_file = chosen.profile.endswith(".toml")  # the suite is started in the project's root, wherever this one was
    profile = str(project.loaded.file.absolute()) if by_file else chosen.profile
    wanted = gate.Wanted(chosen.phase, chosen.change, profile, chosen.execute_rollback)
    with ends_in_order():
        kept = gate.hold(project, wanted, gate.Voice(_say, _echo))
    _print(f"\n{telling.told(kept, project.root, _columns())}")
    problem = telling.summarise(telling.markdown(kept, project.root))
    if problem is not None:
        _print(f"opsverify: {problem}")
    return kept.story.exit_status


def _show(project: Project, change: str) -> int:
    from opsverify.gate import keeping, telling  # noqa: PLC0415

    gates = keeping.folder(project.root, project.loaded.profile.name, change)
    record = project.documents.changes / f"{change}.toml"
    if not gates.is_dir() and not record.is_file():
        where = project.documents.shown("changes")
        raise UsageError(f"{change}: has no record in {where}/, and no gate was held on it")
    found = keeping.stories(gates, project.root)
    if found.kept or not found.damaged:
        _print(telling.so_far(found.kept, project.root, _columns()))
    if found.damaged:
        raise UsageError("; ".join(found.damaged))
    return OK


def _columns() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 160)


def _say(what: str) -> None:
    _print(f"gate: {visible(what)}".replace("\n", "\\n"))


def _echo(line: str) -> None:
    _print(f"  | {visible(line)}")


def _print(text: str) -> None:
    """Show a text. Where nobody looks any more (a pipe or a terminal that is gone) the gate goes on without."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  until this process ends
