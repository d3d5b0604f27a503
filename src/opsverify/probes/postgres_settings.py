"""The configuration of a PostgreSQL server: pg_settings, and what is set for single roles and databases.

What may hold a secret never leaves the server: the queries themselves put ``set`` or ``not set`` in its place.
"""

from __future__ import annotations

from typing import Any

from opsverify.channels.sql import Query, SqlChannel
from opsverify.errors import InsufficientFactsError
from opsverify.probes import about

# Applications keep their own secrets in parameters (app.jwt_secret); what PostgreSQL's own ones hold is known.
CONFIDENTIAL = (
    "({name} IN ('primary_conninfo', 'ssl_passphrase_command')"
    " OR ({name} LIKE '%.%' AND {name} ~* 'pass|secret|token|key|credential|jwt|conninfo|dsn|license'))"
)
IN_FORCE = """
SELECT s.name, s.source, s.pending_restart,
       CASE WHEN NOT {confidential} THEN current_setting(s.name, true)
            WHEN s.setting = '' THEN 'not set' ELSE 'set' END AS value
  FROM pg_settings s
 WHERE s.name NOT IN ('transaction_deferrable', 'transaction_isolation', 'transaction_read_only')
"""
# Name and value in one, as setconfig has them: name=value.
BY_ROLE = """
SELECT coalesce(r.rolname::text, '') AS account, coalesce(d.datname::text, '') AS database,
       CASE WHEN {confidential} THEN split_part(e.entry, '=', 1) || '=set' ELSE e.entry END AS entry
  FROM (SELECT g.setrole, g.setdatabase, unnest(g.setconfig) AS entry FROM pg_db_role_setting g) e
  LEFT JOIN pg_roles r ON r.oid = e.setrole
  LEFT JOIN pg_database d ON d.oid = e.setdatabase
"""
SETTINGS = Query(IN_FORCE.format(confidential=CONFIDENTIAL.format(name="s.name")))
OF_ROLES = Query(BY_ROLE.format(confidential=CONFIDENTIAL.format(name="split_part(e.entry, '=', 1)")))
RIGHTS = Query("SELECT pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') AS everything")

# What this session has by its own doing, or for its account alone, hides what the server gives to others.
OWN = ("client", "database user", "interactive", "session", "user")


def settings(database: SqlChannel) -> dict[str, str]:
    """The server's parameters with their units, as SHOW has them, by name."""
    return parse_settings(database.ask(SETTINGS))


def parse_settings(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Parse the rows of `SETTINGS`.

    Raises:
        InsufficientFactsError: there are none.
    """
    if not rows:
        raise InsufficientFactsError("pg_settings shows no parameter")
    return {row["name"]: _shown(row) for row in rows}


def _shown(row: dict[str, Any]) -> str:
    if row["source"] in OWN:
        return f"not shown: this account has a value of its own ({row['source']})"
    return f"{row['value']}{' (pending restart)' * bool(row['pending_restart'])}"


def settings_of_roles(database: SqlChannel) -> dict[str, str]:
    """What ALTER ROLE and ALTER DATABASE have set, by parameter, role and database."""
    return parse_settings_of_roles(database.ask(OF_ROLES))


def parse_settings_of_roles(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Parse the rows of `OF_ROLES`."""
    found = {}
    for row in rows:
        name, _, value = row["entry"].partition("=")
        whose = f" of role {row['account']}" * bool(row["account"])
        where = f" in database {row['database']}" * bool(row["database"])
        found[f"{name}{whose}{where}" if whose or where else f"{name} of all roles"] = value
    return found


def rights(database: SqlChannel) -> dict[str, str]:
    """Nothing, where the account sees every parameter.

    Raises:
        InsufficientFactsError: those that only an administrator may see are hidden from it.
    """
    with about(f"database {database.target}"):
        if not database.ask(RIGHTS)[0]["everything"]:
            raise InsufficientFactsError(
                "parameters that only administrators may see are hidden from this account; grant it pg_monitor"
            )
    return {}
