"""Rules of the chapter *alerting* about configuration: where alerts go, what is held back, how they are grouped.

An alert's way is judged by the labels that its rule sets itself and those that Prometheus adds; what its series will
add is not known before it fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from opsverify.judgement import Limits, Observation, holds, none_of, within
from opsverify.probes.alert_rules import Group, Rule
from opsverify.routing import ALL, Configuration, Inhibition, Labels, Matcher, Route, named
from opsverify.rules.statements import complete

SEVERITIES = ("critical", "warning")


def alerts(groups: Sequence[Group]) -> list[Rule]:
    """The alert rules of all groups."""
    return [rule for group in groups for rule in group.rules if rule.alert]


def as_sent(rule: Rule, external: Mapping[str, str]) -> dict[str, str]:
    """The labels of a rule's alerts, as far as they are known before it fires."""
    return {**external, **rule.labels, "alertname": rule.name}


def warnings_are_held_back(
    configuration: Configuration, groups: Sequence[Group], external: Labels, limits: Limits
) -> list[Observation]:
    """A critical alert that fires holds back the warnings about the same thing.

    An inhibition counts where its labels that must be equal can be so for two rules that are loaded: by ``alertname``
    alone, no critical alert is equal to any warning of another name. By nothing but labels that this Prometheus adds to
    all of its alerts, all are equal, and any critical alert would hold back every warning. And no inhibition may hold
    back a critical alert while one fires that is none, such as the one that always fires.
    """
    rules = alerts(groups)
    of = {
        severity: [as_sent(each, external) for each in rules if each.labels.get("severity") == severity]
        or [{**external, "severity": severity}]
        for severity in SEVERITIES
    }
    good = [
        each
        for each in configuration.inhibitions
        if set(each.equal) - set(external)
        and any(_holds_back(each, source, target) for source in of["critical"] for target in of["warning"])
    ]
    lesser = [as_sent(each, external) for each in rules if each.labels.get("severity") != "critical"]
    hidden = [
        f"{target.get('alertname', 'any')} by {source['alertname']} ({each})"
        for each in configuration.inhibitions
        for source in lesser
        for target in of["critical"]
        if each.holds_back(source, target)
    ]
    expected = "one from critical to warning, with labels that must be equal, and can be"
    shown = tuple(str(each) for each in configuration.inhibitions) or "none"
    return [
        within("inhibit rules from critical to warning", len(good), limits.inhibit_rules),
        holds("inhibit rules", shown, expected, bool(good)),
        none_of("critical alerts held back by lesser ones", hidden, seen=len(rules), of="rules"),
    ]


def _holds_back(inhibition: Inhibition, critical: Labels, warning: Labels) -> bool:
    if not (_tells(inhibition.source, "critical", "warning") and _tells(inhibition.target, "warning", "critical")):
        return False
    fitting = _fits(inhibition.source, critical) and _fits(inhibition.target, warning)
    both = [each for each in inhibition.equal if each in critical and each in warning]
    return fitting and bool(inhibition.equal) and all(critical[each] == warning[each] for each in both)


def _tells(matchers: Iterable[Matcher], one: str, other: str) -> bool:
    """Whether the matchers take the one severity and not the other."""
    by = [each for each in matchers if each.label == "severity"]
    taken = all(each.matches({"severity": one}) for each in by)
    return taken and any(not each.matches({"severity": other}) for each in by)


def _fits(matchers: Iterable[Matcher], labels: Labels) -> bool:
    return all(each.matches(labels) for each in matchers if each.label in labels)


def grouped(configuration: Configuration, limits: Limits) -> list[Observation]:
    """Every route groups by named labels, and does not repeat too often; what it inherits counts as its own."""
    seen = []
    for path in configuration.route.paths():
        route, name = path[-1], named(path)
        by_name = bool(route.group_by) and ALL not in route.group_by
        seen.append(holds(f"{name} groups by", route.group_by or "nothing", "labels by their names", by_name))
        seen.append(within(f"{name} repeats after", route.repeat_s, limits.repeat_seconds))
    return seen


def every_severity_has_a_route(
    configuration: Configuration, groups: Sequence[Group], external: Labels, limits: Limits
) -> list[Observation]:
    """Every alert rule has a severity, and for every severity there is a route that takes no other one.

    Of a severity that the manual does not know (``Critical``, ``page``) nobody asks whether its alerts are answered.

    Raises:
        InsufficientFactsError: a severity is only made when the alert fires.
    """
    rules = alerts(groups)
    if not rules:
        return [holds("alert rules", "none", "at least one", met=False)]
    told = [(each.name, each.labels.get("severity", "")) for each in rules]
    made = [f"{name}: its severity is made by a template ({text})" for name, text in told if "{{" in text]
    severities = sorted({text for _, text in told if text and "{{" not in text})
    unknown = (f"{name} ({text})" for name, text in told if text in severities and text not in limits.severities.values)
    expected = ", ".join(map(str, limits.severities.values))
    seen = [
        none_of("rules without a severity", (name for name, text in told if not text), seen=len(rules), of="rules"),
        none_of(f"rules of another severity than {expected}", unknown, seen=len(rules), of="rules"),
    ]
    for severity in severities:
        others = {*severities, *SEVERITIES, ""} - {severity}
        astray = []
        for rule in rules:
            if rule.labels.get("severity") == severity:
                taken = configuration.route.taken(as_sent(rule, external))
                if not any(_of_its_own(path, severity, others) for path in taken):
                    astray.append(f"{rule.name} by {', '.join(map(named, taken))}")
        count = sum(each.labels.get("severity") == severity for each in rules)
        seen.append(none_of(f"{severity} alerts without a route of that severity", astray, seen=count, of="rules"))
    return complete(seen, made)


def _of_its_own(path: tuple[Route, ...], severity: str, others: Iterable[str]) -> bool:
    for each in (each for route in path for each in route.matchers if each.label == "severity"):
        if each.matches({"severity": severity}) and not any(each.matches({"severity": other}) for other in others):
            return True
    return False


def critical_reaches_a_pager(
    configuration: Configuration, groups: Sequence[Group], external: Labels, pagers: Sequence[str], limits: Limits
) -> list[Observation]:
    """Every critical alert is sent to a pager, and does not wait long in its group on the way that it takes.

    Of the ways that an alert takes one has to reach a pager in time; the others may be slow.
    """
    rules = [each for each in alerts(groups) if each.labels.get("severity") == "critical"]
    ways: dict[tuple[tuple[Route, ...], ...], list[str]] = {}
    for rule in rules:
        ways.setdefault(tuple(configuration.route.taken(as_sent(rule, external))), []).append(rule.name)
    other = tuple(configuration.route.taken({**external, "severity": "critical"}))
    ways.setdefault(other, []).append("any other critical alert")
    seen = []
    for paths, names in ways.items():
        ends = [path[-1] for path in paths]
        paging = [each for each in ends if each.receiver in pagers and configuration.receivers.get(each.receiver)]
        told = tuple(_told(each, configuration) for each in ends)
        what = ", ".join(names)
        seen.append(holds(f"{what}: sent to", told, f"a pager: {' or '.join(pagers)}", bool(paging)))
        if paging:
            best = min(paging, key=lambda each: (bool(each.muted), each.group_wait_s))
            seen.append(within(f"{what}: wait in their group", best.group_wait_s, limits.group_wait_seconds))
            seen.append(holds(f"{what}: muted", best.muted or "never", "never", not best.muted))
    return seen


def _told(route: Route, configuration: Configuration) -> str:
    integrations = configuration.receivers.get(route.receiver)
    return f"{route.receiver} ({', '.join(integrations) if integrations else 'which sends nothing'})"
