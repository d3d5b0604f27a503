"""One look at everything: what answers is ready, whatever else is waited for by name, and nothing ever raises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from opsverify.errors import UnansweredError
from opsverify.gate.settings import Gate
from opsverify.gate.settling import settle
from opsverify.probes import caches, web
from opsverify.probes.containers import parse_list
from opsverify.probes.readiness import PATIENCE, hurried, poll, unready
from opsverify.profile import LoadedProfile, Profile
from opsverify.run import Run
from opsverify.transcript import Transcript

Serve = Callable[..., int]
Reply = Callable[..., Callable[[BaseHTTPRequestHandler], None]]
HEALTHY = b'{"status": "healthy"}'


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., Run]:
    """A run with an API, a database and a cache at these ports."""

    def make(api: int, database: int, cache: int, **more: Any) -> Run:
        at = {name: f"127.0.0.1:{port}" for name, port in {"api": api, "db": database, "cache": cache}.items()}
        account = {"user": "u", "password": {"env": "X"}}
        profile = {
            "name": "test",
            "description": "d",
            "apis": [{"name": "api", "url": f"http://{at['api']}"}],
            "databases": [{"name": "postgres", "address": at["db"], "dbname": "x", "sslmode": "disable", **account}],
            "caches": [{"name": "redis", "address": at["cache"], "managed": True, "timeout_s": 1, **account}],
            **more,
        }
        secrets = {"databases.postgres": SecretStr("hunter22"), "caches.redis": SecretStr("hunter22")}
        loaded = LoadedProfile(Profile.model_validate(profile), Path("p.toml"), "0" * 64, secrets)
        return Run(tmp_path, loaded, {}, tmp_path, "1", datetime.now(UTC), "post")  # type: ignore[arg-type]

    return make


def test_a_hurried_run_has_short_bounds_channels_of_its_own_and_the_same_transcript(runs: Callable[..., Run]) -> None:
    slow = runs(1, 2, 3)
    quick = hurried(slow)
    assert (quick.profile.apis[0].timeout_s, quick.profile.databases[0].timeout_s) == (PATIENCE, PATIENCE)
    assert quick.profile.caches[0].timeout_s == 1
    assert slow.profile.apis[0].timeout_s == 10
    assert quick.transcript is slow.transcript
    poll(quick)
    assert slow.channels == {}
    assert len(quick.channels) == 3
    quick.close()


def test_what_does_not_answer_is_waited_for_by_name_and_asked_anew(
    runs: Callable[..., Run], closed_port: int, transcript: Transcript
) -> None:
    quick = hurried(runs(closed_port, closed_port, closed_port))
    for _ in range(3):
        before = quick.transcript.count
        found = poll(quick)
        assert list(found.waiting) == ["api api", "cache redis", "database postgres"]
        assert all("refused" in why for why in found.waiting.values())
        assert quick.transcript.count - before == 3  # each was really asked
        assert found.at.tzinfo is not None
    quick.close()


def test_a_service_that_comes_up_late_is_seen_when_it_does(
    runs: Callable[..., Run], closed_port: int, reply: Reply
) -> None:
    class Late(BaseHTTPRequestHandler):
        do_GET = reply(200, HEALTHY)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    quick = hurried(runs(closed_port, 1, 1))
    servers: list[HTTPServer] = []

    def sleep(seconds: float) -> None:
        if len(slept) == 3:
            servers.append(HTTPServer(("127.0.0.1", closed_port), Late))
            threading.Thread(target=servers[0].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        slept.append(seconds)

    slept: list[float] = []
    only_api = quick.profile.model_copy(update={"databases": [], "caches": []})
    quick.loaded = quick.loaded._replace(profile=only_api)
    found = settle(partial(poll, quick), time.monotonic, sleep, Gate(settle_interval_seconds=0.1))
    assert found.settled
    assert [bool(each.waiting) for each in found.polls] == [True] * 4 + [False] * 3
    quick.close()
    servers[0].shutdown()
    servers[0].server_close()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, HEALTHY, ""),
        (200, b'{"status": "OK"}', ""),
        (503, HEALTHY, "answers with status 503 and claims to be: healthy"),
        (200, b'{"status": "starting"}', "answers with status 200 and claims to be: starting"),
        (200, b"<html>please log in</html>", "answers with status 200 and claims to be: no JSON"),
        (200, b"", "answers with status 200 and claims to be: no JSON"),
        (301, HEALTHY, "answers with status 301 and claims to be: healthy"),
    ],
)
def test_an_api_is_ready_when_it_says_so(
    runs: Callable[..., Run], web_server: Serve, reply: Reply, closed_port: int, status: int, body: bytes, why: str
) -> None:
    quick = hurried(runs(web_server(reply(status, body)), closed_port, closed_port))
    assert poll(quick).waiting.get("api api", "") == why
    quick.close()


def test_what_hangs_costs_one_short_time_out_side_by_side(runs: Callable[..., Run], web_server: Serve) -> None:
    def hang(request: BaseHTTPRequestHandler) -> None:
        time.sleep(1.5)

    port = web_server(hang)
    quick = hurried(runs(port, 1, port), seconds=0.5)
    for _ in range(2):
        begun = time.monotonic()
        found = poll(quick)
        assert time.monotonic() - begun < 1.3
        assert {"api api", "cache redis"} <= set(found.waiting)
    quick.close()


def test_nothing_that_a_probe_raises_gets_out(
    runs: Callable[..., Run], closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "health", lambda _: 1 / 0)
    monkeypatch.setattr(caches, "ping", lambda _: SimpleNamespace(required=lambda: "LOADING"))
    quick = hurried(runs(1, closed_port, 1))
    found = poll(quick).waiting
    assert found["api api"] == "division by zero"
    assert found["cache redis"] == "answers PING with 'LOADING'"
    quick.close()


def test_an_engine_that_does_not_answer_is_waited_for(runs: Callable[..., Run], closed_port: int) -> None:
    host = {"name": "node", "connection": "local://", "docker_api": f"http://127.0.0.1:{closed_port}"}
    quick = hurried(runs(closed_port, closed_port, closed_port, hosts=[host]))
    assert "host node" in poll(quick).waiting
    quick.close()


def container(status: str = "Up 5 minutes (healthy)", state: str = "running", **labels: str) -> dict[str, Any]:
    """A container of the service redis as the engine lists it, with some things other than they were."""
    known = {"project": "tokenswap-lab", "service": "redis", "oneoff": "False", **labels}
    return {
        "Names": ["/tokenswap-lab_redis_1"],
        "State": state,
        "Status": status,
        "Labels": {f"com.docker.compose.{key}": value for key, value in known.items()},
    }


NAME = "container tokenswap-lab_redis_1 on node"
ENDED = "Exited (0) 3 minutes ago"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (container(), ""),
        (container("Up Less than a second"), ""),
        (container("Up 3 seconds (health: starting)"), "is running, its health is starting"),
        (container("Up 2 hours (unhealthy)"), "is running, its health is unhealthy"),
        (container("Restarting (1) 5 seconds ago", "restarting"), "is restarting"),
        (container("Up 5 minutes (Paused)", "paused"), "is paused"),
        (container("Created", "created"), "is created"),
        (container(ENDED, "exited"), "is exited"),
        (container(ENDED, "exited", service="migration"), ""),
        (container("Dead", "dead", service="migration"), "is dead"),
        (container("Up 2 hours (unhealthy)", service="worker"), "is running, its health is unhealthy"),
        (container(ENDED, "exited", oneoff="True"), ""),
    ],
)
def test_what_is_meant_to_run_does(found: dict[str, Any], why: str) -> None:
    also = container() | {"Names": ["/tokenswap-lab_redis_2"]}
    assert unready("node", "tokenswap-lab", ["redis"], parse_list([found, also])) == ({NAME: why} if why else {})


def test_a_service_without_a_container_is_waited_for() -> None:
    mine = parse_list([container()])
    assert unready("node", "tokenswap-lab", ["redis", "api"], mine) == {"service api on node": "has no container"}
    other = parse_list([container(project="other")])
    assert "service redis on node" in unready("node", "tokenswap-lab", ["redis"], other)
    assert unready("node", None, ["redis"], other) == {}
    once = parse_list([container(oneoff="True")])
    assert "service redis on node" in unready("node", "tokenswap-lab", ["redis"], once)
    assert "service redis on node" in unready("node", "tokenswap-lab", ["redis"], [])


@pytest.mark.parametrize("data", [None, 1, [1], [{}], [container() | {"Names": []}], [container() | {"Status": None}]])
def test_a_list_that_is_not_understood_is_an_error(data: Any) -> None:
    with pytest.raises(UnansweredError, match="docker ps"):
        parse_list(data)


@given(
    st.sampled_from(["running", "exited", "created", "restarting", "dead", "paused", "removing"]), st.text(max_size=9)
)
def test_a_container_of_the_inventory_is_ready_only_when_it_runs(state: str, status: str) -> None:
    ready = not unready("node", None, ["redis"], parse_list([container(status, state)]))
    assert ready is (state == "running")
