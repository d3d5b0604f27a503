"""The roster: whom the manual's contacts, duty shifts and levels of escalation stand for.

``roster.toml`` is itself a person's statement, so it begins with who made it, who read it over and how long it holds.
Times without an offset are those of its ``timezone``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from opsverify.attestations import Statement, parsed, plausible, same_person
from opsverify.catalogue import Strict, Text
from opsverify.targets import Zone

Role = Literal[
    "operations-manager",
    "system-administrator",
    "database-administrator",
    "senior-system-administrator",
    "architect",
    "technical-lead",
    "cto",
    "engineer",
]
Team = Literal["operations", "support", "security"]
Duty = Literal["weekday", "emergency"]


class Mail(Strict):
    """The mail addresses of the teams."""

    operations: Text | None = None
    support: Text | None = None
    security: Text | None = None


class Contacts(Strict):
    """What is called and written to in an emergency."""

    phone: Text | None = None
    mail: Mail = Mail()


class Person(Strict):
    """Someone who holds roles or takes shifts."""

    name: Text
    roles: Annotated[list[Role], Field(min_length=1)]
    mail: Text
    phone: Text | None = None


class Shift(Strict):
    """When a person is on duty, from ``start`` until just before ``end``."""

    person: Text
    start: Annotated[dt.datetime, Field(alias="from"), AfterValidator(plausible)]
    end: Annotated[dt.datetime, Field(alias="to"), AfterValidator(plausible)]
    duty: Duty


class Level(Strict):
    """One level of escalation: holders of roles, people by name, or whoever is on duty."""

    level: Annotated[int, Field(ge=1, le=4)]
    roles: list[Role] = Field(default_factory=list)
    people: list[Text] = Field(default_factory=list)
    duty: bool = False
    severe_only: bool = False

    @model_validator(mode="after")
    def _names_someone(self) -> Self:
        if not (self.roles or self.people or self.duty):
            raise ValueError("expected roles, people or duty = true")
        return self


class Span(NamedTuple):
    """A stretch of time (UTC) and whose it is."""

    start: dt.datetime
    end: dt.datetime
    person: str = ""


class Roster(Statement):
    """Contacts, people, shifts and escalation."""

    timezone: Zone
    contacts: Contacts = Contacts()
    people: list[Person] = Field(default_factory=list)
    shifts: list[Shift] = Field(default_factory=list)
    escalation: list[Level] = Field(default_factory=list)

    @model_validator(mode="after")
    def _refers_to_people_it_names(self) -> Self:
        for position, person in enumerate(self.people):
            if any(same_person(person.name, other.name) for other in self.people[:position]):
                raise ValueError(f"people.{position}.name: {person.name!r} is given twice")
        known = [each.name for each in self.people]
        named = [(f"shifts.{position}.person", each.person) for position, each in enumerate(self.shifts)]
        for position, level in enumerate(self.escalation):
            if level.level in [each.level for each in self.escalation[:position]]:
                raise ValueError(f"escalation.{position}.level: {level.level} is given twice")
            named += [(f"escalation.{position}.people", name) for name in level.people]
        for key, name in named:
            if name not in known:
                raise ValueError(f"{key}: {name!r} is not among the people (there are: {', '.join(known) or 'none'})")
        return self

    @model_validator(mode="after")
    def _shifts_end_after_they_begin(self) -> Self:
        for position, shift in enumerate(self.shifts):
            start = _moment(shift.start, self.zone, f"shifts.{position}.from")
            end = _moment(shift.end, self.zone, f"shifts.{position}.to")
            if end <= start:
                raise ValueError(f"shifts.{position}.to: {shift.end} is not after from ({shift.start})")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone that its times are in."""
        return ZoneInfo(self.timezone)

    def spans(self, *duties: Duty) -> list[Span]:
        """The shifts of these duties in UTC, by their beginning."""
        return sorted(
            Span(_moment(each.start, self.zone), _moment(each.end, self.zone), each.person)
            for each in self.shifts
            if each.duty in duties
        )

    def person(self, name: str) -> Person:
        """The person of that name."""
        return next(each for each in self.people if each.name == name)

    def holders(self, role: Role) -> list[Person]:
        """Who holds a role."""
        return [each for each in self.people if role in each.roles]

    def team(self, team: Team) -> str | None:
        """The mail address of a team."""
        return {
            "operations": self.contacts.mail.operations,
            "support": self.contacts.mail.support,
            "security": self.contacts.mail.security,
        }[team]

    def reached(self, level: int) -> tuple[Level, list[Person]] | None:
        """A level of escalation and the people it names, by name or by role; None when it is not there."""
        for each in self.escalation:
            if each.level == level:
                chosen = [
                    one
                    for one in self.people
                    if one.name in each.people or any(role in each.roles for role in one.roles)
                ]
                return each, chosen
        return None


def parse(text: str, file: str) -> Roster:
    """The roster of a file.

    Raises:
        UsageError: one line with file and key.
    """
    return parsed(Roster, text, file)


def _moment(time: dt.datetime, zone: ZoneInfo, key: str = "") -> dt.datetime:
    """A time of the file in UTC, so that no arithmetic is done across a change of the clocks.

    Raises:
        ValueError: the clocks leave that local time out, or show it twice.
    """
    if time.tzinfo is not None:
        return time.astimezone(dt.UTC)
    first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if first != second:
        twice = first < second
        what = "is shown twice" if twice else "is left out"
        raise ValueError(f"{key}: {time} {what} by the clocks of {zone.key}; give it with its offset, such as +01:00")
    return first


def gaps(spans: Iterable[Span], start: dt.datetime, end: dt.datetime) -> list[Span]:
    """The stretches between ``start`` and ``end`` (UTC) in which no span lies; one that follows on leaves none."""
    found, covered = [], start
    for span in sorted(spans):
        if span.start >= end:
            break
        if span.start > covered:
            found.append(Span(covered, span.start))
        covered = max(covered, span.end)
    if covered < end:
        found.append(Span(covered, end))
    return found


def working_hours(zone: ZoneInfo, begins: dt.time, ends: dt.time, start: dt.datetime, end: dt.datetime) -> list[Span]:
    """The stretches from ``begins`` to ``ends`` by the clocks of ``zone``, Monday to Friday, within the window."""
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    found = []
    while day <= last:
        if day.isoweekday() <= 5:
            opens, closes = (dt.datetime.combine(day, time, zone).astimezone(dt.UTC) for time in (begins, ends))
            if max(opens, start) < min(closes, end):
                found.append(Span(max(opens, start), min(closes, end)))
        day += dt.timedelta(days=1)
    return found


def runs(spans: Sequence[Span]) -> list[Span]:
    """How long each person is on duty without a hand-over.

    Two shifts of a person belong to one run unless somebody else is on duty between them: an evening without duty is
    no hand-over.
    """
    found = []
    for person in dict.fromkeys(each.person for each in spans):
        others = [each for each in spans if each.person != person]
        run: Span | None = None
        for span in sorted(each for each in spans if each.person == person):
            if run is not None and not _taken_over(others, run.end, span.start):
                run = Span(run.start, max(run.end, span.end), person)
                continue
            found += [run] if run else []
            run = span
        found += [run] if run else []
    return found


def _taken_over(others: Iterable[Span], start: dt.datetime, end: dt.datetime) -> bool:
    return any(each.start < end and each.end > start for each in others) if start < end else False


def clock_days(span: Span, zone: ZoneInfo) -> float:
    """The length of a span in days by the clocks of ``zone``.

    From Monday 09:00 to Monday 09:00 is seven days, also in the week in which the clocks are put back.
    """
    start, end = (each.astimezone(zone).replace(tzinfo=None) for each in (span.start, span.end))
    return (end - start) / dt.timedelta(days=1)
