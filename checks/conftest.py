"""Facts that checks of several chapters need."""

from collections.abc import Sequence
from typing import Any

import pytest

from opsverify import targets
from opsverify.channels.shell import Host
from opsverify.fixtures import Facts
from opsverify.probes import containers as docker
from opsverify.probes import machine, scripts


@pytest.fixture
def everything(host: Host, fact: Facts) -> Sequence[docker.Container]:
    """All containers of the host's engine."""
    return fact(docker.containers, host)  # type: ignore[no-any-return]


@pytest.fixture
def containers(host: Host, service: targets.Service, everything: Any) -> Sequence[docker.Container]:
    """The containers of the service that the check is about."""
    return docker.of_service(host, everything, service.name)


@pytest.fixture
def usages(
    host: Host, everything: Sequence[docker.Container], containers: Sequence[docker.Container], fact: Facts
) -> list[tuple[docker.Container, docker.Usage]]:
    """What the running containers of the service use."""
    running = tuple(each.id for each in everything if each.status == "running")
    used = fact(docker.usages, host, running)
    return [(each, used[each.id].required()) for each in containers if each.status == "running"]


@pytest.fixture
def filesystems(host: Host, fact: Facts) -> Sequence[machine.Filesystem]:
    """The host's filesystems on storage."""
    return fact(machine.filesystems, host)  # type: ignore[no-any-return]


@pytest.fixture
def logs(
    host: Host, containers: Sequence[docker.Container], fact: Facts
) -> list[tuple[docker.Container, docker.Log | None]]:
    """The end of each container's log; None where its driver keeps nothing."""
    return [(each, None if each.log_driver == "none" else fact(docker.log, host, each.id)) for each in containers]


@pytest.fixture
def found(host: Host, script: targets.Script, fact: Facts) -> scripts.Script | None:
    """The script that the check is about, as it lies on its host."""
    return fact(scripts.script, host, script.path)  # type: ignore[no-any-return]


@pytest.fixture
def runs(host: Host, script: targets.Script, fact: Facts) -> scripts.Runs | None:
    """What is on record of the script's runs."""
    return fact(scripts.runs, host, script.runs)  # type: ignore[no-any-return]
