"""In the database nobody may do more than he has to."""

import pytest

from opsverify.probes import roles
from opsverify.rules import database_privileges


@pytest.mark.requirement("BP-SEC-02", on="database")
def test_database_grants_no_more_than_needed(database, fact, judge):
    """An application that is a superuser turns every hole in it into one in the server."""
    judge(
        database_privileges.least_privilege(fact(roles.privileges, database), database.spec.administrators),
    )
