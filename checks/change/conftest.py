"""Change records, the scripts that deploy and go back, and the manual."""

from urllib.parse import urlsplit

import pytest

from opsverify.probes import changes as probes
from opsverify.probes import manual as manuals
from opsverify.record import recorder_of


@pytest.fixture
def on_file(program, fact):
    """The change records as they are."""
    return fact(probes.records, program)


@pytest.fixture
def records(on_file, request):
    """The change records; a check that passes by them is attested."""
    if on_file.changes:
        recorder_of(request.node).rest_on(on_file.shown())
    return on_file


@pytest.fixture
def deployment(run, host, script, fact):
    """The script that the check is about, as it reads."""
    scripts = [each for each in run.profile.scripts if each.host == script.host]
    rollbacks = tuple(each.path for each in scripts if each.role == "rollback")
    names = (urlsplit(run.profile.target("api", script.api).url).hostname,) if script.api else ()
    return fact(probes.deployment, host, script.path, rollbacks, names)


@pytest.fixture
def manual(program, fact):
    """The operations manual; None where there is none."""
    return fact(manuals.manual, program)


@pytest.fixture
def linked(program, manual, fact):
    """The manuals that it links to."""
    return fact(manuals.linked, program, manual.links) if manual else {}
