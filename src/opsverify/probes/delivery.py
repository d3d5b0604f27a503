"""Facts of the way that an alert takes: from Prometheus to Alertmanager, along its routes, to whom it is for."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, about, attempt, text_of
from opsverify.probes.alert_rules import sender
from opsverify.probes.collection import Coverage, coverage
from opsverify.probes.monitoring import api

FAILED, DROPPED = "alertmanager_notifications_failed_total", "prometheus_notifications_dropped_total"
MOST_ROUTES = 2000
LONGEST_CONFIG = 1024 * 1024  # characters
STARTED, LOADED = "process_start_time_seconds", "prometheus_config_last_reload_success_timestamp_seconds"
# A Prometheus that has just started, or read its configuration anew, has not found its Alertmanagers yet, and gives up
# what it evaluates until then. It sends that again (--rules.alert.resend-delay), so no alert is lost by that.
SETTLING_S = 15
WAITS = (0, *[3] * (SETTLING_S // 3))  # seconds before each question for its Alertmanagers


@dataclass(frozen=True)
class Route:
    """A route of Alertmanager, by what it matches: the receiver it ends at, and the kinds of its integrations."""

    name: str
    receiver: str
    integrations: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """The samples of one series: its job and instance, and moments (seconds since 1970) with values, oldest first."""

    source: tuple[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Lost:
    """How many notifications got lost in a window, by the counter of one process, and who counted them."""

    metric: str
    instance: str
    count: float


@dataclass(frozen=True)
class Losses:
    """What got lost in a window, and how well the window is covered by samples of the counters."""

    lost: tuple[Lost, ...]
    coverage: tuple[Coverage, ...]


@dataclass(frozen=True)
class Alert:
    """An alert that Alertmanager has: its labels, whether it is ``active``, and its receivers."""

    labels: Mapping[str, str]
    state: str
    receivers: tuple[str, ...]


def marks(prometheus: WebChannel) -> Attempt[Mapping[str, str]]:
    """The labels by which the alerts of this Prometheus are told from those of another one."""
    return attempt(lambda: sender(prometheus).external)


def alertmanagers(prometheus: WebChannel) -> Attempt[tuple[str, ...]]:
    """The addresses that Prometheus sends alerts to. They were discovered; that none is reached shows in `losses`.

    Where there are none it is asked anew for `SETTLING_S`.
    """

    def ask() -> tuple[str, ...]:
        with about(f"prometheus {prometheus.target}: alertmanagers"):
            for wait in WAITS:
                prometheus.runner.pause(wait)
                if found := parse_alertmanagers(api(prometheus, "/api/v1/alertmanagers", {})):
                    return found
        return ()

    return attempt(ask)


def parse_alertmanagers(text: str) -> tuple[str, ...]:
    """The active ones of /api/v1/alertmanagers.

    Raises:
        UnansweredError: it is no such answer.
    """
    try:
        answer = json.loads(text)
        if answer["status"] != "success":
            raise ValueError(f"status {answer['status']!r}")
        found = [each["url"] for each in answer["data"]["activeAlertmanagers"]]
        if not all(isinstance(each, str) and each for each in found):
            raise ValueError("an Alertmanager without an address")
        return tuple(found)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no list of active Alertmanagers: {error!r}") from None


def routes(alertmanager: WebChannel) -> Attempt[tuple[Route, ...]]:
    """Every route of the configuration that Alertmanager runs with."""

    def ask() -> tuple[Route, ...]:
        with about(f"alertmanager {alertmanager.target}: configuration"):
            answer = alertmanager.get("/api/v2/status")
            if answer.status != 200:
                raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
            return parse_routes(parse_status(answer.text))

    return attempt(ask)


def parse_status(text: str) -> str:
    """The configuration, as YAML, of /api/v2/status. Alertmanager masks its secrets.

    Raises:
        UnansweredError: it is no such answer.
    """
    try:
        original = json.loads(text)["config"]["original"]
        if not isinstance(original, str):
            raise TypeError(f"no text: {original!r}")
        return original
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no configuration: {error!r}"[:300]) from None


def parse_routes(text: str) -> tuple[Route, ...]:
    """The routes of a configuration, from the root on; one that names no receiver has that of the route above.

    A receiver that is not there has no integrations.

    Raises:
        UnansweredError: it is no configuration, is longer than `LONGEST_CONFIG`, or has more than `MOST_ROUTES` routes.
    """
    if len(text) > LONGEST_CONFIG:
        raise UnansweredError(f"a configuration of {len(text)} characters, more than {LONGEST_CONFIG}")
    try:
        config = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  knows texts, lists and tables, nothing else
        integrations = {text_of(each["name"]): _integrations(each) for each in config["receivers"]}
        return tuple(Route(name, receiver, integrations.get(receiver, ())) for name, receiver in _walk(config["route"]))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no configuration with route and receivers: {error!r}"[:300]) from None


def _walk(root: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and receiver of each route. A loop, not a recursion: an alias in YAML may contain itself."""
    waiting: list[tuple[Mapping[str, Any], str, str]] = [(root, "default route", "")]
    told = 0
    while waiting:
        route, name, above = waiting.pop(0)
        receiver = text_of(route.get("receiver") or above)
        if not receiver:
            raise ValueError("the root names no receiver")
        yield name, receiver
        told += 1
        below = route.get("routes") or []
        if told + len(waiting) + len(below) > MOST_ROUTES:
            raise ValueError(f"more than {MOST_ROUTES} routes")
        waiting = [*((each, _matched(each), receiver) for each in below), *waiting]


def _matched(route: Mapping[str, Any]) -> str:
    """What a route matches, as a person reads it: in the form since 0.22, or in those before it."""
    told = [text_of(each) for each in route.get("matchers") or []]
    for key, relation in (("match", "="), ("match_re", "=~")):
        told += [f'{name}{relation}"{text_of(value)}"' for name, value in (route.get(key) or {}).items()]
    return f"route {', '.join(told)[:200] or 'of all'}"


def _integrations(receiver: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        key.removesuffix("_configs") for key, value in receiver.items() if key.endswith("_configs") and list(value)
    )


def losses(prometheus: WebChannel, seconds: float) -> Attempt[Losses]:
    """Notifications that Alertmanager failed to send, and that Prometheus gave up, in the last ``seconds``."""

    def ask() -> Losses:
        window = f"[{seconds:.0f}s]"
        failed, dropped, loaded = (_history(prometheus, f"{metric}{window}") for metric in (FAILED, DROPPED, LOADED))
        started = _history(prometheus, f"{STARTED}{of_jobs((*failed, *dropped))}{window}")
        lost = [
            *lost_in(FAILED, failed, started, settling=0),
            *lost_in(DROPPED, dropped, (*started, *loaded), settling=SETTLING_S),
        ]
        return Losses(tuple(lost), coverage(prometheus, (FAILED, DROPPED), seconds / 3600))

    return attempt(ask)


def of_jobs(counters: Sequence[Series]) -> str:
    """A selector of their jobs: every target tells when it started, and all of them are too long an answer."""
    jobs = "|".join(sorted({re.escape(each.source[0]) for each in counters}))
    return f"{{job=~{json.dumps(jobs)}}}"


def _history(prometheus: WebChannel, selector: str) -> tuple[Series, ...]:
    with about(f"prometheus {prometheus.target}: asked {selector!r}"):
        return parse_matrix(api(prometheus, "/api/v1/query", {"query": selector}))


def parse_matrix(text: str) -> tuple[Series, ...]:
    """The series of an answer of /api/v1/query to a range of samples, by job and instance.

    Raises:
        UnansweredError: it is no such answer.
    """
    try:
        answer = json.loads(text)
        if answer["status"] != "success" or answer["data"]["resultType"] != "matrix":
            raise ValueError("no range of samples")
        return tuple(
            Series(
                (text_of(each["metric"].get("job", "")), text_of(each["metric"].get("instance", ""))),
                tuple((float(at), float(value)) for at, value in each["values"]),
            )
            for each in answer["data"]["result"]
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise UnansweredError(f"no samples in the answer: {error!r}"[:300]) from None


def lost_in(metric: str, counters: Sequence[Series], starts: Sequence[Series], *, settling: float) -> list[Lost]:
    """How much the counters of each process grew, and with each new process anew; ``starts`` say when that began.

    A counter that a process had not from the beginning, as of an integration that fails for the first time, grew by
    all of its value. What may have been counted within ``settling`` seconds of a start is left out.
    """
    told = [each for each in counters if each.samples]
    began: dict[tuple[str, str], float] = {}
    for each in told:
        began[each.source] = min(began.get(each.source, math.inf), each.samples[0][0])
    processes: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for each in starts:
        processes[each.source] = sorted([*processes.get(each.source, []), *each.samples])
    found: dict[tuple[str, str], float] = {}
    for each in told:
        grown = _grown(each.samples, began[each.source], processes.get(each.source, []), settling)
        found[each.source] = found.get(each.source, 0.0) + grown
    return [Lost(metric, instance or "no instance", count) for (_, instance), count in sorted(found.items())]


def _grown(
    samples: Sequence[tuple[float, float]], began: float, processes: Sequence[tuple[float, float]], settling: float
) -> float:
    total, before, seen, ran = 0.0, math.nan, math.nan, math.nan
    moments = [at for at, _ in processes]
    for at, value in samples:
        position = bisect_right(moments, at)
        start = processes[position - 1][1] if position else math.nan
        if math.isnan(before):
            grown = value if at > began else 0.0
        elif value < before or start > ran:
            grown = value
        else:
            grown = value - before
        if not (settling and seen < start + settling):  # it was counted after the sample before this one
            total += grown
        before, seen, ran = value, at, start
    return total


def alerts(alertmanager: WebChannel) -> Attempt[tuple[Alert, ...]]:
    """The alerts that Alertmanager has now; those that ended, or that nobody confirms any more, are not among them."""

    def ask() -> tuple[Alert, ...]:
        with about(f"alertmanager {alertmanager.target}: alerts"):
            answer = alertmanager.get("/api/v2/alerts")
            if answer.status != 200:
                raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
            return parse_alerts(answer.text)

    return attempt(ask)


def parse_alerts(text: str) -> tuple[Alert, ...]:
    """The alerts of /api/v2/alerts.

    Raises:
        UnansweredError: it is no such answer.
    """
    try:
        told = json.loads(text)
        if not isinstance(told, list):
            raise TypeError("no list")
        return tuple(
            Alert(
                labels={text_of(name): text_of(value) for name, value in each["labels"].items()},
                state=text_of(each["status"]["state"]),
                receivers=tuple(text_of(receiver["name"]) for receiver in each["receivers"]),
            )
            for each in told
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UnansweredError(f"no list of alerts: {error!r}"[:300]) from None
