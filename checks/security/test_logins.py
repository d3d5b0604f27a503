"""Nobody is guessing his way in over ssh, and if somebody were, it would be on record."""

import pytest

from opsverify.probes import logins
from opsverify.rules import logins as rules


@pytest.mark.requirement("SEC-IDS-01")
def test_nobody_guesses_his_way_in(host, fact, limits, now, judge):
    """A thousand failures are noise until one login succeeds; then they are an incident."""
    judge(rules.nobody_guesses(fact(logins.login_log, host), limits, now))


@pytest.mark.requirement("SEC-IDS-02")
def test_logins_are_on_record(host, fact, limits, now, judge):
    """A log without attacks and a log that nobody writes look alike; the login of this session tells them apart."""
    judge(rules.login_log_is_current(fact(logins.login_log, host), limits, now))
