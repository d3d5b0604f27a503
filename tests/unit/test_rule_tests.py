"""Tests of alert rules: what they feed, what promtool says of them, and what is made of that."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opsverify import rule_tests, targets
from opsverify.channels.promtool import PromtoolChannel
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import unmet
from opsverify.probes import alert_behaviour
from opsverify.probes.alert_rules import Group, Rule
from opsverify.probes.series import Sample
from opsverify.rule_tests import Live, Manual, Series, Span
from opsverify.rules import alert_numbers
from opsverify.transcript import Transcript

MANUAL = Manual(0.6, 0.8, 0.7, 0.7, 7, 0.85, 3, 0.8, 2)
NODE = {"instance": "node:9100", "job": "node"}
LIVE = Live({**NODE, "cpu": "0"}, NODE, NODE, NODE, {"job": "api"}, ("1", "2.0", "+Inf"), 125e6)
NUMBERS, _ = rule_tests.numbers(MANUAL, LIVE)
CASES = [case for number in NUMBERS for case in number.cases]
BUCKETS = "rate(http_request_duration_seconds_bucket[5m])"
CPU = 'node_cpu_seconds_total{mode="idle"}'


def rule(name: str, query: str, wait_s: float = 0) -> Rule:
    return Rule(name, True, query, {"severity": "warning"}, wait_s)


def test_what_promtool_said_of_rules_of_a_monitoring_manual(captured: Callable[[str], str]) -> None:
    """Its rules for days in a row take the days that there are samples of for all of them."""
    fired = rule_tests.parse(captured("promtool-test-rules.txt"), CASES)
    observations = alert_numbers.covered(NUMBERS, [], fired, [Group("g", (rule("any", "1"),))])
    assert [each.name for each in unmet(observations)] == [
        "CPU above 70% on 7 days in a row, tested by promtool",
        "memory above 85% on 3 days in a row, tested by promtool",
    ]
    assert "ScaleOutCPU fires at cpu_trigger, samples of 4 days alone" in str(unmet(observations)[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.replace("p95_seconds 94%", "p95_seconds 93%"),
        lambda said: said.partition("p95_seconds 94%")[0],
        lambda said: said.replace("] 1E+00", "").replace("} 1E+00", "} one"),
        lambda _: "",
        lambda _: "  FAILED:\n    rule: A, time: 4h, err: query processing would load too many samples",
    ],
)
def test_what_promtool_does_not_tell_is_an_error(change: Callable[[str], str], captured: Callable[[str], str]) -> None:
    with pytest.raises(UnansweredError):
        rule_tests.parse(change(captured("promtool-test-rules.txt")), CASES)


@given(st.text())
def test_whatever_promtool_says_is_understood_or_refused(said: str) -> None:
    with pytest.raises(UnansweredError):
        rule_tests.parse(said, CASES)


def test_a_number_without_an_alert_of_its_own_is_a_finding() -> None:
    number = NUMBERS[0]
    silent = {case.name: frozenset[str]() for case in CASES}
    groups = [Group("g", (rule("any", "1"),))]
    assert unmet(alert_numbers.covered([number], [], silent, groups))
    fires = {**silent, number.above.name: frozenset({"A"})}
    assert not unmet(alert_numbers.covered([number], [], fires, groups))
    everywhere = dict.fromkeys(silent, frozenset({"A"}))
    assert unmet(alert_numbers.covered([number], [], everywhere, groups))
    assert unmet(alert_numbers.covered([number], [], fires, []))
    with pytest.raises(InsufficientFactsError, match="no live series"):
        alert_numbers.covered([number], ["disk: no live series"], fires, groups)


def test_what_is_not_there_live_cannot_be_tested() -> None:
    numbers, lacking = rule_tests.numbers(MANUAL, replace(LIVE, cpu=None, network=None, edges=("1", "5")))
    assert {each.name for each in numbers} == {"memory_target", "disk_trigger", "memory_trigger"}
    assert len(lacking) == 4


def test_a_busy_instance_has_an_idle_neighbour() -> None:
    """By the mean of all instances, one that is busy is not seen among those that idle."""
    numbers, _ = rule_tests.numbers(MANUAL, replace(LIVE, neighbour="other:9100"))
    for number in numbers:
        instances = {each.labels.get("instance", "") for each in number.above.series}
        assert instances == ({""} if number.name == "p95_seconds" else {"node:9100", "other:9100"})
    idle = next(each for each in numbers[0].above.series if each.labels["instance"] == "other:9100")
    assert (idle.labels["mode"], idle.spans) == ("idle", (Span(numbers[0].above.seconds, 0.9),))


def test_series_are_written_as_promtool_reads_them() -> None:
    counter = Series("a", {}, (Span(480, 0.5), Span(240, None), Span(240, 2)), counter=True)
    assert rule_tests.notation(counter, 120) == ("0.000000+60.000000x3 _x2 240.000000+240.000000x1 720.000000")
    gauge = Series("a", {}, (Span(240, 0.5),), counter=False)
    assert rule_tests.notation(gauge, 120) == "0.500000+0x1 0.500000"


def test_rules_are_written_as_they_are_loaded() -> None:
    groups = [
        Group("same", (rule("A", "b:c > 1", 90), Rule("b:c", False, "1", {}))),
        Group("same", (rule('odd "name"', "1"),)),
    ]
    written = rule_tests.files(groups, CASES[:1], 120)
    loaded = yaml.safe_load(written["rules.yml"])["groups"]
    assert loaded[0]["rules"][0] == {
        "alert": "A",
        "expr": "b:c > 1",
        "labels": {"severity": "warning"},
        "for": "90000ms",
    }
    assert loaded[0]["rules"][1]["record"] == "b:c"
    assert len({each["name"] for each in loaded}) == 2
    (test,) = yaml.safe_load(written["tests.yml"])["tests"]
    assert 'instance="node:9100"' in test["input_series"][0]["series"]


@pytest.mark.parametrize(
    ("query", "wait_s", "covered"),
    [
        (f"100 * (1 - avg(rate({CPU}[7d]))) > 60", 0, "cpu_target"),
        (f"1 - avg(rate({CPU}[7d])) > 0.6", 0, "cpu_target"),
        (f"1 - avg(rate({CPU}[7d])) > 0.65", 0, ""),
        ("cpu:used > 60", 0, "cpu_target"),
        (f"histogram_quantile(0.95, {BUCKETS}) > 2", 0, "p95_seconds"),
        (f"histogram_quantile(0.5, {BUCKETS}) > 2", 0, ""),
        ("other:used > 60", 0, ""),
        (f"avg(rate({CPU}[5m])) > 70", 7 * 86400, "cpu_trigger"),
        (f"avg(rate({CPU}[5m])) > 70", 6 * 86400, ""),
        (f"(min_over_time((1 - avg(rate({CPU}[1d])))[1w:1d]) > 0.7) and on() b >= 7", 0, "cpu_trigger"),
    ],
)
def test_without_promtool_the_expression_tells(query: str, wait_s: float, covered: str) -> None:
    groups = [Group("g", (rule("A", query, wait_s), Rule("cpu:used", False, f"100 * (1 - avg({CPU}))", {})))]
    observations = alert_numbers.covered_by_text(MANUAL, groups)
    assert all("no promtool here" in each.name for each in observations)
    met = [each.name for each in observations if each.met]
    assert len(met) == bool(covered)
    assert all(("7 days" in each) == (covered == "cpu_trigger") for each in met)


@pytest.fixture
def channel(transcript: Transcript) -> Callable[[targets.Promtool | None], PromtoolChannel]:
    def made(tool: targets.Promtool | None) -> PromtoolChannel:
        spec = targets.Prometheus(name="p", url="http://p", api_job="a", instances=["n"], promtool=tool)
        return PromtoolChannel(spec, transcript)

    return made


def test_a_promtool_of_the_runner_is_handed_files_alone(
    channel: Callable[[targets.Promtool | None], PromtoolChannel],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPSVERIFY_SECRET", "not for tools")
    program = tmp_path_factory.mktemp("bin") / "promtool"
    program.write_text('#!/bin/sh\necho "$@"; cat "$3"; /usr/bin/env; exit 1\n')
    program.chmod(0o755)
    said = channel(targets.Promtool(bin=str(program))).test({"tests.yml": "tests: []"}, "tests.yml")
    assert said.startswith("test rules tests.yml\ntests: []")
    assert "not for tools" not in said
    (here,) = re.findall(r"^TMPDIR=(.*opsv-promtool-.*)$", said, re.MULTILINE)
    assert not Path(here).exists(), "what it put down went with the folder"
    program.write_text("#!/bin/sh\necho broken; exit 2\n")
    with pytest.raises(UnansweredError, match="status 2: broken"):
        channel(targets.Promtool(bin=str(program))).test({}, "tests.yml")


@pytest.mark.parametrize("given", [{}, {"bin": "/usr/bin/promtool", "image": "an image"}, {"bin": "promtool"}])
def test_a_promtool_is_a_program_or_an_image(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        targets.Promtool.model_validate(given)


def test_without_a_promtool_there_is_none(
    channel: Callable[[targets.Promtool | None], PromtoolChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert not channel(None).here
    assert channel(targets.Promtool(image="an image")).here


def filesystem(device: str, fstype: str, mountpoint: str) -> Sample:
    return Sample({"device": device, "fstype": fstype, "mountpoint": mountpoint}, 1.0)


@pytest.mark.parametrize(
    ("told", "mountpoint"),
    [
        ([("/dev/loop0", "squashfs", "/snap/a"), ("/dev/sda1", "vfat", "/boot"), ("/dev/sda2", "ext4", "/")], "/"),
        ([("/dev/loop0", "squashfs", "/snap/a"), ("/dev/sda1", "ext4", "/data")], "/data"),
        ([("overlay", "overlay", "/")], "/"),
    ],
)
def test_the_filesystem_of_the_tests_is_one_that_rules_look_at(
    told: list[tuple[str, str, str]], mountpoint: str
) -> None:
    found = alert_behaviour._on_storage([filesystem(*each) for each in told])
    assert [each.labels["mountpoint"] for each in found] == [mountpoint]


def test_a_bucket_without_an_edge_is_an_error() -> None:
    with pytest.raises(UnansweredError, match="a bucket without an edge"):
        rule_tests.edge("soon")
