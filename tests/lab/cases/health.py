"""Cases of links, logs, the manual's scripts, the replica, and the API as seen from outside."""

from __future__ import annotations

from collections.abc import Callable

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, together

LOGIN_PAGE = "<!doctype html><html><title>Log in</title><form action='/login'></form></html>"
SCRIPTS = "/opt/tokenswap/scripts"
DAILY, VERIFY, AUDIT = (f"{SCRIPTS}/{each}.sh" for each in ("daily_health_check", "verify_backup", "security_audit"))
KIBANA_8 = {"name": "kibana", "version": {"number": "8.16.0"}, "status": {"overall": {"level": "available"}}}
KIBANA_RED = {"name": "kibana", "version": {"number": "7.17.0"}, "status": {"overall": {"state": "red"}}}


def less_memory(than: float) -> Callable[[], str]:
    """A limit of memory that is this share of the machine's below what is available before the fault."""
    limit = "\n[limits.HLT-MEM-01]\nmemory_available = {:.3f}\n"
    return lambda: limit.format(faults.memory_available() - than)


FAULTS = [
    # A machine cannot be driven into want of memory for a test; the profile's limit is tightened instead.
    Fault(
        "memory is in use",
        lambda: faults.memory_taken(0.05),
        {"HLT-MEM-01-node": "fail"},
        append=less_memory(0.02),
        lane="memory",
    ),
    Fault(
        "the API comes near its memory limit",
        lambda: faults.memory_hoarded(0.88),
        {"APP-MEM-01-tokenswap-api": "fail", "HLT-RES-01-tokenswap-api": "fail"},
        lane="docker",
    ),
    Fault(
        "the dashboard has lost its database",
        lambda: faults.stand_in("grafana", "/api/health", body={"database": "failing", "version": "9.5.0"}),
        {"LNK-GRAF-01-grafana": "fail", "MON-ARCH-01-grafana": "fail"},
        lane="links",
    ),
    Fault(
        "the dashboard is a login page with status 200",
        lambda: faults.stand_in("grafana", "/api/health", body=LOGIN_PAGE),
        {"LNK-GRAF-01-grafana": "fail", "MON-ARCH-01-grafana": "fail"},
        lane="links",
    ),
    Fault(
        "the log search is red",
        lambda: faults.stand_in("kibana", "/api/status", body=KIBANA_RED),
        {"LNK-KIB-01-kibana": "fail"},
        lane="links",
    ),
    Fault(
        "the status page is somebody else's, and the docs redirect to a stranger",
        lambda: together(
            faults.stand_in("status", "/", body="<title>This domain is for sale</title>"),
            faults.stand_in("docs", "/", status=302, headers={"Location": "https://parking.example/"}),
        ),
        {"LNK-STAT-01-status": "fail", "LNK-DOC-01-docs": "fail"},
        lane="links",
    ),
    Fault(
        "the status page has the certificate of another name",
        lambda: faults.stand_in_certificate("status", names=("other.tokenswap.io",)),
        {"LNK-STAT-01-status": "fail"},
        lane="links",
    ),
    Fault(
        "the pages that people are sent to are down",
        lambda: faults.stopped("stand-ins"),
        {
            **dict.fromkeys(
                ("LNK-GRAF-01-grafana", "LNK-KIB-01-kibana", "LNK-STAT-01-status", "LNK-DOC-01-docs"), "fail"
            ),
            **dict.fromkeys(("MON-ARCH-01-grafana", "MON-ARCH-01-searchable"), "fail"),
            **dict.fromkeys(("MON-DASH-01-grafana", "MON-TRACE-01-tracing"), "error"),
        },
        dict.fromkeys(("CAP-STO-02-searchable", "CAP-STO-03-searchable"), "error"),
        lane="links",
    ),
    Fault(
        "a container keeps no log",
        lambda: faults.twin("redis", log_driver="none"),
        {"HLT-LOG-01-redis": "fail"},
        lane="docker",
    ),
    Fault(
        "a container has never written a line",
        lambda: faults.twin("redis"),
        {"HLT-LOG-01-redis": "fail"},
        lane="docker",
    ),
    Fault(
        "the daily script is missing",
        lambda: faults.file_saved(DAILY, f"rm {DAILY}"),
        {"HLT-DAILY-01-daily-health-check": "fail"},
        lane="scripts",
    ),
    Fault(
        "the daily script does not parse, the audit may be changed by anyone, the verification was never run",
        lambda: together(
            faults.file_saved(DAILY, f"echo 'if then' >> {DAILY}"),
            faults.file_saved(AUDIT, f"chmod 0777 {AUDIT}"),
            faults.file_saved(
                "/var/lib/tokenswap/runs/verify_backup.jsonl", "rm /var/lib/tokenswap/runs/verify_backup.jsonl"
            ),
            faults.file_saved(VERIFY, f"printf '#!/bin/sh\\nexit 0\\n' > {VERIFY}"),
        ),
        {
            "HLT-DAILY-01-daily-health-check": "fail",
            "SEC-AUD-01-security-audit": "fail",
            "BAK-VERIFY-01-verify-backup": "fail",
        },
        lane="scripts",
    ),
    Fault(
        "the last runs of the scripts are too old, or failed",
        lambda: together(
            faults.run_aged("daily_health_check", 27),
            faults.run_aged("verify_backup", 27),
            faults.run_failed("security_audit"),
        ),
        {
            "HLT-DAILY-01-daily-health-check": "fail",
            "BAK-VERIFY-01-verify-backup": "fail",
            "SEC-AUD-01-security-audit": "fail",
        },
        lane="scripts",
    ),
    Fault(
        "the folder of the scripts may be written to by a group",
        lambda: faults.on_node(f"chmod 0775 {SCRIPTS}", f"chmod 0755 {SCRIPTS}"),
        dict.fromkeys(
            ("HLT-DAILY-01-daily-health-check", "BAK-VERIFY-01-verify-backup", "SEC-AUD-01-security-audit"), "fail"
        ),
        lane="scripts",
    ),
    Fault(
        "the replica lags behind",
        faults.replay_paused,
        {"HLT-PG-05-replica-1": "fail"},
        append="\n[limits.HLT-PG-05]\nlag_bytes = 1000000\n",
        lane="replica",
    ),
    Fault(
        "the replica is down",
        lambda: faults.stopped("postgres-replica"),
        {"HLT-PG-05-replica-1": "fail", "HLT-SVC-02-postgres-replica": "fail", "HLT-RES-01-postgres-replica": "error"},
        lane="replica",
    ),
    Fault(
        "nobody outside reaches the API",
        faults.cut_off,
        {"NET-EXT-01-outside": "fail"},
        lane="nginx",
    ),
    Fault(
        "nobody looks from outside",
        lambda: faults.stopped("blackbox"),
        {"HLT-RES-01-blackbox": "error", "NET-EXT-01-outside": "error"},
        {"MON-MET-01-prometheus": "fail"},
        lane="nginx",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "one-off containers of services have exited, a service uses 70 % of its memory",
        lambda: together(faults.one_shot("postgres"), faults.one_shot("nginx"), faults.memory_hoarded(0.7)),
        ("HLT-SVC", "HLT-RES", "APP-MEM"),
        lane="docker",
    ),
    NearMiss(
        "some memory is in use",
        lambda: faults.memory_taken(0.01),
        ("HLT-MEM",),
        append=less_memory(0.05),
        lane="memory",
    ),
    NearMiss(
        "the API's own port listens on the other loopback too, the upgrade header is written otherwise",
        lambda: together(
            faults.listening("[::1]", 3000),
            faults.nginx_edited("proxy_set_header Upgrade $http_upgrade;", 'proxy_set_header Upgrade "WebSocket";'),
        ),
        ("NET-PORT", "HLT-WS", "HLT-API-02"),
        lane="nginx",
    ),
    NearMiss(
        "dashboard and log search of another version",
        lambda: together(
            faults.stand_in("grafana", "/api/health", body={"database": "ok", "version": "11.2.0"}),
            faults.stand_in("kibana", "/api/status", body=KIBANA_8),
        ),
        ("LNK-GRAF", "LNK-KIB"),
        lane="links",
    ),
    NearMiss(
        "the status page and the docs have moved on their own hosts",
        lambda: together(
            faults.stand_in("docs", "/", status=308, headers={"Location": "/v2"}),
            faults.stand_in("docs", "/v2", body="<h1>TokenSwap API documentation</h1>"),
            faults.stand_in("status", "/", status=301, headers={"Location": "/en/"}),
            faults.stand_in("status", "/en/", body="<title>TokenSwap status</title><p>TokenSwap status: all well"),
        ),
        ("LNK-STAT", "LNK-DOC"),
        lane="links",
    ),
    NearMiss(
        "a quiet container that has just spoken",
        lambda: faults.twin("redis", say="INFO no error at all"),
        ("HLT-LOG", "HLT-SVC-03"),
        lane="docker",
    ),
    NearMiss(
        "scripts that ran 25 hours, and 167 hours, ago",
        lambda: together(
            faults.run_aged("daily_health_check", 25),
            faults.run_aged("verify_backup", 25),
            faults.run_aged("security_audit", 167),
        ),
        ("HLT-DAILY", "BAK-VERIFY", "SEC-AUD"),
        lane="scripts",
    ),
    NearMiss(
        "a replica that lags behind a little",
        faults.replay_paused,
        ("HLT-PG-05",),
        lane="replica",
    ),
    NearMiss(
        "the API answers after 1.5 s",
        lambda: faults.api_misbehaves(health_delay_ms=1500),
        ("NET-EXT", "HLT-API-01"),
        lane="api",
    ),
]
