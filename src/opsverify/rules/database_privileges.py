"""Rules of the chapter *security*: least privilege in databases and caches."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from opsverify.judgement import Observation, holds, none_of
from opsverify.probes import Attempt, acl
from opsverify.probes.roles import HbaRule, Privileges, Role
from opsverify.rules.statements import complete

BLIND = ("trust", "password", "md5", "ident")  # they trust the other side, or a digest that is as good as the password

# Of the commands that Redis calls dangerous, those that show and change nothing.
ONLY_SHOW = frozenset(
    """
    acl|dryrun acl|getuser acl|list acl|log acl|users client|list cluster|count-failure-reports cluster|replicas
    cluster|slaves config|get info lastsave latency|doctor latency|graph latency|histogram latency|history
    latency|latest module|list role slowlog|get slowlog|len keys sort sort_ro
    """.split()  # noqa: SIM905
)


def least_privilege(found: Privileges, administrators: Collection[str]) -> list[Observation]:
    """Only administrators are superusers or as good as that, PUBLIC holds nothing, and nobody is let in unproven.

    Raises:
        InsufficientFactsError: pg_hba may not be looked at, or there is not one table, view or sequence of an
            application, and nothing else speaks against it.
    """
    seen, of = len(found.roles), "roles"
    others = [each for each in found.roles if each.name not in administrators]
    superusers = [each.name for each in found.roles if each.superuser]
    as_good = [f"{each.name} ({why})" for each in others if (why := _as_good_as_superuser(each))]
    replicating = tuple(each.name for each in found.roles if each.replication and not each.superuser)
    listed = ", ".join(sorted(administrators)) or "nobody"
    observations = [
        holds("superusers", tuple(superusers) or "none", f"none but {listed}", set(superusers) <= set(administrators)),
        none_of(f"roles as good as a superuser, besides {listed}", as_good, seen=seen, of=of),
        holds("roles that may replicate, and so read all", replicating or "none", "shown", met=True),
        *_public(found),
        _as_scram(found.password_encryption),
    ]
    lacking = [] if found.relations else ["there is no table, view or sequence of an application in this database"]
    if found.hba.value is None:
        lacking.append(found.hba.failure)
    return complete([*observations, *_hba(found.hba.value or ())], lacking)


def _hba(rules: Sequence[HbaRule]) -> list[Observation]:
    if not rules:
        return []
    return [
        none_of("pg_hba rules in error", (str(each) for each in rules if each.error), seen=len(rules), of="rules"),
        none_of(
            f"pg_hba rules by {', '.join(BLIND)}",
            (str(each) for each in rules if each.method in BLIND and not each.error),
            seen=len(rules),
            of="rules",
        ),
    ]


def _as_scram(digest: str) -> Observation:
    return holds("password_encryption", digest, "scram-sha-256", digest == "scram-sha-256")


def _as_good_as_superuser(role: Role) -> str:
    if role.superuser:
        return ""
    flags = {"CREATEROLE": role.createrole, "BYPASSRLS": role.bypassrls}
    return ", ".join([*(word for word, on in flags.items() if on), *(f"member of {each}" for each in role.mighty)])


def _public(found: Privileges) -> list[Observation]:
    """What everyone may do. That anybody may connect (CONNECT) is for pg_hba to bound."""
    held = found.public
    too_much = any(each.startswith(("CREATE ", "TEMPORARY ")) for each in held["database"])
    future = held["defaults"]
    return [
        holds(
            "PUBLIC holds", held["database"] or "nothing", "neither CREATE nor TEMPORARY of the database", not too_much
        ),
        none_of("PUBLIC holds of schemas", held["schemas"], seen=found.schemas, of="schemas"),
        none_of("PUBLIC holds of the application", held["objects"], seen=found.relations, of="relations"),
        holds("PUBLIC will hold", future or "nothing", "nothing of what will be made", not future),
    ]


def cache_is_closed(
    users: Mapping[str, str], protected: Attempt[str] | None, app_user: str, administrators: Collection[str]
) -> list[Observation]:
    """Nobody gets in without a password, and only administrators may do more than use the cache and look.

    What the application may do is another requirement's (RED-EXP-01). Protected mode stands behind the passwords: Redis
    heeds it only while the default user needs none. So a provider may keep it to itself (None).

    Raises:
        InsufficientFactsError: it is not shown whether protected mode is on, and nothing else speaks against it.
    """
    of = "users"
    powers = {
        name: sorted(acl.permitted(rules) - ONLY_SHOW)
        for name, rules in users.items()
        if name not in (app_user, *administrators)
    }
    mighty = [f"{name} ({', '.join(may[:3])}{' …' * (len(may) > 3)})" for name, may in powers.items() if may]
    listed = ", ".join(sorted(administrators)) or "nobody"
    default = users.get("default", "off")
    observations = [
        holds("user default", _state(default), "off, or with a password", _state(default) != "on without a password"),
        none_of(
            "users that are let in unproven",
            (name for name, rules in users.items() if _state(rules) == "on without a password"),
            seen=len(users),
            of=of,
        ),
        none_of(f"users that may administer, besides {listed}", mighty, seen=len(users), of=of),
    ]
    if protected is None:
        return [*observations, holds("protected-mode", "kept by the provider", "shown", met=True)]
    if protected.value is None:
        return complete(observations, [protected.failure])
    return [*observations, holds("protected-mode", protected.value, "yes", protected.value == "yes")]


def _state(rules: str) -> str:
    """Whether a user gets in, and how. Selectors, in parentheses, are about commands and keys alone."""
    words = re.sub(r"\([^)]*\)?", " ", rules).split()
    if "on" not in words:
        return "off"
    return "on without a password" if "nopass" in words else "on with a password"
