"""The catalogue is read strictly, and held against the checks both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from opsverify.catalogue import Catalogue, Claim, check_coverage, claims, load
from opsverify.errors import UsageError

ENTRY = """
[[requirement]]
id = "ABC-ONE-01"
title = "t"
title_zh = "题"
manual = "m"
lines = "1-2,7"
statement = "at most {used}"
statement_zh = "至多 {used}"
severity = "critical"
kind = ["live"]
missing = "error"
must_pass = true
remedy = "r"
remedy_zh = "办"
target = "host"
[requirement.limits.used]
at_most = 0.8
unit = "ratio"
origin = "manual"
[requirement.limits.age]
at_least = 3
unit = "days"
origin = "default"
"""


def catalogue_of(tmp_path: Path, text: str, chapter: str = "health") -> Catalogue:
    folder = tmp_path / "checks" / chapter
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requirements.toml").write_text(text, encoding="utf-8")
    return load(tmp_path / "checks")


def test_an_entry_is_read_with_its_chapter_and_limits(tmp_path: Path) -> None:
    found = catalogue_of(tmp_path, ENTRY)["ABC-ONE-01"]
    assert (found.chapter, found.severity, found.heading) == ("health", "critical", "m (1-2,7)")
    assert [str(each) for each in found.own_limits()] == ["at most 0.8", "at least 3"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "t"', 'title = ""', "ABC-ONE-01: title: String should have at least 1 character (got '')"),
        ('title = "t"\n', "", "ABC-ONE-01: title: Field required"),
        ('title = "t"', 'titel = "t"\ntitle = "t"', "ABC-ONE-01: titel: unknown key"),
        ('"critical"', '"urgent"', "severity: Input should be 'critical', 'high', 'medium' or 'low' (got 'urgent')"),
        ('"ABC-ONE-01"', '"abc one"', "id: String should match pattern"),
        ('["live"]', "[]", "kind: List should have at least 1 item"),
        ("must_pass = true", 'must_pass = "yes"', "must_pass: Input should be a valid boolean (got 'yes')"),
        ("{used}", "{usage}", "the statement names a limit {usage} that the entry does not have"),
        ("at_most = 0.8", "at_most = 0.8\nat_least = 0.1", "limits.used: exactly one of at_most"),
        ("at_most = 0.8\n", "", "limits.used: exactly one of at_most"),
        ('"1-2,7"', '"1 to 2"', "lines: String should match pattern"),
        ('target = "host"', 'target = "host"\nplanned = true', "ABC-ONE-01: planned: unknown key"),
        ('target = "host"', 'target = "toaster"', "target.0: Input should be"),
    ],
)
def test_a_malformed_entry_ends_in_one_line_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        catalogue_of(tmp_path, ENTRY.replace(old, new))
    assert "requirements.toml" in str(error.value)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_id_belongs_to_one_entry(tmp_path: Path) -> None:
    catalogue_of(tmp_path, ENTRY)
    with pytest.raises(UsageError, match=r"security.requirements\.toml: ABC-ONE-01 is already defined in .*health"):
        catalogue_of(tmp_path, ENTRY, "security")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("= 3", "not readable as TOML"),
        ("", "expected only [[requirement]] tables, found: nothing"),
        ("[other]\nx = 1\n" + ENTRY, "expected only [[requirement]] tables, found: other, requirement"),
    ],
)
def test_a_file_that_is_no_catalogue_says_so(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        catalogue_of(tmp_path, text)


def test_no_catalogue_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected the catalogue there"):
        load(tmp_path)


def test_a_limit_of_the_manual_may_be_tightened(tmp_path: Path) -> None:
    found = catalogue_of(tmp_path, ENTRY).with_overrides({"ABC-ONE-01": {"used": 0.7}}, file=Path("p.toml"))
    assert found.limits("ABC-ONE-01").used.value == 0.7


def test_a_limit_that_the_suite_chose_itself_may_be_set_freely(tmp_path: Path) -> None:
    found = catalogue_of(tmp_path, ENTRY).with_overrides({"ABC-ONE-01": {"age": 1}}, file=Path("p.toml"))
    assert found.limits("ABC-ONE-01").age.value == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ABC-ONE-01": {"used": 0.9}}, "limits.ABC-ONE-01.used: 0.9 is looser than the manual (at most 0.8 ratio)"),
        ({"ABC-ONE-01": {"used": "0.7"}}, "limits.ABC-ONE-01.used: got '0.7', expected a number of ratio"),
        ({"ABC-ONE-01": {"used": True}}, "limits.ABC-ONE-01.used: got True, expected a number of ratio"),
        ({"ABC-ONE-01": {"usd": 1}}, "limits.ABC-ONE-01.usd: no such limit; ABC-ONE-01 has: age, used"),
        ({"ABC-TWO-01": {"used": 1}}, "limits.ABC-TWO-01: no such requirement in the catalogue"),
        ({"ABC-ONE-01": {"used": float("nan")}}, "limits.ABC-ONE-01.used: "),
    ],
)
def test_any_other_change_of_a_limit_is_refused(
    tmp_path: Path, changes: dict[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(f"p.toml: {said}")):
        catalogue_of(tmp_path, ENTRY).with_overrides(changes, file=Path("p.toml"))


CHECK = 'import pytest\n\n@pytest.mark.requirement("ABC-ONE-01")\ndef test_it() -> None: ...\n'


@pytest.mark.parametrize("name", ["test_it.py", "it_test.py", "deeper/test_it.py"])
def test_a_claim_is_found_in_every_file_that_pytest_collects(tmp_path: Path, name: str) -> None:
    file = tmp_path / "checks" / name
    file.parent.mkdir(parents=True)
    file.write_text(CHECK, encoding="utf-8")
    assert claims(tmp_path / "checks") == {"ABC-ONE-01": [Claim(f"checks/{name}:3")]}


def test_a_check_that_is_no_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_it.py").write_text("def (", encoding="utf-8")
    with pytest.raises(UsageError, match=r"checks/test_it\.py: not readable as Python"):
        claims(tmp_path / "checks")


def test_catalogue_and_checks_agree(tmp_path: Path) -> None:
    check_coverage(catalogue_of(tmp_path, ENTRY), {"ABC-ONE-01": [Claim("a.py:1")]})


@pytest.mark.parametrize(
    ("more", "claimed", "said"),
    [
        ("", {"NO-SUCH-01": [Claim("a.py:1")]}, "a.py:1: requirement 'NO-SUCH-01' is not in the catalogue"),
        ("", {}, "health/requirements.toml: ABC-ONE-01 has no check"),
        ("", {"ABC-ONE-01": [Claim("a.py:1"), Claim("b.py:2")]}, "b.py:2: ABC-ONE-01 already has its check in a.py:1"),
    ],
)
def test_catalogue_and_checks_that_disagree_end_in_one_line(
    tmp_path: Path, more: str, claimed: dict[str, list[Claim]], said: str
) -> None:
    found = catalogue_of(tmp_path, ENTRY.replace('target = "host"\n', f'target = "host"\n{more}'))
    with pytest.raises(UsageError, match=re.escape(said)):
        check_coverage(found, claimed)


TWO_KINDS = ENTRY.replace('target = "host"', 'target = ["host", "database"]')


@pytest.mark.parametrize(
    "made", [[Claim("a.py:1")], [Claim("a.py:1", "host"), Claim("b.py:2", "database")]], ids=["one", "one for each"]
)
def test_a_requirement_on_several_kinds_of_target_has_a_check_on_each(tmp_path: Path, made: list[Claim]) -> None:
    found = catalogue_of(tmp_path, TWO_KINDS)
    assert found["ABC-ONE-01"].target_kinds == ("host", "database")
    check_coverage(found, {"ABC-ONE-01": made})


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([Claim("a.py:1", "host")], "health/requirements.toml: ABC-ONE-01 has no check on database"),
        ([Claim("a.py:1", "cache")], "a.py:1: ABC-ONE-01 is not about a cache (but host, database)"),
        ([Claim("a.py:1"), Claim("b.py:2", "host")], "b.py:2: ABC-ONE-01 already has its check in a.py:1"),
        ([Claim("a.py:1", "host"), Claim("b.py:2", "host")], "b.py:2: ABC-ONE-01 already has its check in a.py:1"),
    ],
)
def test_a_kind_of_target_without_its_one_check_ends_in_one_line(tmp_path: Path, made: list[Claim], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        check_coverage(catalogue_of(tmp_path, TWO_KINDS), {"ABC-ONE-01": made})


def test_a_claim_says_on_which_kind_of_target(tmp_path: Path) -> None:
    file = tmp_path / "checks" / "test_it.py"
    file.parent.mkdir(parents=True)
    file.write_text(CHECK.replace('"ABC-ONE-01"', '"ABC-ONE-01", on="host"'), encoding="utf-8")
    assert claims(tmp_path / "checks") == {"ABC-ONE-01": [Claim("checks/test_it.py:3", "host")]}


def test_the_real_catalogue_and_the_real_checks_agree(demands: Catalogue) -> None:
    check_coverage(demands, claims(Path(__file__).parents[2] / "checks"))


def test_every_real_requirement_speaks_two_languages(demands: Catalogue) -> None:
    for each in demands.values():
        for text in (each.title_zh, each.statement_zh, each.remedy_zh):
            assert re.search(r"[\u4e00-\u9fff]", text), each.id
        for text in (each.title, each.statement, each.remedy):
            assert not re.search(r"[\u4e00-\u9fff]", text), each.id
