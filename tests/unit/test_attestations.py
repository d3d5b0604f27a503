"""Attestations: what a file may say, what it is held against, and which entry counts."""

from __future__ import annotations

import unicodedata
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import documents
from opsverify.attestations import Attestation, check, newest, parse, same_person
from opsverify.catalogue import Catalogue
from opsverify.errors import UsageError
from opsverify.profile import Profile, load

TODAY = date(2026, 11, 23)
FILE = "profiles/test/attestations.toml"
ENTRY = f"""
[[attestation]]
requirement = "CON-PHONE-01"
statement = "Called at 03:10, answered after four rings"
by = "Anna Smith"
reviewed_by = "Tom Lang"
date = 2026-11-01
valid_for = "90d"
artefact = "evidence/call.txt"
sha256 = "{"a" * 64}"
"""


def one(text: str = ENTRY) -> Attestation:
    (found,) = parse(text, FILE)
    return found


def test_an_attestation_is_read_and_holds_through_its_last_day() -> None:
    found = one()
    assert found.expires == date(2027, 1, 30)
    assert found.shown() == {
        "statement": "Called at 03:10, answered after four rings",
        "by": "Anna Smith",
        "reviewed_by": "Tom Lang",
        "date": "2026-11-01",
        "expires": "2027-01-30",
        "artefact": "evidence/call.txt",
        "sha256": "a" * 64,
    }


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_a_file_may_hold_nothing(text: str) -> None:
    assert parse(text, FILE) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('reviewed_by = "Tom Lang"', 'reviewed_by = " anna  SMITH"', "reviewed_by: 'anna  SMITH' made the statement"),
        ('reviewed_by = "Tom Lang"', 'reviewed_by = "ANNA\\tSMITH"', "made the statement, expected another person"),
        ('reviewed_by = "Tom Lang"\n', "", "attestation.0.reviewed_by: Field required"),
        ('"90d"', '"90"', "attestation.0.valid_for: String should match pattern"),
        ('"90d"', "90", "attestation.0.valid_for: Input should be a valid string (got 90)"),
        ('"90d"', '"0d"', "attestation.0.valid_for: expected 1 to 366 days"),
        ('"90d"', '"367d"', "attestation.0.valid_for: expected 1 to 366 days"),
        ('"90d"', '"٩٠d"', "attestation.0.valid_for: String should match pattern"),
        ("2026-11-01", '"2026-11-01"', "attestation.0.date: Input should be a valid date"),
        ("2026-11-01", "2026-11-01T00:00:00Z", "attestation.0.date: Input should be a valid date"),
        ("2026-11-01", "9999-12-31", "attestation.0.date: expected a year from 2000 to 2999"),
        ("evidence/call.txt", "../call.txt", "attestation.0.artefact: expected a path inside the folder"),
        ("evidence/call.txt", "evidence/../../call.txt", "attestation.0.artefact: expected a path inside"),
        ("evidence/call.txt", "/etc/passwd", "attestation.0.artefact: expected a path inside"),
        ("evidence/call.txt", ".", "attestation.0.artefact: expected a path inside"),
        ("evidence/call.txt", "evidence//call.txt", "attestation.0.artefact: expected a path inside"),
        ("evidence/call.txt", "..\\\\call.txt", "attestation.0.artefact: expected a path inside"),
        ("a" * 64, "a" * 63, "attestation.0.sha256: String should match pattern"),
        ("a" * 64, "A" * 64, "attestation.0.sha256: String should match pattern"),
        ("[[attestation]]", "[[attestations]]", "attestations: unknown key"),
        ("[[attestation]]", "[attestation]", "attestation: Input should be a valid list"),
        ("[[attestation]]", "state = 1\n[[attestation]]", "state: unknown key"),
        ("[[attestation]]", "[[attestation]]\nstate = 1", "attestation.0.state: unknown key"),
        ('by = "Anna Smith"', 'by = " "', "attestation.0.by: String should have at least 1 character"),
        ('by = "Anna Smith"', "by = ", "not readable as TOML"),
    ],
)
def test_a_malformed_file_ends_in_one_line_with_file_and_key(old: str, new: str, said: str) -> None:
    assert old in ENTRY
    with pytest.raises(UsageError) as error:
        parse(ENTRY.replace(old, new, 1), FILE)
    assert str(error.value).startswith(f"{FILE}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def profile() -> Profile:
    return Profile(name="test", description="d")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("CON-PHONE-01", "CON-PHONE-02", "attestation.0.requirement: 'CON-PHONE-02' is not in the catalogue"),
        ("CON-PHONE-01", "HLT-PG-01", "attestation.0.requirement: HLT-PG-01 is proven by a machine (live)"),
        ("2026-11-01", "2026-11-24", "attestation.0.date: 2026-11-24 is in the future, expected at most 2026-11-23"),
        ("statement", 'target = "node"\nstatement', "attestation.0.target: no program 'node' in the profile"),
    ],
)
def test_what_cannot_be_attested_is_refused(
    demands: Catalogue, profile: Profile, old: str, new: str, said: str
) -> None:
    check([one()], demands, profile, FILE, TODAY)
    check([one(ENTRY.replace("2026-11-01", "2026-11-23"))], demands, profile, FILE, TODAY)
    with pytest.raises(UsageError) as error:
        check([one(ENTRY.replace(old, new, 1))], demands, profile, FILE, TODAY)
    assert str(error.value).startswith(f"{FILE}: {said}")


def test_a_statement_about_the_whole_program_names_it_or_nothing(demands: Catalogue, profile: Profile) -> None:
    check([one(ENTRY.replace("statement", 'target = "program"\nstatement', 1))], demands, profile, FILE, TODAY)


def test_the_newest_entry_counts_wherever_it_stands() -> None:
    older = ENTRY.replace("2026-11-01", "2026-10-01")
    first, second = parse(ENTRY + older, FILE)
    assert newest([first, second], "CON-PHONE-01", "program") is first
    assert newest([second, first], "CON-PHONE-01", "program") is first
    assert newest([second, first], "CON-MAIL-01", "program") is None


def test_of_two_on_one_day_the_one_further_down_counts() -> None:
    first, second = parse(ENTRY + ENTRY.replace("four", "two"), FILE)
    assert newest([first, second], "CON-PHONE-01", "program") is second


def test_a_statement_about_one_target_is_not_about_another() -> None:
    entry = one(ENTRY.replace("statement", 'target = "a"\nstatement', 1))
    assert entry.about("CON-PHONE-01", "a")
    assert not entry.about("CON-PHONE-01", "b")


@given(st.text("abcXYZßéÉİ张 ", min_size=1, max_size=20))
def test_a_person_is_the_same_however_the_name_is_spaced_and_capitalised(name: str) -> None:
    assert same_person(name, f"  {name}\t")
    assert same_person(name.upper(), name.upper().lower())
    assert same_person(unicodedata.normalize("NFD", name), name)
    assert not same_person(name, f"{name}x")


@pytest.mark.parametrize(
    "alias",
    [
        "Brandt, Jonas",
        "jonas.brandt@tokenswap.io",
        "<jonas.brandt@tokenswap.io>",
        "Jonas Brandt <jb@tokenswap.io>",
        "Jona\u200bs Brandt",
        "Jonas\u00a0Brandt",
        "Jónas Brandt",
    ],
)
def test_a_person_is_the_same_under_an_alias(alias: str) -> None:
    assert same_person("Jonas Brandt", alias)
    assert same_person(alias, "jonas brandt")
    for other in ("Jonas", "Brandt", "Jonas Brand", "Mara Lindqvist <jonas.brandt@tokenswap.io>"):
        assert not same_person(alias, other)


@pytest.mark.parametrize("name", ["production", "staging"])
def test_the_documents_that_come_with_the_suite_are_valid(demands: Catalogue, name: str) -> None:
    root = Path(__file__).parents[2]
    loaded = load(name, root, today=TODAY, secrets=False)
    read = documents.read(documents.of(loaded, root), loaded, demands, TODAY)
    assert read.roster is not None
    assert read.attestations == []
    assert read.baseline is None
