"""What the words of a shell text stand for, as far as that can be told without running it.

A value is text in which a few characters of Unicode's private use area stand for what cannot be told: `ANY` for any
text, `TEMPORARY` for a file of mktemp's, `ago(days)` for a date so many days back, `fed(number)` for what another
command found, `FIELD` between two words.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Sequence
from itertools import product

ANY, TEMPORARY, FIELD = "\ue000", "\ue001", "\ue002"
FIRST_AGO, LAST_AGO = 0xE100, 0xF000
FIRST_FED, LAST_FED = 0xF100, 0xF8FF
PRIVATE = re.compile("[\ue000-\uf8ff]")
MOST = 24  # alternatives of one command; beyond that its words stand for anything
LONGEST = 8192  # characters of a value; a variable that doubles itself would soon fill the memory


def plain(text: str) -> str:
    """Text of a script, in which no character passes for one of the above."""
    return PRIVATE.sub(ANY, text)


def known(value: str) -> bool:
    """Whether a value is all told."""
    return PRIVATE.search(value) is None


def ago(days: int) -> str:
    """The character that stands for the date so many days back."""
    return chr(min(FIRST_AGO + max(days, 0), LAST_AGO))


def days_ago(value: str) -> int | None:
    """How many days back the date in a value is, None where there is none."""
    found = [ord(char) - FIRST_AGO for char in value if FIRST_AGO <= ord(char) <= LAST_AGO]
    return min(found) if found else None


def fed(number: int) -> str:
    """The character that stands for what the command of this number found."""
    return chr(FIRST_FED + number) if FIRST_FED + number <= LAST_FED else ANY


def feeds(value: str) -> list[int]:
    """The numbers of the commands whose findings are in a value."""
    return [ord(char) - FIRST_FED for char in value if FIRST_FED <= ord(char) <= LAST_FED]


def placed(here: str, path: str) -> str:
    """A path as seen from a folder; one whose begin is not told may be anywhere."""
    return path if path[:1] in ("/", ANY) or feeds(path[:1]) else posixpath.join(here, path)


def shown(value: str) -> str:
    """A value as a person reads it."""
    text = "".join(f"<{ord(c) - FIRST_AGO} days ago>" if FIRST_AGO <= ord(c) <= LAST_AGO else c for c in value)
    return PRIVATE.sub("…", text.replace(TEMPORARY, "<temporary>").replace(FIELD, " "))


def combined(parts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """All ways to put alternatives together; where they are too many, one that stands for all of them."""
    if sum(max(map(len, each), default=0) for each in parts) > LONGEST:
        return (ANY,)
    ways = 1
    for each in parts:
        ways *= len(each)
    if ways > MOST:
        return ("".join(each[0] if len(each) == 1 else ANY for each in parts),)
    return tuple(dict.fromkeys("".join(each) for each in product(*parts)))


def arguments(words: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """All ways that the words of a command may come out, split at `FIELD`."""
    ways = 1
    for each in words:
        ways *= len(each)
    chosen = product(*words) if ways <= MOST else product(*(each if len(each) == 1 else (ANY,) for each in words))
    return tuple(dict.fromkeys(tuple(f for word in way for f in word.split(FIELD) if f) for way in chosen))


def arithmetic(text: str) -> str:
    """The value of ``$((text))``, where it is made of whole numbers, +, - and *."""
    if not re.fullmatch(r"[\d\s()*+-]{1,80}", text):
        return ANY
    try:
        return str(_reckoned(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, OverflowError):
        return ANY


def _reckoned(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.BinOp(left=left, op=operator, right=right):
            a, b = _reckoned(left), _reckoned(right)
            if isinstance(operator, ast.Mult):
                return a * b
            if isinstance(operator, ast.Add):
                return a + b
            if isinstance(operator, ast.Sub):
                return a - b
    raise ValueError("not whole numbers alone")


def printed(argv: Sequence[str], here: Iterable[str]) -> tuple[str, ...]:
    """What a command prints, where that can be told of it; ``here`` is the working folder."""
    name, rest = posixpath.basename(argv[0]), [each for each in argv[1:] if not each.startswith("-")]
    value = ANY
    if name == "pwd":
        return tuple(here)
    if name == "mktemp":
        value = TEMPORARY
    elif name == "date":
        value = _date(argv)
    elif name == "echo":
        value = " ".join(argv[2:] if argv[1:2] and argv[1] in ("-n", "-e", "-ne", "-en") else argv[1:])
    elif name == "printf" and len(rest) == 2 and rest[0] in ("%s", "%s\\n"):
        value = rest[1]
    elif name in ("readlink", "realpath", "which", "command") and rest:
        value = rest[-1]
    elif name == "dirname" and rest:
        value = posixpath.dirname(rest[-1]) or "."
        if ANY in rest[-1]:  # there may be slashes in it
            value = rest[-1].partition(ANY)[0] + ANY
    elif name == "basename" and rest and known(" ".join(rest)):
        value = posixpath.basename(rest[0])
        value = value.removesuffix(rest[1]) if len(rest) > 1 else value
    return (value,)


def _date(argv: Sequence[str]) -> str:
    said = " ".join(argv[1:])
    shown_as = "".join(each for each in argv[1:] if each.startswith("+"))
    if shown_as and not re.search(r"%[FDsx]|%[Yy].*%[dej]|%[dej].*%[Yy]", shown_as):
        return ANY  # a month or a day of the week comes again
    days = re.search(r"(?:-d|--date)[ =]?['\"]?(?:today |now )?(?:-\s*(\d+) days?|(\d+) days? ago)\b", said)
    weeks = re.search(r"(?:-d|--date)[ =]?['\"]?(?:-\s*(\d+) weeks?|(\d+) weeks? ago)\b", said)
    if days:
        return ago(int(days[1] or days[2]))
    if weeks:
        return ago(7 * int(weeks[1] or weeks[2]))
    return ANY
