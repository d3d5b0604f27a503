"""The rule of what alert rules cover: for each number of the manual there is one that fires above it, and not below.

It is judged by what they do (tests of the rules as loaded), which no spelling of an expression can hide. Where there
is no promtool to test them with, by what they say: then a rule that says the right number in the wrong place passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from opsverify.judgement import Observation, holds
from opsverify.probes.alert_rules import Group, Rule
from opsverify.rule_tests import Manual, Number
from opsverify.rules.alerting import alerts
from opsverify.rules.statements import complete

# What an expression about each resource asks for; the names of the numbers begin with them.
METRICS = {
    "cpu": "node_cpu_seconds_total",
    "memory": "node_memory_",
    "network": "node_network_",
    "disk": "node_filesystem_",
    "p95": "http_request_duration_seconds_bucket",
}
ABOVE = re.compile(
    r"(?:>|>\s*bool|>=)\s*\(?\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*\)?\s*(?=$|and\b|unless\b|or\b|\))", re.IGNORECASE
)
P95 = re.compile(r"\b0?\.950*\b")  # of a histogram; the median above 2 s is another matter
NESTED = 10  # recordings of recordings


def covered(
    numbers: Sequence[Number], lacking: Sequence[str], fired: Mapping[str, frozenset[str]], groups: Sequence[Group]
) -> list[Observation]:
    """Every number has an alert that fires just above it and is silent otherwise.

    ``fired`` tells by case which alerts fire; ``lacking`` are the numbers that could not be tested, and why not.

    Raises:
        InsufficientFactsError: some could not be tested.
    """
    if not alerts(groups):
        return [holds("alert rules", "none", "at least one", met=False)]
    seen = []
    for number in numbers:
        above = fired[number.above.name]
        good = above.difference(*(fired[each.name] for each in number.silent))
        found: tuple[str, ...] | str = tuple(sorted(good))
        if not good:
            also = (
                f"{name} fires at {each.name} as well"
                for each in number.silent
                for name in sorted(above & fired[each.name])
            )
            found = tuple(also) or f"no alert fires at {number.above.name}"
        expected = "an alert that fires just above, and not below" + " or on fewer days" * (len(number.silent) > 1)
        seen.append(holds(f"{number.what}, tested by promtool", found, expected, bool(good)))
    return complete(seen, list(lacking))


def covered_by_text(manual: Manual, groups: Sequence[Group]) -> list[Observation]:
    """Every number stands in the expression of an alert rule about its metric; there is no promtool to test it."""
    rules = alerts(groups)
    if not rules:
        return [holds("alert rules", "none", "at least one", met=False)]
    recorded = {each.name: each.query for group in groups for each in group.rules if not each.alert}
    queries = [(each, _expanded(each.query, recorded)) for each in rules]
    seen = []
    for name, limit, days in (
        ("cpu_target", manual.cpu_target, 0),
        ("memory_target", manual.memory_target, 0),
        ("network_target", manual.network_target, 0),
        ("cpu_trigger", manual.cpu_trigger, manual.cpu_days),
        ("memory_trigger", manual.memory_trigger, manual.memory_days),
        ("disk_trigger", manual.disk_trigger, 0),
        ("p95_seconds", manual.p95_seconds, 0),
    ):
        metric = METRICS[name.partition("_")[0]]
        values = {limit} if name == "p95_seconds" else {limit, limit * 100}
        good = tuple(
            rule.name
            for rule, text in queries
            if metric in text
            and _compared(text, values)
            and (not days or _lasts(rule, text, days))
            and (name != "p95_seconds" or P95.search(text))
        )
        what = f"{metric}… above {' or '.join(f'{each:g}' for each in sorted(values))}" + f" on {days} days" * bool(
            days
        )
        seen.append(holds(f"{what}, by its text alone (no promtool here)", good or "none", "an alert rule", bool(good)))
    return seen


def _expanded(query: str, recorded: Mapping[str, str]) -> str:
    """An expression with the expressions of the recordings that it asks for."""
    for _ in range(NESTED):
        names = [each for each in recorded if ":" in each and each in query]
        if not names or len(query) > 100_000:
            break
        for each in names:
            query = query.replace(each, f"({recorded[each]})")
    return query


def _compared(text: str, values: set[float]) -> bool:
    return any(
        abs(float(found) - value) < 1e-9 for found in ABOVE.findall(text) if _is_number(found) for value in values
    )


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+\.?[0-9]*(e[+-]?[0-9]+)?", text, re.IGNORECASE) is not None


def _lasts(rule: Rule, text: str, days: int) -> bool:
    """Whether it asks for that many days: by a window, or by firing only after them."""
    weeks = f"|{days // 7}w" if days % 7 == 0 else ""
    return rule.wait_s == days * 86400 or re.search(rf"\[(?:{days}d|{days * 24}h{weeks})[\]:]", text) is not None
