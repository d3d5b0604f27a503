"""Rules of the chapter *security*: security updates are installed, and the lists that say so can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, aged, holds, none_of, unmet
from opsverify.probes.packages import Packages, Release


def security_updates_installed(
    packages: Packages, releases: Sequence[Release], limits: Limits, now: datetime
) -> list[Observation]:
    """No installed package has a newer version in a security archive, whether it is held, pinned or kept back.

    Raises:
        InsufficientFactsError: nothing is pending, but the lists are too old or have run out, or none is of a security
            archive for this release: then they could not have said so.
    """
    security = tuple(each.index for each in packages.archives if each.security and each.of(packages.release))
    pending = map(str, packages.security_updates)
    observations = [
        none_of("security updates not installed", pending, seen=packages.installed, of="installed packages"),
        holds("held packages", packages.held or "none", "listed", met=True),
        holds(
            f"security archives of {' or '.join(packages.release)}", security or "none", "at least one", bool(security)
        ),
    ]
    if packages.security_updates:
        return observations
    doubts = [str(each) for each in unmet([*observations, *_trusted(releases, limits, now)])]
    if not releases:
        doubts.append("apt has no release of any archive: its lists are empty")
    if doubts:
        raise InsufficientFactsError(f"no security update is seen, but: {'; '.join(doubts)}")
    return observations


def lists_are_fresh(releases: Sequence[Release], limits: Limits, now: datetime) -> list[Observation]:
    """Every release was fetched or confirmed lately, is signed, and has not run out.

    Raises:
        InsufficientFactsError: there is none.
    """
    if not releases:
        raise InsufficientFactsError("apt has no release of any archive: its lists are empty")
    return list(_trusted(releases, limits, now))


def _trusted(releases: Sequence[Release], limits: Limits, now: datetime) -> Iterator[Observation]:
    for each in releases:
        yield aged(f"{each.name} refreshed", each.refreshed, now, limits.lists_age_seconds)
        yield holds(f"{each.name} signed", each.signed, "yes", each.signed)
        until = each.valid_until
        shown = f"{until:%Y-%m-%d %H:%M} UTC" if until else "it does not say"
        yield holds(f"{each.name} good until", shown, "in the future, where it says so", until is None or until > now)
