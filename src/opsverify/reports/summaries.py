"""A few words on each run and gate that lies in ``reports/``, read without reading all of it.

``results.json`` begins with what is wanted here, and its checks, which are nearly all of it, come last. So it is read
up to them and no further: a stream of thousands of runs is listed in seconds. Nothing here verifies anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opsverify.errors import OpsverifyError
from opsverify.record import STATES
from opsverify.summary import Document, headline
from opsverify.waiving import is_met

RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
GATE = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}-(pre|post)")
CHUNK = 64 * 1024
LONGEST = 16 * 1024 * 1024  # bytes of a head; more is none that a run wrote
MOST_LOG = 4 * 1024 * 1024  # of a redactions.json
# What else may lie beside runs: written by this suite, and no run.
OURS = re.compile(
    r"gates|drills|baselines|latest|index\.html|HEAD|PRUNED|pruned\.jsonl|verified\.jsonl|README\.md|\..*"
    r"|\d{8}T\d{6}Z-[0-9a-f]{8}(\.signoffs|\.published\.json)"
)


class DamagedError(OpsverifyError):
    """What lies there is not what a run wrote."""


@dataclass(frozen=True)
class RunSeen:
    """A run in a few words. ``page`` and the like are files of it that are there.

    ``seal`` is ``signed``, ``unsigned`` or ``unsealed`` by the files that are there, which proves nothing.
    """

    name: str
    start: datetime
    seconds: float
    purpose: str
    change: str
    selection: str
    verdict: str
    headline: tuple[str, str]
    states: Mapping[str, int]
    reconciled: bool
    files: frozenset[str]
    seal: str
    sign_offs: int
    withheld: tuple[str, ...]
    skew: str

    @property
    def whole(self) -> bool:
        """Nothing was left out, and it adds up: a point of the trend."""
        return self.reconciled and not self.selection and not self.states["not-tested"]


@dataclass(frozen=True)
class GateSeen:
    """A gate in a few words."""

    name: str
    change: str
    phase: str
    start: datetime
    verdict: str
    summary: str


@dataclass(frozen=True)
class StreamSeen:
    """The runs and gates of a stream, newest first; a line on each that is damaged, and names of foreign ones."""

    name: str
    runs: tuple[RunSeen, ...]
    gates: tuple[GateSeen, ...] = ()
    unfinished: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    pruned: int = 0


def head(path: Path, until: str) -> Document:
    """A JSON document as this suite writes it (indented by one), up to the key ``until`` of its first level.

    Raises:
        DamagedError: it is none.
    """
    mark = f'\n "{until}":'.encode()
    read = b""
    try:
        with path.open("rb") as file:
            while mark not in read[-CHUNK - len(mark) :] and len(read) < LONGEST and (chunk := file.read(CHUNK)):
                read += chunk
        text = read.partition(mark)[0].decode("utf-8").rstrip().rstrip(",")
        found = json.loads(text if mark not in read else f"{text}\n}}")
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DamagedError(f"{path.name} is no record of a run") from None
    if not isinstance(found, dict):
        raise DamagedError(f"{path.name} is no record of a run")
    return found


def run(directory: Path) -> RunSeen:
    """One run.

    Raises:
        DamagedError: its record is not what a run wrote.
    """
    document = head(directory / "results.json", "checks")
    try:
        about, population = document["run"], document["population"]
        document.setdefault("waivers", {"entries": []})  # a run from before there were any
        files = frozenset(each.name for each in directory.iterdir())
        start = datetime.fromisoformat(about["start"]).astimezone(UTC)
        states: dict[str, int] = {state: int(population["states"].get(state, 0)) for state in STATES}
        return RunSeen(
            name=directory.name,
            start=start,
            seconds=float(about["duration_s"]),
            purpose=str(about["purpose"]),
            change=str(about.get("change", "")),
            selection=str(about.get("selection", "")),
            verdict=str(about["verdict"]),
            headline=headline(document),
            states=states,
            reconciled=population["reconciled"] is True and _adds_up(str(about["verdict"]), states),
            files=files,
            seal="unsealed" if "SHA256SUMS" not in files else "signed" if "SHA256SUMS.sig" in files else "unsigned",
            sign_offs=_sign_offs(directory),
            withheld=_withheld(directory / "redactions.json"),
            skew=str((about.get("clocks") or {}).get("alarm", "")),
        )
    except OSError as error:
        raise DamagedError(f"cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DamagedError(f"results.json is no record of a run ({type(error).__name__})") from None


def _adds_up(verdict: str, states: Mapping[str, int]) -> bool:
    """Whether these states can come to such a verdict: nothing that was looked at is not met."""
    return not is_met(verdict) or not (states["fail"] or states["error"] or not any(states.values()))


def _sign_offs(directory: Path) -> int:
    folder = directory.with_name(f"{directory.name}.signoffs")
    return sum(each.suffix == ".json" for each in folder.iterdir()) if folder.is_dir() else 0


def _withheld(log: Path) -> tuple[str, ...]:
    try:
        if log.stat().st_size > MOST_LOG:
            return ()
        found = json.loads(log.read_bytes())["withheld"]
        return tuple(dict.fromkeys(str(each["file"]) for each in found))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError):
        return ("redactions.json cannot be read",)


def stream(directory: Path) -> StreamSeen:
    """What lies in a stream; what is damaged or foreign is named, and stops nothing."""
    runs: list[RunSeen] = []
    unfinished: list[str] = []
    damaged: list[str] = []
    foreign: list[str] = []
    for path in sorted(directory.iterdir(), reverse=True):
        if not RUN.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            foreign += [path.name] if not OURS.fullmatch(path.name) or RUN.fullmatch(path.name) else []
            continue
        if not (path / "results.json").exists():
            unfinished.append(path.name)
            continue
        try:
            runs.append(run(path))
        except DamagedError as error:
            damaged.append(f"{path.name}: {error}")
    gates = sorted(_gates(directory / "gates", damaged), key=lambda each: each.start, reverse=True)
    runs.sort(key=lambda each: (each.start, each.name), reverse=True)
    return StreamSeen(
        directory.name,
        tuple(runs),
        tuple(gates),
        tuple(unfinished),
        tuple(damaged),
        tuple(foreign),
        _pruned(directory / "PRUNED"),
    )


def _gates(folder: Path, damaged: list[str]) -> Iterator[GateSeen]:
    if not folder.is_dir():
        return
    for change in sorted(each for each in folder.iterdir() if each.is_dir() and not each.is_symlink()):
        for path in sorted(each for each in change.iterdir() if GATE.fullmatch(each.name)):
            try:
                yield _gate(path)
            except DamagedError as error:
                damaged.append(f"gates/{change.name}/{path.name}: {error}")


def _gate(path: Path) -> GateSeen:
    found: dict[str, Any] = head(path / "gate.json", "reasons")
    try:
        return GateSeen(
            name=path.name,
            change=str(found["change"]),
            phase=str(found["phase"]),
            start=datetime.fromisoformat(found["start"]).astimezone(UTC),
            verdict=str(found["verdict"]),
            summary=str(found["summary"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedError(f"gate.json is no gate's ({type(error).__name__})") from None


def _pruned(path: Path) -> int:
    try:
        return sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))
    except OSError:
        return 0


def streams(reports: Path) -> list[Path]:
    """The folders of streams: those with a run or a gate in them."""
    found = []
    for each in sorted(reports.iterdir()) if reports.is_dir() else []:
        if each.is_dir() and not each.is_symlink() and not each.name.startswith("."):
            names = [below.name for below in each.iterdir()]
            if any(RUN.fullmatch(name) or name == "gates" for name in names):
                found.append(each)
    return found
