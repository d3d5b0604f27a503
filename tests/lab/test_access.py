"""Databases and caches that a provider manages, and those that only a host can reach."""

from __future__ import annotations

import json

from lab import engine, faults
from tests.lab.cases.services import UNSEEN
from tests.lab.conftest import Outcome, Verify

CONFIG_FILE = 'config_file = { host = "node", path = "/etc/tokenswap/redis/redis.conf" }'
MANAGED = {
    'user = "ops_verify"\npassword = { file = "lab/.state/secrets/postgres_ops_verify" }': (
        'managed = true\nuser = "ops_managed"\npassword = { file = "lab/.state/secrets/postgres_ops_managed" }'
    ),
    'user = "ops_verify"\npassword = { file = "lab/.state/secrets/redis_ops_verify" }': (
        'user = "ops_managed"\npassword = { file = "lab/.state/secrets/redis_ops_managed" }'
    ),
    CONFIG_FILE: "managed = true",
}
VIA_NODE = {
    'address = "127.0.0.1:${LAB_PORT_POSTGRES:-15432}"': 'address = "postgres:5432"\nvia = "node"',
    'address = "127.0.0.1:${LAB_PORT_REDIS:-16379}"': 'address = "redis:6379"\nvia = "node"',
}
OF_BOTH = "HLT-PG or PERF-PGSS or PERF-STAT or PERF-IDX or BP-PERF-04 or RED-"


def questions(outcome: Outcome, channel: str) -> list[str]:
    lines = (outcome.directory / "transcript.jsonl").read_text(encoding="utf-8").splitlines()
    return [str(each["question"]) for each in map(json.loads, lines) if each["channel"] == channel]


def test_managed_services_end_in_error_where_too_little_may_be_seen_and_never_pass_for_it(verify: Verify) -> None:
    outcome = verify(replace=MANAGED)
    unseen = ("RED-POL-01-redis", "BP-SEC-02-postgres", "SEC-KEY-01-api-keys")
    assert outcome.red == {**UNSEEN, **dict.fromkeys(unseen, "error")}, outcome.output
    assert "pg_monitor" in outcome.check("PERF-PGSS-01-postgres")["message"]
    assert "managed" in outcome.check("RED-POL-01-redis")["message"]
    assert "permission denied for view pg_hba_file_rules" in outcome.check("BP-SEC-02-postgres")["message"]
    assert "permission denied for schema ops" in outcome.check("SEC-KEY-01-api-keys")["message"]
    # What needs no more than a login is still told.
    assert outcome.states["HLT-PG-02-postgres"] == outcome.states["PERF-STAT-01-postgres"] == "pass"
    for each in ("RED-MEM-01-redis", "RED-EXP-01-redis", "BP-SEC-02-redis"):
        assert outcome.states[each] == "pass"
    assert "CONFIG" not in " ".join(questions(outcome, "cache"))


def test_what_a_managed_cache_shows_to_be_wrong_is_a_failure(verify: Verify) -> None:
    with faults.redis_setting("maxmemory-policy", "noeviction"):
        outcome = verify("-k", "RED-POL", replace=MANAGED)
    assert outcome.red == {"RED-POL-01-redis": "fail"}


def logins() -> int:
    return int(engine.inside("node", "grep", "-c", "Accepted publickey", "/var/log/auth.log").strip())


def test_databases_are_reached_through_the_one_ssh_connection_of_a_host(verify: Verify) -> None:
    before = logins()
    outcome = verify("-k", f"{OF_BOTH} or HLT-MEM", replace=VIA_NODE)
    assert outcome.red == {}, outcome.output
    assert logins() == before + 1
    shell = questions(outcome, "shell")
    assert {"forward postgres:5432", "forward redis:6379"} <= set(shell)
    assert len([each for each in shell if each.startswith("forward")]) == 2


def test_parallel_workers_reach_them_too(verify: Verify) -> None:
    outcome = verify("-k", OF_BOTH, "-n", "2", replace=VIA_NODE)
    assert outcome.red == {}, outcome.output


def test_a_database_behind_a_host_that_cannot_be_reached_is_not_said_to_be_down(verify: Verify) -> None:
    outcome = verify("-k", OF_BOTH, replace={**VIA_NODE, "127.0.0.1:${LAB_PORT_SSH:-12222}": "127.0.0.1:1"})
    tested = {name: state for name, state in outcome.states.items() if state != "not-tested"}
    assert set(tested.values()) == {"error"}
    assert "over ssh" in outcome.check("HLT-PG-01-postgres")["message"]


def test_what_answers_behind_a_host_and_is_no_database_is_a_failure(verify: Verify) -> None:
    no_database = {each: new.replace("postgres:5432", "redis:6379") for each, new in VIA_NODE.items()}
    outcome = verify("-k", "HLT-PG-01 or HLT-PG-02 or HLT-PG-03", replace=no_database)
    assert outcome.red == {
        "HLT-PG-01-postgres": "fail",
        "HLT-PG-02-postgres": "fail",
        "HLT-PG-03-postgres": "error",
    }
    assert "via host node" in outcome.check("HLT-PG-02-postgres")["message"]
