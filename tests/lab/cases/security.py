"""Cases of the host's security: packages, logins, key pairs, and who may become root."""

from __future__ import annotations

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss

PACKAGES = {"SEC-UPD-01-node": "error", "SEC-UPD-02-node": "fail"}
# Without a log nobody knows of failed logins, and nothing that is done as root is on record.
NO_LOG = {"SEC-IDS-01-node": "error", "SEC-IDS-02-node": "fail", "BP-SEC-03-node": "fail"}
ROOT = {"BP-SEC-02-node": "fail"}
KEYS = {"SEC-KEY-03-keypairs": "fail"}
FORGED = "root from 6.6.6.6 port 22 ssh2"

FAULTS = [
    Fault(
        "a security update is pending",
        faults.outdated_package,
        {"SEC-UPD-01-node": "fail"},
        lane="packages",
    ),
    Fault("the same of a held package", faults.held_package, {"SEC-UPD-01-node": "fail"}, lane="packages"),
    Fault("the same of a pinned package", faults.pinned_package, {"SEC-UPD-01-node": "fail"}, lane="packages"),
    Fault(
        "a security update behind an even newer version elsewhere",
        faults.superseded_update,
        {"SEC-UPD-01-node": "fail"},
        lane="packages",
    ),
    Fault(
        "package lists emptied",
        faults.lists_emptied,
        {"SEC-UPD-01-node": "error", "SEC-UPD-02-node": "error"},
        lane="packages",
    ),
    Fault("a release that has run out", lambda: faults.release_until("1 hour ago"), PACKAGES, lane="packages"),
    Fault(
        "the security archive of the release before",
        lambda: faults.security_of("bullseye"),
        {"SEC-UPD-01-node": "error"},
        lane="packages",
    ),
    Fault(
        "archives out of reach when lists were to be refreshed",
        lambda: faults.archives_out_of_reach(3),
        PACKAGES,
        append="\n[limits.SEC-UPD-01]\nlists_age_seconds = 3\n[limits.SEC-UPD-02]\nlists_age_seconds = 3\n",
        lane="packages",
    ),
    Fault(
        "more than a hundred failed logins of one source",
        lambda: faults.guessing(102, "127.0.0.9"),
        {"SEC-IDS-01-node": "fail"},
        lane="logins",
    ),
    Fault(
        "a login after a burst of failures",
        lambda: faults.guessing_from_here(12),
        {"SEC-IDS-01-node": "fail"},
        lane="logins",
    ),
    Fault("neither auth.log nor a journal", faults.no_auth_log, NO_LOG, lane="logins"),
    Fault("auth.log ended two days ago", lambda: faults.auth_log_ended(2), NO_LOG, lane="logins"),
    Fault("sshd logs nothing", faults.sshd_silent, NO_LOG, lane="logins"),
    Fault("sudo logs nothing", faults.sudo_silent, {"BP-SEC-03-node": "fail"}, lane="logins"),
    Fault(
        "a key pair that its group may read", lambda: faults.key_pairs("chmod 0640 oracle.pem"), KEYS, lane="keypairs"
    ),
    Fault(
        "a folder of key pairs that others may list", lambda: faults.key_pairs("chmod 0755 ."), KEYS, lane="keypairs"
    ),
    Fault("a key pair of another account", lambda: faults.key_pairs("chown games oracle.pem"), KEYS, lane="keypairs"),
    Fault(
        "a key pair that is a link",
        lambda: faults.key_pairs("rm oracle.pem && ln -s settlement.pem oracle.pem"),
        KEYS,
        lane="keypairs",
    ),
    Fault("no key pair at all", lambda: faults.key_pairs("rm -f *"), KEYS, lane="keypairs"),
    Fault(
        "the review of access is not borne out",
        lambda: faults.document_gone("evidence/SEC-KEY-03.md"),
        KEYS,
        lane="keypairs",
    ),
    Fault(
        "sudo for anything without a password",
        lambda: faults.sudoers("games ALL=(ALL:ALL) NOPASSWD: ALL"),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "sudo with a wildcard",
        lambda: faults.sudoers("games ALL=(root) /usr/bin/tail /var/log/*"),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "sudo for a shell",
        lambda: faults.sudoers("User_Alias NIGHT = games\nNIGHT ALL = /bin/su -"),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "sudo as an administrator, and with a variable that programs load by",
        lambda: faults.sudoers("Defaults:games env_keep += LD_PRELOAD\ngames ALL = (twieczorek) /bin/bash"),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "passwords for some, below a Match",
        lambda: faults.sshd_setting("Match Address 10.0.0.0/8", "PasswordAuthentication yes"),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "passwords for root",
        lambda: faults.sshd_setting("Match User root", "PermitRootLogin yes"),
        ROOT,
        lane="privileges",
    ),
    Fault("an account in the group docker", lambda: faults.member_of("docker"), ROOT, lane="privileges"),
    Fault("a second account with number 0", faults.second_root, ROOT, lane="privileges"),
    Fault(
        "a privileged container",
        lambda: faults.twin("alertmanager", say="level=info started", options=("--privileged",)),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "a container that is root",
        lambda: faults.twin("alertmanager", say="level=info started", options=("--user", "0:0")),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "a container that sees the engine's socket, read-only",
        lambda: faults.twin(
            "alertmanager", say="level=info started", options=("-v", "/var/run/docker.sock:/run/docker.sock:ro")
        ),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "a container that may administer the system",
        lambda: faults.twin("alertmanager", say="level=info started", options=("--cap-add", "SYS_ADMIN")),
        ROOT,
        lane="privileges",
    ),
    Fault(
        "a container in the host's process namespace",
        lambda: faults.twin("alertmanager", say="level=info started", options=("--pid", "host")),
        ROOT,
        lane="privileges",
    ),
]

NEAR_MISSES = [
    NearMiss("a newer version that is none for security", faults.newer_elsewhere, ("SEC-UPD",), lane="packages"),
    NearMiss(
        "nothing new at any mirror for 25 hours", lambda: faults.nothing_new_for(25), ("SEC-UPD",), lane="packages"
    ),
    NearMiss(
        "a release that does not say how long it is good",
        lambda: faults.release_until(""),
        ("SEC-UPD",),
        lane="packages",
    ),
    NearMiss("a login after nine failures", lambda: faults.guessing_from_here(9), ("SEC-IDS",), lane="logins"),
    NearMiss(
        "failed logins under a name that blames somebody else",
        lambda: faults.guessing(6, "127.0.0.9", "127.0.0.10", user=FORGED),
        ("SEC-IDS",),
        append="\n[limits.SEC-IDS-01]\nfailures_per_source = 10\n",
        lane="logins",
    ),
    NearMiss(
        "a quiet auth.log that was just begun", faults.auth_log_short, ("SEC-IDS", "BP-SEC-03-node"), lane="logins"
    ),
    NearMiss("a journal instead of auth.log", faults.journal_instead, ("SEC-IDS", "BP-SEC-03-node"), lane="logins"),
    NearMiss(
        "a key pair that nobody may write",
        lambda: faults.key_pairs("chmod 0400 oracle.pem"),
        ("SEC-KEY-03",),
        lane="keypairs",
    ),
    NearMiss(
        "an administrator without a password, and an exact command for another",
        lambda: faults.sudoers("twieczorek ALL=(ALL) NOPASSWD: ALL\ngames ALL=(root) NOPASSWD: /usr/bin/find /srv -ls"),
        ("BP-SEC-02-node",),
        lane="privileges",
    ),
    NearMiss(
        "a container with a usual capability, one in its own namespace",
        lambda: faults.twin(
            "alertmanager", say="level=info started", options=("--cap-add", "NET_BIND_SERVICE", "--cap-drop", "CHOWN")
        ),
        ("BP-SEC-02-node",),
        lane="privileges",
    ),
    NearMiss(
        "fewer rights for some, below a Match",
        lambda: faults.sshd_setting("Match Address 10.0.0.0/8", "PasswordAuthentication no", "X11Forwarding no"),
        ("BP-SEC-02-node",),
        lane="privileges",
    ),
]
