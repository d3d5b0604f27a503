"""Facts of the monitoring itself: which parts are ready, what Prometheus scrapes, and which rules it evaluates."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, about, attempt, text_of
from opsverify.probes.collection import parse_duration
from opsverify.probes.links import HTML, State
from opsverify.probes.series import Sample, query

# By kind, for "OK" is what many a server says: of Prometheus up to 2.32 and since, and of Alertmanager.
READY = {"prometheus": re.compile(r"Prometheus( Server)? is Ready\.?"), "alertmanager": re.compile("OK")}
LOOKED_BACK = 20  # scrape intervals: what is older than that is as good as none
STEPS = 10  # looks within one scrape interval, so that a success between two failures is seen
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ASK_TIME = "vector(time())"


@dataclass(frozen=True)
class Scraped:
    """An active target of Prometheus: its own labels, its scrape interval and what is known of its scrapes.

    ``age`` is that of its newest successful scrape, in seconds; None where the last `LOOKED_BACK` intervals saw none.
    ``health`` is that of its last scrape alone: ``up``, ``down`` or, before the first one, ``unknown``.
    """

    labels: Mapping[str, str]
    interval: float
    health: str
    error: str
    age: float | None = None

    @property
    def name(self) -> str:
        """Job and instance."""
        return f"{self.labels['job']} {self.labels['instance']}"


@dataclass(frozen=True)
class Delivered:
    """What a target of the API's job delivers: age in seconds of the newest sample of a metric (None: there is none).

    ``itself`` tells that the target delivers what only Prometheus has of itself.
    """

    instance: str
    interval: float
    age: float | None
    itself: bool


@dataclass(frozen=True)
class Jobs:
    """The scrape jobs that have a target, and those that had one some time ago and have none any more."""

    there: frozenset[str]
    gone: frozenset[str]


@dataclass(frozen=True)
class Rule:
    """A loaded rule: its group with the interval in seconds, its health, and how old its last evaluation is (seconds).

    ``age`` is by Prometheus' own clock, None where it was not evaluated yet.
    """

    name: str
    group: str
    alerting: bool
    interval: float
    health: str
    error: str
    age: float | None


def ready(server: WebChannel, kind: str) -> Attempt[State]:
    """What a server of a kind of `READY` says when it is asked whether it is ready, by GET /-/ready."""

    def ask() -> State:
        answer = server.get("/-/ready")
        return State(answer.status, parse_ready(answer.text, kind), "")

    return attempt(ask)


def parse_ready(text: str, kind: str) -> str:
    """``ready`` in the very words of this kind of server; otherwise what came instead, say a login page."""
    said = text.strip()
    return "ready" if READY[kind].fullmatch(said) else _instead(said)


def cluster(index: WebChannel) -> Attempt[State]:
    """The state of an Elasticsearch cluster, by GET /_cluster/health."""

    def ask() -> State:
        answer = index.get("/_cluster/health")
        return State(answer.status, parse_cluster(answer.text), "")

    return attempt(ask)


def parse_cluster(text: str) -> str:
    """The state of the cluster; where there is none, what came instead (of a refusal, ``status`` is its number)."""
    try:
        told = json.loads(text)["status"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _instead(text)
    return told.lower() if isinstance(told, str) else "no state"


def _instead(text: str) -> str:
    """What came in place of an answer."""
    said = " ".join(text[:200].split())
    return HTML if said[:1] == "<" else said[:60] or "nothing"


def scraped(prometheus: WebChannel) -> tuple[Scraped, ...]:
    """The active targets, each with the age of its newest successful scrape by Prometheus' own clock.

    Raises:
        UnansweredError: Prometheus does not answer as it should.
    """
    targets = active_targets(prometheus)
    found: list[Scraped] = []
    for interval in sorted({each.interval for each in targets}):
        # Not ``health``, which is of the last scrape alone: one that was missed is no target that is down.
        newest = _newest("timestamp(up) and up == 1", interval)
        ages = _ages(query(prometheus, f"time() - {newest}"))
        found += [
            replace(each, age=ages.get(frozenset(each.labels.items()))) for each in targets if each.interval == interval
        ]
    return tuple(sorted(found, key=lambda each: each.name))


def delivered(prometheus: WebChannel, job: str, metric: str) -> tuple[Delivered, ...]:
    """What each target of a job delivers of a metric, and whether it is Prometheus itself.

    Raises:
        UnansweredError: as `scraped`.
    """
    mine = [each for each in active_targets(prometheus) if each.labels["job"] == job]
    selector = f"{{job={json.dumps(job)}}}"
    itself = {each.labels.get("instance") for each in query(prometheus, f"prometheus_build_info{selector}")}
    found = []
    for interval in sorted({each.interval for each in mine}):
        newest = _newest(f"timestamp({metric}{selector})", interval)
        ages = _ages(query(prometheus, f"time() - max by (instance) ({newest})"))
        for each in mine:
            if each.interval == interval:
                instance = each.labels["instance"]
                age = ages.get(frozenset({("instance", instance)}))
                found.append(Delivered(instance, interval, age, instance in itself))
    return tuple(sorted(found, key=lambda each: each.instance))


def jobs(prometheus: WebChannel, hours: float) -> Jobs:
    """Which jobs are scraped, and which were within the last ``hours`` and are no more.

    A job that is no longer configured, or whose service discovery finds nothing, has no target that could be down.

    Raises:
        UnansweredError: as `scraped`.
    """
    scraped_here = {each.labels["job"] for each in active_targets(prometheus)}  # known also just after a start
    there, remembered = (
        {each.labels.get("job", "") for each in query(prometheus, f"count by (job) ({asked})")}
        for asked in ("up", f"last_over_time(up[{hours * 3600:.0f}s:10m])")
    )
    there |= scraped_here
    return Jobs(frozenset(there), frozenset(remembered - there))


def _newest(moments: str, interval: float) -> str:
    """PromQL: the newest of these moments, looked for several times within each scrape interval."""
    window, step = round(interval * 1000 * LOOKED_BACK), max(round(interval * 1000 / STEPS), 1)
    return f"max_over_time(({moments})[{window}ms:{step}ms])"


def _ages(samples: tuple[Sample, ...]) -> dict[frozenset[tuple[str, str]], float]:
    return {frozenset(each.labels.items()): each.value for each in samples if math.isfinite(each.value)}


def active_targets(prometheus: WebChannel) -> tuple[Scraped, ...]:
    """The active targets, without what their samples tell.

    Raises:
        UnansweredError: Prometheus does not answer as it should.
    """
    with about(f"prometheus {prometheus.target}: active targets"):
        return parse_active(api(prometheus, "/api/v1/targets", {"state": "active"}))


def parse_active(text: str) -> tuple[Scraped, ...]:
    """The active targets of /api/v1/targets, of Prometheus 2.31 and later.

    Raises:
        UnansweredError: it is no such answer, or a target lacks job, instance, health or interval.
    """
    try:
        return tuple(_target(each) for each in _data(text)["activeTargets"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no active targets with health and scrape interval: {error!r}") from None


def _target(told: Mapping[str, Any]) -> Scraped:
    labels = {text_of(name): text_of(value) for name, value in told["labels"].items()}
    missing = {"job", "instance"} - labels.keys()
    if missing:
        raise ValueError(f"a target has no {' and no '.join(sorted(missing))}")
    health = text_of(told["health"])
    return Scraped(labels, parse_duration(told["scrapeInterval"]), health, text_of(told.get("lastError") or ""))


def rules(prometheus: WebChannel) -> tuple[Rule, ...]:
    """Every loaded rule, and how long ago Prometheus evaluated it, by its own clock.

    Raises:
        UnansweredError: Prometheus does not answer as it should.
    """
    with about(f"prometheus {prometheus.target}: rules"):
        told = api(prometheus, "/api/v1/rules", {})
    clock = query(prometheus, ASK_TIME)
    with about(f"prometheus {prometheus.target}: rules"):
        return parse_rules(told, parse_clock(clock))


def accepted(prometheus: WebChannel) -> bool:
    """Whether Prometheus took its configuration, with its files of rules, when it read it last.

    Raises:
        UnansweredError: as `scraped`.
    """
    with about(f"prometheus {prometheus.target}: last reload"):
        return parse_accepted(api(prometheus, "/api/v1/status/runtimeinfo", {}))


def parse_accepted(text: str) -> bool:
    """Whether the last reload succeeded, by /api/v1/status/runtimeinfo.

    Raises:
        UnansweredError: it is no such answer.
    """
    try:
        told = _data(text)["reloadConfigSuccess"]
        if not isinstance(told, bool):
            raise TypeError(f"neither true nor false: {told!r}")
        return told
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no word of the last reload: {error!r}"[:300]) from None


def parse_clock(samples: tuple[Sample, ...]) -> datetime:
    """Prometheus' own clock, from the vector of one sample that ``vector(time())`` is.

    Raises:
        UnansweredError: it is no moment.
    """
    try:
        (sample,) = samples
        return EPOCH + timedelta(seconds=sample.value)
    except (ValueError, OverflowError):
        raise UnansweredError(f"asked {ASK_TIME!r}, it told no time: {samples!r}"[:200]) from None


def parse_rules(text: str, now: datetime) -> tuple[Rule, ...]:
    """The rules of /api/v1/rules, of Prometheus 2 and 3, in their order.

    Raises:
        UnansweredError: it is no such answer, has only some of the groups, or a rule lacks name, type, health or the
            time of its evaluation.
    """
    try:
        told = _data(text)
        if told.get("groupNextToken"):
            raise ValueError("only some of the groups are told")
        return tuple(
            _rule(rule, text_of(group["name"]), _interval(group["interval"]), now)
            for group in told["groups"]
            for rule in group["rules"]
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise UnansweredError(f"no rules with health and last evaluation: {error!r}") from None


def _rule(told: Mapping[str, Any], group: str, interval: float, now: datetime) -> Rule:
    kind = told["type"]
    if kind not in ("alerting", "recording"):
        raise ValueError(f"a rule of type {kind!r}")
    return Rule(
        name=text_of(told["name"]),
        group=group,
        alerting=kind == "alerting",
        interval=interval,
        health=text_of(told["health"]),
        error=text_of(told.get("lastError") or ""),
        age=_age(text_of(told["lastEvaluation"]), now),
    )


def _age(text: str, now: datetime) -> float | None:
    """Seconds since an evaluation; None for the year 1, which stands for never."""
    if text.startswith("0001-"):
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text!r}")
    return (now - moment).total_seconds()


def _interval(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"no interval: {value!r}")
    return float(value)


def api(prometheus: WebChannel, path: str, parameters: dict[str, str]) -> str:
    """The text of an answer of Prometheus' own interface.

    Raises:
        UnansweredError: it has another status than 200.
    """
    answer = prometheus.get(path, parameters)
    if answer.status != 200:
        raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
    return answer.text


def _data(text: str) -> Any:
    answer = json.loads(text)
    if answer["status"] != "success":
        raise ValueError(f"status {answer['status']!r}")
    return answer["data"]
