"""Growth of databases that a real Prometheus remembers: by probe and rule, one case after the other.

And by the check itself, on the lab's database and disk, with a history that is another's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import pasts
from opsverify import targets
from opsverify.catalogue import load
from opsverify.channels.web import WebChannel
from opsverify.days import ends
from opsverify.errors import InsufficientFactsError
from opsverify.judgement import unmet
from opsverify.probes import growth, room
from opsverify.probes.growth import Present, Sizes
from opsverify.probes.room import Space
from opsverify.probes.series import query
from opsverify.redaction import Redactor
from opsverify.rules import growth as rules
from opsverify.transcript import Transcript
from tests.lab.conftest import Verify

LIMITS = load(Path(__file__).parents[2] / "checks").limits("CAP-STO-01")
NOW = datetime.now(UTC)
GIB = 2.0**30


def grown(a_day: float, days: int, start: float = 20 * GIB) -> list[float | None]:
    """So many days of growth."""
    return [start + a_day * each for each in range(days)]


SIZES: dict[str, Sequence[float | None]] = {
    "steep": grown(GIB, 41),
    "slow": grown(GIB / 4, 41),
    "flat": grown(0, 41),
    "vacuumed": [*grown(GIB / 4, 30, 60 * GIB), *grown(GIB / 4, 11)],
    "steeper-lately": [*grown(0, 31), *grown(3 * GIB, 10)],
    "twenty-days": grown(GIB, 20),
    "thirty-days": grown(GIB / 4, 30),
    "a-week-missing": [*grown(GIB / 4, 20), *[None] * 7, *grown(GIB / 4, 14, 26 * GIB)],
    "six-days-missing": [*grown(GIB / 4, 20), *[None] * 6, *grown(GIB / 4, 15, 26 * GIB)],
    "stopped": [*grown(GIB / 4, 40), None],
    "far-too-steep": grown(1024 * GIB, 41),
    "half": grown(GIB / 2, 41),
    "other-half": grown(GIB / 2, 41),
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebChannel]:
    """The server that remembers all of them."""
    folder = tmp_path_factory.mktemp("pasts")
    with pasts.remembered({}, {}, SIZES) as port:
        spec = targets.Prometheus(
            name="pasts", url=f"http://127.0.0.1:{port}", api_job="none", instances=["none"], timeout_s=20
        )
        channel = WebChannel(spec, folder, Transcript(folder / "transcript.jsonl", Redactor()))
        yield channel
        channel.close()


def asked(prometheus: WebChannel, name: str) -> Sizes:
    """The history of a database, or of several whose names match."""
    series = f'pg_database_size_bytes{{datname=~"{name}"}}'
    return growth.sizes(prometheus, series, ends(NOW, 60), 30, 183)


def verdict(prometheus: WebChannel, name: str, gib: float = 100) -> str:
    """What the rule comes to with so much left."""
    try:
        found = asked(prometheus, name)
        space, present = Space("disk", "/data", int(gib * GIB)), Present(int(found.current), 0, 0)
        seen = rules.has_room(found, present, space, room.NOTHING, 90, LIMITS, NOW)
    except InsufficientFactsError:
        return "error"
    return "fail" if unmet(seen) else "pass"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("steep", "fail"),
        ("slow", "pass"),
        ("flat", "pass"),
        ("vacuumed", "pass"),
        ("steeper-lately", "fail"),
        ("twenty-days", "error"),
        ("thirty-days", "pass"),
        ("a-week-missing", "error"),
        ("six-days-missing", "pass"),
        ("stopped", "error"),
        ("nobody-knows", "error"),
        ("half|other-half", "fail"),
        ("half", "pass"),
    ],
)
def test_growth(prometheus: WebChannel, name: str, expected: str) -> None:
    assert verdict(prometheus, name) == expected


def test_both_lines_of_steady_growth_are_that_growth(prometheus: WebChannel) -> None:
    seen = rules.outlook(asked(prometheus, "steep"), LIMITS, NOW)
    assert seen.robust == pytest.approx(GIB, rel=0.01)
    assert seen.linear == pytest.approx(GIB, rel=0.10)  # today stands still
    assert verdict(prometheus, "flat", 0) == "pass"


def test_only_the_line_of_least_squares_sees_what_grows_for_ten_days(prometheus: WebChannel) -> None:
    seen = rules.outlook(asked(prometheus, "steeper-lately"), LIMITS, NOW)
    assert seen.linear > 0.5 * GIB > seen.robust


def test_several_databases_are_added_up(prometheus: WebChannel) -> None:
    both = asked(prometheus, "half|other-half")
    assert both.current == 2 * asked(prometheus, "half").current
    assert len(both.days) == 41


def test_databases_that_have_no_name_are_not_told_apart(prometheus: WebChannel) -> None:
    nameless = 'label_replace(pg_database_size_bytes{datname=~"half|other-half"}, "db", "$1", "datname", "(.*)")'
    counted = query(prometheus, f"count by (datname) (max without (datname) ({nameless}))")
    with pytest.raises(InsufficientFactsError, match="2 series have no label datname"):
        growth.are_named(counted)


KNOWN = 'prometheus = "prometheus"\nseries = \'pg_database_size_bytes{datname="tokenswap"}\'\n'
FILED = 'attestations = "lab/.state/documents/attestations.toml"\n'
ATTESTED = """
[[attestation]]
requirement = "CAP-STO-01"
statement = "The database of a new service will take 5 GiB in a year."
by = "Aylin Demir"
reviewed_by = "Mara Lindqvist"
date = {today}
valid_for = "60d"
artefact = "forecast.md"
sha256 = "{digest}"
"""


def remembers(prometheus: WebChannel, name: str) -> tuple[dict[str, str], str]:
    """How the profile of the lab names this history as that of its database: what is replaced, and what is added."""
    series = f'prometheus = "pasts"\nseries = \'pg_database_size_bytes{{datname="{name}"}}\'\n'
    server = f'[[prometheus]]\nname = "pasts"\nurl = "{prometheus.spec.url}"\napi_job = "none"\ninstances = ["none"]\n'
    return {KNOWN: series}, f"\n{server}"


@pytest.mark.parametrize(
    ("name", "state"), [("far-too-steep", "fail"), ("flat", "pass"), ("vacuumed", "pass"), ("twenty-days", "error")]
)
def test_the_check_of_growth(prometheus: WebChannel, verify: Verify, name: str, state: str) -> None:
    replace, append = remembers(prometheus, name)
    outcome = verify("-k", "CAP-STO-01", replace=replace, append=append)
    check = outcome.check("CAP-STO-01-postgres")
    assert check["state"] == state, outcome.output
    (series,) = check["series"]
    assert len(series["points"]) == len([each for each in SIZES[name] if each is not None]) + 1
    assert bool(series["forecast"]) == (state != "error")
    assert "<svg " in (outcome.directory / "report.html").read_text(encoding="utf-8")


def test_a_filed_forecast_stands_in_for_a_short_history(prometheus: WebChannel, verify: Verify, tmp_path: Path) -> None:
    replace, append = remembers(prometheus, "twenty-days")
    (tmp_path / "forecast.md").write_text("5 GiB a year\n", encoding="utf-8")
    digest = hashlib.sha256(b"5 GiB a year\n").hexdigest()
    filed = tmp_path / "attestations.toml"
    filed.write_text(ATTESTED.format(today=NOW.date(), digest=digest), encoding="utf-8")
    replace |= {FILED: f'attestations = "{filed}"\n'}
    outcome = verify("-k", "CAP-STO-01", replace=replace, append=append)
    assert outcome.check("CAP-STO-01-postgres")["state"] == "attested", outcome.output

    (tmp_path / "forecast.md").write_text("50 GiB a year\n", encoding="utf-8")
    altered = verify("-k", "CAP-STO-01", replace=replace, append=append)
    assert altered.red == {"CAP-STO-01-postgres": "fail"}


def test_without_a_prometheus_the_runs_of_the_suite_are_the_history(verify: Verify) -> None:
    first = verify("-k", "CAP-STO-01", replace={KNOWN: ""})
    assert first.red == {"CAP-STO-01-postgres": "error"}
    check = first.check("CAP-STO-01-postgres")
    assert "reaches back 0 days" in check["message"]
    assert [each["name"] for each in check["observations"]] == ["size of the database"], "later runs need it"
