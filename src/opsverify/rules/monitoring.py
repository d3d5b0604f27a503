"""Rules of the chapter *alerting*, of the stack itself: it is up, it sees, it judges, it tells, and it is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, aged, holds, none_of, within
from opsverify.probes import Attempt
from opsverify.probes.dashboards import Dashboard, Drawn, Source
from opsverify.probes.delivery import FAILED, Alert, Losses, Route
from opsverify.probes.links import State
from opsverify.probes.monitoring import LOOKED_BACK, Delivered, Jobs, Rule, Scraped
from opsverify.probes.traces import Spans
from opsverify.rules.statements import Missing, complete, lack

NO_RIGHTS = (401, 403)


def is_up(asked: str, found: Attempt[State], states: Sequence[object]) -> list[Observation]:
    """A part of the stack answers, and is in one of these states by its own word.

    Raises:
        InsufficientFactsError: it is there, but refuses to tell.
    """
    expected = " or ".join(map(str, states))
    if found.value is None:
        return [holds(asked, found.failure, expected, met=False)]
    if found.value.status in NO_RIGHTS:
        raise InsufficientFactsError(f"{asked}: answered with status {found.value.status}: too few rights")
    return [
        holds(f"{asked}, status", found.value.status, "200", found.value.status == 200),
        holds(f"{asked} says", found.value.claims, expected, found.value.claims in states),
    ]


def targets_scraped(
    targets: Sequence[Scraped],
    jobs: Jobs,
    delivered: Sequence[Delivered],
    instances: Sequence[str],
    job: str,
    limits: Limits,
) -> list[Observation]:
    """Every target was scraped of late, the hosts are among them, and the API's job has the API's own metrics.

    And no job vanished: without a target there is nothing that could be down.

    Judged is the newest *successful* scrape: one that is missed is no target that is down, and a target whose scrapes
    succeed no more has no young sample, whatever old ones are still remembered.

    Raises:
        InsufficientFactsError: nothing speaks against it, but a target is new and was not scraped yet.
    """
    seen: list[Observation] = []
    waiting = [each.name for each in targets if each.health == "unknown" and each.age is None]
    for each in targets:
        if each.name not in waiting:
            seen.append(_young(f"{each.name}: newest successful scrape", each.age, each.interval, each.error, limits))
    known = {each.labels["instance"] for each in targets}
    for instance in instances:
        there = instance in known
        seen.append(holds(f"{instance} is scraped", "yes" if there else "no target", "yes", there))
    name = f"jobs scraped within the last {limits.vanished_hours.number:g} hours that have no target any more"
    seen.append(none_of(name, jobs.gone, seen=len(jobs.there), of="jobs"))
    metric = limits.metric.value
    if not delivered:
        seen.append(holds(f"targets of the job {job}", "none", "at least one", met=False))
    for item in delivered:
        if f"{job} {item.instance}" in waiting:
            continue
        told = _young(f"{item.instance} of {job}: newest {metric}", item.age, item.interval, "", limits)
        itself = "Prometheus itself" if item.itself else "not Prometheus itself"
        seen += [told, holds(f"{item.instance} of {job} is", itself, "not Prometheus itself", not item.itself)]
    return complete(seen, [f"{each} was not scraped yet" for each in waiting])


def _young(name: str, age: float | None, interval: float, error: str, limits: Limits) -> Observation:
    """The age of a sample, in scrape intervals of its target."""
    expected = f"{limits.sample_age} scrape intervals of {interval:g} s"
    if age is None:
        why = f" ({' '.join(error.split())[:200]})" if error else ""
        return holds(name, f"none within {LOOKED_BACK * interval:g} s{why}", expected, met=False)
    return holds(name, f"{age:.1f} s ago", expected, limits.sample_age.met(age / interval))


def rules_evaluated(rules: Sequence[Rule], accepted: bool, limits: Limits) -> list[Observation]:
    """The alerts that are required are loaded; and every rule evaluates, without an error and of late.

    A configuration that was not ``accepted`` leaves those rules loaded that were there before.

    Raises:
        InsufficientFactsError: nothing speaks against it, but a required rule is new and was not evaluated yet.
    """
    if not rules:
        return [holds("rules", "none is loaded", "some", met=False)]
    required = [str(each) for each in limits.rules.values]
    alerting = {each.name for each in rules if each.alerting}
    lacking = tuple(sorted(set(required) - alerting))
    failing = [
        f"{each.name} in {each.group} ({' '.join(each.error.split())[:200] or each.health})"
        for each in rules
        if each.health != "ok" and not _waits(each)
    ]
    late = [
        f"{each.name} in {each.group} ({'never' if each.age is None else f'{each.age:.0f} s ago'}, "
        f"every {each.interval:g} s)"
        for each in rules
        if not _waits(each) and not _on_time(each, limits)
    ]
    waiting = [each.name for each in rules if _waits(each)]
    count = len(rules)
    seen = [
        holds("configuration that was read last", "accepted" if accepted else "refused", "accepted", accepted),
        holds("required alerts that are not loaded", lacking or f"none of {len(required)}", "none", not lacking),
        none_of("rules that do not evaluate", failing, seen=count, of="rules"),
        none_of(f"rules evaluated otherwise than {limits.evaluation_age} intervals ago", late, seen=count, of="rules"),
        holds("loaded just now, not evaluated yet", tuple(sorted(waiting)) or "none", "shown", met=True),
    ]
    return complete(seen, [f"{name} was not evaluated yet" for name in required if name in waiting])


def _waits(rule: Rule) -> bool:
    """Whether it was loaded and not evaluated yet: that is no failure."""
    return rule.age is None and rule.health == "unknown"


def _on_time(rule: Rule, limits: Limits) -> bool:
    """Whether an evaluation is young, and not of the future: the clock that tells both is the same one."""
    age = math.inf if rule.age is None else rule.age / rule.interval
    return age > -1 and limits.evaluation_age.met(age)


def alerts_delivered(
    alertmanagers: Attempt[tuple[str, ...]],
    routes: Attempt[tuple[Route, ...]],
    losses: Attempt[Losses],
    alerts: Attempt[tuple[Alert, ...]],
    marks: Attempt[Mapping[str, str]],
    limits: Limits,
    missing: Missing,
) -> list[Observation]:
    """An alert reaches somebody: to an Alertmanager, by routes that end at an integration, and nothing got lost.

    And the alert that always fires is proof that the way is open: it reached Alertmanager, and has a receiver. It has
    to be that of this Prometheus: several may send to one Alertmanager.

    Raises:
        InsufficientFactsError: something cannot be told, where the requirement does not take that for a finding.
    """
    seen: list[Observation] = []
    lacking: list[str] = []
    if alertmanagers.value is None:
        lack("Alertmanagers of Prometheus", alertmanagers.failure, missing, seen, lacking)
    else:
        seen.append(within("active Alertmanagers", len(alertmanagers.value), limits.active_alertmanagers))
    if routes.value is None:
        lack("routes of Alertmanager", routes.failure, missing, seen, lacking)
    else:
        seen += [_ends(each) for each in routes.value]
    if losses.value is None:
        lack("counters of what got lost", losses.failure, missing, seen, lacking)
    else:
        _nothing_lost(losses.value, limits, missing, seen, lacking)
        counting = len({each.instance for each in losses.value.coverage if each.metric == FAILED and each.samples})
        active = len(set(alertmanagers.value or ()))
        if 0 < counting < active:  # of one that is not scraped, nobody knows what it failed to send
            lack(f"counters of {active} Alertmanagers", f"of {counting} alone", missing, seen, lacking)
    for name in map(str, limits.always_firing.values):
        if alerts.value is None or marks.value is None:
            lack(f"{name}, which always fires", alerts.failure or marks.failure, missing, seen, lacking)
        elif routes.value is not None:  # without them nobody knows what its receivers do, and that is told above
            seen.append(_arrived(name, alerts.value, marks.value, routes.value))
    return complete(seen, lacking)


def _ends(route: Route) -> Observation:
    told = f"{route.receiver}: {', '.join(route.integrations) or 'no integration'}"
    return holds(route.name, told, "a receiver with an integration", bool(route.integrations))


def _nothing_lost(
    losses: Losses, limits: Limits, missing: Missing, seen: list[Observation], lacking: list[str]
) -> None:
    """No notification failed in the window, and the window has the samples that show it."""
    grown = {(each.metric, each.instance) for each in losses.lost if math.isfinite(each.count)}
    for each in losses.lost:
        seen.append(within(f"{each.metric} of {each.instance}, grown by", each.count, limits.failed_notifications))
    for told in losses.coverage:
        covered = min(told.samples / told.promised, 1.0)
        name = f"{told.metric} of {told.instance}, samples of the window"
        if limits.coverage.met(covered) and (told.metric, told.instance) in grown:
            seen.append(within(name, covered, limits.coverage))
        else:
            lack(name, f"{covered:.0%}, needed: {limits.coverage}", missing, seen, lacking)
    if not losses.coverage:
        lack("counters of what got lost", "nobody collects them", missing, seen, lacking)


def _arrived(name: str, alerts: Sequence[Alert], marks: Mapping[str, str], routes: Sequence[Route]) -> Observation:
    """The alert that always fires is in Alertmanager, is not suppressed, and goes to a receiver with an integration."""
    able = {each.receiver for each in routes if each.integrations}
    mine = [each for each in alerts if each.labels.get("alertname") == name]
    told, good = [], False
    for each in mine:
        others = _of_another(each.labels, marks)
        told.append(
            f"{each.state}, to {', '.join(each.receivers) or 'nobody'}{others and f', of another one: {others}'}"
        )
        good = good or (each.state == "active" and not others and bool(able & set(each.receivers)))
    expected = "active in Alertmanager, from this Prometheus, to a receiver with an integration"
    return holds(f"{name}, which always fires", tuple(told) or "not in Alertmanager", expected, good)


def _of_another(labels: Mapping[str, str], marks: Mapping[str, str]) -> str:
    """The labels that an alert has otherwise than this Prometheus adds; one that it lacks may have been relabelled."""
    return ", ".join(f"{key}={labels[key]}" for key, value in sorted(marks.items()) if labels.get(key, value) != value)


def dashboards_work(
    dashboards: Sequence[Dashboard],
    drawn: Sequence[Drawn],
    sources: Sequence[Source],
    required: Sequence[str],
    account: str,
) -> list[Observation]:
    """The dashboards that are required are there, what they draw on is there, and every data source is healthy.

    Raises:
        InsufficientFactsError: the profile requires none; the account sees none, so it may lack the right to; or
            nothing speaks against it, but a dashboard cannot be read, or a data source cannot tell its health.
    """
    if not required:
        raise InsufficientFactsError("the profile names no dashboards that have to be there")
    if not dashboards:
        raise InsufficientFactsError(f"no dashboard is visible to this account ({account})")
    titles = {each.title for each in dashboards}
    seen = [
        holds(
            f"dashboard {each}", "there" if each in titles else f"not among {len(dashboards)}", "there", each in titles
        )
        for each in required
    ]
    lacking = [] if sources else [f"no data source is visible to this account ({account})"]
    known = {name for each in sources for name in (each.uid, each.name)}
    for each in drawn:
        if each.untold:
            lacking.append(f"dashboard {each.title} cannot be read: {each.untold}")
        elif sources:
            gone = [name for name in each.sources if name not in known]
            name = f"data sources of dashboard {each.title} that are not there"
            seen.append(none_of(name, gone, seen=len(each.sources), of="that it names"))
    for source in sources:
        name = f"data source {source.name} ({source.kind})"
        if source.untold:
            lacking.append(f"{name}: its health cannot be told: {source.untold}")
        else:
            seen.append(holds(name, source.health, "OK", source.health == "OK"))
    return complete(seen, lacking)


def traces_arrive(spans: Spans, service: str, limits: Limits, now: datetime) -> list[Observation]:
    """Spans of the API arrive: what is not traced now cannot be looked into when it was slow."""
    if spans.newest is None:
        return [holds(f"newest span of {service}", "there is none", f"{limits.newest_trace_seconds} s old", met=False)]
    return [
        aged(f"age of the newest span of {service}", spans.newest, now, limits.newest_trace_seconds),
        holds("spans looked at", spans.count, "shown", met=True),
    ]
