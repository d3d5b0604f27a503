"""What every other format is rendered from: a ``results.json``, digests of the files beside it, and safe text.

All text of a record is hostile: host names, file names, answers. Whatever is shown goes through `block` or `line`,
which spell out what cannot be seen or cannot stand in XML (``\\x00``, halves of characters, marks of direction) and
cut what is too long for the tools that read it; ``results.json`` has all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsverify.record import GREEN, Entry
from opsverify.summary import Document, Seen, observations
from opsverify.texts import clip, visible

MOST_LINE = 1_000  # characters of a text that stands in one line
MOST_BLOCK = 20_000  # of one that may have several
MOST_SEEN = 100  # observations of one check; those that are not met come first
MOST_NAMED = 50  # ids of exchanges that are named


@dataclass(frozen=True)
class Source:
    """A record and what a format has to know beside it.

    ``sha256``: digests (hex) of files of the run's directory, by name. ``folder``: that directory, as a CI system finds
    it from the project's root.
    """

    document: Document
    sha256: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."

    @property
    def run(self) -> dict[str, Any]:
        """What the run says of itself."""
        found: dict[str, Any] = self.document["run"]
        return found

    @property
    def checks(self) -> list[Entry]:
        """The entries of all checks."""
        found: list[Entry] = self.document["checks"]
        return found


def block(text: object, most: int = MOST_BLOCK) -> str:
    """A text of several lines: cut, and what cannot be seen spelled out."""
    return visible(clip(str(text), most))


def line(text: object, most: int = MOST_LINE) -> str:
    """A text in one line, never empty."""
    return " ↵ ".join(part.strip() for part in block(text, most).strip().split("\n")).strip() or "–"


def result(entry: Entry) -> str:
    """What was found, whatever a waiver says of it: what is waived has failed."""
    return "fail" if entry["state"] == "waived" else str(entry["state"])


def green(entry: Entry) -> bool:
    """Whether a check's state is green."""
    return entry["state"] in GREEN


def seen(entry: Entry) -> tuple[list[Seen], int]:
    """The observations of a check in words, those that are not met first, and how many more there are."""
    most = [{**each, "name": _cut(each["name"]), "observed": _cut(each["observed"])} for each in entry["observations"]]
    found = observations({**entry, "observations": most})
    return found[:MOST_SEEN], max(0, len(found) - MOST_SEEN)


def _cut(value: Any) -> Any:
    """A value that is not too long to be shown."""
    if isinstance(value, list):
        shown = [_cut(each) for each in value[:MOST_SEEN]]
        return shown if len(value) <= MOST_SEEN else [*shown, f"and {len(value) - MOST_SEEN} more"]
    return clip(value, MOST_LINE) if isinstance(value, str) else value


def told(entry: Entry) -> Iterator[str]:
    """The observations of a check, a line each."""
    found, more = seen(entry)
    for each in found:
        yield line(f"{'✓' if each.met else '✗'} {each.name}: observed {each.observed}, expected {each.expected}", 3_000)
    if more:
        yield f"… and {more} more observations, all in results.json"


def why(entry: Entry) -> str:
    """Why a check is in its state, in one line: waiver, exemption or message."""
    waiver, exemption = entry.get("waiver"), entry.get("not_applicable")
    if waiver:
        excuse = f"waived until {waiver['expires']} by {waiver['approved_by']} ({waiver['ticket']}): {waiver['reason']}"
        return line(f"{excuse} | {entry['message']}")
    if exemption:
        return line(f"{exemption['reason']} (until {exemption['expires']}, approved by {exemption['approved_by']})")
    return line(entry["message"])


def exchanges(entry: Entry) -> str:
    """The ids of the exchanges that a verdict rests on."""
    ids = entry["exchanges"]
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return line(", ".join(ids[:MOST_NAMED]) + more) if ids else "none"


def statements(entry: Entry) -> Iterator[str]:
    """What people state and the verdict rests on, a line each."""
    for each in entry.get("statements", []):
        yield line("; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in each.items() if value), 3_000)
