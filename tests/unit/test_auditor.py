"""The auditor's page: each of its commands is run as it stands there, on sound runs and on spoilt ones."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from opsverify import cli
from opsverify.evidence import chain, manifest, signing, signoff
from opsverify.evidence.chain import Entry
from opsverify.evidence.finding import Word
from opsverify.evidence.manifest import SUMS
from opsverify.evidence.signing import Signing
from tests.unit.bundles import NOW, Keys, Runs, public

PAGE = Path(__file__).parents[2] / "docs" / "auditor.md"
IDENTITY, REVIEWER = "opsverify@production", "mara.lindqvist@tokenswap.io"


def blocks(heading: str) -> list[str]:
    """The commands of a section of the page, as somebody would paste them."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    assert found
    return ["".join(line.removeprefix("$ ") for line in block.splitlines(keepends=True)) for block in found]


STOCK = blocks("Verify a run with the tools that are there already")
FILES, PUT_IN, EXPIRED, CHAIN, SIGN_OFFS = range(5)
OURS = [line for block in blocks("Verify with opsverify") for line in block.splitlines()]
SIGN = blocks("Sign off a run")


@pytest.fixture
def project(keys: Keys, runs: Runs) -> Path:
    """A project with three signed runs of production, the last of which was signed off."""
    profile = keys.folder / "profiles" / "production"
    profile.mkdir(parents=True)
    lines = (
        f'{IDENTITY} namespaces="opsverify",valid-before="20301231Z" {public(keys.runner)}\n'
        f'{REVIEWER} namespaces="opsverify-signoff" {public(keys.reviewer)}\n'
    )
    (profile / "allowed_signers").write_text(lines, encoding="utf-8")
    (profile / "revoked_keys").touch()
    text = f'[evidence]\nidentity = "{IDENTITY}"\nallowed_signers = "profiles/production/allowed_signers"\n'
    (profile / "profile.toml").write_text(text, encoding="utf-8")
    runs.stream = runs.stream.rename(runs.stream.with_name("production"))
    for _ in range(3):
        last = runs.sealed(Signing(IDENTITY, keys.runner))
    (runs.stream / "latest").symlink_to(last.name)
    said = signoff.written(
        {
            "run": last.name,
            "manifest_sha256": manifest.digest_of((last / SUMS).read_bytes()),
            "reviewer": "Mara Lindqvist",
            "role": "operations manager",
            "verdict": "accepted",
            "at": NOW,
            "identity": REVIEWER,
        }
    )
    signoff.add(last, said, keys.reviewer)
    return keys.folder


def shell(project: Path, *which: int) -> subprocess.CompletedProcess[str]:
    """What somebody sees who pastes these blocks of the page into a shell, one after the other."""
    text = "set -e\n" + "".join(STOCK[each] for each in which)
    return subprocess.run(["bash", "-c", text], cwd=project, capture_output=True, text=True, check=False)


def test_stock_tools_find_sound_runs_sound(project: Path) -> None:
    done = shell(project, FILES, PUT_IN, EXPIRED, CHAIN, SIGN_OFFS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'Good "opsverify" signature for {IDENTITY}' in done.stdout
    assert f'Good "opsverify-signoff" signature for {REVIEWER}' in done.stdout
    assert "WARNING" not in done.stderr


def middle(project: Path) -> Path:
    return sorted(project.glob("reports/production/2*Z-????????"))[1]


def last(project: Path) -> Path:
    return sorted(project.glob("reports/production/2*Z-????????"))[2]


def flipped(project: Path) -> None:
    path = last(project) / "results.json"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def written_anew(project: Path) -> None:
    (last(project) / "results.json").write_bytes(b"better\n")
    (last(project) / SUMS).write_bytes(manifest.dump(manifest.digests_of(last(project))))


def revoke(project: Path) -> None:
    line = (project / "profiles/production/allowed_signers").read_text(encoding="utf-8").splitlines()[0]
    key = " ".join(line.split()[-2:])
    (project / "profiles/production/revoked_keys").write_text(f"{key}\n", encoding="utf-8")


def run_out(project: Path) -> None:
    path = project / "profiles/production/allowed_signers"
    path.write_text(path.read_text(encoding="utf-8").replace("20301231Z", "20200101Z"), encoding="utf-8")


def made_anew(project: Path) -> None:
    """What somebody without the key can do to an early run: the next one's PREV is in order again."""
    first = sorted(project.glob("reports/production/2*Z-????????"))[0]
    (first / "results.json").write_bytes(b"better\n")
    (first / SUMS).write_bytes(manifest.dump(manifest.digests_of(first)))
    entry = Entry(first.name, manifest.digest_of((first / SUMS).read_bytes()))
    (middle(project) / "PREV").write_bytes(entry.line)


def twin(project: Path) -> None:
    stream = project / "reports/production"
    copy = stream / "20261201T000000Z-0000000a"
    shutil.copytree(last(project), copy)
    chain.point(stream, Entry(copy.name, manifest.digest_of((copy / SUMS).read_bytes())))


def review_altered(project: Path) -> None:
    path = next(project.glob("reports/production/*.signoffs/*.json"))
    path.write_text(path.read_text(encoding="utf-8").replace("accepted", "rejected"), encoding="utf-8")


def review_of_another_run(project: Path) -> None:
    path = next(project.glob("reports/production/*.signoffs"))
    path.rename(path.with_name(f"{middle(project).name}.signoffs"))


@pytest.mark.parametrize(
    ("spoil", "shown", "said"),
    [
        (flipped, (FILES,), "results.json: FAILED"),
        (lambda project: (last(project) / "results.json").unlink(), (FILES,), "FAILED open or read"),
        (written_anew, (FILES,), "incorrect signature"),
        (lambda project: (last(project) / "more").touch(), (FILES, PUT_IN), "> more"),
        (lambda project: (last(project) / "more").symlink_to("/"), (FILES, PUT_IN), "> more"),
        (revoke, (FILES, PUT_IN, EXPIRED), "Could not verify signature"),
        (run_out, (FILES,), "key is not currently valid|expired|not valid"),
        (lambda project: shutil.rmtree(middle(project)), (FILES, CHAIN), f"^< [0-9a-f]{{64}}  2.*/{SUMS}$"),
        (lambda project: (middle(project) / SUMS).write_bytes(b""), (FILES, CHAIN), f"{SUMS}: no properly formatted"),
        (lambda project: (middle(project) / SUMS).unlink(), (FILES, CHAIN), f"^< [0-9a-f]{{64}}  2.*/{SUMS}$"),
        (twin, (FILES, CHAIN), f"^< [0-9a-f]{{64}}  2.*/{SUMS}$"),
        (lambda project: (last(project) / f"{SUMS}-more").touch(), (FILES, PUT_IN), f"> {SUMS}-more"),
        (lambda project: (middle(project) / "results.json").write_bytes(b""), (FILES, CHAIN), "results.json: FAILED"),
        (made_anew, (FILES, CHAIN), "incorrect signature"),
        (review_altered, (FILES, CHAIN, SIGN_OFFS), "incorrect signature"),
        (review_of_another_run, (FILES, CHAIN, SIGN_OFFS), ""),
    ],
)
def test_stock_tools_find_what_is_spoilt_as_opsverify_does(
    project: Path,
    spoil: Callable[[Path], object],
    shown: tuple[int, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(project)
    done = shell(project, *shown)
    assert done.returncode != 0
    assert re.search(said, done.stdout + done.stderr, re.MULTILINE), done.stdout + done.stderr
    monkeypatch.chdir(project)
    monkeypatch.setattr(cli, "_now", lambda: NOW + timedelta(days=1))
    more = ["--revoked", "profiles/production/revoked_keys"]
    verdicts = {
        cli.main(["bundle", "chain", "reports/production", *more]),
        cli.main(["bundle", "verify", "reports/production/latest", *more]),
    }
    assert 1 in verdicts, capsys.readouterr().out


def test_stock_tools_find_a_run_that_was_killed_no_reason_for_alarm(project: Path) -> None:
    """Killed after it had said which run it follows, before it was sealed; and then nobody signed anything off."""
    killed = last(project).with_name("20261201T000000Z-0000000a")
    shutil.copytree(last(project), killed, ignore=shutil.ignore_patterns("SHA256SUMS*"))
    shutil.rmtree(next(project.glob("reports/production/*.signoffs")))
    done = shell(project, FILES, CHAIN, SIGN_OFFS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No such file" not in done.stderr


def test_a_key_that_ran_out_since_is_verified_for_the_time_of_sealing(project: Path) -> None:
    path = project / "profiles/production/allowed_signers"
    sealed_before = path.read_text(encoding="utf-8").replace("20301231Z", "202611222359Z")
    path.write_text(sealed_before, encoding="utf-8")
    assert shell(project, FILES).returncode != 0
    done = subprocess.run(
        ["bash", "-c", f"cd reports/production/latest\n{STOCK[EXPIRED]}"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_commands_of_this_suite_are_run_as_they_stand_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(cli, "_now", lambda: NOW)
    lines = [shlex.split(line, comments=True)[1:] for line in OURS]
    assert [cli.main(line) for line in lines] == [0, 0, 1]  # of the last one, the digest is that of another chain
    assert "TRUNCATED       no run has the digest" in capsys.readouterr().out
    shutil.copy(project / "reviewer_ed25519", project / "review_ed25519")
    (project / "review_ed25519").chmod(0o600)
    assert cli.main(shlex.split(SIGN[0].replace("\\\n", " "))[1:]) == 0
    assert f"holds, signed by {REVIEWER}" in capsys.readouterr().out


def test_every_word_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    assert [word for word in get_args(Word) if f"`{word}`" not in table] == []
    assert signing.NAMESPACE in text
