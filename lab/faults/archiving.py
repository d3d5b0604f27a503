"""The archive of write-ahead log, base backups, and what is on record of restore drills."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from lab import engine
from lab.faults.core import wait_until
from lab.faults.database import sql
from lab.faults.documents import document
from lab.faults.host import on_node

WAL = "/backup/wal"
# A segment that was "archived" by a command that stores nothing lies in pg_wal still, for wal_keep_size is generous.
MAKE_UP_FOR = f"""
    cd "$PGDATA/pg_wal"
    for done in archive_status/*.done; do
        name=$(basename "$done" .done)
        [ -e {WAL}/"$name" ] || [ ! -e "$name" ] || cp -p "$name" {WAL}/"$name"
    done
"""


def switch() -> None:
    """The current segment is finished, whatever it holds."""
    sql("SELECT pg_logical_emit_message(true, 'lab', 'switch')")
    sql("SELECT pg_switch_wal()")


def archived() -> None:
    """Wait until nothing waits for the archiver."""
    waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
    wait_until(lambda: sql(waiting) == "0", "everything is archived")


@contextlib.contextmanager
def archive_command(command: str) -> Iterator[None]:
    """Another command archives."""
    quoted = command.replace("'", "''")
    before = sql("SHOW archive_command")
    sql(f"ALTER SYSTEM SET archive_command = '{quoted}'")
    try:
        _reload_until(lambda said: said == command)
        yield
    finally:
        sql("ALTER SYSTEM RESET archive_command")
        _reload_until(lambda said: said == before)
        engine.inside("postgres", "bash", "-c", MAKE_UP_FOR, user="postgres")


def _reload_until(said: Callable[[str], bool]) -> None:
    sql("SELECT pg_reload_conf()")
    wait_until(lambda: said(sql("SHOW archive_command")), "archive_command is in force")


@contextlib.contextmanager
def archiver_stuck() -> Iterator[None]:
    """The archiver hangs, without a failure; a finished segment waits for it."""
    engine.inside("postgres", "pkill", "-STOP", "-f", "^postgres: archiver")
    try:
        switch()
        yield
    finally:
        engine.inside("postgres", "pkill", "-CONT", "-f", "^postgres: archiver")
        archived()


@contextlib.contextmanager
def archive_unwritable() -> Iterator[None]:
    """The archive takes nothing, as a disk that is full: archiving fails."""
    failures = int(sql("SELECT failed_count FROM pg_stat_archiver"))
    engine.inside("postgres", "chmod", "a-w", WAL)
    try:
        switch()
        wait_until(lambda: int(sql("SELECT failed_count FROM pg_stat_archiver")) > failures, "archiving failed")
        yield
    finally:
        engine.inside("postgres", "chmod", "u+w", WAL)
        switch()  # wakes the archiver, which else would try again after a minute
        archived()


@contextlib.contextmanager
def archiving_recovered() -> Iterator[None]:
    """Archiving failed a while ago, and has gone on since."""
    with archive_unwritable():
        pass
    yield


def archived_segments(most: int = 3) -> list[str]:
    """So many segments that the archiver has stored just now, the oldest first: each in the way of recovery."""
    for _ in range(most):
        switch()
    archived()
    listed = engine.inside("postgres", "sh", "-c", f"ls {WAL} | grep -E '^[0-9A-F]{{24}}$' | tail -{most}")
    return listed.split()


@contextlib.contextmanager
def segment(do: str) -> Iterator[None]:
    """A shell command does something to one segment (``$path``) in the middle of the archive; it is put back then."""
    name = archived_segments()[1]
    path, saved = f"{WAL}/{name}", f"/var/lib/postgresql/{name}"
    engine.inside("postgres", "sh", "-ec", f"cp -p {path} {saved}; path={path}; {do}")
    try:
        yield
    finally:
        engine.inside("postgres", "sh", "-ec", f"rm -f {path}; cp -p {saved} {path}; rm {saved}")


def segment_missing() -> contextlib.AbstractContextManager[None]:
    """A segment in the middle of the archive is gone."""
    return segment('rm "$path"')


def segment_short() -> contextlib.AbstractContextManager[None]:
    """A segment in the middle of the archive was stored in part, as on a full disk."""
    return segment('truncate -s 65536 "$path"')


def segment_overwritten() -> contextlib.AbstractContextManager[None]:
    """A segment in the middle of the archive has its full size, and nothing of what it held."""
    return segment('size=$(stat -c %s "$path"); truncate -s 0 "$path"; truncate -s "$size" "$path"')


def base_backup_gone() -> contextlib.AbstractContextManager[None]:
    """There is no base backup."""
    do = "mv /backup/base /backup/base.saved && mkdir /backup/base && chgrp --reference=/backup /backup/base"
    return on_node(f"{do} && chmod 2750 /backup/base", "rm -rf /backup/base && mv /backup/base.saved /backup/base")


def base_backup_aged(days: float) -> contextlib.AbstractContextManager[None]:
    """The newest base backup was made so many days ago, by its name."""
    return _base_backup_alone(f'-d "{_ago(days)}"')


def base_backup_renamed(days: float) -> contextlib.AbstractContextManager[None]:
    """The newest base backup has a new name, and was made so many days ago."""
    return _base_backup_alone(
        "",
        f"""
        cd base/*
        made=$(date -u -d "{_ago(days)}" "+%Y-%m-%d %H:%M:%S")
        sed -E '/"backup_label"/s/(Modified": ")[^"]*/\\1'"$made GMT/" backup_manifest | head -n -1 > /run/manifest
        printf '"Manifest-Checksum": "%s"}}\\n' $(sha256sum < /run/manifest | cut -d ' ' -f 1) >> /run/manifest
        cat /run/manifest > backup_manifest
        rm /run/manifest
        """,
    )


def _ago(days: float) -> str:
    return f"-{int(days * 24)} hours"


def _base_backup_alone(when: str, then: str = "") -> contextlib.AbstractContextManager[None]:
    """The newest base backup is the only one, named after a moment that ``when`` gives to date; then more is done."""
    script = f"""
        set -e
        cd /backup
        newest=$(ls base | tail -1)
        mv base base.saved
        mkdir base && chgrp --reference=. base && chmod 2750 base
        cp -a base.saved/$newest base/base_$(date -u {when} +%Y%m%d_%H%M%S)
        {then}
    """
    return on_node(script, "rm -rf /backup/base && mv /backup/base.saved /backup/base")


def beside_segments() -> contextlib.AbstractContextManager[None]:
    """The archive holds what else PostgreSQL puts there: histories of timelines and backups, a partial segment."""
    history = "printf '1\\t0/3000000\\tno recovery target specified\\n'"
    names = [f"{WAL}/0000000A.history", f"{WAL}/000000010000000000000001.00000028.backup"]
    names += [f"{WAL}/0000000A0000000000000003.partial"]
    script = "; ".join(f"{history} > {name}; chgrp --reference={WAL} {name}; chmod 0640 {name}" for name in names)
    return on_node(script, f"rm -f {' '.join(names)}")


def drills(kind: str, change: Callable[[dict[str, Any]], Any]) -> contextlib.AbstractContextManager[None]:
    """The drills of a kind are on record otherwise: each as ``change`` makes it, or not at all where that is None."""

    def changed(text: str) -> str:
        found = [json.loads(line) for line in text.splitlines()]
        after = [change(each) if each["kind"] == kind else each for each in found]
        return "".join(json.dumps(each) + "\n" for each in after if each is not None)

    return document("drills.jsonl", changed)


def drill_aged(kind: str, days: float) -> contextlib.AbstractContextManager[None]:
    """The last drill of a kind was held so many days earlier."""

    def earlier(drill: dict[str, Any]) -> dict[str, Any]:
        for key in ("started", "finished"):
            drill[key] = (datetime.fromisoformat(drill[key]) - timedelta(days=days)).isoformat()
        return drill

    return drills(kind, earlier)


def drill_lost_rows(kind: str, key: str = "restored") -> contextlib.AbstractContextManager[None]:
    """A drill lost rows of a table, and is on record as one that went well."""

    def fewer(drill: dict[str, Any]) -> dict[str, Any]:
        largest = max(drill["comparisons"], key=lambda each: int(each["restored"]))
        return {
            **drill,
            "comparisons": [{**each, key: 0} if each is largest else each for each in drill["comparisons"]],
            "outcome": "met",
        }

    return drills(kind, fewer)


def drill_found(kind: str, outcome: str = "met") -> contextlib.AbstractContextManager[None]:
    """A drill found something that was not as expected; its outcome is on record as ``outcome``."""

    def finding(drill: dict[str, Any]) -> dict[str, Any]:
        return {**drill, "checks": [{**each, "met": False} for each in drill["checks"]], "outcome": outcome}

    return drills(kind, finding)
