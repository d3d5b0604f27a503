"""Archiving: a command is good only when its success means that the segment was stored, and the archive has no gap."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.archiving import Archive, Archiver, ArchiveSettings
from opsverify.probes.base_backups import BaseBackup
from opsverify.rules import archiving
from opsverify.rules.archive_command import problem
from opsverify.wal import Segment, Start, Switch, name_of

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MB = 1024 * 1024


@pytest.mark.parametrize(
    "command",
    [
        "test ! -f /w/%f && cp %p /w/%f",
        "test ! -f /w/%f && cp '%p' \"/w/%f\"",
        "[ ! -e /w/%f ] || exit 1; cp %p /w/%f",
        "test -f /w/%f && exit 1; cp %p /w/%f",
        "test ! -f /w/%f && cp %p /tmp/%f && mv /tmp/%f /w/%f",
        "test ! -f /w/%f.gz && gzip < %p > /w/%f.gz",
        "ssh b test ! -f /w/%f && rsync -a %p b:/w/%f",
        "bash -c 'test ! -f /w/%f && cp %p /w/%f'",
        "nice -n 10 sh -c 'test ! -f /w/%f && cp %p /w/%f' %p",
        "pgbackrest --stanza=main archive-push %p",
        "sudo -u backup pgbackrest --stanza=main archive-push %p",
        '/usr/local/bin/wal-g wal-push "%p"',
        "envdir /etc/wal-e.d/env wal-e wal-push %p",
        "barman-wal-archive backup pg %p",
        "barman-cloud-wal-archive s3://bucket main %p",
        "/etc/rds/dbbin/pgscripts/rds_wal_archive %p",
        "/opt/archive.sh %p %f",
        "/opt/archive.sh %p %f >> /var/log/archive.log 2>&1",
        "test ! -f /w/%f && cp %p /w/%f 2>&1",
        "test ! -f /w/%f && cp %p /w/%f > /dev/null 2>&1",
        "test ! -f /w/%f && cp %p /w/",
        "test ! -f /w/%f && dd if=%p of=/w/%f 2>> /var/log/archive.log",
        "test ! -f /w/%f.gz && gzip -c %p 1> /w/%f.gz",
        "cat %p | ssh b '/opt/store.sh %f'",
        "pgbackrest --stanza=main archive-push %p 2>&1",
        "set -o pipefail; pgbackrest archive-push %p 2>&1 | tee -a /log",
    ],
)
def test_a_command_that_stores_and_overwrites_nothing_is_good(command: str) -> None:
    assert problem(command) == ""


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("", "no command"),
        ("  ", "no command"),
        ("(disabled)", "does not name the segment"),
        ("true", "does not name the segment"),
        ("/bin/true", "does not name the segment"),
        (":", "does not name the segment"),
        ("exit 0", "does not name the segment"),
        ("false", "does not name the segment"),
        ("/bin/true # test ! -f /w/%f && cp %p /w/%f", "does not name the segment"),
        ("echo archived %p", "stores the segment"),
        ("true %p", "stores the segment"),
        ("test -f %p", "stores the segment"),
        ("exit 0; cp %p /w/%f", "ends before"),
        ("false && cp %p /w/%f", "ends before"),
        ("test -f /w/%f || cp %p /w/%f", "only where something else fails"),
        ("cp %p /w/%f", "overwrites"),
        ("cp %p /w/%f && exit 0", "overwrites"),
        ("sh -c 'cp %p /w/%f'", "overwrites"),
        ("test ! -f /w/%f; cp %p /w/%f", "overwrites"),
        ("gzip < %p > /w/%f.gz", "overwrites"),
        ("cat %p | gzip > /w/%f.gz", "overwrites"),
        ("rsync -a %p b:/w/%f", "overwrites"),
        ("test -f /w/%f && exit 0; cp %p /w/%f", "stores nothing"),
        ("cp -n %p /w/%f", "stores nothing"),
        ("cp --no-clobber %p /w/%f", "stores nothing"),
        ("rsync --ignore-existing %p b:/w/", "stores nothing"),
        ("ln %p /w/%f", "no copy"),
        ("mv %p /w/%f", "takes the segment away"),
        ("test ! -f /w/%f && cp %p /w/%f || true", "even where storing failed"),
        ("test ! -f /w/%f && cp %p /w/%f || exit 0", "even where storing failed"),
        ("test ! -f /w/%f && cp %p /w/%f; true", "even where storing failed"),
        ("test ! -f /w/%f && cp %p /w/%f\ntrue", "even where storing failed"),
        ("test ! -f /w/%f && cp %p /w/%f &", "before the segment is stored"),
        ("pgbackrest archive-push %p || :", "even where storing failed"),
        ("cp %p '/w/%f", "cannot read"),
        ("rm -f %p", "stores the segment"),
        ("sha256sum %p", "stores the segment"),
        ("cat %p", "stores the segment"),
        ("cat %p > /dev/null", "stores the segment"),
        ("cat %p > /w/newest", "stores the segment"),
        ("test ! -f /w/%f && cp %p /dev/null", "stores the segment"),
        ("test ! -f /w/%f && dd if=%p of=/dev/null", "stores the segment"),
        ("test ! -f /w/%f && touch /w/%f && stat %p", "stores the segment"),
        ("test ! -f /x/%f && cp %p /w/%f", "overwrites"),
        ("test ! -f %f && cp %p /w/%f.gz", "overwrites"),
        ("cat %p 1> /w/%f", "overwrites"),
        ("test ! -f %f && cp %p /w/%f", "overwrites"),
        ("test ! -f /w/%f && cp %p /w/%f &> /log", "before the segment is stored"),  # as Debian's sh has it
        ("test ! -f /w/%f && cp %p /w/%f | tee -a /log", "end of a pipe"),
        ("pgbackrest archive-push %p 2>&1 | logger", "end of a pipe"),
    ],
)
def test_a_command_that_is_no_good_is_told_why(command: str, why: str) -> None:
    assert why in problem(command)


@pytest.mark.parametrize(
    "command",
    ["if test ! -f /w/%f; then cp %p /w/%f; fi", "cp %p $(cat /etc/where)/%f", "{ cp %p /w/%f; }", "(cp %p /w/%f)"],
)
def test_a_command_that_is_too_intricate_is_neither_good_nor_bad(command: str) -> None:
    with pytest.raises(InsufficientFactsError, match="too intricate"):
        problem(command)


WORDS = re.findall(r"\S+|\n", "true false cp mv test ! -f %p %f && || ; & | > < # ' \" ( ) sh -c exit 0 1 \\ \n")


@given(st.lists(st.sampled_from(WORDS)))
def test_no_command_breaks_the_reader(words: list[str]) -> None:
    try:
        wrong = problem(" ".join(words))
    except InsufficientFactsError:
        return
    assert wrong or "%p" in words or "%f" in words, "good, and it does not even name the segment"


def met(observations: list[Observation]) -> bool:
    assert observations
    return not unmet(observations)


GOOD = ArchiveSettings("on", "replica", "test ! -f /w/%f && cp %p /w/%f", "")


@pytest.mark.parametrize(
    ("settings", "good"),
    [
        (GOOD, True),
        (replace(GOOD, mode="always", level="logical"), True),
        (replace(GOOD, mode="off"), False),
        (replace(GOOD, level="minimal"), False),
        (replace(GOOD, command=""), False),
        (replace(GOOD, command="", library="basic_archive"), True),
        (replace(GOOD, command="/bin/true", library="basic_archive"), True),  # the library is what archives
        (replace(GOOD, mode="off", command="if x; then cp %p y; fi"), False),  # a finding beats an error
    ],
)
def test_archiving_is_set_up(settings: ArchiveSettings, good: bool, limits_of: LimitsOf) -> None:
    assert met(archiving.set_up(settings, limits_of("CHG-RB-PITR-01"))) is good


BASE = BaseBackup("/b/base_20261123_020000", "base_20261123_020000", NOW - timedelta(hours=10), manifest=True)
START = Start(1, 4 * MB + 40, "000000010000000000000004")
DOING_WELL = Archiver("000000010000000000000008", NOW, None, None, 9 * MB + 7, MB, 0, 0.0)


def names(first: int, last: int, timeline: int = 1) -> list[str]:
    return [name_of(Segment(timeline, number), MB) for number in range(first, last + 1)]


def archive(segments: list[str], **more: int) -> Archive:
    files = {**dict.fromkeys(segments, MB), **more}
    return Archive("/w", files, (), {2: (Switch(1, 6 * MB + 9),)} if "00000002.history" in files else {})


FULL = archive(names(1, 8))
SWITCHED = archive(names(4, 6) + names(6, 9, 2), **{"00000002.history": 41})


@pytest.mark.parametrize(
    ("archiver", "found", "good"),
    [
        (DOING_WELL, FULL, True),
        (DOING_WELL, archive(names(4, 8)), True),
        (DOING_WELL, archive(names(4, 8), **{"000000010000000000000009": 5}), True),  # that one is being copied
        (DOING_WELL, archive(names(4, 8), **{"000000010000000000000004.00000028.backup": 338}), True),
        (DOING_WELL, archive(names(5, 8)), False),
        (DOING_WELL, archive([*names(4, 5), *names(7, 8)]), False),
        (DOING_WELL, archive(names(4, 7)), False),  # what the server calls archived is not there
        (DOING_WELL, archive(names(4, 8), **{"000000010000000000000006": MB - 1}), False),
        (DOING_WELL, archive(names(4, 8), **{"000000010000000000000008": 0}), False),
        (DOING_WELL, archive([]), False),
        (DOING_WELL, None, False),
        # An old failure that it has recovered from, and a fresh one.
        (replace(DOING_WELL, failed="x", failed_at=NOW - timedelta(seconds=1)), FULL, True),
        (replace(DOING_WELL, failed="x", failed_at=NOW + timedelta(seconds=1)), FULL, False),
        (replace(DOING_WELL, archived=None, archived_at=None, failed="x", failed_at=NOW), FULL, False),
        (replace(DOING_WELL, waiting=1, waiting_seconds=299.0), FULL, True),
        (replace(DOING_WELL, waiting=1, waiting_seconds=301.0), FULL, False),
        # Idle for a month: nothing is written, so nothing has to be archived.
        (replace(DOING_WELL, archived_at=NOW - timedelta(days=30)), FULL, True),
        (replace(DOING_WELL, archived="000000010000000000000008.00000028.backup"), FULL, False),  # is not there
        # Nothing archived by its counters: they were reset, or it never worked.
        (replace(DOING_WELL, archived=None, archived_at=None), FULL, True),
        (replace(DOING_WELL, archived=None, archived_at=None), archive(names(4, 7)), False),
        (replace(DOING_WELL, archived=None, archived_at=None, waiting=1), archive(names(4, 7)), True),
        # Segment 3 was archived once more when the server came back: what lies there leads on all the same.
        (replace(DOING_WELL, archived=names(3, 3)[0]), FULL, True),
        (replace(DOING_WELL, archived=names(3, 3)[0]), archive([*names(1, 5), *names(7, 8)]), False),
        (replace(DOING_WELL, archived=names(3, 3)[0]), archive(names(1, 8), **{names(9, 9)[0]: 5}), True),
        # Promoted in segment 6.
        (replace(DOING_WELL, archived=name_of(Segment(2, 9), MB)), SWITCHED, True),
        (replace(DOING_WELL, archived="00000002.history"), SWITCHED, True),
        (replace(DOING_WELL, archived=name_of(Segment(2, 9), MB)), archive(names(4, 6) + names(6, 9, 2)), False),
        (
            replace(DOING_WELL, archived=name_of(Segment(2, 9), MB)),
            replace(SWITCHED, histories={2: (Switch(1, 3),)}),
            False,
        ),
        (
            replace(DOING_WELL, archived=name_of(Segment(2, 9), MB)),
            archive(names(4, 6) + names(7, 9, 2), **{"00000002.history": 41}),
            False,
        ),
    ],
)
def test_the_archive_leads_on_from_the_base_backup(
    archiver: Archiver, found: Archive | None, good: bool, limits_of: LimitsOf
) -> None:
    assert (
        met(archiving.without_gaps(archiver, Attempt(found), BASE, Attempt(START), limits_of("CHG-RB-PITR-02"))) is good
    )


@pytest.mark.parametrize(
    ("found", "start"),
    [
        (Attempt[Archive | None](None, "host node: /w may not be looked at"), Attempt(START)),
        (Attempt[Archive | None](FULL), Attempt[Start](None, "host node: /b has no backup_label")),
    ],
)
def test_what_cannot_be_read_hides_no_archiver_that_fails(
    found: Attempt[Archive | None], start: Attempt[Start], limits_of: LimitsOf
) -> None:
    limits = limits_of("CHG-RB-PITR-02")
    with pytest.raises(InsufficientFactsError, match="host node: "):
        archiving.without_gaps(DOING_WELL, found, BASE, start, limits)
    failing = replace(DOING_WELL, failed="x", failed_at=NOW + timedelta(seconds=1))
    assert not met(archiving.without_gaps(failing, found, BASE, start, limits))


def test_without_a_base_backup_the_archive_leads_nowhere(limits_of: LimitsOf) -> None:
    assert not met(archiving.without_gaps(DOING_WELL, Attempt(FULL), None, None, limits_of("CHG-RB-PITR-02")))


COMPRESSED = Archive("/w", {f"{each}.gz": 99 for each in names(4, 8)}, (), {})
FOREIGN = Archive("/w", {"archive.info": 5}, ("15-1",), {})


@pytest.mark.parametrize(
    ("archiver", "found", "why"),
    [
        (DOING_WELL, COMPRESSED, r"0004\.gz"),
        (DOING_WELL, FOREIGN, "another archiver's"),
        (replace(DOING_WELL, archived=names(3, 3)[0]), archive(names(1, 3)), "ends before base backup"),
        (replace(DOING_WELL, position=None), FULL, "standby"),
    ],
)
def test_what_cannot_be_seen_is_an_error(archiver: Archiver, found: Archive, why: str, limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match=why):
        archiving.without_gaps(archiver, Attempt(found), BASE, Attempt(START), limits_of("CHG-RB-PITR-02"))


@pytest.mark.parametrize("found", [COMPRESSED, FOREIGN])
def test_a_finding_beats_what_cannot_be_seen(found: Archive, limits_of: LimitsOf) -> None:
    failing = replace(DOING_WELL, waiting=1, waiting_seconds=999.0)
    assert not met(archiving.without_gaps(failing, Attempt(found), BASE, Attempt(START), limits_of("CHG-RB-PITR-02")))


def test_a_gap_in_a_compressed_archive_is_a_gap(limits_of: LimitsOf) -> None:
    files = {name: size for name, size in COMPRESSED.files.items() if "06" not in name}
    seen = archiving.without_gaps(
        DOING_WELL, Attempt(replace(COMPRESSED, files=files)), BASE, Attempt(START), limits_of("CHG-RB-PITR-02")
    )
    assert "000000010000000000000006" in str(unmet(seen)[0])
