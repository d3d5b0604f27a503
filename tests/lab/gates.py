"""Gates on the lab: a profile of a test's own name, change records of its own, and the command as its user runs it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lab.settings import STATE
from tests.lab.conftest import ROOT

DOCUMENTS = "lab/.state/documents"
CHANGE = "CHG-GATE-0001"
RECORD = """\
id = "{id}"
class = "{class_}"
reason = "{reason}"
summary = "A change of the tests"
areas = {areas}
{hook}
[request]
number = "LAB-1"
by = "Jonas Brandt"
at = {requested}

[assessment]
impact = "The lab"
risk = "None"
by = "Jonas Brandt"
at = {assessed}

[test]
environment = "staging"
passed = true
result = "Every check was green"
by = "Tomasz Wieczorek"
at = {tested}
artefact = "evidence/gate-test.txt"
sha256 = "{sha256}"

[approval]
by = "Mara Lindqvist"
at = {approved}

[window]
from = {opens}
to = {closes}

[rollback]
plan = "The hook"
"""
SETTINGS = """
[gate]
settle_interval_seconds = 0.5
settle_seconds = {settle}
baseline_hours = {hours}
samples = {samples}
"""
REASONS = {"emergency": "recovery", "standard": "feature", "routine": "configuration"}


@dataclass(frozen=True)
class Held:
    """A gate that was held: exit status, what it said, how long it took, and its story."""

    status: int
    output: str
    errors: str
    seconds: float
    story: dict[str, Any] = field(default_factory=dict)

    def comparison(self, subject: str) -> str | None:
        """The word for one check."""
        found: str | None = next(each["comparison"] for each in self.story["checks"] if each["subject"] == subject)
        return found

    def about(self, *effects: str) -> dict[str, str]:
        """The reasons with one of these effects, by what they are about."""
        return {each["about"]: each["why"] for each in self.story["reasons"] if each["effect"] in effects}

    @property
    def said(self) -> str:
        return self.output + self.errors


class Gates:
    """The lab under a profile of a test's own name, with change records of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"gate-{secrets.token_hex(4)}"
        self.documents = folder / "documents"
        shutil.copytree(STATE / "documents", self.documents)
        (self.documents / "evidence/gate-test.txt").write_text("green\n", encoding="utf-8")
        self.profile()
        self.record()

    @property
    def reports(self) -> Path:
        return ROOT / "reports" / self.name

    def profile(
        self,
        *,
        name: str = "",
        replace: Mapping[str, str] = MappingProxyType({}),
        settle: float = 60,
        hours: float = 4,
        samples: int = 20,
    ) -> None:
        """Write the profile anew."""
        text = (ROOT / "profiles/lab/profile.toml").read_text(encoding="utf-8")
        own = {'name = "lab"\n': f'name = "{name or self.name}"\n', DOCUMENTS: str(self.documents)}
        for old, new in {**own, **replace}.items():
            assert old in text, old
            text = text.replace(old, new)
        text += SETTINGS.format(settle=settle, hours=hours, samples=samples)
        (self.folder / "profile.toml").write_text(text, encoding="utf-8")

    def record(
        self,
        id_: str = CHANGE,
        class_: str = "emergency",
        *,
        areas: tuple[str, ...] = (),
        hook: tuple[str, ...] = (),
        more: str = "",
        edit: tuple[str, str] = ("", ""),
        file: str = "",
    ) -> None:
        """Write a change record anew."""
        now = datetime.now(UTC).replace(microsecond=0)
        ago = {"requested": 72, "assessed": 48, "tested": 24, "approved": 20, "opens": 0.1, "closes": -2}
        text = RECORD.format(
            id=id_,
            class_=class_,
            reason=REASONS[class_],
            areas=json.dumps(areas),
            hook=f"on_no_go = {json.dumps(hook)}\n" if hook else "",
            sha256=hashlib.sha256(b"green\n").hexdigest(),
            **{name: f"{now - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for name, hours in ago.items()},
        )
        assert edit[0] in text
        path = self.documents / "changes" / (file or f"{id_}.toml")
        path.write_text(text.replace(*edit, 1) + more, encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        heard = ["env", "--default-signal", sys.executable, "-m", "opsverify.cli", "gate"]
        return [*heard, *arguments, "--profile", str(self.folder / "profile.toml")]

    def hold(self, phase: str, id_: str = CHANGE, *options: str, **environment: str) -> Held:
        """Run the command to its end."""
        before = set(self.kept(id_))
        begun = time.monotonic()
        done = subprocess.run(
            self.command(phase, id_, *options),
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        seconds = time.monotonic() - begun
        new = [each for each in self.kept(id_) if each not in before]
        story = json.loads((new[0] / "gate.json").read_text(encoding="utf-8")) if new else {}
        return Held(done.returncode, done.stdout, done.stderr, seconds, story)

    def kept(self, id_: str = CHANGE) -> list[Path]:
        """The gates of a change, the oldest first."""
        return sorted(each for each in ROOT.glob(f"reports/{self.name}*/gates/{id_}/*-p*") if each.name[0] != ".")

    def clean_up(self) -> None:
        for each in ROOT.glob(f"reports/{self.name}*"):
            shutil.rmtree(each)
