"""Containers, from real answers of an engine and hostile ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes.containers import (
    Published,
    Usage,
    containers,
    has_image,
    of_service,
    parse_inspect,
    parse_stats,
    parse_time,
)


@pytest.fixture
def inspected(captured: Callable[[str], str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(captured("inspect-redis.json"))
    return found


def test_a_real_container(inspected: dict[str, Any]) -> None:
    found = parse_inspect(inspected)
    assert (found.name, found.project, found.service) == ("tokenswap-lab_redis_1", "tokenswap-lab", "redis")
    assert (found.status, found.health, found.restart_policy) == ("running", "healthy", "unless-stopped")
    assert found.memory_limit == 268435456
    assert [str(each) for each in found.published] == ["127.0.0.1:16379->6379/tcp"]
    assert not found.published[0].wide
    assert found.image == "sha256:8e964dc1a9f124b85f6b728f57a88738910edd0c02120a82db00aa6271ab8207"


def test_a_container_without_a_health_check_has_no_health(inspected: dict[str, Any]) -> None:
    del inspected["State"]["Health"]
    assert parse_inspect(inspected).health is None
    inspected["State"]["Health"] = None
    assert parse_inspect(inspected).health is None


@pytest.mark.parametrize("bindings", [None, {}, {"80/tcp": None}, {"80/tcp": []}])
def test_a_container_that_publishes_nothing(inspected: dict[str, Any], bindings: Any) -> None:
    inspected["NetworkSettings"]["Ports"] = bindings
    assert parse_inspect(inspected).published == ()


@pytest.mark.parametrize(
    ("address", "wide"), [("", True), ("0.0.0.0", True), ("::", True), (None, True), ("127.0.0.1", False)]
)
def test_a_port_is_published_wide_unless_an_address_is_named(
    inspected: dict[str, Any], address: str | None, wide: bool
) -> None:
    inspected["NetworkSettings"]["Ports"] = {"80/tcp": [{"HostIp": address, "HostPort": "8080"}]}
    assert parse_inspect(inspected).published[0].wide is wide


def test_a_port_that_the_engine_chooses_has_no_number_yet(inspected: dict[str, Any]) -> None:
    inspected["State"]["Status"] = "exited"
    inspected["HostConfig"]["PortBindings"] = {"80/tcp": [{"HostIp": "", "HostPort": ""}]}
    assert parse_inspect(inspected).published == (Published("", 0, "80/tcp"),)


def test_ports_published_all_at_once_are_seen(inspected: dict[str, Any]) -> None:
    inspected["HostConfig"] |= {"PublishAllPorts": True, "PortBindings": {}}
    inspected["NetworkSettings"]["Ports"] = {"6379/tcp": [{"HostIp": "0.0.0.0", "HostPort": "49153"}]}
    assert [str(each) for each in parse_inspect(inspected).published] == ["0.0.0.0:49153->6379/tcp"]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("running", ["0.0.0.0:8003->80/tcp"]),
        ("paused", ["0.0.0.0:8003->80/tcp"]),
        ("restarting", ["*:8002->80/tcp", "*:8003->80/tcp"]),
        ("exited", ["*:8002->80/tcp", "*:8003->80/tcp"]),
        ("created", ["*:8002->80/tcp", "*:8003->80/tcp"]),
    ],
)
def test_what_is_bound_counts_and_else_what_may_be(inspected: dict[str, Any], status: str, shown: list[str]) -> None:
    inspected["State"]["Status"] = status
    inspected["HostConfig"]["PortBindings"] = {"80/tcp": [{"HostIp": "", "HostPort": "8002-8003"}]}
    inspected["NetworkSettings"]["Ports"] = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8003"}]}
    assert [str(each) for each in parse_inspect(inspected).published] == shown


@pytest.mark.parametrize("port", ["8010-8000", "1-99999999999", "80-", "-80", "http", "65536", "1-2-3"])
def test_what_is_no_port_is_an_error(inspected: dict[str, Any], port: str) -> None:
    inspected["NetworkSettings"]["Ports"] = {"80/tcp": [{"HostIp": "", "HostPort": port}]}
    with pytest.raises(UnansweredError, match="docker inspect: the answer is not understood: ValueError"):
        parse_inspect(inspected)


class Engine:
    """A host whose engine lists containers, and has forgotten some of them by the time they are inspected."""

    def __init__(self, **inspected: dict[str, Any] | None) -> None:
        self.name, self.inspected = "there", inspected
        self.spec = SimpleNamespace(
            docker_api="http://127.0.0.1:1", compose_project="tokenswap-lab", shared_engine=False
        )
        self.status = 404

    def run(self, command: str, *_: str, **__: Any) -> SimpleNamespace:
        path = command.partition("127.0.0.1:1")[2].strip("'")
        if path.startswith("/containers/json"):
            return self.answer([{"Id": each, "Labels": {}} for each in self.inspected])
        return self.answer(self.inspected[path.split("/")[2]])

    def answer(self, data: Any) -> SimpleNamespace:
        said = f"{json.dumps(data)}{200 if data is not None else self.status}"
        return SimpleNamespace(rc=0, stdout=said, stdout_bytes=said.encode(), stderr="")


def test_a_container_that_is_gone_since_it_was_listed_is_gone(inspected: dict[str, Any]) -> None:
    host: Any = Engine(a=inspected, b=None)
    assert [each.service for each in containers(host)] == ["redis"]
    host.status = 500
    with pytest.raises(UnansweredError, match="answered /containers/b/json with status 500"):
        containers(host)
    with pytest.raises(InsufficientFactsError, match="lists no container"):
        containers(Engine(b=None))  # type: ignore[arg-type]


def test_an_image_is_there_by_its_id() -> None:
    host: Any = Engine(**{"sha256:aa": {"Id": "sha256:aa"}, "sha256:bb": None, "sha256:cc": {}})
    assert has_image(host, "sha256:aa")
    assert not has_image(host, "sha256:bb")
    with pytest.raises(UnansweredError, match="tells no id of the image sha256:cc"):
        has_image(host, "sha256:cc")
    host.status = 500
    with pytest.raises(UnansweredError, match="answered /images/sha256:bb/json with status 500"):
        has_image(host, "sha256:bb")


def test_what_was_run_for_one_command_is_none_of_the_service(inspected: dict[str, Any]) -> None:
    once = copy.deepcopy(inspected)
    once["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"
    host: Any = Engine(a=inspected, b=once)
    assert [each.oneoff for each in containers(host)] == [False, True]
    assert of_service(host, containers(host), "redis") == (parse_inspect(inspected),)


def test_a_container_without_labels_belongs_to_nobody(inspected: dict[str, Any]) -> None:
    inspected["Config"]["Labels"] = None
    assert (parse_inspect(inspected).project, parse_inspect(inspected).service) == ("", "")


def test_an_empty_restart_policy_is_none(inspected: dict[str, Any]) -> None:
    inspected["HostConfig"]["RestartPolicy"]["Name"] = ""
    assert parse_inspect(inspected).restart_policy == "no"


@pytest.mark.parametrize("key", ["Id", "Name", "State", "HostConfig", "Config", "RestartCount", "Created", "Image"])
def test_a_field_that_is_missing_is_named(inspected: dict[str, Any], key: str) -> None:
    del inspected[key]
    with pytest.raises(UnansweredError, match=f"docker inspect.*KeyError: '{key}'"):
        parse_inspect(inspected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("State", []),
        ("State", "running"),
        ("Name", 3),
        ("Config", {"Labels": ["a"]}),
        ("HostConfig", {"PortBindings": {}, "RestartPolicy": [], "Memory": 0}),
        ("NetworkSettings", {"Ports": [1]}),
    ],
)
def test_an_answer_of_another_shape_is_an_error(inspected: dict[str, Any], key: str, value: Any) -> None:
    with pytest.raises(UnansweredError, match="docker inspect: the answer is not understood"):
        parse_inspect(inspected | {key: value})


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-23T02:55:28.370441619Z", 370441),
        ("2026-11-23T02:55:28.370441Z", 370441),
        ("2026-11-23T02:55:28.37Z", 370000),
        ("2026-11-23T02:55:28Z", 0),
        ("2026-11-23T03:55:28.370441619+01:00", 370441),
    ],
)
def test_a_time_stamp_may_have_nanoseconds(text: str, microsecond: int) -> None:
    assert parse_time(text) == datetime(2026, 11, 23, 2, 55, 28, microsecond, UTC)


def test_a_container_that_never_started_has_the_first_moment_of_all() -> None:
    assert parse_time("0001-01-01T00:00:00Z").year == 1


@pytest.mark.parametrize("text", ["", "yesterday", "0001-01-01T00:00:00+08:00", "9999-99-99T00:00:00Z"])
def test_a_time_stamp_that_is_none_is_an_error(inspected: dict[str, Any], text: str) -> None:
    inspected["State"]["StartedAt"] = text
    with pytest.raises(UnansweredError):
        parse_inspect(inspected)


def test_real_figures_of_cgroup_1(captured: Callable[[str], str]) -> None:
    found = parse_stats(json.loads(captured("stats-cgroup1.json")))
    assert found.limit == 268435456
    assert 0 < found.resident <= found.memory < found.limit
    assert found.cpu_seconds > 0


def stats(**detail: int) -> dict[str, Any]:
    return {
        "memory_stats": {"usage": 100, "limit": 1000, "stats": detail},
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
    }


def test_cgroup_2_has_other_names() -> None:
    assert parse_stats(stats(anon=40, file=50, inactive_file=30)) == Usage(70, 40, 1000, 2.5)


def test_cgroup_1_counts_children_too() -> None:
    found = parse_stats(stats(rss=1, total_rss=40, inactive_file=1, total_inactive_file=30))
    assert found == Usage(70, 40, 1000, 2.5)


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        {"memory_stats": {}, "cpu_stats": {}},
        {"memory_stats": {"usage": 1, "limit": 2}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}},
        {"memory_stats": {"usage": 1, "limit": 2, "stats": []}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}},
    ],
)
def test_a_container_that_does_not_run_has_no_figures(data: Any) -> None:
    with pytest.raises(UnansweredError, match="docker stats: no memory figures"):
        parse_stats(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=2)
        | st.dictionaries(st.sampled_from(["State", "HostConfig", "Config", "Labels", "stats", "x"]), each, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_hostile_json_is_an_answer_or_an_error_never_a_crash(data: Any) -> None:
    for parse in (parse_inspect, parse_stats):
        with pytest.raises(UnansweredError):
            parse(data)


@pytest.mark.parametrize(
    ("file", "name", "project"),
    [
        ("inspect-compose-v1.json", "captv1_worker_1", "captv1"),
        ("inspect-compose-v2.json", "captv2-worker-1", "captv2"),
    ],
)
def test_a_container_of_either_compose(captured: Callable[[str], str], file: str, name: str, project: str) -> None:
    found = parse_inspect(json.loads(captured(file)))
    assert (found.name, found.project, found.service, found.oneoff) == (name, project, "worker", False)
    assert (found.status, found.health, found.restart_policy) == ("running", "healthy", "unless-stopped")
    assert (found.log_driver, found.memory_limit, found.restart_count) == ("json-file", 100663296, 0)
    assert not found.oom_killed
    assert found.published == ()
    assert found.created < found.started_at


@pytest.mark.parametrize("driver", ["json-file", "local", "journald", "none", "syslog", ""])
def test_a_container_has_a_log_driver(inspected: dict[str, Any], driver: str) -> None:
    inspected["HostConfig"]["LogConfig"] = {"Type": driver, "Config": {}}
    assert parse_inspect(inspected).log_driver == driver


@pytest.mark.parametrize("configuration", [None, {}, [], "none", {"type": "none"}])
def test_a_container_without_a_log_driver_is_an_error(inspected: dict[str, Any], configuration: Any) -> None:
    inspected["HostConfig"]["LogConfig"] = configuration
    with pytest.raises(UnansweredError, match="docker inspect: the answer is not understood"):
        parse_inspect(inspected)


@pytest.mark.parametrize(("oneoff", "is_one"), [("True", True), ("False", False), ("true", False), (None, False)])
def test_only_what_compose_ran_for_one_command_is_a_oneoff(
    inspected: dict[str, Any], oneoff: str | None, is_one: bool
) -> None:
    inspected["Config"]["Labels"]["com.docker.compose.oneoff"] = oneoff
    assert parse_inspect(inspected).oneoff is is_one
