"""What the checks of capacity share: when each limit will be reached, as things go."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from opsverify.channels.history import HistoryChannel
from opsverify.channels.web import WebChannel
from opsverify.days import Daily, ends
from opsverify.fixtures import Chart, Facts
from opsverify.judgement import Limit, Observation
from opsverify.past_runs import History
from opsverify.probes import attempt, daily
from opsverify.rules import forecast
from opsverify.run import Run, Subject

DAYS = 30  # of history that a forecast looks at, as far as they are there

Outlook = Callable[..., list[Observation]]


@pytest.fixture
def own_outlook(run: Run, subject: Subject, history: HistoryChannel, chart: Chart) -> Outlook:
    """``own_outlook(limit, values)``: the same of what only the suite itself remembers; ``values`` of now by name."""

    def look(limit: Limit, values: Mapping[str, float]) -> list[Observation]:
        past = attempt(history.earlier)
        earlier = past.value or History(())
        known = forecast.of_own_runs(earlier, subject.requirement, subject.target, values, run.started.date())
        draw(chart, known, limit)
        return [*forecast.untils(known, limit, forecast.OWN_RUNS), forecast.rests_on(earlier, past.failure)]

    return look


def draw(chart: Chart, known: Mapping[str, Sequence[Daily]], limit: Limit) -> None:
    """A picture of each that is known, with its limit and its forecast."""
    for name, days in known.items():
        chart(name, limit.unit, forecast.points(days), limit.number, forecast.line(days))


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
        known = forecast.remembered(past, expected, coverage, what)
        draw(chart, known, limit)
        source = forecast.PROMETHEUS if past.value is not None else f"Prometheus said: {past.failure}"
        return forecast.untils(known, limit, source)

    return look
