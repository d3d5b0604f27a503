"""Which part of the package may import which: dependencies run one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
IO = {"os", "io", "shutil", "tempfile", "glob", "http", "ssl", "threading", "time", "open", "print"}


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """Modules that the files of a package import, and the names in them as ``module.name``; also bare ``open``."""
    for path in sorted((SOURCE / "opsverify" / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: no relative imports"
                yield from ((path, f"{node.module}.{each.name}") for each in node.names)
            elif isinstance(node, ast.Import):
                yield from ((path, each.name) for each in node.names)
            elif isinstance(node, ast.Name) and node.id in ("open", "print"):
                yield path, node.id


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("channels", ("probes", "shell", "rules")),
        ("shell", ("channels", "probes", "rules", "stores", "profile")),
        ("probes", ("rules", "fixtures", "plugin")),
        ("rules", ("channels", "fixtures", "plugin")),
    ],
)
def test_dependencies_run_one_way(package: str, never: tuple[str, ...]) -> None:
    above = ("checks", "tests", "lab", *(f"opsverify.{each}" for each in never))
    found = list(imported(package))
    assert [name for _, name in found if name.startswith("opsverify.")], f"nothing of {package} was looked at"
    for path, name in found:
        assert not any(name == each or name.startswith(f"{each}.") for each in above), f"{path} imports {name}"


@pytest.mark.parametrize("package", ["shell", "rules"])
def test_what_reads_and_judges_does_no_io(package: str) -> None:
    for path, name in imported(package):
        assert name.partition(".")[0] not in IO, f"{path} uses {name}"
        assert name not in ("pathlib", "pathlib.Path"), f"{path} uses {name}"


@pytest.mark.parametrize("module", ["alike", "baselines", "comparing", "numbers", "settings", "story", "verdict"])
def test_what_the_gate_decides_by_does_no_io(module: str) -> None:
    found = [name for path, name in imported("gate") if path.stem == module]
    assert found, f"nothing of gate/{module}.py was looked at"
    for name in found:
        assert name.partition(".")[0] not in IO, f"gate/{module}.py uses {name}"
        assert not name.startswith(("pathlib", "opsverify.channels", "opsverify.probes")), (
            f"gate/{module}.py uses {name}"
        )


def test_a_start_loads_no_client_before_there_is_something_to_ask() -> None:
    told = """if True:
        import opsverify.cli, opsverify.plugin, sys
        print(*sys.modules)
        from opsverify import replaying
        replaying.load_clients()
        print(*sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    begun, forbidden = (line.split() for line in done.stdout.splitlines())
    clients = {"psycopg", "redis", "requests", "dns"}
    assert {"opsverify.run", "opsverify.channels.shell"} <= {*begun}
    assert (clients | {"sslyze", "phonenumbers", "asyncio"}).isdisjoint(begun)
    assert clients <= {*forbidden}, "a replay loads them before it forbids to reach anybody"
