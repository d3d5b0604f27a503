"""Facts about alerts: what fires now, what is silenced, what has fired before, and how Alertmanager is configured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import about
from opsverify.probes.alert_rules import Group
from opsverify.routing import Configuration, Matcher, parse

T = TypeVar("T")
Severity = Literal["critical", "warning"]
STEP_S = 60  # between the looks at the past; what fired for less is not looked for
HOLE_S = 3 * STEP_S  # two firings so near to each other are one: Prometheus was restarted, or missed an evaluation
SEEN_S = 300  # for so long a sample is seen; of a rule that is evaluated less often there are holes in one firing


@dataclass(frozen=True)
class Alert:
    """An alert that fires in Alertmanager; ``held_back_by`` are the fingerprints of alerts that inhibit it."""

    fingerprint: str
    labels: Mapping[str, str]
    started: datetime
    held_back_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alerts:
    """All alerts that fire, by Alertmanager's own clock at ``moment`` (None: it did not tell)."""

    firing: tuple[Alert, ...]
    moment: datetime | None


@dataclass(frozen=True)
class Silence:
    """A silence that is, was or will be in force from ``start`` until ``end``."""

    id: str
    by: str
    matchers: tuple[Matcher, ...]
    start: datetime
    end: datetime

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Tell whether it silences an alert with these labels. One without matchers silences nothing."""
        return bool(self.matchers) and all(each.matches(labels) for each in self.matchers)


@dataclass(frozen=True)
class Episode:
    """An alert that fired from ``start`` until ``end``, as Prometheus remembers it; both to within `STEP_S`."""

    labels: Mapping[str, str]
    start: datetime
    end: datetime


def configuration(alertmanager: WebChannel) -> Configuration:
    """How Alertmanager is configured, by GET /api/v2/status.

    Raises:
        UnansweredError: it does not tell, or what it tells is not understood.
    """
    return _asked(alertmanager, "/api/v2/status", lambda text, _: parse(str(json.loads(text)["config"]["original"])))


def firing(alertmanager: WebChannel) -> Alerts:
    """Every alert that fires, silenced and inhibited ones too.

    Raises:
        UnansweredError: as `configuration`.
    """
    return _asked(alertmanager, "/api/v2/alerts", parse_alerts)


def silences(alertmanager: WebChannel) -> tuple[Silence, ...]:
    """Every silence that Alertmanager remembers, those that are over too.

    Raises:
        UnansweredError: as `configuration`.
    """
    return _asked(alertmanager, "/api/v2/silences", lambda text, _: parse_silences(text))


def _asked(server: WebChannel, path: str, read: Callable[[str, str], T], params: dict[str, str] | None = None) -> T:
    with about(f"{server.target}: asked {path}"):
        answer = server.get(path, params)
        if answer.status != 200:
            raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
        try:
            return read(answer.text, answer.headers.get("date", ""))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError):
            raise UnansweredError(f"the answer is not understood: {answer.text[:200]!r}") from None


def parse_alerts(text: str, date: str) -> Alerts:
    """Parse the answer of /api/v2/alerts, with its header ``Date``.

    Raises:
        UnansweredError, KeyError, TypeError, ValueError: it is not understood.
    """
    found = tuple(
        Alert(
            str(each["fingerprint"]),
            _labels(each["labels"]),
            _moment(each["startsAt"]),
            tuple(map(str, each["status"]["inhibitedBy"])),
        )
        for each in _list(text)
    )
    return Alerts(found, parsedate_to_datetime(date).astimezone(UTC) if date else None)


def parse_silences(text: str) -> tuple[Silence, ...]:
    """Parse the answer of /api/v2/silences.

    Raises:
        UnansweredError, KeyError, TypeError, ValueError: it is not understood.
    """
    return tuple(
        Silence(
            str(each["id"]),
            str(each.get("createdBy") or "nobody"),
            tuple(map(_matcher, each["matchers"])),
            _moment(each["startsAt"]),
            _moment(each["endsAt"]),
        )
        for each in _list(text)
    )


def _list(text: str) -> list[dict[str, Any]]:
    found = json.loads(text)
    if not isinstance(found, list):
        raise UnansweredError(f"no list in the answer: {text[:200]!r}")
    return found


def _matcher(told: Mapping[str, Any]) -> Matcher:
    operator = ("=" if told.get("isEqual", True) else "!") + ("~" if told["isRegex"] else "")
    return Matcher(str(told["name"]), "!=" if operator == "!" else operator, str(told["value"]))


def _moment(told: str) -> datetime:
    """RFC 3339 with up to nine digits of a second, of which datetime takes six."""
    moment = datetime.fromisoformat(told)
    if moment.tzinfo is None:
        raise UnansweredError(f"the time {told!r} has no zone")
    return moment.astimezone(UTC)


def _labels(told: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in told.items()}


def episodes(prometheus: WebChannel, groups: Sequence[Group], seconds: float, until: int) -> tuple[Episode, ...]:
    """Every firing within so many seconds until a moment (seconds since 1970), but of heartbeats and notes.

    ``groups`` are those of the rules, by whose intervals one firing is told from the next.

    Raises:
        UnansweredError: as `configuration`.
    """
    # A sample that nothing ends, as when Prometheus is stopped, is seen for five minutes more; not so its own time.
    # An alert of any other severity, or of none, may be made critical by relabelling on its way to Alertmanager.
    asked = _window('timestamp(ALERTS{alertstate="firing",severity!~"none|info"})', seconds, until, STEP_S)
    holes: dict[str, float] = {}
    for group in groups:
        for rule in group.rules:
            hole = HOLE_S if group.interval_s <= SEEN_S else group.interval_s + HOLE_S
            holes[rule.name] = max(hole, holes.get(rule.name, 0.0))
    return _asked(prometheus, "/api/v1/query_range", lambda text, _: parse_episodes(text, holes), asked)


def remembered(prometheus: WebChannel, seconds: float, until: int) -> float:
    """The share of the hours until a moment that Prometheus has samples of.

    Raises:
        UnansweredError: as `configuration`.
    """
    asked = _window("count(up)", seconds, until, 3600)
    hours = _asked(prometheus, "/api/v1/query_range", lambda text, _: parse_matrix(text), asked)
    return sum(len(each["values"]) for each in hours) / (seconds // 3600 + 1)


def _window(query: str, seconds: float, until: int, step: int) -> dict[str, str]:
    return {"query": query, "start": str(until - int(seconds)), "end": str(until), "step": str(step)}


def parse_episodes(text: str, holes: Mapping[str, float] = MappingProxyType({})) -> tuple[Episode, ...]:
    """Parse the answer of /api/v1/query_range: at each look the time of the sample that was seen.

    ``holes`` tells by alert how many seconds there may be between two looks that see one firing, where not `HOLE_S`.

    Raises:
        UnansweredError, KeyError, TypeError, ValueError: it is no successful matrix.
    """
    found: list[Episode] = []
    for series in parse_matrix(text):
        told = _labels(series["metric"])
        labels = {name: value for name, value in told.items() if name not in ("__name__", "alertstate")}
        hole = holes.get(labels.get("alertname", ""), HOLE_S)
        seen = sorted((float(moment), float(sampled)) for moment, sampled in series["values"])
        found += [Episode(labels, _at(start), _at(end)) for start, end in _stretches(seen, hole)]
    return tuple(sorted(found, key=lambda each: (each.start, each.labels.get("alertname", ""))))


def parse_matrix(text: str) -> list[dict[str, Any]]:
    """The series of a matrix, each with ``metric`` and ``values``.

    Raises:
        UnansweredError, KeyError, TypeError, ValueError: it is no successful one.
    """
    answer = json.loads(text)
    if answer["status"] != "success" or answer["data"]["resultType"] != "matrix":
        raise UnansweredError(f"no matrix in the answer: {text[:200]!r}")
    return list(answer["data"]["result"])


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _stretches(seen: list[tuple[float, float]], hole: float) -> Iterator[tuple[float, float]]:
    """The first and the last sample of each stretch of looks without a hole; ``seen`` is look and sample."""
    stretch: list[tuple[float, float]] = []
    for each in seen:
        if stretch and each[0] - stretch[-1][0] > hole:
            yield stretch[0][1], stretch[-1][1]
            stretch = []
        stretch.append(each)
    if stretch:
        yield stretch[0][1], stretch[-1][1]
