"""Progress is shown to those who have waited, and cleared away."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opsverify.progress import ERASED, ProgressLine


def shown(*, tty: bool, until: int, step: int = 1) -> list[str]:
    time, written = 0, list[str]()
    line = ProgressLine(written.append, tty=tty, clock=lambda: float(time))
    line("verifying x", 0, until)
    for time in range(step, until, step):
        line("verifying x", time, until)
    line("verifying x", until, until)
    return written


def test_a_terminal_has_one_line_that_changes_and_goes() -> None:
    assert shown(tty=True, until=4) == [
        "\nverifying x: 2 of 4 read, 2 s",
        f"{ERASED}verifying x: 3 of 4 read, 3 s",
        ERASED,
    ]


def test_elsewhere_there_is_a_line_now_and_then() -> None:
    assert shown(tty=False, until=24) == [
        "\nverifying x: 2 of 24 read, 2 s\n",
        "verifying x: 12 of 24 read, 12 s\n",
        "verifying x: 22 of 24 read, 22 s\n",
    ]


@pytest.mark.parametrize("tty", [True, False])
def test_nobody_is_bothered_with_what_is_quick(tty: bool) -> None:
    assert shown(tty=tty, until=2) == []


def test_each_reading_has_its_own_time() -> None:
    time, written = [0.0], list[str]()
    line: Callable[[str, int, int], None] = ProgressLine(written.append, tty=False, clock=lambda: time[0])
    for begun in (0.0, 100.0):
        time[0] = begun
        line("verifying x", 0, 9)
        time[0] = begun + 3
        line("verifying x", 1, 9)
        line("verifying x", 9, 9)
    assert written == ["\nverifying x: 1 of 9 read, 3 s\n"] * 2
