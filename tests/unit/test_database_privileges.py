"""Least privilege in databases and caches: each power too many is a finding, and what is not shown is no proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import unmet
from opsverify.probes import Attempt
from opsverify.probes.caches import parse_protected_mode, parse_users
from opsverify.probes.roles import METHODS, HbaRule, Privileges, Role, parse_grants, parse_hba, parse_roles
from opsverify.rules.database_privileges import cache_is_closed, least_privilege

DBA = ["postgres"]
APP = Role("tokenswap", False, False, False, False, ())
SCRAM = HbaRule(3, "", "hostssl all app samenet scram-sha-256", "scram-sha-256", "")
GOOD = Privileges(
    roles=(Role("postgres", True, True, True, True, ()), APP, replace(APP, name="backup", replication=True)),
    public={"database": ("CONNECT on tokenswap",), "schemas": (), "objects": (), "defaults": ()},
    relations=10,
    schemas=5,
    hba=Attempt((SCRAM, replace(SCRAM, line=4, said="local all postgres peer", method="peer"))),
    password_encryption="scram-sha-256",
)


def role(**change: Any) -> Privileges:
    return replace(GOOD, roles=(*GOOD.roles, replace(APP, name="x", **change)))


def public(**change: tuple[str, ...]) -> Privileges:
    return replace(GOOD, public={**GOOD.public, **change})


def hba(method: str, error: str = "") -> Privileges:
    return replace(GOOD, hba=Attempt((SCRAM, HbaRule(9, "", f"host all all 0.0.0.0/0 {method}", method, error))))


def said(found: Privileges, administrators: list[str] = DBA) -> str:
    return "; ".join(map(str, unmet(least_privilege(found, administrators))))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (GOOD, ""),
        (role(superuser=True), "superusers: observed postgres, x, expected none but postgres"),
        (role(createrole=True), "observed x (CREATEROLE)"),
        (role(bypassrls=True), "observed x (BYPASSRLS)"),
        (role(mighty=("pg_execute_server_program",)), "observed x (member of pg_execute_server_program)"),
        (role(mighty=("postgres",)), "observed x (member of postgres)"),
        (role(replication=True), ""),
        (public(database=("TEMPORARY on tokenswap",)), "TEMPORARY on tokenswap"),
        (public(database=("CREATE on tokenswap",)), "CREATE on tokenswap"),
        (public(schemas=("CREATE on public",)), "CREATE on public"),
        (public(objects=("SELECT on swap.users.wallet",)), "SELECT on swap.users.wallet"),
        (public(defaults=("SELECT on tables that owner will make",)), "SELECT on tables"),
        (replace(GOOD, password_encryption="md5"), "password_encryption: observed md5"),
        *((hba(method), "line 9: host all all 0.0.0.0/0") for method in ("trust", "md5", "password", "ident")),
        *((hba(method), "") for method in ("reject", "peer", "cert", "gss", "ldap")),
        (hba("", "invalid CIDR mask"), "pg_hba rules in error: observed line 9: invalid CIDR mask"),
    ],
)
def test_every_power_too_many_is_a_finding(found: Privileges, expected: str) -> None:
    assert expected in said(found)
    assert bool(said(found)) == bool(expected)


def test_only_who_is_listed_may_be_a_superuser_the_first_of_all_included() -> None:
    assert "superusers: observed postgres, expected none but dba" in said(GOOD, ["dba"])
    assert "expected none but nobody" in said(GOOD, [])
    listed = role(superuser=True, createrole=True, mighty=("pg_read_server_files",))
    assert said(listed, ["postgres", "x"]) == ""


def test_rules_that_are_not_shown_are_an_error_unless_something_else_is_wrong() -> None:
    blind: Attempt[tuple[HbaRule, ...]] = Attempt(None, "permission denied for view pg_hba_file_rules")
    with pytest.raises(InsufficientFactsError, match="permission denied for view pg_hba_file_rules"):
        least_privilege(replace(GOOD, hba=blind), DBA)
    assert "superusers" in said(replace(role(superuser=True), hba=blind))


def test_a_database_without_an_application_is_an_error_unless_something_else_is_wrong() -> None:
    with pytest.raises(InsufficientFactsError, match="no table, view or sequence of an application"):
        least_privilege(replace(GOOD, relations=0), DBA)
    assert "superusers" in said(replace(role(superuser=True), relations=0))
    assert "line 9" in said(replace(hba("trust"), relations=0))


def row(**change: Any) -> dict[str, Any]:
    return {
        "line_number": 7,
        "file": None,
        "type": "hostssl",
        "database": ["tokenswap"],
        "user_name": ["app", "+readers"],
        "address": "10.0.0.0",
        "netmask": "255.0.0.0",
        "auth_method": "scram-sha-256",
        "error": None,
        **change,
    }


def test_rules_are_read_of_old_and_new_servers() -> None:
    (old,) = parse_hba([row()])
    assert str(old) == "line 7: hostssl tokenswap app,+readers 10.0.0.0/255.0.0.0 scram-sha-256"
    (new,) = parse_hba(
        [row(file="/etc/postgresql/hba.d/more.conf", type="local", address=None, netmask=None, auth_method="peer")]
    )
    assert str(new) == "more.conf line 7: local tokenswap app,+readers peer"
    (wrong,) = parse_hba([row(auth_method=None, database=None, user_name=None, type=None, error="end-of-line")])
    assert str(wrong) == "line 7: end-of-line"


def test_what_is_not_known_of_rules_and_roles_is_never_clean() -> None:
    with pytest.raises(UnansweredError, match="line 7 has the method 'blind', which is not known"):
        parse_hba([row(auth_method="blind")])
    with pytest.raises(InsufficientFactsError, match="shows no rule"):
        parse_hba([])
    with pytest.raises(InsufficientFactsError, match="shows no role"):
        parse_roles([])


NAMES = st.lists(st.text(max_size=20), max_size=3) | st.none()


@given(NAMES, NAMES, st.text() | st.none(), st.text() | st.none(), st.sampled_from(sorted(METHODS)))
def test_hostile_names_hide_no_method(
    databases: list[str] | None, users: list[str] | None, address: str | None, file: str | None, method: str
) -> None:
    (rule,) = parse_hba([row(database=databases, user_name=users, address=address, file=file, auth_method=method)])
    assert rule.method == method
    found = replace(GOOD, hba=Attempt((rule,)))
    assert bool(said(found)) == (method in ("trust", "md5", "password", "ident"))


@given(st.text(), st.sampled_from(["SELECT", "INSERT"]))
def test_hostile_names_hide_no_grant(name: str, privilege: str) -> None:
    assert said(public(objects=parse_grants([{"what": name, "privilege": privilege}])))


USERS = {
    "default": "off resetkeys resetchannels -@all",
    "admin": "on #abc ~* &* +@all",
    "ops_verify": "on #def resetkeys resetchannels -@all +ping +info +config|get +slowlog|get +acl|list",
    "tokenswap": "on #123 ~ts:* resetchannels -@all +@all -@dangerous",
}
ON: Attempt[str] = Attempt("yes")


def cache(change: dict[str, str], protected: Attempt[str] | None = ON) -> str:
    return "; ".join(map(str, unmet(cache_is_closed({**USERS, **change}, protected, "tokenswap", ["admin"]))))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ""),
        ({"default": "on nopass sanitize-payload ~* &* +@all"}, "user default: observed on without a password"),
        ({"default": "on #abc ~* &* -@all +get"}, ""),
        ({"default": "on #abc ~* &* +@all"}, "users that may administer, besides admin: observed default"),
        ({"tokenswap": "on nopass ~* -@all +get"}, "let in unproven: observed tokenswap"),
        ({"tokenswap": "on #1 ~* +@all"}, ""),
        ({"spare": "off nopass ~* +@all"}, ""),
        ({"spare": "on #1 ~* -@all +@read"}, ""),
        ({"spare": "on #1 ~* -@all +@admin"}, "observed spare (acl|deluser, acl|load, acl|save …)"),
        ({"spare": "on #1 ~* -@all +config"}, "observed spare (config|resetstat, config|rewrite, config|set)"),
        ({"spare": "on #1 ~* -@all +get (+flushall nopass)"}, "observed spare (flushall)"),
    ],
)
def test_a_cache_is_closed_and_few_may_administer_it(change: dict[str, str], expected: str) -> None:
    assert expected in cache(change)
    assert bool(cache(change)) == bool(expected)


def test_protected_mode_is_on_or_not_told() -> None:
    assert "protected-mode: observed no" in cache({}, Attempt("no"))
    refused: Attempt[str] = Attempt(None, "CONFIG is refused")
    with pytest.raises(InsufficientFactsError, match="CONFIG is refused"):
        cache({}, refused)
    assert "without a password" in cache({"default": "on nopass +@all"}, refused)
    assert cache({}, None) == ""
    assert "without a password" in cache({"default": "on nopass +@all"}, None)
    assert parse_protected_mode(["protected-mode", "yes"]) == "yes"
    for answer in ([], ["protected-mode"], ["maxmemory", "yes"], ["protected-mode", "maybe"], None, "yes"):
        with pytest.raises(UnansweredError, match="not understood"):
            parse_protected_mode(answer)


@pytest.mark.parametrize("version", ["6", "7", "8"])
def test_a_real_server_as_it_comes_is_open(captured: Callable[[str], str], version: str) -> None:
    users = parse_users(captured(f"redis-{version}-acl.txt").splitlines())
    findings = "; ".join(map(str, unmet(cache_is_closed(users, ON, "tokenswap", []))))
    assert "user default: observed on without a password" in findings
