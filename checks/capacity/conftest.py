"""What the checks of capacity share: when each limit will be reached, as things go."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from opsverify.channels.web import WebChannel
from opsverify.days import ends
from opsverify.fixtures import Chart, Facts
from opsverify.judgement import Limit, Observation
from opsverify.probes import daily
from opsverify.rules import forecast

DAYS = 30  # of history that a forecast looks at, as far as they are there

Outlook = Callable[..., list[Observation]]


@pytest.fixture
def outlook(prometheus: WebChannel, fact: Facts, chart: Chart, now: Any) -> Outlook:
    """``outlook(limit, coverage, what, probe, *arguments)``: days until the limit, and a picture of those that were.

    Nothing of it is judged, so a history that cannot be had fails nothing.
    """

    def look(
        limit: Limit,
        coverage: Limit | None,
        what: str,
        probe: Callable[..., Any],
        *arguments: Any,
        of: Sequence[str] | None = None,
    ) -> list[Observation]:
        past = fact(daily.history, probe, prometheus, *arguments, ends(now, DAYS))
        expected = prometheus.spec.instances if of is None else of  # type: ignore[attr-defined]
        known = forecast.remembered(past, expected, coverage)
        for name, days in known.items():
            chart(f"{name} {what}", limit.unit, forecast.points(days), limit.number, forecast.line(days))
        source = forecast.PROMETHEUS if past.value is not None else f"Prometheus said: {past.failure}"
        return forecast.untils(known, limit, what, source)

    return look
