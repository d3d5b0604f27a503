"""How answers are written down, and the exact way back: what a replay hands to a probe is what the run handed to it.

A `Coding` is a pair. ``encode`` gives what the transcript holds (JSON), ``decode`` the value again, and
``decode(encode(x)) == x``. A live channel hands out the decoded value too, so nothing is judged that is not written.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

A = TypeVar("A")


@dataclass(frozen=True)
class Coding(Generic[A]):
    """How one kind of answer is written, and read again; without ``decode`` it is for the reader alone.

    Only what no check judges by goes without: the work of drills, of which a record of its own is kept.
    """

    encode: Callable[[A], Any]
    decode: Callable[[Any], A] | None = None


def key(name: str) -> Coding[Any]:
    """A value of JSON under a name that says what it is."""
    return Coding(lambda value: {name: value}, lambda written: written[name])


def _same(value: Any) -> Any:
    return value


SAME: Coding[Any] = Coding(_same, _same)  # of answers that are JSON themselves


Spelled = str | dict[str, Any]


def spell(data: bytes) -> Spelled:
    """Bytes as text.

    What is no UTF-8 becomes ``{"escaped": …}``, with such bytes as ``\\xff`` and backslashes doubled; frames of the
    Docker engine's logs ``{"frames": [[stream, text], …], "rest": …}``, so that their lengths are those of their texts
    also where something in them is masked.
    """
    frames, rest = _frames(data)
    if frames:
        return {"frames": [[stream, _spell(said)] for stream, said in frames], "rest": _spell(rest)}
    return _spell(data)


def unspell(written: Spelled) -> bytes:
    """What `spell` was given."""
    if isinstance(written, str):
        return written.encode("utf-8")
    if "escaped" in written:
        return b"".join(_byte(part) for part in ESCAPES.split(written["escaped"]))
    said = [(stream, unspell(text)) for stream, text in written["frames"]]
    frames = (bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for stream, text in said)
    return b"".join(frames) + unspell(written["rest"])


ESCAPES = re.compile(r"(\\\\|\\x[0-9a-f]{2})")


def _byte(part: str) -> bytes:
    if not ESCAPES.fullmatch(part):
        return part.encode("utf-8")
    return b"\\" if part == r"\\" else bytes([int(part[2:], 16)])


def _spell(data: bytes) -> Spelled:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"escaped": data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")}


def _frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The frames (stream and content) that data begins with, and the rest."""
    found, at = [], 0
    while data[at : at + 1] in (b"\0", b"\1", b"\2") and data[at + 1 : at + 4] == b"\0\0\0":
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        if len(data) < max(end, at + 8):
            break
        found.append((data[at], data[at + 8 : end]))
        at = end
    return found, data[at:]


# Types that JSON does not have, by the name under which they are written: how they are written, and read again.
TYPES: dict[str, tuple[tuple[type, ...], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "datetime": ((dt.datetime,), dt.datetime.isoformat, dt.datetime.fromisoformat),
    "date": ((dt.date,), dt.date.isoformat, dt.date.fromisoformat),
    "time": ((dt.time,), dt.time.isoformat, dt.time.fromisoformat),
    "interval": (
        (dt.timedelta,),
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda written: dt.timedelta(*written),
    ),
    "decimal": ((Decimal,), str, Decimal),
    "bytes": ((bytes,), bytes.hex, bytes.fromhex),
    "uuid": ((uuid.UUID,), str, uuid.UUID),
    "address": ((ipaddress.IPv4Address, ipaddress.IPv6Address), str, ipaddress.ip_address),
    "network": ((ipaddress.IPv4Network, ipaddress.IPv6Network), str, ipaddress.ip_network),
    "interface": ((ipaddress.IPv4Interface, ipaddress.IPv6Interface), str, ipaddress.ip_interface),
}


def _write(value: Any) -> Any:
    """A value as JSON; every object in it is ``{type: value}``."""
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, float):
        return {"float": str(value)}
    if isinstance(value, list):
        return [_write(each) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [_write(each) for each in value]}
    if isinstance(value, dict):
        return {"object": {str(name): _write(each) for name, each in value.items()}}
    for name, (types, write, _) in TYPES.items():
        if type(value) in types:  # a datetime is a date too
            return {name: write(value)}
    raise TypeError(f"a {type(value).__name__} has no form in the transcript")


def _read(written: Any) -> Any:
    if isinstance(written, list):
        return [_read(each) for each in written]
    if not isinstance(written, dict):
        return written
    ((name, value),) = written.items()
    match name:
        case "float":
            return float(value)
        case "tuple":
            return tuple(_read(each) for each in value)
        case "object":
            return {each: _read(found) for each, found in value.items()}
    return TYPES[name][2](value)


VALUES: Coding[Any] = Coding(_write, _read)
ROWS: Coding[list[dict[str, Any]]] = Coding(
    lambda rows: [{name: _write(value) for name, value in row.items()} for row in rows],
    lambda written: [{name: _read(value) for name, value in row.items()} for row in written],
)
