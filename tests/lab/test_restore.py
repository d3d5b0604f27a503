"""Restore drills: what they prove, what they find, and that nothing but their own place has a part in them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import engine, faults
from lab.settings import run
from opsverify.channels.places import LABEL
from tests.lab.conftest import ROOT, Verify
from tests.lab.test_run import snapshot

RECORD = "lab/.state/documents/drills.jsonl"
CUT = 'zcat "$old" | head -c $(( $(zcat "$old" | wc -c) * 3 / 4 )) | gzip > "$new"'
# All that pg_dump writes is there, but of the rows of the largest table only the first.
FEW_ROWS = r"""
    zcat "$old" | awk '/^COPY swap.swaps /{print; on=1; next} on && /^\\\.$/{on=0} !on || on++ == 1' | gzip > "$new"
"""
BROKEN = """zcat "$old" | sed 's/^CREATE TABLE swap.pools/CREATE TABLE swap.swaps/' | gzip > "$new" """


@dataclass(frozen=True)
class Done:
    """A finished ``opsverify restore-drill``: exit status, what it printed, and what is on record."""

    exit_status: int
    output: str
    record: list[dict[str, Any]]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The lab's profile, with a record of drills of this test's own."""
    text = (ROOT / "profiles/lab/profile.toml").read_text(encoding="utf-8")
    assert RECORD in text
    path = tmp_path / "drills.toml"
    path.write_text(text.replace(RECORD, str(tmp_path / "drills.jsonl")), encoding="utf-8")
    return path


def command(profile: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "opsverify.cli", "restore-drill", "--profile", str(profile), *arguments]


def drilled(profile: Path, *arguments: str) -> Done:
    done = subprocess.run(
        command(profile, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    path = profile.with_name("drills.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return Done(done.returncode, done.stdout + done.stderr, [json.loads(line) for line in lines])


def left_behind() -> list[str]:
    """Containers and folders of drills that are there now."""
    folders = [
        str(each)
        for pattern in ("opsv-drill-*", "opsv-fetched-*")
        for each in Path(tempfile.gettempdir()).glob(pattern)
    ]
    return [*run(["docker", "ps", "-aq", "--filter", f"label={LABEL}"]).stdout.split(), *folders]


@pytest.fixture(autouse=True)
def scratch_is_gone() -> Iterator[None]:
    """Whatever came of a drill, nothing of it stays but its record and its transcript."""
    assert left_behind() == []
    yield
    assert left_behind() == []


def written() -> str:
    """What only a session that writes, or a backup, would change on the live server."""
    return faults.sql(
        "SELECT string_agg(relname || n_tup_upd + n_tup_del || n_dead_tup, ',' ORDER BY relname)"
        " FROM pg_stat_user_tables WHERE relname IN ('users', 'api_keys', 'pools')"
    )


def test_good_backups_are_restored_and_nothing_live_is_touched(profile: Path, verify: Verify) -> None:
    before = snapshot(), written()
    done = drilled(profile, "--by", "Mara Lindqvist")
    assert (snapshot(), written()) == before
    assert done.exit_status == 0, done.output
    restored, recovered = done.record
    assert (restored["kind"], recovered["kind"]) == ("restore", "point-in-time")
    assert {each["outcome"] for each in done.record} == {"met"}
    assert {each["by"] for each in done.record} == {"Mara Lindqvist"}
    swaps = {each["table"]: each for each in restored["comparisons"]}["swap.swaps"]
    assert swaps["restored"] == swaps["expected"] > 3000
    assert {each["name"] for each in recovered["checks"]} >= {"recovery stopped", "last transaction that was replayed"}
    assert all(each["met"] for drill in done.record for each in drill["checks"])
    outcome = verify("-k", "BP-BAK-02 or CHG-RB-PITR-03", replace={RECORD: str(profile.with_name("drills.jsonl"))})
    assert outcome.red == {}, outcome.output


def test_a_transcript_tells_what_was_done_but_not_what_is_in_the_backup(profile: Path) -> None:
    done = drilled(profile, "--kind", "restore")
    where = next(line.split(": ")[1] for line in done.output.splitlines() if line.startswith("transcript: "))
    exchanges = [json.loads(line) for line in (ROOT / where).read_text(encoding="utf-8").splitlines()]
    fetched = next(each for each in exchanges if str(each["question"]).startswith("cat -- "))
    assert fetched["answer"]["sha256"] == done.record[0]["sha256"]
    assert {each["channel"] for each in exchanges} == {"shell", "sql", "scratch"}
    assert any(each["question"] == "SELECT 1" or "CREATE ROLE" in str(each["question"]) for each in exchanges)
    assert "0x" + "c4ca4238a0b923820dcc" not in (ROOT / where).read_text(encoding="utf-8")  # the first user's wallet


@pytest.mark.parametrize("ending", [".sql.gz", ".dump"])
def test_a_dump_of_either_format_is_restored(ending: str, profile: Path) -> None:
    with faults.dump_added(ending) as name:
        done = drilled(profile, "--kind", "restore", "--backup", name)
    assert done.exit_status == 0, done.output
    assert done.record[0]["backup"] == name
    assert len(done.record[0]["comparisons"]) >= 5


@pytest.mark.parametrize(
    ("ending", "make", "found"),
    [
        (".sql.gz", CUT, "the dump ends as a complete one"),
        (".sql.gz", 'head -c $(( $(stat -c %s "$old") * 3 / 4 )) "$old" > "$new"', "decompresses to its end"),
        (".sql.gz", FEW_ROWS, "swap.swaps: in the backup 1, restored 1, live"),
        (".sql.gz", BROKEN, "the dump is restored: observed psql ended with status 3"),
        (".dump", 'head -c $(( $(stat -c %s "$old") / 2 )) "$old" > "$new"', "pg_restore reads the dump to its end"),
    ],
    ids=["cut and compressed again", "cut", "rows missing", "not restorable", "custom format cut"],
)
def test_a_dump_that_is_no_good_fails_the_drill(
    ending: str, make: str, found: str, profile: Path, verify: Verify
) -> None:
    record = str(profile.with_name("drills.jsonl"))
    with faults.dump_added(ending, make) as name:
        done = drilled(profile, "--kind", "restore", "--backup", name)
        outcome = verify("-k", "BP-BAK-02", replace={RECORD: record})
    assert done.exit_status == 1, done.output
    assert found in done.output
    assert [each["outcome"] for each in done.record] == ["not met"]
    assert outcome.red == {"BP-BAK-02-nightly": "fail"}


def test_a_dump_that_is_not_what_the_manifest_says_is_not_restored(profile: Path) -> None:
    with faults.newest_dump_replaced('cp "$old" "$new"; printf x >> "$new"') as name:
        done = drilled(profile, "--kind", "restore", "--backup", name)
    assert done.exit_status == 1, done.output
    assert "SHA-256 of the dump" in done.output
    assert done.record[0]["comparisons"] == []


@pytest.mark.parametrize(
    ("inject", "found"),
    [
        (faults.segment_missing, "missing of"),
        (faults.segment_short, "bytes long"),
        (faults.segment_overwritten, "the archive is readable to its end"),
        (faults.base_backup_damaged, "against its manifest"),
    ],
    ids=["segment missing", "segment cut short", "segment overwritten", "base backup damaged"],
)
def test_an_archive_that_leads_nowhere_fails_the_drill(inject: Any, found: str, profile: Path, verify: Verify) -> None:
    with inject():
        done = drilled(profile, "--kind", "point-in-time")
    assert done.exit_status == 1, done.output
    assert found in done.output
    assert [each["outcome"] for each in done.record] == ["not met"]
    outcome = verify("-k", "CHG-RB-PITR-03", replace={RECORD: str(profile.with_name("drills.jsonl"))})
    assert outcome.red == {"CHG-RB-PITR-03-nightly": "fail"}


def test_a_base_backup_with_a_tablespace_is_not_recovered_to_where_that_lies(profile: Path) -> None:
    link = "$(ls -d /backup/base/base_* | tail -1)/pg_tblspc/16999"
    with faults.on_node(f"ln -s /srv/tablespace {link}", f"rm {link}"):
        done = drilled(profile, "--kind", "point-in-time")
    assert done.exit_status == 69, done.output
    assert "links that lead out of its folder" in done.output
    assert done.record == []


def test_a_moment_that_the_archive_does_not_reach_cannot_be_tested(profile: Path) -> None:
    done = drilled(profile, "--kind", "point-in-time", "--target-time", "2020-01-01T00:00:00Z")
    assert done.exit_status == 69, done.output
    assert "cannot be tested" in done.output
    assert done.record == []


def test_a_moment_that_is_named_is_recovered_to(profile: Path) -> None:
    first = drilled(profile, "--kind", "point-in-time")
    stopped = next(each for each in first.record[0]["checks"] if each["name"] == "recovery stopped")
    done = drilled(profile, "--kind", "point-in-time", "--target-time", first.record[0]["target_time"])
    assert done.exit_status == 0, done.output
    assert next(each for each in done.record[1]["checks"] if each["name"] == "recovery stopped") == stopped


@pytest.mark.parametrize(
    "sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-c", "terminated", "hung up"]
)
def test_a_drill_that_is_broken_off_leaves_nothing_behind(sent: signal.Signals, profile: Path) -> None:
    heard = ["env", "--default-signal", *command(profile)]  # whoever started the tests may have them ignored
    started = subprocess.Popen(
        heard, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    with started:
        assert started.stdout is not None
        while "restoring" not in (line := started.stdout.readline()):
            assert line, "it ended by itself"
        os.kill(started.pid, sent)
        time.sleep(0.2)
        os.kill(started.pid, signal.SIGINT)  # by somebody who cannot wait
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(30)
    assert started.returncode == 130
    assert not profile.with_name("drills.jsonl").exists()


def test_a_machine_without_the_image_says_so_and_pulls_nothing(profile: Path) -> None:
    text = profile.read_text(encoding="utf-8")
    profile.write_text(
        text.replace('image = "tokenswap-lab/postgres"', 'image = "tokenswap-lab/none"'), encoding="utf-8"
    )
    begun = time.monotonic()
    done = drilled(profile)
    assert done.exit_status == 69, done.output
    assert "image tokenswap-lab/none is not on this machine" in done.output
    assert time.monotonic() - begun < 20


def test_the_scratch_server_has_no_network(profile: Path) -> None:
    started = subprocess.Popen(command(profile), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = []
    with started:
        assert started.stdout is not None
        for line in started.stdout:
            if "counting" in line:
                (container,) = run(["docker", "ps", "-q", "--filter", f"label={LABEL}"]).stdout.split()
                seen.append(json.loads(run(["docker", "inspect", container]).stdout)[0])
    assert started.returncode == 0
    assert [each["HostConfig"]["NetworkMode"] for each in seen] == ["none", "none"]
    assert all(each["Config"]["User"] not in ("", "root", "0") for each in seen)
    assert engine.containers()["postgres"]["State"]["Status"] == "running"
