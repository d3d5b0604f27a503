"""Facts about logins over ssh and commands by sudo, and whether the log of them has this very session.

Who tries to log in chooses the user name, and with a certificate of his own a key's ID as well; both stand in the
lines that are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about, output
from opsverify.probes.login_sources import Entry, Source, host_clock, newest_source, read_commands

OFFERED = ("publickey", "none")  # methods that try what the client has, not what somebody guesses
ORIGIN = re.compile(r" from (\S+) port ([0-9]{1,5})")
PLAIN_END = re.compile(r" from (\S+) port ([0-9]{1,5})( ssh2)?(: \S+ \S+)?( \[preauth\])?")
REPEATED = re.compile(r"message repeated ([0-9]{1,9}) times: \[ ?(.*)\]", re.DOTALL)
ATTEMPT = re.compile(r"(Failed|Accepted) (\S+) for (invalid user )?(.*?) from ", re.DOTALL)
# Connections that end before anyone is let in, where sshd logs no failure of its own (LogLevel INFO).
NO_MORE = re.compile(
    r"(?:Connection (?:closed|reset) by|Disconnect(?:ed|ing)(?: from)?) (?:authenticating|invalid) user (?:.* )?"
    r"(\S+) port ([0-9]{1,5})(?:: [^\[]*)? \[preauth\]",
    re.DOTALL,
)
COMMAND = re.compile(r"\s*(\S+) : .*?\bCOMMAND=(.*)")
POLLS, PAUSE = 6, 0.5  # a log daemon takes a moment


@dataclass(frozen=True)
class Failure:
    """``count`` failed logins of a source at one moment."""

    at: datetime
    source: str
    count: int


@dataclass(frozen=True)
class Login:
    """A login that succeeded."""

    at: datetime
    source: str
    port: int
    user: str


@dataclass(frozen=True)
class LoginLog:
    """What a host has on record of logins in the last 24 hours, and since when (``begins``: its oldest entry).

    ``newest`` is the time of its newest entry of any kind. ``own`` tells whether the login of this very session is in
    it; None where the host is not asked over ssh.
    """

    name: str
    begins: datetime | None
    newest: datetime | None
    failures: tuple[Failure, ...]
    logins: tuple[Login, ...]
    own: bool | None


@dataclass(frozen=True)
class _Attempt:
    at: datetime
    accepted: bool
    offered: bool
    connection: tuple[str, str, int]  # process, source, port
    user: str
    count: int


def login_log(host: Host) -> LoginLog | None:
    """The log of logins: auth.log where it is kept up, else the journal; None where there is neither.

    Raises:
        UnansweredError: it may not be read, or a line of sshd is not understood.
    """
    with about(f"host {host.name}"):
        source = newest_source(host)
        return None if source is None else _log(source, _session(host))


def _log(source: Source, session: tuple[str, int] | None) -> LoginLog:
    failures, logins = parse_attempts(source.entries)
    own = any((each.user, each.port) == session for each in logins) if session else None
    return LoginLog(source.name, source.begins, source.newest, failures, logins, own)


def command_logged(host: Host, log: str) -> bool:
    """Run a command by sudo that only reads, and tell whether the log of that name then has it."""
    with about(f"host {host.name}"):
        account = output(host, "id -un").strip()
        begun = host_clock(host).now
        output(host, "sudo -n sshd -T")
        for _ in range(POLLS):
            if any(each.at >= begun and _is_ours(each, account) for each in read_commands(host, log)):
                return True
            host.channel.runner.pause(PAUSE)
        return False


def _is_ours(entry: Entry, account: str) -> bool:
    found = COMMAND.fullmatch(entry.said)
    return found is not None and found[1] == account and found[2].endswith("/sshd -T")


def _session(host: Host) -> tuple[str, int] | None:
    """The account and the client's port of this session; None where the host is not asked over ssh.

    Where it is this machine, the session is that of whoever works on it, and may be days old.
    """
    if host.spec.connection.partition("://")[0] not in ("ssh", "ansible"):
        return None
    found = host.run("grep -a -z -o -E '^SSH_CONNECTION=.*' /proc/self/environ")
    if found.rc == 1:
        return None
    words = found.stdout.strip("\0\n").removeprefix("SSH_CONNECTION=").split(" ")
    if found.rc != 0 or len(words) != 4 or not words[1].isdigit():
        raise UnansweredError(f"SSH_CONNECTION is not understood: {found.stdout!r} {found.stderr.strip()}")
    return output(host, "id -un").strip(), int(words[1])


def parse_attempts(entries: Iterable[Entry]) -> tuple[tuple[Failure, ...], tuple[Login, ...]]:
    """What failed and what succeeded, from sshd's entries.

    A client offers one key after the other, so keys that were refused count in connections that came to nothing only;
    a connection that ended before anyone was let in counts once, if sshd has logged no failure of it.
    """
    attempts = [attempt for each in entries if each.program != "sudo" for attempt in parse_attempt(each)]
    let_in = {each.connection for each in attempts if each.accepted}
    told = {each.connection for each in attempts if each.count}
    failures, seen = [], set[tuple[str, str, int]]()
    for each in attempts:
        if each.accepted or (each.offered and each.connection in let_in):
            continue
        if not each.count and (each.connection in told or each.connection in seen):
            continue
        seen.add(each.connection)
        failures.append(Failure(each.at, _network(each.connection[1]), max(1, each.count)))
    logins = (Login(each.at, _network(each.connection[1]), each.connection[2], each.user) for each in attempts)
    accepted = (login for login, each in zip(logins, attempts, strict=True) if each.accepted)
    return tuple(failures), tuple(accepted)


def parse_attempt(entry: Entry) -> Iterator[_Attempt]:
    """What one entry of sshd says of attempts: none, one, or (where it may be one of several sources) more.

    Raises:
        UnansweredError: it tells of an attempt, but not in words that are known.
    """
    said, times = entry.said, 1
    if repeated := REPEATED.fullmatch(said):
        times, said = int(repeated[1]), repeated[2]
    if ended := NO_MORE.fullmatch(said):
        yield _Attempt(entry.at, False, True, (entry.process, ended[1], int(ended[2])), "", 0)
        return
    if not said.startswith(("Failed ", "Accepted ", "Invalid user ")) or said.startswith("Accepted key "):
        return
    origins = _origins(said)
    attempt = ATTEMPT.match(said)
    if not origins or (attempt is None and not said.startswith("Invalid user ")):
        raise UnansweredError(f"sshd: this line is not understood: {said[:300]!r}")
    for source, port in origins:
        connection = (entry.process, source, port)
        if attempt is None or attempt[2] == "none":
            yield _Attempt(entry.at, False, True, connection, "", 0)
        else:
            accepted = attempt[1] == "Accepted"
            count = 0 if accepted else times
            yield _Attempt(entry.at, accepted, attempt[2] in OFFERED, connection, attempt[4], count)


def _origins(said: str) -> list[tuple[str, int]]:
    """Where an attempt came from: the last place that the line names, for the user's name may hold another.

    Behind it only a key's fingerprint may follow. Where more does (a certificate's ID is its owner's own choice), each
    place counts: so nobody can blame his attempts on another and have none himself.
    """
    found = [(match[1], int(match[2]), match.start()) for match in ORIGIN.finditer(said)]
    if found and PLAIN_END.fullmatch(said, found[-1][2]):
        found = found[-1:]
    return [(source, port) for source, port, _ in found]


def _network(source: str) -> str:
    """A source as it is counted: an IPv6 network of 64 bits is one customer's, so it is one source."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return source  # a name, where sshd looks names up
    if address.version == 4 or address.is_loopback:
        return str(address)
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
