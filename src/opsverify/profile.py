"""Profiles: where the live systems are, and references to the secrets that open them.

``profiles/<environment>/profile.toml`` is validated in full before anything is contacted. Strings may name
environment variables as ``${NAME}`` or ``${NAME:-default}``; secrets are given only by reference,
``{ env = "NAME" }`` or ``{ file = "path" }``. Relative paths start at the project's root.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from opsverify.catalogue import Requirement, Strict, TargetKind, Text, first_problem
from opsverify.errors import UsageError
from opsverify.evidence.settings import Evidence
from opsverify.gate.settings import Gate
from opsverify.stores import (
    ApiKeys,
    Backups,
    ContainerLogs,
    Copy,
    JournalLogs,
    KeyPairs,
    LogFiles,
    LogIndex,
    Scratch,
)
from opsverify.targets import (
    Alertmanager,
    Cache,
    Database,
    Endpoint,
    Host,
    Link,
    Listener,
    Name,
    Program,
    Prometheus,
    Replica,
    Script,
    Secret,
    Service,
    Target,
    Tracing,
    Vantage,
)

# Keys of targets that name another target: kind, key, kind of what is named.
REFERENCES = (
    *(
        (kind, "host", "host")
        for kind in ("service", "backups", "cache", "listener", "script", "copy", "keystore", "logs")
    ),
    *((kind, "via", "host") for kind in ("database", "cache")),
    *((kind, "database", "database") for kind in ("replica", "keystore")),
    ("database", "store", "backups"),
    ("copy", "vault", "vault"),
    ("copy", "store", "backups"),
    ("service", "api", "api"),
    ("script", "api", "api"),
    ("logs", "service", "service"),
    ("alertmanager", "prometheus", "prometheus"),
)


class NotApplicable(Strict):
    """A requirement that the inventory declares out of place, with reason and expiry."""

    requirement: Text
    target: Name | None = None
    reason: Text
    approved_by: Text
    expires: date


class Profile(BaseModel):
    """One environment. ``file`` and ``digest`` say which text it was read from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Name
    description: Text
    hosts: list[Host] = []
    vaults: list[Host] = []
    services: list[Service] = []
    databases: list[Database] = []
    replicas: list[Replica] = []
    caches: list[Cache] = []
    apis: list[Endpoint] = []
    websockets: list[Endpoint] = []
    links: list[Link] = []
    vantages: list[Vantage] = []
    scripts: list[Script] = []
    listeners: list[Listener] = []
    prometheus: list[Prometheus] = []
    alertmanagers: list[Alertmanager] = []
    tracing: list[Tracing] = []
    backups: list[Backups] = []
    copies: list[Copy] = []
    keystores: list[Annotated[ApiKeys | KeyPairs, Field(discriminator="role")]] = []
    logs: list[Annotated[LogFiles | LogIndex | JournalLogs | ContainerLogs, Field(discriminator="role")]] = []
    scratch: Scratch = Scratch()
    program: Program = Program()
    gate: Gate = Gate()
    evidence: Evidence = Evidence()
    not_applicable: list[NotApplicable] = []
    limits: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Self:
        for kind, targets in self._inventory().items():
            names = [each.name for each in targets]
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind}: the name {name!r} is given twice")
        for key, kind, name in self._references():
            known = sorted(each.name for each in self._inventory()[kind])
            if name not in known:
                raise ValueError(f"{key}: {name!r} is no {kind} of this profile (it has: {', '.join(known) or 'none'})")
        for kind, targets in (("databases", self.databases), ("caches", self.caches)):
            for each in targets:
                if each.via and not self.target("host", each.via).connection.startswith("ssh://"):
                    raise ValueError(f"{kind}.{each.name}.via: host {each.via!r} is not reached over ssh://")
        return self

    def _references(self) -> Iterator[tuple[str, str, str]]:
        """Every name of another target: key, kind, name."""
        inventory = self._inventory()
        for kind, key, named in REFERENCES:
            for each in inventory[kind]:
                name = getattr(each, key, None)
                if name is not None:
                    yield f"{kind} {each.name}: {key}", named, name
        for each in self.backups:
            if each.production.host is not None:
                yield f"backups {each.name}: production.host", "host", each.production.host
        for database in self.databases:
            if database.growth is not None:
                yield f"database {database.name}: growth.data.host", "host", database.growth.data.host
                if database.growth.prometheus is not None:
                    yield f"database {database.name}: growth.prometheus", "prometheus", database.growth.prometheus

    def secrets(self) -> Iterator[tuple[str, str, str, Secret]]:
        """Every reference to a secret: table, name of the target, key, reference."""
        yield from (("databases", each.name, "password", each.password) for each in self.databases)
        yield from (("caches", each.name, "password", each.password) for each in self.caches)
        yield from (("links", each.name, "token", each.token) for each in self.links if each.token is not None)

    def _inventory(self) -> dict[str, list[Any]]:
        return {
            "host": self.hosts,
            "vault": self.vaults,
            "service": self.services,
            "database": self.databases,
            "cache": self.caches,
            "api": self.apis,
            "websocket": self.websockets,
            "listener": self.listeners,
            "prometheus": self.prometheus,
            "alertmanager": self.alertmanagers,
            "tracing": self.tracing,
            "backups": self.backups,
            "copy": self.copies,
            "keystore": self.keystores,
            "logs": self.logs,
            "replica": self.replicas,
            "link": self.links,
            "vantage": self.vantages,
            "script": self.scripts,
            "program": [self.program],
        }

    def targets(self, kind: TargetKind) -> list[Target]:
        """The targets of a kind; ``service.<role>`` are the services of that role."""
        kind_, _, role = kind.partition(".")
        found: list[Target] = self._inventory().get(kind_, [])
        return [each for each in found if not role or getattr(each, "role", None) == role]

    def names(self, *kinds: TargetKind) -> list[str]:
        """The names of the targets of these kinds."""
        return [each.name for kind in kinds for each in self.targets(kind)]

    def kinds(self, requirement: Requirement) -> tuple[TargetKind, ...]:
        """The kinds of target that a requirement is about here: one alone where those further back only stand in."""
        kinds = requirement.target_kinds
        return next(((kind,) for kind in kinds if self.names(kind)), kinds) if requirement.stand_in else kinds

    def target(self, kind: TargetKind, name: str) -> Any:
        """The target of that kind and name."""
        return next(each for each in self.targets(kind) if each.name == name)

    def place(self, kind: TargetKind, name: str) -> str:
        """Where the questions about a target go: its host where it has one, else the target itself."""
        found = next((each for each in self.targets(kind) if each.name == name), None)
        match found:
            case Host():
                return found.name
            case Service() | Backups() | Script() | KeyPairs() | LogFiles() | JournalLogs():
                return found.host
            case ContainerLogs():
                return self.place("service", found.service)
            case Database(via=str(via)) | Cache(via=str(via)):
                return via
            case Replica() | ApiKeys(database=str()):
                return self.place("database", str(found.database))
            case _:
                return f"{kind}-{name}"

    def exemption(self, requirement: str, target: str) -> NotApplicable | None:
        """The entry that declares a requirement not applicable to a target, if there is one."""
        for entry in self.not_applicable:
            if entry.requirement == requirement and entry.target in (None, target):
                return entry
        return None


class LoadedProfile(NamedTuple):
    """A validated profile with where it came from and the secrets that it refers to."""

    profile: Profile
    file: Path
    digest: str
    secrets: dict[str, SecretStr]


def load(name: str, root: Path, *, today: date, secrets: bool = True) -> LoadedProfile:
    """Read and validate a profile by name (below ``profiles/``) or by the path of its file.

    Whoever asks no system anything needs no ``secrets``.

    Raises:
        UsageError: one line with file and key for anything that is not as it must be.
    """
    file = _file(name, root)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        known = sorted(each.parent.name for each in root.glob("profiles/*/profile.toml"))
        raise UsageError(f"{file}: no such profile; there are: {', '.join(known) or 'none'}") from None
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    try:
        data = _expand(tomllib.loads(text), str(shown), ())
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{shown}: not readable as TOML: {error}") from None
    try:
        profile = Profile.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{shown}: {first_problem(error)}") from None
    for entry in profile.not_applicable:
        if entry.expires < today:
            raise UsageError(f"{shown}: not_applicable {entry.requirement}: expired on {entry.expires}; review it")
    loaded = {
        f"{kind}.{name}": secret.load(root, f"{shown}: {kind}.{name}.{key}")
        for kind, name, key, secret in profile.secrets()
        if secrets
    }
    return LoadedProfile(profile, file, hashlib.sha256(text.encode()).hexdigest(), loaded)


def evidence(name: str, root: Path, *, must: bool) -> Evidence:
    """The table ``[evidence]`` of a profile alone, for whoever verifies a run and asks no system anything.

    Where there is no such profile, and there need not be one, the table is empty.

    Raises:
        UsageError: one line with file and key for anything that is not as it must be.
    """
    file = _file(name, root)
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    if not file.exists() and not must:
        return Evidence()
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8")).get("evidence", {})
        return Evidence.model_validate(_expand(data, str(shown), ("evidence",)))
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown}: not readable as TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{shown}: evidence.{first_problem(error)}") from None


def _file(name: str, root: Path) -> Path:
    return Path(name) if name.endswith(".toml") else root / "profiles" / name / "profile.toml"


def _expand(value: Any, file: str, key: tuple[str, ...]) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every text."""
    if isinstance(value, dict):
        return {name: _expand(each, file, (*key, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_expand(each, file, (*key, str(position))) for position, each in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        found = os.environ.get(match["name"]) or match["default"]
        if found is None:
            raise UsageError(f"{file}: {'.'.join(key)}: environment variable {match['name']} is not set")
        return found

    return re.sub(r"\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}", variable, value)
