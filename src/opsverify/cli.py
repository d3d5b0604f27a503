"""The command ``opsverify``: a thin dispatcher; the work is done in a module of each subcommand.

Exit status: 0 in order, 1 something is due, a drill failed, a run is not as it was sealed or a replay differs, 64 wrong
usage or configuration (one line on stderr), 69 a system gave no answer, 70 an internal error, 130 broken off by Ctrl-C
or another signal to end. A gate has its own: 0 GO or WARN, 10 NO-GO, 20 INCONCLUSIVE, beside 64, 70 and 130.
"""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from opsverify.attestations import Days, days
from opsverify.documents import Project, project
from opsverify.errors import OpsverifyError, UsageError
from opsverify.evidence import command as evidence
from opsverify.evidence import exporting, showing
from opsverify.gate import command as gate
from opsverify.reports import command as reports
from opsverify.texts import number, visible

OK, DUE, USAGE, UNANSWERED, INTERNAL, BROKEN_OFF = 0, 1, 64, 69, 70, 130


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> Never:
        """Complain.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    try:
        chosen = parser().parse_args(arguments)
        status: int = chosen.do(chosen)
    except UsageError as error:
        return _say(error, USAGE)
    except OpsverifyError as error:
        return _say(error, UNANSWERED)
    except KeyboardInterrupt:
        print("opsverify: broken off", file=sys.stderr)
        return BROKEN_OFF
    except Exception:
        traceback.print_exc()
        return INTERNAL
    return status


def _say(error: OpsverifyError, status: int) -> int:
    print(f"opsverify: {visible(' '.join(str(error).split()))}", file=sys.stderr)
    return status


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; each subcommand names its function as ``do``."""
    found = Parser(
        prog="opsverify",
        description="What stands around verification: gates, evidence, what people keep on file.",
    )
    commands = found.add_subparsers(required=True, metavar="COMMAND", title="commands")

    attest = commands.add_parser("attest", help="state that a requirement is met, or list what is due")
    attest.add_argument("requirement", nargs="?", metavar="REQUIREMENT", help="the requirement that is attested")
    attest.add_argument("--due", type=_days, metavar="30d", help="list what is missing or runs out within that time")
    attest.add_argument("--statement", metavar="TEXT", help="what was done and seen")
    attest.add_argument("--reviewed-by", metavar="NAME", help="who has read it over; another person")
    attest.add_argument("--artefact", type=Path, metavar="FILE", help="what bears it out, in the attestations' folder")
    attest.add_argument("--target", metavar="NAME", help="the one target it is about (default: all)")
    attest.add_argument("--date", type=_date, metavar="2026-11-23", help="when it was done (default: today, UTC)")
    attest.add_argument("--valid-for", type=_days, default="90d", metavar="90d", help="how long it holds")
    attest.set_defaults(do=_attest)

    baseline = commands.add_parser("baseline", help="measure the databases and write the performance baseline")
    baseline.add_argument("--load", required=True, metavar="TEXT", help="the load under which it is taken")
    baseline.add_argument("--version", required=True, metavar="TEXT", help="the version of the application")
    baseline.add_argument("--valid-for", type=_days, default="180d", metavar="180d", help="how long it holds")
    baseline.set_defaults(do=_baseline)

    drill = commands.add_parser("restore-drill", help="restore backups in a scratch place and record what came of it")
    drill.add_argument("--kind", choices=("restore", "point-in-time"), help="that drill alone (default: both)")
    drill.add_argument("--store", metavar="NAME", help="the backups of that name alone (default: all of the profile)")
    drill.add_argument("--backup", metavar="NAME", help="the dump or base backup to restore (default: the newest)")
    drill.add_argument("--target-time", type=_moment, metavar="TIME", help="the moment to recover to (default: found)")
    drill.set_defaults(do=_restore_drill)

    waivers = commands.add_parser("waivers", help="what is wrong with the waivers, and how long each still holds")
    actions = waivers.add_subparsers(required=True, metavar="ACTION", title="actions")
    lint = actions.add_parser("lint", help="validate the waivers as a run does, and list them")
    lint.add_argument("--due", type=_days, metavar="30d", help="list only what runs out within that time")
    lint.set_defaults(do=_lint_waivers)

    exporting.add(commands, lambda chosen: exporting.run(chosen, _root()))
    showing.add(commands)
    for each in reports.add(commands):
        each.set_defaults(do=lambda chosen: reports.run(chosen, _root(), _now()))
    for each in evidence.add(commands):
        each.set_defaults(do=lambda chosen: evidence.run(chosen, _now()))

    replay = commands.add_parser("replay", help="judge a run again from its transcript, and compare; asks no system")
    replay.add_argument("directory", type=Path, metavar="DIR", help="the run: reports/<profile>/<UTC time>-<run id>")
    replay.add_argument("--limits", type=Path, metavar="FILE", help="what other [limits] would have said: a trial")
    replay.add_argument("--altered-ok", action="store_true", help="a run that is not as it was sealed is told, not a 1")
    replay.set_defaults(do=_replay)

    gates = gate.add(commands)
    for each in gates:
        each.set_defaults(do=_gate)
    for command in (attest, baseline, drill, lint, *gates):
        command.add_argument("--profile", required=True, metavar="NAME", help="a folder of profiles/, or a .toml file")
    for command in (attest, baseline, drill):
        command.add_argument("--by", required=command is baseline, metavar="NAME", help="who states it")
    return found


def _attest(chosen: argparse.Namespace) -> int:
    from opsverify import attest  # noqa: PLC0415  each subcommand loads what it needs

    today = _now().date()
    wanted = ("requirement", "statement", "by", "reviewed_by", "artefact")
    given = [name for name in (*wanted, "target", "date") if getattr(chosen, name) is not None]
    if chosen.due is not None:
        if given:
            raise UsageError(
                f"attest: --due lists what is due and goes without {given[0]} (see opsverify attest --help)"
            )
        rows = attest.due(_project(chosen), days(chosen.due), today)
        print(attest.table(rows, today) if rows else f"nothing is due within {chosen.due}")
        return DUE if rows else OK
    lacking = [name for name in wanted if name not in given]
    if lacking:
        options = [name.upper() if name == "requirement" else f"--{name.replace('_', '-')}" for name in lacking]
        raise UsageError(f"attest: needs {', '.join(options)} (see opsverify attest --help)")
    print(
        attest.add(
            _project(chosen),
            chosen.artefact,
            today,
            requirement=chosen.requirement,
            target=chosen.target,
            statement=chosen.statement,
            by=chosen.by,
            reviewed_by=chosen.reviewed_by,
            date=chosen.date or today,
            valid_for=chosen.valid_for,
        ),
        end="",
    )
    return OK


def _baseline(chosen: argparse.Namespace) -> int:
    from opsverify import measuring  # noqa: PLC0415

    wanted = {name: getattr(chosen, name) for name in ("by", "load", "version", "valid_for")}
    on = _project(chosen, secrets=True)
    taken, run = measuring.take(on, _now(), **wanted)
    where = run.directory.relative_to(on.root)
    print(f"{on.documents.shown('baseline')}: {len(taken.statement)} statements, good until {taken.expires}")
    print(f"transcript: {where}/transcript.jsonl")
    return OK


def _restore_drill(chosen: argparse.Namespace) -> int:
    from opsverify import drill  # noqa: PLC0415

    kinds = [chosen.kind] if chosen.kind else list(drill.SERVES)
    if chosen.target_time is not None and kinds != ["point-in-time"]:
        raise UsageError("restore-drill: --target-time needs --kind point-in-time")
    if chosen.backup is not None and chosen.kind is None:
        raise UsageError("restore-drill: --backup needs --kind")
    on = _project(chosen, secrets=True)
    by = chosen.by or getpass.getuser()
    wanted = drill.Wanted(by, kinds, chosen.store, chosen.backup, chosen.target_time)
    held = drill.hold(on, _now(), wanted, lambda what: print(what, flush=True))
    print(drill.table(held))
    print(f"record: {on.documents.shown('drills')}")
    print(f"transcript: {held.run.directory.relative_to(on.root)}/transcript.jsonl")
    if any(each.outcome != "met" for each in held.drills):
        return DUE
    return UNANSWERED if held.unanswered else OK


def _gate(chosen: argparse.Namespace) -> int:
    try:
        return gate.run(chosen, _project(chosen, secrets=chosen.asks))
    except UsageError:
        raise
    except OpsverifyError as error:  # no system is at fault: what one does not answer makes a gate INCONCLUSIVE
        return _say(error, INTERNAL)


def _lint_waivers(chosen: argparse.Namespace) -> int:
    from opsverify import waivers_listed  # noqa: PLC0415

    on, today = _project(chosen), _now().date()
    if chosen.due is None:
        print(waivers_listed.everything(on, today))
        return OK
    rows = waivers_listed.due(on, days(chosen.due), today)
    print(rows or f"nothing is due within {chosen.due}")
    return DUE if rows else OK


def _replay(chosen: argparse.Namespace) -> int:
    from opsverify import replay  # noqa: PLC0415

    root, sealed = _root(), replay.sealed(chosen.directory)
    bad = sealed.altered or not sealed.digest
    print(_red(sealed.told()) if bad else sealed.told(), flush=True)  # first: the replay may stop at what was altered
    outcome = replay.perform(chosen.directory, root, chosen.limits)
    print(replay.told(outcome))
    if sealed.altered:
        print(_red(f"NOT AS SEALED: {number(len(sealed.findings), 'finding')}, see at the top"))
    return OK if outcome.equal and (chosen.altered_ok or not sealed.altered) else DUE


def _red(text: str) -> str:
    """On a terminal; the words say it too."""
    return f"\x1b[1;31m{text}\x1b[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def _project(chosen: argparse.Namespace, *, secrets: bool = False) -> Project:
    return project(_root(), chosen.profile, _now().date(), secrets=secrets)


def _root() -> Path:
    """The folder of the project."""
    here = Path.cwd()
    for root in (here, *here.parents):
        if (root / "checks").is_dir() and (root / "profiles").is_dir():
            return root
    raise UsageError(f"{here.name}/ is not inside a project: expected folders checks/ and profiles/ here or above")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _moment(text: str) -> dt.datetime:
    try:
        return TypeAdapter(AwareDatetime).validate_python(text).astimezone(dt.UTC)
    except ValidationError:
        message = f"got {text!r}, expected a moment with its zone, such as 2026-11-23T10:00:00+00:00"
        raise argparse.ArgumentTypeError(message) from None


def _days(text: str) -> str:
    try:
        return TypeAdapter(Days).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected 1d to 366d") from None


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a day such as 2026-11-23") from None


if __name__ == "__main__":
    sys.exit(main())
