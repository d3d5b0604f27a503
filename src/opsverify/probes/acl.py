"""What the rules of a Redis user let it do, of the commands that Redis calls dangerous.

A user's rules are read in their order, as Redis does, and each selector (Redis 7) by itself: a command is permitted
when the rules themselves or one selector permit it. Which command is in which category is Redis' own knowledge (ACL
CAT), taken from versions 6.0 to 8.0; asking the server for it would need a right more.
"""

from __future__ import annotations

import re

from opsverify.errors import InsufficientFactsError

# The commands of the category @dangerous, by the other categories that they are in.
_TABLE = {
    "admin connection slow": """
        client|kill client|list client|no-evict client|pause client|unblock client|unpause
    """,
    "admin fast": """
        lastsave role
    """,
    "admin hyperloglog slow": """
        pfselftest
    """,
    "admin hyperloglog slow write": """
        pfdebug
    """,
    "admin slow": """
        acl|deluser acl|dryrun acl|getuser acl|list acl|load acl|log acl|save acl|setuser acl|users
        bgrewriteaof bgsave cluster|addslots cluster|addslotsrange cluster|bumpepoch
        cluster|count-failure-reports cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots
        cluster|forget cluster|meet cluster|replicas cluster|replicate cluster|reset cluster|saveconfig
        cluster|set-config-epoch cluster|setslot cluster|slaves config|get config|resetstat
        config|rewrite config|set debug failover latency|doctor latency|graph latency|histogram
        latency|history latency|latest latency|reset module|list module|load module|loadex module|unload
        monitor psync replconf replicaof save shutdown slaveof slowlog|get slowlog|len slowlog|reset
        sync
    """,
    "fast keyspace write": """
        swapdb
    """,
    "keyspace read slow": """
        keys
    """,
    "keyspace slow write": """
        flushall flushdb migrate restore restore-asking
    """,
    "list read set slow sortedset": """
        sort_ro
    """,
    "list set slow sortedset write": """
        sort
    """,
    "slow": """
        info
    """,
}
CATEGORIES = frozenset(
    """
    admin bitmap blocking connection dangerous fast geo hash hyperloglog keyspace list pubsub read scripting set slow
    sortedset stream string transaction write
    """.split()  # noqa: SIM905
)
DANGEROUS = {
    command: frozenset(categories.split()) | {"dangerous"}
    for categories, commands in _TABLE.items()
    for command in commands.split()
}


def permitted(rules: str) -> frozenset[str]:
    """The dangerous commands that a user's rules permit; none for a user that is off.

    Raises:
        InsufficientFactsError: a category is added that is not known here.
    """
    base, *selectors = re.split(r"[()]", rules)
    if "off" in base.split():
        return frozenset()
    return frozenset().union(*(_of_rules(each) for each in (base, *selectors)))


def _of_rules(rules: str) -> set[str]:
    found: set[str] = set()
    for rule in rules.lower().split():
        sign, word = rule[0], rule[1:]
        if rule in ("allcommands", "+@all"):
            found = set(DANGEROUS)
        elif rule in ("nocommands", "-@all"):
            found = set()
        elif sign in "+-" and word.startswith("@"):
            category = word[1:]
            if category not in CATEGORIES and sign == "+":
                raise InsufficientFactsError(
                    f"the ACL category {word} is not known, so it cannot be told what it permits"
                )
            named = {each for each, categories in DANGEROUS.items() if category in categories}
            found = found | named if sign == "+" else found - named
        elif sign in "+-":
            named = {each for each in DANGEROUS if each == word or each.startswith(f"{word}|")}
            # Redis before 7 permits a command by its first argument: +info|server.
            named |= {each for each in DANGEROUS if sign == "+" and word.startswith(f"{each}|")}
            found = found | named if sign == "+" else found - named
    return found
