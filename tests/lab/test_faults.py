"""Every fault turns exactly its requirement red; every near miss stays green; and all of it heals."""

from __future__ import annotations

import pytest

from lab import faults
from tests.lab.cases import FAULTS, NEAR_MISSES, Fault, NearMiss
from tests.lab.conftest import Verify


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_turns_exactly_its_requirement_red(fault: Fault, verify: Verify) -> None:
    faults.wait_for_probe(success=True)  # it looks every few seconds, and what it saw last still counts
    with fault.inject():
        outcome = verify(append=fault.append, paths=fault.paths)
    # What the fault before this one left behind would be red here too: so this also shows that it has healed.
    red = {name: state for name, state in outcome.red.items() if fault.dependents.get(name) != state}
    assert red == fault.red, {name: outcome.check(name)["message"] for name in red}
    assert outcome.exit_status == 1
    for name, state in fault.red.items():
        check = outcome.check(name)
        assert check["message"]
        if state == "fail":
            assert any(not each["met"] for each in check["observations"]), "a failure names what was observed"


@pytest.mark.parametrize("near_miss", NEAR_MISSES, ids=lambda near_miss: near_miss.name.replace(" ", "-"))
def test_a_near_miss_stays_green(near_miss: NearMiss, verify: Verify) -> None:
    faults.wait_for_probe(success=True)
    with near_miss.inject():
        outcome = verify("-k", " or ".join(near_miss.green), append=near_miss.append)
    assert outcome.red == {}, outcome.output
    assert outcome.exit_status == 0
    assert {"pass", "attested"} & set(outcome.states.values())


def test_everything_has_healed(verify: Verify) -> None:
    faults.wait_for_probe(success=True)
    outcome = verify()
    assert outcome.red == {}, outcome.output
