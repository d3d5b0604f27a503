"""Packages: what apt's tables say above the installed version, and when what they say can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.packages import (
    Archive,
    Packages,
    Release,
    Update,
    parse_archives,
    parse_installed,
    parse_release,
    parse_releases,
    parse_versions,
)
from opsverify.rules import patches

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECURITY = Archive(
    "http://security.example.org/debian-security bookworm-security/main amd64 Packages",
    "Debian-Security",
    codename="bookworm-security",
)
OTHER = Archive("http://mirror.example.org/debian bookworm/main amd64 Packages", "Debian", "stable")
NAMES = {"libc6:amd64": False, "tzdata": False, "tini": False, "zlib1g:amd64": True}
TABLE = """tool:
  Installed: 1.0
  Candidate: 1.0
  Package pin: 1.0
  Version table:
{}"""
OLD = " *** 1.0 100\n        100 /var/lib/dpkg/status\n"


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def test_the_archives_of_a_real_host(captured: Callable[[str], str]) -> None:
    found = parse_archives(captured("apt-archives.txt"))
    assert [each.security for each in found] == [False, True, False, False]
    assert found[1] == Archive(SECURITY.index, "Debian-Security", "oldstable-security", "bookworm-security")


@pytest.mark.parametrize(
    ("archive", "security"),
    [
        (Archive("x", "Ubuntu", "jammy-security", "jammy"), True),
        (Archive("x", "UbuntuESM", "jammy-infra-security", "jammy"), True),
        (Archive("x", "Debian-Security", "oldstable", "buster/updates"), True),
        (Archive("x", "mirror", "", "bookworm-security"), True),
        (Archive("x", "Ubuntu", "jammy-updates", "jammy"), False),
        (Archive("x", "Security tools", "security-tools", "x"), False),
    ],
)
def test_an_archive_is_for_security_by_its_names(archive: Archive, security: bool) -> None:
    assert archive.security is security


@pytest.mark.parametrize(
    ("archive", "release", "good"),
    [
        (Archive("x", "Debian-Security", "oldstable-security", "bookworm-security"), "bookworm", True),
        (Archive("x", "Debian-Security", "oldoldstable", "buster"), "buster", True),
        (Archive("x", "Ubuntu", "jammy-security", "jammy"), "jammy", True),
        (Archive("x", "Debian-Security", "oldoldstable-security", "bullseye-security"), "bookworm", False),
    ],
)
def test_an_archive_is_of_a_release_by_its_names(archive: Archive, release: str, good: bool) -> None:
    assert archive.of((release,)) is good


def test_the_names_of_a_release() -> None:
    assert parse_release("ID=linuxmint\nVERSION_CODENAME=victoria\nUBUNTU_CODENAME='jammy'\n") == ("victoria", "jammy")
    assert parse_release('VERSION_CODENAME="bookworm"') == ("bookworm",)
    with pytest.raises(UnansweredError, match="/etc/os-release"):
        parse_release("ID=x\nVERSION_CODENAME=\n")


@pytest.mark.parametrize("own", ["amd64", "arm64"])
def test_of_two_architectures_each_has_its_own_table(own: str) -> None:
    other = "amd64" if own == "arm64" else "arm64"
    update = f"     1.1 500\n        500 {SECURITY.index}\n"
    text = TABLE.format(OLD) + TABLE.format(update + OLD).replace("tool", f"tool:{other}")
    found = parse_versions(text, {"tool:amd64": False, "tool:arm64": False}, [SECURITY])
    assert [each.package for each in found] == [f"tool:{other}"]


def test_the_versions_of_a_real_host_that_lacks_nothing(captured: Callable[[str], str]) -> None:
    assert parse_versions(captured("apt-policy.txt"), NAMES, parse_archives(captured("apt-archives.txt"))) == []


def test_the_versions_of_a_real_host_that_is_behind(captured: Callable[[str], str]) -> None:
    text = captured("apt-policy.txt").replace(" *** 2026f", "     2026f").replace("     2026b", " *** 2026b")
    found = parse_versions(text, NAMES, parse_archives(captured("apt-archives.txt")))
    assert [str(each) for each in found] == ["tzdata 2026b-0+deb12u1 → 2026f-0+deb12u1"]


@pytest.mark.parametrize(
    ("above", "newer"),
    [
        (f"     1.1 500\n        500 {SECURITY.index}\n", ["1.1"]),
        (f"     1.1 -1\n         -1 {SECURITY.index}\n", ["1.1"]),
        (f"     1.1 500 (phased 10%)\n        500 {SECURITY.index}\n", ["1.1"]),
        (f"     1.1 500\n        500 {OTHER.index}\n        500 {SECURITY.index}\n", ["1.1"]),
        (f"     1.2 500\n        500 {OTHER.index}\n     1.1 500\n        500 {SECURITY.index}\n", ["1.1"]),
        (f"     1.2 500\n        500 {SECURITY.index}\n     1.1 500\n        500 {SECURITY.index}\n", ["1.2"]),
        (f"     1.1 500\n        500 {OTHER.index}\n", []),
        ("", []),
    ],
)
def test_whatever_a_security_archive_has_above_the_installed_version_is_pending(above: str, newer: list[str]) -> None:
    below = f"     0.9 500\n        500 {SECURITY.index}\n"
    found = parse_versions(TABLE.format(above + OLD + below), {"tool": True}, [SECURITY, OTHER])
    assert found == [Update("tool", "1.0", each, held=True) for each in newer]


@pytest.mark.parametrize(
    "text",
    [
        "",
        TABLE.format(""),
        TABLE.format("     1.1 500\n"),
        TABLE.format("        500 somewhere\n" + OLD),
        TABLE.format("W: something is wrong\n" + OLD),
        TABLE.format(OLD).replace("tool", "another"),
    ],
)
def test_a_table_without_the_installed_version_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="apt-cache policy"):
        parse_versions(text, {"tool": False}, [SECURITY])


@pytest.mark.parametrize("text", ["", "E: The package cache file is corrupted\n", "Package files:\nnonsense\n"])
def test_what_is_no_list_of_archives_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="apt-cache policy"):
        parse_archives(text)


def test_what_is_installed_and_what_is_held() -> None:
    lines = [
        "install installed bash",
        "hold installed libc6:amd64",
        "deinstall config-files old",
        "install unpacked half",
    ]
    listed = "".join(f"{line}\n" for line in lines).replace(" ", "\t")
    assert parse_installed(listed) == {"bash": False, "libc6:amd64": True, "half": False}


@pytest.mark.parametrize("text", ["", "bash\n", "install\tinstalled\tb$sh\n", "deinstall\tconfig-files\told\n"])
def test_what_is_no_list_of_packages_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="dpkg-query"):
        parse_installed(text)


LISTING = "{}\tmirror:8080_InRelease\0{}\told_Release\0{}\told_Release.gpg\0{}\tlock\0".format(*[NOW.timestamp()] * 4)
TOLD = (
    "/x/mirror:8080_InRelease\0Suite: stable-security\n"
    "/x/mirror:8080_InRelease\0Valid-Until: Mon, 30 Nov 2026 09:10:06 UTC\n"
    "/x/old_Release\0Date: Mon, 23 Nov 2026 09:10:06 UTC\n"
)


def test_releases_with_their_signature_and_their_end() -> None:
    one, two = parse_releases(LISTING, TOLD)
    assert one == Release("mirror:8080", NOW, datetime(2026, 11, 30, 9, 10, 6, tzinfo=UTC), signed=True)
    assert (two.name, two.valid_until, two.signed) == ("old", None, True)
    assert not parse_releases(LISTING.replace("old_Release.gpg", "other"), TOLD)[1].signed


@pytest.mark.parametrize(
    ("listing", "told"),
    [
        (LISTING, TOLD.replace("\0", " ")),
        (LISTING, TOLD.replace("Mon, 30 Nov", "Mon, 31 Nov")),
        (LISTING, TOLD.partition("/x/old")[0]),
        ("nan\tx_InRelease\0", TOLD),
    ],
)
def test_a_release_that_is_not_understood_is_an_error(listing: str, told: str) -> None:
    with pytest.raises(UnansweredError):
        parse_releases(listing, told)


@given(st.text())
def test_hostile_tables_are_understood_or_refused(text: str) -> None:
    for parse in (parse_archives, parse_installed, lambda each: parse_versions(each, {"tool": False}, [SECURITY])):
        try:
            parse(text)
        except UnansweredError:
            continue


def packages(*updates: Update, archives: tuple[Archive, ...] = (OTHER, SECURITY)) -> Packages:
    return Packages(("bookworm",), 200, ("bash",), archives, updates)


def release(hours: float = 1, days: float | None = 7, signed: bool = True) -> Release:
    until = None if days is None else NOW + timedelta(days=days)
    return Release("security", NOW - timedelta(hours=hours), until, signed)


def test_a_pending_update_is_a_finding_however_old_the_lists_are(limits_of: LimitsOf) -> None:
    pending = packages(Update("tool", "1.0", "1.1", held=True))
    for releases in ([], [release(100)], [release()]):
        found = unmet(patches.security_updates_installed(pending, releases, limits_of("SEC-UPD-01"), NOW))
        assert [each.observed for each in found] == [("tool 1.0 → 1.1 (held)",)]


def test_nothing_pending_by_lists_that_can_be_trusted(limits_of: LimitsOf) -> None:
    observations = patches.security_updates_installed(packages(), [release(24)], limits_of("SEC-UPD-01"), NOW)
    assert met(observations)
    assert ("bash",) in [each.observed for each in observations]


@pytest.mark.parametrize(
    ("archives", "releases"),
    [
        ((OTHER,), [release()]),
        ((), [release()]),
        ((replace(SECURITY, codename="bullseye-security"),), [release()]),
        ((SECURITY,), []),
        ((SECURITY,), [release(25)]),
        ((SECURITY,), [release(), release(25)]),
        ((SECURITY,), [release(days=-1)]),
        ((SECURITY,), [release(signed=False)]),
        ((SECURITY,), [release(hours=-1)]),
    ],
)
def test_lists_that_tell_nothing_are_an_error(
    limits_of: LimitsOf, archives: tuple[Archive, ...], releases: list[Release]
) -> None:
    with pytest.raises(InsufficientFactsError, match="no security update is seen, but: "):
        patches.security_updates_installed(packages(archives=archives), releases, limits_of("SEC-UPD-01"), NOW)


@pytest.mark.parametrize(
    ("releases", "good"),
    [
        ([release(24)], True),
        ([release(days=None)], True),
        ([release(24.1)], False),
        ([release(), release(25)], False),
        ([release(days=-0.01)], False),
        ([release(signed=False)], False),
    ],
)
def test_lists_are_fresh_signed_and_not_run_out(limits_of: LimitsOf, releases: list[Release], good: bool) -> None:
    assert met(patches.lists_are_fresh(releases, limits_of("SEC-UPD-02"), NOW)) is good


def test_no_lists_are_no_fresh_lists(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="its lists are empty"):
        patches.lists_are_fresh([], limits_of("SEC-UPD-02"), NOW)
