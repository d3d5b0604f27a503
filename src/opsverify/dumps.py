"""What the text of a dump says of itself: the rows of each table, the roles it needs, and whether it is whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from opsverify.errors import UnansweredError

Table = tuple[str, str]  # schema, name

COMPLETE = b"-- PostgreSQL database dump complete"
DATA, OTHER = b"-- Data for Name: ", b"-- Name: "
BEGUN = re.compile(rb"^-- Dumped by pg_dump version (\d{1,3})\b")
# Names and what follows them are bounded, so that no line takes more time than its length.
NAME = rb'("(?:[^"]|""){1,255}"|[A-Za-z_\x80-\xff][\w$\x80-\xff]{0,254})'
COPY = re.compile(rb"COPY " + NAME + rb"\." + NAME + rb" (?:\(.*\) )?FROM stdin;\Z")
LONGEST_STATEMENT = 16 * 1024  # of those that name roles
ROLES = tuple(
    re.compile(pattern % NAME)
    for pattern in (
        rb"^ALTER .* OWNER TO %s;$",
        rb"^(?:GRANT|REVOKE) .* (?:TO|FROM) %s(?: WITH [A-Z ,]{1,99})?(?: GRANTED BY .{1,255})?;$",
        rb"^ALTER DEFAULT PRIVILEGES FOR ROLE %s ",
        rb"^ALTER DEFAULT PRIVILEGES .* (?:TO|FROM) %s(?: WITH [A-Z ,]{1,99})?;$",
        rb"^CREATE SCHEMA .* AUTHORIZATION %s;$",
        rb"^(?:GRANT|REVOKE) .* GRANTED BY %s;$",
    )
)
POLICY = re.compile(rb"^CREATE POLICY .*? TO (.{1,1024}?)(?: USING | WITH CHECK |;$)")
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
    data = False  # whether this is a table's data, by pg_dump's own headings, and no function's body
    for line in lines:
        if table is not None:
            if line.rstrip(b"\r\n") == b"\\.":
                found.rows[table] = found.rows.get(table, 0) + count
                table = None
            count += 1
            continue
        said = line.rstrip(b"\r\n")
        if said.startswith(b"COPY ") and said.endswith(b" FROM stdin;"):
            table, count = _table(said), 0
        else:
            data = said.startswith(DATA) or (data and not said.startswith(OTHER))
            _statement(said, found, data)
    if table is not None:
        found.cut = ".".join(table)
    return found


def _statement(said: bytes, found: DumpText, data: bool) -> None:
    if data and said.startswith(b"INSERT INTO "):
        raise UnansweredError("its rows are written as INSERT, so they cannot be counted; dump without --inserts")
    if said == COMPLETE:
        found.complete = True
    elif said.startswith(b"\\restrict "):
        found.restricted = True
    elif said.startswith(b"\\connect "):
        found.connects = True
    elif found.major is None and (match := BEGUN.match(said)):
        found.major = int(match[1])
    if len(said) <= LONGEST_STATEMENT:
        found.roles.update(_roles(said))


def _roles(said: bytes) -> Iterator[str]:
    """The roles that a statement names."""
    for pattern in ROLES:
        if match := pattern.match(said):
            yield match[1].decode("utf-8", "surrogateescape")
    if match := POLICY.match(said):
        yield from (each.decode("utf-8", "surrogateescape") for each in re.findall(NAME, match[1]))
    if (match := AUTHORIZATION.match(said)) and match[1] != b"DEFAULT":
        name = match[1].strip(b"'").replace(b"''", b"'").replace(b'"', b'""')
        yield f'"{name.decode("utf-8", "surrogateescape")}"'


def _table(said: bytes) -> Table:
    match = COPY.match(said)
    if match is None:
        raise UnansweredError(f"{said[:200].decode(errors='backslashreplace')}: this table's name is not understood")
    return _plain(match[1]), _plain(match[2])


def _plain(name: bytes) -> str:
    """A name without its quotes."""
    text = name.decode("utf-8", "backslashreplace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
