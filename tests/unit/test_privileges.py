"""Who may become root: sudo's own parser's answers, groups, sshd below a Match, and containers."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Observation, unmet
from opsverify.probes import privileges
from opsverify.probes.confinement import Confinement, parse_confinement
from opsverify.probes.containers import Container
from opsverify.probes.privileges import (
    Accounts,
    Conditional,
    Grant,
    SshDaemon,
    Sudo,
    parse_accounts,
    parse_configuration,
    parse_environment,
    parse_settings,
    parse_sources,
    parse_sudoers,
)
from opsverify.rules.privileges import nobody_is_root_by_accident

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PASSWD = "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/bash\nann:x:1001:27::/home/ann:/bin/sh\n"
GROUP = "root:x:0:\nsudo:x:27:ops\ndocker:x:998:\nadm:x:4:ops,ann\nops:x:1000:\n"
KEYS_ALONE = {
    "permitrootlogin": "no",
    "passwordauthentication": "no",
    "permitemptypasswords": "no",
    "kbdinteractiveauthentication": "no",
    "hostbasedauthentication": "no",
    "kerberosauthentication": "no",
    "gssapiauthentication": "no",
}
CONFINED = Confinement("app", False, frozenset(), (), (), ("/srv/data",), ())


def accounts(passwd: str = "", group: str = "") -> Accounts:
    """Ordinary ones, and these."""
    return parse_accounts(PASSWD + passwd, GROUP + group)


def container(confinement: Confinement | None) -> Container:
    return Container(
        "1", "api_1", "p", "api", "running", None, 0, NOW, "no", 1, False, (), NOW, "x", confinement=confinement
    )


def judged(
    *grants: Grant,
    known: Accounts | None = None,
    settings: dict[str, str] | None = None,
    conditional: tuple[Conditional, ...] = (),
    administrators: Collection[str] = ("ops", "ann"),
    containers: Sequence[Container] | None = (),
    elsewhere: tuple[str, ...] = (),
    environment: tuple[tuple[str, str], ...] = (),
) -> list[Observation]:
    """The findings."""
    ssh = SshDaemon(KEYS_ALONE | (settings or {}), conditional)
    sudo = Sudo((Grant("root", "ALL"), *grants), elsewhere, environment)
    found = (container(CONFINED),) if containers == () else containers
    return unmet(nobody_is_root_by_accident(known or accounts(), sudo, ssh, administrators, found))


def test_a_host_in_order_has_no_findings() -> None:
    assert (
        judged(Grant("%sudo", "ALL"), Grant("verifier", "/usr/sbin/ss -H -tlnp"), containers=[container(CONFINED)])
        == []
    )


def test_what_sudo_grants_as_root_by_its_own_parser(captured: Callable[[str], str]) -> None:
    assert parse_sudoers(captured("sudoers.json")) == (
        Grant("games", "/usr/bin/tail /var/log/*"),
        Grant("%staff", "/usr/bin/tail /var/log/*"),
        Grant("games", "sudoedit /etc/hosts"),
        Grant("%staff", "sudoedit /etc/hosts"),
        Grant("#33", "/bin/bash", ("www-data",), ("%adm",)),
        Grant("%#27", '/bin/ls ""', (), ("%adm",)),
        Grant("+admins", "ALL", ("ALL",), setenv=True),
        Grant("ALL", "/sbin/reboot -f"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "cvtsudoers: syntax error",
        '{"User_Specs": [{}]}',
        '{"User_Specs": [{"User_List": [{"useralias": "X"}], "Cmnd_Specs": [{"Commands": [{"command": "ALL"}]}]}]}',
        '{"User_Specs": [{"User_List": [{"username": "x"}], "Cmnd_Specs": [{"Commands": [{"cmndalias": "X"}]}]}]}',
    ],
)
def test_sudoers_that_are_not_understood_are_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="cvtsudoers"):
        parse_sudoers(text)


@pytest.mark.parametrize(
    ("principal", "command", "administrators", "found"),
    [
        ("games", "ALL", (), "games: ALL"),
        ("games", "/usr/bin/tail /var/log/*", (), "games: /usr/bin/tail /var/log/*"),
        ("games", "/usr/bin/*", (), "games: /usr/bin/*"),
        ("games", "/usr/local/bin/", (), "games: /usr/local/bin/"),
        ("games", "^/usr/bin/.*$", (), "games: ^/usr/bin/.*$"),
        ("games", "/usr/bin/ls ^-.*$", (), "games: /usr/bin/ls ^-.*$"),
        ("games", "sudoedit /etc/*", (), "games: sudoedit /etc/*"),
        ("games", "sudoedit /etc/hosts /etc/sudoers", (), "games: sudoedit /etc/hosts /etc/sudoers"),
        ("games", "sudoedit /etc/cron.d/night", (), "games: sudoedit /etc/cron.d/night"),
        ("games", '/bin/bash ""', (), 'games: /bin/bash ""'),
        ("games", "/bin/bash -i", (), "games: /bin/bash -i"),
        ("games", "/bin/su -", (), "games: /bin/su -"),
        ("games", "/bin/su - root", (), "games: /bin/su - root"),
        ("games", "/usr/bin/sudo -i", (), "games: /usr/bin/sudo -i"),
        ("games", "/usr/bin/env A=/x bash", (), "games: /usr/bin/env A=/x bash"),
        ("games", "/usr/sbin/chroot /srv", (), "games: /usr/sbin/chroot /srv"),
        ("games", "/usr/bin/timeout 5m nice -n 5 bash", (), "games: /usr/bin/timeout 5m nice -n 5 bash"),
        ("games", "/usr/bin/nsenter -t 1 -m", (), "games: /usr/bin/nsenter -t 1 -m"),
        ("games", "/usr/bin/crontab -e", (), "games: /usr/bin/crontab -e"),
        ("games", "/usr/sbin/visudo", (), "games: /usr/sbin/visudo"),
        ("games", "/usr/bin/passwd root", (), "games: /usr/bin/passwd root"),
        ("games", "/usr/bin/curl", (), "games: /usr/bin/curl"),
        ("games", "/usr/bin/tail", (), "games: /usr/bin/tail"),
        ("games", "/bin/bash", (), "games: /bin/bash"),
        ("games", "/usr/bin/python3.11", (), "games: /usr/bin/python3.11"),
        ("games", "/usr/bin/vim", (), "games: /usr/bin/vim"),
        ("games", "/usr/bin/docker", (), "games: /usr/bin/docker"),
        ("games", "/usr/bin/less /var/log/syslog", (), "games: /usr/bin/less /var/log/syslog"),
        ("games", "UNRESOLVED", (), "games: UNRESOLVED"),
        ("ALL", "ALL", ("ops", "ann"), "everybody: ALL"),
        ("+admins", "ALL", ("ops", "ann"), "+admins: ALL"),
        ("%sudo", "ALL", ("ops",), "ann (%sudo): ALL"),
        ("%#27", "ALL", ("ann",), "ops (%#27): ALL"),
        ("%:domain admins", "ALL", ("ops",), "%:domain admins: ALL"),
        ("#1000", "ALL", ("ops",), "#1000: ALL"),
        ("root", "ALL", (), None),
        ("#0", "ALL", (), None),
        ("ops", "ALL", ("ops",), None),
        ("%sudo", "ALL", ("ops", "ann"), None),
        ("%nobody-has-it", "ALL", (), None),
        ("games", "/usr/sbin/iptables -S", (), None),
        ("games", "/usr/bin/grep -rs ^ /var/spool/cron", (), None),
        ("games", "/bin/bash /opt/fixed.sh", (), None),
        ("games", "/opt/tokenswap/restart", (), None),
        ("games", "/bin/bash -c id", (), None),
        ("games", "/usr/bin/env python3 /opt/x.py bash", (), None),
        ("games", "/usr/sbin/chroot /srv /opt/x", (), None),
        ("games", "/bin/su - backup -c /opt/x", (), None),
        ("games", "/usr/sbin/visudo -c", (), None),
        ("games", "/usr/bin/crontab -l", (), None),
        ("games", "/usr/bin/tail -n 100 /var/log/syslog", (), None),
        ("games", "/usr/bin/systemctl restart edit.service", (), None),
        ("games", "/usr/bin/find /srv/[\\*] -ls", (), None),
        ("games", "sudoedit /etc/hosts", (), None),
    ],
)  # fmt: skip
def test_who_may_do_anything_by_sudo(
    principal: str, command: str, administrators: tuple[str, ...], found: str | None
) -> None:
    if "[" in command:
        command = command.replace("[", "\\[")
    findings = judged(Grant(principal, command), administrators=administrators)
    assert [each.observed for each in findings] == ([(found,)] if found else [])


@pytest.mark.parametrize(
    ("grant", "found"),
    [
        (Grant("games", "/opt/x", setenv=True), "games: SETENV: /opt/x"),
        (Grant("games", "/bin/bash", ("backup",)), None),
        (Grant("games", "/bin/bash", ("ops",)), "games: (ops) /bin/bash"),
        (Grant("games", "/opt/x", ("ops",)), None),
        (Grant("games", "/bin/bash", ("eve",)), "games: (eve) /bin/bash"),
        (Grant("games", "/bin/bash", ("%adm",)), "games: (%adm) /bin/bash"),
        (Grant("games", "/bin/bash", ("games",), ("%docker",)), "games: (games:%docker) /bin/bash"),
        (Grant("games", "/bin/bash", (), ("%#998",)), "games: (%#998) /bin/bash"),
        (Grant("games", "/bin/bash", (), ("%ALL",)), "games: (%ALL) /bin/bash"),
        (Grant("games", "/bin/bash", (), ("%adm",)), None),
    ],
)
def test_whoever_may_be_an_administrator_or_of_the_group_docker_may_be_root(grant: Grant, found: str | None) -> None:
    known = accounts(passwd="eve:x:1002:998::/:/bin/sh\n")
    findings = judged(grant, known=known, administrators=("ops", "ann"))
    assert [each.observed for each in findings if each.name.startswith("sudo")] == ([(found,)] if found else [])


def test_variables_that_programs_go_by_are_not_to_be_handed_down() -> None:
    text = json.dumps(
        {
            "Defaults": [
                {"Options": [{"env_reset": True}, {"env_keep": False}, {"setenv": False}, {"secure_path": "/x"}]},
                {"Options": [{"operation": "list_add", "env_keep": ["LD_PRELOAD", "LANG"]}]},
                {"Options": [{"operation": "list_remove", "env_keep": ["LD_LIBRARY_PATH"]}]},
                {"Binding": [{"usergroup": "sudo"}, {"username": "games"}], "Options": [{"setenv": True}]},
                {"Binding": [{"username": "root"}], "Options": [{"setenv": True}]},
                {"Binding": [{"command": "/bin/ls"}], "Options": [{"setenv": True}]},
            ]
        }
    )
    found = parse_environment(text)
    everybody = ("ALL", "setenv")
    assert found == (("ALL", "env_keep LD_PRELOAD"), ("%sudo", "setenv"), ("games", "setenv"), everybody, everybody)
    (finding,) = judged(environment=found)
    assert finding.observed == ("everybody: env_keep LD_PRELOAD", "everybody: setenv", "games: setenv")
    assert judged(environment=(("%sudo", "setenv"),)) == []


def test_where_accounts_may_come_from_that_nobody_lists() -> None:
    text = "passwd:  files systemd sss # ldap2\nGroup: files [SUCCESS=merge] winbind\n sudoers: files sss\n"
    assert list(parse_sources(text)) == ["passwd: sss", "group: winbind", "sudoers: sss"]


@pytest.mark.parametrize("there", [True, False])
def test_doas_is_not_overlooked(there: bool, captured: Callable[[str], str]) -> None:
    said = "stat: cannot statx '/etc/doas.conf': No such file or directory"
    answers = {"grep": (1, "", ""), "stat": (0, "", "") if there else (1, "", said)}

    def run(command: str, *_: str, **__: Any) -> SimpleNamespace:
        rc, out, err = answers.get(command.split(maxsplit=1)[0], (0, captured("sudoers.json"), ""))
        return SimpleNamespace(rc=rc, stdout=out, stdout_bytes=out.encode(), stderr=err)

    found = privileges.sudo(SimpleNamespace(name="there", run=run))  # type: ignore[arg-type]
    assert found.elsewhere == (("/etc/doas.conf",) if there else ())


def test_an_account_with_number_0_and_members_of_the_group_docker_are_root() -> None:
    found = judged(
        known=accounts(passwd="toor:x:0:0::/:/bin/sh\neve:x:1002:998::/:/bin/sh\n", group="lxd:x:7:bob,ops\n")
    )
    assert [each.observed for each in found] == [("toor",), ("bob (lxd)", "eve (docker)")]


def test_a_group_of_two_sources_has_the_members_of_both() -> None:
    assert accounts(group="docker:x:998:bob\ndocker:x:5998:\n").of("docker") == ("bob",)


def test_two_groups_of_one_number_have_the_same_members() -> None:
    assert accounts(group="night:x:998:eve\n").of("docker") == ("eve",)


def test_a_full_name_ends_no_line() -> None:
    known = accounts(passwd="eve:x:1002:1002:Eve\x85\u2028:/:/bin/sh\n")
    assert (known.superusers, judged(known=known)) == (("root",), [])


@pytest.mark.parametrize(
    ("passwd", "group"),
    [("", GROUP), ("ops:x:1000:1000::/:/bin/sh\n", GROUP), (PASSWD + "x:y\n", GROUP), (PASSWD, "x:y:z:\n")],
)
def test_accounts_that_are_not_understood_are_an_error(passwd: str, group: str) -> None:
    with pytest.raises(UnansweredError, match="getent"):
        parse_accounts(passwd, group)


def test_sshds_settings_of_a_real_host(captured: Callable[[str], str]) -> None:
    found = parse_settings(captured("sshd-t.txt"))
    assert {each: found[each] for each in KEYS_ALONE} == KEYS_ALONE


@pytest.mark.parametrize("text", ["", "sshd: no hostkeys available -- exiting.\n", "port 22\n", "Port 22\n"])
def test_what_are_no_settings_of_sshd_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="sshd -T"):
        parse_settings(text)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("permitrootlogin", "yes"),
        ("permitrootlogin", "without-password"),
        ("passwordauthentication", "yes"),
        ("permitemptypasswords", "yes"),
        ("kbdinteractiveauthentication", "yes"),
        ("hostbasedauthentication", "yes"),
        ("gssapiauthentication", "yes"),
    ],
)
def test_sshd_takes_keys_alone_by_default_and_below_a_match(keyword: str, value: str) -> None:
    assert [each.observed for each in judged(settings={keyword: value})] == [value]
    (found,) = judged(conditional=(Conditional("User x", keyword, value),))
    assert found.observed == (f"{keyword} {value} (Match User x)",)
    assert (
        judged(conditional=(Conditional("User x", keyword, "No"), Conditional("User x", "x11forwarding", "yes"))) == []
    )


def test_an_old_name_of_a_setting_means_the_same() -> None:
    assert judged(conditional=(Conditional("User x", "challengeresponseauthentication", "yes"),))


class Files:
    """A host with these files."""

    name = "there"

    def __init__(self, files: dict[str, str]) -> None:
        self.files = {f"/etc/ssh/{name}": text for name, text in files.items()}
        self.backend = SimpleNamespace(quote=lambda *words: " ".join(words))

    def run(self, command: str, *arguments: str, **_: Any) -> SimpleNamespace:
        rc, out, err = 0, "", ""
        if command.startswith("find"):
            folder = command.split()[2]
            names = [path.rpartition("/")[2] for path in self.files if path.rpartition("/")[0] == folder]
            rc, out, err = (
                (0, "".join(f"{each}\0" for each in names), "") if names else (1, "", "No such file or directory")
            )
        elif command.startswith("sudo"):
            out = "permitrootlogin no\n"
        elif arguments[0] in self.files:
            out = self.files[arguments[0]]
        else:
            rc, err = 1, "Permission denied"
        return SimpleNamespace(rc=rc, stdout=out, stdout_bytes=out.encode(), stderr=err)


def conditional(files: dict[str, str]) -> list[str]:
    return [str(each) for each in privileges.ssh_daemon(Files(files)).conditional]  # type: ignore[arg-type]


def test_what_holds_below_a_match_is_found_in_included_files_too() -> None:
    main = "Include sshd_config.d/*.conf\nPort 22\nMatch User a # night\n  PasswordAuthentication=yes\n"
    main += "Match all\nX11Forwarding no\n"
    one = '# Match User c\nmatch address 10.0.0.0/8\n\tpermitrootlogin "yes"\n'
    two = "PasswordAuthentication no\n"
    files = {"sshd_config": main, "sshd_config.d/1.conf": one, "sshd_config.d/2.conf": two, "sshd_config.d/.3": "\0"}
    assert conditional(files) == [
        "permitrootlogin yes (Match address 10.0.0.0/8)",
        "passwordauthentication yes (Match User a)",
    ]


def test_a_file_that_is_included_below_a_match_holds_below_it() -> None:
    files = {"sshd_config": "Match User a\nInclude /etc/ssh/x.d/*\n", "x.d/1": "PermitRootLogin yes\n"}
    assert conditional(files) == ["permitrootlogin yes (Match User a)"]


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"sshd_config": "Include /etc/*/x.conf\n"},
        {"sshd_config": "Include sshd_config\n"},
        {"sshd_config": "PasswordAuthentication\n"},
        {"sshd_config": "\x00\n"},
    ],
)
def test_a_configuration_that_cannot_be_followed_is_an_error(files: dict[str, str]) -> None:
    with pytest.raises(UnansweredError, match="host there: "):
        conditional(files)


@given(st.text())
def test_a_hostile_configuration_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(UnansweredError):
        assert all(keyword == keyword.lower() for keyword, _ in parse_configuration("x", text))


@pytest.mark.parametrize(
    ("change", "observed"),
    [
        ({"user": ""}, "api_1 (root)"),
        ({"user": "0"}, "api_1 (root)"),
        ({"user": "root:app"}, "api_1 (root)"),
        ({"user": "0:1000"}, "api_1 (root)"),
        ({"user": "00"}, "api_1 (root)"),
        ({"privileged": True}, "api_1 (privileged)"),
        ({"added": frozenset({"SYS_ADMIN", "NET_BIND_SERVICE"})}, "api_1 (SYS_ADMIN)"),
        ({"added": frozenset({"ALL"})}, "api_1 (ALL)"),
        ({"mounts": ("/var/run/docker.sock",)}, "api_1 (/var/run/docker.sock)"),
        ({"mounts": ("/run/containerd/containerd.sock",)}, "api_1 (/run/containerd/containerd.sock)"),
        ({"mounts": ("/run",)}, "api_1 (/run)"),
        ({"mounts": ("/run/user/1000/docker",)}, "api_1 (/run/user/1000/docker)"),
        ({"mounts": ("/",)}, "api_1 (/)"),
        ({"host_namespaces": ("network", "pid")}, "api_1 (network, pid)"),
        ({"security": ("seccomp=unconfined",)}, "api_1 (seccomp=unconfined)"),
        ({"security": ("apparmor:unconfined",)}, "api_1 (apparmor:unconfined)"),
        ({"security": ("label=disable", "label=type:svirt")}, "api_1 (label=disable)"),
        ({"devices": ("/dev/sda",)}, "api_1 (/dev/sda)"),
        ({"user": "1000:0", "added": frozenset({"NET_RAW"}), "security": ("no-new-privileges",)}, None),
    ],
)
def test_a_container_is_confined(change: dict[str, Any], observed: str | None) -> None:
    found = judged(containers=[container(CONFINED), container(replace(CONFINED, **change))])
    assert [each.observed for each in found] == ([(observed,)] if observed else [])


@pytest.mark.parametrize(
    "lacking", [{"containers": None}, {"containers": []}, {"containers": [container(None)]}, {"elsewhere": ("sss",)}]
)
def test_what_is_not_seen_is_an_error_unless_there_is_a_finding(lacking: dict[str, Any]) -> None:
    with pytest.raises(InsufficientFactsError):
        judged(**lacking)
    assert judged(Grant("games", "ALL"), **lacking)


def test_a_host_without_a_group_docker_has_no_engine() -> None:
    assert judged(known=parse_accounts(PASSWD, "sudo:x:27:ops\n"), containers=None) == []


def test_how_a_real_container_is_confined(captured: Callable[[str], str]) -> None:
    inspected: dict[str, Any] = json.loads(captured("inspect-redis.json"))
    assert parse_confinement(inspected) == Confinement("redis", False, frozenset(), (), (), (), ())
    loose = copy.deepcopy(inspected)
    loose["Config"]["User"] = ""
    loose["HostConfig"] |= {
        "Privileged": True,
        "CapAdd": ["CAP_SYS_ADMIN", "net_admin"],
        "SecurityOpt": ["seccomp=unconfined"],
        "NetworkMode": "host",
        "IpcMode": "host",
        "UsernsMode": "host",
        "Devices": [{"PathOnHost": "/dev/sda"}],
        "DeviceCgroupRules": ["b *:* rwm"],
    }
    loose["Mounts"].append({"Type": "bind", "Source": "/var/run/docker.sock"})
    assert parse_confinement(loose) == Confinement(
        "",
        True,
        frozenset({"SYS_ADMIN", "NET_ADMIN"}),
        ("seccomp=unconfined",),
        ("network", "ipc", "userns"),
        ("/var/run/docker.sock",),
        ("/dev/sda", "b *:* rwm"),
    )
