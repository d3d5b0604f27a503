"""What an API says of itself, and its metrics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.probes.web import parse_exposition, parse_health


def test_health_of_a_real_api(captured: Callable[[str], str]) -> None:
    assert parse_health(captured("health.json")) == "healthy"


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ('{"status": "OK"}', "ok"),
        ('{"status": "unhealthy"}', "unhealthy"),
        ('{"status": true}', "no status"),
        ('{"state": "ok"}', "no status"),
        ('["ok"]', "no status"),
        ('"ok"', "no status"),
        ("", "no JSON"),
        ("<html>healthy</html>", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("1" * 5_000, "no JSON"),
    ],
)
def test_a_health_body_claims_what_it_says_and_no_more(text: str, claim: str) -> None:
    assert parse_health(text) == claim


def test_metrics_of_a_real_api(captured: Callable[[str], str]) -> None:
    families, problem = parse_exposition(captured("metrics.txt"))
    assert problem == ""
    assert {"http_requests_total", "http_request_duration_seconds", "process_resident_memory_bytes"} <= families


def test_a_page_that_is_no_exposition_says_why() -> None:
    families, problem = parse_exposition("<!DOCTYPE html>\n<html><body>Sign in</body></html>\n")
    assert families == frozenset()
    assert problem.startswith("no exposition format")


def test_an_empty_page_has_no_family() -> None:
    assert parse_exposition("") == (frozenset(), "")


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "1e400"])
def test_a_sample_may_be_any_float(value: str) -> None:
    assert parse_exposition(f"# TYPE x gauge\nx {value}\n") == (frozenset({"x"}), "")


@given(st.text(max_size=120))
def test_hostile_text_is_never_a_crash(text: str) -> None:
    parse_health(text)
    families, problem = parse_exposition(text)
    assert not (families and problem)


@given(st.text(st.sampled_from('ab{}=",\\# \n1.eTYPEHL:+'), max_size=60))
def test_nearly_an_exposition_is_never_a_crash(text: str) -> None:
    parse_exposition(text)
