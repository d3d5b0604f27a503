"""Rules of the chapter *security*: who may become root on a host, and what a container may do to it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from opsverify.judgement import Observation, holds, none_of
from opsverify.probes.confinement import Confinement
from opsverify.probes.containers import Container
from opsverify.probes.privileges import Accounts, Grant, SshDaemon, Sudo
from opsverify.rules.statements import complete

# Whoever is in one of these may do as root: by mounting the host into a container, or by writing to its disks.
ROOT_GROUPS = ("docker", "lxd", "incus-admin", "libvirt", "disk")
# What sshd must say, or not know at all, and what the same means below a Match; keys are what is left.
SSH_SETTINGS = {
    "permitrootlogin": "no",
    "passwordauthentication": "no",
    "permitemptypasswords": "no",
    "kbdinteractiveauthentication": "no",
    "hostbasedauthentication": "no",
    "kerberosauthentication": "no",
    "gssapiauthentication": "no",
}
OF_SOME_BUILDS = ("kerberosauthentication", "gssapiauthentication")

SSH_SYNONYMS = {"challengeresponseauthentication": "kbdinteractiveauthentication"}
WILDCARD = re.compile(r"(?<!\\)[*?\[]|^\^|^\S+ \^.*\$$")  # or a regular expression, from ^ to $
# Programs that give a shell, or run another program, to whoever starts them.
STARTERS = re.compile(
    r"(ba|da|a|z|k|c|tc|fi)?sh|busybox|su|sudo|env|nsenter|chroot|unshare|setpriv|runuser|setsid|nohup|nice|ionice|time"
    r"|timeout|stdbuf|watch|python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|lua[0-9.]*|node|php[0-9.]*|irb"
)
# Programs that give a shell, or another file than they were meant for, to whoever may choose their arguments.
CHOSEN = re.compile(
    r"sudoedit|xargs|g?awk|mawk|sed|find|tar|zip|cp|mv|dd|tee|install|ln|chmod|chown|rsync|scp|ssh|s?ftp|mount|docker"
    r"|podman|nerdctl|ctr|crictl|kubectl|helm|systemctl|systemd-run|journalctl|apt|apt-get|dpkg|rpm|dnf|yum|snap"
    r"|pip[0-9.]*|npm|gdb|strace|ltrace|tcpdump|nmap|socat|nc|ncat|curl|wget|git|make|gcc|openssl|psql|mysql|sqlite3"
    r"|cat|tac|head|tail|[ef]?grep|base64|xxd|od|hexdump|strings|sort|cut|nl|diff|service|ip6?tables(-restore)?|sysctl"
    r"|logrotate|certbot|nginx|openvpn|ansible(-playbook)?|crontab|at|useradd|usermod|gpasswd|passwd|chpasswd|insmod|modprobe|debugfs|ip|flock"
)
# These let whoever uses them start a shell from within, or make himself root, on whichever file they were opened.
INTERACTIVE = re.compile(
    r"(less|more|most|man|vim?|view|vimdiff|nano|pico|emacs|ed|vipw|vigr|visudo(?! -c)|script|screen|tmux)( .*)?"
    r"|crontab .*-e.*|passwd root|systemctl (-\S+ )*edit( .*)?"
)
# Who writes these says who is root, or what root runs.
RULING = re.compile(
    r"/etc/((passwd|shadow|group|gshadow|sudoers|doas\.conf|crontab|anacrontab|profile|environment|ld\.so\.preload"
    r"|nsswitch\.conf)-?|(sudoers\.d|cron\.[a-z]+|pam\.d|profile\.d|systemd|ld\.so\.conf\.d|ssh)/.*)|/root/.*|/var/spool/.*"
)
# What Docker leaves to every container; anything beyond it has to be given.
USUAL_CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
UNCONFINED = re.compile(r"unconfined\Z|\Alabel[=:]disable\Z")
ROOT = re.compile(r"(root|[+-]?0+)?")  # as an image or the engine may write it
ENGINE_SOCKET = re.compile(
    r".*/(docker|cri-dockerd|dockershim|buildkitd|podman|containerd|crio)\.sock"
    r"|(/var)?/run(/docker|/podman|/containerd|/crio|/user(/\d+(/docker|/podman)?)?)?|/"
)


def nobody_is_root_by_accident(
    accounts: Accounts,
    sudo: Sudo,
    ssh: SshDaemon,
    administrators: Collection[str],
    containers: Sequence[Container] | None,
) -> list[Observation]:
    """Nobody but root and administrators may do as they like as root, ssh takes keys alone, containers are confined.

    ``containers`` is None on a host of which the profile knows no engine.

    Raises:
        InsufficientFactsError: nothing is found, but accounts, sudo or doas go by more than is seen here; or there
            are containers, perhaps, of which it is not known how they are confined.
    """
    seen = [*_administrators_alone_are_root(accounts, sudo, {"root", *administrators}), *_ssh_takes_keys_alone(ssh)]
    lacking = [f"{each}: it may make others root, which is not seen from here" for each in sudo.elsewhere]
    if containers is None:
        if accounts.of("docker") is not None:
            lacking.append("there is a group docker, so perhaps an engine, but the profile names no docker_api")
    else:
        known = [(each.name, _loose(each.confinement)) for each in containers if each.confinement is not None]
        lacking += [
            f"container {each.name}: not known how it is confined" for each in containers if not each.confinement
        ]
        if not containers:
            lacking.append("there is none of the services' containers to look at")
        for what in known[0][1] if known else ():
            found = [f"{name} ({', '.join(loose[what])})" for name, loose in known if loose[what]]
            seen.append(none_of(f"containers {what}", found, seen=len(known), of="containers"))
    return complete(seen, lacking)


def _administrators_alone_are_root(accounts: Accounts, sudo: Sudo, listed: Collection[str]) -> Iterator[Observation]:
    superusers = [each for each in accounts.superusers if each not in listed]
    count = len(accounts.superusers)
    yield none_of("accounts with number 0 besides root", superusers, seen=count, of="accounts with number 0")
    powerful = [each for each in sudo.grants if _as_root(each, accounts, listed) and _powerful(each)]
    others = {found for each in powerful for found in _unlisted(each.principal, _shown(each), accounts, listed)}
    yield none_of("sudo for anything, by others than administrators", others, seen=len(sudo.grants), of="grants")
    telling = {found for who, what in sudo.environment for found in _unlisted(who, what, accounts, listed)}
    count = len(sudo.environment)
    yield none_of("sudo with variables that programs go by", telling, seen=count, of="settings of such variables")
    groups = [group for group in ROOT_GROUPS if accounts.of(group) is not None]
    members = [f"{each} ({group})" for group in groups for each in accounts.of(group) or () if each not in listed]
    yield none_of("members of groups that are as good as root", members, seen=len(groups), of="such groups")


def _ssh_takes_keys_alone(ssh: SshDaemon) -> Iterator[Observation]:
    for keyword, wanted in SSH_SETTINGS.items():
        found = ssh.settings.get(keyword, "no" if keyword in OF_SOME_BUILDS else "not set")
        yield holds(f"sshd: {keyword}", found, wanted, found == wanted)
    loosened = [
        str(each)
        for each in ssh.conditional
        if each.value.lower() != SSH_SETTINGS.get(SSH_SYNONYMS.get(each.keyword, each.keyword), each.value.lower())
    ]
    yield none_of("sshd: loosened for some", loosened, seen=len(ssh.conditional), of="settings below a Match")


def _as_root(grant: Grant, accounts: Accounts, listed: Collection[str]) -> bool:
    """Whether a grant is to be root, or somebody who may become root; of a group it is not known who is in it."""
    members = {each for group in ROOT_GROUPS for each in accounts.of(group) or ()}
    root = {"ALL", "#0", *listed, *members}
    groups = {"ALL", *(f"#{number}" for number, name in accounts.numbers.items() if name in ROOT_GROUPS), *ROOT_GROUPS}
    as_root = any(each in root or each.startswith(("%", "+")) for each in grant.users)
    return as_root or any(each.removeprefix("%") in groups for each in grant.groups)


def _powerful(grant: Grant) -> bool:
    """Whether a grant lets its user do anything: ALL, a wildcard, a folder, a shell, a variable of his own."""
    path, _, arguments = grant.command.partition(" ")
    if grant.setenv or WILDCARD.search(grant.command):
        return True
    if not path.startswith("/"):
        return path not in ("sudoedit", "list") or any(map(RULING.fullmatch, arguments.split()))
    name = path.rpartition("/")[2]
    if not name or INTERACTIVE.fullmatch(f"{name} {arguments}".rstrip()):
        return True
    if STARTERS.fullmatch(name):
        return _starts_a_shell(name, arguments.split())
    return not arguments and CHOSEN.fullmatch(name) is not None


def _starts_a_shell(name: str, words: Sequence[str]) -> bool:
    """Whether a program that starts others is given nothing to start, or root, or another one that is given nothing."""
    ahead = iter(words[1:] if name == "chroot" else words)  # its first word is a folder
    for word in ahead:
        if re.match(r"[A-Za-z_/.]", word) and not re.match(r"\w+=", word):  # neither an option nor a number
            started = word.rpartition("/")[2]
            return started == "root" or (STARTERS.fullmatch(started) is not None and _starts_a_shell(started, [*ahead]))
    return True


def _shown(grant: Grant) -> str:
    as_whom = ":".join(filter(None, (",".join(grant.users), ",".join(grant.groups))))
    others = "" if {"root", "ALL"} & set(grant.users) else f"({as_whom}) "
    return f"{others}{'SETENV: ' if grant.setenv and grant.command != 'ALL' else ''}{grant.command}"


def _unlisted(principal: str, what: str, accounts: Accounts, listed: Collection[str]) -> Iterator[str]:
    """Who among those that a principal stands for is no administrator."""
    if re.match(r"%[^:]", principal):
        members = accounts.of(principal[1:]) or ()
        yield from (f"{each} ({principal}): {what}" for each in members if each not in listed)
    elif principal not in listed and principal != "#0":
        yield f"{'everybody' if principal == 'ALL' else principal}: {what}"


def _loose(confinement: Confinement) -> dict[str, list[str]]:
    """What is loose about a container, by what it means."""
    sockets = [each for each in confinement.mounts if ENGINE_SOCKET.fullmatch(each.rstrip("/") or "/")]
    return {
        "that run as root": ["root"] if ROOT.fullmatch(confinement.user.partition(":")[0]) else [],
        "that are privileged": ["privileged"] if confinement.privileged else [],
        "with capabilities beyond the usual ones": sorted(confinement.added - USUAL_CAPABILITIES),
        "that see the engine's socket": sockets,
        "in a namespace of the host": list(confinement.host_namespaces),
        "without seccomp, AppArmor or SELinux": [each for each in confinement.security if UNCONFINED.search(each)],
        "with devices of the host": list(confinement.devices),
    }
