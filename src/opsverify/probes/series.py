"""Facts from Prometheus: instant queries, parsed into samples, and the figures that capacity is judged by."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from opsverify.channels.web import WebChannel
from opsverify.days import DAY
from opsverify.errors import UnansweredError
from opsverify.probes import about, text_of


@dataclass(frozen=True)
class Sample:
    """One sample of an instant vector."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Line:
    """The values of one series of a matrix, by moment in seconds since 1970."""

    labels: Mapping[str, str]
    values: Mapping[int, float]


@dataclass(frozen=True)
class Utilisation:
    """Use of a resource by one instance as a ratio, and the share of the window that has samples."""

    instance: str
    used: float
    coverage: float


@dataclass(frozen=True)
class Requests:
    """Requests per second in a window: all of them, and those answered with 5xx."""

    all: float
    failed: float


@dataclass(frozen=True)
class Latency:
    """A latency histogram over a window: cumulative count by upper edge in seconds (``inf`` is all requests)."""

    buckets: tuple[tuple[float, float], ...]

    @property
    def count(self) -> float:
        """Number of requests."""
        return dict(self.buckets).get(math.inf, math.nan)

    def share_within(self, seconds: float) -> float:
        """The exact share of requests within ``seconds``, which has to be an edge.

        Raises:
            UnansweredError: there is no bucket with that edge.
        """
        within = dict(self.buckets).get(seconds)
        if within is None:
            edges = ", ".join(f"{edge:g}" for edge, _ in self.buckets)
            raise UnansweredError(f"the histogram has no bucket at {seconds:g} s (it has: {edges or 'none'})")
        return within / self.count if self.count else math.nan

    def quantile(self, share: float) -> float:
        """The quantile in seconds by linear interpolation, an estimate; the last finite edge is the most it can say."""
        below, beneath = 0.0, 0.0
        for edge, count in self.buckets:
            if count >= share * self.count and count > beneath:
                if math.isinf(edge):
                    return below
                return below + (edge - below) * (share * self.count - beneath) / (count - beneath)
            below, beneath = edge, count
        return math.nan


def query(prometheus: WebChannel, promql: str) -> tuple[Sample, ...]:
    """The instant vector of a query.

    Raises:
        UnansweredError: the server answered with an error, or with something that is no vector.
    """
    with _asked(prometheus, promql):
        return parse_vector(_answer(prometheus, "query", {"query": promql}))


def query_days(prometheus: WebChannel, promql: str, moments: Sequence[int]) -> tuple[Line, ...]:
    """The vectors of a query at several ``moments``, which lie a day apart (seconds since 1970), in one question.

    Raises:
        UnansweredError: the server answered with an error, or with something else than what was asked for.
    """
    span = {"start": str(moments[0]), "end": str(moments[-1]), "step": str(DAY)}
    with about(f"prometheus {prometheus.target}: asked {promql!r} for {len(moments)} days"):
        return parse_matrix(_answer(prometheus, "query_range", {"query": promql, **span}), moments)


def _answer(prometheus: WebChannel, of: str, question: dict[str, str]) -> str:
    """The server is told to give up before we do: a question that is too much for it must not look like a server that
    is down, which would not be asked anything else.
    """
    bound = f"{0.8 * prometheus.timeout_s:g}"  # seconds; a unit would want a whole number
    answer = prometheus.get(f"/api/v1/{of}", {**question, "timeout": bound})
    if answer.status != 200:
        raise UnansweredError(f"answered with status {answer.status}: {answer.text[:200]!r}")
    return answer.text


def _asked(prometheus: WebChannel, promql: str) -> AbstractContextManager[None]:
    return about(f"prometheus {prometheus.target}: asked {promql!r}")


def parse_vector(text: str) -> tuple[Sample, ...]:
    """Parse the answer of /api/v1/query, of Prometheus 2 and 3.

    Raises:
        UnansweredError: it is no successful instant vector.
    """
    try:
        answer = json.loads(text)
        if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
            raise UnansweredError(f"no instant vector in the answer: {text[:200]!r}")
        return tuple(
            Sample({text_of(name): text_of(value) for name, value in each["metric"].items()}, float(each["value"][1]))
            for each in answer["data"]["result"]
        )
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError, RecursionError):
        raise UnansweredError(f"the answer is not understood: {text[:200]!r}") from None


def parse_matrix(text: str, moments: Sequence[int]) -> tuple[Line, ...]:
    """Parse the answer of /api/v1/query_range, of Prometheus 2 and 3, to a question that was asked for ``moments``.

    Raises:
        UnansweredError: it is no successful matrix, or has a value of a moment that was not asked for, or two of one.
    """
    asked = set(moments)
    try:
        answer = json.loads(text)
        if answer["status"] != "success" or answer["data"]["resultType"] != "matrix":
            raise UnansweredError(f"no matrix in the answer: {text[:200]!r}")
        lines = []
        for each in answer["data"]["result"]:
            values = {float(moment): float(value) for moment, value in each["values"]}
            if len(values) != len(each["values"]) or not asked.issuperset(values):
                raise UnansweredError(f"values of other moments than were asked for: {text[:200]!r}")
            lines.append(Line(dict(each["metric"]), {int(moment): value for moment, value in values.items()}))
        return tuple(lines)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise UnansweredError(f"the answer is not understood: {text[:200]!r}") from None


def request_rates(prometheus: WebChannel, job: str) -> Requests:
    """Requests per second over the last five minutes, of the API's own counter.

    All of them are asked for by status, not those with 5xx alone: a counter that tells its statuses in another
    way than ``status="500"`` would have none of these, and look like an API without errors.

    Raises:
        UnansweredError: a series has no HTTP status.
    """
    promql = f'sum by (status) (rate(http_requests_total{{job="{job}"}}[5m]))'
    samples = query(prometheus, promql)
    with _asked(prometheus, promql):
        return parse_requests(samples)


def parse_requests(samples: tuple[Sample, ...]) -> Requests:
    """All requests and the failed ones, from rates by status. Without any series there is no rate (NaN).

    Raises:
        UnansweredError: a series has no HTTP status, so it cannot be told whether its requests failed.
    """
    for each in samples:
        status = each.labels.get("status")
        if not re.fullmatch("[1-5][0-9]{2}", status or ""):
            raise UnansweredError(
                f"http_requests_total needs the label status with an HTTP status such as 500 (got {status!r})"
            )
    return Requests(
        sum(each.value for each in samples) if samples else math.nan,
        sum(each.value for each in samples if each.labels["status"].startswith("5")),
    )


def cpu(prometheus: WebChannel, days: float) -> tuple[Utilisation, ...]:
    """Mean CPU use of each instance over the last ``days``."""
    window = f"{days:g}d"
    used = f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[{window}]))'
    seen = f'count_over_time((count by (instance) (node_cpu_seconds_total{{mode="idle"}}))[{window}:10m])'
    return _utilisation(query(prometheus, used), query(prometheus, seen), days * 144)


def memory(prometheus: WebChannel, hours: float) -> tuple[Utilisation, ...]:
    """The 95th percentile of memory use of each instance over the last ``hours``, sampled every five minutes."""
    # An instance that two jobs scrape has two series; one value each moment keeps it one instance with one coverage.
    used = "max by (instance) (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)"
    window = f"[{hours:g}h:5m]"
    return _utilisation(
        query(prometheus, f"quantile_over_time(0.95, ({used}){window})"),
        query(prometheus, f"count_over_time(({used}){window})"),
        hours * 12,
    )


def _utilisation(used: tuple[Sample, ...], seen: tuple[Sample, ...], full: float) -> tuple[Utilisation, ...]:
    coverage = {each.labels.get("instance", ""): each.value / full for each in seen}
    return tuple(
        Utilisation(instance, each.value, coverage.get(instance, 0.0))
        for each in used
        for instance in [each.labels.get("instance", "")]
    )


def latency(prometheus: WebChannel, job: str, hours: float) -> Latency:
    """The API's latency histogram over the last ``hours``, summed by edge (before anything is derived from it)."""
    series = f'http_request_duration_seconds_bucket{{job="{job}"}}'
    promql = f"sum by (le) (increase({series}[{hours:g}h]))"
    samples = query(prometheus, promql)
    with _asked(prometheus, promql):
        return parse_latency(samples)


def parse_latency(samples: tuple[Sample, ...]) -> Latency:
    """A histogram from its buckets.

    Raises:
        UnansweredError: a bucket has no edge.
    """
    buckets: dict[float, float] = {}
    for each in samples:
        try:
            edge = float(each.labels.get("le", ""))  # Prometheus 3 writes "2.0" for "2"
        except ValueError:
            raise UnansweredError(f"a bucket without an edge: {dict(each.labels)}") from None
        buckets[edge] = buckets.get(edge, 0.0) + each.value
    return Latency(tuple(sorted(buckets.items())))
