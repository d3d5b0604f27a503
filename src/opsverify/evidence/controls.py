"""Which controls of outside frameworks the evidence of a requirement can serve: ``checks/controls.toml``, as data.

The mapping is the suite's own judgement and says so. A run takes it along in its record (``controls``), so that a
bundle shows the mapping that was in force, whatever becomes of the file.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError, model_validator

from opsverify.catalogue import Strict, Text, first_problem
from opsverify.errors import UsageError
from opsverify.record import STATES, Entry, State
from opsverify.summary import Document

NAME = "controls.toml"
FRAMEWORKS = ("soc2", "iso27001", "mlps")
Ids = Annotated[list[Text], Field(min_length=1)]


class Control(NamedTuple):
    """A control of a framework, its title in our own words, and why a requirement's evidence serves it."""

    framework: str
    id: str
    title: str
    title_zh: str
    why: str = ""
    why_zh: str = ""


class Section(NamedTuple):
    """One control with all that a run shows of it; ``control`` is None for what nothing in the framework asks for.

    ``states`` counts the checks in each state that occurs, the worst first.
    """

    control: Control | None
    requirements: tuple[str, ...]
    checks: tuple[Entry, ...]
    states: dict[State, int]


class _Title(Strict):
    title: Text
    title_zh: Text


class _Framework(Strict):
    name: Text
    name_zh: Text
    controls: Annotated[dict[Text, _Title], Field(min_length=1)]


class _Frameworks(Strict):
    soc2: _Framework
    iso27001: _Framework
    mlps: _Framework


class _Mapping(Strict):
    why: Text
    why_zh: Text
    requirements: Ids
    soc2: list[Text] = Field(default_factory=list)
    iso27001: list[Text] = Field(default_factory=list)
    mlps: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_a_control(self) -> _Mapping:
        if not any(getattr(self, each) for each in FRAMEWORKS):
            raise ValueError(f"names no control of {', '.join(FRAMEWORKS)}")
        return self


class _None(Strict):
    framework: Annotated[str, Field(pattern="^(soc2|iso27001|mlps)$")]
    requirements: Ids
    reason: Text
    reason_zh: Text


class _File(Strict):
    framework: _Frameworks
    mapping: Annotated[list[_Mapping], Field(min_length=1)]
    none: list[_None] = Field(default_factory=list)


class Controls:
    """The mapping, either way: by requirement, and by control. Without a file it is empty."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self._document: dict[str, Any] = dict(document or {"frameworks": {}, "mappings": [], "none": []})
        self._of: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        for mapping in self._document["mappings"]:
            for framework in self._document["frameworks"]:
                for requirement in mapping["requirements"] if mapping[framework] else ():
                    rows = self._of.setdefault((requirement, framework), {})
                    rows |= dict.fromkeys(mapping[framework], (mapping["why"], mapping["why_zh"]))

    @property
    def document(self) -> dict[str, Any]:
        """The mapping as a record keeps it: ``file``, ``sha256``, ``frameworks``, ``mappings`` and ``none``."""
        return self._document

    @property
    def frameworks(self) -> dict[str, tuple[str, str]]:
        """The frameworks with their names in English and in Chinese."""
        return {each: (it["name"], it["name_zh"]) for each, it in self._document["frameworks"].items()}

    def of(self, requirement: str, framework: str = "") -> tuple[Control, ...]:
        """The controls that a requirement's evidence serves, of one framework or of all, in the order of the file."""
        found = []
        for name, it in self._document["frameworks"].items():
            reasons = self._of.get((requirement, name), {}) if framework in ("", name) else {}
            for each, title in it["controls"].items() if reasons else ():
                if each in reasons:
                    found.append(Control(name, each, title["title"], title["title_zh"], *reasons[each]))
        return tuple(found)

    def reason(self, requirement: str, framework: str) -> tuple[str, str]:
        """Why nothing in a framework asks for a requirement, in English and in Chinese; empty where something does."""
        for each in self._document["none"]:
            if each["framework"] == framework and requirement in each["requirements"]:
                return each["reason"], each["reason_zh"]
        return "", ""


def read(text: str, known: Iterable[str], file: str) -> Controls:
    """The mapping that a text holds, for the requirements that are ``known``.

    Raises:
        UsageError: it is no TOML or not as expected; an unknown requirement or control, one that is mapped twice, a
            control without any requirement, or a requirement that is neither mapped nor declared ``none``.
    """
    try:
        found = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not readable as TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{file}: {first_problem(error)}") from None
    of: dict[str, dict[str, list[str]]] = {each: {} for each in known}
    for mapping in found.mapping:
        for framework in FRAMEWORKS:
            titles = getattr(found.framework, framework).controls
            for control in getattr(mapping, framework):
                if control not in titles:
                    raise UsageError(
                        f"{file}: {framework} {control}: no such control in framework.{framework}.controls"
                    )
                _note(of, mapping, framework, control, file)
    _check_none(found.none, of, file)
    for framework in FRAMEWORKS:
        _check_whole(found, of, framework, file)
    return Controls(
        {
            "file": file,
            "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest(),
            "frameworks": found.framework.model_dump(),
            "mappings": [each.model_dump() for each in found.mapping],
            "none": [each.model_dump() for each in found.none],
        }
    )


def _note(of: dict[str, dict[str, list[str]]], mapping: _Mapping, framework: str, control: str, file: str) -> None:
    for requirement in mapping.requirements:
        if requirement not in of:
            raise UsageError(f"{file}: {requirement}: no such requirement in the catalogue")
        rows = of[requirement].setdefault(framework, [])
        if control in rows:
            raise UsageError(f"{file}: {requirement}: mapped to {framework} {control} twice")
        rows.append(control)


def _check_none(declared: Iterable[_None], of: Mapping[str, Mapping[str, list[str]]], file: str) -> None:
    seen: set[tuple[str, str]] = set()
    for each in declared:
        for requirement in each.requirements:
            where = f"{file}: {requirement}"
            if requirement not in of:
                raise UsageError(f"{where}: no such requirement in the catalogue")
            if of[requirement].get(each.framework):
                raise UsageError(f"{where}: has controls of {each.framework}, and is declared to have none")
            if (requirement, each.framework) in seen:
                raise UsageError(f"{where}: declared to have none of {each.framework} twice")
            seen.add((requirement, each.framework))


def _check_whole(found: _File, of: Mapping[str, Mapping[str, list[str]]], framework: str, file: str) -> None:
    excused = {name for each in found.none if each.framework == framework for name in each.requirements}
    for requirement, rows in of.items():
        if framework not in rows and requirement not in excused:
            raise UsageError(f"{file}: {requirement}: has no control of {framework}; map it, or say why in a [[none]]")
    used = {control for rows in of.values() for control in rows.get(framework, ())}
    for control in getattr(found.framework, framework).controls:
        if control not in used:
            raise UsageError(f"{file}: {framework} {control}: no requirement is mapped to it")


def load(checks: Path, known: Iterable[str]) -> Controls:
    """The mapping of the folder ``checks``; an empty one where it has no file.

    Raises:
        UsageError: as `read`.
    """
    path = checks / NAME
    file = f"{checks.name}/{NAME}"
    try:
        return read(path.read_text(encoding="utf-8"), known, file)
    except FileNotFoundError:
        return Controls()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None


def of_document(document: Document) -> Controls:
    """The mapping that a record took along; an empty one for a record from before there was one."""
    return Controls(document.get("controls") or None)


def controls_of(requirement: str, document: Document, framework: str = "") -> tuple[Control, ...]:
    """The controls that a requirement's evidence serves, as the record has them."""
    return of_document(document).of(requirement, framework)


def by_control(framework: str, document: Document, controls: Controls | None = None) -> list[Section]:
    """What a record shows of each control, in the order of the framework; last what nothing in it asks for.

    A check stands below each control that its requirement serves. A requirement that the run has no check of stands
    there too: its control must not fall out of sight. ``controls``: of a record that took none along.

    Raises:
        UsageError: no such framework.
    """
    mapping = controls or of_document(document)
    if framework not in mapping.frameworks:
        known = ", ".join(mapping.frameworks) or "none: the record has no mapping"
        raise UsageError(f"framework {framework!r}: unknown (known: {known})")
    rows = [*document["checks"], *document.get("coverage", ())]
    requirements = list(dict.fromkeys(each["requirement"] for each in rows))
    serving: dict[str, list[str]] = {}
    shown: dict[str, Control] = {}
    for requirement in requirements:
        for control in mapping.of(requirement, framework):
            serving.setdefault(control.id, []).append(requirement)
            shown.setdefault(control.id, control)
    entries: dict[str, list[Entry]] = {each: [] for each in requirements}
    for each in document["checks"]:
        entries[each["requirement"]].append(each)
    order = mapping.document["frameworks"][framework]["controls"]
    sections = [_section(shown[each], serving[each], entries) for each in order if each in serving]
    rest = [each for each in entries if not mapping.of(each, framework)]
    return [*sections, _section(None, rest, entries)] if rest else sections


def _section(control: Control | None, requirements: Iterable[str], entries: Mapping[str, list[Entry]]) -> Section:
    mine = tuple(requirements)
    checks = tuple(check for name in mine for check in entries[name])
    counted = Counter(each["state"] for each in checks)
    states: dict[State, int] = {state: counted[state] for state in STATES if counted[state]}
    plain = control._replace(why="", why_zh="") if control else None
    return Section(plain, mine, checks, states)
