"""The backup store."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab import engine
from lab.faults.host import on_node


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
