"""What deletes logs and backups, and days that are lacking. No job of these runs: they wait for a 29th of February."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lab import engine
from lab.faults.core import all_of, file_edited
from lab.faults.host import on_node
from lab.faults.outside import stand_in
from lab.settings import ports

NEVER = "17 4 29 2 *"
NIGHTLY = "/opt/tokenswap/scripts/nightly_backup.sh"
ROTATION = "/etc/logrotate.d/tokenswap"
LOGS = "/var/log/tokenswap"
LARGE = "/srv/data/large-logs"
POLICY = "tokenswap-logs"


def days_ago(days: int) -> date:
    """The day (UTC) so many days ago."""
    return datetime.now(UTC).date() - timedelta(days=days)


@contextlib.contextmanager
def _written(path: str, text: str, mode: str = "0644") -> Iterator[None]:
    engine.inside("node", "sh", "-c", f"cat > {path} && chmod {mode} {path}", stdin=text.encode())
    try:
        yield
    finally:
        engine.inside("node", "rm", "-f", path)


def cron_job(command: str, name: str = "lab-fault") -> contextlib.AbstractContextManager[None]:
    """A file in cron.d has a job of root's; lines before the command may go with it."""
    *before, last = command.split("\n")
    return _written(f"/etc/cron.d/{name}", "".join(f"{line}\n" for line in before) + f"{NEVER} root {last}\n")


def crontab_of_root(command: str) -> contextlib.AbstractContextManager[None]:
    """Root has a crontab with a job."""
    return _written("/var/spool/cron/crontabs/root", f"# edited by hand\n{NEVER} {command}\n", "0600")


def script(name: str, text: str, mode: str = "0755") -> contextlib.AbstractContextManager[None]:
    """A script lies beside those of the host."""
    return _written(f"/opt/tokenswap/scripts/{name}", text, mode)


def chain_of_scripts(last: str) -> contextlib.AbstractContextManager[None]:
    """A job runs a script that runs another by its variable, which includes a third one that runs the command."""
    here = 'here=$(dirname "$(readlink -f "$0")")'
    return all_of(
        script("lab_inner.sh", f"tidy() {{\n    {last}\n}}\n", "0644"),
        script("lab_middle.sh", f'#!/bin/bash\n{here}\n. "$here/lab_inner.sh"\ntidy /backup "${{2:-14}}"\n'),
        script("lab_outer.sh", f'#!/bin/sh\n{here}\nnext=lab_middle.sh\nexec "$here/$next" all "$1"\n'),
        cron_job("cd / && nice -n 10 /opt/tokenswap/scripts/lab_outer.sh 7 > /dev/null 2>&1"),
    )


def nightly_backup(old: str, new: str) -> contextlib.AbstractContextManager[None]:
    """The script of the nightly backup says something else."""
    return file_edited("node", NIGHTLY, old, new)


def rotation(old: str, new: str) -> contextlib.AbstractContextManager[None]:
    """What logrotate is told about the application's logs is something else."""
    return file_edited("node", ROTATION, old, new)


def _log_day(days: int, do: str) -> contextlib.AbstractContextManager[None]:
    """A command changes the logs of one day, which are then put back; ``$logs`` are their files."""
    day = f"{days_ago(days):%Y%m%d}"
    keep = f"rm -rf /run/kept-logs && mkdir /run/kept-logs && cp -p {LOGS}/*.log-{day}.gz /run/kept-logs/"
    undo = f"cp -p /run/kept-logs/* {LOGS}/ && rm -rf /run/kept-logs"
    return on_node(f"set -e; logs=$(echo {LOGS}/*.log-{day}.gz); {keep}; {do}", undo)


def log_day_gone(days: int) -> contextlib.AbstractContextManager[None]:
    """The logs of the day so many days ago are gone."""
    return _log_day(days, "rm -f $logs")


def log_day_of_another(days: int) -> contextlib.AbstractContextManager[None]:
    """The files of a day keep name and time, but hold the entries of the day before."""
    before = f"{days_ago(days + 1):%Y%m%d}"
    return _log_day(days, f'for each in $logs; do cat {LOGS}/app.log-{before}.gz > "$each"; done')


def log_day_without(days: int, level: str) -> contextlib.AbstractContextManager[None]:
    """The lines of a level are gone from the logs of a day."""
    strip = f'zcat "$each" | grep -v \'"level":"{level}"\' | gzip > /run/stripped; cat /run/stripped > "$each"'
    return _log_day(days, f"for each in $logs; do {strip}; done; rm -f /run/stripped")


def young_logs(days: int) -> contextlib.AbstractContextManager[None]:
    """A folder holds logs of so many whole days alone, as those of a service that has just begun."""
    folder = "/srv/young-logs"
    copy = "".join(f" {LOGS}/*.log-{days_ago(back):%Y%m%d}.gz" for back in range(1, days + 1))
    return on_node(f"mkdir -p {folder} && cp{copy} {folder}/ && chmod -R a+rX {folder}", f"rm -rf {folder}")


def large_logs(days: int, mib: int) -> contextlib.AbstractContextManager[None]:
    """A folder on the small disk holds logs of so many whole days, so many MiB each."""
    script = f"mkdir -p {LARGE}"
    for back in range(1, days + 1):
        day, file = days_ago(back), f"{LARGE}/app.log-{days_ago(back):%Y%m%d}"
        script += f"""
            zcat {LOGS}/*.log-{day:%Y%m%d}.gz > /run/lab-day
            while [ ! -e {file} ] || [ $(stat -c %s {file}) -lt {mib * 2**20} ]; do cat /run/lab-day >> {file}; done
            touch -d '{day} 23:00 UTC' {file}
        """
    return on_node(f"set -e\n{script}\nrm /run/lab-day\nchmod -R a+rX {LARGE}", f"rm -rf {LARGE}")


def _answered(path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{ports()['ELASTICSEARCH']}{path}", timeout=10) as answer:
        return json.load(answer)


def _index(days: int) -> str:
    return f"tokenswap-logs-{days_ago(days):%Y.%m.%d}"


@contextlib.contextmanager
def index_gone(days: int) -> Iterator[None]:
    """Elasticsearch has no index of the day so many days ago."""
    path = "/_cat/indices/tokenswap-logs-*"
    left = [each for each in _answered(f"{path}?bytes=b") if each["index"] != _index(days)]
    with stand_in("elasticsearch", path, body=left):
        yield


def indices_swollen(days: int, gib: int) -> contextlib.AbstractContextManager[None]:
    """The indices of the last days take so many GiB each."""
    path = "/_cat/indices/tokenswap-logs-*"
    large = {_index(back) for back in range(1, days + 1)}
    every = [
        each | ({"store.size": str(gib * 2**30)} if each["index"] in large else {})
        for each in _answered(f"{path}?bytes=b")
    ]
    return stand_in("elasticsearch", path, body=every)


def index_without_level(days: int) -> contextlib.AbstractContextManager[None]:
    """Elasticsearch has no entry of the level asked for on that day."""
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    return stand_in("elasticsearch", f"/{_index(days)}/_count", body={"count": 0, "_shards": shards})


@contextlib.contextmanager
def index_policy(min_age: str) -> Iterator[None]:
    """The lifecycle policy of the logs deletes at another age."""
    path = f"/_ilm/policy/{POLICY}"
    policy = _answered(path)
    policy[POLICY]["policy"]["phases"]["delete"]["min_age"] = min_age
    with stand_in("elasticsearch", path, body=policy):
        yield
