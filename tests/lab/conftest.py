"""What tests against the lab share: the lab itself, and a way to verify it as its user would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from lab import engine
from lab.settings import SERVICES

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as needing the lab."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("lab")


@dataclass(frozen=True)
class Outcome:
    """A finished verification run: exit status, what it printed, and its record."""

    exit_status: int
    output: str
    directory: Path
    results: dict[str, Any]

    @property
    def states(self) -> dict[str, str]:
        """State by ``<requirement>-<target>``."""
        return {f"{each['requirement']}-{each['target']}": each["state"] for each in self.results["checks"]}

    @property
    def red(self) -> dict[str, str]:
        """Everything that was tested and is not green."""
        return {name: state for name, state in self.states.items() if state in ("fail", "error")}

    def check(self, name: str) -> dict[str, Any]:
        """The entry of one check."""
        return next(each for each in self.results["checks"] if f"{each['requirement']}-{each['target']}" == name)


Verify = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def lab() -> None:
    """The lab is up and healthy; a test that needs it never skips."""
    found = engine.containers()
    missing = [name for name in SERVICES if found.get(name, {}).get("State", {}).get("Status") != "running"]
    if missing:
        pytest.fail(f"the lab is not up ({', '.join(missing)}): run make lab-up", pytrace=False)


def _verify(folder: Path) -> Verify:
    """Runs with their profile and reports in this folder."""

    def run(
        *arguments: str,
        append: str = "",
        replace: Mapping[str, str] = MappingProxyType({}),
        paths: tuple[str, ...] = ("checks",),
        root: Path = ROOT,
    ) -> Outcome:
        profile = folder / "lab.toml"
        text = (ROOT / "profiles/lab/profile.toml").read_text(encoding="utf-8")
        for old, new in replace.items():
            assert old in text
            text = text.replace(old, new)
        profile.write_text(text + append, encoding="utf-8")
        reports = folder / "reports"
        command = [sys.executable, "-m", "pytest", *paths, "--profile", str(profile), "--reports", str(reports)]
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        latest = reports / "lab" / "latest"
        assert latest.exists(), done.stdout + done.stderr
        results = json.loads((latest / "results.json").read_text(encoding="utf-8"))
        return Outcome(done.returncode, done.stdout + done.stderr, latest.resolve(), results)

    return run


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    """``verify(*pytest_arguments)``: run the checks against the lab.

    ``replace`` changes its profile, ``append`` adds to it.
    """
    return _verify(tmp_path)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Verify:
    """The same, for tests that only look at what a run of the healthy lab left behind: one run serves all of them.

    Whoever changes it has to take a copy.
    """
    kept: dict[tuple[object, ...], Outcome] = {}

    def run(*arguments: str, replace: Mapping[str, str] = MappingProxyType({})) -> Outcome:
        key = (arguments, *replace.items())
        if key not in kept:
            kept[key] = _verify(tmp_path_factory.mktemp("once"))(*arguments, replace=replace)
        return kept[key]

    return run
