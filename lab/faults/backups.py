"""The backup store, and its copy off site."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from lab import engine
from lab.faults.host import file_saved, on_node


@contextlib.contextmanager
def newest_dump_replaced(make: str) -> Iterator[str]:
    """The newest dump is made anew by a shell command from ``$old`` into ``$new``; its mtime stays. Gives its name."""
    script = f"""
        set -e
        cd /backup/database
        old=$(ls backup_*.sql.gz | tail -1)
        cp -p "$old" /tmp/saved-dump
        new=/tmp/new-dump
        {make}
        cat "$new" > "$old"
        touch -r /tmp/saved-dump "$old"
        rm -f "$new"
        echo "$old"
    """
    name = engine.inside("node", "sh", "-c", script).strip().splitlines()[-1]
    try:
        yield name
    finally:
        heal = f"cat /tmp/saved-dump > /backup/database/{name}; touch -r /tmp/saved-dump /backup/database/{name}"
        engine.inside("node", "sh", "-c", heal)


def stored_file(path: str, make: str) -> contextlib.AbstractContextManager[None]:
    """A file is added to the backup store, made by a shell command into ``$new``."""
    script = "\n".join(["set -e", f"new={path}", make, f"chgrp --reference=/backup {path}", f"chmod 0640 {path}"])
    return on_node(script, f"rm -f {path}")


def archive_heavy(days: int) -> contextlib.AbstractContextManager[None]:
    """On each of the last days a TiB came into the archive, as far as sizes of files tell: they have holes."""
    script = "set -e"
    for back in range(1, days + 1):
        day = datetime.now(UTC).date() - timedelta(days=back)
        file = f"/backup/wal/{'0' * 22}{back:02X}.lab.partial"
        script += f"\ntruncate -s 1T {file}; touch -d '{day} 12:00 UTC' {file}"
    return on_node(script, "rm -f /backup/wal/*.lab.partial")


def dump_of_day(days_ago: int) -> str:
    """The path of the text dump of a night so many days ago."""
    day = datetime.now(UTC) - timedelta(days=days_ago)
    return engine.inside("node", "sh", "-c", f"ls /backup/database/backup_{day:%Y%m%d}_*.sql.gz").split()[0]


def day_removed(days_ago: int) -> contextlib.AbstractContextManager[None]:
    """There is no dump of that night."""
    path = dump_of_day(days_ago)
    return file_saved(path, f"rm {path}")


def day_altered(days_ago: int) -> contextlib.AbstractContextManager[None]:
    """Some bytes in the middle of that night's dump are others; its size, inode and mtime are as before."""
    path = dump_of_day(days_ago)
    script = f"""
        set -e
        touch -r {path} /run/as-before
        printf 'not what was written' | dd of={path} bs=1 seek=$(( $(stat -c %s {path}) / 2 )) conv=notrunc status=none
        touch -r /run/as-before {path}
        rm /run/as-before
    """
    return file_saved(path, script)


def base_backup_damaged() -> contextlib.AbstractContextManager[None]:
    """A file of the newest base backup is not what it was."""
    newest = engine.inside("node", "sh", "-c", "ls -d /backup/base/base_* | tail -1").strip()
    return file_saved(f"{newest}/base/1/PG_VERSION", f"printf '51\\n' > {newest}/base/1/PG_VERSION")


@contextlib.contextmanager
def dump_added(ending: str, make: str = 'cp "$old" "$new"', days_ago: float = 0) -> Iterator[str]:
    """One more dump, made from the newest (``$old``) into ``$new``, and in the manifest. Gives its name."""
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    name = f"backup_{moment:%Y%m%d_%H%M%S}{ending}"
    script = f"""
        set -e
        cd /backup/database
        cp -p SHA256SUMS /run/saved-manifest
        old=$(ls backup_*{ending} | tail -1)
        new={name}
        {make}
        chgrp --reference=. "$new"
        chmod 0640 "$new"
        touch -d "{moment:%Y-%m-%d %H:%M:%S} UTC" "$new"
        sha256sum "$new" >> SHA256SUMS
    """
    heal = f"""
        cd /backup/database
        rm -f {name}
        cat /run/saved-manifest > SHA256SUMS
        touch -r /run/saved-manifest SHA256SUMS
        rm /run/saved-manifest
    """
    try:
        engine.inside("node", "sh", "-c", script)
        yield name
    finally:
        engine.inside("node", "sh", "-c", heal)


@contextlib.contextmanager
def offsite(do: str) -> Iterator[None]:
    """A shell command does something to the copies off site, which then are put back as they were."""
    engine.inside("offsite", "sh", "-c", "rm -rf /var/tmp/saved && cp -a /copies /var/tmp/saved")
    try:
        engine.inside("offsite", "sh", "-ec", f"cd /copies; {do}")
        yield
    finally:
        engine.inside(
            "offsite", "sh", "-c", "rm -rf /copies/* && cp -a /var/tmp/saved/. /copies/ && rm -r /var/tmp/saved"
        )


def offsite_behind(hours: float) -> contextlib.AbstractContextManager[None]:
    """The copies off site end so many hours ago."""
    last = datetime.now(UTC) - timedelta(hours=hours)
    newer = f"ls database | awk -F '[_.]' '/^backup_/ && $2 $3 > \"{last:%Y%m%d%H%M%S}\"'"
    return offsite(f"for name in $({newer}); do rm database/$name; done")
