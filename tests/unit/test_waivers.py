"""Waivers: what a file may say, what it is held against, and the arithmetic of scores."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import documents
from opsverify.catalogue import Catalogue
from opsverify.errors import UsageError
from opsverify.profile import Profile, load
from opsverify.record import STATES
from opsverify.targets import Host, Program
from opsverify.waivers import Waivers, check, parse, running_out
from opsverify.waiving import in_force, is_met, scores, verdict

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 23)
FILE = "profiles/test/waivers.toml"
ENTRY = """
[[waiver]]
requirement = "HLT-MEM-01"
subject = "node"
reason = "The host gets more memory on 2026-12-10"
risk = "It may swap under load"
requested_by = "Jonas Brandt"
approved_by = "Aylin Demir"
ticket = "OPS-1830"
created = 2026-11-01
expires = 2027-01-30
"""
OTHER = ENTRY.replace("HLT-MEM-01", "SEC-FW-01")


@pytest.fixture
def profile() -> Profile:
    hosts = [Host(name=name, connection="local://") for name in ("node", "second")]
    return Profile(name="test", description="d", hosts=hosts)


def held(text: str, demands: Catalogue, profile: Profile, today: date = TODAY) -> Waivers:
    found = parse(text, FILE)
    check(found, demands, profile, today)
    return found


def test_a_waiver_is_read_and_holds_from_its_first_day_through_its_last(demands: Catalogue, profile: Profile) -> None:
    for today in (date(2026, 11, 1), TODAY, date(2027, 1, 30)):
        (found,) = held(ENTRY, demands, profile, today).entries
        assert found.days_left(today) == (date(2027, 1, 30) - today).days
    assert found.shown(TODAY) == {
        "requirement": "HLT-MEM-01",
        "subject": "node",
        "reason": "The host gets more memory on 2026-12-10",
        "risk": "It may swap under load",
        "requested_by": "Jonas Brandt",
        "approved_by": "Aylin Demir",
        "ticket": "OPS-1830",
        "created": "2026-11-01",
        "expires": "2027-01-30",
        "days_left": 68,
    }


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_a_file_may_hold_nothing(text: str, demands: Catalogue, profile: Profile) -> None:
    assert held(text, demands, profile).entries == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        *(
            (f"{line}\n", "", f"waiver.0.{line.partition(' ')[0]}: Field required")
            for line in ENTRY.strip().splitlines()[1:]
        ),
        *(
            (
                line,
                f'{line.partition(" ")[0]} = "  "',
                f"waiver.0.{line.partition(' ')[0]}: String should have at least",
            )
            for line in ENTRY.strip().splitlines()[1:8]
        ),
        (
            'approved_by = "Aylin Demir"',
            'approved_by = " jonas  BRANDT"',
            "approved_by: 'jonas  BRANDT' requested it, ex",
        ),
        ('approved_by = "Aylin Demir"', 'approved_by = "JONAS\\tBRANDT"', "requested it, expected another person"),
        (
            'approved_by = "Aylin Demir"',
            'approved_by = ["Aylin Demir"]',
            "waiver.0.approved_by: Input should be a valid",
        ),
        ("2027-01-30", "2026-10-31", "waiver.0: expires: 2026-10-31 is before it was created (2026-11-01)"),
        ("2027-01-30", '"2027-01-30"', "waiver.0.expires: Input should be a valid date"),
        ("2027-01-30", "2027-01-30T00:00:00Z", "waiver.0.expires: Input should be a valid date"),
        ("2027-01-30", "9999-12-31", "waiver.0.expires: expected a year from 2000 to 2999"),
        ("2027-01-30", '"never"', "waiver.0.expires: Input should be a valid date"),
        ("2026-11-01", "1999-12-31", "waiver.0.created: expected a year from 2000 to 2999"),
        ("[[waiver]]", "[[waivers]]", "waivers: unknown key"),
        ("[[waiver]]", "[waiver]", "waiver: Input should be a valid list"),
        ("[[waiver]]", "all = true\n[[waiver]]", "all: unknown key"),
        ("[[waiver]]", "[[waiver]]\ntarget = 'node'", "waiver.0.target: unknown key"),
        ('reason = "', "reason = ", "not readable as TOML"),
        ("HLT-MEM-01", "HLT-MEM-99", "waiver.0.requirement: 'HLT-MEM-99' is not in the catalogue"),
        ("HLT-MEM-01", "*", "waiver.0.requirement: '*' is not in the catalogue"),
        (
            '"node"',
            '"nodee"',
            "waiver.0.subject: no host 'nodee' in the profile (it has: node, second; \"*\" stands for",
        ),
        ("HLT-MEM-01", "HLT-PG-01", "waiver.0.subject: no database 'node' in the profile (it has: none;"),
        (
            "2026-11-01\nexpires = 2027-01-30",
            "2026-11-24\nexpires = 2027-01-30",
            "waiver.0.created: 2026-11-24 is in the future, expected at most 2026-11-23 (UTC)",
        ),
        (
            "2027-01-30",
            "2026-11-22",
            "waiver.0.expires: the waiver of HLT-MEM-01 on node expired on 2026-11-22; review it",
        ),
        (
            "2027-01-30",
            "2027-01-31",
            "waiver.0.expires: 2027-01-31 is 91 days after it was created, expected at most 90 days (2027-01-30)",
        ),
    ],
)
def test_a_malformed_waiver_ends_in_one_line_with_file_and_key(
    demands: Catalogue, profile: Profile, old: str, new: str, said: str
) -> None:
    assert old in ENTRY
    with pytest.raises(UsageError) as error:
        held(ENTRY.replace(old, new, 1), demands, profile)
    assert str(error.value).startswith(f"{FILE}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("node", "node", "HLT-MEM-01 on node is waived by waiver.0 (HLT-MEM-01 on node) already"),
        ("*", "node", "HLT-MEM-01 on node is waived by waiver.0 (HLT-MEM-01 on every target) already"),
        ("node", "*", "HLT-MEM-01 on every target is waived by waiver.0 (HLT-MEM-01 on node) already"),
        ("*", "*", "HLT-MEM-01 on every target is waived by waiver.0 (HLT-MEM-01 on every target) already"),
    ],
)
def test_two_waivers_for_the_same_thing_are_refused(
    demands: Catalogue, profile: Profile, first: str, second: str, said: str
) -> None:
    one, two = (ENTRY.replace('"node"', f'"{subject}"') for subject in (first, second))
    with pytest.raises(UsageError) as error:
        held(one + two, demands, profile)
    assert str(error.value) == f"{FILE}: waiver.1.subject: {said}"
    held(one + two.replace("HLT-MEM-01", "SEC-FW-01"), demands, profile)


def test_the_second_entry_is_named_where_it_is_the_one_that_is_wrong(demands: Catalogue, profile: Profile) -> None:
    with pytest.raises(UsageError, match=r"^profiles/test/waivers\.toml: waiver\.1\.subject: no host 'x'"):
        held(ENTRY + OTHER.replace('"node"', '"x"'), demands, profile)


@pytest.mark.parametrize(("most", "expires", "fine"), [(30, 30, True), (30, 31, False), (366, 366, True)])
def test_the_profile_says_how_long_a_waiver_may_hold(
    demands: Catalogue, profile: Profile, most: int, expires: int, fine: bool
) -> None:
    text = ENTRY.replace("2027-01-30", str(date(2026, 11, 1) + timedelta(days=expires)))
    limited = profile.model_copy(update={"program": Program(waiver_days=most)})
    if fine:
        held(text, demands, limited)
        return
    with pytest.raises(UsageError, match=f"is {expires} days after it was created, expected at most {most} days"):
        held(text, demands, limited)


def test_a_waiver_is_of_its_subject_alone_and_a_star_of_all(demands: Catalogue, profile: Profile) -> None:
    found = held(ENTRY + OTHER.replace('"node"', '"*"'), demands, profile)
    assert found.of("HLT-MEM-01", "node") is found.entries[0]
    assert found.of("HLT-MEM-01", "second") is None
    assert found.of("SEC-FW-01", "second") is found.entries[1]
    assert found.of("HLT-PG-01", "node") is None


@given(
    st.integers(-400, 400).map(lambda days: TODAY + timedelta(days=days)),
    st.integers(0, 400),
    st.integers(1, 366),
)
def test_a_waiver_is_in_order_exactly_from_its_first_day_to_its_last_and_no_longer_than_allowed(
    demands: Catalogue, created: date, length: int, most: int
) -> None:
    expires = created + timedelta(days=length)
    hosts = [Host(name="node", connection="local://")]
    limited = Profile(name="test", description="d", hosts=hosts, program=Program(waiver_days=most))
    kept = parse(ENTRY.replace("2026-11-01", str(created)).replace("2027-01-30", str(expires)), FILE)
    try:
        check(kept, demands, limited, TODAY)
    except UsageError:
        assert not created <= TODAY <= expires or length > most
    else:
        assert created <= TODAY <= expires
        assert length <= most


def test_workers_are_handed_what_was_read(demands: Catalogue, profile: Profile) -> None:
    found = held(ENTRY.replace("Aylin", "阿\u202e") + OTHER, demands, profile)
    assert Waivers.unpacked(found.packed()) == found
    assert Waivers.unpacked(Waivers().packed()) == Waivers()


def test_a_target_that_only_stands_in_elsewhere_is_no_subject(demands: Catalogue) -> None:
    """Of a requirement with ``stand_in`` only the kind that is in scope has subjects."""
    name = next(each.id for each in demands.values() if each.stand_in)
    first, second = demands[name].target_kinds[:2]
    loaded = load("production", ROOT, today=TODAY, secrets=False).profile
    assert loaded.kinds(demands[name]) == (first,)
    stranger = next(each for each in loaded.names(second) if each not in loaded.names(first))
    with pytest.raises(UsageError, match=f"no {first} '{stranger}' in the profile"):
        check(parse(ENTRY.replace("HLT-MEM-01", name).replace('"node"', f'"{stranger}"'), FILE), demands, loaded, TODAY)


def test_the_next_to_run_out_comes_first(demands: Catalogue, profile: Profile) -> None:
    text = ENTRY + OTHER.replace("2027-01-30", "2026-12-07")
    found = held(text, demands, profile).entries
    assert running_out(found, 13, TODAY) == []
    assert running_out(found, 14, TODAY) == [found[1]]
    assert running_out(found, 68, TODAY) == [found[1], found[0]]


@given(st.lists(st.sampled_from(STATES)))
def test_waivers_only_ever_add_to_the_score_and_never_cover_more_than_failed(states: list[str]) -> None:
    found = scores(states)
    whole, bare = found["with_waivers"], found["without_waivers"]
    assert whole["of"] == bare["of"] == len([each for each in states if each not in ("not-applicable", "not-tested")])
    assert whole["met"] - bare["met"] == states.count("waived")
    assert 0 <= bare["met"] <= whole["met"] <= whole["of"]
    assert (bare["share"] == 1) == (bare["of"] > 0 and not {"fail", "error", "waived"} & set(states))
    assert (whole["share"] == 1) == (whole["of"] > 0 and not {"fail", "error"} & set(states))
    unwaived = scores(["fail" if each == "waived" else each for each in states])
    assert unwaived["with_waivers"] == unwaived["without_waivers"] == bare


@given(st.lists(st.sampled_from(STATES), min_size=1), st.booleans())
def test_a_waiver_is_unused_only_where_everything_was_seen_to_be_in_order(
    demands: Catalogue, states: list[str], whole: bool
) -> None:
    entries = [
        {"requirement": "HLT-MEM-01", "target": f"t{position}", "state": state} for position, state in enumerate(states)
    ]
    (row,) = in_force(parse(ENTRY.replace('"node"', '"*"'), FILE), entries, demands, TODAY, whole=whole)
    assert row["checks"] == {f"t{position}": state for position, state in enumerate(states)}
    assert (row["use"] == "used") == ("waived" in states)
    assert (row["use"] == "unused") == (whole and set(states) <= {"pass", "attested", "not-applicable"})


def test_a_verdict_names_its_waivers() -> None:
    used, unused = {"use": "used"}, {"use": "unused"}
    assert verdict("met", [unused]) == "met"
    assert verdict("met", [used, unused]) == "met under 1 waiver"
    assert verdict("met", [used, used]) == "met under 2 waivers"
    assert [verdict(each, [used]) for each in ("not met", "undetermined")] == ["not met", "undetermined"]
    assert [is_met(each) for each in ("met", "met under 2 waivers", "not met", "undetermined")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("name", ["production", "staging"])
def test_the_waivers_that_come_with_the_suite_are_valid(demands: Catalogue, name: str) -> None:
    loaded = load(name, ROOT, today=TODAY, secrets=False)
    kept = documents.waived(documents.of(loaded, ROOT), loaded, demands, TODAY)
    assert (kept.entries, kept.file) == ((), f"profiles/{name}/waivers.toml")
