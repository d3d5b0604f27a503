"""What the journal and the Docker engine keep of logs: days that are lacking, and settings that delete too early."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from lab import logs, past
from lab.faults.host import on_node
from lab.faults.services import twin

KEPT = "/run/kept-journal"


def journald_setting(*lines: str) -> contextlib.AbstractContextManager[None]:
    """A drop-in of the administrator's tells journald something else."""
    path = "/etc/systemd/journald.conf.d/zz-fault.conf"
    return on_node(f"printf '%s\\n' '[Journal]' {' '.join(lines)} > {path}", f"rm -f {path}")


@contextlib.contextmanager
def _journal_of(entries: str) -> Iterator[None]:
    """The journal holds these entries alone; afterwards it is the one that it was."""
    with on_node(f"cp -a {past.JOURNAL} {KEPT}", f"rm -rf {past.JOURNAL} && mv {KEPT} {past.JOURNAL}"):
        past.write_journal(entries)
        yield


def journal_since(days: int) -> contextlib.AbstractContextManager[None]:
    """The journal begins so many days ago."""
    return _journal_of(past.journal_entries(logs.lacking(days, set())))


def journal_day_gone(days: int) -> contextlib.AbstractContextManager[None]:
    """The journal has no entry of the day so many days ago."""
    whole = logs.lacking(past.DAYS, set())
    return _journal_of(past.journal_entries([each for each in whole if each != whole[-days]]))


def journal_without_debug() -> contextlib.AbstractContextManager[None]:
    """The program writes no DEBUG entries any more."""
    whole = past.journal_entries(logs.lacking(past.DAYS, set()))
    return _journal_of(whole.replace("PRIORITY=7", "PRIORITY=6"))


def journal_out_of_sight() -> contextlib.AbstractContextManager[None]:
    """The account is not in the group any more that may read the journal; its new logins are without it."""
    return on_node("gpasswd -d opsverify systemd-journal", "usermod -aG systemd-journal opsverify")


@contextlib.contextmanager
def container_log_day_gone(days: int) -> Iterator[None]:
    """The log that the engine keeps of the feed has no line of the day so many days ago."""
    day = logs.lacking(days, set())[0]
    found: list[list[str]] = []

    def without(lines: list[str]) -> list[str]:
        left = [each for each in lines if json.loads(each)["time"][:10] != day]
        found.extend((lines, left))
        return left

    past.rewrite(past.FEED, without)
    try:
        yield
    finally:
        whole, left = found
        past.rewrite(past.FEED, lambda lines: [*whole, *lines[len(left) :]])


def feed_twin(log_driver: str = "json-file", *log_options: str) -> contextlib.AbstractContextManager[None]:
    """A second container of the feed runs with another log driver, or other options of it."""
    line = json.dumps({"timestamp": logs.stamp(logs.now()), "level": "DEBUG", "message": "quotes taken"})
    return twin(past.FEED, log_driver, line, log_options=log_options)
