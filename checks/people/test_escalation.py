"""Every level of escalation leads to a person who can be reached."""

import pytest

from opsverify.roster import Role
from opsverify.rules import people

LEVELS: dict[str, tuple[int, tuple[Role, ...]]] = {
    "CON-ESC-01": (1, ()),
    "CON-ESC-02": (2, ("senior-system-administrator",)),
    "CON-ESC-03": (3, ("architect", "technical-lead")),
    "CON-ESC-04": (4, ("cto",)),
}


@pytest.mark.requirement("CON-ESC-01", "CON-ESC-02", "CON-ESC-03", "CON-ESC-04")
def test_level_of_escalation_is_named(subject, roster, missing, now, judge):
    """An escalation that ends in a job title ends nowhere: at each level somebody has to pick up."""
    judge(people.level_is_named(roster, *LEVELS[subject.requirement], missing, now))
