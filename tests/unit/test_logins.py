"""Logins: from real logs and forged lines, whom each failure counts for, and what a log that tells nothing means."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import login_sources, logins
from opsverify.probes.login_sources import Entry, parse_clock, parse_journal, parse_lines
from opsverify.probes.logins import Failure, Login, LoginLog, parse_attempts
from opsverify.rules import logins as rules

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLOCK = parse_clock(f"{NOW.timestamp():.0f}+0000")


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def entries(*said: str, program: str = "sshd") -> list[Entry]:
    """One entry a second, each of its own process unless it begins with the number of one: ``7|Failed …``."""
    found = []
    for number, each in enumerate(said):
        process, _, words = each.partition("|") if each[1:2] == "|" else (f"p{number}", "", each)
        found.append(Entry(NOW + timedelta(seconds=number), program, process, words))
    return found


def counted(*said: str) -> dict[str, int]:
    """Failures by source."""
    found: dict[str, int] = {}
    for each in parse_attempts(entries(*said))[0]:
        found[each.source] = found.get(each.source, 0) + each.count
    return found


def test_a_real_log(captured: Callable[[str], str]) -> None:
    found = list(parse_lines(captured("auth-debian.log"), CLOCK))
    failures, accepted = parse_attempts(found)
    by_source: dict[str, int] = {}
    for each in failures:
        by_source[each.source] = by_source.get(each.source, 0) + each.count
    # A certificate's ID may name a place too: then both count.
    assert by_source == {"127.0.0.1": 3, "127.0.0.7": 1, "::1": 1, "127.0.0.9": 2, "127.0.0.10": 1, "6.6.6.6": 1}
    assert [(each.source, each.port, each.user) for each in accepted] == [("172.18.0.1", 60580, "opsverify")]
    assert found[-1].program == "sudo"


FROM = "from 192.0.2.7 port 4711 ssh2"
OWN_KEY = "ED25519 SHA256:Pd36XKEqS5zltZF+nTNkwcGUAyZiTU3872/ETUCtmRM"


@pytest.mark.parametrize(
    ("said", "failures"),
    [
        ([f"Failed password for root {FROM}"], {"192.0.2.7": 1}),
        ([f"Failed password for invalid user admin {FROM}"], {"192.0.2.7": 1}),
        ([f"Failed publickey for root {FROM}: {OWN_KEY}"], {"192.0.2.7": 1}),
        ([f"Failed keyboard-interactive/pam for root {FROM}"], {"192.0.2.7": 1}),
        ([f"message repeated 5 times: [ Failed password for root {FROM}]"], {"192.0.2.7": 5}),
        (["Failed password for root from ssh2 from 192.0.2.7 port 1 ssh2"], {"192.0.2.7": 1}),
        ([f"Failed password for root from 6.6.6.6 port 22 ssh2 {FROM}"], {"192.0.2.7": 1}),
        ([f"Failed password for root from 6.6.6.6 port {'9' * 5000} {FROM}"], {"192.0.2.7": 1}),
        ([f"Failed password for invalid user a from 6.6.6.6 port 22 ssh2: x y {FROM}"], {"192.0.2.7": 1}),
        (["Failed password for root from attacker.example port 1 ssh2"], {"attacker.example": 1}),
        (["Failed password for root from UNKNOWN port 65535 ssh2"], {"UNKNOWN": 1}),
        (["Failed password for root from ::ffff:192.0.2.7 port 1 ssh2"], {"192.0.2.7": 1}),
        (
            [f"Failed password for a from {each} port 1 ssh2" for each in ("2001:db8::1", "2001:db8::2:1")],
            {"2001:db8::/64": 2},
        ),
        (["Invalid user admin from 192.0.2.7 port 1"], {"192.0.2.7": 1}),
        (["Invalid user  from 192.0.2.7 port 1"], {"192.0.2.7": 1}),
        (["Connection closed by authenticating user root 192.0.2.7 port 1 [preauth]"], {"192.0.2.7": 1}),
        (["Connection reset by invalid user a b 192.0.2.7 port 1 [preauth]"], {"192.0.2.7": 1}),
        (["Disconnected from invalid user  192.0.2.7 port 1 [preauth]"], {"192.0.2.7": 1}),
        (
            ["Disconnecting invalid user x 6.6.6.6 port 1: no 192.0.2.7 port 1: Too many failures [preauth]"],
            {"192.0.2.7": 1},
        ),
        # One connection is one failure, unless sshd counts more of it.
        (
            ["1|Invalid user a from 192.0.2.7 port 1", "1|Failed none for invalid user a from 192.0.2.7 port 1"],
            {"192.0.2.7": 1},
        ),
        (
            [
                "1|Invalid user a from 192.0.2.7 port 1",
                "1|Failed password for invalid user a from 192.0.2.7 port 1 ssh2",
                "1|Failed password for invalid user a from 192.0.2.7 port 1 ssh2",
                "1|Connection closed by invalid user a 192.0.2.7 port 1 [preauth]",
            ],
            {"192.0.2.7": 2},
        ),
        (["1|Invalid user a from 192.0.2.7 port 1", "2|Invalid user a from 192.0.2.7 port 1"], {"192.0.2.7": 2}),
        # Keys that were offered before the right one are no guesses; passwords are.
        ([f"1|Failed publickey for a {FROM}: {OWN_KEY}", f"1|Accepted publickey for a {FROM}: {OWN_KEY}"], {}),
        ([f"1|Failed password for a {FROM}", f"1|Accepted password for a {FROM}"], {"192.0.2.7": 1}),
        ([f"1|Failed publickey for a {FROM}: {OWN_KEY}", f"2|Accepted publickey for a {FROM}"], {"192.0.2.7": 1}),
        # What says nothing of an attempt to log in.
        (['Connection from 192.0.2.7 port 1 on 10.0.0.1 port 22 rdomain ""'], {}),
        (["Connection closed by 192.0.2.7 port 1 [preauth]"], {}),
        (["Received disconnect from 192.0.2.7 port 1:11: Failed password for a [preauth]"], {}),
        (["Disconnected from user a 192.0.2.7 port 1"], {}),
        (["error: maximum authentication attempts exceeded for a from 192.0.2.7 port 1 ssh2 [preauth]"], {}),
        ([f"Accepted key {OWN_KEY} found at /home/a/.ssh/authorized_keys:1"], {}),
    ],
)
def test_whom_a_failure_counts_for(said: list[str], failures: dict[str, int]) -> None:
    assert counted(*said) == failures
    if failures:  # grep lets them through as well
        assert any(re.match(login_sources.ATTEMPTS, f"sshd[1]: {each.removeprefix('1|')}") for each in said)


@pytest.mark.parametrize("said", ["Failed password for root", "Accepted password for a from 192.0.2.7", "Failed x"])
def test_an_attempt_that_is_not_understood_is_an_error(said: str) -> None:
    with pytest.raises(UnansweredError, match="sshd: this line is not understood"):
        counted(said)


@given(st.text(max_size=60))
def test_no_user_name_takes_the_blame_off_its_source(name: str) -> None:
    for line in (
        f"Failed password for invalid user {name} {FROM}",
        f"Connection closed by invalid user {name} 192.0.2.7 port 4711 [preauth]",
        f"Invalid user {name} from 192.0.2.7 port 4711",
    ):
        assert counted(line).get("192.0.2.7") == 1


def test_what_other_programs_quote_is_not_sshds() -> None:
    quoted = "2026-11-23T09:15:22+00:00 node app[1]: x sshd[1]: Failed password for root from 6.6.6.6 port 1 ssh2"
    assert list(parse_lines(quoted, CLOCK)) == []


@pytest.mark.parametrize(
    "line", ["nonsense", "2026-13-23T09:15:22Z node sshd[1]: x", "Nov 31 09:15:22 node sshd[1]: x"]
)
def test_a_line_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match="not understood"):
        list(parse_lines(line, CLOCK))


@pytest.mark.parametrize(
    ("now", "stamp", "moment"),
    [
        ("2026-11-23T12:00:00+00:00", "Nov 23 09:15:22", "2026-11-23T09:15:22+00:00"),
        ("2026-01-01T00:10:00+00:00", "Dec 31 23:50:00", "2025-12-31T23:50:00+00:00"),
        ("2026-11-23T12:00:00+01:00", "Nov  3 09:15:22", "2026-11-03T09:15:22+01:00"),
        ("2028-03-01T12:00:00-05:00", "Feb 29 09:15:22", "2028-02-29T09:15:22-05:00"),
        ("2026-11-23T12:00:00+01:00", "2026-11-23T09:15:22.5Z", "2026-11-23T09:15:22.5+00:00"),
    ],
)
def test_a_stamp_without_a_year_is_the_latest_there_was(now: str, stamp: str, moment: str) -> None:
    there = datetime.fromisoformat(now)
    clock = parse_clock(f"{there.timestamp():.0f}{there:%z}")
    assert clock.moment(stamp) == datetime.fromisoformat(moment)


def test_a_day_is_asked_for_in_both_ways_to_write_it() -> None:
    days = parse_clock("1793534400+0000").days()
    assert days[:4] == ["2026-10-30T", "2026-10-31T", "2026-11-01T", "2026-11-02T"]
    assert days[4:] == ["Oct 31 ", "Nov  1 "]


@pytest.mark.parametrize(
    "text", ["", "1793534400", "now+0000", "1793534400+00", "999999999999+0000", "1793534400+9900"]
)
def test_what_is_no_clock_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="date: "):
        parse_clock(text)


def test_a_real_journal_without_what_only_calls_itself_sshd(captured: Callable[[str], str]) -> None:
    found = list(parse_journal(captured("journal.jsonl")))
    assert [(each.program, each.process) for each in found] == [("sshd", "2933"), ("sudo", "2941")]
    assert parse_attempts(found)[1] == (Login(found[0].at, "172.18.0.1", 38218, "opsverify"),)


def test_bytes_of_a_journal_entry_are_spelled_out() -> None:
    entry = {"__REALTIME_TIMESTAMP": "1795426534908683", "SYSLOG_IDENTIFIER": "sshd", "_UID": "0"}
    (found,) = parse_journal(json.dumps({**entry, "MESSAGE": [70, 255]}))
    assert found.said == "F\\xff"


@pytest.mark.parametrize(
    "change", [{"MESSAGE": None}, {"MESSAGE": [300]}, {"SYSLOG_IDENTIFIER": "app"}, {"__REALTIME_TIMESTAMP": "x"}, None]
)
def test_a_journal_entry_that_is_not_understood_is_an_error(change: dict[str, Any] | None) -> None:
    entry = {"__REALTIME_TIMESTAMP": "1795426534908683", "SYSLOG_IDENTIFIER": "sshd", "_UID": "0", "MESSAGE": "x"}
    with pytest.raises(UnansweredError, match="journalctl"):
        list(parse_journal("[]" if change is None else json.dumps(entry | change)))


class Machine:
    """A host with these files in /var/log (size, hours old, lines) and this journal."""

    name = "there"
    channel = SimpleNamespace(runner=SimpleNamespace(pause=lambda _: None))

    def __init__(self, journal: tuple[int, str, str] = (127, "", ""), **files: tuple[float, str]) -> None:
        self.files = {f"/var/log/{name.replace('_', '.')}": entry for name, entry in files.items()}
        self.journal = journal
        self.spec = SimpleNamespace(connection="ssh://opsverify@there")

    def run(self, command: str, *_: str, **__: Any) -> SimpleNamespace:
        rc, out, err = self.answer(command)
        return SimpleNamespace(rc=rc, stdout=out, stdout_bytes=out.encode(), stderr=err)

    def answer(self, command: str) -> tuple[int, str, str]:
        name = next((each for each in self.files if command.endswith(f" {each}")), "")
        lines = self.files.get(name, (0, ""))[1].splitlines(keepends=True)
        asked = "session" if "SSH_CONNECTION" in command else command.partition(" ")[0]
        answers: dict[str, Callable[[], str]] = {
            "date": lambda: f"{NOW.timestamp():.0f}+0000\n",
            "find": self.listing,
            "head": lambda: lines[0],
            "tail": lambda: lines[-1],
            "grep": lambda: "".join(each for each in lines if "Failed" in each or "Accepted p" in each),
            "id": lambda: "opsverify\n",
            "sudo": lambda: "",
            "session": lambda: "SSH_CONNECTION=172.18.0.1 60580 172.18.0.10 22\0",
        }
        if asked == "journalctl":
            return self.journal
        return (int(self.journal[0] == 127), "", "") if asked == "command" else (0, answers[asked](), "")

    def listing(self) -> str:
        return "".join(
            f"{len(text)}\t{(NOW - timedelta(hours=hours)).timestamp()}\t{path.rpartition('/')[2]}\0"
            for path, (hours, text) in self.files.items()
        )


def line(hours: float, said: str) -> str:
    return f"{NOW - timedelta(hours=hours):%Y-%m-%dT%H:%M:%S+00:00} node {said}\n"


LOGIN = "sshd[1]: Accepted publickey for opsverify from 172.18.0.1 port 60580 ssh2"
FAILED = "sshd[2]: Failed password for root from 192.0.2.7 port 1 ssh2"


def asked(machine: Machine) -> LoginLog | None:
    return logins.login_log(machine)  # type: ignore[arg-type]


def test_a_log_is_read_with_what_was_rotated_today() -> None:
    found = asked(
        Machine(
            auth_log=(0, line(1, "cron: x") + line(0, LOGIN)), auth_log_1=(1, line(20, FAILED)), auth_log_2=(200, "x")
        )
    )
    assert found is not None
    assert (found.name, found.begins, found.newest, found.own) == (
        "/var/log/auth.log",
        NOW - timedelta(hours=20),
        NOW,
        True,
    )
    assert [each.source for each in found.failures] == ["192.0.2.7"]


def test_a_log_that_was_just_rotated_is_as_new_as_what_was_rotated() -> None:
    found = asked(Machine(auth_log=(0, ""), auth_log_1=(0.1, line(1, LOGIN))))
    assert found is not None
    assert (found.newest, found.own) == (NOW - timedelta(hours=1), True)


def test_of_two_logs_that_which_is_written_is_the_log() -> None:
    found = asked(Machine(secure=(900, line(900, FAILED)), auth_log=(0, line(0, LOGIN))))
    assert found is not None
    assert (found.name, found.own) == ("/var/log/auth.log", True)


@pytest.mark.parametrize("ending", ["xz", "zst", "bz2"])
def test_what_was_packed_today_and_cannot_be_read_is_an_error(ending: str) -> None:
    machine = Machine(auth_log=(0, line(0, LOGIN)))
    machine.files |= {f"/var/log/auth.log.1.{ending}": (20, "x"), f"/var/log/auth.log.2.{ending}": (200, "x")}
    with pytest.raises(UnansweredError, match=rf"/var/log/auth\.log\.1\.{ending}: packed"):
        asked(machine)


def test_an_empty_log_has_no_newest_entry() -> None:
    found = asked(Machine(auth_log=(0, "")))
    assert found is not None
    assert (found.newest, found.own) == (None, False)


def test_a_file_that_ended_gives_way_to_a_journal_and_to_nothing_else(captured: Callable[[str], str]) -> None:
    old = line(49, "cron: x")
    with_journal = asked(Machine((0, captured("journal.jsonl"), ""), auth_log=(49, old)))
    assert with_journal is not None
    assert with_journal.name == login_sources.JOURNAL
    for journal in ((127, "", ""), (0, "", "No journal files were found.\n"), (0, "", "")):
        without = asked(Machine(journal, auth_log=(49, old)))
        assert without is not None
        assert without.newest == NOW - timedelta(hours=49)


@pytest.mark.parametrize(
    ("connection", "own"),
    [("ssh://a@there", True), ("ansible://there", True), ("local://", None), ("docker://x", None)],
)
def test_a_session_is_looked_for_where_the_host_is_asked_over_ssh(connection: str, own: bool | None) -> None:
    machine = Machine(auth_log=(0, line(0, LOGIN)))
    machine.spec.connection = connection
    found = asked(machine)
    assert found is not None
    assert found.own is own


def test_a_host_without_any_log_has_none() -> None:
    assert asked(Machine()) is None
    assert asked(Machine((1, "", "No journal files were found.\n"))) is None


@pytest.mark.parametrize(
    "journal",
    [
        (1, "", "No journal files were opened due to insufficient permissions.\n"),
        (0, "", "Hint: You are currently not seeing messages from other users and the system.\n"),
        (1, "", ""),
    ],
)
def test_a_journal_that_may_not_be_read_is_an_error(journal: tuple[int, str, str]) -> None:
    with pytest.raises(UnansweredError, match="host there: the journal may not be read"):
        asked(Machine(journal))


def log(*failures: Failure, accepted: tuple[Login, ...] = (), hours: float = 0, own: bool | None = True) -> LoginLog:
    newest = NOW - timedelta(hours=hours)
    return LoginLog("auth.log", NOW - timedelta(days=7), newest, failures, accepted, own)


def failed(count: int, hours: float = 0.5, source: str = "192.0.2.7") -> Failure:
    return Failure(NOW - timedelta(hours=hours), source, count)


def login(hours: float = 0, source: str = "192.0.2.7") -> Login:
    return Login(NOW - timedelta(hours=hours), source, 1, "a")


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (log(), True),
        (log(failed(100)), True),
        (log(failed(101)), False),
        (log(failed(60), failed(60)), False),
        (log(failed(60), failed(60, source="192.0.2.8")), True),
        (log(failed(60), failed(60, hours=25)), True),
        (log(failed(101, hours=-2)), False),
        (log(failed(101, hours=30), hours=20), False),
        (log(failed(101, hours=30), hours=20, own=None, accepted=(login(hours=20),)), True),
        (log(failed(11, hours=24.2), accepted=(login(hours=23.9),)), False),
        (log(failed(11, hours=25.1), accepted=(login(hours=25),)), True),
        (log(failed(10), accepted=(login(),)), True),
        (log(failed(11), accepted=(login(),)), False),
        (log(failed(6), failed(5), accepted=(login(),)), False),
        (log(failed(11), accepted=(login(source="192.0.2.8"),)), True),
        (log(failed(11, hours=2), accepted=(login(),)), True),
        (log(failed(11), accepted=(login(hours=1),)), True),
        (log(failed(101), own=False), False),
        (log(failed(101), hours=30), False),
        (log(own=None, accepted=(login(),)), True),
    ],
)
def test_nobody_guesses(limits_of: LimitsOf, found: LoginLog, good: bool) -> None:
    assert met(rules.nobody_guesses(found, limits_of("SEC-IDS-01"), NOW)) is good


@pytest.mark.parametrize("found", [None, log(own=False), log(own=None), log(hours=25), log(failed(5), hours=25)])
def test_a_log_that_would_not_show_an_attack_is_no_witness(limits_of: LimitsOf, found: LoginLog | None) -> None:
    with pytest.raises(InsufficientFactsError, match=r"nothing|no witness"):
        rules.nobody_guesses(found, limits_of("SEC-IDS-01"), NOW)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (log(hours=24), True),
        (log(hours=24.1), False),
        (log(own=None), True),
        (log(own=False), False),
        (LoginLog("auth.log", None, None, (), (), None), False),
        (None, False),
    ],
)
def test_logins_are_on_record(limits_of: LimitsOf, found: LoginLog | None, good: bool) -> None:
    assert met(rules.login_log_is_current(found, limits_of("SEC-IDS-02"), NOW)) is good


@pytest.mark.parametrize(
    ("found", "command", "good"),
    [
        (log(), True, True),
        (log(), False, False),
        (log(own=False), True, False),
        (log(own=None, accepted=(login(),)), True, True),
        (log(own=None), True, False),
        (None, None, False),
    ],
)
def test_ssh_and_sudo_are_on_record(found: LoginLog | None, command: bool | None, good: bool) -> None:
    assert met(rules.access_is_logged(found, command)) is good


@pytest.mark.parametrize(
    ("said", "at", "found"),
    [
        ("opsverify : PWD=/home/opsverify ; USER=root ; COMMAND=/usr/sbin/sshd -T", NOW, True),
        ("  opsverify : TTY=pts/0 ; PWD=/ ; USER=root ; TSID=01 ; COMMAND=/sbin/sshd -T", NOW, True),
        ("opsverify : PWD=/home/opsverify ; USER=root ; COMMAND=/usr/sbin/sshd -T", NOW - timedelta(seconds=1), False),
        ("other : PWD=/ ; USER=root ; COMMAND=/usr/sbin/sshd -T", NOW, False),
        ("opsverify : PWD=/ ; USER=root ; COMMAND=/usr/sbin/ufw status", NOW, False),
        ("pam_unix(sudo:session): session opened for user root(uid=0) by (uid=2500)", NOW, False),
    ],
)
def test_only_the_command_that_was_just_run_counts(
    monkeypatch: pytest.MonkeyPatch, said: str, at: datetime, found: bool
) -> None:
    monkeypatch.setattr(logins, "PAUSE", 0)
    monkeypatch.setattr(logins, "read_commands", lambda *_: (Entry(at, "sudo", "1", said),))
    assert logins.command_logged(Machine(), "auth.log") is found  # type: ignore[arg-type]
