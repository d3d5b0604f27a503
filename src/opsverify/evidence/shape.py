"""The shape of what a run leaves behind, as far as its views need it: what is otherwise is no record of a run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FiniteFloat,
    StringConstraints,
)

from opsverify.catalogue import Severity
from opsverify.record import STATES, State


def _each(states: dict[State, int]) -> dict[State, int]:
    missing = [state for state in STATES if state not in states]
    if missing:
        raise ValueError(f"without {', '.join(missing)}")
    return states


Verdict = Annotated[str, StringConstraints(pattern=r"^(met|not met|undetermined|met under [0-9]{1,9} waivers?)$")]


class Part(BaseModel):
    """A part of a record; keys that no view has a use for are let be."""

    model_config = ConfigDict(strict=True)


class Observation(Part):
    """What a check observed."""

    name: str
    observed: Any
    expected: str
    met: bool
    unit: str


class Statement(Part):
    """What a person stated."""

    statement: str
    by: str
    reviewed_by: str
    date: str
    expires: str
    artefact: str = ""
    sha256: str = ""


class NotApplicable(Part):
    """Why something is out of place."""

    reason: str
    approved_by: str
    expires: str


class Waiver(Part):
    """A waiver, as a result that failed under it has it."""

    requirement: str
    subject: str
    reason: str
    risk: str
    requested_by: str
    approved_by: str
    ticket: str
    created: str
    expires: str
    days_left: int


class InForce(Waiver):
    """A waiver, as the register of the run has it."""

    severity: Severity
    must_pass: bool
    use: str
    expiring: bool
    checks: dict[str, str]


class Check(Part):
    """A result."""

    worker: str = ""
    requirement: str
    title: str
    title_zh: str
    chapter: str
    manual: str
    severity: Severity
    kind: list[str]
    must_pass: bool
    target: str
    target_kind: str
    state: State
    result: State
    observations: list[Observation]
    message: str
    remedy: str
    remedy_zh: str
    not_applicable: NotApplicable | None
    waiver: Waiver | None
    statements: list[Statement]
    exchanges: list[str]
    duration_s: float
    check: str


class Signing(Part):
    """Who signs the run; nobody, and why."""

    signed_by: str
    key: str
    unsigned_because: str


class Clock(Part):
    """The clock of a target, as `clocks.Skew` has it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    channel: str
    target: str
    seconds: FiniteFloat
    bound: FiniteFloat
    answers: int
    steady: bool


class Clocks(Part):
    """The clocks of all targets, and those that told no time."""

    targets: list[Clock]
    unknown: list[str]


class Run(Part):
    """Who ran what, where and with what."""

    id: str
    purpose: str
    change: str
    profile: str
    profile_file: str
    profile_sha256: str
    user: str
    runner: str
    ci: str
    suite_version: str
    suite_commit: str
    python: str
    dependencies: dict[str, str]
    duration_s: float
    partial: bool
    selection: str
    verdict: Verdict
    waived: list[str]
    evidence: Signing | None = None
    clocks: Clocks | None = None


class Limit(Part):
    """A limit in force."""

    name: str
    expected: str
    unit: str
    origin: str


class Covered(Part):
    """A requirement, and what covers it."""

    requirement: str
    title: str
    title_zh: str
    manual: str
    severity: Severity
    limits: list[Limit]
    states: dict[str, int]
    checks: list[str]


class Population(Part):
    """What was to be checked."""

    total: int
    states: Annotated[dict[State, int], AfterValidator(_each)]
    reconciled: bool
    strays: list[str]
    targets: dict[str, list[str]]


class Waivers(Part):
    """The register of waivers."""

    file: str
    sha256: str
    entries: list[InForce]


class Title(Part):
    """A control."""

    title: str
    title_zh: str


class Framework(Part):
    """A framework of controls."""

    name: str
    name_zh: str
    controls: dict[str, Title]


class NoControl(Part):
    """Requirements that nothing in a framework asks for."""

    framework: str
    requirements: list[str]
    reason: str
    reason_zh: str


class Served(Part):
    """Requirements whose evidence serves controls, and why."""

    why: str
    why_zh: str
    requirements: list[str]
    soc2: list[str] | None
    iso27001: list[str] | None
    mlps: list[str] | None


class Controls(Part):
    """The mapping of requirements to controls."""

    frameworks: dict[Literal["soc2", "iso27001", "mlps"], Framework]
    mappings: list[Served]
    none: list[NoControl]


class Document(Part):
    """A ``results.json``."""

    run: Run
    population: Population
    waivers: Waivers
    scores: dict[str, Any]
    checks: list[Check]
    coverage: list[Covered]
    controls: Annotated[Controls | None, BeforeValidator(lambda it: it or None)] = None


class Masked(Part):
    """How often a secret was masked, and in which form."""

    secret: str
    form: str
    times: int


class Withheld(Part):
    """A file in which a secret was found."""

    file: str


class Searched(Part):
    """What was searched for secrets at the end."""

    files: int
    bytes: int


class Redactions(Part):
    """A ``redactions.json``."""

    exchanges: dict[str, list[Masked]]
    checks: dict[str, list[Masked]]
    elsewhere: list[Masked]
    searched: Searched | None
    withheld: list[Withheld]


class Moments(BaseModel):
    """When a run began and ended."""

    start: AwareDatetime
    end: AwareDatetime
