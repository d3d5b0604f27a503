"""What is known of commands by their names: which of them run others, print, or take scripts as mere files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

from opsverify.shell.values import known

SHELLS = {"sh", "bash", "dash", "ksh", "zsh", "ash"}
CARRIERS = SHELLS | {"ssh", "su", "sudo", "runuser", "at", "batch"}  # may be given a text to run on their input
WRAPPERS = {"sudo", "env", "nice", "ionice", "nohup", "timeout", "exec", "command", "chronic", "setsid", "flock"}
GIVERS = {"find", "xargs", "parallel"}  # they make up the arguments of what they run
PRINTERS = {"echo", "printf", "logger", "wall", "grep", "egrep", "fgrep", "mail"}
LISTERS = {"find", "ls"}
# They take the names of scripts as files like any other.
HANDLERS = {"[", "basename", "cat", "chgrp", "chmod", "chown", "cp", "diff", "dirname", "head", "install", "ln", "ls"}
HANDLERS |= {"md5sum", "mv", "readlink", "realpath", "rm", "rsync", "scp", "sha256sum", "stat", "tail", "tar", "test"}
HANDLERS |= {"touch", "wc", "which", "type"}
INTERPRETER = re.compile(r"(.*/)?(sh|bash|dash|ksh|zsh|ash|\.|source|python[\d.]*|perl|ruby|node|php)")
SYSTEM = re.compile(r"/(usr/)?(s?bin|lib|lib64|libexec)/|/usr/(share|include)/|/(dev|proc|sys)/|/etc/(profile|bash)")


def operand(argv: Sequence[str]) -> str | None:
    """The script that an interpreter among the words is given, None where there is none."""
    for i, each in enumerate(argv):
        if INTERPRETER.fullmatch(each):
            options = list(takewhile(lambda word: word.startswith("-"), argv[i + 1 :]))
            texts = r"-\w*c$" if posixpath.basename(each) in SHELLS else r"-\w*[ceEr]$|-m$"
            coded = each not in (".", "source") and any(re.match(texts, word) for word in options)
            return None if coded else next(iter(argv[i + 1 + len(options) :]), None)
    return None


def untold(argv: Sequence[str]) -> bool:
    """Whether it cannot be told what a command runs; a program in a folder of programs is one like any other."""
    run = [argv[0], operand(argv) or ""] if posixpath.basename(argv[0]) not in HANDLERS else [argv[0]]
    carriers = {posixpath.basename(each) for each in argv} & (SHELLS | {"su", "runuser", "flock"})
    for before, each in pairwise(argv):
        if posixpath.basename(before) in WRAPPERS - {"timeout", "flock"} or (carriers and re.match(r"-\w*c$", before)):
            run.append(each)
    return any(unclear(each) for each in run)


def unclear(path: str) -> bool:
    """Whether it cannot be told which file is run."""
    if known(path):
        return path == "{}" or (not SYSTEM.match(path) and re.match(r"\.{0,2}/\S*[*?\[]", path) is not None)
    return re.search(r"/s?bin/[\w.+-]+$", path) is None
