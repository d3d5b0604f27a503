"""Facts about how the API is seen from outside its host: by a blackbox probe, through public DNS and TLS."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes.series import Sample, query

SERIES = "probe_success|probe_duration_seconds|probe_http_status_code|probe_failed_due_to_regex"


@dataclass(frozen=True)
class View:
    """The last look of a blackbox probe: its age and duration in seconds, and whether it reads the body at all."""

    success: bool
    status: int
    seconds: float
    age: float
    reads_body: bool


def view(prometheus: WebChannel, job: str, instance: str) -> View:
    """The last look of the probe that Prometheus knows under this job and instance.

    Raises:
        UnansweredError: there is none, or more than one.
    """
    where = f"job={json.dumps(job)},instance={json.dumps(instance)}"
    looks = query(prometheus, f'{{__name__=~"{SERIES}",{where}}}')
    ages = query(prometheus, f"time() - timestamp(probe_success{{{where}}})")
    try:
        return parse_view(looks, ages)
    except UnansweredError as error:
        raise UnansweredError(f"prometheus {prometheus.target}: probe {job} of {instance}: {error}") from None


def parse_view(looks: tuple[Sample, ...], ages: tuple[Sample, ...]) -> View:
    """Put a probe's series together.

    Raises:
        UnansweredError: one that every look leaves is missing, or there is more than one probe.
    """
    values: dict[str, float] = {}
    for each in looks:
        name = each.labels.get("__name__", "")
        if name in values:
            raise UnansweredError(f"more than one series {name}; name one probe by job and instance")
        values[name] = each.value
    if len(ages) != 1 or not math.isfinite(ages[0].value):
        raise UnansweredError("no series probe_success in the last five minutes")
    try:
        return View(
            success=values["probe_success"] == 1,
            status=int(values["probe_http_status_code"]),
            seconds=values["probe_duration_seconds"],
            age=ages[0].value,
            reads_body="probe_failed_due_to_regex" in values,
        )
    except (KeyError, ValueError, OverflowError) as error:
        raise UnansweredError(f"no usable series {error}") from None
