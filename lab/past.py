"""The past of logs that no volume holds: 35 days in the node's journal, and in the log that the engine keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import PurePosixPath

from lab import engine, images, logs
from lab.settings import run, step

DAYS = 35
EVERY = 2100  # seconds between two entries
IDENTIFIER = "settlement"
JOURNAL = "/var/log/journal"
FEED = "price-feed"
FEED_LINE = ',"service":"price-feed","message":"quotes taken"}\n'


def fill() -> None:
    """Make the days that are lacking."""
    whole = set(logs.lacking(DAYS, set()))
    told = engine.inside(
        "node", "sh", "-c", f"journalctl -q --no-pager --utc -o short-iso -t {IDENTIFIER} | cut -c1-10"
    )
    if not whole <= set(told.split()):
        with step(f"Making the journal of {DAYS} days"):
            # With today's up to now: whoever leaves the lab alone past midnight finds the day that has ended then.
            write_journal(journal_entries([*sorted(whole), logs.stamp(logs.now())[:10]]))
    lacking = sorted(
        whole - {line[:10] for line in run(["docker", "logs", "-t", engine.container_id(FEED)]).stdout.split("\n")}
    )
    if lacking:
        with step(f"Making the container's log of {len(lacking)} days"):
            rewrite(FEED, lambda lines: [*(line for day in lacking for line in container_lines(day)), *lines])


def journal_entries(days: list[str]) -> str:
    """Entries of days, up to now, in the format that `journalctl -o export` writes: a third of them DEBUG."""
    entries, now = [], logs.now()
    for at in (begin + second for begin in map(logs.begin, days) for second in range(300, logs.DAY, EVERY)):
        if at > now:
            break
        level = 7 if at // EVERY % 3 == 0 else 6
        entries.append(
            f"__REALTIME_TIMESTAMP={at}000000\n__MONOTONIC_TIMESTAMP={at - logs.begin(days[0])}000000\n"
            f"_BOOT_ID={1:032x}\n_TRANSPORT=journal\n_UID=2300\n_PID=7\nPRIORITY={level}\n"
            f"SYSLOG_IDENTIFIER={IDENTIFIER}\nMESSAGE=batch of {at} settled\n\n"
        )
    return "".join(entries)


def write_journal(entries: str) -> None:
    """The node's journal holds these entries alone; systemd's own tool makes a file of it from those of other days."""
    script = f"""set -e
        folder={JOURNAL}/$(cat /etc/machine-id)
        rm -rf $folder && install -d -m 2755 -g systemd-journal $folder && umask 027
        /lib/systemd/systemd-journal-remote -o $folder/system.journal - 2>/dev/null
        chmod 0640 $folder/system.journal"""
    engine.inside("node", "sh", "-c", script, stdin=entries.encode())


def container_lines(day: str) -> list[str]:
    """A day of the feed's log, as the driver json-file keeps it."""
    stamps = (logs.stamp(logs.begin(day) + second) for second in range(300, logs.DAY, EVERY))
    return [
        json.dumps({"log": f'{{"timestamp":"{at}","level":"DEBUG"{FEED_LINE}', "stream": "stdout", "time": at})
        for at in stamps
    ]


def rewrite(service: str, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the log that the engine keeps of a service's container; what comes meanwhile stays.

    The engine has no way to be given a past, so its file is written to: in place, for it keeps that open. A container
    that mounts the folder does it, so that neither root nor an engine on this very machine is needed.
    """
    path = PurePosixPath(engine.containers()[service]["LogPath"])
    there = ["docker", "run", "--rm", "-i", "--network", "none", "-v", f"{path.parent}:/log", images.tag("base")]
    lines = run([*there, "cat", f"/log/{path.name}"]).stdout.splitlines()
    text = "".join(f"{line}\n" for line in change(lines))
    script = f"cd /log && cat > new && tail -n +{len(lines) + 1} {path.name} >> new && cat new > {path.name} && rm new"
    run([*there, "sh", "-c", script], stdin=text.encode())
