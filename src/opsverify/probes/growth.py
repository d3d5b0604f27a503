"""Facts about the growth of a database: its size over the days, what its write-ahead log may take, what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsverify.channels.sql import Query, Row, SqlChannel
from opsverify.channels.web import WebChannel
from opsverify.days import DAY, Daily, day_of
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.probes import about
from opsverify.probes.series import Line, Sample, query, query_days

# What pg_wal may grow to: checkpoints let it reach max_wal_size, standbys may need wal_keep_size, and slots hold back
# max_slot_wal_keep_size (-1: as much as it takes). All three are in MB; the latter two came with PostgreSQL 13.
PRESENT = Query("""
SELECT pg_database_size(current_database()) AS size,
       (SELECT sum(w.size)::bigint FROM pg_ls_waldir() w) AS wal,
       (SELECT max(s.setting::bigint) * 1048576 FROM pg_settings s
         WHERE s.name IN ('max_wal_size', 'wal_keep_size', 'max_slot_wal_keep_size')) AS wal_most
""")
FRESH = "1h"


@dataclass(frozen=True)
class Sizes:
    """The size of a database in bytes: the highest of each complete UTC day, the newest, and what it is to become.

    ``predicted`` is by linear regression over the last days, for as many days ahead as was asked.
    """

    days: tuple[Daily, ...]
    current: float
    predicted: float


@dataclass(frozen=True)
class Present:
    """What the server itself says, in bytes: the size of the database, its write-ahead log, and the most of that."""

    size: int
    wal: int
    wal_most: int


def sizes(
    prometheus: WebChannel, series: str, moments: tuple[int, ...], history_days: float, ahead_days: float
) -> Sizes:
    """The size that ``series`` (a selector) tells of the days that end at ``moments``, of now and of the days ahead.

    Databases that it selects are added up; of one that several servers or jobs tell, the highest counts. Both are done
    at each moment by itself, so a job that was renamed makes neither a gap nor a jump.

    Raises:
        UnansweredError: Prometheus said no, or something that is not understood.
        InsufficientFactsError: there is no value of the last hour, or several that name no database.
    """
    whole = f"sum(max by (datname) ({series}))"
    newest = f"sum(max by (datname) (last_over_time({series}[{FRESH}])))"  # a scrape that failed is no reason to stop
    # At midnight the last sample of the day before is still the newest: alone it makes no day of one without any.
    highest = f"max_over_time(({whole})[1d:5m]) and (count_over_time(({whole})[1d:5m]) > 1)"
    ahead = f"predict_linear(({whole})[{history_days:g}d:1h], {ahead_days * DAY:.0f})"
    with about(f"prometheus {prometheus.target}: asked for {series}"):
        are_named(query(prometheus, f"count by (datname) ({series})"))
        days = parse_sizes(query_days(prometheus, highest, moments))
        return Sizes(days, _single(query(prometheus, newest)), _single(query(prometheus, ahead)))


def are_named(counts: Sequence[Sample]) -> None:
    """That the databases can be told apart, of the number of series of each ``datname``.

    Raises:
        InsufficientFactsError: several have no such label, so the highest would stand for all of them.
    """
    nameless = sum(each.value for each in counts if not each.labels.get("datname"))
    if nameless > 1:
        raise InsufficientFactsError(
            f"{nameless:.0f} series have no label datname, so they may be several databases; select the one"
        )


def parse_sizes(lines: Sequence[Line]) -> tuple[Daily, ...]:
    """The days of the one line that there can be; none where there is none.

    Raises:
        UnansweredError: there are several.
    """
    if len(lines) > 1:
        raise UnansweredError(f"one sum over all of them was asked for, {len(lines)} series came")
    return tuple(Daily(day_of(moment), value) for line in lines for moment, value in sorted(line.values.items()))


def _single(samples: Sequence[Sample]) -> float:
    if len(samples) != 1:
        raise InsufficientFactsError(
            f"it has no value of the last {FRESH}; is the exporter scraped, and does the selector fit it?"
        )
    return samples[0].value


def present(database: SqlChannel) -> Present:
    """What the database and its write-ahead log take now.

    Raises:
        UnansweredError: this account may not see it (it lacks pg_monitor).
    """
    with about(f"database {database.target}"):
        return parse_present(database.ask(PRESENT))


def parse_present(rows: list[Row]) -> Present:
    """The row of `PRESENT`; a log that is larger than its bounds is the most that is known of it.

    Raises:
        InsufficientFactsError: a size is hidden from this account.
    """
    if len(rows) != 1 or any(rows[0][key] is None for key in ("size", "wal", "wal_most")):
        raise InsufficientFactsError(
            "the sizes of the database and of pg_wal are hidden; grant this account pg_monitor"
        )
    row = rows[0]
    return Present(int(row["size"]), int(row["wal"]), max(int(row["wal"]), int(row["wal_most"])))
