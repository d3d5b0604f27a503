"""Capacity: at the limit is within it, and too little data is neither."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from opsverify.days import Daily, day_of, ends
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.daily import Days
from opsverify.probes.machine import Filesystem
from opsverify.probes.series import Latency, Utilisation
from opsverify.rules import capacity
from opsverify.targets import Interface

LimitsOf = Callable[[str], Limits]


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def disk(used: int, available: int, mount: str = "/m") -> Filesystem:
    return Filesystem(mount, "/dev/x", "ext4", 10_000_000, used, available, 0, 0)


@pytest.mark.parametrize(
    ("used", "available", "good"),
    [
        (800_000, 200_000, True),
        (800_001, 199_999, False),
        (810_000, 190_000, False),
        (0, 1, True),
        (1, 0, False),
        (0, 0, False),
    ],
)
def test_a_disk_is_full_by_dfs_own_measure_unrounded(
    limits_of: LimitsOf, used: int, available: int, good: bool
) -> None:
    found = [disk(1, 99), disk(used, available, "/srv/a b")]
    assert met(capacity.disk_left(found, limits_of("CAP-TRG-DISK-01"))) is good


def test_no_disk_at_all_is_blindness(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError):
        capacity.disk_left([], limits_of("CAP-TRG-DISK-01"))


def cpu(limits_of: LimitsOf, *found: Utilisation, expected: tuple[str, ...] = ("a",)) -> list[Observation]:
    limits = limits_of("CAP-CPU-01")
    return capacity.utilisation(found, expected, limits.cpu_used, limits.coverage, "mean CPU use")


@pytest.mark.parametrize(
    ("used", "good"), [(0.6, True), (0.600001, False), (0.61, False), (0.0, True), (-0.0003, True)]
)
def test_utilisation_keeps_to_its_target(limits_of: LimitsOf, used: float, good: bool) -> None:
    assert met(cpu(limits_of, Utilisation("a", used, 1.0))) is good


def test_one_hot_host_among_cool_ones_is_found(limits_of: LimitsOf) -> None:
    found = [Utilisation(name, 0.9 if name == "c" else 0.1, 1.0) for name in "abcd"]
    (finding,) = unmet(cpu(limits_of, *found, expected=tuple("abcd")))
    assert finding.name.startswith("c ")


def test_a_host_that_is_not_in_the_profile_is_judged_after_those_that_are(limits_of: LimitsOf) -> None:
    found = [Utilisation("0", 0.9, 1.0), Utilisation("a", 0.1, 1.0)]
    observed = cpu(limits_of, *found)
    assert [each.name.split()[0] for each in observed] == ["a", "0"]
    assert unmet(observed) == observed[1:]


@pytest.mark.parametrize("extra", [Utilisation("0", 0.1, 0.5), Utilisation("0", math.nan, 1.0)])
def test_a_host_that_came_or_went_meanwhile_is_not_judged(limits_of: LimitsOf, extra: Utilisation) -> None:
    limits = limits_of("CAP-CPU-01")
    found = [Utilisation("node", 0.4, 1.0), extra]
    judged = capacity.utilisation(found, ["node"], limits.cpu_used, limits.coverage, "mean CPU use")
    assert [each.name for each in judged] == ["node mean CPU use"]


@pytest.mark.parametrize(
    "found",
    [
        [],
        [Utilisation("b", 0.1, 1.0)],
        [Utilisation("a", math.nan, 1.0)],
        [Utilisation("a", -math.inf, 1.0)],
        [Utilisation("a", math.inf, 1.0)],
        [Utilisation("a", 0.1, 0.89)],
        [Utilisation("a", 0.1, math.nan)],
        [Utilisation("a", 0.1, 0.0)],
    ],
)
def test_too_few_samples_of_an_expected_instance_cannot_be_judged(
    limits_of: LimitsOf, found: list[Utilisation]
) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^a: "):
        cpu(limits_of, *found)


def test_a_hot_host_is_found_though_nothing_is_known_of_the_one_before(limits_of: LimitsOf) -> None:
    assert not met(cpu(limits_of, Utilisation("b", 0.9, 1.0), expected=("a", "b")))


@pytest.mark.parametrize("used", [-5.0, -0.02])
def test_use_below_nothing_is_no_cool_host(limits_of: LimitsOf, used: float) -> None:
    """A counter that goes back makes idle time out of nothing."""
    with pytest.raises(InsufficientFactsError, match="has a counter gone back"):
        cpu(limits_of, Utilisation("a", used, 1.0))
    with pytest.raises(InsufficientFactsError, match="a 6 of 7 days"):
        judged(limits_of, week("a", *[0.95] * 3, used, *[0.95] * 3))


def test_samples_of_nine_tenths_of_the_window_are_enough(limits_of: LimitsOf) -> None:
    assert met(cpu(limits_of, Utilisation("a", 0.1, 0.9)))


def histogram(within: float, count: float = 1000) -> Latency:
    return Latency(((0.5, within / 2), (2.0, within), (10.0, within), (math.inf, count)))


@pytest.mark.parametrize(("within", "good"), [(1000, True), (950, True), (949, False), (0, False)])
def test_95_of_100_requests_are_quick(limits_of: LimitsOf, within: float, good: bool) -> None:
    assert met(capacity.latency(histogram(within), limits_of("CAP-TRG-P95-01"))) is good


@pytest.mark.parametrize("count", [0, 99, 99.9, math.nan, -5])
def test_too_few_requests_cannot_be_judged(limits_of: LimitsOf, count: float) -> None:
    with pytest.raises(InsufficientFactsError, match="requests in the window"):
        capacity.latency(histogram(0, count), limits_of("CAP-TRG-P95-01"))


def test_a_hundred_requests_are_enough(limits_of: LimitsOf) -> None:
    assert met(capacity.latency(histogram(100, 100), limits_of("CAP-TRG-P95-01")))


def test_an_empty_histogram_cannot_be_judged(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError):
        capacity.latency(Latency(()), limits_of("CAP-TRG-P95-01"))


def test_a_histogram_without_the_edge_cannot_be_judged(limits_of: LimitsOf) -> None:
    with pytest.raises(UnansweredError, match="no bucket at 2 s"):
        capacity.latency(Latency(((1.0, 100.0), (math.inf, 100.0))), limits_of("CAP-TRG-P95-01"))


SEVEN_ENDS = ends(datetime(2026, 11, 23, 12, tzinfo=UTC), 7)


def week(instance: str, *values: float, coverage: float = 1.0) -> Days:
    ends_of_them = SEVEN_ENDS[-len(values) :] if values else ()
    found = [Daily(day_of(moment), value, coverage) for moment, value in zip(ends_of_them, values, strict=True)]
    return Days(instance, tuple(found))


def judged(limits_of: LimitsOf, *found: Days, expected: tuple[str, ...] = ("a",)) -> list[Observation]:
    return capacity.in_a_row(found, expected, SEVEN_ENDS, limits_of("CAP-TRG-CPU-01"), "mean CPU use")


@pytest.mark.parametrize(
    ("values", "good"),
    [([0.71] * 7, False), ([0.70] * 7, True), ([0.95] * 6 + [0.7], True), ([0.1] + [0.95] * 3, True)],
)
def test_seven_days_above_the_trigger_call_for_scaling_out(
    limits_of: LimitsOf, values: list[float], good: bool
) -> None:
    (observed,) = judged(limits_of, week("a", *values))
    assert observed.met is good
    assert observed.expected == "at most 0.7 ratio on one of 7 complete UTC days"
    assert isinstance(observed.observed, tuple)
    assert str(observed.observed[-1]) == f"2026-11-22 {values[-1]}"


@pytest.mark.parametrize("found", [[], [week("a", *[0.95] * 6)], [week("a", *[0.1] * 7, coverage=0.89)]])
def test_days_that_nobody_measured_are_neither_hot_nor_cool(limits_of: LimitsOf, found: list[Days]) -> None:
    with pytest.raises(InsufficientFactsError, match=r"a \d of 7 days"):
        judged(limits_of, *found)


def test_a_hot_host_is_found_among_cool_and_unknown_ones(limits_of: LimitsOf) -> None:
    found = [week("a", *[0.95] * 6), week("b", *[0.1] * 7), week("c", *[0.9] * 7)]
    assert [each.name for each in unmet(judged(limits_of, *found, expected=("a", "b", "c")))] == [
        "c mean CPU use by day"
    ]


def test_a_hot_host_that_nobody_entered_is_found_and_one_that_came_meanwhile_is_not_judged(limits_of: LimitsOf) -> None:
    observed = judged(limits_of, week("0", *[0.9] * 2), week("a", *[0.1] * 7), week("z", *[0.9] * 7))
    assert [(each.name.split()[0], each.met) for each in observed] == [("a", True), ("z", False)]


def test_a_day_with_too_few_samples_says_so(limits_of: LimitsOf) -> None:
    days = week("a", 0.1, 0.2)
    sparse = Days("a", (Daily(days.days[0].day, 0.1, 0.5), days.days[1]))
    (observed,) = judged(limits_of, sparse)
    assert observed.observed == ("2026-11-21 0.1 (samples cover 50%)", "2026-11-22 0.2")


ETH0 = Interface(instance="a", device="eth0", capacity_mbit=1000)


def carried(value: float, coverage: float = 1.0, device: str = "eth0") -> Days:
    return Days("a", (Daily(date(2026, 11, 23), value, coverage),), device)


@pytest.mark.parametrize(("value", "good"), [(0.70, True), (0.71, False), (0.0, True), (1.2, False)])
def test_bandwidth_keeps_to_its_share(limits_of: LimitsOf, value: float, good: bool) -> None:
    assert met(capacity.bandwidth([carried(value)], [ETH0], ["a"], [("a", "eth0")], limits_of("CAP-NET-01"))) is good


@pytest.mark.parametrize(
    ("found", "interfaces", "expected", "why"),
    [
        ([], [ETH0], ["a"], "no samples of both directions"),
        ([carried(math.nan)], [ETH0], ["a"], "no samples of both directions"),
        ([carried(0.1, 0.89)], [ETH0], ["a"], "cover 89.0% of the window"),
        ([carried(0.1)], [], ["a"], "a: the profile names no interface"),
        ([carried(0.1)], [ETH0], ["a", "b"], "b: the profile names no interface"),
        ([carried(0.1, device="eth1")], [ETH0], ["a"], "a eth0: no samples"),
    ],
)
def test_an_interface_of_which_nothing_is_known_cannot_be_judged(
    limits_of: LimitsOf, found: list[Days], interfaces: list[Interface], expected: list[str], why: str
) -> None:
    with pytest.raises(InsufficientFactsError, match=why):
        capacity.bandwidth(found, interfaces, expected, [], limits_of("CAP-NET-01"))


def test_a_full_line_is_found_though_nothing_is_known_of_another_host(limits_of: LimitsOf) -> None:
    assert not met(capacity.bandwidth([carried(0.9)], [ETH0], ["a", "b"], [], limits_of("CAP-NET-01")))


def test_a_second_interface_that_carries_something_needs_a_capacity_too(limits_of: LimitsOf) -> None:
    busy = [("a", "eth0"), ("a", "eth1")]
    with pytest.raises(InsufficientFactsError, match="a eth1: it leads out and carries something"):
        capacity.bandwidth([carried(0.1)], [ETH0], ["a"], busy, limits_of("CAP-NET-01"))
    assert not met(capacity.bandwidth([carried(0.9)], [ETH0], ["a"], busy, limits_of("CAP-NET-01")))


def test_interfaces_of_other_hosts_are_shown(limits_of: LimitsOf) -> None:
    for busy, shown in (([("a", "eth0"), ("b", "eth0")], ("b eth0",)), ([("a", "eth0")], "none")):
        *_, observed = capacity.bandwidth([carried(0.1)], [ETH0], ["a"], busy, limits_of("CAP-NET-01"))
        assert observed.observed == shown
