"""What a target's clock says. The answers are read out of the transcript, by `opsverify.clocks`, with their bounds."""

from __future__ import annotations

from opsverify.channels.shell import Host
from opsverify.channels.sql import Query, SqlChannel
from opsverify.clocks import DATABASE_ASKS, HOST_ASKS

TIME = Query(DATABASE_ASKS)


def ask(target: Host | SqlChannel) -> None:
    """Ask a host or a database for its time.

    Raises:
        UnreachableError, UnansweredError: it does not say.
    """
    if isinstance(target, SqlChannel):
        target.ask(TIME)
    else:
        target.channel.ask(HOST_ASKS)
