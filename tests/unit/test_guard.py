"""The shell guard: only what reads gets through, and what gets through means what it says."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsverify import probes
from opsverify.channels.guard import AS_ROOT, COMMANDS, NotAllowedError, admit

GPG = (
    "gpg --homedir /nonexistent --no-options --no-keyring --no-random-seed-file --no-auto-check-trustdb "
    "--no-autostart --batch --list-only --list-packets"
)


@pytest.mark.parametrize(
    "question",
    [
        "cat /proc/meminfo",
        "/bin/cat /etc/hosts",
        "/usr/bin/test -e '/a b'",
        "ss -H -ltn",
        "df -B1 --output=source,fstype,size,used,avail,itotal,iused,target",
        "find /backup -maxdepth 1 -type f -printf '%s\\t%T@\\t%f\\0'",
        "zcat -- /backup/a.sql.gz | tail -c 1024",
        "gzip -t -- /backup/a.sql.gz",
        "gzip --list /backup/a.sql.gz",
        "pg_restore -f /dev/null /backup/a.dump",
        "/usr/bin/pg_restore -f /dev/null '/backup/of may/a.dump'",
        "/usr/lib/postgresql/15/bin/pg_restore -f /dev/null /backup/a.dump",
        "pg_verifybackup -n -q /backup/base/a",
        "/usr/lib/postgresql/17/bin/pg_verifybackup -n -q '/backup/base/of may'",
        "grep -rlaZE -e 'BEGIN ([A-Z0-9]+ )*PRIVATE KEY' -- /backup/secure",
        "sha256sum -- /backup/a.sql.gz",
        f"{GPG} /backup/secure/a.gpg",
        f"{GPG} '/backup/secure/of may/a b.gpg'",
        "gzip -t -- '/backup/a  b\tc.sql.gz'",
        "stat -L -- /backup",
        "find -H /backup -type f -printf '%s\\t%T@\\t%P\\0'",
        "systemctl is-enabled ufw",
        "sudo -n ufw status verbose",
        "sudo -n /usr/sbin/iptables -S",
        "systemctl is-active ssh.service",
        "systemctl list-timers --no-pager",
        "systemctl show -p ActiveState --value ssh.service",
        "journalctl --no-pager -o json --since=-24h -t sshd -t sshd-session",
        "journalctl --no-pager -n 50 -u ssh.service",
        "dpkg-query -f '${Status} ${Version}' -W bash",
        "rpm -q --queryformat=%{VERSION} bash",
        "rpm -qa",
        "apt-get -s dist-upgrade",
        "apt-get -s -q -V upgrade",
        "apt-cache policy",
        "apt-cache policy bash libc6:amd64 libstdc++6",
        "journalctl --no-pager -o json --output-fields=MESSAGE,_UID --since=-24h -t sudo",
        "journalctl --no-pager -o export --output-fields=_TRANSPORT -t app -p 7..7 --since=@1792713600",
        "journalctl --disk-usage",
        "systemd-analyze --no-pager cat-config systemd/journald.conf",
        "curl --silent --show-error --fail --max-time 120 "
        "'http://127.0.0.1:2399/containers/0a/logs?stdout=true&stderr=true&timestamps=true&since=1792713600'",
        "sudo -n find /etc/tokenswap/keypairs -ls",
        "sudo -n /usr/bin/find /srv/key-pairs_1/a.d -ls",
        "sudo -n cvtsudoers -e -f json /etc/sudoers",
        "openssl x509 -in /etc/ssl/certs/a.crt -noout -enddate -subject",
        "curl --silent --show-error --max-time 9 --write-out %{http_code} "
        "http://127.0.0.1:2399/containers/json?all=true",
        "curl --silent --show-error --max-time 9 --write-out %{http_code} --unix-socket /run/docker.sock "
        "http://localhost/v1.41/containers/0a1b/stats?stream=false&one-shot=true".replace("&", "'&'"),
        "hostname -f",
        "hostname",
        "date -u +%s",
        "ip -j addr show eth0",
        "command -v ufw",
        "tail -n 5 /var/log/syslog",
        "zcat -f -- /var/log/a.gz | grep -aoE -e '^[{]' | uniq -c",
        "systemd-tmpfiles --cat-config --no-pager",
        "sudo -n grep -rs ^ /var/spool/cron/crontabs",
    ],
)
def test_what_only_reads_may_be_asked(question: str) -> None:
    assert shlex.split(admit(question)) == shlex.split(question)


@pytest.mark.parametrize(
    "question",
    [
        "rm -rf /tmp/x",
        "/bin/rm /tmp/x",
        "/tmp/evil/cat /etc/hosts",
        "./cat x",
        "A=b cat x",
        "'A=b' cat x",
        "sh -c 'rm x'",
        "env cat x",
        "xargs rm",
        "tee /tmp/x",
        "docker ps",
        "redis-cli FLUSHALL",
        "psql -c 'REINDEX DATABASE x'",
        "systemctl restart ssh",
        "systemctl stop ssh.service",
        "systemctl show -Hroot@evil ssh",
        "systemctl show --host=evil ssh",
        "systemctl list-units -Mevil",
        "docker-compose restart",
        "docker system prune -f",
        "nginx -s reload",
        "curl -X POST http://127.0.0.1:2399/containers/x/restart",
        "curl http://example.org",
        "sudo -n rm x",
        "sudo ufw status verbose",
        "sudo -n ufw disable",
        "sudo -n ufw status verbose; reboot",
        "sudo -n iptables -F",
        "sudo",
        "sudo -n",
        "tail -f /var/log/syslog",
        "tail -5f /var/log/syslog",
        "tail --fol /var/log/syslog",
        "find / -delete",
        "find / -exec rm {} +",
        "find / -execdir rm {} +",
        "find / -okdir rm {} +",
        "find / -fprint /tmp/x",
        "find / -fls /tmp/x",
        "ss -K dst 10.0.0.1",
        "ss -HK",
        "ss --kil",
        "gzip /backup/a",
        "gzip -d /backup/a.gz",
        "gzip -t -c /backup/a.gz",
        "pg_restore -d tokenswap /backup/a.dump",
        "pg_restore /backup/a.dump",
        "pg_restore -f /tmp/x /backup/a.dump",
        "pg_restore -f /dev/null -d tokenswap /backup/a.dump",
        "pg_restore -f /dev/null --dbname=x",
        "pg_restore -f /dev/null /a -dx",
        "pg_verifybackup -n -q",
        "pg_verifybackup -n -q -w /tmp /a",
        "/usr/lib/postgresql/15/bin/pg_dropcluster 15 main",
        "/usr/lib/postgresql/15/bin/cat /etc/hosts",
        "/usr/lib/postgresql/15/bin/../../../../tmp/pg_restore -f /dev/null /a",
        "/usr/lib/postgresql/evil/bin/pg_verifybackup -n -q /a",
        "/tmp/usr/lib/postgresql/15/bin/pg_restore -f /dev/null /a",
        "gzip -t -- relative.gz",
        "gzip -t -- /a /b",
        "gzip -t '-- /a'",
        "gzip '-t /a'",
        "gzip -t -- 'a b'",
        f"{GPG} '/a' b",
        f"{GPG} '/a' '/b c'",
        "systemctl is-active '/a b'",
        "openssl x509 -in '/a' -noout '/b -out c'",
        "gpg --decrypt /backup/a.gpg",
        f"{GPG} /backup/a.gpg --output /tmp/x",
        "date -s 2020-01-01",
        "date 01010000",
        "hostname evil",
        "hostname ''",
        "hostname -F /tmp/x",
        "ip link set eth0 down",
        "ip route add default via 10.0.0.1",
        "ip -b -x addr",
        "ip -batch -x addr",
        "journalctl --vacuum-size=1M",
        "journalctl --no-pager --rotate",
        "journalctl --disk-usage --vacuum-size=1M",
        "journalctl --no-pager -p --rotate",
        "systemd-analyze --no-pager cat-config systemd/system.conf",
        "systemd-analyze set-log-level debug",
        "curl --silent --show-error --fail --max-time 9 http://127.0.0.1:2399/containers/0a/logs?follow=true",
        "journalctl --no-pager -n --rotate",
        "journalctl --no-pager -n --vacuum-time=1s",
        "rpm -e bash",
        "rpm -q --pipe=reboot bash",
        "rpm -q --pipe reboot bash",
        "rpm -qE '%(reboot)'",
        "rpm -q --define x bash",
        "apt-get upgrade",
        "apt-get -s -oAPT::Get::Simulate=false -y upgrade",
        "apt-get -s --simulate=no -y upgrade",
        "apt-get -s -oDPkg::Pre-Invoke::=reboot upgrade",
        "apt-get -s install evil",
        "apt-cache gencaches",
        "apt-cache policy -o Dir::Cache=/tmp",
        "apt-cache policy --option=x bash",
        "apt-cache -o x policy",
        "sudo -n find / -ls",
        "sudo -n find -ls",
        "sudo -n find /a /b -ls",
        "sudo -n find '/a /b' -ls",
        "sudo -n find '/a -delete' -ls",
        "sudo -n find /a -ls -delete",
        "sudo -n find /a -delete -ls",
        "sudo -n find /a -fls /tmp/x",
        "sudo -n find /a/../b -ls",
        "sudo -n find -L /a -ls",
        "sudo -n find '/a*' -ls",
        "sudo -n cvtsudoers -e -f json -o /tmp/x /etc/sudoers",
        "sudo -n cvtsudoers -e -f json /etc/other",
        "openssl x509 -in /etc/a.crt -noout -out -x",
        "openssl genrsa 2048",
        "command reboot",
        "crontab -r",
        "kill 1",
        "touch /tmp/x",
        "sed -i s/a/b/ /etc/hosts",
        "uniq",
        "uniq -c /a /b",
        "uniq -c -",
        "systemd-tmpfiles --clean",
        "systemd-tmpfiles --cat-config --no-pager --remove",
        "sudo -n grep -rs ^ /etc/shadow",
        "sudo -n grep -rs . /var/spool/cron/crontabs",
    ],
)
def test_whatever_could_change_something_is_refused(question: str) -> None:
    with pytest.raises(NotAllowedError):
        admit(question)


@pytest.mark.parametrize(
    "question",
    [
        "cat /a; reboot",
        "cat /a;reboot",
        "cat /a && reboot",
        "cat /a || reboot",
        "cat /a & reboot",
        "cat /a > /tmp/x",
        "cat /a >> /tmp/x",
        "cat /a 2>/dev/null",
        "cat < /a",
        "(cat /a)",
        "cat <(cat /a)",
        "cat /a |& cat",
        "cat /a\nreboot",
        "cat /a\rreboot",
        "cat /a\x00reboot",
        "cat /a | sh",
        "cat /a |",
        "| cat /a",
        "cat /a | | cat",
        "",
        "   ",
        "cat 'unfinished",
        "cat unfinished\\",
    ],
)
def test_nothing_but_a_command_or_a_pipeline_is_a_question(question: str) -> None:
    with pytest.raises(NotAllowedError):
        admit(question)


@pytest.mark.parametrize(
    ("question", "sent"),
    [
        ("cat $(reboot)", None),
        ("cat `reboot`", "cat '`reboot`'"),
        ("cat $HOME", "cat '$HOME'"),
        ("cat /etc/*", "cat '/etc/*'"),
        ("cat ~/x", "cat '~/x'"),
        ("cat {a,b}", "cat '{a,b}'"),
        ("cat !x", "cat '!x'"),
        ("cat #x", "cat '#x'"),
        ('grep "a b" /x', "grep 'a b' /x"),
        ("cat  a\tb", "cat a b"),
    ],
)
def test_the_shell_expands_nothing_of_what_is_sent(question: str, sent: str | None) -> None:
    if sent is None:
        with pytest.raises(NotAllowedError):
            admit(question)
    else:
        assert admit(question) == sent


WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


def shell_sees(sent: str) -> list[str]:
    """The words that a real shell makes of one command."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {sent}"], capture_output=True, check=True, timeout=10)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["cat", "ls", "grep", "stat"]), st.lists(WORD, max_size=4))
@example("cat", ["$(touch /tmp/x)", "`x`", "'", '"', "\\", "a'b", "-n", "*", "~"])
def test_a_shell_sees_exactly_the_words_that_were_admitted(name: str, words: list[str]) -> None:
    try:
        sent = admit(shlex.join([name, *words]))
    except NotAllowedError:
        return
    assert shlex.split(sent) == shell_sees(sent)
    operators = {word for word in words if word and set(word) <= set("|&;<>()")}
    assert operators <= {"|"}
    if not operators:
        assert shlex.split(sent) == [name, *words]


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from("cat ls'\"\\$`|&;<>(){}*?[]~#!=\n\t /x-"), max_size=40))
def test_any_text_is_either_refused_or_sent_without_a_live_metacharacter(text: str) -> None:
    try:
        sent = admit(f"cat {text}")
    except NotAllowedError:
        return
    lexer = shlex.shlex(sent, posix=False, punctuation_chars="|&;<>()$`*?[]{}~#!")
    lexer.whitespace_split = True
    lexer.commenters = ""
    assert {token for token in lexer if token[0] not in "'\""} & set("&;<>()$`*?[]{}~#!") == set()
    for command in sent.split(" | "):
        assert command
    assert admit(sent) == sent


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_the_guard_never_breaks_whatever_it_is_asked(text: str) -> None:
    with contextlib.suppress(NotAllowedError):
        admit(text)


def test_no_interpreter_is_on_the_list_but_shells_that_only_parse() -> None:
    for name in ("dash", "zsh", "env", "xargs", "awk", "sed", "perl", "python3", "nc", "ssh", "docker", "tee"):
        assert name not in COMMANDS


def test_nothing_may_be_asked_as_root_that_no_probe_asks() -> None:
    sources = "".join(each.read_text(encoding="utf-8") for each in Path(probes.__file__).parent.glob("*.py"))
    for granted in AS_ROOT:
        assert f"sudo -n {granted}" in sources


def test_what_may_be_asked_as_root_only_reads() -> None:
    for granted in AS_ROOT:
        assert shlex.split(admit(f"sudo -n {granted}")) == ["sudo", "-n", *granted.split(" ")]
        with pytest.raises(NotAllowedError):
            admit(f"sudo -n {granted} --more")


LOGS = "containers/0a1b_2.c-d/logs?stdout=true&stderr=true&timestamps=true&tail=100"
CURL = "curl --silent --show-error --max-time 9 --write-out %{http_code}"


@pytest.mark.parametrize(
    "question",
    [
        "bash -n /opt/scripts/daily.sh",
        "sh -n /opt/scripts/daily.sh",
        "/bin/bash -n /opt/scripts/daily.sh",
        "bash -n '/opt/of may/daily check.sh'",
        f"{CURL} http://127.0.0.1:2399'/{LOGS}'",
        f"{CURL} http://localhost:2399'/v1.41/{LOGS}'",
        f"{CURL} --unix-socket /run/docker.sock 'http://localhost/{LOGS}'",
    ],
)
def test_a_script_may_be_parsed_and_the_end_of_a_log_be_read(question: str) -> None:
    assert shlex.split(admit(question)) == shlex.split(question)


@pytest.mark.parametrize("shell", ["bash", "sh", "/bin/bash", "/usr/bin/sh"])
@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "/opt/daily.sh",
        "-n",
        "-n relative.sh",
        "-n ./daily.sh",
        "-n /a /b",
        "-n '' /a",
        "-n /a ''",
        "-n /a -c reboot",
        "-n -c reboot",
        "-n +n /a",
        "-n -- /a",
        "-n -x /a",
        "-c 'reboot'",
        "-nc reboot",
        "-cn reboot",
        "+n /a",
        "-o noexec /a",
        "-s",
        "-i -n /a",
        "-x /a",
        "--noexec /a",
        "--rcfile /a -n /b",
        "'-n /a'",
    ],
)
def test_a_shell_may_parse_one_script_by_its_whole_path_and_do_nothing_else(shell: str, arguments: str) -> None:
    with pytest.raises(NotAllowedError):
        admit(f"{shell} {arguments}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("&tail=100", "&tail=100&follow=true"),
        ("stdout=true", "follow=true&stdout=true"),
        ("&tail=100", ""),
        ("tail=100", "tail=all"),
        ("tail=100", "tail="),
        ("tail=100", "tail=-1"),
        ("tail=100", "tail=12345"),
        ("tail=100", "tail=1 "),
        ("tail=100", "tail=1#x"),
        ("stderr=true", "stderr=false"),
        ("&timestamps=true", ""),
        ("&timestamps=true", "&details=true&timestamps=true"),
        ("/logs?", "/logs/?"),
        ("/logs?", "/attach/ws?"),
        ("0a1b_2.c-d", "0a1b/2"),
        ("0a1b_2.c-d", "0a1b%2f2"),
        ("containers", "services"),
    ],
)
def test_a_log_may_be_read_in_one_way_alone(old: str, new: str) -> None:
    assert old in LOGS
    with pytest.raises(NotAllowedError):
        admit(f"{CURL} 'http://127.0.0.1:2399/{LOGS.replace(old, new)}'")


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1", "http://10.0.0.1:2399", "https://127.0.0.1:2399", "-X POST http://127.0.0.1:2399"]
)
def test_a_log_may_be_read_from_this_hosts_own_engine_alone(where: str) -> None:
    with pytest.raises(NotAllowedError):
        admit(f"{CURL} {where}'/{LOGS}'")
