"""Nobody is root by accident: neither people on the host, nor what runs in its containers."""

import pytest

from opsverify.probes import containers as docker
from opsverify.probes import privileges
from opsverify.rules import privileges as rules


@pytest.fixture
def confined(run, host, request):
    """The containers to look at: of a shared engine those of the services, else all; None without any known engine."""
    services = [each.name for each in run.profile.services if each.host == host.name]
    if not services and host.spec.docker_api is None:
        return None
    everything = request.getfixturevalue("everything")
    if not host.spec.shared_engine:
        return everything
    return tuple(each for name in services for each in docker.of_service(host, everything, name))


@pytest.mark.requirement("BP-SEC-02", on="host")
def test_nobody_is_root_by_accident(host, confined, fact, judge):
    """The group docker, a wildcard in sudoers and a socket in a container are root, whatever they are called."""
    accounts, sudo = fact(privileges.accounts, host), fact(privileges.sudo, host)
    ssh = fact(privileges.ssh_daemon, host)
    judge(rules.nobody_is_root_by_accident(accounts, sudo, ssh, host.spec.administrators, confined))
