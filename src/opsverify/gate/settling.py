"""Waiting after a change until everything answers, and keeps answering. Pure: looks, clock and sleep are given."""

from __future__ import annotations

from collections.abc import Callable

from opsverify.gate.settings import Gate
from opsverify.gate.story import Poll, Settling


def settle(
    poll: Callable[[], Poll], clock: Callable[[], float], sleep: Callable[[float], object], settings: Gate
) -> Settling:
    """Poll until nothing is waited for ``settle_polls`` times in a row.

    Args:
        poll: one look; it has to be bounded by itself.
        clock: seconds that only ever go forward.
        sleep: waits for so many seconds.
        settings: how many looks, how far apart, and for how long at most.

    Returns:
        All looks, whether or not it settled. None begins later than ``settle_seconds`` after the first one did.
    """
    begun = clock()
    polls: list[Poll] = []
    good = 0
    while True:
        polls.append(poll())
        good = 0 if polls[-1].waiting else good + 1
        passed = clock() - begun
        if good >= settings.settle_polls:
            return Settling(settled=True, seconds=round(passed, 3), polls=polls)
        if passed + settings.settle_interval_seconds > settings.settle_seconds:
            return Settling(settled=False, seconds=round(passed, 3), polls=polls)
        sleep(settings.settle_interval_seconds)
