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
ROOT_GROUPS = ("docker", "lxd", "incus-admin", "disk")
# What sshd must say, and what the same means below a Match; keys are what is left.
SSH_SETTINGS = {
    "permitrootlogin": "no",
    "passwordauthentication": "no",
    "permitemptypasswords": "no",
    "kbdinteractiveauthentication": "no",
}
SSH_SYNONYMS = {"challengeresponseauthentication": "kbdinteractiveauthentication"}
WILDCARD = re.compile(r"(?<!\\)[*?\[]|^\^|^\S+ \^.*\$$")  # or a regular expression, from ^ to $
# Programs that give a shell, or another file than they were meant for, to whoever may choose their arguments.
SHELLS = re.compile(
    r"(ba|da|a|z|k|c|tc|fi)?sh|busybox|su|sudo|sudoedit|env|xargs|nsenter|chroot|unshare|setpriv|runuser|python[0-9.]*"
    r"|perl[0-9.]*|ruby[0-9.]*|lua[0-9.]*|node|php[0-9.]*|g?awk|mawk|find|tar|zip"
    r"|cp|mv|dd|tee|install|ln|chmod|chown|rsync|scp|ssh|mount|docker|podman|ctr|crictl|kubectl|systemctl|systemd-run"
    r"|apt|apt-get|dpkg|rpm|dnf|yum|pip[0-9.]*|npm|gdb|strace|tcpdump|visudo|crontab|at|useradd|usermod|passwd"
)
# These let whoever uses them start a shell from within, on whichever file they were opened.
INTERACTIVE = re.compile(r"less|more|most|man|vim?|view|vimdiff|nano|pico|emacs|ed")
# What Docker leaves to every container; anything beyond it has to be given.
USUAL_CAPABILITIES = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
ENGINE_SOCKET = re.compile(
    r".*/(docker|podman|containerd|crio)\.sock|(/var)?/run(/docker|/podman|/containerd|/crio)?|/"
)


def nobody_is_root_by_accident(
    accounts: Accounts,
    sudo: Sudo,
    ssh: SshDaemon,
    administrators: Collection[str],
    containers: Sequence[Container] | None,
) -> list[Observation]:
    """Nobody but root and administrators may do as they like as root, ssh takes keys alone, containers are confined.

    ``containers`` is None on a host that is said to have no engine.

    Raises:
        InsufficientFactsError: nothing is found, but sudo goes by more than its files, which is not seen here; or of a
            container it is not known how it is confined.
    """
    seen = [*_administrators_alone_are_root(accounts, sudo, {"root", *administrators}), *_ssh_takes_keys_alone(ssh)]
    lacking = [f"sudo also goes by {each}, which is not seen from here" for each in sudo.elsewhere]
    if containers is not None:
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
    powerful = [each for each in sudo.grants if _powerful(each.command)]
    others = {found for each in powerful for found in _unlisted(each, accounts, listed)}
    yield none_of("sudo for anything, by others than administrators", others, seen=len(sudo.grants), of="grants")
    groups = [group for group in ROOT_GROUPS if accounts.of(group) is not None]
    members = [f"{each} ({group})" for group in groups for each in accounts.of(group) or () if each not in listed]
    yield none_of("members of groups that are as good as root", members, seen=len(groups), of="such groups")


def _ssh_takes_keys_alone(ssh: SshDaemon) -> Iterator[Observation]:
    for keyword, wanted in SSH_SETTINGS.items():
        found = ssh.settings.get(keyword, "not set")
        yield holds(f"sshd: {keyword}", found, wanted, found == wanted)
    loosened = [
        str(each)
        for each in ssh.conditional
        if each.value.lower() != SSH_SETTINGS.get(SSH_SYNONYMS.get(each.keyword, each.keyword), each.value.lower())
    ]
    yield none_of("sshd: loosened for some", loosened, seen=len(ssh.conditional), of="settings below a Match")


def _powerful(command: str) -> bool:
    """Whether a command of sudoers lets its user do anything: ALL, a wildcard, a folder, a shell with any arguments."""
    path, _, arguments = command.partition(" ")
    if not path.startswith("/"):
        return path not in ("sudoedit", "list") or WILDCARD.search(command) is not None
    if path.endswith("/") or WILDCARD.search(command):
        return True
    name = path.rpartition("/")[2]
    return bool(INTERACTIVE.fullmatch(name) or (not arguments and SHELLS.fullmatch(name)))


def _unlisted(grant: Grant, accounts: Accounts, listed: Collection[str]) -> Iterator[str]:
    """Who may use a grant and is no administrator."""
    principal = grant.principal
    if re.match(r"%[^:]", principal):
        members = accounts.of(principal[1:]) or ()
        yield from (f"{each} ({principal}): {grant.command}" for each in members if each not in listed)
    elif principal not in listed and principal != "#0":
        yield f"{'everybody' if principal == 'ALL' else principal}: {grant.command}"


def _loose(confinement: Confinement) -> dict[str, list[str]]:
    """What is loose about a container, by what it means."""
    sockets = [each for each in confinement.mounts if ENGINE_SOCKET.fullmatch(each.rstrip("/") or "/")]
    return {
        "that run as root": ["root"] if confinement.user.partition(":")[0] in ("", "0", "root") else [],
        "that are privileged": ["privileged"] if confinement.privileged else [],
        "with capabilities beyond the usual ones": sorted(confinement.added - USUAL_CAPABILITIES),
        "that see the engine's socket": sockets,
        "in a namespace of the host": list(confinement.host_namespaces),
        "without seccomp or AppArmor": [each for each in confinement.security if each.endswith("unconfined")],
        "with devices of the host": list(confinement.devices),
    }
