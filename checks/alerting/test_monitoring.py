"""The monitoring itself: it is up, it sees, it judges, it tells somebody, and it can be looked at."""

import pytest

from opsverify.probes import dashboards, delivery, links, monitoring, traces
from opsverify.rules import monitoring as rules


@pytest.mark.requirement("MON-ARCH-01", on="prometheus")
def test_prometheus_is_ready(prometheus, fact, judge):
    """While it replays its log it answers nothing, and no alert can fire: a process that runs is not ready."""
    judge(rules.is_up("GET /-/ready", fact(monitoring.ready, prometheus, "prometheus"), ("ready",)))


@pytest.mark.requirement("MON-ARCH-01", on="alertmanager")
def test_alertmanager_is_ready(alertmanager, fact, judge):
    """Prometheus only finds out; without Alertmanager nobody is told."""
    judge(rules.is_up("GET /-/ready", fact(monitoring.ready, alertmanager, "alertmanager"), ("ready",)))


@pytest.mark.requirement("MON-ARCH-01", on="link.grafana")
def test_grafana_is_healthy(link, fact, judge):
    """A Grafana without its database shows a page, and no dashboard."""
    judge(rules.is_up("GET /api/health", fact(links.grafana, link), ("ok",)))


@pytest.mark.requirement("MON-ARCH-01", on="logs.index")
def test_cluster_of_logs_is_not_red(logs_kept, fact, limits, judge):
    """In a red cluster primary shards are missing: it takes no more logs, and finds only some of those it has."""
    states = limits.cluster_states.values
    judge(rules.is_up("GET /_cluster/health", fact(monitoring.cluster, logs_kept), states))


@pytest.mark.requirement("MON-MET-01")
def test_targets_are_scraped(prometheus, fact, limits, judge):
    """A target that is no longer scraped fires no alert; a job that scrapes Prometheus itself is always up."""
    targets, job = fact(monitoring.scraped, prometheus), prometheus.spec.api_job
    jobs = fact(monitoring.jobs, prometheus, limits.vanished_hours.number)
    delivered = fact(monitoring.delivered, prometheus, job, str(limits.metric.value))
    judge(rules.targets_scraped(targets, jobs, delivered, prometheus.spec.instances, job, limits))


@pytest.mark.requirement("MON-RULE-01")
def test_rules_are_evaluated(prometheus, fact, limits, judge):
    """An expression that fails fires nothing, and looks like a system without problems."""
    accepted = fact(monitoring.accepted, prometheus)
    judge(rules.rules_evaluated(fact(monitoring.rules, prometheus), accepted, limits))


@pytest.mark.requirement("MON-NOTIF-01")
def test_alerts_reach_somebody(alertmanager, prometheus, fact, limits, missing, judge):
    """A placeholder in place of the pager's address shows in nothing but the counters of what failed."""
    judge(
        rules.alerts_delivered(
            fact(delivery.alertmanagers, prometheus),
            fact(delivery.routes, alertmanager),
            fact(delivery.losses, prometheus, limits.window_seconds.number),
            fact(delivery.alerts, alertmanager),
            fact(delivery.marks, prometheus),
            limits,
            missing,
        )
    )


@pytest.mark.requirement("MON-DASH-01")
def test_dashboards_have_their_data(link, fact, judge):
    """In an incident the dashboard is opened first; a panel without its data source is empty, not red."""
    required = link.spec.dashboards
    listed, sources = fact(dashboards.listed, link), fact(dashboards.sources, link)
    drawn = fact(dashboards.drawn, link, tuple(each for each in listed if each.title in required))
    judge(rules.dashboards_work(listed, drawn, sources, required, link.account))


@pytest.mark.requirement("MON-TRACE-01")
def test_traces_arrive(tracing, fact, limits, now, judge):
    """An exporter that lost its collector drops spans in silence, and the first who misses them is on call."""
    service = tracing.spec.service
    judge(rules.traces_arrive(fact(traces.spans, tracing, service), service, limits, now))
