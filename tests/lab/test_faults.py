"""Every fault turns exactly its requirement red; every near miss stays green; and all of it heals."""

from __future__ import annotations

import pytest

from tests.lab.cases import FAULTS, NEAR_MISSES, Fault, NearMiss
from tests.lab.cases.kinds import appended, batches, injected, named
from tests.lab.conftest import Verify


@pytest.mark.parametrize("batch", batches(FAULTS), ids=named)
def test_a_fault_turns_exactly_its_requirement_red(batch: tuple[Fault, ...], verify: Verify) -> None:
    append = appended(batch)
    with injected(batch):
        outcome = verify(append=append)
    # What the faults before these left behind would be red here too: so this also shows that they have healed.
    expected = {name: state for fault in batch for name, state in fault.red.items()}
    dependents = {name: state for fault in batch for name, state in fault.dependents.items()}
    red = {name: state for name, state in outcome.red.items() if name in expected or dependents.get(name) != state}
    assert red == expected, {name: outcome.check(name)["message"] for name in red}
    assert outcome.exit_status == 1
    for name, state in expected.items():
        check = outcome.check(name)
        assert check["message"]
        if state == "fail":
            assert any(not each["met"] for each in check["observations"]), "a failure names what was observed"


@pytest.mark.parametrize("batch", batches(NEAR_MISSES), ids=named)
def test_a_near_miss_stays_green(batch: tuple[NearMiss, ...], verify: Verify) -> None:
    append = appended(batch)
    with injected(batch):
        outcome = verify("-k", " or ".join(word for near_miss in batch for word in near_miss.green), append=append)
    assert outcome.red == {}, outcome.output
    assert outcome.exit_status == 0
    assert {"pass", "attested"} & set(outcome.states.values())


def test_everything_has_healed(verify: Verify) -> None:
    outcome = verify()
    assert outcome.red == {}, outcome.output
