"""Real failed logins over ssh, and logs of logins that tell nothing, or stand elsewhere."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import engine
from lab.faults.core import wait_until
from lab.faults.host import on_node
from lab.settings import ports

AUTH_LOG = "/var/log/auth.log"
SAVED = "/run/saved-auth.log"
SIDE_BY_SIDE = 6  # sshd lets ten unknown clients in at a time (MaxStartups)
KEYS = 3  # as many as sshd tries of one client (MaxAuthTries)
STOP_RSYSLOG = "touch /run/hold; kill $(cat /run/rsyslogd.pid); while [ -e /run/rsyslogd.pid ]; do sleep 0.1; done"
START_RSYSLOG = "rsyslogd; while [ ! -S /dev/log ]; do sleep 0.1; done; rm -f /run/hold"
QUIET = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
ONE_BY_ONE = ("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "LogLevel=ERROR", "-o", "ControlPath=none")


@contextlib.contextmanager
def log_saved() -> Iterator[None]:
    """What is logged of logins meanwhile is forgotten afterwards. The file stays the same: rsyslog keeps it open."""
    engine.inside("node", "cp", "-a", AUTH_LOG, SAVED)
    try:
        yield
    finally:
        engine.inside("node", "sh", "-c", f"sleep 0.3; cat {SAVED} > {AUTH_LOG} && rm {SAVED}")


@contextlib.contextmanager
def guessing(failures: int, *sources: str, user: str = "opsverify") -> Iterator[None]:
    """So many failed logins with wrong keys, from each of these loopback addresses of the host itself.

    As an unknown user each connection is one failure; else it is three.
    """
    per_connection = KEYS if user == "opsverify" else 1
    command = " ".join([*QUIET, *ONE_BY_ONE, *(f"-i /run/guess/{each}" for each in range(KEYS))])
    tries = "".join(f"{source}\n" for source in sources for _ in range(-(-failures // per_connection)))
    script = f"""
        mkdir -p /run/guess && cd /run/guess
        for each in 0 1 2; do [ -e $each ] || ssh-keygen -q -t ed25519 -N '' -f $each; done
        begun=0
        while read -r source; do
            ssh -n -b "$source" {command} -l "{user}" 127.0.0.1 true 2>/dev/null &
            begun=$((begun + 1)); [ $((begun % {SIDE_BY_SIDE})) -ne 0 ] || wait
        done
        wait; rm -rf /run/guess
    """
    with log_saved():
        engine.inside("node", "sh", "-c", script, stdin=tries.encode())
        yield


@contextlib.contextmanager
def guessing_from_here(failures: int) -> Iterator[None]:
    """So many failed logins with wrong keys from this machine, from which the suite logs in as well."""
    with log_saved(), TemporaryDirectory() as folder:
        keys = [str(Path(folder) / str(each)) for each in range(KEYS)]
        for each in keys:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", each], check=True)
        command = ["ssh", *QUIET, *ONE_BY_ONE, *(part for each in keys for part in ("-i", each))]
        command += ["-p", str(ports()["SSH"]), "opsverify@127.0.0.1", "true"]

        def fail(_: int) -> None:
            subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=20)

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            list(pool.map(fail, range(-(-failures // KEYS))))
        yield


@contextlib.contextmanager
def rsyslog_stopped() -> Iterator[None]:
    """Nothing writes auth.log any more; afterwards it is as it was."""
    with log_saved():
        engine.inside("node", "sh", "-c", STOP_RSYSLOG)
        try:
            yield
        finally:
            engine.inside("node", "sh", "-c", START_RSYSLOG)
            wait_until(lambda: bool(engine.inside("node", "cat", "/run/rsyslogd.pid", check=False)), "rsyslog runs", 10)


@contextlib.contextmanager
def no_auth_log() -> Iterator[None]:
    """There is no auth.log, and nothing writes one."""
    with rsyslog_stopped(), on_node(f"mv {AUTH_LOG} {AUTH_LOG}.away", f"mv {AUTH_LOG}.away {AUTH_LOG}"):
        yield


@contextlib.contextmanager
def auth_log_ended(days: int) -> Iterator[None]:
    """The newest entry of auth.log is some days old."""
    aged = f"sed -i -E \"s/^[0-9-]+T/$(date -d '{days} days ago' +%F)T/\" {AUTH_LOG}"
    with rsyslog_stopped(), on_node(aged, "true"):
        yield


@contextlib.contextmanager
def journal_instead() -> Iterator[None]:
    """The host keeps a journal, and no auth.log, as Debian does since its version 12."""
    run = "mkdir -p /run/systemd/journal && ln -sf /run/systemd/journal/dev-log /dev/log"
    start = f"{run}; setsid /lib/systemd/systemd-journald > /dev/null 2>&1 < /dev/null &"
    wait = "while [ ! -S /run/systemd/journal/dev-log ]; do sleep 0.1; done"
    stop = "pkill -x systemd-journal; rm -rf /dev/log /run/systemd/journal /run/log/journal/*"
    with no_auth_log(), on_node(f"{start} {wait}", stop):
        yield


def auth_log_short() -> contextlib.AbstractContextManager[None]:
    """auth.log was just begun anew: it is quiet, and fresh."""
    return _with_log(f": > {AUTH_LOG}")


@contextlib.contextmanager
def _with_log(do: str) -> Iterator[None]:
    with log_saved(), on_node(do, "true"):
        yield


def sudo_silent() -> contextlib.AbstractContextManager[None]:
    """sudo logs nothing any more; what it has logged before is still there."""
    path = "/etc/sudoers.d/silent"
    return on_node(f"echo 'Defaults !syslog' > {path} && chmod 0440 {path}", f"rm -f {path}")


def sshd_silent() -> contextlib.AbstractContextManager[None]:
    """sshd logs nothing any more."""
    path, reload = "/etc/ssh/sshd_config.d/lab.conf", "kill -HUP $(cat /run/sshd.pid); sleep 0.5"
    return on_node(f"sed -i s/VERBOSE/QUIET/ {path}; {reload}", f"sed -i s/QUIET/VERBOSE/ {path}; {reload}")
