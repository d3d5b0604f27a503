"""A PostgreSQL server of a drill's own, in its scratch place: set up so that it reaches nobody, asked, and counted."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opsverify.channels.scratch import Answer, Scratch
from opsverify.dumps import Table
from opsverify.errors import UnansweredError
from opsverify.probes.drills import FLAWS

OWNER = "opsverify_scratch"  # the superuser of a new cluster; no dump has a role of that name
DATABASE = "drill"
PORT = "5432"  # of the socket's name; nothing listens on TCP
# The first minor versions (August 2025) whose psql takes no commands from a dump that it restores.
RESTRICTING = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
# What a standby must have at least as much of as its primary had, by their names in pg_controldata.
AT_LEAST = {
    "max_connections": "max_connections",
    "max_worker_processes": "max_worker_processes",
    "max_wal_senders": "max_wal_senders",
    "max_prepared_transactions": "max_prepared_xacts",
    "max_locks_per_transaction": "max_locks_per_xact",
}
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    # A restored subscription would take from production what is meant for somebody else.
    "max_logical_replication_workers": "0",
    "shared_preload_libraries": "",
    "archive_mode": "off",
    "hot_standby": "on",
    "ssl": "off",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "autovacuum": "off",
    "fsync": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "shared_buffers": "64MB",
}
COUNT = (
    "SELECT format('SELECT json_build_array(%L, %L, count(*)) FROM %s %I.%I',"
    " n.nspname, c.relname, CASE c.relkind WHEN 'r' THEN 'ONLY' END, n.nspname, c.relname)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 \\gexec\n"
)


@dataclass(frozen=True)
class Versions:
    """The version of the programs: ``major`` and ``minor``, and as they say it."""

    major: int
    minor: int
    said: str


def versions(scratch: Scratch) -> Versions:
    """The version of the scratch place's PostgreSQL.

    Raises:
        UnansweredError: it has none.
    """
    answer = scratch.run("psql", "--version")
    match = re.match(r"psql \(PostgreSQL\) ((\d+)(?:\.(\d+))?\S*)", answer.stdout.decode(errors="replace"))
    if answer.status != 0 or match is None:
        raise UnansweredError(f"scratch: psql does not tell its version: {answer.words}")
    return Versions(int(match[2]), int(match[3] or 0), match[1])


def safe_to_feed(found: Versions) -> None:
    """That psql takes no commands of its own from a dump.

    Raises:
        UnansweredError: it is too old.
    """
    needed = RESTRICTING.get(found.major, 0 if found.major > max(RESTRICTING) else 10**6)
    if found.minor < needed:
        least = f"{found.major}.{needed}" if found.major in RESTRICTING else "13.22"
        raise UnansweredError(
            f"scratch: psql {found.said} does not know \\restrict, so a dump could make it run any command; "
            f"expected at least {least} (August 2025)"
        )


def lacks_extension(said: str) -> bool:
    """Whether PostgreSQL complains that an extension is not installed (up to version 14, that a file of it is not)."""
    return ('extension "' in said and "is not available" in said) or "could not open extension control file" in said


def quoted(value: str) -> str:
    """A value as postgresql.conf has it."""
    return "'" + value.replace("'", "''") + "'"


class Cluster:
    """The server in a scratch place: its data in ``data``, its log in ``log``, its socket in the place's folder."""

    def __init__(self, scratch: Scratch, user: str = OWNER) -> None:
        self.scratch = scratch
        self.user = user
        self.data, self.log = f"{scratch.folder}/data", f"{scratch.folder}/log"

    def create(self) -> None:
        """A new, empty cluster, running, with a database ``drill``."""
        flags = ["-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-k"]
        self._must(self.scratch.run("initdb", "-D", self.data, *flags), "initdb")
        self.start({"wal_level": "minimal", "max_wal_senders": "0"})
        self._must(self.sql(f"CREATE DATABASE {DATABASE} TEMPLATE template0", "postgres"), "CREATE DATABASE")

    def start(self, more: Mapping[str, str]) -> None:
        """Write the server's configuration, so that it reads no other one, and start it.

        Raises:
            UnansweredError: it does not start; says what its log says.
        """
        folder = self.scratch.folder
        files = {"data_directory": self.data, "hba_file": f"{folder}/hba", "ident_file": f"{folder}/ident"}
        settings = {**files, "unix_socket_directories": folder, **SETTINGS, **more}
        text = "".join(f"{name} = {quoted(value)}\n" for name, value in settings.items())
        self.write(f"{folder}/conf", text)
        self.write(f"{folder}/hba", "local all all trust\n")
        self.write(f"{folder}/ident", "")
        self.write(f"{self.data}/postgresql.auto.conf", "")  # what ALTER SYSTEM set in production
        within = ["-w", "-s", "-t", str(int(self.scratch.timeout_s))]
        options = ["-D", self.data, "-l", self.log, "-o", f"-c config_file={shlex.quote(folder)}/conf"]
        answer = self.scratch.run("pg_ctl", "start", *within, *options)
        if answer.status != 0:
            raise UnansweredError(f"the scratch server does not start: {self.complaint() or answer.words}")

    def write(self, path: str, text: str) -> None:
        """Write a small file in the scratch place."""
        answer = self.scratch.run(
            "dd", f"of={path}", "status=none", feed=lambda pipe: _put(pipe, text.encode()), shown=text
        )
        self._must(answer, f"writing {path}")

    def said(self) -> str:
        """The server's log."""
        return self.scratch.run("cat", self.log).stdout.decode(errors="backslashreplace")

    def complaint(self) -> str:
        """The last error in the server's log, or nothing."""
        found = re.findall(r"(?:FATAL|PANIC|ERROR):  (.*)", self.said())
        return found[-1] if found else ""

    def psql(self, database: str) -> list[str]:
        """The arguments by which psql asks this server and no other."""
        where = ["-h", self.scratch.folder, "-p", PORT, "-U", self.user, "-d", database]
        return ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", *where]

    def sql(self, text: str, database: str) -> Answer:
        """What psql ends with on a text."""
        content = text.encode("utf-8", "surrogateescape")  # a dump names roles in whatever encoding it has
        shown = content.decode("utf-8", "backslashreplace").strip()
        return self.scratch.run("psql", *self.psql(database), feed=lambda pipe: _put(pipe, content), shown=shown)

    def rows(self, text: str, database: str) -> list[Any]:
        """The JSON values that the lines of an answer are.

        Raises:
            UnansweredError: psql failed, or answered something else.
        """
        answer = self._must(self.sql(text, database), "psql")
        try:
            return [json.loads(line) for line in answer.stdout.decode("utf-8").split("\n") if line]
        except ValueError:
            raise UnansweredError(f"scratch: psql's answer is not understood: {answer.stdout[:200]!r}") from None

    def counts(self, database: str) -> dict[Table, int]:
        """The rows of each ordinary table, counted; and of each partitioned one, which a dump may load as a whole."""
        return {(schema, name): int(count) for schema, name, count in self.rows(COUNT, database)}

    def flaws(self, database: str) -> set[tuple[str, str]]:
        """Kind and name of the constraints that were never validated, and of the indexes that are invalid."""
        text = f"SELECT json_build_array(f.kind, f.name) FROM ({FLAWS.text}) f;\n"  # noqa: S608  a constant
        return {(kind, name) for kind, name in self.rows(text, database)}

    def checked(self, database: str) -> str | None:
        """What pg_amcheck finds in a database's tables and indexes, nothing when all is well; None without it."""
        where = ["-h", self.scratch.folder, "-p", PORT, "-U", self.user, "-d", database]
        answer = self.scratch.run("pg_amcheck", *where, "--install-missing", "--heapallindexed", "--no-strict-names")
        lacking = answer.status == 127 or lacks_extension(answer.stderr)
        lacking = lacking or "cannot be run" in answer.stderr or "executable file not found" in answer.stderr
        if lacking:
            return None
        if answer.status == 0:
            return ""
        said = answer.stdout.decode(errors="backslashreplace").strip() or answer.stderr.strip()
        return said.splitlines()[0] if said else f"status {answer.status}"

    def make_roles(self, names: Iterable[str]) -> None:
        """Make roles that may do nothing, by their names as a dump writes them."""
        text = "".join(f"CREATE ROLE {name} NOLOGIN;\n" for name in names)
        self._must(self.sql(text, "postgres"), "CREATE ROLE")

    def required(self) -> dict[str, str]:
        """The settings that recovery needs, by the control file of the base backup."""
        answer = self._must(self.scratch.run("pg_controldata", "-D", self.data), "pg_controldata")
        found = dict(re.findall(r"^(\w+) setting: +(\d+)$", answer.stdout.decode(errors="replace"), re.MULTILINE))
        lacking = [name for name in AT_LEAST.values() if name not in found]
        if lacking:
            raise UnansweredError(f"scratch: pg_controldata does not tell {', '.join(lacking)}")
        return {setting: found[name] for setting, name in AT_LEAST.items()}

    def _must(self, answer: Answer, what: str) -> Answer:
        if answer.status != 0:
            raise UnansweredError(f"scratch: {what} ended with status {answer.status} and said: {answer.words}")
        return answer


def _put(pipe: Any, content: bytes) -> None:
    pipe.write(content)
