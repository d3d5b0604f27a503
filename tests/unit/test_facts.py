"""What could not be got is told to every check that needs it, and costs the last of them what it costs the first."""

from __future__ import annotations

from collections.abc import Callable
from traceback import extract_tb
from typing import Any

import pytest

from opsverify.channels.base import Channel
from opsverify.channels.coding import SAME
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.run import Fact
from opsverify.transcript import Transcript


def traced(ask: Callable[[], Any], times: int = 5) -> list[list[str]]:
    """The functions in the traceback of each time."""
    found = []
    for _ in range(times):
        with pytest.raises(UnansweredError) as raised:
            ask()
        found.append([each.name for each in extract_tb(raised.tb)])
    return found


def test_a_fact_fails_from_where_it_failed_however_often() -> None:
    def probe() -> None:
        raise UnansweredError("no answer")

    try:
        probe()
    except UnansweredError as error:
        fact = Fact(None, error, [], ())
    found = traced(fact.get)
    assert found == [found[0]] * 5
    assert found[0][-1] == "probe"


def test_a_target_that_is_not_asked_again_says_no_more_the_next_time(transcript: Transcript) -> None:
    def send() -> None:
        raise UnreachableError("nobody there")

    class Web(Channel):
        kind = "web"

    channel = Web("there", "nobody", 1, transcript)
    found = traced(lambda: channel.exchange("question", send, SAME))
    assert found[1:] == [found[1]] * 4
