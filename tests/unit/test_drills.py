"""Restore drills: the record, what follows from it, and the rules that rest on it."""

from __future__ import annotations

import os
import signal
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from opsverify import drill as drill_module
from opsverify import drills, recovering
from opsverify.drills import Comparison, Drill, Looked
from opsverify.ending import ENDING, ends_in_order
from opsverify.errors import UnansweredError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.base_backups import BaseBackup, BaseVerification
from opsverify.rules import restore

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DIGEST = "ab" * 32
GOOD_TABLE = Comparison(table="swap.users", expected=200, restored=200, live=210)
GOOD_CHECK = Looked(
    name="the dump is restored", observed="psql ended with status 0", expected="without an error", met=True
)


def drill(days: float = 1, **changes: Any) -> Drill:
    found: dict[str, Any] = {
        "kind": "restore",
        "started": NOW - timedelta(days=days, minutes=1),
        "finished": NOW - timedelta(days=days),
        "store": "nightly",
        "backup": "backup_20261122_021500.sql.gz",
        "sha256": DIGEST,
        "server": "15.20",
        "rows_share": 0.5,
        "comparisons": [GOOD_TABLE],
        "checks": [GOOD_CHECK],
        "by": "Mara Lindqvist",
        "outcome": "met",
    }
    return Drill(**{**found, **changes})


def met(observations: list[Observation]) -> bool:
    assert observations
    return not unmet(observations)


def test_a_record_is_read_as_it_was_written() -> None:
    held = [drill(3), drill(2, kind="point-in-time", target_time=NOW), drill(1, comparisons=[], outcome="not met")]
    assert drills.parse("".join(map(drills.line, held)), "drills.jsonl") == held


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"kind":"restore"', '"kind":"rehearsal"', "kind"),
        ('"restored":200', '"restored":-1', "restored"),
        ('"restored":200', '"restored":"200"', "restored"),
        (f'"{DIGEST}"', '"abc"', "sha256"),
        ('"met":true', '"met":"yes"', "met"),
        ("12:00:00Z", "12:00:00", "finished"),
        ('"started":"2026-11-22T11:59', '"started":"2026-11-22T12:59', "not before started"),
        ('"by":', '"signed":', "signed|by"),
        ("{", "", "JSON"),
    ],
)
def test_a_line_that_is_not_understood_is_named(old: str, new: str, why: str) -> None:
    text = drills.line(drill())
    assert old in text
    with pytest.raises(UnansweredError, match=rf"drills\.jsonl: line 2: .*({why})"):
        drills.parse(drills.line(drill()) + text.replace(old, new, 1), "drills.jsonl")


@pytest.mark.parametrize(
    ("compared", "good"),
    [
        (GOOD_TABLE, True),
        (Comparison(table="a", expected=10, restored=10), True),
        (Comparison(table="a", expected=0, restored=0, live=0), True),
        (Comparison(table="a", restored=50, live=100), True),
        (Comparison(table="a", restored=49, live=100), False),
        (Comparison(table="a", expected=10, restored=10, live=100), False),
        (Comparison(table="a", expected=10, restored=9), False),
        (Comparison(table="a", expected=10, restored=11), False),
        (Comparison(table="a", expected=10), False),  # the table is not there
        (Comparison(table="a", live=0), False),
        (Comparison(table="a", restored=5), False),  # compared with nothing
    ],
)
def test_a_table_is_restored_whole_or_not(compared: Comparison, good: bool) -> None:
    assert compared.met(0.5) is good
    assert drills.derived(drill(comparisons=[GOOD_TABLE, compared]), 0.5) == ("met" if good else "not met")


def test_a_drill_that_brought_back_no_row_proves_nothing() -> None:
    empty = Comparison(table="a", expected=0, restored=0, live=0)
    assert empty.met(0.5)
    assert drills.derived(drill(comparisons=[empty]), 0.5) == "not met"


@pytest.mark.parametrize(
    ("held", "good"),
    [
        ([drill(29)], True),
        ([drill(30)], True),
        ([drill(30.001)], False),
        ([drill(-1)], False),  # of tomorrow
        ([], False),
        ([drill(1, kind="point-in-time")], False),
        ([drill(2, outcome="not met", checks=[GOOD_CHECK.model_copy(update={"met": False})]), drill(1)], True),
        ([drill(2), drill(1, outcome="not met", checks=[GOOD_CHECK.model_copy(update={"met": False})])], False),
        # Its word does not count.
        ([drill(1, checks=[GOOD_CHECK.model_copy(update={"met": False})])], False),
        ([drill(1, comparisons=[GOOD_TABLE.model_copy(update={"restored": 199})])], False),
        ([drill(1, comparisons=[])], False),
        ([drill(1, comparisons=[Comparison(table="a", expected=0, restored=0, live=0)], outcome="not met")], False),
        ([drill(1, checks=[])], False),
        ([drill(1, outcome="not met")], False),
        ([drill(1, sha256="00" * 32)], False),
        ([drill(1, backup="backup_of_somebody_else.sql.gz")], False),
        # By the limits in force, not by those of the drill.
        ([drill(1, rows_share=0.001, comparisons=[Comparison(table="a", restored=1, live=100)])], False),
    ],
)
def test_restoring_is_tested_by_the_last_drill_alone(held: list[Drill], good: bool, limits_of: LimitsOf) -> None:
    digests = {"backup_20261122_021500.sql.gz": DIGEST}
    assert met(restore.restore_is_tested(held, digests, limits_of("BP-BAK-02"), NOW)) is good


BASE = BaseBackup("/b/base_20261122_120000", "base_20261122_120000", NOW - timedelta(days=1), manifest=True)
VERIFIED = BaseVerification(BASE.name, "")
RECOVERED = drill(1, kind="point-in-time", target_time=NOW, comparisons=[Comparison(table="a", restored=9, live=10)])


def base(days: float, *, manifest: bool = True) -> BaseBackup:
    return BaseBackup("/b/x", "x", NOW - timedelta(days=days), manifest)


@pytest.mark.parametrize(
    ("bases", "verified", "held", "good"),
    [
        ([BASE], VERIFIED, [RECOVERED], True),
        ([base(7)], VERIFIED, [RECOVERED], True),
        ([base(7.001)], VERIFIED, [RECOVERED], False),
        ([base(-1)], VERIFIED, [RECOVERED], False),
        ([base(9), BASE], VERIFIED, [RECOVERED], True),
        ([base(1, manifest=False)], VERIFIED, [RECOVERED], False),
        ([BASE], BaseVerification(BASE.name, "a file is gone"), [RECOVERED], False),
        ([BASE], BaseVerification(BASE.name, "", NOW - timedelta(days=7)), [RECOVERED], True),
        ([BASE], BaseVerification(BASE.name, "", NOW - timedelta(days=8)), [RECOVERED], False),  # an old one, renamed
        ([], None, [RECOVERED], False),
        ([BASE], VERIFIED, [], False),
        ([BASE], VERIFIED, [drill(1)], False),
        ([BASE], VERIFIED, [drill(90, kind="point-in-time")], True),
        ([BASE], VERIFIED, [drill(91, kind="point-in-time")], False),
    ],
)
def test_point_in_time_recovery_is_ready(
    bases: list[BaseBackup], verified: BaseVerification | None, held: list[Drill], good: bool, limits_of: LimitsOf
) -> None:
    assert met(restore.point_in_time_ready(bases, verified, held, limits_of("CHG-RB-PITR-03"), NOW)) is good


def test_a_table_that_was_not_restored_is_named_with_its_counts(limits_of: LimitsOf) -> None:
    held = [drill(1, comparisons=[Comparison(table="swap.users", expected=200, restored=3, live=210)])]
    (finding, _) = unmet(restore.restore_is_tested(held, {held[0].backup: DIGEST}, limits_of("BP-BAK-02"), NOW))
    assert "swap.users: in the backup 200, restored 3, live, about 210" in str(finding)


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_a_drill_twice_does_not_end_its_cleaning_up(told: signal.Signals) -> None:
    cleaned_up = []

    def held() -> None:
        with ends_in_order():
            try:
                os.kill(os.getpid(), told)
                time.sleep(5)
            finally:
                for each in ENDING:
                    os.kill(os.getpid(), each)
                cleaned_up.append(True)

    with pytest.raises(KeyboardInterrupt):
        held()
    for each in ENDING:  # nor its last words
        os.kill(os.getpid(), each)
    assert cleaned_up


@pytest.mark.usefixtures("signals_heard")
def test_a_drill_that_nobody_ended_leaves_signals_as_they_were() -> None:
    before = [signal.getsignal(each) for each in ENDING]
    with ends_in_order():
        assert [signal.getsignal(each) for each in ENDING] != before
    assert [signal.getsignal(each) for each in ENDING] == before


def test_a_hang_up_that_is_to_be_ignored_is() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it
    try:
        with ends_in_order():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("kind", "link"), [(tarfile.SYMTYPE, "/somewhere"), (tarfile.LNKTYPE, "./a"), (tarfile.FIFOTYPE, "")]
)
def test_a_base_backup_with_links_is_not_unpacked(kind: bytes, link: str, tmp_path: Path) -> None:
    """A recovered server would write its log to where pg_wal leads, and rows to where a tablespace does."""
    path = tmp_path / "base.tar"
    with tarfile.open(path, "w") as packed:
        for name, of, to in (("./a", tarfile.REGTYPE, ""), ("./b", tarfile.DIRTYPE, ""), ("./pg_wal", kind, link)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = of, to
            packed.addfile(entry)
    with pytest.raises(UnansweredError, match=r"links that lead out of its folder.*: pg_wal$"):
        recovering._holds_no_links(path)
    path.write_bytes(b"no archive")
    with pytest.raises(UnansweredError, match="as a tar archive"):
        recovering._holds_no_links(path)


def test_a_hostile_name_neither_acts_on_a_terminal_nor_looks_like_an_outcome() -> None:
    bad = Comparison(table="a.\x1b[2J\nMET      restore        nightly", expected=2, restored=1)
    held = drill_module.Held([drill(comparisons=[bad], outcome="not met")], ["x\x1b[1m\nMET"], cast(Any, None))
    lines = drill_module.table(held).splitlines()
    assert [line.split()[0] for line in lines] == ["NOT", r"a.\x1b[2J\nMET", "UNTOLD"]
    assert "\x1b" not in "".join(lines)
