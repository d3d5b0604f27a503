"""In how many ways a secret can be spelled, and how each of them is found. Pure, on bytes.

A list of all spellings has no end: every character of a secret may be escaped or not, for a URL, for JSON, for HTML,
for a shell, and base64 may break off anywhere. So a text is *condensed* first: escapes are undone, and white space,
quotes and backslashes are left out of it. What is left of a secret is then one of a few needles: itself, its base64
in any of the three alignments (that of a URL reads like the other one), its hexadecimal digits.
"""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Callable, Iterator
from html import unescape
from typing import NamedTuple

DROPPED = b" \t\r\n\x0b\x0c'\"\\"
URL_SAFE = bytes.maketrans(b"-_", b"+/")
FEWEST = 6  # bytes that a needle has to have to be told from chance
ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
OVERLAP = 64 * 1024  # bytes that two pieces of a long file share, so that nothing is cut in two unseen
PIECE = 8 * 1024 * 1024

ENTITY = re.compile(rb"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|quot|apos|lt|gt|nbsp|amp);")
RUN = re.compile(rb"\\\\\\*")  # of backslashes, as there are where one escape lies in another
UNICODE = re.compile(rb"\\u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})*")
BYTES = re.compile(rb"\\x[0-9a-fA-F]{2}(?:\\x[0-9a-fA-F]{2})*")
BREAK = re.compile(rb"\\[nrt]")
PERCENT = re.compile(rb"%(?:25)*[0-9a-fA-F]{2}")
SKIPPED = re.compile(rb"[ \t\r\n\x0b\x0c'\"\\]+")


def _entity(found: re.Match[bytes]) -> bytes:
    once = re.sub(rb"\A&(?:amp;)+(?=[#a-z])", b"&", found[0])
    return unescape(once.decode()).encode("utf-8", "backslashreplace")


def _unicode(found: re.Match[bytes]) -> bytes:
    units = b"".join(bytes.fromhex(each.decode()) for each in re.findall(rb"u(.{4})", found[0]))
    return units.decode("utf-16-be", "replace").encode()


def _bytes(found: re.Match[bytes]) -> bytes:
    raw = bytes(int(each, 16) for each in re.findall(rb"x(..)", found[0]))
    try:
        raw.decode()
    except UnicodeDecodeError:  # the code points of a text rather than its bytes
        return raw.decode("latin-1").encode()
    return raw


def _percent(found: re.Match[bytes]) -> bytes:
    return bytes((int(found[0][-2:], 16),))


class Stage(NamedTuple):
    """An escape: what it cannot be without, how it looks, what it stands for; ``literal`` replaced does the same."""

    sign: bytes
    pattern: re.Pattern[bytes]
    plain: Callable[[re.Match[bytes]], bytes] | bytes
    literal: tuple[bytes, ...] = ()


# HTML may hold JSON that holds HTML (the report of pytest-html does), and what is in a URL is innermost.
STAGES = (
    Stage(b"&", ENTITY, _entity),
    Stage(b"\\\\", RUN, b"\\", (b"\\\\",)),
    Stage(b"\\u", UNICODE, _unicode),
    Stage(b"\\x", BYTES, _bytes),
    Stage(b"\\", BREAK, b"", (rb"\n", rb"\r", rb"\t")),
    Stage(b"&", ENTITY, _entity),
    Stage(b"%", PERCENT, _percent),
)


class Needle(NamedTuple):
    """What is left of a secret in a condensed text. ``ragged``: which ends share a character with their neighbour."""

    form: str
    text: bytes
    ragged: tuple[bool, bool] = (False, False)


class Located(NamedTuple):
    """A condensed text, and for each byte of it where it begins and ends in the text."""

    dense: bytes
    starts: array[int]
    ends: array[int]


class Hit(NamedTuple):
    """A spelling that was found: bytes ``start`` to ``end``, in which form."""

    start: int
    end: int
    form: str


def condensed(data: bytes) -> bytes:
    """A text without its escapes, quotes and white space."""
    for stage in STAGES:
        if isinstance(stage.plain, bytes):
            for each in stage.literal:  # far faster than a pattern, and a transcript is full of them
                data = data.replace(each, stage.plain)
                while stage.plain and each in data:  # of a run each time half
                    data = data.replace(each, stage.plain)
        elif stage.sign in data:
            data = stage.pattern.sub(stage.plain, data)
    return data.translate(URL_SAFE, DROPPED)


def needles(secret: str) -> tuple[Needle, ...]:
    """What is searched for in condensed texts."""
    raw = secret.encode("utf-8", "surrogatepass")
    plain = {condensed(raw), condensed(raw.replace(b" ", b"+"))}
    found = [Needle("plain", each) for each in sorted(plain) if len(each) >= FEWEST]
    for shift in range(3):
        bits = 8 * (shift + len(raw))
        encoded = base64.b64encode(b"\0" * shift + raw)
        sure = encoded[(0, 2, 3)[shift] : bits // 6]
        found.append(Needle("base64", sure, (shift > 0, bits % 6 > 0)))
    digits = raw.hex().encode()
    return (*found, *(Needle("hexadecimal", each) for each in dict.fromkeys((digits, digits.upper()))))


def spells(data: bytes, dense: bytes, secret: bytes, wanted: tuple[Needle, ...]) -> bool:
    """Whether a text (``dense`` is what it condenses to) holds a secret in any spelling."""
    return secret in data or any(each.text in dense for each in wanted)


def hits(data: bytes, located: Located, secret: bytes, wanted: tuple[Needle, ...]) -> list[Hit]:
    """Every place where a text (with `located` of it) holds a secret, in its order; places may overlap."""
    found = {(at, at + len(secret)): "plain" for at in _places(data, secret)}
    dense, starts, ends = located
    for needle in wanted:
        for at in _places(dense, needle.text):
            first, last = _whole(dense, at, at + len(needle.text), needle)
            start, end = starts[first], ends[last - 1]
            found.setdefault((start, end), _form(needle, data[start:end], secret))
    return [Hit(start, end, form) for (start, end), form in sorted(found.items())]


def _places(data: bytes, text: bytes) -> Iterator[int]:
    at = data.find(text)
    while at >= 0:
        yield at
        at = data.find(text, at + len(text))


def _whole(dense: bytes, first: int, last: int, needle: Needle) -> tuple[int, int]:
    """With the characters that hold some bits of a secret, and the padding."""
    before, after = needle.ragged
    if before and first and dense[first - 1] in ALPHABET:
        first -= 1
    if after and last < len(dense) and dense[last] in ALPHABET:
        last += 1
    if needle.form == "base64":
        last += len(dense[last : last + 2]) - len(dense[last : last + 2].lstrip(b"="))
    return first, last


def _form(needle: Needle, source: bytes, secret: bytes) -> str:
    if source == secret:
        return "plain"
    marks = (
        ("HTML-escaped", ENTITY),
        ("JSON-escaped", UNICODE),
        ("JSON-escaped", BREAK),
        ("escaped", BYTES),
        ("percent-encoded", PERCENT),
        ("quoted", re.compile(rb"['\"\\]")),
        ("broken into lines", re.compile(rb"\s")),
    )
    usual = secret if needle.form == "plain" else b""  # a secret may look like an escape by itself
    words = [word for word, pattern in marks if len(pattern.findall(source)) > len(pattern.findall(usual))]
    if needle.form != "plain":
        return f"{needle.form}, {words[0]}" if words else needle.form
    return words[0] if words else "spelled otherwise"


def located(data: bytes) -> Located:
    """A condensed text, and for each byte of it where it begins and ends in the text."""
    starts, ends = array("L", range(len(data))), array("L", range(1, len(data) + 1))
    for sign, pattern, plain, _ in (*STAGES, Stage(b"", SKIPPED, b"")):
        if sign not in data:
            continue
        pieces: list[bytes] = []
        begins, stops = array("L"), array("L")
        at = 0
        for found in pattern.finditer(data):
            new = plain if isinstance(plain, bytes) else plain(found)
            pieces += (data[at : found.start()], new)
            begins += starts[at : found.start()]
            stops += ends[at : found.start()]
            begins.extend([starts[found.start()]] * len(new))
            stops.extend([ends[found.end() - 1]] * len(new))
            at = found.end()
        pieces.append(data[at:])
        begins += starts[at:]
        stops += ends[at:]
        data, starts, ends = b"".join(pieces), begins, stops
    return Located(data.translate(URL_SAFE), starts, ends)
