"""python -m lab up | down | status | wait | history"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator

from lab import engine, history, stack
from lab.settings import LAB, Problem, step


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One command at a time may change the lab; a second one waits."""
    folder = os.open(LAB, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another lab command to end …", flush=True)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def main() -> int:
    """Do what the command line says; a problem is one line and exit 1."""
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="The lab: a production-like stack to verify and to break."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring it up, whatever is there already")
    down = commands.add_parser("down", help="take it away, leave nothing behind")
    down.add_argument("--keep-images", action="store_true", help="keep the images, so that the next up is fast")
    commands.add_parser("status", help="show every service; exit 0 only when all are healthy")
    wait = commands.add_parser("wait", help="wait until all are healthy")
    wait.add_argument("--seconds", type=float, default=180)
    past = commands.add_parser("history", help="replace Prometheus' past by another one")
    past.add_argument("--cpu", type=float, default=35.0, metavar="PERCENT", help="mean busy CPU (default: 35)")
    past.add_argument("--memory", type=float, default=45.0, metavar="PERCENT", help="mean memory in use (default: 45)")
    given = parser.parse_args()
    try:
        if given.command == "status":
            return 0 if stack.status() else 1
        if given.command == "wait":
            stack.wait(given.seconds)
            return 0
        with alone():
            if given.command == "up":
                stack.up()
            elif given.command == "down":
                stack.down(given.keep_images)
            else:
                engine.ensure()
                with step("Giving Prometheus another past"):
                    history.backfill(given.cpu / 100, given.memory / 100)
                    stack.wait()
    except Problem as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; run the command again to go on", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
