"""What ufw says and what the kernel has, from real answers and hostile ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import UnansweredError
from opsverify.probes.firewall import Chains, FirewallRule, boot_enabled, chains, ipv6, parse_chains, parse_ufw

HEAD = (
    "Status: active\nLogging: on (low)\nDefault: deny (incoming), allow (outgoing), deny (routed)\n"
    "New profiles: skip\n\nTo                         Action      From\n--                         ------      ----\n"
)


def rules(*lines: str) -> tuple[FirewallRule, ...]:
    return parse_ufw(HEAD + "\n".join(lines) + "\n").rules


def test_ufw_of_a_real_host(captured: Callable[[str], str]) -> None:
    found = parse_ufw(captured("ufw-active.txt"))
    assert (found.active, found.default_incoming, len(found.rules)) == (True, "deny", 10)
    assert [each.ports for each in found.rules if each.allows and each.family == "IPv6"] == [
        "22/tcp",
        "80/tcp",
        "443/tcp",
    ]
    assert [each.ports for each in found.rules if not each.allows and each.family == "IPv4"] == ["3000/tcp", "8080/tcp"]


def test_ufw_that_is_off_says_so() -> None:
    found = parse_ufw("Status: inactive\n")
    assert (found.active, found.default_incoming, found.rules) == (False, "unknown", ())


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("22/tcp                     LIMIT IN    Anywhere", ("IPv4", "LIMIT", "22/tcp", "Anywhere")),
        ("22                         ALLOW IN    10.0.0.0/8", ("IPv4", "ALLOW", "22", "10.0.0.0/8")),
        ("Anywhere                   ALLOW IN    10.0.0.5", ("IPv4", "ALLOW", "any", "10.0.0.5")),
        ("Anywhere on eth1           ALLOW IN    Anywhere", ("IPv4", "ALLOW", "any", "Anywhere")),
        ("Anywhere (v6)              ALLOW IN    Anywhere (v6)", ("IPv6", "ALLOW", "any", "Anywhere")),
        ("6000:6007/tcp              ALLOW IN    Anywhere", ("IPv4", "ALLOW", "6000:6007/tcp", "Anywhere")),
        ("80,443/tcp (Nginx Full)    ALLOW IN    Anywhere", ("IPv4", "ALLOW", "80,443/tcp (Nginx Full)", "Anywhere")),
        (
            "80,443/tcp (Nginx Full (v6)) ALLOW IN    Anywhere (v6)",
            ("IPv6", "ALLOW", "80,443/tcp (Nginx Full)", "Anywhere"),
        ),
        (
            "22/tcp                     ALLOW IN    Anywhere                   # ssh (v6) too",
            ("IPv4", "ALLOW", "22/tcp", "Anywhere"),
        ),
        ("22/tcp                     ALLOW IN    2001:db8::/32", ("IPv6", "ALLOW", "22/tcp", "2001:db8::/32")),
        (
            "2001:db8:1234:5678::1 22/tcp ALLOW IN    Anywhere (v6)",
            ("IPv6", "ALLOW", "2001:db8:1234:5678::1 22/tcp", "Anywhere"),
        ),
        ("25                         REJECT IN   Anywhere", ("IPv4", "REJECT", "25", "Anywhere")),
        ("22/tcp                     ALLOW       Anywhere", ("IPv4", "ALLOW", "22/tcp", "Anywhere")),
    ],
)
def test_a_rule_is_read_as_ufw_writes_it(line: str, rule: tuple[str, ...]) -> None:
    (found,) = rules(line)
    assert (found.family, found.action, found.ports, found.source) == rule


@pytest.mark.parametrize(
    "line",
    [
        "25                         DENY OUT    Anywhere",
        "80/tcp                     ALLOW FWD   Anywhere",
        "Anywhere                   ALLOW OUT   Anywhere on eth0 (out)",
    ],
)
def test_a_rule_for_another_direction_is_no_rule_for_incoming_traffic(line: str) -> None:
    assert rules(line) == ()


@pytest.mark.parametrize(("action", "allows"), [("ALLOW", True), ("LIMIT", True), ("DENY", False), ("REJECT", False)])
def test_limit_lets_in_and_deny_does_not(action: str, allows: bool) -> None:
    assert FirewallRule("IPv4", action, "22", "Anywhere").allows is allows


def test_a_comment_cannot_say_that_ufw_is_active() -> None:
    found = parse_ufw("Status: inactive\n22 ALLOW IN Anywhere # x\nStatus: active\n")
    assert not found.active


@pytest.mark.parametrize("text", ["", "ERROR: You need to be root\n", "# Status: active\n", " Status: active\n"])
def test_what_is_no_status_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="ufw: no status"):
        parse_ufw(text)


@pytest.mark.parametrize("line", ["22/tcp", "garbage", "22/tcp   PERMIT IN   Anywhere", "\x1b[2J"])
def test_a_rule_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match="ufw: this line is not understood"):
        rules("22/tcp                     ALLOW IN    Anywhere", line)


def test_the_kernels_chains_of_a_real_host(captured: Callable[[str], str]) -> None:
    four, six = parse_chains("IPv4", captured("iptables.txt")), parse_chains("IPv6", captured("ip6tables.txt"))
    for each in (four, six):
        assert each.input_policy == "DROP"
        assert each.input_jumps >= 5
        assert each.user_rules >= 3
        assert each.foreign == ()
        assert each.let_in == ("22/tcp", "80/tcp", "443/tcp")


@pytest.mark.parametrize(
    "rule",
    [
        "-A INPUT -j ACCEPT",
        "-A INPUT -p tcp -m tcp --dport 5432 -j ACCEPT",
        "-A INPUT -i eth0 -j ACCEPT",
        "-A INPUT ! -i lo -j ACCEPT",
        "-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
        "-A INPUT -m conntrack ! --ctstate ESTABLISHED -j ACCEPT",
        "-A ufw-before-input -p tcp -m tcp --dport 5432 -j ACCEPT",
        "-A ufw-before-input -s 10.0.0.0/8 -j ACCEPT",
        "-A ufw-before-input ! -p udp -j ACCEPT",
        "-A ufw-after-input -p tcp -m multiport --dports 1,2 -j ACCEPT",
        "-A ufw-before-input -p udp -m udp --dport 51820 -j ACCEPT",
        "-A ufw-before-input -p udp -m udp ! --dport 68 -j ACCEPT",
        "-A ufw-before-input -p udp -m udp --dport 1:65535 -j ACCEPT",
        "-A ufw-before-input -p sctp -j ACCEPT",
        "-A INPUT -j NFQUEUE --queue-num 0 --queue-bypass",
    ],
)
def test_what_lets_in_around_ufw_is_found(captured: Callable[[str], str], rule: str) -> None:
    assert parse_chains("IPv4", f"{captured('iptables.txt')}{rule}\n").foreign == (rule,)


@pytest.mark.parametrize(
    "rule",
    [
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -m state --state ESTABLISHED -j ACCEPT",
        "-A INPUT -j DROP",
        '-A INPUT -m comment --comment "x -j ACCEPT" -j DROP',
        "-A FORWARD -j ACCEPT",
        "-A OUTPUT -j ACCEPT",
        "-A DOCKER -p tcp -m tcp --dport 80 -j ACCEPT",
        '-A INPUT -p tcp -m comment --comment "a \\" -i lo " -m conntrack --ctstate ESTABLISHED -j ACCEPT',
        "-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT",
        "-A ufw6-before-input -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT",
    ],
)
def test_what_is_stock_or_not_on_the_way_in_lets_in_nothing(captured: Callable[[str], str], rule: str) -> None:
    assert parse_chains("IPv4", f"{captured('iptables.txt')}{rule}\n").foreign == ()


@pytest.mark.parametrize("comment", ["-i lo", "--ctstate ESTABLISHED", 'said \\" -i lo'])
def test_a_comment_excuses_no_rule(comment: str) -> None:
    rule = f'-A INPUT -p tcp -m tcp --dport 5432 -m comment --comment "x {comment} y" -j ACCEPT'
    (found,) = parse_chains("IPv4", f"-P INPUT DROP\n{rule}\n").foreign
    assert "--dport 5432" in found


def test_a_chain_that_input_leads_to_is_on_the_way_in() -> None:
    text = "-P INPUT DROP\n-A INPUT -s 10.0.0.0/8 -j MINE\n-A MINE -g DEEPER\n-A DEEPER -j MINE\n"
    text += "-A DEEPER -p tcp -j ACCEPT\n"
    assert parse_chains("IPv6", text).foreign == ("-A DEEPER -p tcp -j ACCEPT",)


@pytest.mark.parametrize(
    ("rule", "let_in"),
    [
        ("-p tcp -m tcp --dport 22 -j ufw-user-limit-accept", ("22/tcp",)),
        ("-p tcp -m multiport --dports 80,443 -j ACCEPT", ("80/tcp", "443/tcp")),
        ("-p tcp -m multiport --dports 6000:6007 -j ACCEPT", ("6000:6007/tcp",)),
        ("-p udp -m udp --dport 443 -j ACCEPT", ("443/udp",)),
        ("-p tcp -m tcp ! --dport 22 -j ACCEPT", ("any",)),
        ("-s 10.0.0.0/8 -j ACCEPT", ("any",)),
        ("-j ACCEPT", ("any",)),
        ("-p tcp -m tcp --dport 22 -j DROP", ()),
    ],
)
def test_what_the_user_rules_let_in(rule: str, let_in: tuple[str, ...]) -> None:
    assert parse_chains("IPv4", f"-P INPUT DROP\n-A ufw-user-input {rule}\n").let_in == let_in


class Machine:
    """A host that answers questions from a list: status, output and errors."""

    name = "there"

    def __init__(self, **answers: tuple[int, str, str]) -> None:
        self.answers = {"cat": (0, "ENABLED=yes\n", ""), **answers}
        self.asked: list[str] = []

    def run(self, command: str, *arguments: str, **_: Any) -> SimpleNamespace:
        self.asked.append(command)
        key = arguments[0].rpartition("/")[2] if arguments else command.removeprefix("sudo -n ").split()[0]
        rc, stdout, stderr = self.answers.get(key, (1, "", ""))
        return SimpleNamespace(rc=rc, stdout=stdout, stdout_bytes=stdout.encode(), stderr=stderr)


@pytest.mark.parametrize(
    ("answers", "enabled"),
    [
        ({}, True),
        ({"cat": (0, "ENABLED=no\n", "")}, False),
        ({"cat": (0, "ENABLED=yes\nENABLED=no\n", "")}, False),
        ({"cat": (0, '#ENABLED=no\nENABLED="yes"\n', "")}, True),
        ({"cat": (0, "#ENABLED=yes\n", "")}, False),
        ({"system": (0, "", ""), "systemctl": (0, "enabled\n", "")}, True),
        ({"system": (0, "", ""), "systemctl": (1, "disabled\n", "")}, False),
        ({"system": (0, "", ""), "systemctl": (1, "masked\n", "")}, False),
        ({"system": (0, "", ""), "systemctl": (1, "", "Failed …: No such file or directory\n")}, False),
        ({"cat": (0, "ENABLED=no\n", ""), "system": (0, "", ""), "systemctl": (0, "enabled\n", "")}, False),
    ],
)
def test_ufw_starts_at_boot_by_its_file_and_by_systemd(answers: dict[str, Any], enabled: bool) -> None:
    assert boot_enabled(Machine(**answers)) is enabled  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answers",
    [{"system": (2, "", "bad")}, {"system": (0, "", ""), "systemctl": (1, "", "Failed to connect to bus\n")}],
)
def test_what_cannot_be_told_of_the_boot_is_an_error(answers: dict[str, Any]) -> None:
    with pytest.raises(UnansweredError, match="host there: "):
        boot_enabled(Machine(**answers))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [0, 1])
def test_a_kernel_without_ipv6_is_not_asked_for_its_rules(status: int) -> None:
    table = (0, "-P INPUT DROP\n", "")
    host: Any = Machine(if_inet6=(status, "", ""), iptables=table, ip6tables=table)
    assert [each.family for each in chains(host)] == (["IPv4"] if status else ["IPv4", "IPv6"])
    assert ("sudo -n ip6tables -S" in host.asked) is not bool(status)
    assert ipv6(host) is not bool(status)


def test_a_flushed_kernel_has_no_chains() -> None:
    flushed = "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"
    assert parse_chains("IPv4", flushed) == Chains("IPv4", "ACCEPT", 0, 0)


def test_chains_that_exist_but_hang_nowhere_are_not_counted() -> None:
    text = "-P INPUT DROP\n-N ufw-user-input\n-A ufw-before-input -j ufw-user-input\n"
    assert parse_chains("IPv4", text) == Chains("IPv4", "DROP", 0, 0)


@pytest.mark.parametrize("text", ["", "iptables v1.8.9: Permission denied (you must be root)\n", "-P OUTPUT ACCEPT\n"])
def test_what_is_no_filter_table_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="no INPUT chain"):
        parse_chains("IPv4", text)


@given(st.text(max_size=80), st.lists(st.text(max_size=50), max_size=3))
def test_hostile_text_is_an_answer_or_an_error_never_a_crash(text: str, lines: list[str]) -> None:
    for whole in (text, HEAD + "\n".join(lines), f"-P INPUT DROP\n{text}"):
        for parse in (parse_ufw, lambda each: parse_chains("IPv6", each)):
            with contextlib.suppress(UnansweredError):
                parse(whole)
