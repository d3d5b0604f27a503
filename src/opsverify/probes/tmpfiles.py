"""What systemd-tmpfiles is told to clean up: ``systemd-tmpfiles --cat-config``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from opsverify.errors import UnansweredError
from opsverify.shell.values import ANY

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
# What systemd's specifiers stand for in the system's own configuration.
SPECIFIERS = {"%": "%", "L": "/var/log", "S": "/var/lib", "C": "/var/cache", "t": "/run"}
SPECIFIERS |= {"T": "/tmp", "V": "/var/tmp"}  # noqa: S108
AGEING = set("dDevqQCbcpLfF")
REMOVING = set("rR")


@dataclass(frozen=True)
class Cleaning:
    """A line that cleans up: the path (a pattern), and the age in days below which things stay.

    ``keeps_days`` is None where things of any age are removed.
    """

    where: str
    line: str
    path: str
    keeps_days: float | None


def parse_tmpfiles(text: str) -> tuple[Cleaning, ...]:
    """Parse the configuration as systemd-tmpfiles prints it, each file behind a comment with its path.

    Raises:
        UnansweredError: a line is not understood.
    """
    found, file = [], "tmpfiles.d"
    for line in text.splitlines():
        begin = re.fullmatch(r"# (/\S+\.conf)", line)
        if begin:
            file = begin[1]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            words = shlex.split(line, comments=False)
        except ValueError:
            words = []
        if len(words) < 2 or not re.fullmatch(r"[A-Za-z][+!=~^$-]*", words[0]):
            raise UnansweredError(f"{file}: this line is not understood: {line[:200]!r}")
        path = specified(words[1])
        age = words[5] if len(words) > 5 else "-"
        if words[0][0] in REMOVING or (words[0][0] == "D" and age == "-"):
            found.append(Cleaning(file, line, path, None))
        elif words[0][0] in AGEING and age != "-":
            found.append(Cleaning(file, line, path, _days(age, file)))
    return tuple(found)


def specified(text: str) -> str:
    """A setting of systemd's with its specifiers (``%L``) put in; one that is not told may be anything."""
    return re.sub("%(.?)", lambda found: SPECIFIERS.get(found[1], ANY), text)


def _days(text: str, file: str) -> float:
    """An age as tmpfiles.d(5) writes it, in days."""
    bare = re.sub(r"^~|^[aAbBcCmM]+:", "", re.sub(r"^~", "", text))
    parts = re.findall(r"(\d+)([a-z]*)", bare)
    if not parts or "".join(f"{count}{unit}" for count, unit in parts) != bare:
        raise UnansweredError(f"{file}: this age is not understood: {text[:60]!r}")
    if any(unit not in SECONDS for _, unit in parts):
        raise UnansweredError(f"{file}: this age is not understood: {text[:60]!r}")
    return sum(int(count) * SECONDS[unit] for count, unit in parts) / 86400
