"""What deploys, what asks for health, and what goes back: told of the commands that shell text would run.

Told is what is run and in which order, not which way a condition decides: that a failed health check, and nothing else,
leads to the rollback is what a drill shows.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from opsverify.shell.commands import SHELLS, WRAPPERS, operand
from opsverify.shell.facts import Followed, Ran, Stage
from opsverify.shell.values import known, placed, shown

HEALTH = "/health"  # where the API tells its health
ADDRESS = re.compile(
    r"(?:https?://)?(?:[^/@]*@)?(?P<host>\[[^\]/]*\]|[^/:\[\]]+)(?::[^/]*)?(?P<path>/[^?#]*)(?:[?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ASKING = {"curl", "wget"}
FLAGS = r"-[0-46aBgGiIjJklLMnNOpqRsSvVZ#:f]*"  # those of curl that take no word, before another one
FAILS = re.compile(rf"{FLAGS}f|--fail(-with-body)?$")
PASSING = {"cat", "tee", "logger", "head", "tail"}  # they end well whatever they are given
ENGINES = {"docker", "podman", "nerdctl"}
COMPOSE = {"docker-compose", "podman-compose"}
# Options before the subcommand that take the next word.
VALUED = {"-f", "--file", "-p", "--project-name", "--project-directory", "--profile", "--env-file", "--parallel"}
VALUED |= {"-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "-n", "--namespace", "--kube-context"}
# Subcommands that change what runs, by program; `kubectl rollout undo` and its like go back by themselves.
CHANGING = {
    "engine": {"run", "start", "restart", "stop", "create", "rm", "kill", "service update", "stack deploy"}
    | {"container start", "container restart", "container run", "container create"},
    "compose": {"up", "start", "restart", "run", "create", "stop", "down", "rm"},
    "kubectl": {"apply", "replace", "patch", "set image", "rollout restart"},
    "helm": {"upgrade", "install"},
    "systemctl": {"start", "restart", "reload", "stop"},
}
GOING_BACK = {
    "engine": {"service rollback"},
    "kubectl": {"rollout undo"},
    "helm": {"rollback"},
    "nomad": {"job revert"},
}
TAGGING = {"tag", "image tag"}
# What people write and no program knows.
UNKNOWN = {"engine": {"rollback", "container rollback"}, "compose": {"rollback"}}
SCRIPT_BACK = re.compile(r"(^|[/_.-])(roll[_-]?back|revert)([_.-]|$)", re.IGNORECASE)
Kind = Literal["changes", "asks", "goes back", "tags", "no such command", "unclear"]


@dataclass(frozen=True)
class Step:
    """Something that a script does about what runs: ``what`` is the command, ``where`` is file and line.

    ``script`` is the path of the script that goes back, where it is one; ``noticed`` tells of a request for health
    whether its failure can be noticed, None where that cannot be told.
    """

    kind: Kind
    what: str
    where: str
    script: str = ""
    noticed: bool | None = True

    def __str__(self) -> str:
        return f"{self.what} ({self.where})"


def steps(followed: Followed, rollbacks: Collection[str], names: Collection[str]) -> tuple[Step, ...]:
    """What scripts do about what runs, in their order; functions that nothing calls are left out.

    ``rollbacks`` are paths of scripts that are known to go back, ``names`` those under which the API answers, besides
    loopback.
    """
    return tuple(
        step
        for ran in followed.ran
        if not ran.guessed and not ran.dead
        for index, stage in enumerate(ran.stages)
        for step in _of_stage(ran, stage, rollbacks, names, _fate(ran, index, followed))
    )


@dataclass(frozen=True)
class _Fate:
    """What becomes of a command's output and of how it ends.

    ``read``: another command judges what it prints; ``kept``: what it prints is kept, for whoever looks at it later;
    ``status``: how it ends makes a difference, None where that cannot be told.
    """

    read: bool
    kept: bool
    status: bool | None


def _fate(ran: Ran, index: int, followed: Followed) -> _Fate:
    after = [way for stage in ran.stages[index + 1 :] for way in stage.ways if way]
    read = any(posixpath.basename(way[0]) not in PASSING for way in after)
    written = {path for stage in ran.stages[index:] for path in stage.empties} - {"/dev/null"}
    kept = ran.captured or bool(written) or any(posixpath.basename(way[0]) == "tee" for way in after)
    lost = bool(after) and not read and not any(way[0] == "set" and "pipefail" in way for _, way in followed.ways())
    return _Fate(read, kept, False if lost or ran.ignored else None if ran.ignored is None else True)


def _of_stage(
    ran: Ran, stage: Stage, rollbacks: Collection[str], names: Collection[str], fate: _Fate
) -> Iterator[Step]:
    for way in stage.ways:
        argv = bare(way)
        if not argv:
            continue
        script = _goes_back(argv, ran.here, rollbacks)
        if script:
            yield Step("goes back", shown(" ".join(argv)), ran.where, script)
        elif posixpath.basename(argv[0]) in ASKING and "--unix-socket" not in argv:
            yield from _asked(argv, ran.where, names, fate)
        elif kind := _kind(argv):
            yield Step(kind, shown(" ".join(argv))[:200], ran.where)


def bare(argv: Sequence[str]) -> tuple[str, ...]:
    """A command without what it is wrapped in: sudo, env, timeout and their like, with their options."""
    words = list(argv)
    while words and posixpath.basename(words[0]) in WRAPPERS:
        wrapper = posixpath.basename(words.pop(0))
        while words and (words[0].startswith("-") or re.match(r"[A-Za-z_]\w*=", words[0])):
            option = words.pop(0)
            if words and option in ("-u", "-g", "-n", "-k", "-s", "--user", "--group", "--signal", "--kill-after"):
                words.pop(0)
        if wrapper in ("timeout", "flock") and words:
            words.pop(0)
    return tuple(words)


def _goes_back(argv: Sequence[str], here: Sequence[str], rollbacks: Collection[str]) -> str:
    """The path of the rollback script that a command runs; empty where it runs none."""
    run = operand(argv) if posixpath.basename(argv[0]) in SHELLS else argv[0]
    if not run or not known(run) or "/" not in run:
        return ""
    paths = [posixpath.normpath(placed(folder, run)) for folder in here] or [run]
    found = next((each for each in paths if each in rollbacks), "")
    return found or (paths[0] if SCRIPT_BACK.search(posixpath.basename(run)) else "")


def _asked(argv: Sequence[str], where: str, names: Collection[str], fate: _Fate) -> Iterator[Step]:
    """A request for health; one of an address that cannot be told is unclear, any other is none."""
    told = shown(" ".join(argv))
    urls = [url for word in argv[1:] if (url := ADDRESS.fullmatch(word)) and url["path"].rstrip("/") == HEALTH]
    if any(url["host"].strip("[]").casefold() in (*LOOPBACK, *names) for url in urls):
        yield Step("asks", told, where, noticed=_noticed(argv, fate))
    elif any(not known(url["host"]) for url in urls) or (not urls and not all(map(known, argv))):
        yield Step("unclear", told, where)


def _noticed(argv: Sequence[str], fate: _Fate) -> bool | None:
    """Whether an unhealthy answer makes a difference: curl ends well whatever the status, unless it is told otherwise.

    None where it depends on what is done with the body, or later with how it ended.
    """
    shown_ = any(re.match(rf"{FLAGS}w|--write-out", each) for each in argv[1:])
    fails = posixpath.basename(argv[0]) == "wget" or any(FAILS.match(each) for each in argv[1:])
    swallowed = any(re.match(rf"{FLAGS}[oI]|--(output|head)", each) for each in argv[1:])
    if fate.read or (shown_ and fate.kept):
        return True if fate.kept else fate.status
    if fails and (fate.status or not fate.kept):
        return fate.status
    return False if swallowed else None


def _kind(argv: Sequence[str]) -> Kind | None:
    """What a command is about what runs; None where it is nothing of that."""
    program, subcommand = _subcommand(argv)
    if _only_shows(argv):
        return None
    if program == "curl" and "--unix-socket" in argv:
        return _sent(argv)
    if program == "ansible-playbook":
        return "changes"
    if program == "engine" and subcommand == "service update" and "--rollback" in argv:
        return "goes back"
    tables: tuple[tuple[Kind, Mapping[str, Collection[str]]], ...] = (
        ("no such command", UNKNOWN),
        ("goes back", GOING_BACK),
        ("changes", CHANGING),
        ("tags", {"engine": TAGGING}),
    )
    return next((kind for kind, table in tables if _among(subcommand, table.get(program, ()))), None)


def _only_shows(argv: Sequence[str]) -> bool:
    """Whether a command tells what it would do, and does nothing of it."""
    return any(re.fullmatch(r"--dry-run(=(?!none$).*)?", each) for each in argv)


def _sent(argv: Sequence[str]) -> Kind | None:
    """What a request to the engine's own interface does; one that only asks does nothing."""
    method = next((after for each, after in pairwise(argv) if each in ("-X", "--request")), "")
    if not method:
        sends = any(re.match(r"--data(?!-urlencode)|-d", each) for each in argv)
        method = "POST" if sends and not {"-G", "--get"} & set(argv) else "GET"
    if method in ("GET", "HEAD"):
        return None
    return "tags" if any(re.search(r"/images/.*/tag\?", each) for each in argv) else "changes"


def _among(subcommand: str, wanted: Collection[str]) -> bool:
    return subcommand in wanted or subcommand.partition(" ")[0] in wanted


def _subcommand(argv: Sequence[str]) -> tuple[str, str]:
    """The program (``engine``, ``compose``, or by its name) and its subcommand in at most two words."""
    name, words = posixpath.basename(argv[0]), list(argv[1:])
    if name in COMPOSE:
        return "compose", "".join(_first(words)[:1])
    found = _first(words)
    if name in ENGINES:
        if found[:1] == ["compose"]:
            return "compose", "".join(_first(words[words.index("compose") + 1 :])[:1])
        return "engine", " ".join(found[:2])
    return name, " ".join(found[:2])


def _first(words: Sequence[str]) -> list[str]:
    """The first words that are no options."""
    found: list[str] = []
    skip = False
    for each in words:
        if skip:
            skip = False
        elif each.startswith("-"):
            skip = each in VALUED
        else:
            found.append(each)
        if len(found) == 2:
            break
    return found
