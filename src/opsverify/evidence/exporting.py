"""``opsverify export`` and ``opsverify controls``: what the command line says, and what is shown of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from opsverify.errors import UsageError
from opsverify.evidence.delivering import STDOUT, deliver
from opsverify.evidence.showing import FRAMEWORKS

FORMATS = ("oscal", "ocsf", "junit", "intoto")
OK = 0


def add(commands: Any, do: Callable[[argparse.Namespace], int]) -> None:
    """Add the subcommands to those of the command line, to be carried out by ``do``."""
    export = commands.add_parser("export", help="a run in a format that other tools read")
    export.add_argument("directory", type=Path, metavar="DIR", help="the directory of the run")
    export.add_argument("--format", required=True, choices=FORMATS, help="which one")
    export.add_argument("-o", "--output", metavar="FILE", default=STDOUT, help="where to (default: -, standard output)")
    export.set_defaults(evidence=_export)
    listed = commands.add_parser("controls", help="which controls of a framework the evidence can serve")
    listed.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="the directory of a run, for its states")
    listed.add_argument("--framework", required=True, choices=FRAMEWORKS, help="which one")
    listed.set_defaults(evidence=_controls)
    for each in (export, listed):
        each.set_defaults(do=do)


def run(chosen: argparse.Namespace, root: Path) -> int:
    """Carry a subcommand out, for the project at ``root``.

    Raises:
        UsageError: there is no such run, or the output would alter it.
    """
    status: int = chosen.evidence(chosen, root)
    return status


def _export(chosen: argparse.Namespace, root: Path) -> int:
    from opsverify.evidence import formats  # noqa: PLC0415  the parser alone needs none of it

    deliver(formats.render(chosen.format, chosen.directory, root), chosen.output, chosen.directory)
    return OK


def _controls(chosen: argparse.Namespace, root: Path) -> int:
    from opsverify import catalogue  # noqa: PLC0415
    from opsverify.evidence import controls, reading  # noqa: PLC0415

    document = reading.record_of(chosen.directory) if chosen.directory else None
    mapping = controls.of_document(document) if document else controls.Controls()
    if not mapping.frameworks:  # no run is asked about, or one from before there was a mapping
        mapping = controls.load(root / "checks", catalogue.load(root / "checks"))
    if not mapping.frameworks:
        raise UsageError(f"checks/{controls.NAME}: is not there; expected the mapping of requirements to controls")
    if document is None:
        known = list(catalogue.load(root / "checks").values())
        document = {"checks": [{"requirement": each.id, "title": each.title, "state": ""} for each in known]}
    print("\n".join(_lines(chosen.framework, document, mapping)))
    return OK


def _lines(framework: str, document: dict[str, Any], mapping: Any) -> Iterator[str]:
    """A framework's controls, each with the requirements that serve it and the states of their checks."""
    from opsverify.evidence import controls  # noqa: PLC0415
    from opsverify.evidence.source import line  # noqa: PLC0415
    from opsverify.summary import SIGNS  # noqa: PLC0415

    sections = controls.by_control(framework, document, mapping)
    titles = {each["requirement"]: each["title"] for each in (*document["checks"], *document.get("coverage", ()))}
    yield line(" · ".join(mapping.frameworks[framework]))
    yield "The mapping is the suite's own: it says where to look, not that a control is met."
    yield "映射由本套件给出，仅指明查证之处，不代表控制项已满足。"
    for section in sections:
        control = section.control
        yield ""
        heading = f"{control.id}  {control.title} {control.title_zh}" if control else ""
        yield line(heading or "–  asked for by nothing in it 无对应要求")
        for name in section.requirements:
            states = [each["state"] for each in section.checks if each["requirement"] == name]
            told = ", ".join(
                f"{sign.symbol} {state} {states.count(state)}" for state, sign in SIGNS.items() if state in states
            )
            told = told if states else "no check in this run"
            why = "" if control else f" – {mapping.reason(name, framework)[0]}"
            yield f"    {line(name):<16} {line(titles[name] + why)}{f'  [{told}]' if told else ''}"
