"""The manual's contacts answer: teams by mail, duty by telephone, and roles are held by real people."""

import pytest

from opsverify.probes import Attempt, documents
from opsverify.roster import Role, Team
from opsverify.rules import people

TEAMS: dict[str, Team] = {"CON-MAIL-01": "operations", "CON-MAIL-02": "support", "CON-MAIL-03": "security"}
ROLES: dict[str, Role] = {
    "CON-TEAM-01": "operations-manager",
    "CON-TEAM-02": "system-administrator",
    "CON-TEAM-03": "database-administrator",
}


@pytest.fixture
def team(subject):
    """The team that the requirement is about."""
    return TEAMS[subject.requirement]


@pytest.fixture
def exchangers(roster, team, names, fact):
    """The servers that take mail for the team's domain; none are asked for where its address has no domain."""
    domain = people.mail_domain(roster and roster.team(team))
    return fact(documents.mail_exchangers, names, domain) if domain else Attempt(())


@pytest.mark.requirement("CON-MAIL-01", "CON-MAIL-02", "CON-MAIL-03")
def test_mail_arrives(roster, team, exchangers, attestation, limits, missing, now, judge):
    """A mailbox that swallows mail looks like any other from outside; only an answer proves a reader."""
    judge(people.mail_arrives(roster, team, exchangers, attestation, limits, missing, now))


@pytest.mark.requirement("CON-PHONE-01")
def test_duty_telephone_is_answered(roster, attestation, limits, missing, now, judge):
    """A number that films use rings nowhere, and the first to find out is whoever calls it at night."""
    judge(people.phone_is_answered(roster, attestation, limits, missing, now))


@pytest.mark.requirement("CON-TEAM-01", "CON-TEAM-02", "CON-TEAM-03")
def test_role_is_held_by_a_real_person(subject, roster, attestation, missing, now, judge):
    """John Doe answers no mail: a role that an example holds is held by nobody."""
    judge(people.role_is_held(roster, ROLES[subject.requirement], attestation, missing, now))
