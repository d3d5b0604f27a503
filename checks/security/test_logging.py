"""Who was on the host, and what was done there as root, is on record."""

import pytest

from opsverify.probes import logins
from opsverify.rules import logins as rules


@pytest.mark.requirement("BP-SEC-03", on="host")
def test_ssh_and_sudo_are_on_record(host, fact, judge):
    """One line of configuration keeps sudo silent, and the old lines in the log still look like an audit trail."""
    log = fact(logins.login_log, host)
    judge(rules.access_is_logged(log, None if log is None else fact(logins.command_logged, host, log.name)))
