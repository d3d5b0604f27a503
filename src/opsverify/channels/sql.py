"""The SQL channel: constant, reviewed, read-only queries to one PostgreSQL server.

A read-only transaction is not a boundary (a privileged account steps over it), so three things stand before
it: the session is given up when the account may do more than read, only `Query` constants are asked, and their
text may call nothing but the functions listed here.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.rows import dict_row

from opsverify import __version__, targets
from opsverify.channels.base import Channel, Dial, via
from opsverify.channels.coding import ROWS, SAME, key
from opsverify.errors import RefusedError, UnansweredError, UnreachableError
from opsverify.transcript import Transcript

Row = dict[str, Any]
SECONDS = key("seconds")

FUNCTIONS = frozenset(
    """
    abs acldefault aclexplode age array_agg array_length array_to_string avg bool_and bool_or cardinality cast ceil
    clock_timestamp coalesce count current_database current_setting date_part exists extract floor format_type
    greatest has_database_privilege has_table_privilege in isfinite lag least left length lower max min now nullif
    pg_blocking_pids pg_current_wal_lsn pg_database_size pg_get_indexdef pg_has_role pg_hba_file_rules
    pg_is_in_recovery pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_ls_archive_statusdir pg_ls_waldir
    pg_postmaster_start_time pg_relation_size pg_stat_get_wal_receiver pg_table_size pg_total_relation_size
    pg_wal_lsn_diff quote_ident round row_number split_part string_agg sum to_char trunc unnest upper version
    any all over filter values
    """.split()  # noqa: SIM905
)
FORBIDDEN = re.compile(
    r";|--|/\*|\$\$|\b(insert|update|delete|merge|truncate|create|alter|drop|grant|revoke|copy|call|do|set|reset|lock"
    r"|vacuum|analyze|reindex|cluster|refresh|notify|listen|prepare|execute|into|for\s+(update|share|no|key))\b",
    re.IGNORECASE,
)

# What an account that only reads must not have; asked first in every session.
ACCOUNT = """
SELECT r.rolname AS account, r.rolsuper AS superuser, r.rolcreatedb AS createdb, r.rolcreaterole AS createrole,
       r.rolreplication AS replication, r.rolbypassrls AS bypassrls,
       (SELECT count(*) FROM pg_database d WHERE d.datdba = r.oid) AS databases_owned,
       (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid) AS relations_owned,
       (SELECT string_agg(m.rolname, ', ') FROM pg_roles m
         WHERE m.rolname NOT IN (r.rolname, 'pg_monitor', 'pg_read_all_settings', 'pg_read_all_stats',
                                 'pg_stat_scan_tables')
           AND pg_has_role(r.oid, m.oid, 'MEMBER')) AS other_roles
  FROM pg_roles r WHERE r.rolname = current_user
"""


@dataclass(frozen=True)
class Query:
    """A reviewed query: a constant of a probe, never a text put together from what was read."""

    text: str

    def __post_init__(self) -> None:
        if '"' in self.text or "\\" in self.text:  # quoting by which a name or a string could hide from what follows
            raise RefusedError(f"query refused: quoted names and escapes are not allowed: {self.text.strip()[:80]!r}")
        if re.search(r'[\\"$]', self.text):  # other ways to quote, that would hide a call from the checks below
            raise RefusedError(f'query refused: no \\, " or $ is allowed in {self.text.strip()[:80]!r}')
        found = FORBIDDEN.search(re.sub(r"'[^']*'", "''", self.text))
        if found:
            raise RefusedError(f"query refused: {found.group(0)!r} is not allowed in {self.text.strip()[:80]!r}")
        if not re.match(r"\s*(select|with|show)\b", self.text, re.IGNORECASE):
            raise RefusedError(f"query refused: not a SELECT: {self.text.strip()[:80]!r}")
        called = {name.lower() for name in re.findall(r"([A-Za-z_]\w*)\s*\(", re.sub(r"'[^']*'", "''", self.text))}
        unknown = (
            called - FUNCTIONS - {"and", "or", "not", "as", "on", "where", "from", "select", "then", "when", "else"}
        )
        if unknown:
            raise RefusedError(f"query refused: calls {', '.join(sorted(unknown))}, not on the read-only list")


class SqlChannel(Channel):
    """Questions to one PostgreSQL server over one connection, each in its own read-only transaction."""

    kind = "sql"

    def __init__(
        self, database: targets.Database, password: str, root: Path, transcript: Transcript, dial: Dial | None = None
    ) -> None:
        super().__init__(database.name, database.user, database.timeout_s, transcript)
        self.spec = database
        self._dial = dial
        host, _, port = database.address.rpartition(":")
        self._conninfo: dict[str, Any] = {
            "host": host.strip("[]"),
            "port": port,
            "dbname": database.dbname,
            "user": database.user,
            "password": password,
            "sslmode": database.sslmode,
            "connect_timeout": max(2, int(database.timeout_s)),
            "application_name": f"opsverify {__version__}",
        }
        if database.sslrootcert:
            self._conninfo["sslrootcert"] = str(root / database.sslrootcert)
        self._connection: psycopg.Connection[Row] | None = None

    def ping(self) -> str:
        """Ask libpq whether the server accepts connections, as pg_isready does.

        It is asked even where the target was found unreachable: that may have been a refused login, which says
        nothing of what is asked here. Bounded by libpq's connect_timeout, it costs one time-out more at most.

        Returns:
            ``accepting connections``, ``rejecting connections``, ``no response`` or ``not attempted``.
        """
        words = {
            pq.Ping.OK: "accepting connections",
            pq.Ping.REJECT: "rejecting connections",
            pq.Ping.NO_RESPONSE: "no response",
            pq.Ping.NO_ATTEMPT: "not attempted",
        }

        def send() -> str:
            # With a real account's name, or the server would log a refusal for every ping.
            address = {key: value for key, value in self._dialled().items() if key != "password"}
            return words[pq.Ping(pq.PGconn.ping(psycopg.conninfo.make_conninfo(**address).encode()))]

        latched, self._unreachable = self._unreachable, None
        try:
            return str(self.exchange("ping", send, SAME))
        finally:
            self._unreachable = latched

    def login(self) -> float:
        """Open a session of its own, ask ``SELECT 1`` in it, close it, and return the seconds that this took."""

        def send() -> float:
            begun = time.monotonic()
            try:
                with self._connect() as connection:
                    connection.execute("SELECT 1")
            except psycopg.Error as error:
                raise UnansweredError(f"database {self.target}: SELECT 1 failed: {_first_line(error)}") from None
            return round(time.monotonic() - begun, 6)

        return float(self.exchange("login and SELECT 1", send, SECONDS))

    def roundtrip(self) -> float:
        """Ask ``SELECT 1`` in the open session, and return the seconds from this question alone to its answer.

        Raises:
            UnreachableError, UnansweredError, RefusedError: as `ask`.
        """

        def send() -> float:
            try:
                with self._session().transaction(force_rollback=True), self._session().cursor() as cursor:
                    begun = time.monotonic()
                    cursor.execute("SELECT 1").fetchall()
                    return round(time.monotonic() - begun, 6)
            except psycopg.Error as error:
                raise UnansweredError(f"database {self.target}: SELECT 1 failed: {_first_line(error)}") from None

        return float(self.exchange("SELECT 1", send, SECONDS))

    def ask(self, query: Query) -> list[Row]:
        """Ask one query and return its rows.

        Raises:
            UnreachableError: no session can be had.
            UnansweredError: the server refused or broke off the query.
            RefusedError: the account may do more than read.
        """
        return self.exchange(query.text.strip(), lambda: self._send(query.text), ROWS)

    def _send(self, text: str) -> list[Row]:
        try:
            connection = self._session()
            with connection.transaction(force_rollback=True), connection.cursor() as cursor:
                return cursor.execute(text).fetchall()
        except psycopg.Error as error:
            raise UnansweredError(f"database {self.target}: the query failed: {_first_line(error)}") from None

    def _dialled(self) -> dict[str, Any]:
        """How to connect. Where another address is dialled, the certificate is still held against the name."""
        if self._dial is None:
            return self._conninfo
        address, port = self._dial()
        return {**self._conninfo, "hostaddr": address, "port": port}

    def _connect(self) -> psycopg.Connection[Row]:
        dialled = self._dialled()
        try:
            return psycopg.connect(
                **dialled,
                row_factory=dict_row,
                # Rows that a policy would hide make a query fail: what is left of them looks like all there is.
                options="-c statement_timeout=5000 -c lock_timeout=500 -c default_transaction_read_only=on"
                " -c row_security=off",
            )
        except psycopg.Error as error:
            raise UnreachableError(
                f"database {self.target} at {self.spec.address}{via(self.spec)} gives {self.account} no session: "
                f"{_first_line(error)}"
            ) from None

    def _session(self) -> psycopg.Connection[Row]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        connection = self._connect()
        connection.read_only = True
        account = connection.execute(ACCOUNT).fetchall()
        connection.rollback()
        more = [
            f"{key} = {value}" for key, value in (account[0] if account else {}).items() if key != "account" and value
        ]
        if not account or more:
            connection.close()
            raise RefusedError(
                f"database {self.target}: account {self.account} may do more than read "
                f"({'; '.join(more) or 'unknown role'}); "
                "grant it what docs/granting.md says, no more"
            )
        self._connection = connection
        return connection

    def close(self) -> None:
        """Close the session."""
        if self._connection is not None:
            self._connection.close()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
