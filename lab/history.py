"""Prometheus' past: weeks of the very series that the live scrapes continue, back-filled with promtool.

Only what somebody asks the past for has one, and as far back as that: tests make a past a dozen times, and most of the
time that takes goes by the number of samples.

A counter's history ends at the value that the live counter shows now: it is counted back from there, and below zero the
process (or machine) is taken to have been restarted at that moment. So no rate over the seam is off.
"""

from __future__ import annotations

import json
import math
import random
import re
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from lab import engine, images
from lab.logs import now
from lab.settings import PROJECT, SERVER_NAME, STATE, Problem, ports, run

DAYS = 41
STEP = 120
SCRAPE = 5
# What is judged by its samples of the last day has them at the pace of the scrapes; and everything has in the last two
# hours, so that windows over the seam cut off the same of a histogram's count as of its buckets.
DENSE_SECONDS, DENSE_SECONDS_OF_ALL = 25 * 3600, 2 * 3600
DENSE = {
    "http_requests_total",
    "http_request_duration_seconds_count",
    "nodejs_heap_size_used_bytes",
    "node_cpu_seconds_total",
    "node_memory_MemAvailable_bytes",
    "probe_success",
    "up",
}
GAP_ENDED = 6 * 3600
LINE = 125_000_000  # bytes a second that the interface carries by the lab's profile
FAILED, DROPPED = "alertmanager_notifications_failed_total", "prometheus_notifications_dropped_total"
# Of these nobody asks for more than the last day; and of the latencies before it, for no more than how many there were
# on each day, which needs no sample every two minutes.
RECENT_SECONDS, COARSE_STEP = 2 * 86400, 600
RECENT = {"http_requests_total", "http_request_duration_seconds_count", FAILED, DROPPED}
COARSE = {"http_request_duration_seconds_bucket"}
PAST = STATE / "past.om"
VOLUME = f"{PROJECT}_prometheus-data"
LABELS = {
    "node-exporter:9100": ("node", "node:9100"),
    "tokenswap-api:3000": ("tokenswap-api", "tokenswap-api:3000"),
}
BUCKETS = (("0.1", 0.90), ("0.5", 0.985), ("1", 0.995), ("2", 0.999), ("5", 1.0), ("10", 1.0), ("+Inf", 1.0))
# Requests a second by method and route; the mean duration in seconds; the share that fails.
TRAFFIC = {
    ("GET", "/v1/pools"): 0.05,
    ("GET", "/v1/prices"): 0.07,
    ("GET", "/v1/stats"): 0.03,
    ("GET", "/v1/config"): 0.03,
    ("POST", "/v1/swaps"): 0.02,
}
FAILING = 0.002

Live = dict[str, float]
Shape = Callable[[int], float]


@dataclass(frozen=True)
class Series:
    """A series: name with labels, value now, and the shape of its past: value (gauge) or growth a second (counter)."""

    name: str
    live: float
    shape: Shape
    counter: bool

    @property
    def family(self) -> str:
        """The name without its labels."""
        return self.name.split("{")[0]


def query(expression: str, at: int | None = None) -> list[dict[str, object]]:
    """An instant query; an empty list when Prometheus does not answer."""
    parameters = urllib.parse.urlencode({"query": expression, "time": at or now()})
    url = f"http://127.0.0.1:{ports()['PROMETHEUS']}/api/v1/query?{parameters}"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            result: list[dict[str, object]] = json.load(answer)["data"]["result"]
            return result
    except OSError:
        return []


def is_complete() -> bool:
    """Whether each three hours of the last 40 days have samples, and all of the last hour (the lab has not slept)."""
    windows = "count_over_time((count_over_time(node_memory_MemTotal_bytes{instance='node:9100'}[3h]) > 0)[40d:3h])"
    latest = f"count_over_time({FAILED}{{integration='webhook'}}[1h])"
    return value(windows) >= 319 and value(latest) >= 0.95 * 3600 / SCRAPE


def value(expression: str) -> float:
    """The value of the first sample of a query; 0 where there is none."""
    found = query(expression)
    return float(found[0]["value"][1]) if found else 0.0  # type: ignore[index]


def _scrape() -> Live:
    """The live series of the node and the API, by name with Prometheus' labels."""
    live: Live = {}
    for target, (job, instance) in LABELS.items():
        code = f"import urllib.request as u; print(u.urlopen('http://{target}/metrics', timeout=5).read().decode())"
        for line in engine.inside("stand-ins", "python3", "-c", code).splitlines():
            match = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
            if match:
                name, labels, value = match.groups()
                live[_name(name, labels or "", job, instance)] = float(value)
    return live


def _name(name: str, labels: str, job: str, instance: str) -> str:
    pairs = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)) | {"job": job, "instance": instance}
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in sorted(pairs.items())) + "}"


def _wave(at: int) -> float:
    """-1 … 1 over the day, highest in the afternoon."""
    return math.sin((at % 86400 - 32400) / 86400 * 2 * math.pi)


def _busy(mean: float, end: int) -> Shape:
    """The share of busy CPU: a daily rhythm, some noise, and one spike of two hours nine days ago."""
    rng = random.Random(11)  # noqa: S311
    noise = [rng.uniform(-0.04, 0.04) for _ in range(997)]
    spike = end - 9 * 86400

    def shape(at: int) -> float:
        if spike <= at < spike + 7200:
            return 0.93
        return min(0.99, max(0.02, mean * (1 + 0.3 * _wave(at)) + noise[at // STEP % 997]))

    return shape


def _line(share: float, end: int) -> Shape:
    """Bytes a second of a line of 1000 Mbit/s with a daily rhythm; half an hour nine hours ago it was full."""
    burst = end - 9 * 3600

    def shape(at: int) -> float:
        return LINE if burst <= at < burst + 1800 else LINE * share * (1 + 0.02 * _wave(at))

    return shape


def _constant(value: float) -> Shape:
    return lambda _: value


def _host(live: Live, end: int, cpu: float, memory: float, network: float) -> Iterator[Series]:
    busy = _busy(cpu, end)
    total = next(value for name, value in live.items() if name.startswith("node_memory_MemTotal_bytes"))
    for name, value in live.items():
        family = name.split("{")[0]
        if family == "node_cpu_seconds_total" and 'mode="idle"' in name:
            yield Series(name, value, lambda at: 1 - busy(at), True)
        elif family == "node_memory_MemTotal_bytes":
            yield Series(name, value, _constant(value), False)
        elif family == "node_memory_MemAvailable_bytes":
            yield Series(name, value, lambda at: total * (1 - memory - 0.05 * _wave(at)), False)
        elif (
            family in ("node_network_receive_bytes_total", "node_network_transmit_bytes_total")
            and 'device="eth0"' in name
        ):
            yield Series(name, value, _line(network, end), True)


def _api(live: Live, end: int, heap_growth: float) -> Iterator[Series]:
    job, instance = LABELS["tokenswap-api:3000"]

    def series(name: str, labels: str, shape: Shape, counter: bool = True) -> Series:
        full = _name(name, labels, job, instance)
        return Series(full, live.get(full, 0.0), shape, counter)

    for (method, route), rate in TRAFFIC.items():
        where = f'method="{method}",route="{route}"'
        flow: Shape = lambda at, rate=rate: rate * (1 + 0.5 * _wave(at))  # type: ignore[misc]  # noqa: E731
        for status, share in (("200", 1 - FAILING), ("500", FAILING)):
            yield series(
                "http_requests_total",
                f'{where},status="{status}"',
                lambda at, flow=flow, share=share: flow(at) * share,  # type: ignore[misc]
            )
        for edge, share in BUCKETS:
            yield series(
                "http_request_duration_seconds_bucket",
                f'{where},le="{edge}"',
                lambda at, flow=flow, share=share: flow(at) * share,  # type: ignore[misc]
            )
        yield series("http_request_duration_seconds_count", where, flow)
    mib = 1024 * 1024
    # Below any heap that the live process has (13 MiB and more were seen): samples of now are of the last day too.
    low, swing = 8, 3
    # Garbage collection: a saw tooth, which climbs only where memory leaks.
    yield series(
        "nodejs_heap_size_used_bytes",
        "",
        lambda at: mib * (low * (1 + heap_growth) ** ((at - end) / 86400) + swing * (at // STEP % 15) / 15),
        False,
    )


def _database(size: float, daily: float, end: int) -> Iterator[Series]:
    """The size of the database, which grew by so many bytes a day.

    Where it is smaller now than that comes to, it grew from its size of now on, and was cleaned up just this moment.
    """
    name = _name("pg_database_size_bytes", 'datname="tokenswap",server="postgres:5432"', "postgres", "postgres:9187")
    start = size - DAYS * daily
    start = start if start >= 0 else size
    yield Series(name, size, lambda at: start + (DAYS - (end - at) / 86400) * daily, False)


def _reachable() -> Iterator[Series]:
    """Everything was up, all the time."""
    outside = ("outside", f"https://{SERVER_NAME}/health")
    others = (("prometheus", "localhost:9090"), ("alertmanager", "alertmanager:9093"), ("postgres", "postgres:9187"))
    for job, instance in (*LABELS.values(), *others, outside):
        yield Series(_name("up", "", job, instance), 1, _constant(1), False)
    yield Series(_name("probe_success", "", *outside), 1, _constant(1), False)


def _delivered() -> Iterator[Series]:
    """No notification got lost. What Alertmanager counted until now it counted before all of this."""
    code = "import urllib.request as u; print(u.urlopen('http://alertmanager:9093/metrics', timeout=5).read().decode())"
    told = engine.inside("stand-ins", "python3", "-c", code)
    for labels, value in re.findall(rf"^{FAILED}\{{(.*)\}} (\S+)$", told, re.MULTILINE):
        name = _name(FAILED, labels, "alertmanager", "alertmanager:9093")
        yield Series(name, float(value), _constant(0), True)
    yield Series(_name(DROPPED, "", "prometheus", "localhost:9090"), 0, _constant(0), True)


def _moments(end: int, family: str) -> list[int]:
    """When a series of a family has samples."""
    start, recent = end - DAYS * 86400, end - RECENT_SECONDS
    seam = end - (DENSE_SECONDS if family in DENSE else DENSE_SECONDS_OF_ALL)
    before = range(0) if family in RECENT else range(start, recent, COARSE_STEP if family in COARSE else STEP)
    return [*before, *range(recent, seam, STEP), *range(seam, end + 1, SCRAPE)]


def _samples(series: Series, times: list[int]) -> Iterator[float]:
    if not series.counter:
        yield from map(series.shape, times)
        return
    counted = list(accumulate(series.shape(at) * (at - before) for before, at in pairwise([times[0] - STEP, *times])))
    offset = series.live - counted[-1]
    for value in counted:
        yield value + offset if value + offset >= 0 else value


def _write(every: list[Series], end: int, gap_minutes: int) -> None:
    """The past as promtool reads it, without the API's samples of the gap."""
    times = {family: _moments(end, family) for family in {each.family for each in every}}
    gap = range(end - GAP_ENDED - gap_minutes * 60, end - GAP_ENDED)
    api = 'job="{}"'.format(LABELS["tokenswap-api:3000"][0])
    with PAST.open("w", encoding="ascii") as file:
        for series in every:
            name, moments = series.name, times[series.family]
            missing = gap if api in name else range(0)
            samples = zip(moments, _samples(series, moments), strict=True)
            file.write("".join(f"{name} {value:.3f} {at}\n" for at, value in samples if at not in missing))
        file.write("# EOF\n")
    PAST.chmod(0o644)  # promtool runs as Prometheus' own user


def backfill(
    cpu: float = 0.35,
    memory: float = 0.45,
    gap_minutes: int = 0,
    heap_growth: float = 0.0,
    network: float = 0.02,
    database_daily: float = 24 * 1024,
) -> None:
    """Replace Prometheus' data by a made-up past.

    With this mean use of CPU, memory and network; with a gap of so many minutes in the API's series, six hours ago;
    with a heap of the API whose floor grew by this share a day to what it is now; and with a database that grew by so
    many bytes a day.
    """
    live = _scrape()
    size = engine.inside("postgres", "psql", "-XAtqc", "SELECT pg_database_size('tokenswap')", user="postgres").strip()
    if not live or not size.isdigit():
        raise Problem("the node exporter, the API and PostgreSQL must run before Prometheus can be given a past")
    end = now()
    every = [
        *_host(live, end, cpu, memory, network),
        *_api(live, end, heap_growth),
        *_database(float(size), database_daily, end),
        *_reachable(),
        *_delivered(),
    ]
    _write(every, end, gap_minutes)
    container = engine.container_id("prometheus")
    run(["docker", "stop", "-t", "10", container])
    # One block as long as promtool can make it: it reads the text once for each, and shorter ones would be two or more.
    script = (
        "set -e; find /var/lib/prometheus -mindepth 1 -delete; promtool tsdb create-blocks-from "
        "openmetrics --quiet --max-block-duration=39366h /tmp/past.om /var/lib/prometheus"
    )
    mounts = ["-v", f"{VOLUME}:/var/lib/prometheus", "-v", f"{PAST}:/tmp/past.om:ro"]
    command = ["docker", "run", "--rm", "--network", "none", *mounts, "--entrypoint", "sh", images.tag("prometheus")]
    try:
        run([*command, "-c", script])
    finally:
        PAST.unlink()
        run(["docker", "start", container])
