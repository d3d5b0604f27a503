"""Change records: what was changed, why, by whom, and that every step of the manual was taken.

One file a change, ``changes/<id>.toml`` beside the profile. A step that was not taken is absent, which is a finding of
a check; a file that is not well-formed is nobody's finding but a mistake in the file, and stops everything at once.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from opsverify.attestations import Inside, parsed, plausible
from opsverify.catalogue import Strict, Text
from opsverify.errors import UsageError

Class = Literal["emergency", "standard", "routine"]
Reason = Literal["security-fix", "recovery", "feature", "performance", "configuration", "monitoring-rules"]
# The manual, 变更管理 › 1. 变更分类: which reasons make which class.
CLASS_OF: dict[Reason, Class] = {
    "security-fix": "emergency",
    "recovery": "emergency",
    "feature": "standard",
    "performance": "standard",
    "configuration": "routine",
    "monitoring-rules": "routine",
}
Moment = Annotated[AwareDatetime, AfterValidator(plausible)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Image = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]*(-[A-Za-z0-9]+)+$")]


class Request(Strict):
    """The request: its number where it was filed, who made it, and when."""

    number: Text
    by: Text
    at: Moment


class Assessment(Strict):
    """What the change affects and what may go wrong."""

    impact: Text
    risk: Text
    by: Text
    at: Moment


class Trial(Strict):
    """The test in the test environment, with the file that bears it out."""

    environment: Text
    passed: bool
    result: Text
    by: Text
    at: Moment
    artefact: Inside
    sha256: Digest


class Approval(Strict):
    """Who let it be done."""

    by: Text
    at: Moment


class Span(Strict):
    """From when until when."""

    start: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="to")]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("to: expected later than from")
        return self


class Execution(Span):
    """Who did it, and when."""

    by: Text


class Verification(Strict):
    """What came of it."""

    passed: bool
    result: Text
    by: Text
    at: Moment


class Documentation(Strict):
    """The commit that brought the documents in line, or why there was nothing to bring in line."""

    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{7,40}$")] | None = None
    none_needed: Text | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.commit is None) == (self.none_needed is None):
            raise ValueError("expected either commit or none_needed")
        return self


class Rollback(Strict):
    """How to go back: the script on the host, and the image that it goes back to, by service.

    ``done`` is when the change was taken back; what ``running`` says is then what runs since.
    """

    plan: Text
    script: Text | None = None
    images: dict[Text, Image] = Field(default_factory=dict)
    done: Moment | None = None


class Running(Strict):
    """What runs after the change: a service with the digest of its image and of each file of its configuration.

    ``config`` is by path on the service's host: the whole of it, empty where there is none; None where the change left
    it as it was.
    """

    service: Text
    image: Image
    config: dict[Annotated[str, StringConstraints(pattern=r"^/[^\s]*$")], Digest] | None = None


class Difference(Strict):
    """A difference that the change is expected to make."""

    what: Text
    before: Annotated[Text, Field(alias="from")]
    after: Annotated[Text, Field(alias="to")]


class ScopeChange(Strict):
    """What the change takes into the scope of verification or out of it: a target, or one check of it.

    ``subject`` is the name of a target (``replica-2``) or of a check (``HLT-PG-05-replica-2``).
    """

    subject: Text
    becomes: Literal["added", "removed", "not-applicable", "applicable"]
    why: Text


class Record(Strict):
    """Something that is kept in a file of its own, which bears the name of its ``id``."""

    id: Id


R = TypeVar("R", bound=Record)


class Change(Record):
    """One change. ``areas`` are the chapters that it touches."""

    class_: Annotated[Class, Field(alias="class")]
    reason: Reason
    summary: Text
    areas: list[Text] = Field(default_factory=list)
    request: Request | None = None
    assessment: Assessment | None = None
    test: Trial | None = None
    approval: Approval | None = None
    window: Span | None = None
    execution: Execution | None = None
    verification: Verification | None = None
    documentation: Documentation | None = None
    rollback: Rollback | None = None
    running: list[Running] = Field(default_factory=list)
    expected: list[Difference] = Field(default_factory=list)
    scope: list[ScopeChange] = Field(default_factory=list)
    on_no_go: Annotated[list[Text], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_entry_of_a_service(self) -> Self:
        names = [each.service for each in self.running]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"running: the service {name!r} is given twice")
        return self

    @property
    def done(self) -> dt.datetime | None:
        """When it was carried out."""
        return self.execution.end if self.execution else None

    def runs(self, service: str) -> Running | None:
        """What runs of a service after the change; None where it names no such service."""
        return next((each for each in self.running if each.service == service), None)


def parse(text: str, file: str) -> Change:
    """The change of a file.

    Raises:
        UsageError: as `record`.
    """
    return record(Change, text, file)


def record(model: type[R], text: str, file: str) -> R:
    """The record of a file, which has to bear the name of its id.

    Raises:
        UsageError: one line with file and key.
    """
    found = parsed(model, text, file)
    if file.rpartition("/")[2] != f"{found.id}.toml":
        raise UsageError(f"{file}: id: {found.id!r} belongs in a file {found.id}.toml")
    return found
