"""CPU and memory where there is no Prometheus: by what the suite's own runs saw."""

import pytest

from opsverify import readings
from opsverify.rules import capacity, own_runs


@pytest.mark.requirement("CAP-CPU-01", on="host")
def test_cpu_keeps_to_its_target_between_runs(host, own_cpu, own_outlook, now, limits, judge):
    """The kernel counts all of its time, so two runs a day apart know what lay between them."""
    used = own_runs.cpu_use(host.name, own_cpu, now, int(limits.window_days.number))
    kept = capacity.utilisation([used], [host.name], limits.cpu_used, limits.coverage, "mean CPU use")
    judge([*kept, *own_outlook(limits.cpu_used, days=own_runs.by_day(host.name, "mean CPU use", own_cpu))])


@pytest.mark.requirement("CAP-MEM-01", on="host")
def test_memory_keeps_to_its_target_in_runs(host, own_memory, own_outlook, now, limits, judge):
    """A few looks a day know no percentile, so the highest of them has to keep to the limit."""
    used = own_runs.memory_use(host.name, own_memory, now, limits.window_hours.number)
    kept = capacity.utilisation([used], [host.name], limits.memory_used, limits.coverage, "highest memory use")
    days = own_runs.by_day(host.name, "mean memory use", readings.memory_spans(own_memory))
    judge([*kept, *own_outlook(limits.memory_used, days=days)])


@pytest.mark.requirement("CAP-TRG-CPU-01", on="host")
def test_cpu_does_not_call_for_scaling_out_between_runs(host, own_cpu, own_outlook, now, limits, judge):
    """A mean over the week would fire on one spike; days on which no run was made would pass for cool ones."""
    days = own_runs.by_day(host.name, "mean CPU use", own_cpu)
    judge([*own_runs.in_a_row(host.name, days, now, limits), *own_outlook(limits.daily_mean, days=days)])


@pytest.mark.requirement("CAP-TRG-MEM-01", on="host")
def test_memory_does_not_call_for_scaling_out_in_runs(host, own_memory, own_outlook, now, limits, judge):
    """Memory that stays this full for days is no peak: the load has outgrown the host."""
    days = own_runs.by_day(host.name, "mean memory use", readings.memory_spans(own_memory))
    judge([*own_runs.in_a_row(host.name, days, now, limits), *own_outlook(limits.daily_mean, days=days)])
