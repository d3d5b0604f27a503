"""The baseline file: what it may say, that it comes back as it was written, and how it is taken."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.baseline import Baseline, BaselineStatement, dump, parse
from opsverify.errors import UsageError

FILE = "profiles/test/baseline.toml"
WHOLE = """
taken = 2026-11-01T23:30:00-02:00
valid_for = "180d"
by = "Anna Smith"
load = "20 orders/s"
version = "2.4.1"
[[statement]]
database = "postgres"
queryid = "-1719341194541968008"
calls = 96
total_ms = 12
text = "SELECT $1"
"""


def test_a_baseline_is_read_and_its_days_are_counted_in_utc() -> None:
    found = parse(WHOLE, FILE)
    assert found.expires == date(2027, 5, 1)
    assert found.statement[0].queryid == "-1719341194541968008"
    assert found.shown()["date"] == "2026-11-02"
    assert found.shown()["by"] == "Anna Smith"
    assert "2.4.1" in found.shown()["statement"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-02:00", "", "taken: expected a time with its offset"),
        ("2026-11-01T23:30:00-02:00", "2026-11-01", "taken: Input should be a valid datetime"),
        ("2026-11-01T23:30:00-02:00", "9999-12-31T23:59:59-02:00", "taken: expected a year from 2000 to 2999"),
        ('"180d"', '"1y"', "valid_for: String should match pattern"),
        ('load = "20 orders/s"', 'load = ""', "load: String should have at least 1 character"),
        ('version = "2.4.1"\n', "", "version: Field required"),
        ('"-1719341194541968008"', "-1719341194541968008", "statement.0.queryid: Input should be a valid string"),
        ("calls = 96", "calls = -1", "statement.0.calls: Input should be greater than or equal to 0"),
        ("total_ms = 12", "total_ms = nan", "statement.0.total_ms: Input should be"),
        ("total_ms = 12", "total_ms = inf", "statement.0.total_ms: Input should be a finite number"),
        ("[[statement]]", "[[statements]]", "statements: unknown key"),
    ],
)
def test_a_malformed_baseline_ends_in_one_line_with_file_and_key(old: str, new: str, said: str) -> None:
    assert old in WHOLE
    with pytest.raises(UsageError) as error:
        parse(WHOLE.replace(old, new, 1), FILE)
    assert str(error.value).startswith(f"{FILE}: {said}")
    assert "\n" not in str(error.value)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
named = texts.map(lambda text: f"x{text}x")
statements = st.builds(
    BaselineStatement,
    database=named,
    queryid=named,
    calls=st.integers(min_value=0, max_value=2**62),
    total_ms=st.floats(min_value=0, allow_infinity=False),
    text=texts,
)


@given(st.lists(statements, max_size=3), named)
def test_what_is_written_is_read_again(found: list[BaselineStatement], load: str) -> None:
    taken = Baseline(
        taken=datetime(2026, 11, 23, 12, tzinfo=UTC),
        valid_for="90d",
        by="a",
        load=load,
        version="1",
        statement=found,
    )
    assert parse(dump(taken), FILE) == taken
