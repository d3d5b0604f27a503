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
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from opsverify.catalogue import Strict, TargetKind, Text, first_problem
from opsverify.errors import UsageError
from opsverify.redaction import SHORTEST_SECRET

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/\S*$")]
Seconds = Annotated[float, Field(gt=0, le=300)]
CONNECTIONS = ("local", "ssh", "docker", "podman", "kubectl", "ansible")


def _address(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not (separator and host and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("expected host:port")
    return value


def _connection(value: str) -> str:
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in CONNECTIONS:
        raise ValueError(f"expected one of {', '.join(f'{each}://…' for each in CONNECTIONS)}")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, or the name of a folder of them
        raise ValueError("expected the name of a time zone, such as UTC or Europe/Berlin") from None
    return value


Address = Annotated[str, AfterValidator(_address)]


class Target(Protocol):
    """Anything of a profile that a requirement can be verified on."""

    @property
    def name(self) -> str: ...


class Secret(Strict):
    """A reference to a secret; its value is loaded with the profile and never written anywhere."""

    env: Text | None = None
    file: Text | None = None

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('expected { env = "NAME" } or { file = "path" }')
        return self

    def load(self, root: Path, key: str) -> SecretStr:
        """Read the secret.

        Raises:
            UsageError: the variable is not set, or the file is not readable or empty.
        """
        if self.env is not None:
            value = os.environ.get(self.env, "")
            problem = f"environment variable {self.env} is not set"
        else:
            path = root / str(self.file)
            try:
                value = path.read_text(encoding="utf-8").strip()
                problem = f"secret file {self.file} is empty"
            except OSError as error:
                value, problem = "", f"secret file {self.file} cannot be read: {error.strerror}"
        if not value:
            raise UsageError(f"{key}: {problem}")
        if len(value) < SHORTEST_SECRET:
            raise UsageError(
                f"{key}: the secret is shorter than {SHORTEST_SECRET} characters; it could not be redacted"
            )
        return SecretStr(value)


class FileOnHost(Strict):
    """A file on one of the profile's hosts."""

    host: Name
    path: AbsolutePath


class Host(Strict):
    """A machine that runs the system, asked through a shell."""

    name: Name
    connection: Annotated[str, AfterValidator(_connection)]
    identity_file: Text | None = None
    known_hosts: Text | None = None
    timeout_s: Seconds = 10
    docker_api: (
        Annotated[str, StringConstraints(pattern=r"^(http://(127\.0\.0\.1|localhost):\d+|unix:///\S+)$")] | None
    ) = None
    compose_project: Name | None = None
    shared_engine: bool = False


class Service(Strict):
    """A container service of the inventory (its Compose service name)."""

    name: Name
    role: Name
    host: Name


class Database(Strict):
    """A PostgreSQL server, asked as the read-only account of docs/granting.md."""

    name: Name
    address: Address
    dbname: Text
    user: Text
    password: Secret
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    sslrootcert: Text | None = None
    timeout_s: Seconds = 10


class Cache(Strict):
    """A Redis server, asked as the read-only ACL user of docs/granting.md."""

    name: Name
    address: Address
    user: Text
    password: Secret
    tls: bool = False
    ca: Text | None = None
    timeout_s: Seconds = 10
    config_file: FileOnHost


class Endpoint(Strict):
    """An HTTP server. ``connect`` dials another address while name, SNI and certificate stay those of ``url``."""

    name: Name
    url: Annotated[str, StringConstraints(pattern=r"^(https?|wss?)://[^\s/]+(/\S*)?$")]
    connect: Address | None = None
    ca: Text | None = None
    timeout_s: Seconds = 10


class Prometheus(Endpoint):
    """A Prometheus server and what it is expected to know."""

    api_job: Text
    instances: Annotated[list[Text], Field(min_length=1)]


class Listener(Strict):
    """A TLS listener: where it is dialled, by which name, and the file its certificate is deployed from."""

    name: Name
    server_name: Text
    connect: Address
    ca: Text | None = None
    certificate: FileOnHost
    timeout_s: Seconds = 10


class Backups(Strict):
    """A backup store on a host: the folder of database dumps, its manifest, and the folders that hold secrets.

    ``timezone`` is that of the times in the names of dumps; ``timeout_s`` bounds the reading of one whole file.
    """

    name: Name
    host: Name
    database: AbsolutePath
    manifest: AbsolutePath
    sensitive: Annotated[list[AbsolutePath], Field(min_length=1)]
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    timeout_s: Annotated[float, Field(gt=0, le=7200)] = 600


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
    services: list[Service] = []
    databases: list[Database] = []
    caches: list[Cache] = []
    apis: list[Endpoint] = []
    websockets: list[Endpoint] = []
    listeners: list[Listener] = []
    prometheus: list[Prometheus] = []
    backups: list[Backups] = []
    not_applicable: list[NotApplicable] = []
    limits: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Self:
        for kind, targets in self._inventory().items():
            names = [each.name for each in targets]
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind}: the name {name!r} is given twice")
        hosts = {each.name for each in self.hosts}
        for key, host in self._host_references():
            if host not in hosts:
                raise ValueError(f"{key}: host {host!r} is not among hosts ({', '.join(sorted(hosts)) or 'none'})")
        return self

    def _host_references(self) -> Iterator[tuple[str, str]]:
        yield from ((f"services.{each.name}.host", each.host) for each in self.services)
        yield from ((f"backups.{each.name}.host", each.host) for each in self.backups)
        yield from ((f"caches.{each.name}.config_file.host", each.config_file.host) for each in self.caches)
        yield from ((f"listeners.{each.name}.certificate.host", each.certificate.host) for each in self.listeners)

    def _inventory(self) -> dict[str, list[Any]]:
        return {
            "host": self.hosts,
            "service": self.services,
            "database": self.databases,
            "cache": self.caches,
            "api": self.apis,
            "websocket": self.websockets,
            "listener": self.listeners,
            "prometheus": self.prometheus,
            "backups": self.backups,
        }

    def targets(self, kind: TargetKind) -> list[Target]:
        """The targets of a kind; ``service.<role>`` are the services of that role."""
        kind_, _, role = kind.partition(".")
        found: list[Target] = self._inventory().get(kind_, [])
        return [each for each in found if not role or getattr(each, "role", None) == role]

    def target(self, kind: TargetKind, name: str) -> Target:
        """The target of that kind and name."""
        return next(each for each in self.targets(kind) if each.name == name)

    def place(self, kind: TargetKind, name: str) -> str:
        """Where the questions about a target go: its host where it has one, else the target itself."""
        found = next((each for each in self.targets(kind) if each.name == name), None)
        match found:
            case Host():
                return found.name
            case Service() | Backups():
                return found.host
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


def load(name: str, root: Path, *, today: date) -> LoadedProfile:
    """Read and validate a profile by name (below ``profiles/``) or by the path of its file.

    Raises:
        UsageError: one line with file and key for anything that is not as it must be.
    """
    file = Path(name) if name.endswith(".toml") else root / "profiles" / name / "profile.toml"
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
    secrets = {
        f"{kind}.{each.name}": each.password.load(root, f"{shown}: {kind}.{each.name}.password")
        for kind, targets in (("databases", profile.databases), ("caches", profile.caches))
        for each in targets
    }
    return LoadedProfile(profile, file, hashlib.sha256(text.encode()).hexdigest(), secrets)


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
