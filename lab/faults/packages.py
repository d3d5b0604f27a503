"""Packages of the host that lag behind, and archives that tell nothing of it."""

from __future__ import annotations

import contextlib

from lab.faults.host import on_node

POOL = "/srv/apt/pool/tokenswap-tools_{}_all.deb"
LISTS = "/var/lib/apt/lists"
CURRENT = f"dpkg -i {POOL.format('1.1')} > /dev/null"


def outdated_package(do: str = "true", undo: str = "true") -> contextlib.AbstractContextManager[None]:
    """The lab's own package is installed in a version that the security archive has a newer one of."""
    older = f"dpkg -i --force-downgrade {POOL.format('1.0')} > /dev/null 2>&1"
    return on_node(f"{older} && {do}", f"{undo}; {CURRENT}")


def held_package() -> contextlib.AbstractContextManager[None]:
    """The same, and it is held, so that a simulated upgrade says nothing of it."""
    return outdated_package("apt-mark hold tokenswap-tools > /dev/null", "apt-mark unhold tokenswap-tools > /dev/null")


def pinned_package() -> contextlib.AbstractContextManager[None]:
    """The same, and it is pinned to the version that it has."""
    pin = r"Package: tokenswap-tools\nPin: version 1.0\nPin-Priority: 1001\n"
    path = "/etc/apt/preferences.d/tokenswap-tools"
    return outdated_package(f"printf '{pin}' > {path}", f"rm -f {path}")


def superseded_update() -> contextlib.AbstractContextManager[None]:
    """The same, and another archive has an even newer one: a simulated upgrade names that archive alone."""
    return outdated_package("apt-archive main 1.2", "apt-archive")


def newer_elsewhere() -> contextlib.AbstractContextManager[None]:
    """An archive that is not for security has a newer version than the installed one."""
    return on_node("apt-archive main 1.2", "apt-archive")


def lists_emptied() -> contextlib.AbstractContextManager[None]:
    """apt's lists are empty, as an image leaves them."""
    return on_node(f"mv {LISTS} {LISTS}.away && mkdir -p {LISTS}/partial", f"rm -rf {LISTS} && mv {LISTS}.away {LISTS}")


def release_until(moment: str) -> contextlib.AbstractContextManager[None]:
    """The security archive's release is good until then (as ``date -d`` takes it; empty: it does not say)."""
    return on_node(f"apt-archive security 1.1 '{moment}'", "apt-archive")


def security_of(release: str) -> contextlib.AbstractContextManager[None]:
    """The security archive is that of another release of Debian, which the host was upgraded from."""
    return on_node(f"apt-archive security 1.1 'now + 7 days' {release}", "apt-archive")


def archives_out_of_reach(seconds: float) -> contextlib.AbstractContextManager[None]:
    """The archives answer no longer; the lists are that old when their refresh was tried last, in vain."""
    tried = "apt-get -qq update > /dev/null 2>&1"
    return on_node(
        f"mv /srv/apt /srv/apt.away; sleep {seconds}; {tried} || true", "mv /srv/apt.away /srv/apt; apt-archive"
    )


def nothing_new_for(hours: float) -> contextlib.AbstractContextManager[None]:
    """No mirror has had anything new for so long: apt asks them, and leaves the folder of its lists as it is."""
    return on_node(f"touch -d '{hours:g} hours ago' {LISTS}", f"touch {LISTS}")
