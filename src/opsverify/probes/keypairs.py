"""Facts about the folder of the key pairs: what lies in it, whose it is and who may read it. No key is read."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass

from opsverify.channels.shell import Host
from opsverify.errors import UnansweredError
from opsverify.probes import about

# inode, blocks, mode, links, owner, group, size (or the numbers of a device), time, name
LISTED = re.compile(
    r" *[0-9]+ +[0-9]+ (?P<kind>[-dlpscbD])(?P<mode>[-rwxsStT]{9}) +[0-9]+ (?P<owner>\S+) +(?P<group>\S+) "
    r"+[0-9]+(, +[0-9]+)? [A-Z][a-z]{2} [ 0-9][0-9] ( [0-9]{4}|[0-9]{2}:[0-9]{2}) (?P<path>/.*)"
)
GONE = "find: .?{}.?: No such file or directory"  # with the quotes of any locale
KINDS = {"-": "file", "d": "folder", "l": "symbolic link"}


@dataclass(frozen=True)
class Entry:
    """A file, folder or anything else below a folder, which itself is the first; ``mode`` without the kind."""

    path: str
    kind: str
    mode: int
    owner: str
    group: str

    @property
    def shown(self) -> str:
        """The mode in four octal digits."""
        return f"{self.mode:04o}"


def key_pairs(host: Host, folder: str) -> tuple[Entry, ...]:
    """The folder and all that is below it, listed as root; empty where there is no such folder.

    Whether it is there only root can tell: what is above it may be closed to everybody else, as it should be.
    """
    with about(f"host {host.name}"):
        listed = host.run("sudo -n find %s -ls", folder)
        gone = re.fullmatch(GONE.format(re.escape(folder)), listed.stderr.strip())
        if listed.rc == 1 and not listed.stdout and gone:
            return ()
        if listed.rc != 0:
            raise UnansweredError(f"{folder} may not be listed as root: {listed.stderr.strip() or 'no reason'}")
        return parse_listing(folder, bytes(listed.stdout_bytes).decode("utf-8", "backslashreplace"))


def parse_listing(folder: str, text: str) -> tuple[Entry, ...]:
    """Parse ``find FOLDER -ls``, which spells out every odd character of a name.

    Raises:
        UnansweredError: a line is not understood, or the folder is not the first.
    """
    found = []
    for line in text.split("\n"):
        if not line:
            continue
        parts = LISTED.fullmatch(line)
        if parts is None or not (parts["path"] == folder or parts["path"].startswith(f"{folder}/")):
            raise UnansweredError(f"find -ls: this line is not understood: {line[:300]!r}")
        kind = KINDS.get(parts["kind"], "neither file nor folder")
        found.append(Entry(parts["path"], kind, parse_mode(parts["mode"]), parts["owner"], parts["group"]))
    if not found or found[0].path != folder:
        raise UnansweredError(f"find -ls: {folder} itself is not in its answer")
    return tuple(found)


def parse_mode(text: str) -> int:
    """The number of a mode in letters, such as ``rw-------``."""
    special = ((2, "sS", stat.S_ISUID), (5, "sS", stat.S_ISGID), (8, "tT", stat.S_ISVTX))
    bits = sum(0o400 >> place for place, letter in enumerate(text) if letter not in "-ST")
    return bits | sum(bit for place, letters, bit in special if text[place] in letters)
