"""What a target's clock says. The answers are read out of the transcript, by `opsverify.clocks`, with their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.channels.shell import Host
from opsverify.clocks import DATABASE_ASKS, HOST_ASKS

if TYPE_CHECKING:
    from opsverify.channels.sql import SqlChannel


def ask(target: Host | SqlChannel) -> None:
    """Ask a host or a database for its time.

    Raises:
        UnreachableError, UnansweredError: it does not say.
    """
    if isinstance(target, Host):
        target.channel.ask(HOST_ASKS)
    else:
        from opsverify.channels.sql import Query  # noqa: PLC0415  its client is loaded where there is a database

        target.ask(Query(DATABASE_ASKS))
