"""Rules of what incident records tell: that each step of the manual was taken, and when.

A record is judged once it is due: so many days after the incident began, for it is written while people work on it.
What was only done after that cannot have been written down by then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from opsverify.incidents import Incident
from opsverify.judgement import CLOCK_TOLERANCE, Limits, Observation, holds
from opsverify.probes.alerts import Severity
from opsverify.rules.people import placeholder
from opsverify.rules.statements import complete

# What stands where something still has to be written.
FILLERS = frozenset("- -- ? ... … tbd tba todo n/a na xxx unknown open later 待定 待补充 未知 无记录".split())  # noqa: SIM905


class Moments(NamedTuple):
    """When a record had to be complete, and when it is looked at."""

    due: datetime
    now: datetime


Look = Callable[[Incident, Moments], list[Observation]]


def due(incidents: Sequence[Incident], severity: Severity, limits: Limits, now: datetime) -> list[Incident]:
    """The incidents of a severity whose records have to be complete."""
    began = now - timedelta(days=limits.written_days.number)
    return [each for each in incidents if each.severity == severity and each.started <= began]


def complete_in(
    incidents: Sequence[Incident], severity: Severity, look: Look, limits: Limits, now: datetime
) -> list[Observation]:
    """Every record of a severity that is due shows what ``look`` looks for.

    Raises:
        InsufficientFactsError: there is no record that is due.
    """
    found = due(incidents, severity, limits, now)
    within = timedelta(days=limits.written_days.number)
    young = sum(each.severity == severity for each in incidents) - len(found)
    lacking = (
        [] if found else [f"no record of a {severity} alert that is due ({young} younger): nothing shows the step"]
    )
    return complete([one for each in found for one in look(each, Moments(each.started + within, now))], lacking)


def written(text: str | None) -> bool:
    """Tell whether a text says anything."""
    return text is not None and text.strip().casefold() not in FILLERS


def impact(incident: Incident, moments: Moments) -> list[Observation]:  # noqa: ARG001
    """Which services, users and data were affected."""
    found = incident.impact
    if found is None:
        return [_lacks(incident, "impact", "services, users and data that were affected")]
    return [
        _says(incident, f"affected {name}", getattr(found, name), "said, if only that there were none")
        for name in ("services", "users", "data")
    ]


def plan(incident: Incident, moments: Moments) -> list[Observation]:
    """Which plan was put into action, by whom and when."""
    found = incident.plan
    if found is None:
        return [_lacks(incident, "emergency plan", "the plan that was followed, by whom and when")]
    return [
        _says(incident, "emergency plan", found.name, "named"),
        somebody(incident, "plan activated by", found.by),
        _in_time(incident, "plan activated at", found.at, moments.due),
    ]


def notified(incident: Incident, moments: Moments) -> list[Observation]:
    """Which teams were told, and when."""
    if not incident.notified:
        return [_lacks(incident, "teams notified", "at least one, with the time")]
    seen = [_in_time(incident, "first notified at", min(each.at for each in incident.notified), moments.due)]
    for each in incident.notified:
        seen.append(_says(incident, "team notified", each.team, "named"))
        seen.append(_in_time(incident, f"{each.team} notified at", each.at, moments.now))
    return seen


def timeline(incident: Incident, moments: Moments) -> list[Observation]:
    """What happened from the first signal to the end, in order, and who did it."""
    events = incident.timeline
    if len(events) < 2:
        return [_lacks(incident, "timeline", "at least its beginning and its end", f"{len(events)} entries")]
    times = [each.at for each in events]
    began = incident.acknowledged.at if incident.acknowledged else incident.started
    began = max(began, incident.started + CLOCK_TOLERANCE)
    seen = [
        holds(f"{incident.id}: timeline in order", times == sorted(times), "yes", times == sorted(times)),
        holds(f"{incident.id}: timeline begins", f"{times[0]}", f"at {began} or before", times[0] <= began),
        _in_time(incident, "last entry of the timeline", times[-1], moments.now),
    ]
    if incident.ended is not None:
        ended = incident.ended - CLOCK_TOLERANCE
        seen.append(holds(f"{incident.id}: timeline ends", f"{times[-1]}", f"at {ended} or later", times[-1] >= ended))
    for each in events:
        seen += [
            somebody(incident, f"{each.at:%H:%M} by", each.by),
            _says(incident, f"{each.at:%H:%M}", each.what, "said"),
        ]
    return seen


def cause(incident: Incident, moments: Moments) -> list[Observation]:  # noqa: ARG001
    """What was at the root of it."""
    return [_says(incident, "root cause", incident.root_cause, "stated")]


def fixes(incident: Incident, moments: Moments) -> list[Observation]:  # noqa: ARG001
    """What is done about it, by whom and until when."""
    if not incident.fixes:
        return [_lacks(incident, "plan to mend it", "at least one step, with an owner and a date")]
    seen = []
    for each in incident.fixes:
        seen.append(_says(incident, "to be done", each.what, "said"))
        seen.append(somebody(incident, f"owner (due {each.due})", each.owner))
        first = incident.started.date()
        seen.append(holds(f"{incident.id}: due", f"{each.due}", f"{first} or later", each.due >= first))
    return seen


def prevention(incident: Incident, moments: Moments) -> list[Observation]:  # noqa: ARG001
    """What keeps it from coming back."""
    return [_says(incident, "prevention", incident.prevention, "stated")]


def _lacks(incident: Incident, name: str, expected: str, observed: str = "none") -> Observation:
    return holds(f"{incident.id}: {name}", observed, expected, met=False)


def _says(incident: Incident, name: str, text: str | None, expected: str) -> Observation:
    return holds(f"{incident.id}: {name}", text or "nothing", expected, written(text))


def somebody(incident: Incident, name: str, person: str) -> Observation:
    """Somebody is named, and by a name that is nobody's filler."""
    real = written(person) and not placeholder(person)
    return holds(f"{incident.id}: {name}", person, "somebody by name", real)


def _in_time(incident: Incident, name: str, at: datetime, until: datetime) -> Observation:
    first, last = incident.started - CLOCK_TOLERANCE, until + CLOCK_TOLERANCE
    expected = f"from {incident.started} until {until:%Y-%m-%d %H:%M:%S %Z}"
    return holds(f"{incident.id}: {name}", f"{at}", expected, first <= at <= last)
