"""Filesystems, memory and sockets, from real answers and hostile ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes.machine import (
    Filesystem,
    Memory,
    Socket,
    filesystems,
    memory,
    parse_df,
    parse_meminfo,
    parse_ss,
    sockets,
    unseen_mounts,
)

HEAD = "Filesystem     Type       1B-blocks        Used       Avail   Inodes  IUsed Mounted on\n"


def test_df_of_a_real_host_leaves_what_is_no_storage(captured: Callable[[str], str]) -> None:
    found = parse_df(captured("df.txt"))
    assert [each.mount for each in found] == ["/backup", "/srv/data"]
    assert found[1].kind == "ext4"
    assert found[1].size >= found[1].used + found[1].available


def test_this_machine_can_be_asked(local: object) -> None:
    assert all(each.size > 0 for each in filesystems(local))  # type: ignore[arg-type]
    assert memory(local).total > 0  # type: ignore[arg-type]
    assert isinstance(sockets(local), tuple)  # type: ignore[arg-type]


def test_a_mount_point_may_hold_blanks() -> None:
    text = f"{HEAD}/dev/sdb1 ext4 100 80 20 10 5 /mnt/my  own disk\n"
    assert parse_df(text) == (Filesystem("/mnt/my  own disk", "/dev/sdb1", "ext4", 100, 80, 20, 10, 5),)


def test_a_source_may_hold_blanks() -> None:
    (found,) = parse_df(f"{HEAD}//server/my share cifs 100 80 20 0 0 /mnt\n")
    assert (found.source, found.kind) == ("//server/my share", "cifs")


def test_a_mount_point_that_looks_like_figures_is_no_figure() -> None:
    (found,) = parse_df(f"{HEAD}/dev/sdb1 ext4 100 99 1 10 5 /mnt ext4 100 1 99 10 5 /x\n")
    assert (found.used, found.mount) == (99, "/mnt ext4 100 1 99 10 5 /x")


def test_a_filesystem_without_inodes_has_none() -> None:
    (found,) = parse_df(f"{HEAD}/dev/sdb1 btrfs 100 80 20 - - /mnt\n")
    assert (found.inodes, found.inodes_used) == (0, 0)


@pytest.mark.parametrize("kind", ["tmpfs", "devtmpfs", "overlay", "squashfs", "iso9660", "fuse.sshfs", "autofs"])
def test_what_is_full_by_nature_or_no_disk_is_skipped(kind: str) -> None:
    assert parse_df(f"{HEAD}x {kind} 100 100 0 10 10 /mnt\n") == ()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "zfs", "nfs4", "vfat", "tmpfs2", "fuseblk"])
def test_storage_is_not_skipped(kind: str) -> None:
    assert len(parse_df(f"{HEAD}x {kind} 100 100 0 10 10 /mnt\n")) == 1


@pytest.mark.parametrize(
    "line",
    ["/dev/sdb1 ext4 100 80", "df: /mnt: Stale file handle", "/dev/sdb1 ext4 100 80 -20 10 5 /mnt", "", "\x1b[31m"],
)
def test_a_line_of_df_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match="df: this line is not understood"):
        parse_df(f"{HEAD}{line}\n")


MOUNTS = """\
24 1 0:22 / / rw,relatime - overlay overlay rw
25 24 0:23 / /proc rw - proc proc rw
30 24 254:0 /a /backup rw,relatime shared:1 - ext4 /dev/vda rw
31 24 254:0 /b/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
32 24 7:0 / /srv/data rw,relatime - ext4 /dev/loop0 rw
33 24 0:40 / /misc rw - autofs /etc/auto.misc rw
34 24 7:9 / /snap/x ro - squashfs /dev/loop9 ro
35 24 0:41 / /nfs rw - nfs4 server:/export rw
"""
SHOWN = f"{HEAD}/dev/vda ext4 100 80 20 10 5 /backup\n/dev/loop0 ext4 100 80 20 10 5 /srv/data\n"


@pytest.mark.parametrize(
    ("more", "unseen"),
    [
        ("", []),
        ("36 24 8:1 / /srv/secret rw - xfs /dev/sdb1 rw\n", ["/srv/secret (/dev/sdb1)"]),
        ("36 24 8:1 / /srv/my\\040own rw master:2 - xfs /dev/sdb1 rw\n", ["/srv/my own (/dev/sdb1)"]),
        ("36 24 254:0 / /root/x rw - ext4 /dev/root rw\n", []),
        ("36 24 8:1 / /root/x rw - ext4 /dev/vda rw\n", []),
        ("36 24 8:1 / /x rw - ext4 /dev/sdb1 rw\n37 36 0:9 / /x rw - tmpfs tmpfs rw\n", []),
    ],
)
def test_a_filesystem_that_df_does_not_show_is_noticed(more: str, unseen: list[str]) -> None:
    assert unseen_mounts(SHOWN, MOUNTS + more) == unseen


@pytest.mark.parametrize(
    "line", ["", "garbage", "36 24 8:1 / /x rw", "36 24 8:1 / - xfs /dev/sdb1 rw", "a b c d e f - x"]
)
def test_a_mount_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match="mountinfo: this line is not understood"):
        unseen_mounts(SHOWN, f"{MOUNTS}{line}\n")


def test_a_filesystem_that_may_not_be_looked_at_is_an_error() -> None:
    class Blind:
        name = "there"

        def run(self, command: str, **_: Any) -> SimpleNamespace:
            hidden = "36 24 8:1 / /srv/secret rw - xfs /dev/sdb1 rw\n"
            shown = SHOWN if command.startswith("df") else MOUNTS + hidden
            return SimpleNamespace(rc=0, stdout=shown, stdout_bytes=shown.encode(), stderr="")

    said = r"host there: /srv/secret \(/dev/sdb1\) is mounted but may not be looked at by this account"
    with pytest.raises(InsufficientFactsError, match=said):
        filesystems(Blind())  # type: ignore[arg-type]


def test_meminfo_of_a_real_host(captured: Callable[[str], str]) -> None:
    found = parse_meminfo(captured("meminfo.txt"))
    assert 0 < found.available <= found.total


def test_memory_is_in_bytes() -> None:
    assert parse_meminfo("MemTotal: 4 kB\nMemFree: 1 kB\nMemAvailable:   3 kB\n") == Memory(4096, 3072)


@pytest.mark.parametrize(
    "text",
    ["", "MemTotal: 4 kB\n", "MemTotal: 0 kB\nMemAvailable: 0 kB\n", "MemTotal: -4 kB\nMemAvailable: 3 kB\n"],
)
def test_memory_that_is_not_there_is_an_error(text: str) -> None:
    with pytest.raises(UnansweredError, match="MemTotal and MemAvailable"):
        parse_meminfo(text)


def test_sockets_of_a_real_host(captured: Callable[[str], str]) -> None:
    found = parse_ss(captured("ss.txt"))
    assert Socket("0.0.0.0", 443) in found
    assert Socket("::", 443) in found
    assert Socket("127.0.0.1", 3000) in found
    assert {each.port for each in found if each.wide} == {22, 80, 443}


@pytest.mark.parametrize(
    ("local", "address", "port", "wide"),
    [
        ("0.0.0.0:80", "0.0.0.0", 80, True),
        ("[::]:80", "::", 80, True),
        ("*:8080", "*", 8080, True),
        ("127.0.0.1:3000", "127.0.0.1", 3000, False),
        ("127.0.0.53%lo:53", "127.0.0.53", 53, False),
        ("0.0.0.0%eth0:68", "0.0.0.0", 68, True),
        ("[::1]:3000", "::1", 3000, False),
        ("[fe80::1%eth0]:546", "fe80::1", 546, False),
        ("[fe80::1]%eth0:546", "fe80::1", 546, False),
        ("[::ffff:127.0.0.1]:3000", "::ffff:127.0.0.1", 3000, False),
        ("[::ffff:0.0.0.0]:3000", "::ffff:0.0.0.0", 3000, True),
        ("[::ffff:8.8.8.8]:3000", "::ffff:8.8.8.8", 3000, True),
        ("[::ffff:10.0.0.1]:3000", "::ffff:10.0.0.1", 3000, False),
        ("10.1.2.3:5432", "10.1.2.3", 5432, False),
        ("172.16.0.1:5432", "172.16.0.1", 5432, False),
        ("172.32.0.1:5432", "172.32.0.1", 5432, True),
        ("8.8.8.8:5432", "8.8.8.8", 5432, True),
        ("[2600::1]:5432", "2600::1", 5432, True),
        ("[fd00::1]:5432", "fd00::1", 5432, False),
    ],
)
def test_a_socket_is_known_by_its_exact_address_and_port(local: str, address: str, port: int, wide: bool) -> None:
    (found,) = parse_ss(f"LISTEN 0      511     {local}   0.0.0.0:*\n")
    assert (found.address, found.port, found.wide) == (address, port, wide)


@pytest.mark.parametrize(
    "line",
    [
        "LISTEN 0 5 127.0.0.1:http 0.0.0.0:*",
        "LISTEN 0 5 localhost:80 0.0.0.0:*",
        "LISTEN 0 5",
        "ESTAB 0 5 127.0.0.1:80 1.2.3.4:5",
        "State Recv-Q Send-Q Local Peer",
        "",
        "LISTEN 0 5 999.0.0.1:80 0.0.0.0:*",
        "LISTEN 0 5 :80 0.0.0.0:*",
    ],
)
def test_a_line_of_ss_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(UnansweredError, match="ss: this line is not understood"):
        parse_ss(f"{line}\n")


def test_no_socket_is_no_socket() -> None:
    assert parse_ss("") == ()


@pytest.mark.parametrize(("address", "shown"), [("::1", "[::1]:80"), ("1.2.3.4", "1.2.3.4:80"), ("*", "*:80")])
def test_a_socket_reads_as_address_and_port(address: str, shown: str) -> None:
    assert str(Socket(address, 80)) == shown


LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(["LISTEN", "0", "-", "/dev/x", "ext4", "[::1]:80", "1.2.3.4:5", "/m n", "9" * 30, "²"]),
            max_size=9,
        ).map(" ".join),
    ),
    max_size=4,
).map("\n".join)


@given(LINES)
def test_hostile_text_is_an_answer_or_an_error_never_a_crash(text: str) -> None:
    for parse in (parse_df, parse_ss, parse_meminfo, lambda each: unseen_mounts(SHOWN, each)):
        with contextlib.suppress(UnansweredError, ValueError):
            parse(text)
