"""The host has memory and inodes left, and listens where it should and nowhere else."""

import pytest

from opsverify.probes import machine
from opsverify.rules import health


@pytest.mark.requirement("HLT-INODE-01")
def test_inodes_are_left(filesystems, limits, judge):
    """A disk with free blocks and no inodes is full, and df without -i shows nothing of it."""
    judge(health.inodes_left(filesystems, limits))


@pytest.mark.requirement("HLT-MEM-01")
def test_memory_is_available(host, fact, limits, judge):
    """The column "free" is small on every healthy host; what counts is what can be had without swapping."""
    judge(health.memory_available(fact(machine.memory, host), limits))


@pytest.mark.requirement("NET-PORT-01")
def test_ports_listen_where_designed(host, fact, limits, judge):
    """The API's own ports open to the world would go around nginx, its TLS and its limits."""
    judge(health.ports_as_designed(fact(machine.sockets, host), limits))


@pytest.mark.requirement("NET-PORT-02")
def test_inner_services_listen_inside_only(host, fact, limits, judge):
    """Databases and monitoring bound to every address are found by scanners within the hour."""
    judge(health.no_wide_bind(fact(machine.sockets, host), limits))
