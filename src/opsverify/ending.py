"""Being told to end: Ctrl-C, a signal, a terminal that hangs up. All of them are one exception, and are heard once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any, Never

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ends_in_order() -> Iterator[None]:
    """Being told to end, or a terminal that hangs up, is as good as Ctrl-C: what was set up is taken away.

    Whoever is impatient and says so twice does not keep that from happening: from the first time on these signals are
    ignored, also behind this, for a process that was told to end has nothing more to do than that.

    Raises:
        KeyboardInterrupt: inside of it, when such a signal comes.
    """
    heard = _heard()

    def end(*_: Any) -> Never:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in heard}
    try:
        yield
    finally:
        for each, handler in before.items():
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, handler)


@contextlib.contextmanager
def heard_later() -> Iterator[None]:
    """Being told to end is heard when this is over: what is being started in it is then known to whoever ends it."""
    taken: list[int] = []
    before = {each: signal.signal(each, lambda number, _: taken.append(number)) for each in _heard()}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if taken:
            signal.raise_signal(taken[0])


def _heard() -> list[signal.Signals]:
    # With nohup, a terminal that hangs up is to be ignored, and is.
    return [each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN]
