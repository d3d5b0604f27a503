"""The rule of answering alerts: whatever fires, has fired or is on record was acknowledged in time.

Alertmanager knows no acknowledgement. A silence is one, whose start its server lets nobody set back, and so is the one
in an incident record. An alert that another one holds back is answered with that one.

Who silences alerts before they fire, for work that is planned, answers none: the time for an answer begins when the
silence ends. One that is planned for longer than the limit, and a record that is older, say nothing of new alerts: or
a silence of everything for years, and one record that was never closed, would answer all that is to come.

What Prometheus remembers to have fired for longer than the limit, unacknowledged, is a finding too: or it would
do to wait until an alert goes away by itself. What went away within the limit needed no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsverify.incidents import Incident
from opsverify.judgement import CLOCK_TOLERANCE, Limits, Observation, holds, unmet, within
from opsverify.probes.alert_rules import Group
from opsverify.probes.alerts import HOLE_S, Alert, Alerts, Episode, Severity, Silence
from opsverify.relabelling import Sender
from opsverify.routing import Configuration
from opsverify.rules.alerting import alerts, as_sent
from opsverify.rules.incident_records import somebody
from opsverify.rules.statements import complete

NEAR = timedelta(minutes=5)  # by which the start may differ of what Alertmanager and Prometheus tell of one firing


@dataclass(frozen=True)
class Firing:
    """One firing of an alert; ``end`` is None while it lasts."""

    labels: Mapping[str, str]
    start: datetime
    end: datetime | None = None

    def overlaps(self, start: datetime, end: datetime | None) -> bool:
        """Tell whether it was there at some moment from ``start`` until ``end`` (None: until now, and on)."""
        return (end is None or self.start <= end) and (self.end is None or start <= self.end)

    def __str__(self) -> str:
        told = (
            f"{name}={value}" for name, value in sorted(self.labels.items()) if name not in ("alertname", "severity")
        )
        until = f" to {self.end:%H:%M:%S}" if self.end else ""
        name = self.labels.get("alertname", "an alert without a name")
        return f"{name} ({', '.join(told)}), {self.start:%Y-%m-%d %H:%M:%S}{until} UTC"


@dataclass(frozen=True)
class Answers:
    """Everything by which an alert can be acknowledged, as of ``moment``; ``ahead`` bounds what is older than it."""

    silences: Sequence[Silence]
    incidents: Sequence[Incident]
    moment: datetime
    ahead: timedelta

    def to(self, firing: Firing) -> Iterator[tuple[datetime, str]]:
        """When a firing was acknowledged, not before it began, and by what."""
        for silence in self._covering(firing):
            if silence.start >= firing.start:
                yield silence.start, _by(silence)
        for incident in self.incidents:
            found = incident.acknowledged
            if found is None or found.at > self.moment + CLOCK_TOLERANCE or firing.start - found.at > self.ahead:
                continue
            if _of(incident, firing):
                yield max(found.at, firing.start), f"{found.by} in {incident.id}"

    def of_source(self, source: Firing) -> Iterator[tuple[datetime, str]]:
        """As `to`, for one that holds back another: that it is silenced for as long as it lasts answers both."""
        yield from self.to(source)
        until, by = self.silent_until(source)
        if by and until >= (source.end or self.moment):
            yield source.start, by

    def silent_until(self, firing: Firing) -> tuple[datetime, str]:
        """Until when silences that were there before a firing kept it silent, and which one did so last."""
        until, by = firing.start, ""
        for silence in self._covering(firing):
            planned = silence.end - silence.start <= self.ahead
            if planned and silence.start < firing.start and silence.end > until:
                until, by = silence.end, _by(silence)
        return until, by

    def _covering(self, firing: Firing) -> Iterator[Silence]:
        for silence in self.silences:
            in_force = silence.start <= self.moment and firing.overlaps(silence.start, silence.end)
            if in_force and silence.covers(firing.labels):
                yield silence


def _by(silence: Silence) -> str:
    return f"silence {silence.id[:8]} of {silence.by}"


def _of(incident: Incident, firing: Firing) -> bool:
    named = {"alertname": incident.alert, **incident.labels}.items() <= firing.labels.items()
    return named and firing.overlaps(incident.started - CLOCK_TOLERANCE, incident.ended)


def recent(incidents: Sequence[Incident], severity: Severity, limits: Limits, now: datetime) -> list[Incident]:
    """The incidents of a severity that are young enough for the time of their answer to count."""
    oldest = now - timedelta(days=limits.record_days.number)
    return [each for each in incidents if each.severity == severity and each.started >= oldest]


def answered(
    severity: Severity,
    groups: Sequence[Group],
    configuration: Configuration,
    sender: Sender,
    found: Alerts,
    silences: Sequence[Silence],
    past: Sequence[Episode],
    remembered: float,
    incidents: Sequence[Incident],
    limits: Limits,
    now: datetime,
) -> list[Observation]:
    """Every alert of a severity was acknowledged in time: what fires, what Prometheus remembers, what is on record.

    ``remembered`` is the share of the time looked back at that Prometheus has samples of.

    Raises:
        InsufficientFactsError: no rule makes such an alert, or Prometheus remembers too little.
    """
    moment = found.moment or now
    answers = Answers(silences, incidents, moment, timedelta(days=limits.ahead_days.number))
    live = {each.fingerprint: Firing(each.labels, each.started) for each in found.firing}
    before = _before(past, sender, list(live.values()), moment)
    seen = []
    for alert in found.firing:
        if alert.labels.get("severity") == severity:
            seen.append(_answer(live[alert.fingerprint], _sources(alert, live), answers, limits))
    everything = [*live.values(), *before]
    for firing in before:
        if firing.labels.get("severity") == severity:
            sources = (each for each in everything if _held_back(firing, each, configuration))
            seen.append(_answer(firing, sources, answers, limits))
    recorded = recent(incidents, severity, limits, now)
    counts = f"{sum(each.labels.get('severity') == severity for each in everything)} firings, {len(recorded)} records"
    looked = f"alerts now, in {limits.history_hours.number:g} hours, and records of {limits.record_days.number:g} days"
    seen = [each for each in seen if not each.met or len(seen) <= 20]  # those that are in time, while they are few
    seen += [one for each in recorded for one in _recorded(each, limits, now)]
    seen.append(holds(f"{severity} {looked}", counts, "looked at", met=True))
    lacking = _clocks(moment, now, live.values())
    if not any((as_sent(each, sender) or {}).get("severity") == severity for each in alerts(groups)):
        lacking.append(f"no rule that is loaded makes a {severity} alert, so there is nothing that could fire")
    if not limits.history_coverage.met(remembered):
        lacking.append(f"Prometheus has samples of {remembered:.0%} of the time looked back at")
    return complete(seen, lacking)


def _clocks(moment: datetime, now: datetime, live: Iterable[Firing]) -> list[str]:
    """What cannot be told since clocks differ: how long an alert has been firing is the difference of two."""
    lacking = []
    if abs(moment - now) > CLOCK_TOLERANCE:
        lacking.append(
            f"it is {moment:%Y-%m-%d %H:%M:%S} by Alertmanager's clock, {now:%Y-%m-%d %H:%M:%S} by ours (UTC)"
        )
    lacking += [f"{each} begins in the future" for each in live if each.start > moment + CLOCK_TOLERANCE]
    return lacking


def _before(past: Sequence[Episode], sender: Sender, live: Sequence[Firing], moment: datetime) -> list[Firing]:
    """What fired before, without what Alertmanager tells of as well."""
    lasting = moment - timedelta(seconds=HOLE_S)
    firings = [
        Firing(sender.sent(each.labels) or each.labels, each.start, None if each.end >= lasting else each.end)
        for each in past
    ]
    return [each for each in firings if not any(_same(each, other) for other in live)]


def _same(episode: Firing, alert: Firing) -> bool:
    """Whether Alertmanager tells of the same firing, from about its start: it may have been told late, or anew."""
    if not episode.labels.items() <= alert.labels.items():
        return False
    return episode.end is None and alert.start <= episode.start + NEAR


def _sources(alert: Alert, live: Mapping[str, Firing]) -> list[Firing]:
    return [live[each] for each in alert.held_back_by if each in live]


def _held_back(firing: Firing, other: Firing, configuration: Configuration) -> bool:
    if other is firing or not firing.overlaps(other.start, other.end):
        return False
    return any(each.holds_back(other.labels, firing.labels) for each in configuration.inhibitions)


def _answer(firing: Firing, sources: Iterable[Firing], answers: Answers, limits: Limits) -> Observation:
    end = firing.end or answers.moment
    begun, by = answers.silent_until(firing)
    given = list(answers.to(firing))
    if given or not limits.ack_seconds.met((end - begun).total_seconds()):
        for source in sources:
            for moment, answer in answers.of_source(source):
                through = f"{answer}, which holds it back with {source.labels.get('alertname', 'an alert')}"
                if source.end is None or source.end >= end:
                    given.append((max(moment, firing.start), through))
                elif source.start <= begun + NEAR and source.end > begun:  # held back only until then
                    begun, by = source.end, through
    name = f"{firing}, silent until {begun:%Y-%m-%d %H:%M:%S} by {by}" if by else str(firing)
    if not given:
        lasted = max(0.0, (end - begun).total_seconds())
        return within(f"{name}: fires without an answer for", lasted, limits.ack_seconds)
    moment, by = min(given)
    return within(f"{name}: answered by {by} after", max(0.0, (moment - begun).total_seconds()), limits.ack_seconds)


def _recorded(incident: Incident, limits: Limits, now: datetime) -> list[Observation]:
    """What a record tells of its answer, and that this can be so."""
    found = incident.acknowledged
    if found is None:
        lasted = ((incident.ended or now) - incident.started).total_seconds()
        return [within(f"{incident.id}: not acknowledged for", lasted, limits.ack_seconds)]
    after = (found.at - incident.started).total_seconds()
    seen = [within(f"{incident.id}: acknowledged by {found.by} after", after, limits.ack_seconds)]
    first, last = incident.started - CLOCK_TOLERANCE, now + CLOCK_TOLERANCE
    expected = "neither before it began nor in the future"
    seen.append(holds(f"{incident.id}: acknowledged at", f"{found.at}", expected, first <= found.at <= last))
    seen.append(somebody(incident, "acknowledged by", found.by))
    return [seen[0], *unmet(seen[1:])]
