"""What the checks of capacity share: when each limit will be reached, as things go."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from opsverify import readings
from opsverify.channels.history import HistoryChannel
from opsverify.channels.shell import Host
from opsverify.channels.web import WebChannel
from opsverify.days import Daily, Span, ends
from opsverify.fixtures import Chart, Facts
from opsverify.judgement import Limit, Observation
from opsverify.past_runs import History
from opsverify.probes import attempt, daily, machine
from opsverify.record import recorder_of
from opsverify.rules import forecast
from opsverify.run import Run, Subject

DAYS = 30  # of history that a forecast looks at, as far as they are there

Outlook = Callable[..., list[Observation]]


@pytest.fixture
def own_outlook(run: Run, subject: Subject, history: HistoryChannel, chart: Chart) -> Outlook:
    """``own_outlook(limit, now, days)``: the same of what only the suite itself remembers.

    ``now`` are values by their name in this run's observations and in those of earlier ones; ``days`` what is known
    by day already.
    """

    def look(
        limit: Limit, now: Mapping[str, float] | None = None, days: Mapping[str, Sequence[Daily]] | None = None
    ) -> list[Observation]:
        past = attempt(history.earlier)
        earlier = past.value or History(())
        today = run.started.date()
        known = days or forecast.of_own_runs(earlier, subject.requirement, subject.target, now or {}, today)
        draw(chart, known, limit)
        return [*forecast.untils(known, limit, forecast.OWN_RUNS), forecast.rests_on(earlier, past.failure)]

    return look


@pytest.fixture
def recorded(subject: Subject, history: HistoryChannel) -> list[Mapping[str, float]]:
    """What earlier runs recorded of the subject of this check."""
    return history.earlier().readings(subject.requirement, subject.target)


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[readings.Cpu | readings.Memory], None]:
    """Record a reading for later runs, whether or not there is enough to judge by today."""
    return lambda reading: recorder_of(request.node).observe(readings.shown(reading))


@pytest.fixture
def own_cpu(host: Host, fact: Facts, now: datetime, recorded: Any, keep: Any) -> list[Span]:
    """The mean CPU use between earlier runs, and between the last of them and now."""
    found: machine.Processor = fact(machine.processor, host)
    reading = readings.Cpu(now.timestamp(), found.booted, found.ticks, found.idle)
    keep(reading)
    return readings.cpu_spans([*readings.cpu(recorded), reading])


@pytest.fixture
def own_memory(host: Host, fact: Facts, now: datetime, recorded: Any, keep: Any) -> list[readings.Memory]:
    """The memory in use in earlier runs and now."""
    found: machine.Memory = fact(machine.memory, host)
    reading = readings.Memory(now.timestamp(), 1 - found.available / found.total)
    keep(reading)
    return [*readings.memory(recorded), reading]


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
