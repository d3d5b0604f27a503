"""One run: the profile, the catalogue, the channels to its targets and the facts got through them."""

from __future__ import annotations

import getpass
import os
import platform
import re
import secrets
import socket  # noqa: TID251  only for the name of this machine, no connection
import subprocess  # noqa: TID251  only to ask git which commit this is
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opsverify import __version__, catalogue, documents, ledger, profile, stores, targets
from opsverify.channels.base import Channel, Dial
from opsverify.channels.document import DocumentChannel
from opsverify.channels.history import HistoryChannel
from opsverify.channels.ledger import LedgerChannel
from opsverify.channels.promtool import PromtoolChannel
from opsverify.channels.shell import Host, ShellChannel
from opsverify.errors import UsageError
from opsverify.evidence.signing import Signing
from opsverify.recorded import Recorded
from opsverify.redaction import MASK, Redactor
from opsverify.transcript import Transcript
from opsverify.waivers import Waivers

DEPENDENCIES = (
    "pytest",
    "pytest-testinfra",
    "pytest-html",
    "pytest-xdist",
    "psycopg",
    "redis",
    "requests",
    "cryptography",
    "sslyze",
    "pydantic",
    "prometheus-client",
    "phonenumbers",
    "email-validator",
    "dnspython",
    "tomlkit",
)

# What stands in every record and page, and could be taken for a password by no one but whoever chose it as one.
WORDS = (
    *(
        "observations",
        "observed",
        "expected",
        "requirement",
        "requirements",
        "not-applicable",
        "not-tested",
        "attested",
    ),
    *("critical", "exchange", "exchanges", "duration_s", "transcript", "evidence", "opsverify", "undetermined"),
    *("question", "population", "coverage", "dependencies", "target_kind", "statements", "series_left_out"),
)


@dataclass(frozen=True)
class Subject:
    """What one check is about: a requirement on a target of the profile."""

    requirement: str
    kind: catalogue.TargetKind
    target: str

    def __str__(self) -> str:
        return f"{self.requirement}-{self.target}"


@dataclass
class Fact:
    """A fact that was got, or the reason why not, with the exchanges that it took."""

    value: Any
    failure: Exception | None
    exchanges: list[str]
    arguments: tuple[Any, ...]  # kept alive: the key may hold their id

    def __post_init__(self) -> None:
        self._where = self.failure.__traceback__ if self.failure else None

    def get(self) -> Any:
        """The value.

        Raises:
            Exception: why there is none, from where that was, for however many checks: no traceback grows by another.
        """
        if self.failure is not None:
            raise self.failure.with_traceback(self._where)
        return self.value


@dataclass
class Run:
    """Everything that one run knows. Parallel workers each have one, of the same id and directory."""

    root: Path
    loaded: profile.LoadedProfile
    catalogue: catalogue.Catalogue
    directory: Path
    id: str
    started: datetime
    purpose: str
    change: str = ""
    worker: str = ""
    redactor: Redactor = field(default_factory=Redactor)
    channels: dict[tuple[str, str], Any] = field(default_factory=dict)
    facts: dict[tuple[Any, ...], Fact] = field(default_factory=dict)
    waivers: Waivers = field(default_factory=Waivers)
    controls: dict[str, Any] = field(default_factory=dict)  # which of outside frameworks the requirements serve
    signing: Signing = field(default_factory=Signing)

    def __post_init__(self) -> None:
        for name, secret in self.loaded.secrets.items():
            self.redactor.add(secret.get_secret_value(), name)
        for spelling in self.signing.spellings:
            self.redactor.add(spelling, "evidence.key")
        part = f".{self.worker}.part" if self.worker else ""
        self.transcript: Transcript = Transcript(
            self.directory / f"transcript{part}.jsonl",
            self.redactor,
            f"{self.worker}-" if self.worker else "",
        )

    @property
    def profile(self) -> profile.Profile:
        """The validated profile."""
        return self.loaded.profile

    @property
    def today(self) -> date:
        """The day (UTC) on which the run began: what held then holds for all of it."""
        return self.started.astimezone(UTC).date()

    def population(self) -> list[Subject]:
        """Every requirement, on every target of the profile that it applies to.

        A requirement whose targets the profile does not have stands here with the target ``none``: it has to
        be declared not applicable, it cannot fall out of sight.
        """
        found: list[Subject] = []
        for requirement in self.catalogue.values():
            kinds = self.profile.kinds(requirement)
            mine = [Subject(requirement.id, kind, name) for kind in kinds for name in self.profile.names(kind)]
            found += mine or [Subject(requirement.id, kinds[0], "none")]
        return found

    def check_sight(self) -> None:
        """Every requirement can be told apart on every target, and is declared not applicable where it has none.

        Raises:
            UsageError: one line with the profile's file.
        """
        seen: dict[str, Subject] = {}
        for subject in self.population():
            if str(subject) in seen:
                raise UsageError(
                    f"{self.loaded.file}: {seen[str(subject)].kind} and {subject.kind} are both called "
                    f"{subject.target!r}, and {subject.requirement} is about both: give one of them another name"
                )
            seen[str(subject)] = subject
            if subject.target == "none" and self.profile.exemption(subject.requirement, "none") is None:
                raise UsageError(
                    f"{self.loaded.file}: has no {subject.kind} to verify {subject.requirement} on; "
                    f"add one, or a [[not_applicable]] entry with reason, approved_by and expires"
                )

    def check_secrets(self) -> None:
        """No secret is a word of what a run writes: to mask it would unmake the record, and it would be no secret.

        Raises:
            UsageError: one line with the profile's file and the name of the secret.
        """
        texts = {
            "in the profile itself": self.loaded.file.read_bytes() + self.loaded.profile.model_dump_json().encode(),
            "in the catalogue": "".join(each.model_dump_json() for each in self.catalogue.values()).encode(),
            "among the words of every record": " ".join((*WORDS, MASK)).encode(),
        }
        for where, text in texts.items():
            for name in self.redactor.held(text):
                raise UsageError(
                    f"{self.loaded.file}: {name}: the secret stands {where}, so it is none; choose another"
                )

    def channel(self, kind: str, name: str) -> Any:
        """The channel to a target; there is one per target and run."""
        key = (kind, name)
        if key not in self.channels:
            self.channels[key] = self._beside(kind, name) or self._open(kind, name)
        return self.channels[key]

    def _beside(self, kind: str, name: str) -> Channel | None:
        """What is asked on this machine: what earlier runs of this profile left behind, promtool about rules."""
        stream = self.directory.parent
        match kind:
            case "ledger":
                return LedgerChannel(name, stream / ledger.NAME, self.started, self.transcript)
            case "history":
                return HistoryChannel(name, stream, self.started, self.transcript)
            case "promtool":
                return PromtoolChannel(self.profile.target("prometheus", name), self.transcript)
        return None

    def _open(self, kind: str, name: str) -> Any:
        # Each client is loaded where there is something to ask: all of them take half of the time that a start takes.
        spec: Any = self.profile.program if kind == "names" else self.profile.target(kind, name)  # type: ignore[arg-type]
        where = (self.root, self.transcript)
        opened: Any = spec
        match kind:
            case "host" | "vault":
                opened = Host(ShellChannel(spec, *where), spec)
            case "database":
                from opsverify.channels.sql import SqlChannel  # noqa: PLC0415

                opened = SqlChannel(spec, self._secret(f"databases.{name}"), *where, dial=self._dial(spec))
            case "cache":
                from opsverify.channels.cache import CacheChannel  # noqa: PLC0415

                opened = CacheChannel(spec, self._secret(f"caches.{name}"), *where, dial=self._dial(spec))
            case "listener":
                from opsverify.channels.tls import TlsChannel  # noqa: PLC0415

                opened = TlsChannel(spec, *where)
            case "logs" if not isinstance(spec, stores.LogIndex):
                pass
            case "api" | "websocket" | "prometheus" | "alertmanager" | "tracing" | "link" | "vantage" | "logs":
                from opsverify.channels.web import WebChannel  # noqa: PLC0415

                opened = WebChannel(spec, *where, token=self.loaded.secrets.get(f"{kind}s.{name}"))
            case "program":
                opened = DocumentChannel(name, documents.of(self.loaded, self.root), self.transcript)
            case "names":
                from opsverify.channels.names import NamesChannel  # noqa: PLC0415

                opened = NamesChannel(spec, self.transcript)
        return opened

    def _dial(self, spec: targets.Database | targets.Cache) -> Dial | None:
        """Through the ssh of the host that the profile routes it by, where it does."""
        if spec.via is None:
            return None
        return partial(self.channel("host", spec.via).channel.forward, spec.address)

    def _secret(self, key: str) -> str:
        # A replay has none, and no need of any.
        return "" if isinstance(self.transcript, Recorded) else self.loaded.secrets[key].get_secret_value()

    def fact(self, probe: Callable[..., Any], *arguments: Any) -> Fact:
        """What ``probe(*arguments)`` found, or why it could not; asked once per run however many checks need it."""
        key = (
            probe,
            *(each if isinstance(each, str | int | float | tuple) else id(each) for each in arguments),
        )
        if key not in self.facts:
            before = self.transcript.count
            value, failure = None, None
            try:
                value = probe(*arguments)
            except Exception as error:  # kept, and raised for every check that needs the fact
                failure = error
            self.facts[key] = Fact(value, failure, self.transcript.ids_since(before), arguments)
        return self.facts[key]

    def close(self) -> None:
        """Close all channels."""
        for channel in self.channels.values():
            closing = channel.channel if isinstance(channel, Host) else channel
            if isinstance(closing, Channel):
                closing.close()

    def about(self) -> dict[str, Any]:
        """Who ran what, where and with which versions."""
        return {
            "id": self.id,
            "purpose": self.purpose,
            "change": self.change,
            "profile": self.profile.name,
            "profile_file": str(self.loaded.file.name if self.loaded.file.is_absolute() else self.loaded.file),
            "profile_sha256": self.loaded.digest,
            "start": self.started.isoformat(timespec="milliseconds"),
            "user": getpass.getuser(),
            "runner": socket.gethostname(),
            "evidence": self.signing.about(),
            "ci": os.environ.get("CI_JOB_URL") or os.environ.get("GITHUB_RUN_ID") or os.environ.get("CI", ""),
            "suite_version": __version__,
            "suite_commit": commit(self.root),
            "python": platform.python_version(),
            "dependencies": {name: version(name) for name in DEPENDENCIES},
        }


def new_id(now: datetime, given: str | None = None) -> tuple[str, str]:
    """A run's id, unless it is ``given``, and the name of its directory: ``<UTC time>-<id>``."""
    found = given or secrets.token_hex(4)
    return found, f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{found}"


def identity(text: str) -> str:
    """A run's id as it is given.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[0-9a-f]{8}", text):
        raise ValueError(f"got {text!r}, expected 8 hex digits")
    return text


def commit(root: Path) -> str:
    """The commit of the project at ``root``, with ``-dirty`` where files differ from it; ``unknown`` without git."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
