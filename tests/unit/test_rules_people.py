"""People: what is attested, who is reached, which roles are held, and that an error never hides a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lab import documents as lab
from opsverify.attestations import parse as parse_attestations
from opsverify.baseline import parse as parse_baseline
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.documents import Attested
from opsverify.roster import Roster, parse
from opsverify.rules import people, statements
from tests.unit.test_attestations import ENTRY
from tests.unit.test_baseline import WHOLE as BASELINE

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
DRILL = Attested(parse_attestations(ENTRY, "f")[0], "a" * 64)
MX: Attempt[tuple[str, ...]] = Attempt(("mail.tokenswap.io",))


def filled(now: datetime = NOW) -> str:
    """The roster of the lab."""
    return lab.ROSTER.format(today=f"{now:%Y-%m-%d}", zone="Europe/Berlin") + "".join(lab._shifts(now))


TEXT = filled()


def roster(old: str = "", new: str = "", count: int = 1) -> Roster:
    assert old in TEXT
    return parse(TEXT.replace(old, new, count) if old else TEXT, "f")


def drilled(**change: Any) -> Attested:
    return replace(DRILL, entry=DRILL.entry.model_copy(update=change))


def findings(observations: list[Observation]) -> str:
    assert observations, "nothing was observed"
    return "; ".join(map(str, unmet(observations)))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (DRILL, ""),
        (drilled(valid_for="22d"), ""),
        (drilled(valid_for="21d"), "attestation is good until: observed 2026-11-22, expected 2026-11-23 or later"),
        (replace(DRILL, digest="b" * 64), f"artefact evidence/call.txt: observed sha256 {'b' * 64}"),
        (replace(DRILL, digest=None), "artefact evidence/call.txt: observed gone"),
        (drilled(date=date(2026, 8, 25)), ""),
        (drilled(date=date(2026, 8, 24), valid_for="366d"), "age of the attestation: observed 91 days"),
    ],
)
def test_an_attestation_is_current_and_its_artefact_unchanged(limits_of: LimitsOf, found: Attested, said: str) -> None:
    age = limits_of("BP-PERF-03").test_age_days
    assert findings(statements.attested(found, "error", NOW, age)).startswith(said)
    assert bool(findings(statements.attested(found, "error", NOW, age))) == bool(said)


def test_no_attestation_is_what_the_requirement_says_it_is() -> None:
    assert "attestation: observed none" in findings(statements.attested(None, "fail", NOW))
    with pytest.raises(InsufficientFactsError, match="attestation: none"):
        statements.attested(None, "error", NOW)


MailChange = tuple[str, str]


@pytest.mark.parametrize(
    ("change", "exchangers", "drill", "said"),
    [
        (("", ""), MX, DRILL, ""),
        (('"ops@', '"oops@'), MX, DRILL, "address of operations: observed oops@tokenswap.io, expected exactly ops@"),
        (('"ops@tokenswap.io', '"ops@tokenswap'), MX, DRILL, "expected a well-formed mail address"),
        (("", ""), Attempt(()), DRILL, "servers that take mail for tokenswap.io: observed none"),
        (("", ""), MX, drilled(date=date(2026, 8, 24)), "age of the attestation: observed 91 days"),
        (('"30d"', '"1d"'), MX, DRILL, ""),
        (('"ops@', '"oops@'), MX, None, "address of operations"),
        (('"ops@', '"oops@'), Attempt(None, "silent"), DRILL, "address of operations"),
    ],
)
def test_mail_arrives(
    limits_of: LimitsOf,
    change: MailChange,
    exchangers: Attempt[tuple[str, ...]],
    drill: Attested | None,
    said: str,
) -> None:
    seen = people.mail_arrives(roster(*change), "operations", exchangers, drill, limits_of("CON-MAIL-01"), "error", NOW)
    assert said in findings(seen)
    assert bool(findings(seen)) == bool(said)


@pytest.mark.parametrize(
    ("found", "exchangers", "drill", "said"),
    [
        (None, Attempt(()), DRILL, "roster: none"),
        (roster(), MX, None, "attestation: none"),
        (roster(), Attempt(None, "the name server is silent"), DRILL, "the name server is silent"),
        (roster('operations = "ops@tokenswap.io"\n'), MX, DRILL, "address of operations: the roster gives none"),
    ],
)
def test_too_little_to_tell_whether_mail_arrives(
    limits_of: LimitsOf, found: Roster | None, exchangers: Any, drill: Attested | None, said: str
) -> None:
    with pytest.raises(InsufficientFactsError, match=said):
        people.mail_arrives(found, "operations", exchangers, drill, limits_of("CON-MAIL-01"), "error", NOW)


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("+49 30 23125 042", True),
        ("+4915112345678", True),
        ("+1 212 555 2368", True),
        ("+86 138 0013 8000", True),
        ("+1-555-0123", False),
        ("+15550123", False),
        ("+1 212 555 0199", False),
        ("+1 (650) 555-0100", False),
        ("030 23125042", False),
        ("+49 30", False),
        ("+999 123456789", False),
        ("call me", False),
    ],
)
def test_a_telephone_number_exists_and_is_none_for_films(limits_of: LimitsOf, number: str, good: bool) -> None:
    found = roster("+49 30 23125 042", number)
    seen = people.phone_is_answered(found, DRILL, limits_of("CON-PHONE-01"), "fail", NOW)
    assert (findings(seen) == "") is good


def test_the_manuals_number_is_called_a_placeholder(limits_of: LimitsOf) -> None:
    found = roster("+49 30 23125 042", "+1-555-0123")
    assert "+1-555-0123 (a placeholder" in findings(
        people.phone_is_answered(found, DRILL, limits_of("CON-PHONE-01"), "fail", NOW)
    )


def test_without_a_number_without_a_drill_or_without_a_roster_nobody_answers(limits_of: LimitsOf) -> None:
    limits = limits_of("CON-PHONE-01")
    found = roster('phone = "+49 30 23125 042"\n')
    assert "the roster gives none" in findings(people.phone_is_answered(found, DRILL, limits, "fail", NOW))
    assert "attestation: observed none" in findings(people.phone_is_answered(roster(), None, limits, "fail", NOW))
    assert "roster: observed none" in findings(people.phone_is_answered(None, DRILL, limits, "fail", NOW))


@pytest.mark.parametrize(
    ("name", "stands_in"),
    [
        ("Anna Smith", False),
        ("Bob Smith", False),
        ("Jane Johnson", False),
        ("Zoltán Test", False),
        ("王伟", False),
        ("John Doe", True),
        ("JANE  smith", True),
        ("Bob Johnson", True),
        ("Mary Ann Doe", True),
        ("Erika Mustermann", True),
        ("N.N.", True),
        ("TBD", True),
        ("TODO: name", True),
        ("Test User", True),
        ("Example Person", True),
        ("张三", True),
        ("???", True),
    ],
)
def test_a_placeholder_stands_for_nobody(name: str, stands_in: bool) -> None:
    assert people.placeholder(name) is stands_in


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", ""),
        (
            'name = "Mara Lindqvist"',
            'name = "John Doe"',
            "observed John Doe (a placeholder), expected the name of a real",
        ),
        ("mara.lindqvist@tokenswap.io", "john.doe@tokenswap.io", "john.doe@tokenswap.io (a placeholder)"),
        ("mara.lindqvist@tokenswap.io", "mara.lindqvist", "expected a well-formed mail address"),
        ('"operations-manager", ', "", "operations-manager: observed nobody"),
        ('valid_for = "30d"', 'valid_for = "1d"', ""),
    ],
)
def test_a_role_is_held_by_a_real_person(old: str, new: str, said: str) -> None:
    text = TEXT.replace(old, new, 1) if old else TEXT
    if "John Doe" in new:
        text = text.replace('person = "Mara Lindqvist"', 'person = "John Doe"')
    seen = people.role_is_held(parse(text, "f"), "operations-manager", DRILL, "error", NOW)
    assert said in findings(seen)
    assert bool(findings(seen)) == bool(said)


def test_a_placeholder_is_a_finding_even_where_nothing_is_attested() -> None:
    found = roster("mara.lindqvist@", "john.doe@")
    assert "a placeholder" in findings(people.role_is_held(found, "operations-manager", None, "error", NOW))
    with pytest.raises(InsufficientFactsError, match="attestation: none"):
        people.role_is_held(roster(), "operations-manager", None, "error", NOW)


def test_a_roster_that_has_run_out_speaks_against_all_that_rests_on_it(limits_of: LimitsOf) -> None:
    late = NOW + timedelta(days=31)
    said = "roster is good until: observed 2026-12-23, expected 2026-12-24 or later"
    found, drill = roster(), drilled(valid_for="366d")
    for seen in (
        people.mail_arrives(found, "operations", MX, drill, limits_of("CON-MAIL-01"), "error", late),
        people.phone_is_answered(found, drill, limits_of("CON-PHONE-01"), "fail", late),
        people.role_is_held(found, "operations-manager", drill, "error", late),
        people.weekdays_are_covered(found, limits_of("CON-DUTY-01"), "fail", late),
        people.emergencies_are_covered(found, limits_of("CON-DUTY-02"), "fail", late),
        people.duty_rotates(found, limits_of("CON-DUTY-03"), "fail", late),
        people.level_is_named(found, 4, ("cto",), "error", late),
    ):
        assert said in findings(seen)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", ""),
        ('"180d"', '"20d"', "performance baseline is good until: observed 2026-11-22"),
        ("2026-11-01T23:30:00-02:00", "2026-11-24T00:00:00Z", "taken: observed 2026-11-24"),
        (BASELINE[BASELINE.index("[[statement]]") :], "", "statements: observed 0, expected at least one"),
    ],
)
def test_a_baseline_is_current_and_says_under_what_it_was_taken(old: str, new: str, said: str) -> None:
    found = parse_baseline(BASELINE.replace(old, new, 1) if old else BASELINE, "f")
    seen = statements.baseline_holds(found, "error", NOW)
    assert said in findings(seen)
    assert bool(findings(seen)) == bool(said)
    assert {"load", "version"} <= {each.name for each in seen}


def test_without_a_baseline_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(InsufficientFactsError, match="performance baseline: none"):
        statements.baseline_holds(None, "error", NOW)
