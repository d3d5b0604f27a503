"""Cases of links, logs, the manual's scripts, the replica, and the API as seen from outside."""

from __future__ import annotations

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, together

LOGIN_PAGE = "<!doctype html><html><title>Log in</title><form action='/login'></form></html>"
SCRIPTS = "/opt/tokenswap/scripts"
DAILY, VERIFY, AUDIT = (f"{SCRIPTS}/{each}.sh" for each in ("daily_health_check", "verify_backup", "security_audit"))
KIBANA_8 = {"name": "kibana", "version": {"number": "8.16.0"}, "status": {"overall": {"level": "available"}}}
KIBANA_RED = {"name": "kibana", "version": {"number": "7.17.0"}, "status": {"overall": {"state": "red"}}}

FAULTS = [
    Fault(
        "the dashboard has lost its database",
        lambda: faults.stand_in("grafana", "/api/health", body={"database": "failing", "version": "9.5.0"}),
        {"LNK-GRAF-01-grafana": "fail"},
    ),
    Fault(
        "the dashboard is a login page with status 200",
        lambda: faults.stand_in("grafana", "/api/health", body=LOGIN_PAGE),
        {"LNK-GRAF-01-grafana": "fail"},
    ),
    Fault(
        "the log search is red",
        lambda: faults.stand_in("kibana", "/api/status", body=KIBANA_RED),
        {"LNK-KIB-01-kibana": "fail"},
    ),
    Fault(
        "the status page is somebody else's, and the docs redirect to a stranger",
        lambda: together(
            faults.stand_in("status", "/", body="<title>This domain is for sale</title>"),
            faults.stand_in("docs", "/", status=302, headers={"Location": "https://parking.example/"}),
        ),
        {"LNK-STAT-01-status": "fail", "LNK-DOC-01-docs": "fail"},
    ),
    Fault(
        "the status page has the certificate of another name",
        lambda: faults.stand_in_certificate("status", names=("other.tokenswap.io",)),
        {"LNK-STAT-01-status": "fail"},
    ),
    Fault(
        "the pages that people are sent to are down",
        lambda: faults.stopped("stand-ins"),
        dict.fromkeys(
            ("LNK-GRAF-01-grafana", "LNK-KIB-01-kibana", "LNK-STAT-01-status", "LNK-DOC-01-docs"),
            "fail",
        ),
    ),
    Fault(
        "a container keeps no log",
        lambda: faults.twin("redis", log_driver="none"),
        {"HLT-LOG-01-redis": "fail"},
    ),
    Fault("a container has never written a line", lambda: faults.twin("redis"), {"HLT-LOG-01-redis": "fail"}),
    Fault(
        "the daily script is missing",
        lambda: faults.file_saved(DAILY, f"rm {DAILY}"),
        {"HLT-DAILY-01-daily-health-check": "fail"},
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
    ),
    Fault(
        "the folder of the scripts may be written to by a group",
        lambda: faults.on_node(f"chmod 0775 {SCRIPTS}", f"chmod 0755 {SCRIPTS}"),
        dict.fromkeys(
            ("HLT-DAILY-01-daily-health-check", "BAK-VERIFY-01-verify-backup", "SEC-AUD-01-security-audit"), "fail"
        ),
    ),
    Fault(
        "the replica lags behind",
        faults.replay_paused,
        {"HLT-PG-05-replica-1": "fail"},
        append="\n[limits.HLT-PG-05]\nlag_bytes = 1000000\n",
    ),
    Fault(
        "the replica is down",
        lambda: faults.stopped("postgres-replica"),
        {"HLT-PG-05-replica-1": "fail", "HLT-SVC-02-postgres-replica": "fail", "HLT-RES-01-postgres-replica": "error"},
    ),
    Fault("nobody outside reaches the API", faults.cut_off, {"NET-EXT-01-outside": "fail"}),
    Fault(
        "nobody looks from outside",
        lambda: faults.stopped("blackbox"),
        {"HLT-RES-01-blackbox": "error"},
        # Prometheus marks the series stale at its next scrape; until then the last look counts.
        {"NET-EXT-01-outside": "error"},
    ),
]

NEAR_MISSES = [
    NearMiss(
        "dashboard and log search of another version",
        lambda: together(
            faults.stand_in("grafana", "/api/health", body={"database": "ok", "version": "11.2.0"}),
            faults.stand_in("kibana", "/api/status", body=KIBANA_8),
        ),
        ("LNK-GRAF", "LNK-KIB"),
    ),
    NearMiss(
        "the status page has moved on its own host",
        lambda: together(
            faults.stand_in("status", "/", status=301, headers={"Location": "/en/"}),
            faults.stand_in("status", "/en/", body="<title>TokenSwap status</title><p>TokenSwap status: all well"),
        ),
        ("LNK-STAT",),
    ),
    NearMiss(
        "a quiet container that has just spoken",
        lambda: faults.twin("redis", say="INFO no error at all"),
        ("HLT-LOG", "HLT-SVC-03"),
    ),
    NearMiss(
        "scripts that ran 25 hours ago",
        lambda: together(faults.run_aged("daily_health_check", 25), faults.run_aged("verify_backup", 25)),
        ("HLT-DAILY", "BAK-VERIFY"),
    ),
    NearMiss("a replica that lags behind a little", faults.replay_paused, ("HLT-PG-05",)),
    NearMiss(
        "the API answers after 1.5 s", lambda: faults.api_misbehaves(health_delay_ms=1500), ("NET-EXT", "HLT-API-01")
    ),
]
