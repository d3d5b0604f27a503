"""A run as its user sees it: selection, parallel workers, unreachable targets, own checks, and that nothing changes."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from lab import engine, faults
from opsverify.evidence.formats import FORMATS
from tests.lab.conftest import ROOT, Outcome, Verify


def transcript(outcome: Outcome) -> list[dict[str, object]]:
    text = (outcome.directory / "transcript.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_healthy_lab_is_all_green(verify: Verify) -> None:
    begun = time.monotonic()
    outcome = verify()
    assert outcome.red == {}, outcome.output
    assert outcome.exit_status == 0
    assert outcome.results["run"]["verdict"] == "met"
    assert not outcome.results["run"]["partial"]
    assert outcome.results["population"]["reconciled"]
    assert set(outcome.states.values()) == {"pass", "attested"}
    assert "MEETS THE MANUAL" in outcome.output
    assert time.monotonic() - begun < 60
    for name in ("results.json", "transcript.jsonl", "report.html", *(each.file for each in FORMATS.values())):
        assert (outcome.directory / name).stat().st_size > 0
    for check in outcome.results["checks"]:
        assert check["observations"], f"{check['requirement']} passed without showing anything"
        assert check["exchanges"], f"{check['requirement']} rests on no exchange"


def test_parallel_workers_reach_the_same_states(once: Verify) -> None:
    outcome = once("-n", "2")
    assert outcome.red == {}, outcome.output
    assert outcome.results["population"]["reconciled"]
    ids = [line["id"] for line in transcript(outcome)]
    assert len(ids) == len(set(ids))
    assert {each for check in outcome.results["checks"] for each in check["exchanges"]} <= set(ids)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (("-k", "HLT-PG"), lambda check: check["requirement"].startswith("HLT-PG")),
        (("-m", "critical"), lambda check: check["severity"] == "critical"),
        (
            ("-m", "security and not slow"),
            lambda check: check["chapter"] == "security" and check["requirement"] != "SEC-KEY-02",
        ),
    ],
    ids=["k", "severity", "chapter"],
)
def test_a_selection_runs_what_it_names_and_says_what_it_left_out(selection, chosen, verify: Verify) -> None:  # type: ignore[no-untyped-def]
    outcome = verify(*selection)
    tested = {each["requirement"] for each in outcome.results["checks"] if each["state"] != "not-tested"}
    assert tested == {each["requirement"] for each in outcome.results["checks"] if chosen(each)}
    assert outcome.results["run"]["partial"]
    left_out = [each for each in outcome.results["checks"] if each["state"] == "not-tested"]
    assert all("selection" in each["message"] for each in left_out)
    assert outcome.exit_status == 0
    assert "PARTIAL" in outcome.output.upper()


def test_a_node_id_chooses_one_check(verify: Verify) -> None:
    node = "checks/health/test_cache.py::test_cache_answers[HLT-RED-01-redis]"
    outcome = verify(paths=(node,))
    assert {name for name, state in outcome.states.items() if state != "not-tested"} == {"HLT-RED-01-redis"}


def test_an_unreachable_host_costs_one_time_out_and_turns_nothing_green_or_red(once: Verify) -> None:
    outcome = once(replace={"127.0.0.1:${LAB_PORT_SSH:-12222}": "127.0.0.1:1"})
    on_host = {name for name, state in outcome.states.items() if state == "error"}
    assert "HLT-MEM-01-node" in on_host
    assert "SEC-FW-01-node" in on_host
    assert "fail" not in outcome.states.values()
    shell = [line for line in transcript(outcome) if line["channel"] == "shell" and line["target"] == "node"]
    assert len(shell) == 1, "the host was asked again after it had been found unreachable"
    assert outcome.exit_status == 1


def test_a_host_that_hangs_costs_one_time_out(verify: Verify) -> None:
    asked = "HLT-MEM-01 or NET-PORT-02 or SEC-FW-01 or CAP-TRG-DISK-01"
    with faults.paused("node"):
        outcome = verify("-k", asked)
    assert {state for state in outcome.states.values() if state != "not-tested"} == {"error"}
    assert len([line for line in transcript(outcome) if line["channel"] == "shell"]) == 1
    assert outcome.results["run"]["duration_s"] < 20


def test_a_host_can_be_asked_through_docker(verify: Verify) -> None:
    ssh = "ssh://opsverify@127.0.0.1:${LAB_PORT_SSH:-12222}"
    outcome = verify("-k", "HLT-MEM-01 or NET-PORT or BAK", replace={ssh: f"docker://{engine.container_id('node')}"})
    assert outcome.red == {}, outcome.output
    asked = [line for line in transcript(outcome) if line["target"] == "node"]
    assert {line["account"] for line in asked} == {engine.container_id("node")}


OWN_REQUIREMENT = """
[[requirement]]
id = "OWN-SSH-01"
title = "sshd's configuration belongs to root"
title_zh = "sshd 配置属于 root"
manual = "安全运维 › 3. 网络安全"
lines = "178"
statement = "Nobody but root may change how sshd lets people in."
statement_zh = "只有 root 可以修改 sshd 的登录配置。"
severity = "medium"
kind = ["config"]
missing = "fail"
must_pass = false
remedy = "chown root the file, and find out who changed it."
remedy_zh = "将文件所有者改回 root，并查明修改者。"
target = "host"
"""
OWN_CHECK = """
import pytest

@pytest.mark.requirement("OWN-SSH-01")
def test_own(host):
    assert {assertion}
"""


@pytest.fixture
def own_checks(tmp_path: Path) -> Path:
    """A project of a user's own: this suite's plugin, one requirement, no check yet."""
    root = tmp_path / "project"
    (root / "checks" / "own").mkdir(parents=True)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    (root / "lab").symlink_to(ROOT / "lab")
    (root / "checks/own/requirements.toml").write_text(OWN_REQUIREMENT, encoding="utf-8")
    return root


# The lab's documents speak of this suite's catalogue, which a project of a user's own does not have.
UNATTESTED = {
    f'{name} = "lab/.state/documents/{name}{end}"\n': "" for name, end in (("attestations", ".toml"), ("changes", ""))
}


def write_check(root: Path, assertion: str) -> None:
    (root / "checks/own/test_own.py").write_text(OWN_CHECK.format(assertion=assertion), encoding="utf-8")


def test_a_check_that_uses_only_the_host_fixture_is_recorded(own_checks: Path, verify: Verify) -> None:
    write_check(own_checks, "host.file('/etc/ssh/sshd_config').user == 'root'")
    outcome = verify(root=own_checks, replace=UNATTESTED)
    check = outcome.check("OWN-SSH-01-node")
    assert check["state"] == "pass", check
    assert "root" in str(check["observations"])
    assert any("/etc/ssh/sshd_config" in str(line["question"]) for line in transcript(outcome))


def test_a_check_that_uses_only_the_host_fixture_is_guarded(own_checks: Path, verify: Verify) -> None:
    write_check(own_checks, "host.run('touch /tmp/was-here').rc == 0")
    outcome = verify(root=own_checks, replace=UNATTESTED)
    check = outcome.check("OWN-SSH-01-node")
    assert check["state"] == "error"
    assert "refused" in check["message"]
    assert engine.inside("node", "sh", "-c", "test -e /tmp/was-here && echo there || echo absent").strip() == "absent"


def test_a_run_changes_nothing(verify: Verify) -> None:
    before = snapshot()
    verify()
    assert snapshot() == before


CHANGING = ("flushdb", "flushall", "config|set", "config|rewrite", "acl|setuser", "shutdown", "replicaof")


def snapshot() -> dict[str, str]:
    """What a run could change and must not: settings, rows, roles, Redis, files, firewall, containers.

    What the lab's own customers change meanwhile (swaps, keys of the API) is left out.
    """
    files = "find /backup /etc/tokenswap /etc/ufw /etc/ssh -type f -not -path '/backup/wal/*' -exec sha256sum {} +"
    commandstats = faults.redis("INFO", "commandstats").splitlines()
    counted = tuple(f"cmdstat_{each}:" for each in CHANGING)
    return {
        "settings": faults.sql("SELECT md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings"),
        "rows": faults.sql(
            "SELECT string_agg(relname || n_tup_ins + n_tup_upd + n_tup_del, ',' ORDER BY relname)"
            " FROM pg_stat_user_tables WHERE relname IN ('users', 'api_keys')"
        ),
        "roles": faults.sql(
            "SELECT string_agg(rolname || rolsuper || rolcanlogin, ',' ORDER BY rolname) FROM pg_roles"
        ),
        "redis": faults.redis("CONFIG", "GET", "*max*"),
        "commands": "\n".join(line for line in commandstats if line.startswith(counted)),
        "files": engine.inside("node", "sh", "-c", f"{files} | sort -k 2"),
        "firewall": engine.inside("node", "sh", "-c", "iptables -S; ip6tables -S"),
        "containers": str(sorted((name, each["State"]["StartedAt"]) for name, each in engine.containers().items())),
    }


def test_secrets_reach_no_file(once: Verify) -> None:
    outcome = once()
    secrets = [path.read_text().strip() for path in (ROOT / "lab/.state/secrets").iterdir()]
    for path in (each for each in outcome.directory.rglob("*") if each.is_file()):
        text = path.read_text(encoding="utf-8")
        assert not any(secret in text for secret in secrets), path.name
