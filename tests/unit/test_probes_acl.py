"""What ACL rules of Redis 6, 7 and 8 permit, of the commands that Redis calls dangerous."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError
from opsverify.probes.acl import CATEGORIES, DANGEROUS, permitted
from opsverify.probes.caches import parse_users

ALL = frozenset(DANGEROUS)
READ_OR_WRITE = {"flushall", "flushdb", "keys", "migrate", "pfdebug", "restore", "restore-asking", "sort", "swapdb"}


def test_dangerous_are_the_commands_that_redis_calls_so() -> None:
    assert {"flushall", "flushdb", "keys", "config|set", "config|resetstat", "debug", "shutdown", "info"} <= ALL
    assert not {"get", "set", "del", "ping", "config", "client|setname", "eval", "unlink"} & ALL
    assert set().union(*DANGEROUS.values()) <= CATEGORIES
    assert all("dangerous" in each for each in DANGEROUS.values())


@pytest.mark.parametrize("version", ["6", "7", "8"])
def test_the_users_of_a_real_server(captured: Callable[[str], str], version: str) -> None:
    users = parse_users(captured(f"redis-{version}-acl.txt").splitlines())
    assert list(users) == ["default", "legacy", "reporter", "tokenswap"]
    assert permitted(users["default"]) == permitted(users["legacy"]) == ALL
    assert permitted(users["tokenswap"]) == frozenset()
    assert permitted(users["reporter"]) == READ_OR_WRITE | {"sort_ro"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("on nopass ~* &* +@all", ALL),
        ("on nopass ~* &* allcommands", ALL),
        ("on ~* +@all nocommands", set()),
        ("on ~* +@all -@all", set()),
        ("on ~* -@all +@all", ALL),
        ("on ~* -@all", set()),
        ("on ~*", set()),
        ("", set()),
        ("on ~* +@all -@dangerous", set()),
        ("on ~* -@dangerous +@all", ALL),
        ("on ~* +@all -@dangerous +info", {"info"}),
        ("on ~* +@all -@dangerous +flushdb", {"flushdb"}),
        ("on ~* +@all -@dangerous +FLUSHDB", {"flushdb"}),
        ("on ~* +flushdb +@all -@dangerous", set()),
        ("on ~* -@all +@dangerous", ALL),
        ("on ~* -@all +@DANGEROUS", ALL),
        ("on ~* -@all +get +set", set()),
        ("on ~* -@all +@write -flushdb -flushall", READ_OR_WRITE - {"flushdb", "flushall", "keys"}),
        ("on ~* -@all +@write -@dangerous", set()),
        ("on ~* -@all +@read", {"keys", "sort_ro"}),
    ],
)
def test_the_last_rule_about_a_command_counts(rules: str, expected: set[str]) -> None:
    assert permitted(rules) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("on +config|get", {"config|get"}),
        ("on +config", {"config|get", "config|set", "config|resetstat", "config|rewrite"}),
        ("on +config -config|set", {"config|get", "config|resetstat", "config|rewrite"}),
        ("on +@all -@dangerous +client|list", {"client|list"}),
        ("on +client|setname", set()),
        ("on +debug|digest", {"debug"}),
        ("on +info|server", {"info"}),
        ("on +debug -debug|digest", {"debug"}),
        ("on +infoserver", set()),
        ("on +con", set()),
        ("on +save", {"save"}),
    ],
)
def test_a_subcommand_is_told_from_its_command(rules: str, expected: set[str]) -> None:
    assert permitted(rules) == expected


@pytest.mark.parametrize(
    "rules", ["off nopass ~* &* +@all", "off +flushdb", "off ~* -@all (+@all ~*)", "off sanitize-payload ~* +@all"]
)
def test_a_user_that_is_off_may_do_nothing(rules: str) -> None:
    assert permitted(rules) == frozenset()


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("on ~* -@all (~tmp:* -@all +flushdb)", {"flushdb"}),
        ("on ~* -@all (~a -@all +keys) (~b -@all +sort)", {"keys", "sort"}),
        ("on ~* +@all -@dangerous (~tmp:* +@all)", ALL),
        ("on ~* +flushdb (~tmp:* -@all)", {"flushdb"}),
        ("on ~* -@all (+flushdb -flushdb)", set()),
        ("on ~* +@all -@dangerous (%R~a +get)", set()),
        ("on ~* +@all -@dangerous (~off +get)", set()),
        ("on ~* -@all (~x off +keys)", {"keys"}),
        ("on ~* -@all(~x +keys)(~y +sort)", {"keys", "sort"}),
        ("on ~* -@all  \t( +keys )  ( +sort )  ", {"keys", "sort"}),
        ("on -@all (+keys", {"keys"}),
    ],
)
def test_each_selector_permits_by_itself(rules: str, expected: set[str]) -> None:
    assert permitted(rules) == expected


@pytest.mark.parametrize("rules", ["on ~* -@all +@search", "on ~* +@nosuch -@all", "on (+@json ~*)", "on +@"])
def test_a_category_that_is_added_and_not_known_is_an_error(rules: str) -> None:
    with pytest.raises(InsufficientFactsError, match=r"^the ACL category @\w* is not known"):
        permitted(rules)


def test_a_category_that_is_taken_away_and_not_known_takes_nothing_away() -> None:
    assert permitted("on ~* +@all -@search") == ALL


@pytest.mark.parametrize("rule", ["~x(y)*", "~off", "&off", "#off", "~+@all", "&+flushdb", "%RW~+@all", "~-@all"])
def test_what_stands_in_a_pattern_is_no_rule(rule: str) -> None:
    assert permitted(f"on {rule} -@all +get") == frozenset()
    assert permitted(f"on {rule} -@all +flushdb") == {"flushdb"}


def test_many_rules_are_read_to_the_last() -> None:
    assert permitted("on ~* -@all " + "+get " * 5000 + "+flushdb") == {"flushdb"}


@pytest.mark.parametrize("piece", [" ", "\t", " (", ") ", "()", "( ) ", " ~x"])
def test_hostile_blanks_do_not_hold_up_the_run(piece: str) -> None:
    begun = time.process_time()
    assert permitted(f"on +flushdb{piece * 30_000}x") == {"flushdb"}
    assert time.process_time() - begun < 0.5


BROAD = ["+@all", "-@all", "+@dangerous", "-@dangerous", "+@write", "-@write", "+@read", "-@admin", "allcommands"]
NARROW = ["nocommands", "+flushdb", "-flushdb", "+config|set", "-config|set", "+config", "-config", "+info", "~k", "~("]
RULE = st.sampled_from([*BROAD, *NARROW, "~)x"])


@given(st.lists(RULE, max_size=8))
def test_whatever_was_before_all_or_none_does_not_count(rules: list[str]) -> None:
    before = " ".join(rule for rule in rules if "(" not in rule and ")" not in rule)
    assert permitted(f"on {before} -@all") == frozenset()
    assert permitted(f"on {before} +@all") == ALL


@given(st.lists(RULE, max_size=8))
def test_a_command_that_is_added_last_is_permitted(rules: list[str]) -> None:
    assert "flushdb" in permitted(f"on {' '.join(rules)} +flushdb")
    assert "flushdb" not in permitted(f"off {' '.join(rules)} +flushdb")


@given(st.text(st.sampled_from("on off+-@()|~#all flushdb\t\x00é"), max_size=60))
def test_hostile_rules_are_an_answer_or_an_error_never_a_crash(rules: str) -> None:
    with contextlib.suppress(InsufficientFactsError):
        assert permitted(rules) <= ALL
