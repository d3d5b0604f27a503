"""Facts about who may do what in a PostgreSQL server: roles, what PUBLIC holds, pg_hba, how passwords are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsverify.channels.sql import Query, Row, SqlChannel
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import Attempt, about, attempt
from opsverify.probes.postgres import VERSION

# Membership counts without INHERIT too: SET ROLE gets at it. So it does at a role that is a superuser, CREATEROLE or
# BYPASSRLS itself. Superusers are members of everything, so they stand apart.
ROLES = Query("""
SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolcreaterole AS createrole, r.rolbypassrls AS bypassrls,
       r.rolreplication AS replication,
       (SELECT array_agg(m.rolname::text) FROM pg_roles m
         WHERE (m.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
                OR m.rolsuper OR m.rolcreaterole OR m.rolbypassrls)
           AND m.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, m.oid, 'MEMBER')) AS mighty
  FROM pg_roles r
 ORDER BY r.rolname
""")

# What is granted to PUBLIC (grantee 0). A database without an ACL has the default one, which lets everyone make
# temporary tables; a schema, a table, a sequence or a column without one is its owner's alone. What belongs to an
# extension is left out: the views of pg_stat_statements are everyone's, and show nothing to those who may not see.
DATABASE = Query("""
SELECT d.datname::text AS what, a.privilege_type AS privilege
  FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
 WHERE d.datname = current_database() AND a.grantee = 0
""")
SCHEMAS = Query("""
SELECT n.nspname::text AS what, a.privilege_type AS privilege
  FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
 WHERE a.grantee = 0 AND a.privilege_type = 'CREATE'
""")
APPLICATION = """
c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT 1 FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
"""
COUNTED = """
SELECT count(*) AS relations, (SELECT count(*) FROM pg_namespace) AS schemas
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {application}
"""
OBJECTS = """
SELECT n.nspname || '.' || c.relname AS what, a.privilege_type AS privilege
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(c.relacl) a
 WHERE a.grantee = 0 AND {application}
UNION ALL
SELECT n.nspname || '.' || c.relname || '.' || t.attname, a.privilege_type
  FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       CROSS JOIN LATERAL aclexplode(t.attacl) a
 WHERE a.grantee = 0 AND NOT t.attisdropped AND {application}
"""
COUNT = Query(COUNTED.format(application=APPLICATION))
# Of functions and types PUBLIC may make use by PostgreSQL's own default; of these it may not.
DEFAULTS = Query("""
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' ELSE 'schemas' END
         || ' that ' || o.rolname || ' will make' AS what, a.privilege_type AS privilege
  FROM pg_default_acl d JOIN pg_roles o ON o.oid = d.defaclrole CROSS JOIN LATERAL aclexplode(d.defaclacl) a
 WHERE a.grantee = 0 AND d.defaclobjtype IN ('r', 'S', 'n')
""")
PUBLIC = {
    "database": DATABASE,
    "schemas": SCHEMAS,
    "objects": Query(OBJECTS.format(application=APPLICATION)),
    "defaults": DEFAULTS,
}

# The rules as they stand in the file, comments and all errors in it told apart; the name of the file is of 16.
HBA = """
SELECT h.line_number, {file} AS file, h.type, h.database, h.user_name, h.address, h.netmask, h.auth_method, h.error
  FROM pg_hba_file_rules h
"""
HBA_16 = Query(HBA.format(file="h.file_name"))
HBA_13 = Query(HBA.format(file="NULL::text"))
SETTINGS = Query("SELECT current_setting('password_encryption') AS password_encryption")
METHODS = frozenset(
    "trust reject md5 password scram-sha-256 gss sspi ident peer pam bsd ldap radius cert oauth".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Role:
    """A role with what makes it more than others.

    ``mighty`` are the roles that it is a member of, directly or not, and that are superusers, may make roles, pass by
    row security, or read, write or run on the server itself.
    """

    name: str
    superuser: bool
    createrole: bool
    bypassrls: bool
    replication: bool
    mighty: tuple[str, ...]


@dataclass(frozen=True)
class HbaRule:
    """A line of pg_hba.conf; ``error`` is PostgreSQL's own, and the line then counts for nothing."""

    line: int
    file: str
    said: str
    method: str
    error: str

    def __str__(self) -> str:
        return f"{self.file}line {self.line}: {self.error or self.said}"


@dataclass(frozen=True)
class Privileges:
    """Who may do what. ``public`` is what PUBLIC holds of the database, schemas, objects and objects to come.

    ``relations`` counts the tables, views and sequences of the application that were looked at, ``schemas`` those of
    the database; ``hba`` may not be shown to everyone.
    """

    roles: tuple[Role, ...]
    public: Mapping[str, tuple[str, ...]]
    relations: int
    schemas: int
    hba: Attempt[tuple[HbaRule, ...]]
    password_encryption: str


def privileges(database: SqlChannel) -> Privileges:
    """All of that.

    Raises:
        InsufficientFactsError: there is no role.
    """
    with about(f"database {database.target}"):
        version = database.ask(VERSION)[0]["version"]
        rules = HBA_16 if version >= 160000 else HBA_13
        counted = database.ask(COUNT)[0]
        return Privileges(
            parse_roles(database.ask(ROLES)),
            {kind: parse_grants(database.ask(query)) for kind, query in PUBLIC.items()},
            counted["relations"],
            counted["schemas"],
            attempt(lambda: parse_hba(database.ask(rules))),
            str(database.ask(SETTINGS)[0]["password_encryption"]),
        )


def parse_roles(rows: list[Row]) -> tuple[Role, ...]:
    """The rows of `ROLES`.

    Raises:
        InsufficientFactsError: there are none, though the account that asks is one.
    """
    if not rows:
        raise InsufficientFactsError("pg_roles shows no role, not even the one that asks")
    return tuple(
        Role(
            row["name"],
            row["superuser"],
            row["createrole"],
            row["bypassrls"],
            row["replication"],
            tuple(row["mighty"] or ()),
        )
        for row in rows
    )


def parse_grants(rows: list[Row]) -> tuple[str, ...]:
    """What is granted, one privilege each: ``SELECT on swap.users``."""
    return tuple(f"{row['privilege']} on {row['what']}" for row in rows)


def parse_hba(rows: list[Row]) -> tuple[HbaRule, ...]:
    """The rows of `HBA_13` or `HBA_16`. Names in them are whatever somebody wrote into the file.

    Raises:
        InsufficientFactsError: there are none: without a rule nobody could have asked.
        UnansweredError: a method that is not known here, or a rule without one.
    """
    if not rows:
        raise InsufficientFactsError("pg_hba_file_rules shows no rule, not even the one by which it was asked")
    return tuple(_rule(row) for row in rows)


def _rule(row: Mapping[str, Any]) -> HbaRule:
    error, method = row["error"] or "", row["auth_method"] or ""
    if not error and method not in METHODS:
        raise UnansweredError(f"pg_hba: line {row['line_number']} has the method {method!r}, which is not known here")
    names = (",".join(row[column] or ()) for column in ("database", "user_name"))
    address = "/".join(each for each in (row["address"], row["netmask"]) if each)
    words = (row["type"] or "", *names, address, method)
    file = f"{row['file'].rpartition('/')[2]} " if row["file"] else ""
    return HbaRule(row["line_number"], file, " ".join(each for each in words if each), method, error)
