"""PostgreSQL tells what it executes, does it no slower than before, and knows its tables as they are."""

import pytest

from opsverify.probes import documents, postgres, statistics
from opsverify.rules import performance, statements


@pytest.mark.requirement("PERF-PGSS-01")
def test_statements_are_recorded(database, fact, judge):
    """Without a record of statements every search for a slow one begins with a change to production."""
    judge(performance.statements_recorded(fact(postgres.recorded, database)))


@pytest.mark.requirement("PERF-PGSS-02")
def test_statements_are_no_slower_than_before(database, program, fact, limits, now, judge):
    """A plan that turned bad is felt by customers weeks before it shows in an average since the last restart."""
    recorded, baseline = fact(postgres.recorded, database), fact(documents.baseline, program)
    judge(performance.no_slower(recorded, baseline, database.target, limits, now))


@pytest.mark.requirement("PERF-IDX-01")
def test_indexes_are_valid_and_rebuilt_in_windows(database, fact, missing, now, judge, request):
    """REINDEX, as the manual has it, blocks every write meanwhile: an outage, unless in a window."""
    judge(performance.indexes_valid(fact(statistics.indexes, database)))
    recorded = fact(postgres.recorded, database)
    if recorded.rebuilds:
        judge(statements.attested(request.getfixturevalue("attestation"), missing, now))
    else:
        judge(performance.no_rebuilds(recorded))


@pytest.mark.requirement("PERF-STAT-01")
def test_statistics_are_fresh(database, fact, limits, now, judge):
    """The planner believes its statistics; where they are old it reads a whole table, with confidence."""
    judge(performance.statistics_fresh(fact(statistics.tables, database), limits, now))


@pytest.mark.requirement("BP-PERF-04")
def test_use_of_cache_tables_and_indexes_is_shown(database, fact, limits, judge):
    """An index that nobody uses is paid for at every write; a table that lacks one is paid for at every read."""
    blocks, indexes = fact(statistics.blocks, database), fact(statistics.indexes, database)
    judge(performance.use_reported(blocks, fact(statistics.tables, database), indexes, limits))
