"""What is run, and what came of following it: jobs, the texts they lead to, and the commands in these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Stage:
    """One command of a pipeline: the ways its words may come out, and the files that it writes anew."""

    ways: tuple[tuple[str, ...], ...]
    empties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ran:
    """A pipeline that would be run; ``where`` is file and line, ``here`` the folders that it may be run in.

    ``guessed``: it stands in a function that nothing was seen to call. ``ignored`` and ``dead`` are as in
    `text.Pipeline`, by all that leads there; ``captured``: what it prints is used.
    """

    where: str
    stages: tuple[Stage, ...]
    conditional: bool
    here: tuple[str, ...]
    guessed: bool = False
    ignored: bool | None = False
    dead: bool = False
    captured: bool = False


@dataclass(frozen=True)
class Text:
    """A file that is named where commands are: a shell script, one for another interpreter, or none to be read.

    ``text`` of the kind ``unread`` says why it could not be read; that of a ``folder`` are the scripts in it.
    """

    kind: Literal["shell", "foreign", "data", "folder", "missing", "unread"]
    text: str = ""


@dataclass(frozen=True)
class Job:
    """Something that is run by itself: the command, where it stands, as whom, and the environment it is given.

    ``folder`` is where it is started; empty for the user's home.
    """

    where: str
    command: str
    user: str = "root"
    environment: tuple[tuple[str, str], ...] = ()
    folder: str = ""


@dataclass(frozen=True)
class Followed:
    """What was found by following jobs.

    ``fed`` are the pipelines whose findings others are given; ``doubts`` are places with what could not be followed;
    ``foreign`` are the texts of scripts for other interpreters, by path.
    """

    ran: tuple[Ran, ...]
    fed: tuple[Ran, ...]
    doubts: tuple[tuple[str, str], ...]
    foreign: Mapping[str, str]

    def ways(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The words of every command that is run, each with where it stands."""
        for ran in self.ran:
            for stage in ran.stages:
                yield from ((ran.where, way) for way in stage.ways if way)
