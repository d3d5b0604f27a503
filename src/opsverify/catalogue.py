"""The catalogue: what the manual demands, one entry of ``checks/<chapter>/requirements.toml`` each."""

from __future__ import annotations

import ast
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from opsverify.errors import UsageError
from opsverify.judgement import Limit, Limits, Relation, Scalar, show

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Severity = Literal["critical", "high", "medium", "low"]
Kind = Literal["live", "config", "artefact", "attested"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
TargetKind = Literal[
    "host",
    "vault",
    "service",
    "service.api",
    "service.postgres",
    "service.redis",
    "service.nginx",
    "database",
    "cache",
    "api",
    "websocket",
    "listener",
    "prometheus",
    "alertmanager",
    "tracing",
    "link.grafana",
    "link.kibana",
    "link.status",
    "link.docs",
    "backups",
    "keystore.api",
    "keystore.keypairs",
    "logs.files",
    "logs.index",
    "logs.journal",
    "logs.containers",
    "replica",
    "vantage",
    "script.daily",
    "script.verify-backup",
    "script.audit",
    "script.deploy",
    "script.rollback",
    "program",
]


class Strict(BaseModel):
    """A model that accepts nothing it does not know and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LimitEntry(Strict):
    """One limit as written in a requirement: exactly one relation, a unit and who gave the number."""

    at_most: float | int | None = None
    at_least: float | int | None = None
    more_than: float | int | None = None
    less_than: float | int | None = None
    equals: Scalar | list[Scalar] = None
    unit: Text
    origin: Literal["manual", "sibling", "default"]

    @model_validator(mode="after")
    def _exactly_one_relation(self) -> Self:
        if len(list(self._given())) != 1:
            raise ValueError("exactly one of at_most, at_least, more_than, less_than, equals is expected")
        return self

    def _given(self) -> Iterator[tuple[Relation, Any]]:
        for relation in ("at_most", "at_least", "more_than", "less_than", "equals"):
            value = getattr(self, relation)
            if value is not None:
                yield relation, value

    def limit(self, name: str) -> Limit:
        """The limit under its name."""
        relation, value = next(self._given())
        return Limit(name, relation, tuple(value) if isinstance(value, list) else value, self.unit, self.origin)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Requirement(Strict):
    """One demand of the manual. ``chapter`` is the folder that the entry stands in.

    ``stand_in``: of the kinds of target, those further back stand in for the first, where the profile has none of it.
    """

    chapter: str
    id: Annotated[str, StringConstraints(pattern=r"^[A-Z]+(-[A-Z0-9]+)*-\d\d$")]
    title: Text
    title_zh: Text
    manual: Text
    lines: Annotated[str, StringConstraints(pattern=r"^\d+(-\d+)?(,\d+(-\d+)?)*$")]
    statement: Text
    statement_zh: Text
    severity: Severity
    kind: Annotated[list[Kind], Field(min_length=1)]
    missing: Literal["fail", "error", "not-applicable"]
    must_pass: bool
    remedy: Text
    remedy_zh: Text
    target: Annotated[list[TargetKind], BeforeValidator(_as_list), Field(min_length=1)]
    stand_in: bool = False
    limits: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")], LimitEntry] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _statements_name_their_limits(self) -> Self:
        for text in (self.statement, self.statement_zh):
            for name in re.findall(r"\{(\w+)\}", text):
                if name not in self.limits:
                    raise ValueError(f"the statement names a limit {{{name}}} that the entry does not have")
        return self

    @property
    def target_kinds(self) -> tuple[TargetKind, ...]:
        """The kinds of target that it applies to; most requirements have one."""
        return tuple(self.target)

    @property
    def heading(self) -> str:
        """Where the manual says it: heading path and lines."""
        return f"{self.manual} ({self.lines})"

    def own_limits(self) -> list[Limit]:
        """The limits as the catalogue gives them."""
        return [entry.limit(name) for name, entry in self.limits.items()]


class Catalogue(Mapping[str, Requirement]):
    """All requirements by id, in the order of their files, with the effective limits of one profile."""

    def __init__(self, requirements: Iterable[Requirement], overrides: Mapping[str, Mapping[str, Any]] | None = None):
        self._requirements = {each.id: each for each in requirements}
        self._overrides = overrides or {}

    def __getitem__(self, key: str) -> Requirement:
        return self._requirements[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._requirements)

    def __len__(self) -> int:
        return len(self._requirements)

    @property
    def chapters(self) -> list[str]:
        """The chapters, in the order of their folders."""
        return list(dict.fromkeys(each.chapter for each in self.values()))

    def limits(self, requirement: str) -> Limits:
        """The limits in force for a requirement: the catalogue's, tightened by the profile."""
        changed = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self._overrides.get(requirement, {}).items()
        }
        return Limits(
            requirement,
            [
                Limit(each.name, each.relation, changed.get(each.name, each.value), each.unit, each.origin)
                for each in self[requirement].own_limits()
            ],
        )

    def with_overrides(self, overrides: Mapping[str, Mapping[str, Any]], *, file: Path) -> Catalogue:
        """The same catalogue under a profile's ``[limits]``.

        A limit of the manual or its siblings may only be tightened; one that the suite chose itself
        (``origin = "default"``) may be set freely.

        Raises:
            UsageError: an unknown requirement or limit, a wrong type, or a loosened limit.
        """
        for key, limit, value in self._held(overrides, file):
            if limit.origin != "default" and limit.loosened_by(value):
                raise UsageError(
                    f"{key}: {value!r} is looser than the manual ({limit} {limit.unit}); "
                    "a profile may only tighten it, loosening takes a waiver"
                )
        return Catalogue(self.values(), overrides)

    def tried(self, limits: Mapping[str, Mapping[str, Any]], *, file: Path) -> Catalogue:
        """The same catalogue with other limits on top, looser ones too: for a trial on a run that is over.

        Raises:
            UsageError: an unknown requirement or limit, or a wrong type.
        """
        for _ in self._held(limits, file):
            pass
        both = {name: {**self._overrides.get(name, {}), **limits.get(name, {})} for name in self}
        return Catalogue(self.values(), {name: values for name, values in both.items() if values})

    def _held(self, overrides: Mapping[str, Mapping[str, Any]], file: Path) -> Iterator[tuple[str, Limit, Any]]:
        """Every override with its key and the limit that it is for."""
        for requirement, changes in overrides.items():
            if requirement not in self:
                raise UsageError(f"{file}: limits.{requirement}: no such requirement in the catalogue")
            own = {each.name: each for each in self[requirement].own_limits()}
            for name, value in changes.items():
                key = f"{file}: limits.{requirement}.{name}"
                if name not in own:
                    raise UsageError(f"{key}: no such limit; {requirement} has: {', '.join(sorted(own)) or 'none'}")
                limit = own[name]
                if isinstance(limit.value, int | float) and (
                    isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
                ):
                    raise UsageError(f"{key}: got {value!r}, expected a number of {limit.unit}")
                parts = value if isinstance(value, list) else [value]
                if not isinstance(limit.value, int | float) and not (
                    {type(each) for each in parts} <= {type(each) for each in limit.values}
                ):
                    raise UsageError(f"{key}: got {value!r}, expected the like of {show(limit.value)}")
                yield key, limit, value


def load(checks: Path) -> Catalogue:
    """Read every ``requirements.toml`` below ``checks``.

    Raises:
        UsageError: a file that is no TOML, an entry that is malformed, or an id that is given twice.
    """
    files = sorted(checks.glob("*/requirements.toml"))
    if not files:
        raise UsageError(f"{checks}: no <chapter>/requirements.toml found; expected the catalogue there")
    found: dict[str, tuple[Requirement, Path]] = {}
    for file in files:
        for requirement in _read(file):
            if requirement.id in found:
                raise UsageError(f"{file}: {requirement.id} is already defined in {found[requirement.id][1]}")
            found[requirement.id] = (requirement, file)
    return Catalogue(requirement for requirement, _ in found.values())


def _read(file: Path) -> Iterator[Requirement]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not readable as TOML: {error}") from None
    if set(data) != {"requirement"}:
        raise UsageError(f"{file}: expected only [[requirement]] tables, found: {', '.join(sorted(data)) or 'nothing'}")
    for position, entry in enumerate(data["requirement"], start=1):
        try:
            yield Requirement(chapter=file.parent.name, **entry)
        except ValidationError as error:
            raise UsageError(f"{file}: requirement {entry.get('id', position)}: {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation as ``key: what came, what was expected``."""
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    came = "" if problem["type"] in ("missing", "value_error") else f" (got {problem['input']!r})"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key + ': ' if key else ''}{message}{came}"


class Claim(NamedTuple):
    """A ``requirement(...)`` marker: ``file:line``, and the kind of target that it is about where it names one."""

    place: str
    on: str | None = None


def claims(checks: Path) -> dict[str, list[Claim]]:
    """Which check claims which requirement, by id.

    Read from the source, so that the answer is the whole truth even when pytest collects only a part.

    Raises:
        UsageError: a file that is no Python.
    """
    found: dict[str, list[Claim]] = {}
    for file in sorted({*checks.rglob("test_*.py"), *checks.rglob("*_test.py")}):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"{file.relative_to(checks.parent)}: not readable as Python: {error}") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requirement":
                place = f"{file.relative_to(checks.parent)}:{node.lineno}"
                named = [each.value for each in node.keywords if each.arg == "on"]
                on = next((str(each.value) for each in named if isinstance(each, ast.Constant)), None)
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        found.setdefault(argument.value, []).append(Claim(place, on))
    return found


def check_coverage(catalogue: Catalogue, claimed: Mapping[str, list[Claim]]) -> None:
    """Hold catalogue and checks against each other, both ways.

    Raises:
        UsageError: a check without a requirement, a requirement without a check (on one of its kinds of target), or one
            with two.
    """
    for name, made in claimed.items():
        if name not in catalogue:
            raise UsageError(f"{made[0].place}: requirement {name!r} is not in the catalogue")
        _one_check_for_each_kind(catalogue[name], made)
    for requirement in catalogue.values():
        if requirement.id not in claimed:
            raise UsageError(f"checks/{requirement.chapter}/requirements.toml: {requirement.id} has no check")


def _one_check_for_each_kind(requirement: Requirement, made: Iterable[Claim]) -> None:
    first: dict[str, str] = {}
    for claim in made:
        if claim.on not in (None, *requirement.target_kinds):
            raise UsageError(
                f"{claim.place}: {requirement.id} is not about a {claim.on} (but {', '.join(requirement.target_kinds)})"
            )
        for kind in [claim.on] if claim.on else requirement.target_kinds:
            if kind in first:
                raise UsageError(f"{claim.place}: {requirement.id} already has its check in {first[kind]}")
            first[kind] = claim.place
    lacking = [kind for kind in requirement.target_kinds if kind not in first]
    if lacking:
        raise UsageError(
            f"checks/{requirement.chapter}/requirements.toml: {requirement.id} has no check on {', '.join(lacking)}"
        )
