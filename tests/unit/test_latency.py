"""Latencies: of open connections, one after the other, and none at all of what fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify import targets
from opsverify.channels.sql import SqlChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes.latency import BUDGET_S, ENOUGH, PAUSE_S, latencies, rounds
from opsverify.profile import LoadedProfile, Profile
from opsverify.run import Run
from opsverify.transcript import Transcript

Serve = Callable[..., int]
SQL, KEYS = ("database", "postgres"), ("cache", "redis")


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., Run]:
    """A run with an API at a port, and other channels that are given."""

    def make(port: int, channels: dict[tuple[str, str], Any]) -> Run:
        account = {"address": "h:1", "user": "u", "password": {"env": "X"}}
        profile = Profile.model_validate(
            {
                "name": "test",
                "description": "d",
                "apis": [{"name": "api", "url": f"http://127.0.0.1:{port}", "timeout_s": 1}],
                "databases": [{"name": "postgres", "dbname": "x", **account}],
                "caches": [{"name": "redis", "managed": True, **account}],
            }
        )
        loaded = LoadedProfile(profile, Path("p.toml"), "0" * 64, {})
        return Run(tmp_path, loaded, {}, tmp_path, "1", datetime.now(UTC), "pre", channels=channels)  # type: ignore[arg-type]

    return make


class Api:
    """A health page; answers are status and body in turn, the last one for ever. Counts connections."""

    def __init__(self, *answers: tuple[int, bytes], seconds: float = 0.0) -> None:
        self.answers, self.seconds = list(answers), seconds
        self.peers: list[Any] = []

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.peers.append(request.client_address)
        time.sleep(self.seconds)
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


GOOD = (200, b'{"status": "healthy"}')


def answering(*seconds: float) -> Any:
    answers: Iterator[float] = iter(seconds)
    return SimpleNamespace(roundtrip=lambda: next(answers))


def failing(after: int) -> Any:
    asked: list[float] = []

    def roundtrip() -> float:
        asked.append(0.0)
        if len(asked) > after:
            raise UnansweredError("the query failed")
        return 0.001

    return SimpleNamespace(roundtrip=roundtrip)


def test_every_target_is_asked_over_one_connection_and_the_first_answer_is_thrown_away(
    runs: Callable[..., Run], web_server: Serve
) -> None:
    api = Api(GOOD, seconds=0.01)
    run = runs(web_server(api), {SQL: answering(9.0, *[0.1] * 7), KEYS: answering(9.0, *[0.2] * 7)})
    found = latencies(run, 7, lambda _: None)
    run.close()
    assert found.unmeasured == {}
    assert list(found.samples) == ["api api", "database postgres", "cache redis"]
    assert found.samples["database postgres"] == [0.1] * 7
    assert found.samples["cache redis"] == [0.2] * 7
    assert len(found.samples["api api"]) == 7
    assert all(0.01 <= each < 0.5 for each in found.samples["api api"])
    assert (len(api.peers), len(set(api.peers))) == (8, 1)


@pytest.mark.parametrize(
    "answers",
    [
        [(503, GOOD[1])],
        [(200, b'{"status": "degraded"}')],
        [(200, b"please log in")],
        [GOOD, GOOD, GOOD, (500, b""), GOOD],
        [GOOD, GOOD, GOOD, GOOD, GOOD, (200, b'{"status": "degraded"}'), GOOD],
    ],
)
def test_one_sample_that_fails_leaves_no_number(
    runs: Callable[..., Run], web_server: Serve, answers: list[tuple[int, bytes]]
) -> None:
    run = runs(web_server(Api(*answers)), {SQL: failing(0), KEYS: failing(5)})
    found = latencies(run, 7, lambda _: None)
    run.close()
    assert found.samples == {}
    assert set(found.unmeasured) == {"api api", "database postgres", "cache redis"}
    assert "answers with status" in found.unmeasured["api api"]
    assert found.unmeasured["cache redis"] == "the query failed"


def test_what_is_down_or_answers_nonsense_is_unmeasured_and_the_others_are_measured(
    runs: Callable[..., Run], closed_port: int
) -> None:
    broken = SimpleNamespace(roundtrip=lambda: 1 / 0)
    found = latencies(runs(closed_port, {SQL: broken, KEYS: answering(*[0.2] * 6)}), 5, lambda _: None)
    assert found.samples == {"cache redis": [0.2] * 5}
    assert "refused" in found.unmeasured["api api"]
    assert found.unmeasured["database postgres"] == "ZeroDivisionError: division by zero"


def test_a_target_that_takes_long_ends_early_with_enough_and_the_others_go_on() -> None:
    found = rounds({"slow": lambda: 9.0, "very slow": lambda: 40.0, "quick": lambda: 0.1}, 50, lambda _: None).samples
    assert {name: len(some) for name, some in found.items()} == {
        "slow": int(BUDGET_S // 9) + 1,
        "very slow": ENOUGH,
        "quick": 50,
    }


def test_targets_take_turns_with_a_pause_after_each_round() -> None:
    log: list[str | float] = []

    def asked(name: str) -> Callable[[], float]:
        return lambda: log.append(name) or 0.1  # type: ignore[func-returns-value]

    rounds({"a": asked("a"), "b": asked("b")}, 2, log.append)
    assert log == ["a", "b", PAUSE_S, "a", "b", PAUSE_S, "a", "b"]


@given(st.integers(1, 50), st.integers(0, 60))
def test_all_samples_or_none(count: int, good: int) -> None:
    asked: list[int] = []

    def ask() -> float:
        asked.append(1)
        if len(asked) > good:
            raise UnansweredError("no")
        return 0.001

    found = rounds({"it": ask, "other": lambda: 0.5}, count, lambda _: None)
    assert found.samples.get("it") == (None if good <= count else [0.001] * count)
    assert found.unmeasured == ({"it": "no"} if good <= count else {})
    assert found.samples["other"] == [0.5] * count
    assert len(asked) == min(count, good) + 1


@pytest.fixture
def database(transcript: Transcript, tmp_path: Path) -> SqlChannel:
    """A channel to a database, whose session is given to it."""
    spec = targets.Database(
        name="pg", address="127.0.0.1:1", dbname="x", user="u", password=targets.Secret(env="X"), timeout_s=1
    )
    return SqlChannel(spec, "hunter22", tmp_path, transcript)


class Session:
    """As much of a session as a round trip needs; ``delay`` is spent before the question, not on it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, list[str]()

    def transaction(self, **options: Any) -> Any:
        assert options == {"force_rollback": True}
        time.sleep(0.05)
        return nullcontext()

    def cursor(self) -> Any:
        return nullcontext(self)

    def execute(self, text: str) -> Session:
        self.asked.append(text)
        if self.error:
            raise self.error
        return self

    def fetchall(self) -> list[Any]:
        return [{"?column?": 1}]


def test_a_roundtrip_to_a_database_is_the_time_of_its_question_alone(
    database: SqlChannel, monkeypatch: pytest.MonkeyPatch, exchanges: Callable[[], list[dict[str, Any]]]
) -> None:
    session = Session()
    monkeypatch.setattr(database, "_session", lambda: session)
    assert 0 < database.roundtrip() < 0.04
    assert session.asked == ["SELECT 1"]
    assert exchanges()[0]["question"] == "SELECT 1"


def test_a_question_that_fails_has_no_time(database: SqlChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_session", lambda: Session(psycopg.OperationalError("server closed")))
    with pytest.raises(UnansweredError, match="SELECT 1 failed: server closed"):
        database.roundtrip()


def test_a_database_that_is_down_is_unreachable(database: SqlChannel) -> None:
    with pytest.raises(UnreachableError, match="gives u no session"):
        database.roundtrip()
