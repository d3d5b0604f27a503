"""Cases of alerts: how they are configured, routed and answered, and what is on record of them.

Whatever edits the configuration of Prometheus or Alertmanager is of the lane "monitoring".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from lab import faults
from tests.lab.cases.kinds import Fault, NearMiss, together

Injected = AbstractContextManager[Any]
CRITICAL, WARNING = "ALR-CRIT-01-alertmanager", "ALR-WARN-01-alertmanager"
RECORDS = tuple(f"ALR-{each}-program" for each in ("CRIT-02", "CRIT-03", "CRIT-04", "CRIT-05"))
LESSONS = tuple(f"ALR-WARN-0{each}-program" for each in (2, 3, 4))
CRITICAL_ROUTE = "      receiver: critical\n"
INHIBITION = """inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning"]
    equal: [cluster, service]
"""
ALWAYS_HELD_BACK = """  - source_matchers: [alertname="Watchdog"]
    target_matchers: [severity=~"critical|warning"]
"""
DISK = "node_filesystem_free_bytes + node_filesystem_avail_bytes)) > 80"


def silenced_late() -> Injected:
    """A critical alert was silenced seven minutes after it began."""
    name = faults.unnamed()
    return together(faults.alert(name, "critical", 7), faults.silence(name))


def held_back(answered: bool) -> Injected:
    """A warning of 40 minutes is held back by a critical alert that fires as long, answered in time or not at all."""
    cause, service = faults.unnamed(), faults.unnamed()
    both = together(
        faults.alert(cause, "critical", 40, service), faults.alert(faults.unnamed(), "warning", 40, service)
    )
    return together(incident(cause, 40, 3), both) if answered else both


def incident(alert: str, minutes: float, answered_after: float) -> Injected:
    """An alert is on record as begun so many minutes ago, and answered so many minutes later."""
    began = datetime.now(UTC) - timedelta(minutes=minutes)
    answered = began + timedelta(minutes=answered_after)
    record = f"""id = "INC-LAB-9"
severity = "critical"
alert = "{alert}"
started = {began:%Y-%m-%dT%H:%M:%SZ}
acknowledged = {{ by = "Mara Lindqvist", at = {answered:%Y-%m-%dT%H:%M:%SZ} }}
"""
    return faults.document_added("incidents/INC-LAB-9.toml", record)


def critical(change: Callable[[str], str]) -> Injected:
    """The record of the critical incident says something else."""
    return faults.document("incidents/INC-LAB-1.toml", change)


def warning(change: Callable[[str], str]) -> Injected:
    """The record of the warning says something else."""
    return faults.document("incidents/INC-LAB-2.toml", change)


def without(*keys: str) -> Callable[[str], str]:
    """A record without some of its lines."""
    return lambda text: "".join(line for line in text.splitlines(True) if not {*line.split()[:1]} & {*keys})


def alerting(name: str, inject: Callable[[], Injected], *red: str, lane: str, state: str = "fail") -> Fault:
    """A fault that only these checks can see."""
    return Fault(name, inject, dict.fromkeys(red, state), lane=lane)


FAULTS = [
    alerting(
        "the alert of a full disk comes at 95 %",
        lambda: faults.alert_rules_edited((DISK, DISK.replace("80", "95"))),
        "BP-MON-01-prometheus",
        lane="monitoring",
    ),
    alerting(
        "scaling out goes by the days that there are samples of, and an alert is of a severity without a route",
        lambda: faults.alert_rules_edited(
            (">= 130)[7d:1d]) >= 7", ">= 130)[7d:1d]) >= 1"),
            (
                "> 0.05\n        for: 5m\n        labels: { severity: warning",
                "> 0.05\n        for: 5m\n        labels: { severity: page",
            ),
        ),
        "BP-MON-01-prometheus",
        "BP-MON-05-alertmanager",
        lane="monitoring",
    ),
    alerting(
        "an alert without a severity",
        lambda: faults.alert_rules_edited(
            ("for: 30m\n        labels: { severity: warning, ", "for: 30m\n        labels: { ")
        ),
        "BP-MON-05-alertmanager",
        lane="monitoring",
    ),
    alerting(
        "no inhibition, and every alert in a group of its own",
        lambda: faults.routes_edited((INHIBITION, ""), ("[alertname, cluster, service]", "['...']")),
        "BP-MON-02-alertmanager",
        "BP-MON-03-alertmanager",
        lane="monitoring",
    ),
    alerting(
        "an inhibition that holds nothing back, repeated every five minutes, and a pager that waits for ten",
        lambda: faults.routes_edited(
            ("equal: [cluster, service]", "equal: [alertname]"),
            ("repeat_interval: 4h", "repeat_interval: 5m"),
            (CRITICAL_ROUTE, f"{CRITICAL_ROUTE}      group_wait: 10m\n"),
        ),
        "BP-MON-02-alertmanager",
        "BP-MON-03-alertmanager",
        "ALR-PATH-01-alertmanager",
        lane="monitoring",
    ),
    alerting(
        "one critical alert goes to where nobody is woken, and the one that always fires holds back all of them",
        lambda: faults.routes_edited(
            ("  routes:\n", '  routes:\n    - matchers: [alertname="APIDown"]\n      receiver: warning\n'),
            (INHIBITION, INHIBITION + ALWAYS_HELD_BACK),
        ),
        "ALR-PATH-01-alertmanager",
        "BP-MON-02-alertmanager",
        "BP-MON-05-alertmanager",
        lane="monitoring",
    ),
    alerting(
        "a critical alert for 6 minutes and a warning for 31, unanswered",
        lambda: together(faults.alert(faults.unnamed(), "critical", 6), faults.alert(faults.unnamed(), "warning", 31)),
        CRITICAL,
        WARNING,
        lane="alerts",
    ),
    alerting("a critical alert was silenced late", silenced_late, CRITICAL, lane="alerts"),
    alerting(
        "a warning is held back by a critical alert that nobody answers",
        lambda: held_back(answered=False),
        CRITICAL,
        WARNING,
        lane="alerts",
    ),
    alerting(
        "both incidents on record were answered late, and little was written down",
        lambda: together(
            critical(lambda text: re.sub(r"(acknowledged .*)T08:03:00Z", r"\1T08:05:01Z", text)),
            critical(without("impact", "plan", "notified")),
            critical(lambda text: text.replace('by = "Alertmanager"', 'by = "TBD"')),
            warning(lambda text: re.sub(r"(acknowledged .*)T14:20:00Z", r"\1T14:30:01Z", text)),
            warning(without("root_cause", "prevention", "owner", "due", "what", "[[fixes]]")),
        ),
        CRITICAL,
        WARNING,
        *RECORDS,
        *LESSONS,
        lane="incidents",
    ),
    alerting(
        "nothing is on record of incidents",
        lambda: together(*(faults.document_gone(f"incidents/INC-LAB-{each}.toml") for each in (1, 2))),
        *RECORDS,
        *LESSONS,
        lane="incidents",
        state="error",
    ),
    alerting(
        "the review of the rules is too long ago",
        lambda: faults.document("attestations.toml", _reviewed_long_ago),
        "BP-MON-04-program",
        lane="incidents",
    ),
]


def _reviewed_long_ago(text: str) -> str:
    day = datetime.now(UTC) - timedelta(days=91)
    head, *entries = text.split("[[attestation]]")
    return "[[attestation]]".join(
        [
            head,
            *(
                re.sub(
                    r'valid_for = "\d+d"', 'valid_for = "200d"', re.sub(r"date = \S+", f"date = {day:%Y-%m-%d}", each)
                )
                if '"BP-MON-04"' in each
                else each
                for each in entries
            ),
        ]
    )


NEAR_MISSES = [
    NearMiss(
        "thresholds written otherwise, by a rule of another name",
        lambda: faults.alert_rules_edited(
            (
                "(1 - node_filesystem_avail_bytes / (node_filesystem_size_bytes - " + DISK,
                "(1 - node_filesystem_avail_bytes / (node_filesystem_size_bytes - "
                + DISK.replace("> 80", "/ 100 > 0.8"),
            ),
            ("alert: ScaleOutDisk", "alert: FilesystemNearlyFull"),
        ),
        ("BP-MON-01", "BP-MON-05"),
        lane="monitoring",
    ),
    NearMiss(
        "the same routes in another order and spelling, a slow one beside the pager, and heartbeats every minute",
        lambda: faults.routes_edited(
            (
                '    - matchers: [severity="critical"]\n      receiver: critical\n',
                "    - receiver: warning\n      match: { severity: critical }\n      continue: true\n"
                "      group_wait: 10m\n"
                '    - receiver: critical\n      match_re: { severity: "critical" }\n      group_wait: 60s\n'
                "      group_by: [service]\n",
            ),
            ("repeat_interval: 4h", "repeat_interval: 1h"),
            ("      receiver: heartbeat\n", "      receiver: heartbeat\n      repeat_interval: 1m\n"),
            (
                'target_matchers: [severity="warning"]',
                'target_match_re: { severity: "warning|info" }',
            ),
        ),
        ("BP-MON-02", "BP-MON-03", "BP-MON-05", "ALR-PATH"),
        lane="monitoring",
    ),
    NearMiss(
        "a critical alert for 4 minutes and a warning for 29",
        lambda: together(faults.alert(faults.unnamed(), "critical", 4), faults.alert(faults.unnamed(), "warning", 29)),
        ("ALR-CRIT-01", "ALR-WARN-01"),
        lane="alerts",
    ),
    NearMiss(
        "answered after 3 minutes, still firing, and it holds back a warning",
        lambda: held_back(answered=True),
        ("ALR-CRIT-01", "ALR-WARN-01"),
        lane="alerts",
    ),
    NearMiss(
        "incidents answered in the last second, and one that has only begun",
        lambda: together(
            critical(lambda text: re.sub(r"(acknowledged .*)T08:03:00Z", r"\1T08:05:00Z", text)),
            warning(lambda text: re.sub(r"(acknowledged .*)T14:20:00Z", r"\1T14:30:00Z", text)),
            incident("JustBegun", 20, 4),
        ),
        ("ALR-CRIT", "ALR-WARN", "BP-MON-04"),
        lane="incidents",
    ),
]
