"""Alert rules: that they carry the manual's numbers, and that people look them over."""

import pytest

from opsverify import rule_tests
from opsverify.probes import alert_behaviour
from opsverify.rules import alert_numbers, statements


@pytest.fixture
def manual(limits):
    """The numbers of the manual, as the tests of rules take them."""
    return rule_tests.Manual(
        cpu_target=limits.cpu_target.number,
        memory_target=limits.memory_target.number,
        network_target=limits.network_target.number,
        cpu_trigger=limits.cpu_trigger.number,
        cpu_days=int(limits.cpu_trigger_days.number),
        memory_trigger=limits.memory_trigger.number,
        memory_days=int(limits.memory_trigger_days.number),
        disk_trigger=limits.disk_trigger.number,
        p95_seconds=limits.p95_seconds.number,
    )


@pytest.mark.requirement("BP-MON-01")
def test_rules_carry_the_manuals_numbers(prometheus, promtool, groups, manual, fact, judge):
    """An alert at 90 % tells of a full disk when the day on which there was time to add one is over."""
    numbers, lacking = rule_tests.numbers(manual, fact(alert_behaviour.live, prometheus))
    cases = [case for number in numbers for case in number.cases]
    fired = fact(alert_behaviour.fired, promtool, list(groups), cases)
    if fired is None:
        judge(alert_numbers.covered_by_text(manual, groups))
    else:
        judge(alert_numbers.covered(numbers, lacking, fired, groups))


@pytest.mark.requirement("BP-MON-04")
def test_rules_are_reviewed(attestation, limits, missing, now, judge):
    """Rules that nobody looks over keep paging for machines that are gone, and are silent about new ones."""
    judge(statements.attested(attestation, missing, now, limits.review_age_days))
