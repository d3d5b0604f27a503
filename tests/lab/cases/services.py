"""Cases of services, databases, firewall, certificates and backups."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, aged, together

PUBLIC_KEY_ARCHIVE = """
    export GNUPGHOME=$(mktemp -d)
    gpg --batch --quiet --passphrase '' --quick-gen-key near-miss@lab rsa2048 encr never
    echo secret | gpg --batch --quiet --trust-model always --armor --encrypt -r near-miss@lab > $new
    rm -rf $GNUPGHOME
"""


def blocked() -> AbstractContextManager[Any]:
    """One session holds a lock, another one waits for it."""
    return together(faults.session(*LOCK), aged(faults.session("SELECT count(*) FROM swap.pools")))


def many_sessions(share: float) -> AbstractContextManager[Any]:
    """So much of the usable connections is in use."""
    setting = "SELECT current_setting('{}')::int"
    usable = int(faults.sql(setting.format("max_connections"))) - int(
        faults.sql(setting.format("superuser_reserved_connections"))
    )
    used = int(faults.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
    sessions = [faults.session("SELECT 1", settle=0) for _ in range(round(share * usable) - used)]
    return aged(together(*sessions))


def exited() -> AbstractContextManager[Any]:
    """A container of the project that did its work and ended."""
    return faults.one_shot()


# Ages and waits are judged by limits that the suite chose itself, which a profile may set: no test waits minutes.
SHORT = "\n[limits.HLT-PG-04]\n{} = 2\n"
LOCK = ("BEGIN", "LOCK TABLE swap.pools IN ACCESS EXCLUSIVE MODE")

NGINX_DOWN = {
    "HLT-SVC-04-nginx": "fail",
    "HLT-API-01-api": "fail",
    "HLT-API-02-api": "fail",
    "HLT-WS-01-prices": "fail",
    "NET-PORT-01-node": "fail",
    "SEC-CERT-01-api-443": "fail",
    "SEC-CERT-02-api-443": "fail",
    "SEC-CERT-03-api-443": "fail",
    "HLT-RES-01-nginx": "error",
}
# What the API's customers meet, the probe from outside meets too, at its next look.
OUTSIDE = {"NET-EXT-01-outside": "fail"}
# What cannot be told without a session, or without seeing what others do.
UNSEEN = dict.fromkeys(
    (
        "HLT-PG-03-postgres",
        "HLT-PG-04-postgres",
        "HLT-PG-05-replica-1",
        "PERF-PGSS-01-postgres",
        "PERF-PGSS-02-postgres",
        "PERF-IDX-01-postgres",
    ),
    "error",
)
NO_SESSION = {**UNSEEN, "PERF-STAT-01-postgres": "error", "BP-PERF-04-postgres": "error"}
# The API reports itself unhealthy without its database or cache, and its container with it.
API_NOTICES = {"HLT-API-01-api": "fail", "HLT-SVC-01-tokenswap-api": "fail"}

FAULTS = [
    Fault("nginx stopped", lambda: faults.stopped("nginx"), NGINX_DOWN, OUTSIDE),
    Fault(
        "postgres stopped",
        lambda: faults.stopped("postgres", "tokenswap-api"),
        {
            "HLT-SVC-02-postgres": "fail",
            "HLT-PG-01-postgres": "fail",
            "HLT-PG-02-postgres": "fail",
            **NO_SESSION,
            "HLT-RES-01-postgres": "error",
            **API_NOTICES,
        },
        {"HLT-ERR-01-prometheus": "fail", **OUTSIDE},
    ),
    Fault(
        "redis stopped",
        lambda: faults.stopped("redis", "tokenswap-api"),
        {
            "HLT-SVC-03-redis": "fail",
            "HLT-RED-01-redis": "fail",
            "RED-MEM-01-redis": "error",
            "RED-POL-01-redis": "error",
            "RED-EXP-01-redis": "error",
            "HLT-RES-01-redis": "error",
            **API_NOTICES,
        },
        {"HLT-ERR-01-prometheus": "fail", **OUTSIDE},
    ),
    Fault(
        "prometheus stopped",
        lambda: faults.stopped("prometheus"),
        {
            "HLT-ERR-01-prometheus": "error",
            "CAP-CPU-01-prometheus": "error",
            "CAP-MEM-01-prometheus": "error",
            "CAP-TRG-P95-01-prometheus": "error",
            "APP-HEAP-01-prometheus": "error",
            "BP-PERF-02-prometheus": "error",
            "NET-EXT-01-outside": "error",
            "HLT-RES-01-prometheus": "error",
        },
    ),
    Fault(
        "the API restarts again and again",
        lambda: faults.restarted_by_crash("tokenswap-api", 2),
        {"HLT-SVC-01-tokenswap-api": "fail", "APP-RST-01-tokenswap-api": "fail"},
        OUTSIDE,
    ),
    Fault(
        "a service is not restarted",
        lambda: faults.restart_policy("redis", "no"),
        {"OPS-RESTART-01-redis": "fail"},
    ),
    Fault(
        "the API says unhealthy with status 200",
        lambda: faults.api_misbehaves(health="unhealthy-200"),
        {"HLT-API-01-api": "fail"},
        {"HLT-SVC-01-tokenswap-api": "fail", **OUTSIDE},
    ),
    Fault(
        "metrics page is an HTML page with status 200",
        lambda: faults.nginx_edited(
            "location = /metrics {", "location = /metrics { default_type text/html; return 200 '<p>ok</p>';"
        ),
        {"HLT-API-02-api": "fail"},
    ),
    Fault(
        "the proxy loses the upgrade header",
        lambda: faults.nginx_edited("proxy_set_header Upgrade $http_upgrade;", ""),
        {"HLT-WS-01-prices": "fail"},
    ),
    Fault(
        "eviction policy changed live only",
        lambda: faults.redis_setting("maxmemory-policy", "noeviction"),
        {"RED-POL-01-redis": "fail"},
    ),
    Fault(
        "eviction policy changed in the file only",
        lambda: faults.file_edited(
            "redis", faults.REDIS_CONF, "maxmemory-policy allkeys-lru", "maxmemory-policy volatile-lru"
        ),
        {"RED-POL-01-redis": "fail"},
    ),
    Fault("redis unbounded", lambda: faults.redis_setting("maxmemory", "0"), {"RED-MEM-01-redis": "fail"}),
    Fault(
        "login revoked while the server is ready",
        lambda: faults.sql_change("ALTER ROLE ops_verify NOLOGIN", "ALTER ROLE ops_verify LOGIN"),
        {"HLT-PG-02-postgres": "fail", **NO_SESSION},
    ),
    Fault(
        "the verifier may not see other sessions",
        lambda: faults.sql_change("REVOKE pg_monitor FROM ops_verify", "GRANT pg_monitor TO ops_verify"),
        UNSEEN,
    ),
    Fault(
        "a lock blocks a session",
        blocked,
        {"HLT-PG-04-postgres": "fail"},
        append=SHORT.format("blocked_seconds"),
    ),
    Fault(
        "a transaction idles",
        lambda: aged(faults.session("BEGIN", "SELECT 1")),
        {"HLT-PG-04-postgres": "fail"},
        append=SHORT.format("idle_in_transaction_seconds"),
    ),
    Fault(
        "connections nearly exhausted",
        lambda: many_sessions(0.85),
        {"HLT-PG-03-postgres": "fail"},
    ),
    Fault(
        "ufw disabled",
        lambda: faults.firewall("ufw --force disable"),
        {"NET-FW-01-node": "fail", "SEC-FW-01-node": "fail"},
    ),
    Fault(
        "kernel chains flushed while ufw says active",
        lambda: faults.firewall("iptables -P INPUT ACCEPT && iptables -F"),
        {"NET-FW-01-node": "fail"},
    ),
    Fault(
        "ufw not enabled at boot",
        lambda: faults.file_edited("node", "/etc/ufw/ufw.conf", "ENABLED=yes", "ENABLED=no"),
        {"NET-FW-01-node": "fail"},
    ),
    Fault(
        "a kernel rule in front of ufw's lets everything in",
        lambda: faults.firewall("iptables -I INPUT -j ACCEPT"),
        {"NET-FW-01-node": "fail"},
    ),
    Fault("ufw allows anything", lambda: faults.firewall("ufw allow from any"), {"SEC-FW-01-node": "fail"}),
    Fault(
        "a hole in IPv6 alone",
        lambda: faults.firewall("ufw allow from ::/0 to any port 5432 proto tcp"),
        {"SEC-FW-01-node": "fail"},
    ),
    Fault("a database port published", lambda: faults.published("0.0.0.0:16399:6379"), {"SEC-FW-02-node": "fail"}),
    Fault(
        "a database port listens on every address",
        lambda: faults.listening("0.0.0.0", 5432),
        {"NET-PORT-02-node": "fail"},
    ),
    Fault("a database port listens on IPv6 only", lambda: faults.listening("[::]", 6379), {"NET-PORT-02-node": "fail"}),
    Fault(
        "the API's own port listens on every address", lambda: faults.api_port_wide(3000), {"NET-PORT-01-node": "fail"}
    ),
    Fault("data disk at 81 %", lambda: faults.data_disk_filled(81), {"CAP-TRG-DISK-01-node": "fail"}),
    Fault("inodes used up with blocks left", lambda: faults.inodes_used_up(90), {"HLT-INODE-01-node": "fail"}),
    Fault("certificate with 29 days left", lambda: faults.certificate(days=29), {"SEC-CERT-01-api-443": "fail"}),
    Fault(
        "certificate of another name",
        lambda: faults.certificate(names=("other.tokenswap.io",)),
        # Every client that verifies is turned away, this suite's own requests included.
        {"SEC-CERT-02-api-443": "fail", "HLT-API-01-api": "fail", "HLT-API-02-api": "fail", "HLT-WS-01-prices": "fail"},
        OUTSIDE,
    ),
    Fault(
        "intermediate certificate missing",
        lambda: faults.certificate(chain=False),
        {"SEC-CERT-02-api-443": "fail", "HLT-API-01-api": "fail", "HLT-API-02-api": "fail", "HLT-WS-01-prices": "fail"},
        OUTSIDE,
    ),
    Fault(
        "certificate renewed on disk only", lambda: faults.certificate(reload=False), {"SEC-CERT-03-api-443": "fail"}
    ),
    Fault(
        "newest dump truncated",
        lambda: faults.newest_dump_replaced('head -c $(( $(stat -c %s "$old") * 3 / 4 )) "$old" > "$new"'),
        {"BAK-INTEG-01-nightly": "fail"},
    ),
    Fault(
        "newest dump cut and compressed again",
        lambda: faults.newest_dump_replaced(
            'zcat "$old" | head -c $(( $(zcat "$old" | wc -c) * 3 / 4 )) | gzip > "$new"'
        ),
        {"BAK-INTEG-01-nightly": "fail"},
    ),
    Fault(
        "newest dump is the gzip of an empty pipe",
        lambda: faults.newest_dump_replaced('printf "" | gzip > "$new"'),
        {"BAK-INTEG-01-nightly": "fail", "BAK-LATEST-01-nightly": "fail"},
    ),
    Fault(
        "plain text named .gpg",
        lambda: faults.stored_file("/backup/secure/keypairs_20260101_000000.tar.gz.gpg", "echo 'not encrypted' > $new"),
        {"SEC-KEY-02-nightly": "fail"},
    ),
    Fault(
        "plain archive in a folder below",
        lambda: faults.on_node(
            "mkdir -p -m 2750 /backup/secure/2025 && echo plain > /backup/secure/2025/keypairs.tar.gz"
            " && chgrp -R --reference=/backup /backup/secure/2025 && chmod 0640 /backup/secure/2025/keypairs.tar.gz",
            "rm -rf /backup/secure/2025",
        ),
        {"SEC-KEY-02-nightly": "fail"},
    ),
    Fault(
        "encrypted archive truncated",
        lambda: faults.stored_file(
            "/backup/secure/keypairs_20260102_000000.tar.gz.gpg",
            "set -- /backup/secure/*.gpg; head -c $(( $(stat -c %s $1) / 2 )) $1 > $new",
        ),
        {"SEC-KEY-02-nightly": "fail"},
    ),
]

NEAR_MISSES = [
    NearMiss("a one-shot container has exited", exited, ("SEC-FW-02", "HLT-SVC-03", "OPS-RESTART-01")),
    NearMiss(
        "a one-off container of a service has exited",
        lambda: faults.one_shot("redis"),
        ("HLT-SVC-03", "OPS-RESTART-01"),
    ),
    NearMiss("restart policy always", lambda: faults.restart_policy("redis", "always"), ("OPS-RESTART-01",)),
    NearMiss("one restart in a week", lambda: faults.restarted_by_crash("tokenswap-api", 1), ("APP-RST-01",)),
    NearMiss(
        "a comment in the file names another policy",
        lambda: faults.file_edited(
            "redis",
            faults.REDIS_CONF,
            "maxmemory-policy allkeys-lru",
            "# maxmemory-policy noeviction\nmaxmemory-policy allkeys-lru",
        ),
        ("RED-POL-01",),
    ),
    NearMiss("a lock blocks for less than a minute", blocked, ("HLT-PG-04",)),
    NearMiss("79 % of the connections in use", lambda: many_sessions(0.72), ("HLT-PG-03",)),
    NearMiss(
        "ssh rate-limited instead of allowed", lambda: faults.firewall("ufw limit 22/tcp"), ("SEC-FW-01", "NET-FW-01")
    ),
    NearMiss("one more deny rule", lambda: faults.firewall("ufw deny 5432/tcp"), ("SEC-FW-01", "NET-FW-01")),
    NearMiss("a port published on loopback", lambda: faults.published("127.0.0.1:16399:6379"), ("SEC-FW-02",)),
    NearMiss("a database port listens on loopback", lambda: faults.listening("127.0.0.1", 5432), ("NET-PORT-02",)),
    NearMiss("data disk at 79 %", lambda: faults.data_disk_filled(79), ("CAP-TRG-DISK-01",)),
    NearMiss("inodes at 70 %", lambda: faults.inodes_used_up(70), ("HLT-INODE-01",)),
    NearMiss("certificate with 31 days left", lambda: faults.certificate(days=31), ("SEC-CERT",)),
    NearMiss(
        "an armoured, public-key encrypted archive",
        lambda: faults.stored_file("/backup/secure/keypairs_20260103_000000.tar.gz.gpg", PUBLIC_KEY_ARCHIVE),
        ("SEC-KEY-02",),
    ),
    NearMiss(
        "a foreign file among the dumps",
        lambda: faults.stored_file("/backup/database/NOTES.txt", "echo hello > $new"),
        ("BAK",),
    ),
]
