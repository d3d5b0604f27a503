"""Capacity: at the limit is within it, and too little data is neither."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes.machine import Filesystem
from opsverify.probes.series import Latency, Utilisation
from opsverify.rules import capacity

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
