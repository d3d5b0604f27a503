"""The targets of a profile that keep something: backups and their copies, keys, logs; and where drills restore to."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from opsverify.catalogue import Strict, Text
from opsverify.targets import AbsolutePath, Day, Endpoint, Name, Zone


class Production(Strict):
    """What is backed up, for telling media apart: its provider, and where it lies, where that is a host's to tell."""

    provider: Text
    host: Name | None = None
    path: AbsolutePath | None = None

    @model_validator(mode="after")
    def _host_and_path(self) -> Self:
        if (self.host is None) != (self.path is None):
            raise ValueError("expected host and path, or neither of them where a provider keeps the data")
        return self


class Backups(Strict):
    """A backup store on a host: the folder of database dumps, its manifest, and the folders that hold secrets.

    ``base`` holds base backups, a folder each, ``wal`` the archive. ``since`` is the day on which the service began,
    for one that is younger than what is to be kept. ``timezone`` is that of the times in the names of dumps;
    ``timeout_s`` bounds the reading of one whole file.
    """

    name: Name
    host: Name
    database: AbsolutePath
    manifest: AbsolutePath
    sensitive: Annotated[list[AbsolutePath], Field(min_length=1)]
    base: AbsolutePath
    wal: AbsolutePath
    provider: Text
    production: Production
    since: Day | None = None
    timezone: Zone = "UTC"
    timeout_s: Annotated[float, Field(gt=0, le=7200)] = 600


class Copy(Strict):
    """Another copy of a backup store (``store``): where it lies, with which provider, and whether that is off site.

    It lies on one of the profile's hosts, or in a ``vault``: a machine that is asked for copies and nothing else.
    """

    name: Name
    store: Name
    host: Name | None = None
    vault: Name | None = None
    provider: Text
    offsite: bool
    database: AbsolutePath
    sensitive: list[AbsolutePath] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.host is None) == (self.vault is None):
            raise ValueError("expected either host or vault")
        return self


class ApiKeys(Strict):
    """Where it is on record since when each API key is in use: a view of a database, or a signed inventory.

    ``inventory`` and its signature (``<inventory>.sig``) lie beside the profile unless a path from the project's root
    is given; ``signers`` is a file of allowed signers as ssh-keygen knows it.
    """

    name: Name
    role: Literal["api"]
    database: Name | None = None
    inventory: Text | None = None
    signers: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.database is None) == (self.inventory is None) or (self.inventory is None) != (self.signers is None):
            raise ValueError("expected either database, or inventory and signers")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The inventory, its signature and the allowed signers, as the profile names them; nothing for a database."""
        if self.inventory is None or self.signers is None:
            return ()
        return self.inventory, f"{self.inventory}.sig", self.signers


class KeyPairs(Strict):
    """The folder on a host that holds the key pairs."""

    name: Name
    role: Literal["keypairs"]
    host: Name
    path: AbsolutePath


class LogFiles(Strict):
    """Detailed logs that are kept as files in a folder of a host, JSON lines each.

    ``level`` is that of the lines that make them detailed; ``since`` is the day on which the service began, for one
    that is younger than what is to be kept. ``timeout_s`` bounds the reading of some fifty files.
    """

    name: Name
    role: Literal["files"]
    host: Name
    folder: AbsolutePath
    level: Text = "DEBUG"
    since: Day | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120


class LogIndex(Endpoint):
    """Detailed logs that are kept in Elasticsearch, in an index a day (``index`` with ``*`` for the day)."""

    role: Literal["index"]
    index: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*\*$")]
    level: Text = "DEBUG"
    since: Day | None = None


Syslog = Literal["EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"]


class JournalLogs(Strict):
    """Detailed logs that a host keeps in the journal of systemd alone, under the name of their program.

    ``identifier`` is what ``journalctl -t`` knows it by, ``level`` the priority of the entries that make them detailed;
    ``since`` and ``timeout_s`` as for files.
    """

    name: Name
    role: Literal["journal"]
    host: Name
    identifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@/-]*$")]
    level: Syslog = "DEBUG"
    since: Day | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120

    @property
    def priority(self) -> int:
        """The number of the level, 0 (EMERG) to 7 (DEBUG)."""
        return get_args(Syslog).index(self.level)


class ContainerLogs(Strict):
    """Detailed logs that the Docker engine alone keeps of the containers of a ``service``, JSON lines each.

    ``level``, ``since`` and ``timeout_s`` as for files.
    """

    name: Name
    role: Literal["containers"]
    service: Name
    level: Text = "DEBUG"
    since: Day | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120


class Scratch(Strict):
    """Where backups are restored for a drill: the PostgreSQL programs in ``bin``, or those of a local ``image``.

    Neither: those that are found on the runner.
    """

    bin: AbsolutePath | None = None
    image: Text | None = None

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.bin is not None and self.image is not None:
            raise ValueError("expected bin or image, not both")
        return self
