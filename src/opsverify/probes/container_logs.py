"""The logs that a Docker engine keeps of a service: entries of each day, and what the engine deletes of them.

A container's log is there for as long as the container is. Where it is made anew, its log is gone with it; nothing
announces that, but it shows in the days.
"""

from __future__ import annotations

import calendar
import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from math import inf

from opsverify import stores
from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about
from opsverify.probes.containers import Container, address, of_service
from opsverify.probes.deleters import Deleters, in_folders
from opsverify.probes.log_days import LogDays, add, counting, parse_days
from opsverify.probes.named_finds import that_may_match
from opsverify.probes.schedules import Schedule
from opsverify.shell.deletions import Deleter

MOST_BYTES = 1024**3  # of one container's log, from its engine
FULL = "(23)"  # what curl says when nobody takes its output any more
SINCE = "?stdout=true&stderr=true&timestamps=true&since="
# A record begins with the engine's time. What is before it in the line is the head of its frame.
RECORD = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9.]+(Z|[+-][0-9]{2}:[0-9]{2}) .*"
DATA = "/var/lib/docker/containers"  # also where it is a link to another place


def in_containers(host: Host, everything: tuple[Container, ...], logs: stores.ContainerLogs, oldest: date) -> LogDays:
    """The days in the logs of a service's containers, from ``oldest`` on; counted on the host.

    A line counts for a day by its own time stamp, as in files.

    Raises:
        UnansweredError: the engine does not give a log, or more of it than is read.
    """
    since = calendar.timegm(oldest.timetuple())
    entries: dict[date, int] = {}
    detailed: dict[date, int] = {}
    undecoded = 0
    found = of_service(host, everything, logs.service)
    for each in found:
        with about(f"host {host.name}: the log of container {each.name}"):
            more, others = _counted(host, each, "", since, logs.timeout_s)
            undecoded += others
            add(entries, more)
            add(detailed, _counted(host, each, logs.level, since, logs.timeout_s)[0])
    return LogDays(entries, detailed, undecoded, (), len(found), "containers")


def _counted(host: Host, container: Container, level: str, since: int, timeout_s: float) -> tuple[dict[date, int], int]:
    asked = ["curl", "--silent", "--show-error", "--fail", "--max-time", str(max(int(timeout_s), 1))]
    commands = [
        [*asked, *address(host, f"/containers/{container.id}/logs{SINCE}{since}")],
        ["head", "-c", str(MOST_BYTES)],
        ["grep", "-aoE", "-e", RECORD],
        ["cut", "-d", " ", "-f", "2-"],
        *counting(level),
    ]
    result = host.run(" | ".join(shlex.join(each) for each in commands), timeout_s=timeout_s + 5)
    if FULL in result.stderr:
        raise UnansweredError(f"it has more than the {MOST_BYTES} bytes that are read")
    if result.rc != 0 or result.stderr.strip():
        said = result.stderr.strip() or f"status {result.rc}"
        raise UnansweredError(f"the engine was asked for its days, it said: {said[:300]}")
    return parse_days(bytes(result.stdout_bytes).decode("utf-8", "backslashreplace"))


def of_containers(found: Sequence[Container], service: str, schedule: Schedule) -> Deleters:
    """What deletes of the logs of a service's containers: their log drivers, and what deletes files where they lie.

    Raises:
        InsufficientFactsError: the service has no container.
    """
    if not found:
        raise InsufficientFactsError(f"host {schedule.host}: the service {service} has no container")
    folders = [f"{DATA}/{each.id}" for each in found]
    folders += [posixpath.dirname(each.log_path) for each in found if each.log_path.startswith("/")]
    names = [f"{each.id}{name}" for each in found for name in ("-json.log", "-json.log.1", "-json.log.1.gz")]
    followed = that_may_match(schedule.followed, folders, names)
    in_folder = in_folders(replace(schedule, followed=followed), tuple(dict.fromkeys(folders)))
    drivers = tuple(_by_driver(each) for each in found)
    return Deleters((*drivers, *in_folder.found), in_folder.elsewhere, {**in_folder.seen, "containers": len(found)})


def _by_driver(container: Container) -> Deleter:
    """What a log driver keeps, by what the engine says that it runs with; the engine's own defaults are in that."""
    options = dict(container.log_options)
    where = f"container {container.name}"
    what = " ".join((container.log_driver, *(f"{key}={value}" for key, value in container.log_options)))
    match container.log_driver:
        case "json-file":  # without max-size it never begins another file, whatever max-file says
            return Deleter(where, what, None if "max-size" in options else inf)
        case "local":  # five files of 20 MB, unless it is told otherwise
            return Deleter(where, what, None)
        case "none":
            return Deleter(where, f"{what}: nothing is kept", 0.0)
        case "journald":
            return Deleter(where, what, None, 'it is kept in the journal: name it with role = "journal"')
        case _:
            return Deleter(where, what, None, "it is kept elsewhere, by what this driver hands it to")
