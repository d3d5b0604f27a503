"""What is wrong with an ``archive_command``, read as the shell would read it.

PostgreSQL takes a segment for archived, and recycles it, as soon as the command ends with status 0. So a command is
good only when that status means: this segment was stored, and nothing that was stored earlier was touched.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from opsverify.errors import InsufficientFactsError

TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\\\n)|(?P<redirect>[0-9]*(?:>>|>\||>&|<<|<&|>|<))|(?P<operator>&&|\|\||[|&;()\n])"""
    r"""|(?P<word>(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\|&;<>()])+)""",
    re.DOTALL,
)
# They store nothing, whatever their arguments are.
IDLE = {"true", ":", "false", "exit", "echo", "printf", "test", "[", "logger", "sleep", "return", "ls", "date"}
# They read the segment, or do something else to it; what of it they write goes to their output.
IDLE |= {"cat", "head", "tail", "stat", "file", "wc", "od", "xxd", "strings", "grep", "cmp", "diff", "pg_waldump"}
IDLE |= {"md5sum", "sha1sum", "sha256sum", "sha512sum", "cksum", "b2sum"}
IDLE |= {"rm", "unlink", "touch", "truncate", "chmod", "chown", "chgrp", "mkdir", "cd", "set", "sync"}
# Their own success says nothing of what was run before them.
SUCCEEDS = {"true", ":", "echo", "printf", "logger", "sleep", "date"}
# Program and subcommand of archivers that store safely by themselves.
ARCHIVERS = {
    "pgbackrest": "archive-push",
    "wal-g": "wal-push",
    "wal-e": "wal-push",
    "pg_probackup": "archive-push",
    "barman-wal-archive": "",
    "barman-cloud-wal-archive": "",
}
# They put a file over one that is there; ">" stands for a redirection of output to the segment's name.
COPIERS = {"cp", "install", "dd", "scp", "rsync", "tee", ">"}
LOOKS = re.compile(r"(! )?-[efs] (\S*%f\S*)")
NOWHERE = {"/dev/null", "of=/dev/null"}
KEEPS = re.compile(r"--no-clobber|--update=none|--ignore-existing")  # success, and nothing stored
SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh"}
WRAPPERS = {"env", "envdir", "sudo", "nice", "ionice", "timeout", "nohup", "setsid", "chronic", "command", "exec"}
COMPOUND = {"if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!"}


@dataclass(frozen=True)
class Simple:
    """One command of the line, and the operator in front of it; ``words`` are without quotes."""

    operator: str
    words: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """The program without its folder; behind ``env``, ``sudo`` and the like any word may be it."""
        words = [each for each in self.words if not re.match(r"[A-Za-z_]\w*=", each)]
        names = [each.rpartition("/")[2] for each in words]
        return names if names and names[0] in WRAPPERS else names[:1]

    def runs(self, programs: Sequence[str] | set[str]) -> bool:
        """Whether it is one of these programs."""
        return any(name in programs for name in self.names) or (">" in programs and ">" in self.words)

    @property
    def archiver(self) -> bool:
        """Whether it is an archiver that is known to store safely."""
        return any(name in ARCHIVERS and (ARCHIVERS[name] or name) in (*self.words, name) for name in self.names)

    @property
    def stores(self) -> bool:
        """Whether it may store the segment: it is told which, or is handed it, and is none that stores nothing."""
        said = " ".join(self.words)
        if self.words[-1] in NOWHERE:
            return False
        return ("%p" in said or (self.operator == "|" and "%f" in said)) and (not self.runs(IDLE) or ">" in self.words)

    @property
    def looks(self) -> bool | None:
        """Whether it succeeds only where the archive has no file of that name (True), or only where it has one."""
        match = LOOKS.search(" ".join(self.words))
        return None if match is None else match[1] is not None

    def writes_to(self, path: str) -> bool:
        """Whether it names a path that was looked for, or its folder, perhaps behind the name of a host."""
        folder, slash, _ = path.rpartition("/")
        if not slash:
            return path in self.words
        return any(each.endswith(path) or each.rstrip("/").endswith(folder) for each in self.words)

    @property
    def ends(self) -> str | None:
        """The status with which it ends the whole line; None where it does not."""
        return self.words[-1] if self.runs({"exit", "return"}) else None


def problem(command: str) -> str:
    """What is wrong with a command, in words; nothing when it stores each segment and overwrites none.

    Raises:
        InsufficientFactsError: it names the segment, but is too intricate for its meaning to be told.
    """
    if not command.strip():
        return "there is no command, so nothing is archived"
    try:
        line = _parse(command)
    except ValueError:
        return "the shell cannot read it"
    inner = _script(line)
    if inner is not None:
        return problem(inner)
    if not any("%p" in " ".join(each.words) for each in line):
        return "it does not name the segment (%p), so it stores nothing"
    if re.search(r"[`()]|\$\(", command) or any(each.words[:1] and each.words[0] in COMPOUND for each in line):
        raise InsufficientFactsError(
            f"archive_command: {command!r} is too intricate to tell what it does; put it into a script and name that"
        )
    return _stores(line) or _reports_failure(line) or _overwrites(line)


def _parse(command: str) -> list[Simple]:
    """The commands of a line.

    Raises:
        ValueError: a quote has no end.
    """
    found: list[Simple] = []
    words: list[str] = []
    operator, redirect, at = "", "", 0
    while at < len(command):
        match = TOKEN.match(command, at)
        if match is None:
            raise ValueError(command[at:])
        at = match.end()
        text = match[0]
        if match.lastgroup == "word" and text.startswith("#"):  # a comment, to the end of the line
            at = command.find("\n", at) if "\n" in command[at:] else len(command)
        elif match.lastgroup == "word":
            word = "".join(shlex.split(text)) if set(text) & set("'\"\\") else text
            words += _redirected(redirect, word) if redirect else [word]
            redirect = ""
        elif match.lastgroup == "redirect":
            redirect = text
        elif match.lastgroup == "operator":
            found += [Simple(operator, tuple(words))] if words else []
            words, operator = [], text
            if text == "&":  # put into the background: what comes next, if only the end, does not wait for it
                found.append(Simple("&", (":",)))
    return [*found, Simple(operator, tuple(words))] if words else found


def _redirected(redirect: str, word: str) -> list[str]:
    """What a redirection is to the command: what it is handed, or where its output goes if that is for the segment."""
    if "<" in redirect:
        return ["<", word]
    return [">", word] if redirect[0] in ">1" and "%f" in word else []


def _script(line: Sequence[Simple]) -> str | None:
    """The script of ``sh -c SCRIPT``, where the line is that alone."""
    if len(line) == 1 and line[0].runs(SHELLS) and "-c" in line[0].words[:-1]:
        return line[0].words[line[0].words.index("-c") + 1]
    return None


def _stores(line: Sequence[Simple]) -> str:
    first = next((at for at, each in enumerate(line) if each.stores), None)
    if first is None:
        return "none of its commands stores the segment"
    if any(
        (each.ends is not None and each.operator not in ("&&", "||")) or each.runs({"false"}) for each in line[:first]
    ):
        return "it ends before it stores the segment"
    if line[first].operator == "||":
        return "it stores the segment only where something else fails, and else reports success"
    return ""


def _reports_failure(line: Sequence[Simple]) -> str:
    last = max(at for at, each in enumerate(line) if each.stores)
    for each in line[last + 1 :]:
        if each.operator == "&":
            return "it reports success before the segment is stored"
        if each.operator == "|" and not any("pipefail" in before.words for before in line[:last]):
            return "it reports the success of what stands at the end of a pipe, even where storing failed"
        if each.operator in (";", "\n") or (each.operator == "||" and (each.runs(SUCCEEDS) or each.ends == "0")):
            return "it reports success even where storing failed"
    return ""


def _overwrites(line: Sequence[Simple]) -> str:
    for at, each in enumerate(line):
        if not each.stores or each.archiver:
            continue
        if each.runs({"ln", "link"}):
            return "a link is no copy: the server writes into that file again"
        if each.runs({"mv"}):
            return "it takes the segment away from the server instead of copying it"
        if each.runs(COPIERS):
            guarded = _guarded(line, at)
            keeps = any(KEEPS.match(word) or re.match(r"-[a-zA-Z]*n", word) for word in each.words[1:])
            if guarded == "0" or (not guarded and keeps and each.runs({"cp", "rsync"})):
                return "it reports success where a file of that name is there already, and stores nothing"
            if not guarded:
                return "it overwrites a file of that name; 'test ! -f' of that very file in front of it would not"
    return ""


def _guarded(line: Sequence[Simple], at: int) -> str:
    """How the line ends, before it comes to a command, where the archive has that file; empty where it goes on."""
    found = ""
    for earlier, each in itertools.pairwise(line[: at + 1]):
        match = LOOKS.search(" ".join(earlier.words))
        if match and not any(later.writes_to(match[2]) for later in line[at:]):
            continue
        if earlier.looks is not None and each.ends is not None:  # test -f there && exit 1; test ! -f there || exit 1
            if each.operator == ("||" if earlier.looks else "&&"):
                return each.ends
        elif earlier.looks and each.operator == "&&":
            found = "1"
        elif each.operator not in ("&&", "|"):
            found = ""
    return found
