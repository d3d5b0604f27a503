"""What the documentation shows is what there is: commands exist, examples select checks, grants are the lab's own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pydantic import BaseModel

from lab.deliver import REDIS_VERIFIER
from opsverify import accepted, attestations, baseline, changes, cli, incidents, roster, waivers
from opsverify.evidence.formats import FORMATS
from opsverify.evidence.settings import Evidence
from opsverify.gate.settings import Gate
from opsverify.inputs import Limits
from opsverify.probes.keys import parse_inventory
from opsverify.profile import NotApplicable
from opsverify.targets import Growth

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{each.name}" for each in (ROOT / "docs").glob("*.md"))]


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page, line[2:].partition("  #")[0].partition(" # ")[0].strip()) for line in lines]
    return found


COMMANDS = commands()


def fenced(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [line for block in found for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("command", sorted({line for _, line in COMMANDS if line.startswith("make ")}))
def test_every_make_target_in_the_documentation_exists(command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# One process for all of them: to load the checks takes longer than to select some.
COLLECT = """
import contextlib, io, json, sys, pytest
told = {}
for command, arguments in json.load(sys.stdin).items():
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        status = pytest.main([*arguments, "--collect-only", "-q", "-p", "no:cacheprovider"])
    told[command] = int(status), said.getvalue()
json.dump(told, sys.stdout)
"""


def test_every_pytest_example_selects_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment in ("STAGING", "PRODUCTION"):
        for service in ("POSTGRES", "REDIS"):
            monkeypatch.setenv(f"{environment}_{service}_PASSWORD", "only-to-collect")
        monkeypatch.setenv(f"{environment}_GRAFANA_TOKEN", "only-to-collect")
    examples = {line for _, line in COMMANDS if line.startswith("pytest ")}
    arguments = {  # --lf needs a run before it
        line: [each for each in shlex.split(line)[1:] if each != "--lf"] for line in sorted(examples)
    }
    done = subprocess.run(
        [sys.executable, "-c", COLLECT],
        cwd=ROOT,
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {*told} == examples
    for command, (status, said) in told.items():
        assert status == 0, f"{command}: {said}"
        assert "checks/" in said, command


def test_every_command_is_of_a_kind_that_is_tried() -> None:
    tried = ("make ", "pytest ", "opsverify ", "python -m json.tool reports/", "grep ")
    stock = ("cd ", "sha256sum ", "ssh-keygen ", "diff ", "for each in ", "test ")  # all of them in test_auditor.py
    elsewhere = [line for page, line in COMMANDS if not (page == "docs/auditor.md" and line.startswith(stock))]
    assert [line for line in elsewhere if not line.startswith(tried)] == []


@pytest.mark.parametrize("command", sorted({line for _, line in COMMANDS if line.startswith("opsverify ")}))
def test_every_opsverify_example_is_understood(command: str) -> None:
    chosen = cli.parser().parse_args(shlex.split(command)[1:])
    assert getattr(chosen, "profile", None) in ("production", None)


def defaults(model: type[BaseModel], shown: dict[str, Any]) -> bool:
    """Whether what is shown as the defaults of a model are all of them."""
    return model().model_dump() == shown


PARSERS: dict[str, Callable[[str, str], Any]] = {  # by the first line of the example
    "# roster.toml": roster.parse,
    "# attestations.toml": attestations.parse,
    "# baseline.toml": baseline.parse,
    "# accepted.toml": accepted.parse,
    "# waivers.toml": waivers.parse,
    "# keys.toml": parse_inventory,
    "[databases.growth] # of the [[databases]] above it": lambda text, _: Growth.model_validate(
        tomllib.loads(text)["databases"]["growth"]
    ),
    "# incidents/INC-2026-0117.toml": lambda text, _: incidents.parse(text, "incidents/INC-2026-0117.toml"),
    "# CHG-2026-0042.toml": lambda text, _: changes.parse(text, "changes/CHG-2026-0042.toml"),
    "# of CHG-2026-0042.toml": lambda text, _: changes.Change.model_validate(
        {"id": "CHG-1", "class": "standard", "reason": "feature", "summary": "s", **tomllib.loads(text)}
    ),
    "[gate] # of a profile; these are the defaults": lambda text, _: defaults(Gate, tomllib.loads(text)["gate"]),
    "[evidence] # of a profile": lambda text, _: Evidence.model_validate(tomllib.loads(text)["evidence"]),
    "[limits.HLT-MEM-01]": lambda text, _: Limits.model_validate(tomllib.loads(text)),
    "[[not_applicable]]": lambda text, _: [
        NotApplicable.model_validate(each) for each in tomllib.loads(text)["not_applicable"]
    ],
}
EXAMPLES = [
    dedent(block)
    for page in PAGES
    for block in re.findall(
        r"^ *```toml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
]


def test_every_example_of_a_file_is_read_by_its_parser() -> None:
    assert sorted(each.partition("\n")[0] for each in EXAMPLES) == sorted(PARSERS)
    for example in EXAMPLES:
        assert PARSERS[example.partition("\n")[0]](example, "example")


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("sql", "lab/images/postgres/roles.sql"),
        ("sudoers", "lab/images/node/etc/sudoers.d/opsverify"),
        ("sshd_config", "lab/images/node/etc/ssh/sshd_config.d/lab.conf"),
    ],
)
def test_the_grants_shown_are_those_the_lab_runs_with(language: str, source: str) -> None:
    granted = (ROOT / source).read_text(encoding="utf-8").splitlines()
    assert [line for line in fenced("docs/granting.md", language) if line not in granted] == []


def test_the_redis_user_shown_is_the_one_the_lab_runs_with() -> None:
    shown = next(
        line for line in (ROOT / "docs/granting.md").read_text().splitlines() if line.startswith("user ops_verify")
    )
    assert shown.split(">PASSWORD ")[1] == REDIS_VERIFIER


def test_readme_names_every_file_of_a_run() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("results.json", "report.html", "transcript.jsonl", *(each.file for each in FORMATS.values())):
        assert f"`{name}`" in text


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"


MAY_LACK = ("on_no_go", "scope")  # what the gate's own page shows


def test_the_change_record_shown_has_every_step() -> None:
    """So that the example meets every requirement of its chapter, and not only its parser."""
    example = next(each for each in EXAMPLES if each.startswith("# CHG-"))
    change = changes.parse(example, "changes/CHG-2026-0042.toml")
    assert [name for name in type(change).model_fields if name not in MAY_LACK and not getattr(change, name)] == []


def test_the_waivers_shown_are_in_order_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands beside the example, run on it: its requirement, its target and its dates are real ones."""
    for name in ("checks", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    example = next(each for each in EXAMPLES if each.startswith("# waivers.toml"))
    (tmp_path / "profiles/production/waivers.toml").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_now", lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    shown = [line for _, line in COMMANDS if line.startswith("opsverify waivers lint")]
    assert [cli.main(shlex.split(line)[1:]) for line in shown] == [0, 1]
    said, due = capsys.readouterr().out.split("each in order")
    assert "22         2026-12-15   SEC-CERT-01  api-443" in said
    assert "SEC-CERT-01" in due
