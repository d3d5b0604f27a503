"""Facts from Jaeger: the spans of a service that arrived last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import about

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRACES = 20  # that are asked for: Jaeger gives the newest ones


@dataclass(frozen=True)
class Spans:
    """Spans of one service among the traces that came: how many, and when the last of them ended (UTC)."""

    count: int
    newest: datetime | None


def spans(tracing: WebChannel, service: str) -> Spans:
    """The spans of the newest traces of a service, by Jaeger's query service.

    Raises:
        UnansweredError: it does not answer as it should.
    """
    with about(f"tracing {tracing.target}: traces of {service}"):
        answer = tracing.get("/api/traces", {"service": service, "limit": str(TRACES)})
        if answer.status != 200:
            raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
        return parse_spans(answer.text, service)


def parse_spans(text: str, service: str) -> Spans:
    """The spans of /api/traces that are of this service; a trace has those of others too.

    Raises:
        UnansweredError: it is no such answer, or one with errors.
    """
    try:
        told = json.loads(text)
        if told.get("errors"):
            raise UnansweredError(f"answered with errors: {str(told['errors'])[:200]}")
        ends = [
            _end(span)
            for trace in told["data"] or []
            for span in trace["spans"]
            if trace["processes"][span["processID"]]["serviceName"] == service
        ]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise UnansweredError(f"no traces in the answer: {error!r}"[:300]) from None
    return Spans(len(ends), max(ends, default=None))


def _end(span: dict[str, Any]) -> datetime:
    """When a span ended; Jaeger counts microseconds."""
    times = (span["startTime"], span["duration"])
    if any(isinstance(each, bool) or not isinstance(each, int) or each < 0 for each in times):
        raise ValueError(f"no times of a span: {times!r}")
    return EPOCH + timedelta(microseconds=sum(times))
