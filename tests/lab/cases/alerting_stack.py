"""Cases of the monitoring itself: its parts, what it scrapes, its rules, the way of an alert, dashboards and traces.

Whatever edits the configuration of Prometheus or Alertmanager is of the lane "monitoring", or of none.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, together

CRITICAL = (
    '  - name: critical\n    webhook_configs: [{ url: "http://stand-ins:8090/hook/critical", send_resolved: true }]'
)
HEARTBEAT = '  - name: heartbeat\n    webhook_configs: [{ url: "http://stand-ins:8090/hook/heartbeat"'
# Elasticsearch's stand-in takes no POST: as a placeholder does not, or a token that was revoked.
PLACEHOLDER = '  - name: placeholder\n    webhook_configs: [{ url: "http://stand-ins:9200/your-webhook"'
DEVIATION = "abs(pool_price - oracle_price) / oracle_price > 0.05"
# Every series of `up` gets the same labels, which Prometheus finds out only when it evaluates.
FAILING = 'label_replace(label_replace(up, "instance", "x", "", ""), "job", "x", "", "") > 0.06'
UIDS = {"TokenSwap API": "tokenswap-api", "TokenSwap trading": "tokenswap-trading", "Hosts and containers": "hosts"}
DASHBOARDS = tuple(UIDS)
REFUSED = {"message": 'Post "http://prometheus:9090/api/v1/query": connect: connection refused', "status": "ERROR"}


def dashboards(*titles: str, folder: str = "TokenSwap") -> AbstractContextManager[Any]:
    """Grafana has these dashboards."""
    rows = [
        {"id": number, "uid": UIDS.get(title, f"d{number}"), "title": title, "type": "dash-db", "folderTitle": folder}
        for number, title in enumerate(titles)
    ]
    return faults.stand_in("grafana", "/api/search", body=rows)


def newest_trace(*minutes: float) -> AbstractContextManager[Any]:
    """Jaeger has traces that are so old."""
    traces = [
        {
            "traceID": f"{number:032x}",
            "spans": [
                {
                    "traceID": f"{number:032x}",
                    "spanID": "1",
                    "startTime": int((time.time() - 60 * age) * 1e6),
                    "duration": 4200,
                    "processID": "p1",
                }
            ],
            "processes": {"p1": {"serviceName": "tokenswap-api", "tags": []}},
        }
        for number, age in enumerate(minutes)
    ]
    body = {"data": traces, "total": 0, "limit": 0, "offset": 0, "errors": None}
    return faults.stand_in("jaeger", "/api/traces", body=body)


FAULTS = [
    Fault(
        "alertmanager stopped",
        faults.alertmanager_stopped,
        {
            "MON-ARCH-01-alertmanager": "fail",
            "MON-NOTIF-01-alertmanager": "fail",
            "HLT-RES-01-alertmanager": "error",
        },
        {
            "MON-MET-01-prometheus": "fail",
            **dict.fromkeys((f"ALR-{each}-01-alertmanager" for each in ("CRIT", "WARN", "PATH")), "error"),
            **dict.fromkeys((f"BP-MON-0{number}-alertmanager" for number in (2, 3, 5)), "error"),
        },
    ),
    Fault(
        "the cluster of the logs is red",
        lambda: faults.stand_in(
            "elasticsearch", "/_cluster/health", body={"cluster_name": "logs", "status": "red", "timed_out": False}
        ),
        {"MON-ARCH-01-searchable": "fail"},
        lane="links",
    ),
    Fault(
        "a dashboard was deleted",
        lambda: dashboards(*DASHBOARDS[:2], "Hosts and containers (old)"),
        {"MON-DASH-01-grafana": "fail"},
        lane="links",
    ),
    Fault(
        "a data source is broken",
        lambda: faults.stand_in("grafana", "/api/datasources/uid/prometheus/health", status=400, body=REFUSED),
        {"MON-DASH-01-grafana": "fail"},
        lane="links",
    ),
    Fault(
        "a data source that dashboards name was deleted",
        lambda: faults.stand_in(
            "grafana", "/api/datasources", body=[{"id": 2, "uid": "logs", "name": "Logs", "type": "elasticsearch"}]
        ),
        {"MON-DASH-01-grafana": "fail"},
        lane="links",
    ),
    Fault(
        "the token of Grafana was revoked",
        lambda: faults.stand_in("grafana", "/api/search", status=401, body={"message": "Unauthorized"}),
        {"MON-DASH-01-grafana": "error"},
        lane="links",
    ),
    Fault("there are no traces", newest_trace, {"MON-TRACE-01-tracing": "fail"}, lane="links"),
    Fault(
        "the newest trace is 16 minutes old",
        lambda: newest_trace(600, 16),
        {"MON-TRACE-01-tracing": "fail"},
        lane="links",
    ),
    Fault(
        "the API's job scrapes Prometheus itself",
        faults.scrapes_itself,
        # A second target that counts what Prometheus gave up has no samples of the last hour.
        {"MON-MET-01-prometheus": "fail", "BP-PERF-02-prometheus": "fail", "MON-NOTIF-01-alertmanager": "fail"},
        lane="monitoring",
    ),
    Fault(
        "a metric was renamed",
        lambda: faults.metric_renamed("http_requests_total"),
        {"MON-MET-01-prometheus": "fail"},
        lane="monitoring",
    ),
    Fault(
        "a target hangs, and what it told before is old",
        lambda: faults.scrapes_fail("node-exporter", "node"),
        {"MON-MET-01-prometheus": "fail", "HLT-RES-01-node-exporter": "error"},
        lane="monitoring",
    ),
    Fault(
        "a job has no target any more",
        lambda: faults.job_without_targets("outside", "blackbox:9115"),
        {"MON-MET-01-prometheus": "fail"},
        lane="monitoring",
    ),
    Fault(
        "a rule fails when it is evaluated",
        lambda: faults.rules_edited(DEVIATION, FAILING, "err"),
        {"MON-RULE-01-prometheus": "fail"},
        lane="monitoring",
    ),
    Fault(
        "a rule was renamed",
        lambda: faults.rules_edited("alert: PoolLiquidityLow", "alert: PoolEmpty"),
        {"MON-RULE-01-prometheus": "fail"},
        lane="monitoring",
    ),
    Fault(
        "the rules as edited are refused",
        faults.rules_refused,
        {"MON-RULE-01-prometheus": "fail"},
        lane="monitoring",
    ),
    Fault(
        "the receiver of critical alerts has no integration",
        lambda: faults.alertmanager_edited((CRITICAL, "  - name: critical")),
        {"MON-NOTIF-01-alertmanager": "fail"},
        {"ALR-PATH-01-alertmanager": "fail"},
        lane="monitoring",
    ),
    Fault(
        "somebody silenced the dead man's switch",
        lambda: faults.silenced("Watchdog"),
        {"MON-NOTIF-01-alertmanager": "fail"},
        lane="monitoring",
    ),
    Fault(
        "a receiver is a placeholder",
        lambda: faults.alertmanager_edited(
            (HEARTBEAT, PLACEHOLDER), ("receiver: heartbeat", "receiver: placeholder"), failing=True
        ),
        {"MON-NOTIF-01-alertmanager": "fail"},
    ),
    Fault(
        "Prometheus does not reach Alertmanager",
        faults.alertmanager_out_of_reach,
        {"MON-NOTIF-01-alertmanager": "fail"},
    ),
]

NEAR_MISSES = [
    NearMiss(
        "the cluster of the logs is yellow, Grafana is of another version",
        lambda: together(
            faults.stand_in("elasticsearch", "/_cluster/health", body={"cluster_name": "logs", "status": "yellow"}),
            faults.stand_in("grafana", "/api/health", body={"database": "ok", "version": "11.2.0"}),
        ),
        ("MON-ARCH",),
        lane="links",
    ),
    NearMiss(
        "a folder of dashboards was renamed, the newest trace is 14 minutes old",
        lambda: together(dashboards(*DASHBOARDS, "Another", folder="Renamed"), newest_trace(600, 14)),
        ("MON-DASH", "MON-TRACE"),
        lane="links",
    ),
    NearMiss(
        "one scrape was missed",
        lambda: faults.scrape_missed("node-exporter", "node"),
        ("MON-MET",),
        lane="monitoring",
    ),
    NearMiss(
        "Prometheus was started anew",
        faults.prometheus_restarted,
        ("MON-MET", "MON-RULE", "MON-NOTIF"),
        lane="monitoring",
    ),
    NearMiss(
        "the rules moved into another group",
        lambda: faults.rules_edited("name: tokenswap", "name: tokenswap-moved"),
        ("MON-RULE",),
        lane="monitoring",
    ),
    NearMiss(
        "a receiver that no route names has no integration",
        lambda: faults.alertmanager_edited((CRITICAL, f"  - name: nobody\n{CRITICAL}")),
        ("MON-NOTIF",),
        lane="monitoring",
    ),
]
