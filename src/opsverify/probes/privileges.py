"""Facts about who may become root on a host: accounts, groups, sudo, and what sshd lets in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, output

SSHD_CONFIG = "/etc/ssh/sshd_config"
DEEPEST_INCLUDE = 8
# Principals of a sudoers entry, by the key that cvtsudoers gives them, as sudoers itself would write them.
PRINCIPALS = {"username": "", "userid": "#", "usergroup": "%", "usergid": "%#", "netgroup": "+", "nonunixgroup": "%:"}


@dataclass(frozen=True)
class Accounts:
    """Accounts with number 0, and the members of each group, also those for whom it is the first group."""

    superusers: tuple[str, ...]
    members: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, str]

    def of(self, group: str) -> tuple[str, ...] | None:
        """The members of a group, named as it is or ``#`` and its number; None where there is no such group."""
        return self.members.get(self.numbers.get(group[1:], "") if group.startswith("#") else group)


@dataclass(frozen=True)
class Grant:
    """A command that sudoers lets a principal run as root; the principal as sudoers writes it (``%group``, ``#0``)."""

    principal: str
    command: str


@dataclass(frozen=True)
class Sudo:
    """What sudoers grants as root, and the sources besides files that nsswitch.conf has sudo look at."""

    grants: tuple[Grant, ...]
    elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class Conditional:
    """A setting of sshd below a ``Match``: it holds for some connections only, and no ``sshd -T`` shows it."""

    match: str
    keyword: str
    value: str

    def __str__(self) -> str:
        return f"{self.keyword} {self.value} (Match {self.match})"


@dataclass(frozen=True)
class SshDaemon:
    """sshd's settings as they are in effect by default, and those of its configuration files below a ``Match``."""

    settings: Mapping[str, str]
    conditional: tuple[Conditional, ...]


def accounts(host: Host) -> Accounts:
    """The host's accounts and groups, from every source that the host enumerates."""
    with about(f"host {host.name}"):
        return parse_accounts(output(host, "getent passwd"), output(host, "getent group"))


def parse_accounts(passwd: str, group: str) -> Accounts:
    """Parse ``getent passwd`` and ``getent group``.

    Raises:
        UnansweredError: a line is not understood, or root is not among the accounts.
    """
    users = [line.split(":") for line in passwd.splitlines()]
    groups = [line.split(":") for line in group.splitlines()]
    for fields, count in [*((each, 7) for each in users), *((each, 4) for each in groups)]:
        if len(fields) != count or not fields[2].isdigit():
            raise UnansweredError(f"getent: this line is not understood: {':'.join(fields)[:200]!r}")
    if "root" not in [name for name, *_ in users]:
        raise UnansweredError("getent passwd: there is no root among the accounts")
    members = {
        name: tuple(
            sorted({each for each in listed.split(",") if each} | {user[0] for user in users if user[3] == gid})
        )
        for name, _, gid, listed in groups
    }
    superusers = tuple(fields[0] for fields in users if int(fields[2]) == 0)
    return Accounts(superusers, members, {gid: name for name, _, gid, _ in groups})


def sudo(host: Host) -> Sudo:
    """What sudo grants, by its own parser: files included, aliases resolved."""
    with about(f"host {host.name}"):
        sources = host.run("grep -i -E '^[[:space:]]*sudoers:' /etc/nsswitch.conf")
        if sources.rc not in (0, 1):
            raise UnansweredError(f"/etc/nsswitch.conf may not be read: {sources.stderr.strip() or 'no reason'}")
        elsewhere = [each for each in re.findall(r"[a-z]+", sources.stdout.partition(":")[2]) if each != "files"]
        return Sudo(parse_sudoers(output(host, "sudo -n cvtsudoers -e -f json /etc/sudoers")), tuple(elsewhere))


def parse_sudoers(text: str) -> tuple[Grant, ...]:
    """Parse ``cvtsudoers -e -f json``: every command that may be run as root, whichever host the entry is for.

    Raises:
        UnansweredError: it is no such JSON, or an entry is not understood.
    """
    try:
        specs = json.loads(text).get("User_Specs", [])
        return tuple(
            Grant(principal, command)
            for spec in specs
            for entry in spec["Cmnd_Specs"]
            if _as_root(entry)
            for command in _commands(entry)
            for principal in _principals(spec["User_List"])
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnansweredError(
            f"cvtsudoers: the answer is not understood: {type(error).__name__}: {str(error)[:200]}"
        ) from None


def _as_root(entry: Mapping[str, Any]) -> bool:
    """Whether it may be run as root: by default it is, and so it is where only a group is named."""
    users = entry.get("runasusers")
    return users is None or any(_may_be_root(each) for each in users)


def _may_be_root(user: Mapping[str, Any]) -> bool:
    if user.get("negated"):
        return False
    if not set(user) & {"username", "userid"}:
        return True  # of a group or a netgroup it is not known that root is none of it
    return user.get("username") in ("root", "ALL") or str(user.get("userid")) == "0"


def _commands(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(each["command"]) for each in entry["Commands"] if not each.get("negated"))


def _principals(listed: Any) -> Iterator[str]:
    for each in listed:
        if not each.get("negated"):
            (key, value), *_ = ((key, value) for key, value in each.items() if key != "negated")
            yield f"{PRINCIPALS[key]}{value}"


def ssh_daemon(host: Host) -> SshDaemon:
    """What sshd lets in: its own word, and what its files say of single users or addresses."""
    with about(f"host {host.name}"):
        settings = parse_settings(output(host, "sudo -n sshd -T"))
        return SshDaemon(settings, tuple(_conditional(host, SSHD_CONFIG, "", 0)))


def parse_settings(text: str) -> dict[str, str]:
    """Parse ``sshd -T``; of what is listed several times the first value.

    Raises:
        UnansweredError: a line is not understood, or it has no settings of authentication.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        keyword, blank, value = line.partition(" ")
        if not blank or not re.fullmatch(r"[a-z0-9]+", keyword):
            raise UnansweredError(f"sshd -T: this line is not understood: {line[:200]!r}")
        found.setdefault(keyword, value)
    if "permitrootlogin" not in found:
        raise UnansweredError("sshd -T: permitrootlogin is not in its answer")
    return found


def _conditional(host: Host, path: str, match: str, depth: int) -> Iterator[Conditional]:
    """The settings below a ``Match`` in a file and in those that it includes; a ``Match`` ends with its file."""
    if depth > DEEPEST_INCLUDE:
        raise UnansweredError(f"{path}: files are included too deeply")
    for keyword, value in parse_configuration(path, output(host, "cat %s", path)):
        if keyword == "match":
            match = "" if value.lower() == "all" else value
        elif keyword == "include":
            for each in _included(host, value):
                yield from _conditional(host, each, match, depth + 1)
        elif match:
            yield Conditional(match, keyword, value)


def parse_configuration(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Parse a configuration file of sshd into keywords (in small letters) and what follows them.

    Raises:
        UnansweredError: a line is not understood.
    """
    for line in text.splitlines():
        found = re.fullmatch(r"\s*(?:#.*|(?:\"?([A-Za-z0-9]+)\"?(?:\s*=\s*|\s+)(.*?))?)\s*", line)
        if found is None:
            raise UnansweredError(f"{path}: this line is not understood: {line[:200]!r}")
        if found[1]:
            yield found[1].lower(), re.sub(r"\s+#.*", "", found[2]).strip('"')


def _included(host: Host, patterns: str) -> Iterator[str]:
    """The files that an ``Include`` names, in the order of their names."""
    for pattern in shlex.split(patterns):
        folder, _, name = (pattern if pattern.startswith("/") else f"/etc/ssh/{pattern}").rpartition("/")
        if re.search(r"[*?\[]", folder):
            raise UnansweredError(f"{SSHD_CONFIG}: a pattern of folders is not looked into: {pattern!r}")
        listing = host.run(shlex.join(["find", "-H", folder, "-maxdepth", "1", "-name", name, "-printf", r"%P\0"]))
        if listing.rc != 0 and "No such file or directory" not in listing.stderr:
            raise UnansweredError(f"{folder} may not be read: {listing.stderr.strip() or 'no reason'}")
        yield from (f"{folder}/{each}" for each in sorted(filter(None, listing.stdout.split("\0"))))
