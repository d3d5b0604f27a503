"""Every fault turns exactly its requirement red and heals; every near miss stays green."""

from __future__ import annotations

import pytest

from tests.lab.cases import FAULTS, NEAR_MISSES, Fault, NearMiss
from tests.lab.conftest import Verify


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_turns_exactly_its_requirement_red(fault: Fault, verify: Verify) -> None:
    with fault.inject():
        outcome = verify(append=fault.append)
    red = {name: state for name, state in outcome.red.items() if fault.dependents.get(name) != state}
    assert red == fault.red, {name: outcome.check(name)["message"] for name in red}
    assert outcome.exit_status == 1
    for name, state in fault.red.items():
        check = outcome.check(name)
        assert check["message"]
        if state == "fail":
            assert any(not each["met"] for each in check["observations"]), "a failure names what was observed"

    requirements = " or ".join(sorted({name.rsplit("-", 1)[0] for name in {**fault.red, **fault.dependents}}))
    healed = verify("-k", requirements, append=fault.append)
    assert healed.red == {}, healed.output


@pytest.mark.parametrize("near_miss", NEAR_MISSES, ids=lambda near_miss: near_miss.name.replace(" ", "-"))
def test_a_near_miss_stays_green(near_miss: NearMiss, verify: Verify) -> None:
    with near_miss.inject():
        outcome = verify("-k", " or ".join(near_miss.green), append=near_miss.append)
    assert outcome.red == {}, outcome.output
    assert outcome.exit_status == 0
    assert "pass" in outcome.states.values()
