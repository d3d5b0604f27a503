"""What the text of a dump says of itself: the rows of each table, the roles it needs, and whether it is whole."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from opsverify.errors import UnansweredError

Table = tuple[str, str]  # schema, name

COMPLETE = b"-- PostgreSQL database dump complete"
BEGUN = re.compile(rb"^-- Dumped by pg_dump version (\d{1,3})\b")
COPY = re.compile(rb"^COPY (.+?) (?:\(.*\) )?FROM stdin;$")
NAME = rb'("(?:[^"]|"")+"|[A-Za-z_\x80-\xff][\w$\x80-\xff]*)'
QUALIFIED = re.compile(NAME + rb"\." + NAME)
ROLES = tuple(
    re.compile(pattern % NAME)
    for pattern in (
        rb"^ALTER .* OWNER TO %s;$",
        rb"^(?:GRANT|REVOKE) .* (?:TO|FROM) %s(?: WITH [A-Z ,]+)?(?: GRANTED BY .*)?;$",
        rb"^ALTER DEFAULT PRIVILEGES FOR ROLE %s ",
        rb"^ALTER DEFAULT PRIVILEGES .* (?:TO|FROM) %s(?: WITH [A-Z ,]+)?;$",
        rb"^CREATE SCHEMA .* AUTHORIZATION %s;$",
        rb"^(?:GRANT|REVOKE) .* GRANTED BY %s;$",
    )
)
POLICY = re.compile(rb"^CREATE POLICY .*? TO (.+?)(?: USING | WITH CHECK |;$)")
AUTHORIZATION = re.compile(rb"^SET SESSION AUTHORIZATION (.+);$")


@dataclass
class DumpText:
    """The text of a dump, read line by line: see `read`.

    ``roles`` are written as the dump writes them, quotes and all; ``major`` is the version of the pg_dump that made it;
    ``cut`` names the table in whose rows the text ends.
    """

    rows: dict[Table, int] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)
    major: int | None = None
    restricted: bool = False
    complete: bool = False
    connects: bool = False
    cut: str = ""

    @property
    def kept_apart(self) -> list[str]:
        """The roles that have to be made before it is restored: neither PUBLIC nor one of PostgreSQL's own."""
        return sorted(each for each in self.roles if each != "PUBLIC" and not each.lstrip('"').startswith("pg_"))


def read(lines: Iterable[bytes]) -> DumpText:
    """Read a plain dump, or what pg_restore makes of another one, to its end.

    Raises:
        UnansweredError: its data are not in COPY blocks, which alone can be counted.
    """
    found = DumpText()
    table: Table | None = None
    count = 0
    for line in lines:
        if table is not None:
            if line.rstrip(b"\r\n") == b"\\.":
                found.rows[table] = found.rows.get(table, 0) + count
                table = None
            count += 1
            continue
        said = line.rstrip(b"\r\n")
        match = COPY.match(said)
        if match is not None:
            table, count = _table(match[1]), 0
        else:
            _statement(said, found)
    if table is not None:
        found.cut = ".".join(table)
    return found


def _statement(said: bytes, found: DumpText) -> None:
    if said.startswith(b"INSERT INTO "):
        raise UnansweredError("its rows are written as INSERT, so they cannot be counted; dump without --inserts")
    if said == COMPLETE:
        found.complete = True
    elif said.startswith(b"\\restrict "):
        found.restricted = True
    elif said.startswith(b"\\connect "):
        found.connects = True
    elif found.major is None and (match := BEGUN.match(said)):
        found.major = int(match[1])
    for pattern in ROLES:
        if match := pattern.match(said):
            found.roles.add(match[1].decode("utf-8", "surrogateescape"))
    if match := POLICY.match(said):
        found.roles.update(each.decode("utf-8", "surrogateescape") for each in re.findall(NAME, match[1]))
    if (match := AUTHORIZATION.match(said)) and match[1] != b"DEFAULT":
        name = match[1].strip(b"'").replace(b"''", b"'").replace(b'"', b'""')
        found.roles.add(f'"{name.decode("utf-8", "surrogateescape")}"')


def _table(text: bytes) -> Table:
    match = QUALIFIED.fullmatch(text)
    if match is None:
        raise UnansweredError(f"COPY {text.decode(errors='backslashreplace')}: this table's name is not understood")
    return _plain(match[1]), _plain(match[2])


def _plain(name: bytes) -> str:
    """A name without its quotes."""
    text = name.decode("utf-8", "backslashreplace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
