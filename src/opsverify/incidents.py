"""Incident records: what happened after an alert, told so that others can learn from it.

One file an incident, ``incidents/<id>.toml`` beside the profile. As with changes: what was not done is absent, and a
finding of a check; a file that is not well-formed stops everything at once.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from opsverify.attestations import plausible
from opsverify.catalogue import Strict, Text
from opsverify.changes import Moment, Record, record


class Acknowledgement(Strict):
    """Who took it on, and when."""

    by: Text
    at: Moment


class Impact(Strict):
    """Which services, users and data were affected; "none" where none were."""

    services: Text
    users: Text
    data: Text


class Plan(Strict):
    """The emergency plan that was put into action."""

    name: Text
    by: Text
    at: Moment


class Notice(Strict):
    """Which team was told, and when."""

    team: Text
    at: Moment


class Event(Strict):
    """One entry of the timeline."""

    at: Moment
    by: Text
    what: Text


class Fix(Strict):
    """What will be done, by whom, until when."""

    what: Text
    owner: Text
    due: Annotated[dt.date, AfterValidator(plausible)]


class Incident(Record):
    """One incident. ``alert`` is the name of the alert, ``labels`` those that tell it from others of that name."""

    severity: Literal["critical", "warning"]
    alert: Text
    labels: dict[Text, Text] = Field(default_factory=dict)
    started: Moment
    ended: Moment | None = None
    acknowledged: Acknowledgement | None = None
    impact: Impact | None = None
    plan: Plan | None = None
    notified: list[Notice] = Field(default_factory=list)
    timeline: list[Event] = Field(default_factory=list)
    root_cause: Text | None = None
    fixes: list[Fix] = Field(default_factory=list)
    prevention: Text | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.ended is not None and self.ended < self.started:
            raise ValueError("ended: expected not before started")
        return self

    def shown(self) -> dict[str, str]:
        """As the record of a run keeps it: what people wrote down, by whoever is named in it first."""
        people = [self.acknowledged.by] if self.acknowledged else [each.by for each in self.timeline]
        return {
            "statement": f"Incident record {self.id}: {self.severity} alert {self.alert}",
            "by": people[0] if people else "nobody by name",
            "reviewed_by": "nobody (an incident record)",
            "date": (self.ended or self.started).astimezone(dt.UTC).date().isoformat(),
            "expires": "never",
        }


def parse(text: str, file: str) -> Incident:
    """The incident of a file.

    Raises:
        UsageError: as `opsverify.changes.record`.
    """
    return record(Incident, text, file)
