"""Cases of the host: its firewall, ports, disk and certificates."""

from __future__ import annotations

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss

# Every client that verifies is turned away, this suite's own requests included.
NOT_VERIFIED = {
    "SEC-CERT-02-api-443": "fail",
    "HLT-API-01-api": "fail",
    "HLT-API-02-api": "fail",
    "HLT-WS-01-prices": "fail",
    "NET-EXT-01-outside": "fail",
    "BP-SEC-03-nginx": "error",
}

FAULTS = [
    Fault(
        "ufw disabled",
        lambda: faults.firewall("ufw --force disable"),
        {"NET-FW-01-node": "fail", "SEC-FW-01-node": "fail"},
        lane="firewall",
    ),
    Fault(
        "kernel chains flushed while ufw says active",
        lambda: faults.firewall("iptables -P INPUT ACCEPT && iptables -F"),
        {"NET-FW-01-node": "fail"},
        lane="firewall",
    ),
    Fault(
        "ufw not enabled at boot",
        lambda: faults.file_edited("node", "/etc/ufw/ufw.conf", "ENABLED=yes", "ENABLED=no"),
        {"NET-FW-01-node": "fail"},
        lane="firewall",
    ),
    Fault(
        "a kernel rule in front of ufw's lets everything in",
        lambda: faults.firewall("iptables -I INPUT -j ACCEPT"),
        {"NET-FW-01-node": "fail"},
        lane="firewall",
    ),
    Fault(
        "ufw allows anything",
        lambda: faults.firewall("ufw allow from any"),
        {"SEC-FW-01-node": "fail"},
        lane="firewall",
    ),
    Fault(
        "a hole in IPv6 alone",
        lambda: faults.firewall("ufw allow from ::/0 to any port 5432 proto tcp"),
        {"SEC-FW-01-node": "fail"},
        lane="firewall",
    ),
    Fault(
        "a database port published",
        lambda: faults.published("0.0.0.0:16399:6379"),
        {"SEC-FW-02-node": "fail"},
        lane="docker",
    ),
    Fault(
        "a database port listens on every address",
        lambda: faults.listening("0.0.0.0", 5432),
        {"NET-PORT-02-node": "fail"},
        lane="ports",
    ),
    Fault(
        "a database port listens on IPv6 only",
        lambda: faults.listening("[::]", 6379),
        {"NET-PORT-02-node": "fail"},
        lane="ports",
    ),
    Fault(
        "the API's own port listens on every address",
        lambda: faults.api_port_wide(3000),
        {"NET-PORT-01-node": "fail"},
        lane="ports",
    ),
    Fault(
        "data disk at 81 %",
        lambda: faults.data_disk_filled(81),
        {"CAP-TRG-DISK-01-node": "fail"},
        lane="disk",
    ),
    Fault(
        "inodes used up with blocks left",
        lambda: faults.inodes_used_up(90),
        {"HLT-INODE-01-node": "fail"},
        lane="disk",
    ),
    Fault(
        "certificate with 29 days left",
        lambda: faults.certificate(days=29),
        {"SEC-CERT-01-api-443": "fail"},
        lane="nginx",
    ),
    Fault(
        "certificate of another name",
        lambda: faults.certificate(names=("other.tokenswap.io",)),
        NOT_VERIFIED,
        lane="nginx",
    ),
    Fault(
        "intermediate certificate missing",
        lambda: faults.certificate(chain=False),
        NOT_VERIFIED,
        lane="nginx",
    ),
    Fault(
        "certificate renewed on disk only",
        lambda: faults.certificate(reload=False),
        {"SEC-CERT-03-api-443": "fail"},
        lane="nginx",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "ssh rate-limited instead of allowed",
        lambda: faults.firewall("ufw limit 22/tcp"),
        ("SEC-FW-01", "NET-FW-01"),
        lane="firewall",
    ),
    NearMiss(
        "one more deny rule",
        lambda: faults.firewall("ufw deny 5432/tcp"),
        ("SEC-FW-01", "NET-FW-01"),
        lane="firewall",
    ),
    NearMiss(
        "a port published on loopback",
        lambda: faults.published("127.0.0.1:16399:6379"),
        ("SEC-FW-02",),
        lane="docker",
    ),
    NearMiss(
        "a database port listens on loopback",
        lambda: faults.listening("127.0.0.1", 5432),
        ("NET-PORT-02",),
        lane="ports",
    ),
    NearMiss(
        "data disk at 79 %",
        lambda: faults.data_disk_filled(79),
        ("CAP-TRG-DISK-01",),
        lane="disk",
    ),
    NearMiss(
        "inodes at 70 %",
        lambda: faults.inodes_used_up(70),
        ("HLT-INODE-01",),
        lane="disk",
    ),
    NearMiss(
        "certificate with 31 days left",
        lambda: faults.certificate(days=31),
        ("SEC-CERT",),
        lane="nginx",
    ),
]
