"""Facts about who may become root on a host: accounts, groups, sudo, and what sshd lets in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, absent, output

SSHD_CONFIG = "/etc/ssh/sshd_config"
DEEPEST_INCLUDE = 8
DOAS_CONFIG = "/etc/doas.conf"
# Principals of a sudoers entry, by the key that cvtsudoers gives them, as sudoers itself would write them.
PRINCIPALS = {"username": "", "userid": "#", "usergroup": "%", "usergid": "%#", "netgroup": "+", "nonunixgroup": "%:"}
# Variables by which a program runs, or loads, what its caller chose.
TELLING = re.compile(r"\*|LD_.*|BASH_ENV|ENV|(PERL|PYTHON|RUBY|NODE_|JAVA_TOOL_).*")
# Sources of nsswitch.conf of which getent lists all that they have; sssd, say, lists nothing unless it is told to.
LISTED_WHOLE = {"files", "compat", "db", "altfiles", "extrausers", "systemd", "mymachines", "ldap", "nis"}


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
    """A command that sudoers lets a principal run; all of them as sudoers writes them (``%group``, ``#0``).

    ``users`` and ``groups`` are as whom; without a user it is run as the principal itself. With ``setenv`` the caller
    may set any variable for it.
    """

    principal: str
    command: str
    users: tuple[str, ...] = ("root",)
    groups: tuple[str, ...] = ()
    setenv: bool = False


@dataclass(frozen=True)
class Sudo:
    """What sudoers grants.

    ``environment`` are principals, and the ``Defaults`` by which they may hand down variables that programs go by;
    ``elsewhere`` is what besides sudoers and listed accounts makes somebody root, and is not looked into.
    """

    grants: tuple[Grant, ...]
    elsewhere: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


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
    # Not `splitlines`: whoever may change his own full name could write what that takes for the end of a line.
    users = [line.split(":") for line in passwd.split("\n") if line]
    groups = [line.split(":") for line in group.split("\n") if line]
    for fields, count in [*((each, 7) for each in users), *((each, 4) for each in groups)]:
        if len(fields) != count or not fields[2].isdecimal():
            raise UnansweredError(f"getent: this line is not understood: {':'.join(fields)[:200]!r}")
    if "root" not in [name for name, *_ in users]:
        raise UnansweredError("getent passwd: there is no root among the accounts")
    # The kernel knows numbers alone; and two sources may each have a group of the same name.
    of_number: dict[str, set[str]] = {}
    of_name: dict[str, set[str]] = {}
    for name, _, _, gid, *_ in users:
        of_number.setdefault(gid, set()).add(name)
    for _, _, gid, listed in groups:
        of_number.setdefault(gid, set()).update(filter(None, listed.split(",")))
    for name, _, gid, _ in groups:
        of_name.setdefault(name, set()).update(of_number[gid])
    superusers = tuple(fields[0] for fields in users if int(fields[2]) == 0)
    members = {name: tuple(sorted(each)) for name, each in of_name.items()}
    return Accounts(superusers, members, {gid: name for name, _, gid, _ in groups})


def sudo(host: Host) -> Sudo:
    """What sudo grants, by its own parser: files included, aliases resolved."""
    with about(f"host {host.name}"):
        sources = host.run("grep -i -E '^[[:space:]]*(sudoers|passwd|group):' /etc/nsswitch.conf")
        if sources.rc not in (0, 1):
            raise UnansweredError(f"/etc/nsswitch.conf may not be read: {sources.stderr.strip() or 'no reason'}")
        elsewhere = [*parse_sources(sources.stdout)]
        if not absent(host, DOAS_CONFIG):
            elsewhere.append(DOAS_CONFIG)
        told = output(host, "sudo -n cvtsudoers -e -f json /etc/sudoers")
        return Sudo(parse_sudoers(told), tuple(elsewhere), parse_environment(told))


def parse_sources(text: str) -> Iterator[str]:
    """Parse lines of nsswitch.conf: where sudo looks besides its files, and what need not list whom it knows."""
    for line in text.splitlines():
        database, _, sources = line.partition("#")[0].strip().lower().partition(":")
        known = {"files"} if database == "sudoers" else LISTED_WHOLE
        named = re.sub(r"\[[^\]]*\]", " ", sources).split()  # what is in brackets is what to do next
        yield from (f"{database}: {each}" for each in named if each not in known)


def parse_sudoers(text: str) -> tuple[Grant, ...]:
    """Parse ``cvtsudoers -e -f json``: every command that may be run, whichever host the entry is for.

    Raises:
        UnansweredError: it is no such JSON, an entry is not understood, or there is none.
    """
    with _understood():
        specs = json.loads(text).get("User_Specs", [])
        found = tuple(
            Grant(principal, command, *_as_whom(entry), setenv=_option(entry, "setenv"))
            for spec in specs
            for entry in spec["Cmnd_Specs"]
            for command in _commands(entry)
            for principal in _principals(spec["User_List"])
        )
    if not found:
        raise UnansweredError("cvtsudoers: sudoers grants nothing, though it was read by sudo")
    return found


def parse_environment(text: str) -> tuple[tuple[str, str], ...]:
    """Parse ``cvtsudoers -e -f json``: who may hand down variables that programs go by, and which ``Defaults`` say so.

    Raises:
        UnansweredError: it is no such JSON, or an entry is not understood.
    """
    with _understood():
        return tuple(
            (principal, setting)
            for entry in json.loads(text).get("Defaults", [])
            for option in entry["Options"]
            for setting in _settings(option)
            for principal in _bound_to(entry.get("Binding"))
        )


def _settings(option: Mapping[str, Any]) -> Iterator[str]:
    if option.get("setenv") is True:
        yield "setenv"
    if option.get("env_keep") and option.get("operation") != "list_remove":
        yield from (f"env_keep {each}" for each in option["env_keep"] if TELLING.fullmatch(each))


def _bound_to(binding: Any) -> Iterator[str]:
    """Whom ``Defaults`` are for: all, unless they name users; that of one for root may be for whoever becomes root."""
    named = [*_principals(each for each in binding or [] if set(each) & set(PRINCIPALS))]
    yield from named if named and not {"root", "#0"} & set(named) else ["ALL"]


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnansweredError(
            f"cvtsudoers: the answer is not understood: {type(error).__name__}: {str(error)[:200]}"
        ) from None


def _as_whom(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Users and groups as which a command may be run: root, unless either is named."""
    users, groups = entry.get("runasusers"), entry.get("runasgroups")
    default = () if groups else ("root",)
    return default if users is None else tuple(_principals(users)), tuple(each for each in _principals(groups or []))


def _option(entry: Mapping[str, Any], name: str) -> bool:
    return any(each.get(name) is True for each in entry.get("Options", []))


def _commands(entry: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(each["command"]) for each in entry["Commands"] if not each.get("negated"))


def _principals(listed: Iterable[Mapping[str, Any]]) -> Iterator[str]:
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
        found = sorted(filter(None, listing.stdout.split("\0")))
        # Unlike find's, a pattern of sshd's does not match what begins with a dot, such as what an editor has left.
        yield from (f"{folder}/{each}" for each in found if not each.startswith(".") or name.startswith("."))
