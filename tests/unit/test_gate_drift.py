"""Configuration before a change held against the one after it: everything that differs is declared, or a WARN."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.changes import Difference
from opsverify.gate.drift import ALL, Found, compared, listing
from opsverify.gate.story import Drift, Snapshot

SQL, KEYS, WALL = "pg_settings postgres", "config redis", "firewall node"


def declared(what: str, before: str, after: str) -> Difference:
    return Difference.model_validate({"what": what, "from": before, "to": after})


def sides(area: str, before: dict[str, str], after: dict[str, str]) -> tuple[Snapshot, Snapshot]:
    return Snapshot(areas={area: before}), Snapshot(areas={area: after})


def effects(found: Found) -> list[str]:
    return [each.effect for each in found.reasons]


def test_a_declared_difference_is_expected_and_shown() -> None:
    found = compared(
        *sides(SQL, {"work_mem": "4MB", "port": "5432"}, {"work_mem": "8MB", "port": "5432"}),
        [declared(f"{SQL}: work_mem", "4MB", "8MB")],
    )
    assert found.drift == [
        Drift(area=SQL, name="work_mem", before="4MB", after="8MB", declared=True, effect="info"),
    ]
    assert (found.undone, found.reasons) == ([], [])
    assert listing(found.drift, found.undone) == [
        "@@ pg_settings postgres @@",
        "- work_mem: 4MB",
        "+ work_mem: 8MB  (declared)",
    ]


def test_an_undeclared_difference_is_a_warning_that_names_it() -> None:
    found = compared(*sides(KEYS, {"timeout": "0"}, {"timeout": "30"}), [])
    assert effects(found) == ["WARN"]
    assert found.reasons[0].about == "configuration of config redis"
    assert found.reasons[0].why == "a difference that no one declared: timeout: 0 → 30"
    assert listing(found.drift, []) == ["@@ config redis @@", "- timeout: 0", "+ timeout: 30  (UNDECLARED)"]


def test_many_differences_of_an_area_are_one_reason() -> None:
    found = compared(*sides(KEYS, {}, {f"p{number}": "1" for number in range(8)}), [])
    assert len(found.reasons) == 1
    assert found.reasons[0].why.startswith("8 differences that no one declared: p0: absent → 1; ")
    assert found.reasons[0].why.endswith("p4: absent → 1; and 3 more")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("4MB", "4MB", "unchanged: 4MB"),
        ("4MB", "16MB", "4MB → 16MB"),
        ("8MB", "4MB", "8MB → 4MB"),
        ("4MB", "4MB (pending restart)", "4MB → 4MB (pending restart)"),
        ("8MB", "8MB", "unchanged: 8MB"),
    ],
)
def test_what_did_not_happen_as_declared_is_named_with_what_is_there(before: str, after: str, said: str) -> None:
    found = compared(
        *sides(SQL, {"work_mem": before}, {"work_mem": after}), [declared(f"{SQL}: work_mem", "4MB", "8MB")]
    )
    assert [each.found for each in found.undone] == [said]
    assert [each.declared for each in found.drift] == [False] * (before != after)
    assert effects(found) == ["WARN"] * (1 + (before != after))
    assert found.reasons[-1].why == f"declared 4MB → 8MB, which did not happen; {said}"
    assert listing(found.drift, found.undone)[-1] == f"! {SQL}: work_mem: 4MB → 8MB; {said}"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("postgres", "nothing is known by this name; expected <area>: <name>, where the area is one of pg_settings p"),
        ("pg_settings replica: work_mem", "nothing is known by this name"),
        (f"{SQL}: ", "nothing is known by this name"),
        (f"{SQL}: wrok_mem", "pg_settings postgres has nothing of the name 'wrok_mem', on neither side"),
    ],
)
def test_a_declaration_of_nothing_known_is_named(what: str, said: str) -> None:
    found = compared(*sides(SQL, {"work_mem": "4MB"}, {"work_mem": "4MB"}), [declared(what, "a", "b")])
    assert found.undone[0].found.startswith(said)
    assert (found.reasons[0].effect, found.reasons[0].about) == ("WARN", what.strip())


def test_something_that_comes_or_goes_is_declared_as_absent() -> None:
    port, package = "ports node", "packages node"
    pre = Snapshot(areas={port: {}, package: {"telnet": "0.17-44"}})
    post = Snapshot(areas={port: {"tcp 0.0.0.0:8443": "listening"}, package: {}})
    expected = [
        declared("ports node: tcp 0.0.0.0:8443", "absent", "listening"),
        declared("packages node: telnet", "0.17-44", "absent"),
    ]
    found = compared(pre, post, expected)
    assert ([each.declared for each in found.drift], found.undone, found.reasons) == ([True, True], [], [])
    assert listing(found.drift, []) == [
        "@@ packages node @@",
        "- telnet: 0.17-44  (declared)",
        "@@ ports node @@",
        "+ tcp 0.0.0.0:8443: listening  (declared)",
    ]


@pytest.mark.parametrize(
    ("area", "told", "value", "same"),
    [
        (SQL, "8192kB", "8MB", True),
        (SQL, "8 MB", "8MB", True),
        (SQL, "60s", "1min", True),
        (SQL, "8m", "8MB", False),
        (SQL, "1M", "1min", False),
        (SQL, "8388608", "8MB", False),
        (SQL, "on", "ON", False),
        (KEYS, "64mb", "67108864", True),
        (KEYS, "64mb", "67108865", False),
        (KEYS, "3600 1  300 100", "3600 1 300 100", True),
        ("images node", "sha256:ab", "sha256:ab (shop/api:2)", True),
        ("images node", "sha256:ab (shop/api:2)", "sha256:ab (shop/api:2)", True),
        ("images node", "shop/api:2", "sha256:ab (shop/api:2)", False),
        (SQL, "8MB", "8MB (pending restart)", False),
        (SQL, "absent", "8MB", False),
    ],
)
def test_units_and_white_space_may_be_written_otherwise(area: str, told: str, value: str, same: bool) -> None:
    found = compared(*sides(area, {"x": "before"}, {"x": value}), [declared(f"{area}: x", "before", told)])
    assert found.drift[0].declared is same
    assert bool(found.undone) is not same


RULES = {"ufw rules": "22/tcp ALLOW IN Anywhere\n443/tcp ALLOW IN Anywhere\n3000/tcp DENY IN Anywhere\n"}


def test_of_a_list_only_the_entries_differ_that_came_or_went() -> None:
    after = {"ufw rules": "22/tcp ALLOW IN Anywhere\n8443/tcp ALLOW IN Anywhere\n3000/tcp DENY IN Anywhere\n"}
    opened = declared(f"{WALL}: ufw rules", "absent", "8443/tcp ALLOW IN Anywhere")
    found = compared(*sides(WALL, RULES, after), [opened])
    assert [(each.before, each.after, each.declared) for each in found.drift] == [
        (None, "8443/tcp ALLOW IN Anywhere", True),
        ("443/tcp ALLOW IN Anywhere", None, False),
    ]
    assert effects(found) == ["WARN"]


def test_one_entry_of_a_list_for_another_is_declared_at_once() -> None:
    after = {"ufw rules": RULES["ufw rules"].replace("3000/tcp DENY", "3000/tcp REJECT")}
    for_another = declared(f"{WALL}: ufw rules", "3000/tcp DENY IN Anywhere", "3000/tcp REJECT IN Anywhere")
    found = compared(*sides(WALL, RULES, after), [for_another])
    assert [(each.before, each.after, each.declared) for each in found.drift] == [
        ("3000/tcp DENY IN Anywhere", "3000/tcp REJECT IN Anywhere", True)
    ]
    assert found.reasons == []


def test_an_entry_that_only_moved_is_a_difference_because_the_first_match_wins() -> None:
    lines = RULES["ufw rules"].splitlines()
    moved = {"ufw rules": "".join(f"{each}\n" for each in reversed(lines))}
    found = compared(*sides(WALL, RULES, moved), [])
    assert effects(found) == ["WARN"]
    assert {each.before for each in found.drift} - {None} == {each.after for each in found.drift} - {None}


def test_a_chain_that_is_emptied_shows_what_it_had() -> None:
    found = compared(*sides(WALL, RULES, {"ufw rules": ""}), [])
    assert [(each.before, each.after) for each in found.drift] == [
        (each, None) for each in RULES["ufw rules"].split("\n")[:-1]
    ]


@pytest.mark.parametrize(
    ("pre", "post", "effect", "why"),
    [
        (True, False, "INCONCLUSIVE", "could not be read in full before the change: down"),
        (False, True, "INCONCLUSIVE", "could not be read in full after the change: down"),
        (True, True, "WARN", "could not be read in full, neither before nor after the change: down"),
    ],
)
def test_what_could_not_be_read_is_neither_the_same_nor_different(pre: bool, post: bool, effect: str, why: str) -> None:
    read, unread = Snapshot(areas={SQL: {"port": "5432"}}), Snapshot(unread={SQL: "down"})
    found = compared(unread if pre else read, unread if post else read, [declared(f"{SQL}: port", "1", "2")])
    assert found.drift == []
    assert [(each.effect, each.why) for each in found.reasons[:1]] == [(effect, why)]
    assert found.undone[0].found == "could not be read: down"


def test_of_an_area_that_was_read_in_part_only_what_both_sides_have_is_compared() -> None:
    pre = Snapshot(areas={SQL: {"port": "5432", "ssl": "on", "archive_command": "x"}})
    post = Snapshot(areas={SQL: {"port": "5433", "ssl": "on"}}, unread={SQL: "hidden"})
    found = compared(pre, post, [])
    assert [each.name for each in found.drift] == ["port"]
    assert effects(found) == ["INCONCLUSIVE", "WARN"]


def test_an_area_that_one_side_does_not_have_is_one_difference() -> None:
    found = compared(Snapshot(), Snapshot(areas={SQL: {"port": "5432", "ssl": "on"}}), [])
    assert found.drift == [Drift(area=SQL, name=ALL, before=None, after="2 names", declared=False, effect="WARN")]


def test_a_huge_value_is_cut_in_the_listing_alone() -> None:
    found = compared(*sides(KEYS, {}, {"x": "a" * 5000}), [])
    assert found.drift[0].after == "a" * 5000
    assert max(map(len, listing(found.drift, []))) < 400


values = st.one_of(
    st.text("ab4MB ", max_size=4),
    st.lists(st.sampled_from("abc"), max_size=5).map(lambda each: "".join(f"{x}\n" for x in each)),
)
names = st.sampled_from(["one", "two", "three"])
areas = st.sampled_from([SQL, KEYS, WALL])
snapshots = st.builds(
    Snapshot,
    areas=st.dictionaries(areas, st.dictionaries(names, values, max_size=3), max_size=3),
    unread=st.dictionaries(areas, st.just("down"), max_size=1),
)
text = st.sampled_from(["a", "b", "absent", "4MB", "4 MB"])
expectations = st.lists(
    st.builds(lambda area, name, a, b: declared(f"{area}: {name}", a, b), areas, names, text, text), max_size=4
)


@given(snapshots)
def test_a_snapshot_does_not_differ_from_itself(snapshot: Snapshot) -> None:
    found = compared(snapshot, snapshot, [])
    assert (found.drift, found.undone) == ([], [])
    assert set(effects(found)) <= {"WARN"}
    assert len(found.reasons) == len(snapshot.unread)


@given(snapshots, snapshots)
def test_swapping_the_sides_swaps_before_and_after(pre: Snapshot, post: Snapshot) -> None:
    there = [(each.area, each.name, each.before, each.after) for each in compared(pre, post, []).drift]
    back = [(each.area, each.name, each.after, each.before) for each in compared(post, pre, []).drift]
    assert sorted(there, key=str) == sorted(back, key=str)


@given(snapshots, snapshots, expectations)
def test_every_difference_is_declared_or_a_warning(pre: Snapshot, post: Snapshot, expected: list[Difference]) -> None:
    found = compared(pre, post, expected)
    assert all(each.effect == ("info" if each.declared else "WARN") for each in found.drift)
    undeclared = {each.area for each in found.drift if not each.declared}
    warned = {each.about for each in found.reasons if each.effect == "WARN"}
    assert {f"configuration of {each}" for each in undeclared} <= warned
    asked = {(each.what, each.before, each.after) for each in expected}
    assert len(found.undone) + sum(each.declared for each in found.drift) == len(asked)
    # Nothing is lost by being declared, and nothing is made up.
    plain = compared(pre, post, []).drift

    def ends(drift: list[Drift]) -> list[tuple[str, ...]]:
        return sorted(
            (each.area, each.name, sign, value)
            for each in drift
            for sign, value in (("-", each.before), ("+", each.after))
            if value is not None
        )

    assert ends(found.drift) == ends(plain)
