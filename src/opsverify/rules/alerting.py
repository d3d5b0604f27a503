"""Rules of the chapter *alerting* about configuration: where alerts go, what is held back, how they are grouped.

An alert's way is judged by the labels that its rule sets itself and those that Prometheus adds; what its series will
add is not known before it fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opsverify.judgement import Limits, Observation, holds, none_of, within
from opsverify.probes.alert_rules import Group, Rule
from opsverify.relabelling import Sender
from opsverify.routing import ALL, Configuration, Inhibition, Labels, Matcher, Route, named
from opsverify.rules.statements import complete

SEVERITIES = ("critical", "warning")
HEARTBEAT = "none"  # of alerts that always fire, to show that the way is open


def alerts(groups: Sequence[Group]) -> list[Rule]:
    """The alert rules of all groups."""
    return [rule for group in groups for rule in group.rules if rule.alert]


def as_sent(rule: Rule, sender: Sender) -> dict[str, str] | None:
    """The labels of a rule's alerts, as far as they are known before it fires; None where they are never sent."""
    return sender.sent({**rule.labels, "alertname": rule.name})


def warnings_are_held_back(
    configuration: Configuration, groups: Sequence[Group], sender: Sender, limits: Limits
) -> list[Observation]:
    """A critical alert that fires holds back the warnings about the same thing.

    An inhibition counts where its labels that must be equal can be so for two rules that are loaded: by ``alertname``
    alone, no critical alert is equal to any warning of another name. By nothing but labels that this Prometheus adds to
    all of its alerts, all are equal, and any critical alert would hold back every warning. And no inhibition may hold
    back a critical alert while one fires that is none, such as the one that always fires.
    """
    rules = alerts(groups)
    sent = [labels for each in rules if (labels := as_sent(each, sender)) is not None]
    of = {
        severity: [each for each in sent if each.get("severity") == severity]
        or [{**sender.external, "severity": severity}]
        for severity in SEVERITIES
    }
    good = [
        each
        for each in configuration.inhibitions
        if set(each.equal) - set(sender.external)
        and any(_holds_back(each, source, target) for source in of["critical"] for target in of["warning"])
    ]
    lesser = [each for each in sent if each.get("severity") != "critical"]
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
    """Every route groups by named labels, and does not repeat too often; what it inherits counts as its own.

    A route of heartbeats alone may repeat them as often as whoever listens for them needs.
    """
    seen = []
    for path in configuration.route.paths():
        route, name = path[-1], named(path)
        by_name = bool(route.group_by) and ALL not in route.group_by
        seen.append(holds(f"{name} groups by", route.group_by or "nothing", "labels by their names", by_name))
        if _of_its_own(path, HEARTBEAT, (*SEVERITIES, "info", "")):
            seen.append(holds(f"{name} repeats heartbeats after", route.repeat_s, "shown", met=True))
        else:
            seen.append(within(f"{name} repeats after", route.repeat_s, limits.repeat_seconds))
    return seen


def every_severity_has_a_route(
    configuration: Configuration, groups: Sequence[Group], sender: Sender, limits: Limits
) -> list[Observation]:
    """Every alert rule has a severity, and for every severity there is a route that takes no other one.

    Of a severity that the manual does not know (``Critical``, ``page``) nobody asks whether its alerts are answered.

    Raises:
        InsufficientFactsError: a severity is only made when the alert fires.
    """
    rules = [(each, as_sent(each, sender)) for each in alerts(groups)]
    if not rules:
        return [holds("alert rules", "none", "at least one", met=False)]
    told = [(each.name, (each.labels if sent is None else sent).get("severity", "")) for each, sent in rules]
    made = [f"{name}: its severity is made by a template ({text})" for name, text in told if "{{" in text]
    severities = sorted({text for _, text in told if text and "{{" not in text})
    unknown = (f"{name} ({text})" for name, text in told if text in severities and text not in limits.severities.values)
    expected = ", ".join(map(str, limits.severities.values))
    seen = [
        none_of("rules without a severity", (name for name, text in told if not text), seen=len(rules), of="rules"),
        none_of(f"rules of another severity than {expected}", unknown, seen=len(rules), of="rules"),
        none_of("rules whose alerts Prometheus drops", _dropped(rules), seen=len(rules), of="rules"),
    ]
    for severity in severities:
        others = {*severities, *SEVERITIES, ""} - {severity}
        astray = []
        mine = [(rule, sent) for rule, sent in rules if sent is not None and sent.get("severity") == severity]
        for rule, sent in mine:
            taken = configuration.route.taken(sent)
            if not any(_of_its_own(path, severity, others) for path in taken):
                astray.append(f"{rule.name} by {', '.join(map(named, taken))}")
        name = f"{severity} alerts without a route of that severity"
        seen.append(none_of(name, astray, seen=len(mine), of="rules"))
    return complete(seen, made)


def _dropped(rules: Iterable[tuple[Rule, Labels | None]]) -> list[str]:
    return [rule.name for rule, sent in rules if sent is None]


def _of_its_own(path: tuple[Route, ...], severity: str, others: Iterable[str]) -> bool:
    for each in (each for route in path for each in route.matchers if each.label == "severity"):
        if each.matches({"severity": severity}) and not any(each.matches({"severity": other}) for other in others):
            return True
    return False


def critical_reaches_a_pager(
    configuration: Configuration, groups: Sequence[Group], sender: Sender, pagers: Sequence[str], limits: Limits
) -> list[Observation]:
    """Every critical alert is sent to a pager, and does not wait long in its group on the way that it takes.

    Of the ways that an alert takes one has to reach a pager in time; the others may be slow.
    """
    rules = [(each, as_sent(each, sender)) for each in alerts(groups)]
    ways: dict[tuple[tuple[Route, ...], ...], list[str]] = {}
    for rule, sent in rules:
        if sent is not None and "critical" in (rule.labels.get("severity"), sent.get("severity")):
            ways.setdefault(tuple(configuration.route.taken(sent)), []).append(rule.name)
    other = sender.sent({"severity": "critical"})
    if other is not None:
        ways.setdefault(tuple(configuration.route.taken(other)), []).append("any other critical alert")
    dropped = _dropped(each for each in rules if each[0].labels.get("severity") == "critical")
    dropped += ["any other critical alert"] * (other is None)
    seen = [none_of("critical alerts that Prometheus drops", dropped, seen=len(rules), of="rules")]
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
    return (
        f"{route.receiver} ({', '.join(integrations) if integrations else 'which sends nothing, or to a placeholder'})"
    )
