"""What Prometheus remembers, scrapes and evaluates, and how its alerts are sent on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lab import engine, history, monitoring
from lab.faults.core import file_edited, wait_healthy, wait_until
from lab.settings import run

PROMETHEUS_YML, RULES_YML = "/etc/prometheus/prometheus.yml", "/etc/prometheus/rules.yml"
ALERTMANAGER_YML = "/etc/alertmanager/alertmanager.yml"
RELOAD = ("sh", "-c", "kill -HUP 1")
API_TARGET = 'targets: ["tokenswap-api:3000"]'


def remember(
    *,
    cpu: float = 0.35,
    memory: float = 0.45,
    gap_minutes: int = 0,
    heap_growth: float = 0.0,
    network: float = 0.02,
    database_daily: float = 24 * 1024,
) -> None:
    """Let Prometheus remember another past, until it is told to `forget` it."""
    history.backfill(
        cpu=cpu,
        memory=memory,
        gap_minutes=gap_minutes,
        heap_growth=heap_growth,
        network=network,
        database_daily=database_daily,
    )
    wait_healthy("prometheus")
    monitoring.settle()


def forget() -> None:
    """Let Prometheus remember the usual past, not the last minutes: outages stay in its rates for five."""
    remember()


def _healths(group: str) -> list[str]:
    return [rule["health"] for name, rule in monitoring.rules() if name == group]


@contextlib.contextmanager
def scrapes_itself() -> Iterator[None]:
    """The job of the API scrapes Prometheus, as the monitoring manual's configuration has it."""
    job = "tokenswap-api"
    with file_edited("prometheus", PROMETHEUS_YML, API_TARGET, 'targets: ["localhost:9090"]', RELOAD):
        wait_until(lambda: monitoring.up(job, "localhost:9090"), "the job scrapes Prometheus")
        yield
    wait_until(lambda: monitoring.up(job, f"{job}:3000"), "the job scrapes the API")


@contextlib.contextmanager
def job_without_targets(job: str, target: str) -> Iterator[None]:
    """A job has lost its only target, as when its service discovery finds nothing."""
    with file_edited("prometheus", PROMETHEUS_YML, f'targets: ["{target}"]', "targets: []", RELOAD):
        up = f'count(up{{job="{job}"}})'  # which ends two intervals after the target
        wait_until(lambda: not monitoring.targets(job) and not history.value(up), f"{job} has no target")
        yield
    # Scraped, not up: what it scrapes may be stopped by another fault, and be started again only after this.
    wait_until(lambda: _scraped(job), f"{job} is scraped")


def _scraped(job: str) -> bool:
    found = monitoring.targets(job)
    return bool(found) and all(each["health"] != "unknown" for each in found)


@contextlib.contextmanager
def metric_renamed(name: str) -> Iterator[None]:
    """The API's job delivers a metric under another name."""
    relabel = (
        f"metric_relabel_configs: [{{ source_labels: [__name__], regex: {name}, "
        f"target_label: __name__, replacement: {name}_renamed }}]"
    )
    old = f"- job_name: tokenswap-api\n    static_configs: [{{ {API_TARGET} }}]"
    with file_edited("prometheus", PROMETHEUS_YML, old, f"{old}\n    {relabel}", RELOAD):
        # What was scraped before has to be older than three scrapes.
        age = f'time() - max(max_over_time(timestamp({name}{{job="tokenswap-api"}})[60s:1s]))'
        wait_until(lambda: history.value(age) > 3 * history.SCRAPE + 2, "the old name is old")
        yield
    found = f'count({name}{{job="tokenswap-api"}})'
    wait_until(lambda: history.value(found) > 0, "the metric under its name")


@contextlib.contextmanager
def scrapes_fail(service: str, job: str) -> Iterator[None]:
    """A target hangs, and the scrapes of it have failed for longer than three intervals."""
    container = engine.container_id(service)
    run(["docker", "pause", container])
    try:
        age = f'time() - max(max_over_time((timestamp(up{{job="{job}"}}) and up == 1)[120s:1s]))'
        wait_until(lambda: history.value(age) > 3 * history.SCRAPE + 2, f"{job} is not scraped")
        yield
    finally:
        run(["docker", "unpause", container])
        wait_healthy(service)
        wait_until(lambda: monitoring.up(job), f"{job} is scraped")


@contextlib.contextmanager
def scrape_missed(service: str, job: str) -> Iterator[None]:
    """One scrape of a target has just failed."""
    container = engine.container_id(service)
    run(["docker", "pause", container])
    try:
        wait_until(lambda: not monitoring.up(job), f"a scrape of {job} failed")
    finally:
        run(["docker", "unpause", container])
    try:
        yield
    finally:
        wait_healthy(service)


@contextlib.contextmanager
def rules_edited(old: str, new: str, health: str = "ok") -> Iterator[None]:
    """The rules have ``new`` in place of ``old``, and were evaluated since; one of them has this health."""
    group = "tokenswap"
    with file_edited("prometheus", RULES_YML, old, new, RELOAD):
        wait_until(lambda: _reloaded(new) and health in _evaluated(), "the rules evaluated anew")
        yield
    wait_until(lambda: _reloaded(old) and set(_healths(group)) == {"ok"}, "the rules healed")


@contextlib.contextmanager
def rules_refused() -> Iterator[None]:
    """The rules were edited and cannot be read: Prometheus goes on with those that it has."""

    def accepted() -> bool:
        told = monitoring.asked("PROMETHEUS", "/api/v1/status/runtimeinfo")
        return bool(told.get("data", {}).get("reloadConfigSuccess"))

    with file_edited("prometheus", RULES_YML, "alert: APIDown", "alert:: APIDown", RELOAD):
        wait_until(lambda: not accepted(), "Prometheus refuses its rules")
        yield
    wait_until(accepted, "Prometheus accepts its rules")


def _reloaded(text: str) -> bool:
    """Whether the rules show what was written (a word of it: Prometheus writes expressions in a way of its own)."""
    word = text.rsplit(maxsplit=1)[-1].strip('"')
    return any(word in (name, rule["name"]) or word in rule["query"] for name, rule in monitoring.rules())


def _evaluated() -> set[str]:
    """The healths of the rules that are evaluated every few seconds, once none is waiting."""
    found = {rule["health"] for name, rule in monitoring.rules() if name != "capacity"}
    return set() if "unknown" in found else found


@contextlib.contextmanager
def alertmanager_edited(*changes: tuple[str, str], failing: bool = False) -> Iterator[None]:
    """Alertmanager runs with another configuration; ``failing``: until a notification has failed because of it.

    What failed is then forgotten when it is over.
    """
    before = engine.inside("alertmanager", "cat", ALERTMANAGER_YML)
    text = before
    for old, new in changes:
        if old not in text:
            raise ValueError(f"the configuration of Alertmanager does not contain {old!r}")
        text = text.replace(old, new)

    def write(content: str) -> None:
        engine.inside("alertmanager", "sh", "-c", f"cat > {ALERTMANAGER_YML}", stdin=content.encode())
        loaded = _loaded()
        engine.inside("alertmanager", *RELOAD)
        wait_until(lambda: _loaded() != loaded, "Alertmanager has loaded its configuration")

    count = history.value(f"sum({history.FAILED})")
    try:
        write(text)
        if failing:
            wait_until(lambda: history.value(f"sum({history.FAILED})") > count, "a notification failed")
        yield
    finally:
        write(before)
        if failing:
            forget()


def _loaded() -> str:
    """The configuration that Alertmanager runs with, as it tells it."""
    return str(monitoring.asked("ALERTMANAGER", "/api/v2/status").get("config", {}).get("original", ""))


@contextlib.contextmanager
def alertmanager_out_of_reach() -> Iterator[None]:
    """Prometheus sends its alerts to a port where nobody listens, and still gives them up half a minute later."""
    here, nowhere = '["alertmanager:9093"] }]\nscrape_configs', '["alertmanager:9094"] }]\nscrape_configs'
    try:
        with file_edited("prometheus", PROMETHEUS_YML, here, nowhere, RELOAD):
            time.sleep(25)  # whoever has just read its configuration knows no Alertmanager yet, and that is no fault
            count = history.value(f"sum({history.DROPPED})")
            wait_until(lambda: history.value(f"sum({history.DROPPED})") > count, "an alert was given up")
            yield
    finally:
        forget()


@contextlib.contextmanager
def alertmanager_stopped() -> Iterator[None]:
    """There is no Alertmanager; what happened meanwhile is forgotten when it is back."""
    try:
        with _stopped("alertmanager"):
            yield
    finally:
        forget()


@contextlib.contextmanager
def prometheus_stopped() -> Iterator[None]:
    """There is no Prometheus; afterwards it does its work again."""
    try:
        with _stopped("prometheus"):
            yield
    finally:
        monitoring.settle()


@contextlib.contextmanager
def prometheus_restarted() -> Iterator[None]:
    """Prometheus has just been started anew: what fires all the time it gave up once, before it found Alertmanager."""
    with prometheus_stopped():
        pass
    yield


@contextlib.contextmanager
def _stopped(service: str) -> Iterator[None]:
    container = engine.container_id(service)
    run(["docker", "stop", "-t", "10", container])
    try:
        yield
    finally:
        run(["docker", "start", container])
        wait_healthy(service)


@contextlib.contextmanager
def silenced(alert: str) -> Iterator[None]:
    """Somebody has silenced an alert."""
    amtool = ("amtool", "--alertmanager.url=http://127.0.0.1:9093", "silence")
    add = ("add", f"alertname={alert}", "--duration=10m", "--comment=a test", "--author=a test")
    made = engine.inside("alertmanager", *amtool, *add).strip()
    try:
        yield
    finally:
        engine.inside("alertmanager", *amtool, "expire", made)
