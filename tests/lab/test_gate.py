"""The change gate against the real stack: every word it can say, what it does then, and what it leaves behind.

One clean gate before a change serves most of the gates after it: a baseline may be held against as often as one likes.
Emergencies are verified by the critical requirements alone, so that is what most of these changes are.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lab import engine, faults
from lab.settings import STATE
from opsverify import cli
from opsverify.documents import project
from opsverify.gate import numbers
from opsverify.gate.settings import Gate
from opsverify.probes import latency
from opsverify.run import Run, new_id
from tests.lab.conftest import ROOT
from tests.lab.gates import CHANGE, Gates
from tests.lab.test_access import VIA_NODE

OPENED = "ufw allow 5432/tcp"  # a port that is nobody's business; all stays ready


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[Gates]:
    """Gates of one test."""
    found = Gates(tmp_path)
    yield found
    found.clean_up()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gates]:
    """Gates on a change that has a good baseline."""
    found = Gates(tmp_path_factory.mktemp("clean"))
    held = found.hold("pre")
    assert held.status == 0, held.said
    assert held.story["verdict"] == "GO", held.said
    assert held.seconds < 60
    yield found
    found.clean_up()


@pytest.fixture
def baseline(clean: Gates) -> Iterator[Gates]:
    """The same, with record and profile as they were for the baseline."""
    yield clean
    clean.record()
    clean.profile()


# ---- nothing got worse


def test_a_clean_change_goes_and_an_emergency_is_answered_in_under_a_minute(baseline: Gates) -> None:
    held = baseline.hold("post")
    assert held.status == 0, held.said
    assert held.story["verdict"] == "GO", held.about("WARN", "INCONCLUSIVE", "NO-GO")
    assert held.seconds < 60
    assert {each["comparison"] for each in held.story["checks"]} == {"ok"}
    assert held.story["drift"] == held.story["undone"] == []
    assert held.story["configuration"]["unread"] == {}
    assert {each["effect"] for each in held.story["numbers"]} == {"info"}
    directory = baseline.kept()[-1]
    assert sorted(each.name for each in directory.iterdir()) == [
        "SHA256SUMS",
        "gate.html",
        "gate.json",
        "redactions.json",
        "transcript.jsonl",
    ]
    known = [path.read_text().strip() for path in (STATE / "secrets").iterdir()]
    for path in directory.iterdir():
        assert not any(each in path.read_text(encoding="utf-8") for each in known), path.name
    show = baseline.hold("show")
    assert show.status == 0
    assert f"✓ GO for {CHANGE}" in show.output


def test_a_standard_change_is_verified_by_everything(gates: Gates) -> None:
    gates.record(class_="standard")
    for phase in ("pre", "post"):
        held = gates.hold(phase)
        assert held.status == 0, held.said
        assert held.story["verdict"] == "GO", held.about("WARN", "INCONCLUSIVE", "NO-GO")
        assert len(held.story["checks"]) > 150


def test_a_routine_change_is_verified_by_its_areas(gates: Gates) -> None:
    gates.record(class_="routine", areas=("performance",))
    held = gates.hold("pre")
    assert held.status == 0, held.said
    results = json.loads((ROOT / held.story["verification"]["directory"] / "results.json").read_text())
    of = {f"{each['requirement']}-{each['target']}": each for each in results["checks"]}
    wanted = {name for name, each in of.items() if each["chapter"] == "performance" or each["severity"] == "critical"}
    assert {each["subject"] for each in held.story["checks"]} == wanted


# ---- configuration


def declared(before: str, after: str) -> str:
    return f'[[expected]]\nwhat = "pg_settings postgres: work_mem"\nfrom = "{before}"\nto = "{after}"\n'


def test_a_declared_setting_is_shown_and_goes(baseline: Gates) -> None:
    was = faults.sql("SHOW work_mem")
    baseline.record(more=declared(was, "9MB"))
    with faults.server_setting("work_mem", "9MB"):
        held = baseline.hold("post")
    assert held.status == 0, held.said
    assert held.story["verdict"] == "GO", held.about("WARN", "INCONCLUSIVE", "NO-GO")
    (drift,) = held.story["drift"]
    assert (drift["area"], drift["name"], drift["declared"]) == ("pg_settings postgres", "work_mem", True)
    assert "work_mem" in held.output


def test_an_undeclared_setting_is_a_warning(baseline: Gates) -> None:
    with faults.server_setting("work_mem", "9MB"):
        held = baseline.hold("post")
    assert held.status == 0, held.said
    assert held.story["verdict"] == "WARN", held.about("INCONCLUSIVE", "NO-GO")
    assert list(held.about("WARN")) == ["configuration of pg_settings postgres"]


def test_what_was_declared_and_did_not_happen_is_named(baseline: Gates) -> None:
    baseline.record(more=declared(faults.sql("SHOW work_mem"), "9MB"))
    held = baseline.hold("post")
    assert held.status == 0, held.said
    assert held.story["verdict"] == "WARN"
    assert held.story["undone"][0]["what"] == "pg_settings postgres: work_mem"


# ---- something got worse


def hook(gates: Gates, script: str) -> tuple[str, ...]:
    path = gates.folder / "rollback.sh"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return (str(path), "one", "two words; false")


def test_a_regression_is_taken_back_and_everything_is_green_again(baseline: Gates) -> None:
    back = f"docker exec {engine.container_id('node')} /usr/local/sbin/firewall > /dev/null"
    baseline.record(hook=hook(baseline, f'echo "going back: $2"\n{back}'))
    with faults.firewall(OPENED):
        held = baseline.hold("post", CHANGE, "--execute-rollback")
    assert held.status == 10, held.said
    assert held.story["verdict"] == "NO-GO"
    assert held.comparison("SEC-FW-01-node") == "regression"
    rollback = held.story["rollback"]
    assert (rollback["exit_status"], rollback["output"]) == (0, "going back: two words; false")
    assert rollback["verdict"] == "GO", rollback["reasons"]
    assert rollback["verification"]["verdict"] == "met"


def test_a_rollback_that_does_not_help_is_said_to_be_none(baseline: Gates) -> None:
    baseline.record(hook=hook(baseline, "echo trying; exit 3"))
    with faults.firewall(OPENED):
        held = baseline.hold("post", CHANGE, "--execute-rollback")
    assert held.status == 10, held.said
    assert held.story["rollback"]["exit_status"] == 3
    assert held.story["rollback"]["verdict"] == "NO-GO"


def test_a_failure_from_before_is_a_warning_and_more_of_it_is_not(gates: Gates) -> None:
    with faults.day_removed(40):
        pre = gates.hold("pre")
        assert (pre.status, pre.story["verdict"]) == (0, "WARN"), pre.said
        same = gates.hold("post")
        assert (same.status, same.story["verdict"]) == (0, "WARN"), same.said
        assert same.comparison("CAP-STO-04-nightly") == "pre-existing"
        with faults.day_removed(50):
            worse = gates.hold("post")
        assert worse.status == 10, worse.said
        assert worse.comparison("CAP-STO-04-nightly") == "worsened"
    fixed = gates.hold("post")
    assert (fixed.status, fixed.story["verdict"]) == (0, "GO"), fixed.said
    assert fixed.comparison("CAP-STO-04-nightly") == "fixed"


def test_a_failure_of_what_must_pass_blocks_the_change_and_stays_one_after_it(gates: Gates) -> None:
    with faults.firewall(OPENED):
        pre = gates.hold("pre")
        assert pre.status == 10, pre.said
        assert "SEC-FW-01-node" in pre.about("NO-GO")
        post = gates.hold("post")
    assert post.status == 10, post.said
    assert post.comparison("SEC-FW-01-node") == "pre-existing"


# ---- it cannot be told


def test_a_check_that_is_lost_is_not_overlooked_unless_it_is_declared(baseline: Gates) -> None:
    service = '[[services]]\nname = "postgres-replica"\nrole = "postgres"\nhost = "node"\n\n'
    baseline.profile(replace={service: ""})
    held = baseline.hold("post")
    assert held.status == 20, held.said
    assert "postgres-replica" in str(held.about("INCONCLUSIVE"))
    scope = '[[scope]]\nsubject = "postgres-replica"\nbecomes = "removed"\nwhy = "It goes out of service"\n'
    baseline.record(more=scope)
    held = baseline.hold("post")
    assert (held.status, held.story["verdict"]) == (0, "GO"), held.said
    assert held.comparison("HLT-SVC-02-postgres-replica") == "coverage lost"


def test_a_database_that_cannot_be_reached_any_more_is_no_ground_to_go_back(gates: Gates) -> None:
    gates.profile(replace=VIA_NODE, settle=4)
    gates.record(hook=hook(gates, "touch went-back"))
    pre = gates.hold("pre")
    assert (pre.status, pre.story["verdict"]) == (0, "GO"), pre.said
    with faults.firewall("iptables -I INPUT 1 -p tcp --dport 22 -j REJECT --reject-with tcp-reset"):
        held = gates.hold("post", CHANGE, "--execute-rollback")
    assert held.status == 20, held.said
    assert held.story["rollback"] is None
    assert held.comparison("HLT-PG-01-postgres") == "unknown"
    assert not (ROOT / "went-back").exists()


def test_a_stale_baseline_is_none(gates: Gates) -> None:
    gates.profile(hours=0.0003)
    assert gates.hold("pre").status == 0
    held = gates.hold("post")
    assert held.status == 20, held.said
    assert "stale" in held.about("INCONCLUSIVE")["baseline"]


def test_the_baseline_of_another_profile_or_of_another_change_is_none(baseline: Gates) -> None:
    baseline.record("CHG-GATE-0002")
    other = baseline.hold("post", "CHG-GATE-0002")
    assert other.status == 20, other.said
    assert "no gate was held before CHG-GATE-0002" in other.about("INCONCLUSIVE")["baseline"]
    (baseline.documents / "changes/CHG-GATE-0002.toml").unlink()
    baseline.profile(name=f"{baseline.name}.b")
    other = baseline.hold("post")
    assert other.status == 20, other.said
    assert "no gate was held before" in other.about("INCONCLUSIVE")["baseline"]
    baseline.profile(samples=21)
    edited = baseline.hold("post")
    assert edited.status == 20, edited.said
    assert "profile is not the one of before" in edited.about("INCONCLUSIVE")["baseline"]


# ---- settling


@contextlib.contextmanager
def paused_for(service: str, seconds: float) -> Iterator[None]:
    """A service hangs for so many seconds, from now on."""
    container = engine.container_id(service)
    over = threading.Event()

    def hang() -> None:
        with faults.paused(service):
            began.set()
            over.wait(seconds)

    began = threading.Event()
    thread = threading.Thread(target=hang)
    thread.start()
    try:
        assert began.wait(30), container
        yield
    finally:
        over.set()
        thread.join()


def test_a_service_that_takes_20_seconds_is_waited_for(baseline: Gates) -> None:
    with paused_for("price-feed", 20):
        held = baseline.hold("post")
    assert (held.status, held.story["verdict"]) == (0, "GO"), held.said
    assert held.story["settling"]["settled"]
    assert 15 < held.story["settling"]["seconds"] < 60
    assert any("price-feed" in str(poll["waiting"]) for poll in held.story["settling"]["polls"])


def test_a_service_that_never_becomes_ready_leaves_it_open(gates: Gates) -> None:
    gates.profile(settle=4)
    assert gates.hold("pre").status == 0
    with faults.paused("price-feed"):
        held = gates.hold("post")
    assert held.status == 20, held.said
    assert not held.story["settling"]["settled"]
    assert "price-feed" in held.about("INCONCLUSIVE")["readiness"]


# ---- latency

BASE_MS = 40
RUNS = 20


def delayed(milliseconds: float) -> None:
    text = json.dumps({"health_delay_ms": milliseconds}).encode()
    engine.inside("tokenswap-api", "sh", "-c", f"cat > {faults.FAULT_SWITCH}", stdin=text)
    time.sleep(1.1)  # it is read once a second


def test_half_as_slow_again_is_no_go_and_nobody_goes_back_unless_told_to(gates: Gates) -> None:
    gates.record(hook=hook(gates, "touch went-back"))
    with faults.api_misbehaves(health_delay_ms=BASE_MS):
        assert gates.hold("pre").status == 0
        delayed(BASE_MS * 1.5)
        held = gates.hold("post")
        assert held.status == 10, held.said
        assert list(held.about("NO-GO")) == ["api api"]
        assert held.story["rollback"] is None
        assert not (ROOT / "went-back").exists()
        (measured,) = [each for each in held.story["numbers"] if each["name"] == "api api"]
        assert measured["p"] <= 0.01
        assert 0.2 < measured["worse_by"] < 0.7


def test_three_per_cent_of_noise_goes_in_20_runs_of_20(
    gates: Gates, record_property: Callable[[str, object], None]
) -> None:
    found = project(ROOT, str(gates.folder / "profile.toml"), date.today(), secrets=True)  # noqa: DTZ011  any day
    now = datetime.now(UTC)
    identity, name = new_id(now)
    directory = gates.folder / name
    directory.mkdir()
    run = Run(ROOT, found.loaded, found.catalogue, directory, identity, now, purpose="pre")
    settings = Gate()
    alarms: list[str] = []
    with contextlib.closing(run), faults.api_misbehaves(health_delay_ms=BASE_MS):
        pre = latency.latencies(run, settings.samples).samples
        for _ in range(RUNS):
            delayed(BASE_MS * random.uniform(0.97, 1.03))
            post = latency.latencies(run, settings.samples).samples
            measured = numbers.compare_all(pre, post, settings)
            alarms += [f"{each.name}: {each.why}" for each in measured if each.effect != "info"]
            pre = post
    rate = len(alarms) / (RUNS * len(pre))
    record_property("false_alarm_rate", rate)
    print(f"false alarms: {len(alarms)} of {RUNS} runs of {len(pre)} numbers, a rate of {rate:.3f}")
    assert alarms == []


# ---- wrong input


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (('class = "emergency"', 'class = "urgent"'), "class: "),
        (('reason = "recovery"\n', ""), "reason: "),
        (("id = ", "ident = "), "id"),
        ((f'id = "{CHANGE}"', 'id = "CHG-GATE-0009"'), "id: "),
        (('number = "LAB-1"', "number = 1"), "request.number: "),
        (("Z\n\n[assessment]", "\n\n[assessment]"), "request.at: "),  # a moment without a zone
        (("passed = true", 'passed = "yes"'), "test.passed: "),
        (('artefact = "evidence/', 'artefact = "../'), "test.artefact: "),
        (('sha256 = "', 'sha256 = "x'), "test.sha256: "),
        (("[window]", "[window"), "not readable as TOML"),
        (("[window]\nfrom", "[window]\nuntil"), "window."),
        (("[rollback]", '[rollback]\ncolour = "red"'), "rollback.colour: unknown key"),
    ],
)
def test_a_malformed_record_costs_one_line_and_nothing_is_asked(
    edit: tuple[str, str], said: str, gates: Gates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    gates.record(edit=edit)
    refused(gates, capsys, "pre", "changes/", said)


WAIVER = """
[[waiver]]
requirement = "RED-POL-01"
subject = "redis"
reason = "r"
risk = "r"
requested_by = "Jonas Brandt"
approved_by = "Mara Lindqvist"
ticket = "OPS-1"
created = {created}
expires = {expires}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RED-POL-01", "RED-POL-99"),
        ('"redis"', '"redis-2"'),
        ("Mara Lindqvist", "jonas  BRANDT"),
        ('ticket = "OPS-1"\n', ""),
        ("expires = {expires}", "expires = 2020-01-01"),
        ("{created}\nexpires = {expires}", "2020-01-01\nexpires = 2020-02-01"),
        ("expires = {expires}", "expires = {far}"),
        ("[[waiver]]", "[[waver]]"),
        ("[[waiver]]", "[[waiver]"),
        ('risk = "r"', 'risk = " "'),
    ],
)
def test_a_malformed_waiver_costs_one_line_and_nothing_is_asked(
    old: str, new: str, gates: Gates, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    today = datetime.now(UTC).date()
    assert old in WAIVER
    days = {"created": today, "expires": today + timedelta(days=30), "far": today + timedelta(days=200)}
    (gates.folder / "waivers.toml").write_text(WAIVER.replace(old, new).format(**days), encoding="utf-8")
    refused(gates, capsys, "post", "waivers.toml", "")


def refused(gates: Gates, capsys: pytest.CaptureFixture[str], phase: str, file: str, said: str) -> None:
    """In this process: nothing is begun, and to start a command takes longer than all that it does here."""
    status = cli.main(["gate", phase, CHANGE, "--profile", str(gates.folder / "profile.toml")])
    told = capsys.readouterr()
    assert status == 64, told.out + told.err
    assert told.err.count("\n") == 1, told.err
    assert file in told.err
    assert said in told.err
    assert not gates.reports.exists()


@pytest.mark.parametrize(
    ("table", "class_", "said"),
    [
        ("request", "emergency", "has no request"),
        ("window", "emergency", "has no window"),
        ("rollback", "emergency", "has no rollback plan"),
        ("approval", "standard", "was not approved"),
        ("test", "routine", "was not tested"),
    ],
)
def test_a_record_that_lacks_a_step_blocks_the_change(table: str, class_: str, said: str, gates: Gates) -> None:
    gates.record(class_=class_)
    path = gates.documents / f"changes/{CHANGE}.toml"
    head, *tables = path.read_text(encoding="utf-8").split("\n[")
    kept = [each for each in tables if not each.startswith(f"{table}]")]
    path.write_text("\n[".join([head, *kept]), encoding="utf-8")
    held = gates.hold("pre")
    assert held.status == 10, held.said
    assert held.about("NO-GO") == {CHANGE: said}
    assert held.seconds < 20


# ---- two at once, and broken off


@contextlib.contextmanager
def begun(gates: Gates, phase: str) -> Iterator[subprocess.Popen[str]]:
    """A gate in the middle of its verification."""
    child = subprocess.Popen(
        gates.command(phase, CHANGE), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with child:
        assert child.stdout is not None
        while "test session starts" not in (line := child.stdout.readline()):
            assert line, "it ended by itself"
        yield child
        if child.poll() is None:
            child.kill()
        child.stdout.read()


def test_two_gates_at_once_on_a_change_are_refused_and_a_killed_one_leaves_no_baseline(gates: Gates) -> None:
    with begun(gates, "pre") as child:
        second = gates.hold("pre")
        assert second.status == 64, second.said
        assert f"{CHANGE}: another gate is on this change already: a pre gate of" in second.errors
        assert second.errors.count("\n") == 1
        child.kill()
    assert gates.kept() == []
    held = gates.hold("post")
    assert held.status == 20, held.said
    assert "no gate was held before" in held.about("INCONCLUSIVE")["baseline"]
    left = {each.name for each in (gates.reports / "gates" / CHANGE).iterdir()}
    assert left == {".lock", gates.kept()[0].name}


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_gate_that_is_told_to_end_leaves_no_baseline(told: signal.Signals, gates: Gates) -> None:
    with begun(gates, "pre") as child:
        child.send_signal(told)
        assert child.stdout is not None
        output = child.stdout.read()
        assert child.wait(60) == 130, output
    assert gates.kept() == []
