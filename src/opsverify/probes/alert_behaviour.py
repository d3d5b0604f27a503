"""Facts about how alert rules behave: which of them fire when they are fed series of a known kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsverify.channels.promtool import PromtoolChannel
from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes.alert_rules import Group
from opsverify.probes.machine import NOT_STORAGE
from opsverify.probes.series import Sample, query
from opsverify.rule_tests import STEPS_S, TESTS, TOO_MANY, Case, Labels, Live, edge, files, parse
from opsverify.targets import Prometheus


def live(prometheus: WebChannel) -> Live:
    """The labels under which Prometheus knows the first expected instance, its declared interface, and the API.

    Raises:
        UnansweredError: the server does not answer, or not with vectors.
    """
    spec = prometheus.spec
    if not isinstance(spec, Prometheus):
        raise TypeError(f"{prometheus.target} is no Prometheus")
    instance = f'instance="{spec.instances[0]}"'
    interface = next((each for each in spec.interfaces if each.instance == spec.instances[0]), None)
    device = f'instance="{interface.instance}",device="{interface.device}"' if interface else ""
    buckets = _of_today(prometheus, f'http_request_duration_seconds_bucket{{job="{spec.api_job}"}}')
    latency = _first(buckets, "le")
    return Live(
        cpu=_first(_of_today(prometheus, f'node_cpu_seconds_total{{{instance},mode="idle"}}'), "mode"),
        memory=_first(_of_today(prometheus, f"node_memory_MemTotal_bytes{{{instance}}}")),
        filesystem=_first(_on_storage(_of_today(prometheus, f"node_filesystem_size_bytes{{{instance}}}"))),
        network=_first(_of_today(prometheus, f"node_network_transmit_bytes_total{{{device}}}")) if interface else None,
        latency=latency,
        edges=tuple(
            sorted({each.labels.get("le", "") for each in buckets if _without(each, "le") == latency}, key=edge)
        ),
        capacity=interface.capacity_mbit * 125_000 if interface else 0.0,
        neighbour=spec.instances[1] if len(spec.instances) > 1 else "",
    )


def _on_storage(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The root, or what else is on storage: rules leave out filesystems in memory and images, full by nature."""
    stored = [each for each in samples if not NOT_STORAGE.match(each.labels.get("fstype", ""))]
    return [each for each in stored if each.labels.get("mountpoint") == "/"] or stored or samples


def _of_today(prometheus: WebChannel, series: str) -> tuple[Sample, ...]:
    """Series that had a sample within a day: their labels are known though their target may just be down."""
    return query(prometheus, f"last_over_time({series}[1d])")


def _first(samples: Sequence[Sample], *but: str) -> Labels | None:
    """The labels of the first of the series, by their order."""
    return min((_without(each, *but) for each in samples), key=lambda each: sorted(each.items()), default=None)


def _without(sample: Sample, *but: str) -> dict[str, str]:
    return {name: value for name, value in sample.labels.items() if name not in (*but, "__name__")}


def fired(
    promtool: PromtoolChannel, groups: Sequence[Group], cases: Sequence[Case]
) -> Mapping[str, frozenset[str]] | None:
    """The names of the alerts that fire in each case, by its name; None where there is no promtool to tell.

    Raises:
        UnansweredError: promtool does not tell.
    """
    if not promtool.here:
        return None
    for step in STEPS_S:
        said = promtool.test(files(groups, cases, step), TESTS)
        if TOO_MANY not in said:
            break
    try:
        return parse(said, cases)
    except UnansweredError as error:
        raise UnansweredError(f"prometheus {promtool.target}: the rules could not be tested: {error}") from None
