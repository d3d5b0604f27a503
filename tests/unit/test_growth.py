"""A database's growth: how long a history has to be, the worse of two lines, and what takes the space beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import catalogue
from opsverify.attestations import Attestation
from opsverify.channels.sql import Row
from opsverify.days import DAY, Daily
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, Observation, byte_size, unmet
from opsverify.past_runs import History, PastRun
from opsverify.probes import Attempt
from opsverify.probes.documents import Attested
from opsverify.probes.growth import Present, Sizes, are_named, parse_present, parse_sizes
from opsverify.probes.room import Kept, Space, parse_spaces
from opsverify.probes.series import Line, Sample
from opsverify.rules import growth

NOW = datetime(2026, 11, 23, 13, 37, tzinfo=UTC)
TODAY = NOW.date()
GIB, MIB = 1024**3, 1024**2
NO_STORE: Attempt[tuple[Kept, ...]] = Attempt(())


LIMITS = catalogue.load(Path(__file__).parents[2] / "checks").limits("CAP-STO-01")


@pytest.fixture
def limits() -> Limits:
    """The limits of the catalogue."""
    return LIMITS


def history(values: Sequence[float | None]) -> tuple[Daily, ...]:
    """Values of the last complete days, the newest last; None where there is none."""
    first = TODAY - timedelta(days=len(values))
    return tuple(Daily(first + timedelta(days=at), value) for at, value in enumerate(values) if value is not None)


def sizes(values: Sequence[float | None], linear: float = 0.0) -> Sizes:
    """A history, and what linear regression makes of a growth of so much a day."""
    current = float(values[-1] or 0)
    return Sizes(history(values), current, current + linear * 183)


def judged(
    found: Sizes, limits: Limits, available: int = 100 * GIB, *, archived: Attempt[tuple[Kept, ...]] = NO_STORE
) -> list[Observation]:
    """The verdict where the write-ahead log may still grow by 192 MiB."""
    present = Present(int(found.current), 64 * MIB, 256 * MIB)
    return growth.has_room(found, present, Space("/dev/vda1", "/data", available), archived, 90, limits, NOW)


def steady(a_day: float, days: int = 41, start: float = 10 * GIB) -> list[float]:
    """Growth of so much a day."""
    return [start + a_day * each for each in range(days)]


def test_steep_growth_is_found_and_told(limits: Limits) -> None:
    found = unmet(judged(sizes(steady(GIB), GIB), limits))

    assert [str(each) for each in found] == [
        "space left on /data: observed 100 GiB, expected at least 183.2 GiB: "
        "183 GiB of growth in 183 days, 192 MiB of write-ahead log and backups there"
    ]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(steady(0), id="flat"),
        pytest.param(steady(-MIB), id="shrinking"),
        pytest.param([*steady(MIB, 21, 60 * GIB), *steady(MIB, 20)], id="a vacuum gave back 50 GiB"),
        pytest.param([*steady(MIB, 20), 90 * GIB, *steady(MIB, 20)], id="one day of load tests"),
        pytest.param([None if each % 5 == 2 else 10.0 * GIB for each in range(41)], id="every fifth day missing"),
    ],
)
def test_what_does_not_grow_fast_has_room(values: list[float | None], limits: Limits) -> None:
    assert unmet(judged(sizes(values, -MIB), limits)) == []


@pytest.mark.parametrize(("robust", "linear"), [(GIB, 0), (0, GIB), (GIB, -GIB), (-MIB, GIB)])
def test_the_worse_of_the_two_lines_counts(robust: float, linear: float, limits: Limits) -> None:
    assert unmet(judged(sizes(steady(robust, start=50 * GIB), linear), limits))


@given(st.integers(0, 10**12), st.integers(-1, 1))
def test_the_limit_is_met_to_the_byte(a_day: int, off: int) -> None:
    needed = a_day * 183 + 192 * MIB

    assert (unmet(judged(sizes([1.0] * 41, a_day), LIMITS, needed + off)) == []) == (off >= 0)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (steady(0, 20), "reaches back 20 days, at least 30 are needed"),
        (steady(0, 29), "reaches back 29 days"),
        ([], "reaches back 0 days"),
        ([*steady(0, 12), *[None] * 7, *steady(0, 23)], "77% of the last 30 days have a size, 80% are needed"),
    ],
)
def test_a_history_that_is_too_short_is_an_error_however_steep(
    values: list[float | None], why: str, limits: Limits
) -> None:
    found = Sizes(history(values), 10 * GIB, 1e15)
    with pytest.raises(InsufficientFactsError, match=why):
        judged(found, limits)
    assert growth.line(found, limits, NOW) == []


@pytest.mark.parametrize("values", [steady(0, 30), [*steady(0, 12), *[None] * 6, *steady(0, 24)]])
def test_thirty_days_and_eighty_percent_of_them_are_enough(values: list[float | None], limits: Limits) -> None:
    assert growth.too_short(history(values), limits, NOW) == ""


def test_today_counts_for_nothing(limits: Limits) -> None:
    days = (*history(steady(0, 29)), Daily(TODAY, 1e15))

    assert "29 days" in growth.too_short(days, limits, NOW)


def test_a_series_that_leaves_the_database_out_is_an_error(limits: Limits) -> None:
    with pytest.raises(InsufficientFactsError, match=r"tells of 1 MiB, but the database says that it takes 10 GiB"):
        growth.has_room(
            sizes([MIB] * 41), Present(10 * GIB, 0, 0), Space("a", "/data", 10**15), NO_STORE, 90, limits, NOW
        )


def store(source: str, a_day: int, days: int) -> Attempt[tuple[Kept, ...]]:
    """A backup store of so many days."""
    by_day = {TODAY - timedelta(days=back): a_day for back in range(1, days + 1)}
    return Attempt((Kept("/backup/wal", a_day * days, by_day, Space(source, "/backup", 100 * GIB)),))


@pytest.mark.parametrize(
    ("source", "days", "met"),
    [
        pytest.param("/dev/vda1", 10, False, id="80 days are still to come"),
        pytest.param("/dev/vda1", 90, True, id="all days are there"),
        pytest.param("/dev/vdb1", 10, True, id="on another disk"),
    ],
)
def test_the_archive_on_the_same_filesystem_takes_what_it_still_needs(
    source: str, days: int, met: bool, limits: Limits
) -> None:
    found = judged(sizes(steady(0)), limits, 10 * GIB, archived=store(source, GIB, days))

    assert (unmet(found) == []) == met


def test_an_archive_that_cannot_be_read_hides_no_finding_and_lets_nothing_pass(limits: Limits) -> None:
    unread: Attempt[tuple[Kept, ...]] = Attempt(None, "permission denied")

    assert unmet(judged(sizes(steady(GIB), GIB), limits, archived=unread))
    with pytest.raises(InsufficientFactsError, match="permission denied"):
        judged(sizes(steady(0)), limits, archived=unread)


@pytest.mark.parametrize(
    ("a_day", "told"),
    [
        (0.0, "never: it does not grow"),
        (float(GIB), "in 100 days, about 2027-03-03, +1 GiB a day"),
        (float(MIB), "in more than 3650 days, +1 MiB a day"),
    ],
)
def test_when_it_will_be_full_is_told_also_when_all_is_well(a_day: float, told: str, limits: Limits) -> None:
    found = judged(sizes(steady(a_day), a_day), limits, 100 * GIB + 192 * MIB)

    assert [each.observed for each in found if " reaches " in each.name] == [told]


def attestation(expires_in: int) -> Attested:
    """A forecast that was filed."""
    made = TODAY - timedelta(days=90 - expires_in)
    entry = {"requirement": "CAP-STO-01", "statement": "It will do.", "by": "Ada Berg", "reviewed_by": "Li Wen"}
    entry |= {"valid_for": "90d", "artefact": "forecast.md", "sha256": "0" * 64}
    return Attested(Attestation.model_validate(entry | {"date": made}), "0" * 64)


def test_a_filed_forecast_stands_in_for_a_short_history_until_it_expires() -> None:
    assert unmet(growth.filed("20 days", attestation(0), NOW)) == []
    assert unmet(growth.filed("20 days", attestation(-1), NOW))
    with pytest.raises(InsufficientFactsError, match="20 days, and no forecast is attested"):
        growth.filed("20 days", None, NOW)


def test_the_picture_goes_on_from_now(limits: Limits) -> None:
    found = sizes(steady(GIB), GIB)
    line = growth.line(found, limits, NOW)

    assert growth.points(found, NOW)[-1] == line[0] == (NOW.timestamp(), found.current)
    assert line[1] == (NOW.timestamp() + 183 * DAY, found.current + 183 * GIB)


@pytest.mark.parametrize("change", [{"wal": None}, {"size": None}, {"wal_most": None}])
def test_hidden_sizes_are_an_error(change: Row) -> None:
    with pytest.raises(InsufficientFactsError, match="pg_monitor"):
        parse_present([{"size": 1, "wal": 2, "wal_most": 3} | change])


def test_a_log_beyond_its_bounds_is_the_most_that_is_known() -> None:
    assert parse_present([{"size": 1, "wal": 9, "wal_most": 3}]) == Present(1, 9, 9)


def test_one_line_is_a_history_and_two_are_none() -> None:
    line = Line({}, {86_399: 2.0, 2 * DAY - 1: 3.0})

    assert parse_sizes([line]) == (Daily(date(1970, 1, 1), 2.0), Daily(date(1970, 1, 2), 3.0))
    assert parse_sizes([]) == ()
    with pytest.raises(UnansweredError, match="2 series"):
        parse_sizes([line, line])


def test_several_series_without_a_name_are_no_database() -> None:
    """Exporters that call the label otherwise would have the largest database stand for that which grows."""
    are_named([Sample({"datname": "a"}, 2), Sample({"datname": "b"}, 1), Sample({}, 1)])
    are_named([])
    with pytest.raises(InsufficientFactsError, match="2 series have no label datname"):
        are_named([Sample({}, 2)])


DF = "Filesystem Type 1B-blocks Used Avail Inodes IUsed Mounted on\n"


def test_df_tells_of_each_path_in_its_order() -> None:
    text = f"{DF}/dev/vda1 ext4 9 4 3 5 1 /srv/my data\noverlay overlay 9 4 2 5 1 /\n"

    assert parse_spaces(text, ["/a", "/b"]) == (Space("/dev/vda1", "/srv/my data", 3), Space("overlay", "/", 2))


@pytest.mark.parametrize("text", [DF, f"{DF}proc proc 0 0 - - - /proc\n", f"{DF}nonsense\n"])
def test_df_that_does_not_tell_is_no_answer(text: str) -> None:
    with pytest.raises(UnansweredError):
        parse_spaces(text, ["/a"])


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (2**80, "1.074e+09 PiB"), (-2048, "-2 KiB")])
def test_a_number_of_bytes_is_written_for_people(size: float, text: str) -> None:
    assert byte_size(size) == text


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=60, unique=True))
def test_regression_is_the_line_of_least_squares(values: list[float]) -> None:
    slope = growth.regression(history(values))
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    naive = sum((at - middle) * (value - mean) for at, value in enumerate(values))
    naive /= sum((at - middle) ** 2 for at in range(len(values)))

    assert slope == pytest.approx(naive, rel=1e-6, abs=1e-2)


def test_where_nobody_else_remembers_earlier_runs_do(limits: Limits) -> None:
    key, started = ("CAP-STO-01", "postgres"), NOW.timestamp()
    runs = tuple(
        PastRun(started - back * DAY + hour, {key: {growth.SIZE: float(GIB * (40 - back))}})
        for back in range(35, 0, -1)
        for hour in (0, 3600)
    )
    found = growth.of_own_runs(History(runs), *key, Present(40 * GIB, 64 * MIB, 256 * MIB), limits)

    assert growth.too_short(found.days, limits, NOW) == ""
    assert growth.outlook(found, limits, NOW).daily == pytest.approx(GIB)
    assert "0 days" in growth.too_short(
        growth.of_own_runs(History(()), *key, Present(1, 1, 1), limits).days, limits, NOW
    )


def test_the_size_of_today_is_a_number_that_later_runs_can_read() -> None:
    assert growth.now_takes(5).observed == 5.0
