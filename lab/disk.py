"""A small file system of its own for the node (/srv/data), so that a test can fill a disk without filling yours."""

from __future__ import annotations

import os
from pathlib import Path

from lab.settings import STATE, Problem, run

IMAGE = STATE / "data.img"
MOUNT = STATE / "data"
SIZE = 64 * 1024 * 1024
FILL = 17 * 1024 * 1024  # about 30 %


def is_mounted() -> bool:
    """Whether the loop file system is mounted."""
    return os.path.ismount(MOUNT)


def mount() -> bool:
    """Make and mount it when it is not; True when it was mounted just now. Where that can't be, say so and go on."""
    MOUNT.mkdir(parents=True, exist_ok=True)
    if is_mounted():
        return False
    try:
        if os.geteuid() != 0:
            raise Problem("mounting takes root")
        if not IMAGE.exists():
            with IMAGE.open("wb") as image:
                image.truncate(SIZE)
            run(["mkfs.ext4", "-q", "-F", "-m", "0", "-L", "lab-data", str(IMAGE)])
        run(["mount", "-o", "loop,nodev,nosuid,noexec", str(IMAGE), str(MOUNT)])
    except Problem as problem:
        print(f"/srv/data is a plain directory, no file system of its own: {problem}")
        return False
    archive = MOUNT / "archive.bin"
    if not archive.exists():
        archive.write_bytes(os.urandom(1024 * 1024) * (FILL // (1024 * 1024)))
    MOUNT.chmod(0o755)
    return True


def unmount() -> None:
    """Take it away again, and its loop device with it."""
    if is_mounted():
        run(["umount", str(MOUNT)])
    if Path("/sbin/losetup").exists() and IMAGE.exists():
        for line in run(["/sbin/losetup", "-j", str(IMAGE)], check=False).stdout.splitlines():
            run(["/sbin/losetup", "-d", line.split(":")[0]], check=False)
