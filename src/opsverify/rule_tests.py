"""Tests of alert rules as loaded, for ``promtool test rules``: series just above and just below the manual's numbers.

Pure. The tests ask one thing alone: which alerts fire. So every one of them is written to fail, which makes promtool
tell what fires: a test that it does not tell of was not run. Series are fed under the labels that they bear live, since
rules may ask for those. Time begins at midnight UTC (1970-01-01), which days in a row are counted from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import yaml

from opsverify.errors import UnansweredError
from opsverify.probes.alert_rules import Group, Rule

DAY = 86400
# Between two evaluations of the rules, and from the last midnight to the look at what fires: no state of a test is
# shorter than a day, and what has to last for half a day has done so.
EVALUATION = 12 * 3600
# promtool stops at 10,000 samples a query: a week at two minutes is 5,040, and rates over five minutes still have two.
STEPS_S = (120, 240)
TOO_MANY = "too many samples"
POINT = 0.01  # just above and just below a number: by one point in a hundred
IDLE = 0.1
RULES, TESTS = "rules.yml", "tests.yml"
MARK = "opsverify_case"  # a label that no alert has: it makes promtool repeat the name of the case
FAILED = re.compile(r'^[ \t]*+expr: (".*"), time: [^\n]*\n[ \t]+exp: [^\n]*\n[ \t]+got:[ \t]*([^\n]*)$', re.MULTILINE)
ALERT = re.compile(r'\{alertname="((?:[^"\\]|\\.)*)"\} [0-9.E+]+(?:, |$)')

Labels = Mapping[str, str]
Shares = Sequence[float | None]  # a share of use on each day; None: no samples


class Span(NamedTuple):
    """So many seconds with a value (of a gauge) or a growth a second (of a counter); None: without samples."""

    seconds: int
    value: float | None


@dataclass(frozen=True)
class Series:
    """A series of a test, by its spans."""

    name: str
    labels: Labels
    spans: tuple[Span, ...]
    counter: bool


@dataclass(frozen=True)
class Case:
    """A state of the system that lasts for ``seconds``: which alerts fire at its end?"""

    name: str
    seconds: int
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Number:
    """A number of the manual: the case just above it, and those in which its alert has to be silent."""

    name: str
    what: str
    above: Case
    silent: tuple[Case, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """All of its cases."""
        return self.above, *self.silent


@dataclass(frozen=True)
class Live:
    """The labels under which the series of one instance are known; None where there are none.

    ``edges`` are those of the latency histogram in seconds, ``capacity`` is the bytes a second of the interface.
    ``neighbour`` is another instance, empty where there is none: it idles, and must not hide what is busy.
    """

    cpu: Labels | None
    memory: Labels | None
    filesystem: Labels | None
    network: Labels | None
    latency: Labels | None
    edges: tuple[str, ...] = ()
    capacity: float = 0.0
    neighbour: str = ""

    def beside(self) -> Live:
        """The neighbour, with the labels of this instance but its own name."""
        return replace(
            self,
            cpu=self._beside(self.cpu),
            memory=self._beside(self.memory),
            filesystem=self._beside(self.filesystem),
            network=self._beside(self.network),
        )

    def _beside(self, labels: Labels | None) -> Labels | None:
        return None if labels is None else {**labels, "instance": self.neighbour}


@dataclass(frozen=True)
class Manual:
    """The numbers of the manual: shares from 0 to 1, days, seconds."""

    cpu_target: float
    memory_target: float
    network_target: float
    cpu_trigger: float
    cpu_days: int
    memory_trigger: float
    memory_days: int
    disk_trigger: float
    p95_seconds: float


def numbers(manual: Manual, live: Live) -> tuple[list[Number], list[str]]:
    """The numbers with their cases, and those that cannot be tested, with why not."""
    found: list[Number] = []
    lacking: list[str] = []
    week = max(manual.cpu_days, 7) + 1
    targets = (
        ("cpu_target", f"CPU above {manual.cpu_target:.0%}", live.cpu, manual.cpu_target, _cpu, week),
        ("memory_target", f"memory above {manual.memory_target:.0%}", live.memory, manual.memory_target, _memory, 2),
        (
            "network_target",
            f"bandwidth above {manual.network_target:.0%}",
            live.network,
            manual.network_target,
            _network,
            2,
        ),
        ("disk_trigger", f"disk above {manual.disk_trigger:.0%}", live.filesystem, manual.disk_trigger, _disk, 2),
    )
    for name, what, labels, limit, feed, days in targets:
        if labels is None:
            lacking.append(f"{what}: there are no live series to take the labels from")
        else:
            above, below = (
                _case(f"{name} {limit + by:.0%}", feed, live, [limit + by] * days) for by in (POINT, -POINT)
            )
            found.append(Number(name, what, above, (below,)))
    triggers = (
        ("cpu_trigger", "CPU", live.cpu, manual.cpu_trigger, manual.cpu_days, _cpu),
        ("memory_trigger", "memory", live.memory, manual.memory_trigger, manual.memory_days, _memory),
    )
    for name, kind, labels, limit, days, feed in triggers:
        what = f"{kind} above {limit:.0%} on {days} days in a row"
        if labels is None:
            lacking.append(f"{what}: there are no live series to take the labels from")
        else:
            found.append(_trigger(name, what, feed, live, limit, days))
    if live.latency is None or not any(edge(each) == manual.p95_seconds for each in live.edges):
        lacking.append(
            f"P95 above {manual.p95_seconds:g} s: no live histogram with a bucket at {manual.p95_seconds:g} s"
        )
    else:
        slow, fast = (_latency(f"p95_seconds {share:.0%} within", live, manual, share) for share in (0.94, 0.96))
        found.append(Number("p95_seconds", f"P95 above {manual.p95_seconds:g} s", slow, (fast,)))
    return found, lacking


def _trigger(name: str, what: str, feed: Any, live: Live, limit: float, days: int) -> Number:
    """Days in a row: not one long mean, and not the days that there happen to be."""
    hot, cool = min(0.99, limit + 0.25), limit - 0.10
    one_cool = [hot] * (days + 1)
    one_cool[days // 2 + 1] = cool
    young: list[float | None] = [None] * (days - days // 2) + [hot] * (days // 2 + 1)
    return Number(
        name,
        what,
        _case(f"{name}, {days} days at {limit + POINT:.0%}", feed, live, [limit + POINT] * (days + 1)),
        (
            _case(f"{name}, {days} days at {limit - POINT:.0%}", feed, live, [limit - POINT] * (days + 1)),
            _case(f"{name}, days at {hot:.0%} and one at {cool:.0%} among them", feed, live, one_cool),
            _case(f"{name}, samples of {days // 2 + 1} days alone, at {hot:.0%}", feed, live, young),
        ),
    )


def _case(name: str, feed: Any, live: Live, shares: Shares) -> Case:
    """A case of so many days and some hours: the last of the whole days is over by then."""
    spans = [(DAY, each) for each in shares]
    spans.append((EVALUATION, shares[-1]))
    seconds = len(shares) * DAY + EVALUATION
    idle = feed(live.beside(), [(seconds, IDLE)]) if live.neighbour else ()
    return Case(name, seconds, (*feed(live, spans), *idle))


def _spans(shares: Iterable[tuple[int, float | None]], scale: float = 1.0, offset: float = 0.0) -> tuple[Span, ...]:
    return tuple(Span(length, None if share is None else offset + scale * share) for length, share in shares)


def _cpu(live: Live, shares: Sequence[tuple[int, float | None]]) -> Iterator[Series]:
    labels = live.cpu or {}
    yield Series("node_cpu_seconds_total", {**labels, "mode": "idle"}, _spans(shares, -1, 1), True)
    yield Series("node_cpu_seconds_total", {**labels, "mode": "user"}, _spans(shares), True)
    for mode in ("system", "iowait", "irq", "softirq", "nice", "steal"):
        yield Series("node_cpu_seconds_total", {**labels, "mode": mode}, _spans(shares, 0), True)


def _memory(live: Live, shares: Sequence[tuple[int, float | None]]) -> Iterator[Series]:
    total = 1e9
    values = {"MemTotal": (0.0, total), "MemAvailable": (-total, total), "MemFree": (-total, total)}
    for name, (scale, offset) in {**values, "Buffers": (0.0, 0.0), "Cached": (0.0, 0.0)}.items():
        yield Series(f"node_memory_{name}_bytes", live.memory or {}, _spans(shares, scale, offset), False)


def _disk(live: Live, shares: Sequence[tuple[int, float | None]]) -> Iterator[Series]:
    size = 1e9
    for name, scale, offset in (("size", 0.0, size), ("avail", -size, size), ("free", -size, size)):
        yield Series(f"node_filesystem_{name}_bytes", live.filesystem or {}, _spans(shares, scale, offset), False)


def _network(live: Live, shares: Sequence[tuple[int, float | None]]) -> Iterator[Series]:
    labels = live.network or {}
    for name in ("transmit", "receive"):
        yield Series(f"node_network_{name}_bytes_total", labels, _spans(shares, live.capacity), True)
    yield Series("node_network_speed_bytes", labels, _spans(shares, 0, live.capacity), False)


def _latency(name: str, live: Live, manual: Manual, within: float) -> Case:
    """Ten requests a second, of which the share ``within`` ends in time, and nine tenths at once."""
    seconds, series = 2 * DAY + EVALUATION, []
    for told in live.edges:
        at = edge(told)
        share = 1.0 if at > manual.p95_seconds else within if at == manual.p95_seconds else 0.9
        labels = {**(live.latency or {}), "le": told}
        series.append(Series("http_request_duration_seconds_bucket", labels, (Span(seconds, 10 * share),), True))
    for kind, growth in (("count", 10.0), ("sum", 10.0)):
        spans = (Span(seconds, growth),)
        series.append(Series(f"http_request_duration_seconds_{kind}", live.latency or {}, spans, True))
    return Case(name, seconds, tuple(series))


def edge(told: str) -> float:
    """The edge of a bucket in seconds, of its label ``le``.

    Raises:
        UnansweredError: it is none.
    """
    try:
        return float(told)
    except ValueError:
        raise UnansweredError(f"a bucket without an edge: {told!r}") from None


def notation(series: Series, step: int) -> str:
    """The values of a series as promtool reads them: ``start+growthxcount``, and ``_xcount`` for none."""
    parts, counted = [], 0.0
    for seconds, value in series.spans:
        count = seconds // step
        if value is None:
            parts.append(f"_x{count}")
        elif series.counter:
            parts.append(f"{counted:.6f}+{value * step:.6f}x{count - 1}")
            counted += value * step * count
        else:
            parts.append(f"{value:.6f}+0x{count - 1}")
    parts.append("_" if series.spans[-1].value is None else f"{counted if series.counter else value:.6f}")
    return " ".join(parts)


def files(groups: Sequence[Group], cases: Sequence[Case], step: int) -> dict[str, str]:
    """The rules as loaded, and the tests, as the files that promtool reads."""
    loaded = [
        {"name": f"{at} {group.name}", "rules": [_rule(each) for each in group.rules]}
        for at, group in enumerate(groups)
    ]
    tests = [
        {
            "interval": f"{step}s",
            "input_series": [
                {"series": f"{each.name}{_selector(each.labels)}", "values": notation(each, step)}
                for each in case.series
            ],
            "promql_expr_test": [
                {
                    "expr": f'count by (alertname) (ALERTS{{alertstate="firing",{MARK}!={_quoted(case.name)}}})',
                    "eval_time": f"{case.seconds}s",
                    "exp_samples": [{"labels": '{alertname="none of them"}', "value": 1}],
                }
            ],
        }
        for case in cases
    ]
    return {
        RULES: yaml.safe_dump({"groups": loaded}),
        TESTS: yaml.safe_dump(
            {"rule_files": [RULES], "evaluation_interval": f"{EVALUATION}s", "tests": tests}, width=1000
        ),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alert" if rule.alert else "record": rule.name,
        "expr": rule.query,
        "labels": dict(rule.labels),
    }
    for key, seconds in (("for", rule.wait_s), ("keep_firing_for", rule.keep_s)):
        if seconds:
            found[key] = f"{round(seconds * 1000)}ms"
    return found


def _selector(labels: Labels) -> str:
    return "{" + ",".join(f"{name}={_quoted(value)}" for name, value in sorted(labels.items())) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def parse(said: str, cases: Sequence[Case]) -> dict[str, frozenset[str]]:
    """Which alerts fire in each case, from what promtool says.

    Raises:
        UnansweredError: it does not tell so of every case.
    """
    found: dict[str, frozenset[str]] = {}
    names = {_quoted(case.name): case.name for case in cases}
    for expression, got in FAILED.findall(said):
        marked = re.search(rf'{MARK}!=(".*")}}\)"$', expression.replace('\\"', '"'))
        name = names.get(marked[1]) if marked else None
        if name is not None:
            found[name] = _fired(got.strip())
    missing = [case.name for case in cases if case.name not in found]
    if missing:
        why = next((line.strip() for line in said.splitlines() if "err" in line), said.strip()[:300] or "nothing")
        raise UnansweredError(f"promtool does not tell what fires at {missing[0]}; it said: {why}")
    return found


def _fired(got: str) -> frozenset[str]:
    if got in ("nil", ""):
        return frozenset()
    names, at = set(), 0
    while at < len(got):
        match = ALERT.match(got, at)
        if match is None:
            raise UnansweredError(f"promtool tells of alerts that are not understood: {got[:200]!r}")
        names.add(match[1])
        at = match.end()
    return frozenset(names)
