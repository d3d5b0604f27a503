"""Cases of services and databases."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, aged, together


def blocked() -> AbstractContextManager[Any]:
    """One session holds a lock, another one waits for it."""
    return together(faults.session(*LOCK), aged(faults.session(*LOCK)))


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
# Nobody else is held up by it: the API and the health check of the container only read this table.
LOCK = ("BEGIN", "LOCK TABLE swap.pools IN SHARE ROW EXCLUSIVE MODE")

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
    "SEC-TLS-01-api-443": "error",
    "BP-SEC-03-nginx": "error",
    "NET-EXT-01-outside": "fail",
}
# What cannot be told without a session, or without seeing what others do.
UNSEEN = dict.fromkeys(
    (
        "HLT-PG-03-postgres",
        "HLT-PG-04-postgres",
        "HLT-PG-05-replica-1",
        "PERF-PGSS-01-postgres",
        "PERF-PGSS-02-postgres",
        "PERF-IDX-01-postgres",
        "CHG-RB-PITR-02-postgres",
        "CAP-STO-01-postgres",
    ),
    "error",
)
NO_SESSION = {
    **UNSEEN,
    "PERF-STAT-01-postgres": "error",
    "BP-PERF-04-postgres": "error",
    "SEC-KEY-01-api-keys": "error",
    "BP-SEC-02-postgres": "error",
    "BP-SEC-03-postgres": "error",
    "CHG-RB-PITR-01-postgres": "error",
}
# The API reports itself unhealthy without its database or cache, and its container with it.
API_NOTICES = {"HLT-API-01-api": "fail", "HLT-SVC-01-tokenswap-api": "fail", "NET-EXT-01-outside": "fail"}

FAULTS = [
    Fault("nginx stopped", lambda: faults.stopped("nginx"), NGINX_DOWN),
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
        {"HLT-ERR-01-prometheus": "fail"},
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
            "BP-SEC-02-redis": "error",
            "HLT-RES-01-redis": "error",
            **API_NOTICES,
        },
        {"HLT-ERR-01-prometheus": "fail"},
    ),
    Fault(
        "prometheus stopped",
        faults.prometheus_stopped,
        {
            "HLT-ERR-01-prometheus": "error",
            "CAP-CPU-01-prometheus": "error",
            "CAP-MEM-01-prometheus": "error",
            "CAP-NET-01-prometheus": "error",
            "CAP-TRG-CPU-01-prometheus": "error",
            "CAP-TRG-MEM-01-prometheus": "error",
            "CAP-STO-01-postgres": "error",
            "CAP-TRG-P95-01-prometheus": "error",
            "APP-HEAP-01-prometheus": "error",
            "BP-PERF-02-prometheus": "error",
            "HLT-RES-01-prometheus": "error",
            "MON-ARCH-01-prometheus": "fail",
            "MON-MET-01-prometheus": "error",
            "MON-RULE-01-prometheus": "error",
            "MON-NOTIF-01-alertmanager": "fail",
            "BP-MON-01-prometheus": "error",
            "BP-MON-02-alertmanager": "error",
            "BP-MON-05-alertmanager": "error",
            "ALR-PATH-01-alertmanager": "error",
            "ALR-CRIT-01-alertmanager": "error",
            "ALR-WARN-01-alertmanager": "error",
        },
    ),
    Fault(
        "the API restarts again and again",
        lambda: faults.restarted_by_crash("tokenswap-api", 2),
        {"HLT-SVC-01-tokenswap-api": "fail", "APP-RST-01-tokenswap-api": "fail"},
        {"MON-MET-01-prometheus": "fail"},
    ),
    Fault(
        "a service is not restarted",
        lambda: faults.restart_policy("redis", "no"),
        {"OPS-RESTART-01-redis": "fail"},
        lane="docker",
    ),
    Fault(
        "the API says unhealthy with status 200",
        lambda: faults.api_misbehaves(health="unhealthy-200"),
        {"HLT-API-01-api": "fail", "NET-EXT-01-outside": "fail"},
        {"HLT-SVC-01-tokenswap-api": "fail"},
    ),
    Fault(
        "metrics page is an HTML page with status 200",
        lambda: faults.nginx_edited(
            "location = /metrics {", "location = /metrics { default_type text/html; return 200 '<p>ok</p>';"
        ),
        {"HLT-API-02-api": "fail"},
        lane="nginx",
    ),
    Fault(
        "the proxy loses the upgrade header",
        lambda: faults.nginx_edited("proxy_set_header Upgrade $http_upgrade;", ""),
        {"HLT-WS-01-prices": "fail"},
        lane="nginx",
    ),
    Fault(
        "eviction policy changed live only",
        lambda: faults.redis_setting("maxmemory-policy", "noeviction"),
        {"RED-POL-01-redis": "fail"},
        lane="redis",
    ),
    Fault(
        "eviction policy changed in the file only",
        lambda: faults.file_edited(
            "redis", faults.REDIS_CONF, "maxmemory-policy allkeys-lru", "maxmemory-policy volatile-lru"
        ),
        {"RED-POL-01-redis": "fail", "CHG-TRACE-01-redis": "fail"},  # nor did a change bring it
        lane="redis",
    ),
    Fault(
        "redis unbounded",
        lambda: faults.redis_setting("maxmemory", "0"),
        {"RED-MEM-01-redis": "fail"},
        lane="redis",
    ),
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
        lane="postgres",
    ),
    Fault(
        "a transaction idles",
        lambda: aged(faults.session("BEGIN", "SELECT 1")),
        {"HLT-PG-04-postgres": "fail"},
        append=SHORT.format("idle_in_transaction_seconds"),
        lane="postgres",
    ),
    Fault(
        "connections nearly exhausted",
        lambda: many_sessions(0.85),
        {"HLT-PG-03-postgres": "fail"},
        lane="postgres",
    ),
]

NEAR_MISSES = [
    NearMiss(
        "a one-shot container has exited",
        exited,
        ("SEC-FW-02", "HLT-SVC-03", "OPS-RESTART-01"),
        lane="docker",
    ),
    NearMiss(
        "a one-off container of a service has exited",
        lambda: faults.one_shot("redis"),
        ("HLT-SVC-03", "OPS-RESTART-01"),
        lane="docker",
    ),
    NearMiss(
        "restart policy always",
        lambda: faults.restart_policy("redis", "always"),
        ("OPS-RESTART-01",),
        lane="docker",
    ),
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
        lane="redis",
    ),
    NearMiss(
        "a lock blocks for less than a minute",
        blocked,
        ("HLT-PG-04",),
        lane="postgres",
    ),
    NearMiss(
        "72 % of the connections in use",
        lambda: many_sessions(0.72),
        ("HLT-PG-01", "HLT-PG-02", "HLT-PG-03"),
        lane="postgres",
    ),
]
