"""There is a way back: by itself when health fails, and by hand."""

import pytest

from opsverify.probes import changes as probes
from opsverify.rules import changes, rollback


@pytest.fixture
def previous(run, script, on_file, now):
    """What the services of the script's host go back to."""
    mine = tuple(each.name for each in run.profile.services if each.host == script.host)
    return changes.former(on_file, mine, now)


@pytest.fixture
def there(host, previous, fact):
    """Whether the engine has these images."""
    return fact(probes.images, host, tuple(sorted({each.image for each in previous if each.image})))


@pytest.mark.requirement("CHG-RB-AUTO-01")
def test_failed_health_check_rolls_back(deployment, attestation, missing, now, judge):
    """Compose has no command for it, so whoever wrote one down has never seen it work."""
    judge(rollback.gate(deployment, attestation, missing, now))


@pytest.mark.requirement("CHG-RB-MAN-01")
def test_rollback_is_at_hand(deployment, previous, there, missing, judge):
    """A clean-up that makes room on the disk takes the way back with it."""
    judge(rollback.at_hand(deployment, previous, there, missing))
