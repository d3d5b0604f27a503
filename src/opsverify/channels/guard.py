"""What may be asked of a shell: an allow-list of commands that only read, with the arguments that keep them so.

A question is one command or a pipeline of them. It is split into words by the shell's own quoting rules, every
command is held against the list, and what is sent is put together again from the words, each one quoted: so no
metacharacter, expansion or redirection can survive, whatever was written in the question.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

Words = Sequence[str]


class NotAllowedError(ValueError):
    """A command, or an argument of it, that is not on the list."""


def _any(_: Words) -> bool:
    return True


def _without(*banned: str) -> Callable[[Words], bool]:
    """Allow any arguments but options that begin with one of ``banned`` (also inside a cluster of short ones)."""

    def allowed(arguments: Words) -> bool:
        for word in arguments:
            for option in banned:
                if option.startswith("--"):
                    if len(word) > 2 and word.startswith("--") and option.startswith(word.split("=", 1)[0]):
                        return False
                elif word.startswith("-") and not word.startswith("--") and option[1:] in word[1:]:
                    return False
        return True

    return allowed


def _only(*patterns: str) -> Callable[[Words], bool]:
    """Allow exactly the argument lists that match one of the patterns (words joined by one blank).

    Only an absolute path may hold blanks; for the match they become NUL, which no word can hold, so that a pattern
    never takes one word for two.
    """
    compiled = [re.compile(pattern) for pattern in patterns]

    def allowed(arguments: Words) -> bool:
        words = [re.sub(r"\s", "\0", word) if word.startswith("/") else word for word in arguments]
        if not all(re.fullmatch(r"\S+", word) for word in words):  # an empty word, or two words in one
            return False
        joined = " ".join(words)
        return any(pattern.fullmatch(joined) for pattern in compiled)

    return allowed


PATH = r"/[^\s]*"
UNIT = r"[A-Za-z0-9@_][A-Za-z0-9@._:\\-]*"
ENGINE_AT = r"(http://(127\.0\.0\.1|localhost):\d+|--unix-socket /\S+ http://localhost)(/v1\.\d+)?"
ENGINE = (
    rf"{ENGINE_AT}"
    r"/(_ping|version|containers/json\?all=true|containers/[A-Za-z0-9_.-]+/json"
    r"|containers/[A-Za-z0-9_.-]+/stats\?stream=false(&one-shot=(true|false))?"
    r"|containers/[A-Za-z0-9_.-]+/logs\?stdout=true&stderr=true&timestamps=true&tail=\d{1,4}|images/[A-Za-z0-9_.:@-]+/json)"
)

COMMANDS: dict[str, Callable[[Words], bool]] = {
    "true": _any,
    "stat": _any,
    "test": _any,
    "[": _any,
    "cat": _any,
    "head": _any,
    "tail": _without("-f", "-F", "--follow", "--retry"),
    "wc": _any,
    "cut": _any,
    "uniq": _only("-c"),  # with a second file name it would write
    "ls": _any,
    "readlink": _any,
    "realpath": _any,
    "sha256sum": _any,
    "md5sum": _any,
    "grep": _any,
    "df": _any,
    "findmnt": _any,
    "id": _any,
    "getent": _any,
    "groups": _any,
    "uname": _any,
    "whoami": _any,
    "nproc": _any,
    "getconf": _any,
    "hostname": _only("", "-[fsidA]"),
    "date": _only(r"(-u )?\+\S+"),
    "command": _only(r"-v \S+"),
    "which": _any,
    "find": _without("-delete", "-exec", "-ok", "-fprint", "-fls", "-files0-from"),
    "gzip": _only(rf"(-t|--test)( --)? {PATH}", rf"(-l|--list)( --)? {PATH}"),
    "zcat": _any,
    # A whole folder onto the output, for restore drills; of tar's many options no other.
    "tar": _only(rf"-C {PATH} -cf - \."),
    "gpg": _only(
        r"--homedir /nonexistent --no-options --no-keyring --no-random-seed-file --no-auto-check-trustdb "
        rf"--no-autostart --batch --list-only --list-packets {PATH}"
    ),
    "ss": _without("-K", "-E", "-D", "-F", "--kill", "--events", "--diag", "--filter"),
    "ip": _only(r"(-(4|6|o|j|d|s|br|json|brief|details) )*(addr|address|link|route|rule)( show( \S+)*)?"),
    "systemctl": _only(
        rf"(is-active|is-enabled|show|cat)( --?(p|property|value|all|no-pager)(=\S+)?| {UNIT})*",
        r"list-(units|timers|unit-files)( --(all|no-pager|no-legend|plain|type=\S+|state=\S+))*",
    ),
    "systemd-tmpfiles": _only("--cat-config --no-pager"),  # anything else creates or removes
    # -n takes the next word only where that is a number; any other would be an option of its own, say --rotate.
    "journalctl": _only(
        r"--no-pager( -n \d+| -p [0-7]\.\.[0-7]| (-o|-t|-u|--since|--until) \S+"
        r"| --(since|until|output(-fields)?)=\S+)*",
        "--disk-usage",
    ),
    "systemd-analyze": _only(r"--no-pager cat-config systemd/journald\.conf"),
    "dpkg-query": _without("--admindir", "--root"),
    # rpm --pipe and --define run commands; apt-get -o and openssl -out undo what keeps them from changing anything.
    "rpm": _only(r"-q[ailf]*( --quiet| --(queryformat|qf)=\S+)*( [^-\s]\S*)*"),
    "apt-get": _only(r"-s( -q| -qq| -V)* (dist-upgrade|upgrade)"),
    "apt-cache": _only(r"policy( [a-z0-9][a-z0-9+.:-]*)*"),
    "openssl": _only(
        rf"x509 -in {PATH} -noout( -(subject|issuer|dates|startdate|enddate|serial|fingerprint|sha256|text|pubkey))*"
    ),
    "curl": _only(
        rf"--silent --show-error --max-time \d+ --write-out %\{{http_code\}} {ENGINE}",
        # All of a log since a moment, into a pipeline that counts it.
        rf"--silent --show-error --fail --max-time \d+ {ENGINE_AT}"
        r"/containers/[A-Za-z0-9_.-]+/logs\?stdout=true&stderr=true&timestamps=true&since=\d{10}",
    ),
    # -n reads a script and runs nothing of it.
    "bash": _only(rf"-n {PATH}"),
    "sh": _only(rf"-n {PATH}"),
    "pg_isready": _any,
    # Into nothing, so that all of the file is read; without -f it would want a database.
    "pg_restore": _only(rf"-f /dev/null {PATH}"),
    "pg_verifybackup": _only(rf"-n -q {PATH}"),
    "ps": _any,
    "uptime": _any,
    "lsb_release": _any,
}

# The exact commands that docs/granting.md grants through sudo, and nothing else.
AS_ROOT = frozenset(
    {
        "iptables -S",
        "ip6tables -S",
        "sshd -T",
        "cvtsudoers -e -f json /etc/sudoers",
        "ufw status verbose",
        "grep -rs ^ /var/spool/cron/crontabs",
        "atq",
    }
)


# Debian keeps the programs of each version of PostgreSQL apart, and some of them nowhere else.
BINARIES = re.compile(r"^(/usr)?/s?bin/|^/usr/lib/postgresql/[1-9][0-9]/bin/(?=pg_(verifybackup|restore)\Z)")

# Where the key pairs lie differs from host to host, so sudoers names the one folder and this list the form.
FOLDER_AS_ROOT = re.compile(r"find (/[A-Za-z0-9_-][A-Za-z0-9._-]*)+ -ls")


def admit(question: str) -> str:
    """Return ``question`` in the form that may be sent.

    Raises:
        NotAllowedError: with the reason, in words.
    """
    return " | ".join(shlex.join(words) for words in _pipeline(question))


def _pipeline(question: str) -> list[list[str]]:
    lexer = shlex.shlex(question, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", question):
        raise NotAllowedError("control characters and line breaks are not allowed")
    try:
        words = list(lexer)
    except ValueError as error:
        raise NotAllowedError(f"not readable as a command: {error}") from None
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            commands.append([])
        elif word and set(word) <= set("|&;<>()"):
            raise NotAllowedError(f"{word!r} is not allowed; a question is a command or a pipeline of commands")
        else:
            commands[-1].append(word)
    for command in commands:
        _hold_against_list(command)
    return commands


def _hold_against_list(command: Words) -> None:
    if not command:
        raise NotAllowedError("an empty command")
    name, arguments = command[0], command[1:]
    if name == "sudo":
        granted = " ".join(re.sub(r"^/usr/s?bin/", "", word) for word in arguments[1:])
        listed = granted in AS_ROOT or (len(arguments) == 4 and FOLDER_AS_ROOT.fullmatch(granted))
        if not arguments or arguments[0] != "-n" or not listed:
            raise NotAllowedError("not among the exact commands that may be asked as root")
        return
    base = BINARIES.sub("", name)
    if base not in COMMANDS:
        raise NotAllowedError(f"{name!r} is not on the read-only list")
    if not COMMANDS[base](arguments):
        raise NotAllowedError(f"{name!r} is not allowed with these arguments")
