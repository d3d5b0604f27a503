"""The targets that a profile can name, one class for each kind, and the references to their secrets."""

from __future__ import annotations

import os
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from opsverify.catalogue import Strict, Text
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


def _numeric(value: str) -> str:
    try:
        ip_address(value.rpartition(":")[0].strip("[]"))
    except ValueError:
        raise ValueError("expected the IP address and port of a name server, such as 127.0.0.1:53") from None
    return value


Address = Annotated[str, AfterValidator(_address)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(3000, 1, 1))]
Zone = Annotated[str, AfterValidator(_zone)]


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
    """A machine that runs the system, asked through a shell.

    ``administrators`` are the accounts that may do anything as root, besides root itself.
    """

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
    administrators: list[Text] = Field(default_factory=list)


class Service(Strict):
    """A container service of the inventory (its Compose service name).

    ``logs`` says whether it is heard of all the time, or writes a line only when something happens. ``api`` names the
    API that a proxy answers for: a request of it has to appear in the access log.
    """

    name: Name
    role: Name
    host: Name
    logs: Literal["continuous", "events"] = "continuous"
    api: Name | None = None

    @model_validator(mode="after")
    def _proxy_of_something(self) -> Self:
        if self.role == "nginx" and self.api is None:
            raise ValueError("expected api, the name of the API that it is the proxy of")
        return self


class Growth(Strict):
    """What a database's growth is judged by: the history of its size, and the filesystem that has to hold it.

    ``series`` is a Prometheus selector of its size in bytes, such as ``pg_database_size_bytes{datname="shop"}``;
    without a ``prometheus`` the suite's own earlier runs are the history. ``data`` is the folder of the database on its
    host.
    """

    prometheus: Name | None = None
    series: Text | None = None
    data: FileOnHost

    @model_validator(mode="after")
    def _a_series_of_a_server(self) -> Self:
        if (self.prometheus is None) != (self.series is None):
            raise ValueError("expected prometheus and series, or neither of them")
        return self


class Database(Strict):
    """A PostgreSQL server, asked as the read-only account of docs/granting.md.

    ``via`` names the host through whose ssh it is reached; ``address`` is then as that host sees it. ``managed``: a
    provider runs it, so there is no host, no superuser and perhaps no pg_monitor. ``administrators`` are the roles that
    may be superusers or have the rights of one; ``store`` names the backups that its archive and base backups lie in.
    ``growth`` says by what the space that it will need is judged.
    """

    name: Name
    managed: bool = False
    via: Name | None = None
    address: Address
    dbname: Text
    user: Text
    password: Secret
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    sslrootcert: Text | None = None
    timeout_s: Seconds = 10
    administrators: list[Text] = Field(default_factory=lambda: ["postgres"])
    store: Name | None = None
    growth: Growth | None = None


class Replica(Strict):
    """A physical standby, known to its primary ``database`` by ``application_name`` (its own name unless given)."""

    name: Name
    database: Name
    application_name: Text | None = None


class Cache(Strict):
    """A Redis server, asked as the read-only ACL user of docs/granting.md; ``app_user`` is the application's.

    ``via`` as for a database. ``managed``: a provider runs it, so there is no file to read and CONFIG is refused.
    ``administrators`` are the users that may do more than use the cache and look.
    """

    name: Name
    managed: bool = False
    via: Name | None = None
    app_user: Text = "default"
    administrators: list[Text] = Field(default_factory=list)
    address: Address
    user: Text
    password: Secret
    tls: bool = False
    ca: Text | None = None
    timeout_s: Seconds = 10
    config_file: FileOnHost | None = None

    @model_validator(mode="after")
    def _configured_by_someone(self) -> Self:
        if (self.config_file is None) != self.managed:
            raise ValueError("expected either config_file = { host, path } or managed = true")
        return self

    @property
    def host(self) -> str | None:
        """The host that its configuration lies on; None where a provider keeps it."""
        return self.config_file.host if self.config_file else None


class Endpoint(Strict):
    """An HTTP server. ``connect`` dials another address while name, SNI and certificate stay those of ``url``."""

    name: Name
    url: Annotated[str, StringConstraints(pattern=r"^(https?|wss?)://[^\s/]+(/\S*)?$")]
    connect: Address | None = None
    ca: Text | None = None
    timeout_s: Seconds = 10


class Link(Endpoint):
    """A page that people are sent to; ``marker`` is a text that only the right page shows.

    Of a Grafana, ``dashboards`` are the titles that have to be there, and ``token`` is that of a viewer's account.
    """

    role: Literal["grafana", "kibana", "status", "docs"]
    marker: Text | None = None
    dashboards: list[Text] = Field(default_factory=list)
    token: Secret | None = None

    @model_validator(mode="after")
    def _known_by_its_marker(self) -> Self:
        if self.role in ("status", "docs") and self.marker is None:
            raise ValueError("expected marker, a text that only this page shows")
        return self


class Vantage(Endpoint):
    """A blackbox exporter at a place off the host (``url``), and the health page that its ``module`` looks at."""

    module: Text
    target: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]


class Interface(Strict):
    """A network interface of an instance, and what it can carry: no virtual one tells that by itself."""

    instance: Text
    device: Text
    capacity_mbit: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Promtool(Strict):
    """The promtool that tests the rules: a program of this machine (``bin``), or that of a local ``image``."""

    bin: AbsolutePath | None = None
    image: Text | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.bin is None) == (self.image is None):
            raise ValueError("expected either bin or image")
        return self


class Prometheus(Endpoint):
    """A Prometheus server and what it is expected to know.

    ``promtool`` is what its rules are tested with; the one in the runner's PATH unless given.
    """

    api_job: Text
    instances: Annotated[list[Text], Field(min_length=1)]
    interfaces: list[Interface] = Field(default_factory=list)
    promtool: Promtool | None = None


class Alertmanager(Endpoint):
    """An Alertmanager, the ``prometheus`` that sends it alerts, and which of its receivers wake somebody up."""

    prometheus: Name
    pagers: Annotated[list[Text], Field(min_length=1)]


class Tracing(Endpoint):
    """A Jaeger query service, and the name under which the API sends its traces."""

    service: Text


class Listener(Strict):
    """A TLS listener: where it is dialled, by which name, and the file its certificate is deployed from."""

    name: Name
    server_name: Text
    connect: Address
    ca: Text | None = None
    certificate: FileOnHost
    timeout_s: Seconds = 10
    scan_timeout_s: Seconds = 120

    @property
    def host(self) -> str:
        """The host that its certificate is deployed on."""
        return self.certificate.host


class Script(Strict):
    """A script of the manual on a host, and ``runs``, the file that keeps a record of each of its runs.

    Those that deploy and roll back keep no such record, for changes are on record by themselves. Of the one that
    deploys, ``api`` names the API whose health it has to ask for.
    """

    name: Name
    role: Literal["daily", "verify-backup", "audit", "deploy", "rollback"]
    host: Name
    path: AbsolutePath
    runs: AbsolutePath | None = None
    api: Name | None = None

    @model_validator(mode="after")
    def _as_its_role_wants(self) -> Self:
        if self.role not in ("deploy", "rollback") and self.runs is None:
            raise ValueError("expected runs, the file that keeps a record of each run")
        if self.role == "deploy" and self.api is None:
            raise ValueError("expected api, the name of the API whose health it asks for")
        return self


class Program(Strict):
    """What people keep on file: contacts and duty roster, attestations, the performance baseline, restore drills.

    Each lies beside the profile unless a path (from the project's root) is given. ``waiver_days`` is how many days
    after it was created a waiver may hold at most. ``changes`` and ``incidents`` are folders of records, one file each;
    ``manual`` is the operations manual, with those that it links to beside it. ``resolver`` is the name server that is
    asked whether a domain takes mail; the runner's own unless given.
    """

    name: Name = "program"
    roster: Text | None = None
    attestations: Text | None = None
    baseline: Text | None = None
    drills: Text | None = None
    accepted: Text | None = None
    waivers: Text | None = None
    waiver_days: Annotated[int, Field(ge=1, le=366)] = 90
    changes: Text | None = None
    incidents: Text | None = None
    manual: Text | None = None
    resolver: Annotated[Address, AfterValidator(_numeric)] | None = None
