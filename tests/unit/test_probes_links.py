"""Pages and status interfaces: what they say of themselves, and what comes in place of that."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.channels.web import Answer, redirected
from opsverify.errors import UnansweredError
from opsverify.probes.links import LONGEST_PAGE, Page, parse_grafana, parse_kibana, parse_page

LOGIN = "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body><form></form></body></html>"
NO_OBJECT = [
    "",
    "   ",
    "ok",
    "available",
    "[]",
    '["green"]',
    "null",
    "true",
    "7",
    '"ok"',
    "[" * 100_000,
    '{"a":' * 50_000,
]


def kibana(overall: Any, version: Any = None) -> str:
    return json.dumps({"name": "kb", "status": {"overall": overall}, "version": version or {"number": "8.19.1"}})


@pytest.mark.parametrize(
    ("overall", "claims"),
    [
        ({"level": "available", "summary": "All services are available"}, "available"),
        ({"level": "degraded"}, "degraded"),
        ({"level": "unavailable"}, "unavailable"),
        ({"level": "critical"}, "critical"),
        ({"level": "AVAILABLE"}, "available"),
        ({"state": "green", "nickname": "Looking good"}, "green"),
        ({"state": "yellow"}, "yellow"),
        ({"state": "red"}, "red"),
        ({"state": "Green"}, "green"),
        ({"level": "critical", "state": "green"}, "critical"),
        ({"level": None, "state": "green"}, "no state"),
        ({"level": None}, "no state"),
        ({"level": ["available"]}, "no state"),
        ({"level": {"available": True}}, "no state"),
        ({"level": True}, "no state"),
        ({"level": 0}, "no state"),
        ({"level": ""}, ""),
        ({}, "no state"),
        (None, "no state"),
        ("available", "no state"),
        ([{"level": "available"}], "no state"),
    ],
)
def test_the_state_of_kibana_is_read_from_7_and_8_and_from_nothing_else(overall: Any, claims: str) -> None:
    assert parse_kibana(kibana(overall)) == (claims, "8.19.1")


def test_an_anonymous_visitor_of_kibana_8_sees_the_level_alone() -> None:
    assert parse_kibana('{"status":{"overall":{"level":"available"}}}') == ("available", "unknown")


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ({"number": "7.17.29", "build_hash": "x"}, "7.17.29"),
        ({"number": None}, "unknown"),
        ({}, "unknown"),
        ("8.0.0", "unknown"),
        (["8.0.0"], "unknown"),
        ({"number": 8}, "8"),
    ],
)
def test_kibanas_version_is_shown_where_it_is_told(version: Any, shown: str) -> None:
    body = json.dumps({"status": {"overall": {"level": "available"}}, "version": version})
    assert parse_kibana(body) == ("available", shown)


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ('{"statusCode":503,"error":"Service Unavailable","message":"License is not available."}', "no state"),
        ('{"status":503}', "no state"),
        ('{"status":"available"}', "no state"),
        ('{"overall":{"level":"available"}}', "no state"),
        ('{"Status":{"Overall":{"Level":"available"}}}', "no state"),
        ("Kibana server is not ready yet", "no state"),
        (LOGIN, "an HTML page"),
        ("\n\t <html>", "an HTML page"),
        ('<!-- {"status":{"overall":{"level":"available"}}} -->', "an HTML page"),
        (")]}',\n" + kibana({"level": "available"}), "no state"),
        (kibana({"level": "available"}) * 2, "no state"),
        (kibana({"level": "available"})[:-1], "no state"),
    ],
)
def test_what_is_no_status_of_kibana_claims_nothing(text: str, claims: str) -> None:
    assert parse_kibana(text) == (claims, "unknown")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"commit":"0a1b2c3","database":"ok","version":"11.6.0"}', ("ok", "11.6.0")),
        ('{\n  "database": "ok",\n  "version": "7.5.17"\n}\n', ("ok", "7.5.17")),
        ('{"database":"OK"}', ("ok", "unknown")),
        ('{"commit":"0a1b2c3","database":"failing","version":"11.6.0"}', ("failing", "11.6.0")),
        ('{"database":"ok ","version":"x"}', ("ok ", "x")),
        ('{"database":null,"version":"11.6.0"}', ("no state", "11.6.0")),
        ('{"database":true}', ("no state", "unknown")),
        ('{"database":["ok"]}', ("no state", "unknown")),
        ('{"version":"11.6.0"}', ("no state", "11.6.0")),
        ('{"Database":"ok"}', ("no state", "unknown")),
        ('{"message":"Unauthorized"}', ("no state", "unknown")),
        ('{"database":"ok","version":null}', ("ok", "unknown")),
        ('{"database":"ok","version":""}', ("ok", "unknown")),
        ("{}", ("no state", "unknown")),
        (LOGIN, ("an HTML page", "unknown")),
    ],
)
def test_grafana_is_as_well_as_its_database(text: str, told: tuple[str, str]) -> None:
    assert parse_grafana(text) == told


@pytest.mark.parametrize("text", NO_OBJECT)
def test_what_is_no_object_claims_nothing(text: str) -> None:
    assert parse_kibana(text) == parse_grafana(text) == ("no state", "unknown")


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
JSON = st.recursive(
    VALUES,
    lambda each: (
        st.lists(each, max_size=2)
        | st.dictionaries(st.sampled_from(["status", "overall", "level", "version", "number"]), each, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_hostile_json_claims_no_health(body: Any) -> None:
    text = json.dumps(body)
    assert parse_kibana(text)[0] not in ("available", "green")
    assert parse_grafana(text)[0] != "ok"


@given(st.text(max_size=80))
def test_hostile_text_claims_no_health(text: str) -> None:
    assert parse_kibana(text)[0] in ("no state", "an HTML page")
    assert parse_grafana(text)[0] in ("no state", "an HTML page")


def answer(text: str, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, text, 0.1)


MARKER = "TokenSwap status"


@pytest.mark.parametrize(
    ("text", "title", "has_marker"),
    [
        (f"<html><title>{MARKER}</title><h1>{MARKER}</h1></html>", MARKER, True),
        (f"<p>{MARKER}</p>", "", True),
        ("<title>TokenSwap&#32;status</title>", MARKER, True),
        (LOGIN, "Log in", False),
        ("<TITLE lang='en'>\n  Domain\n for sale </TITLE>", "Domain for sale", False),
        ("<title>A &amp; B</title>", "A & B", False),
        ("<h1>tokenswap status</h1>", "", False),
        ("<h1>TokenSwap  \n\t status</h1>", "", True),
        ("<h1>TokenSwap <b>status</b></h1>", "", True),
        ("<h1>Token<b>Swap</b> status</h1>", "", True),
        ("<h1>TokenSwap&nbsp;status</h1>", "", True),
        ("<h1>Token<!-- no -->Swap status</h1>", "", True),
        ("<h1>TokenSwap<script>x</script> status</h1>", "", True),
        ("<h1>TokenSwap status</h1><script>var x = 1;", "", True),
        ("<script>if (1 < 2) x('</b>')</script><h1>TokenSwap status</h1>", "", True),
        ("<SCRIPT>x</SCRIPT ><h1>TokenSwap status</h1>", "", True),
        ("</script></style></template><h1>TokenSwap status</h1>", "", True),
        ("<h1>&lt;b&gt;TokenSwap status&lt;/b&gt;</h1>", "", True),
        (f"<!-- {MARKER} -->", "", False),
        (f"<!DOCTYPE {MARKER}>", "", False),
        (f"<?php {MARKER} ?>", "", False),
        (f"<script>{MARKER}</script>", "", False),
        (f"<script>{MARKER}", "", False),
        (f"<script>x</b>{MARKER}</script>", "", False),
        (f"<SCRIPT type='x'>{MARKER}</SCRIPT>", "", False),
        (f"<style>.a{{content: '{MARKER}'}}</style>", "", False),
        (f"<template><h1>{MARKER}</h1></template>", "", False),
        (f"<noscript>{MARKER}</noscript>", "", False),
        (f"<meta name='description' content='{MARKER}'>", "", False),
        (f"<img alt='{MARKER}'><a title='{MARKER}'>x</a>", "", False),
        (f"<input value='{MARKER}'/>", "", False),
        ("<title>unfinished", "unfinished", False),
        ("<title>Log in</title><svg><script>no</script></svg>", "Log in", False),
        (" " * 70_000 + "<title>late</title>", "late", False),
        (" " * LONGEST_PAGE + f"<title>too late</title>{MARKER}", "", False),
        ("<", "", False),
        ("<title", "", False),
        ("<noscript><noscript></noscript>TokenSwap status</noscript>", "", False),
        ("<template><template></template>TokenSwap status</template>", "", False),
        ("<noscript><style></style>TokenSwap status</noscript>", "", False),
        ("<template><noscript></noscript></template>TokenSwap status", "", True),
        ("<script/>TokenSwap status", "", False),
        ("<script src='x'/>TokenSwap status</script>", "", False),
        ("<script/>x</script>TokenSwap status", "", True),
        ("<title>TokenSwap status</title><svg><title>icon</title></svg>", "TokenSwap status", True),
        ("<title>Log in</title><title>TokenSwap</title>", "Log in", False),
        ("<title>A &amp", "A &", False),
        ("<p>TokenSwap statu&#115", "", True),
        ("<p>TokenSwap status &copy", "", True),
        ("<p>TokenSwap<br>status", "", True),
        ("<p>TokenSwap<br/>status", "", True),
        ("<p>TokenSwap</p><p>status</p>", "", True),
        ("<h1>TokenSwap</h1>status", "", True),
        ("<ul><li>TokenSwap<li>status</ul>", "", True),
        ("<tr><td>TokenSwap<td>status", "", True),
        ("<p>Token</p><p>Swap status</p>", "", False),
        ("<a>TokenSwap</a><a>status</a>", "", False),
        ("<![if !IE]>TokenSwap status<![endif]>", "", True),
        ("\x00", "", False),
        ("", "", False),
    ],
)
def test_a_page_is_known_by_its_marker(text: str, title: str, has_marker: bool) -> None:
    assert parse_page(answer(text), MARKER, tls=True) == Page(200, True, "", title, has_marker)


def test_a_title_is_no_longer_than_a_line() -> None:
    assert len(parse_page(answer(f"<title>{'x ' * 9999}</title>"), MARKER, tls=True).title) == 200


def test_a_long_page_is_searched_to_its_end() -> None:
    assert parse_page(answer("x" * 1_000_000 + MARKER), MARKER, tls=True).has_marker


@pytest.mark.parametrize(
    "text",
    [
        "<title>" * 20_000,
        "<" * 200_000,
        "&" * 300_000,
        "&#" * 200_000,
        "<a" + " b" * 100_000,
        "<script>" * 50_000,
        "<script></script" * 30_000,
        "<title></titl" * 30_000,
        "<template>" * 20_000,
        "<b>x</b>" * 10_000,
    ],
    ids=lambda text: text[:16],
)
def test_a_hostile_page_does_not_hold_up_the_run(text: str) -> None:
    begun = time.process_time()
    assert not parse_page(answer(text), MARKER, tls=True).has_marker
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("begin", "times"), [("<!--", 8_000), ("</", 40_000), ("<?", 40_000), ("<a ", 2_000), ("<a b='", 2_000)]
)
def test_a_page_of_things_that_never_end_does_not_hold_up_the_run(begin: str, times: int) -> None:
    begun = time.process_time()
    parse_page(answer(begin * times), MARKER, tls=True)  # a whole page may hold many times as many
    assert time.process_time() - begun < 0.1


def test_a_comment_without_an_end_is_no_text() -> None:
    assert not parse_page(answer(f"<!-- {MARKER}"), MARKER, tls=True).has_marker


@pytest.mark.parametrize("text", ["<template></script>{}</template>", "<noscript></style>{}</noscript>"])
def test_the_end_of_another_element_ends_none(text: str) -> None:
    assert not parse_page(answer(text.format(MARKER)), MARKER, tls=True).has_marker


@pytest.mark.parametrize("marker", ["TokenSwap  status", " TokenSwap status ", "TokenSwap\n\tstatus"])
def test_blanks_of_a_marker_are_as_good_as_one(marker: str) -> None:
    assert parse_page(answer("<p>TokenSwap   status</p>"), marker, tls=True).has_marker


@pytest.mark.parametrize("text", ["<![", "<![x]>", f"{MARKER}<![x]>", f"<p>{MARKER}</p><![x[ ]]>"])
def test_markup_that_is_none_is_an_error_never_a_crash(text: str) -> None:
    with pytest.raises(UnansweredError, match=r"^the page cannot be read: "):
        parse_page(answer(text), MARKER, tls=True)


def test_a_page_without_tls_says_so() -> None:
    assert not parse_page(answer(MARKER), MARKER, tls=False).tls


@pytest.mark.parametrize(
    ("status", "headers", "elsewhere"),
    [
        (301, {"location": "https://parked.example/"}, "https://parked.example/"),
        (302, {"location": "/login"}, "/login"),
        (303, {}, "nowhere"),
        (307, {"location": "//evil.example"}, "//evil.example"),
        (308, {"location": "https://b.example"}, "https://b.example"),
        (308, {"location": ""}, ""),
        (200, {"location": "https://parked.example/"}, ""),
        (201, {"location": "/new"}, ""),
        (304, {"location": "/x"}, ""),
        (404, {}, ""),
    ],
)
def test_where_a_page_sends_people_is_kept(status: int, headers: dict[str, str], elsewhere: str) -> None:
    found = parse_page(answer(MARKER, status, **headers), MARKER, tls=True)
    assert (found.status, found.elsewhere) == (status, elsewhere)


@given(st.text(max_size=200))
def test_hostile_pages_have_no_marker_that_is_not_there(text: str) -> None:
    found = parse_page(answer(text), MARKER, tls=True)
    assert found.has_marker is False
    assert found.title == " ".join(found.title.split())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://b.example/x", "https://b.example/x"),
        ("/x?y=1#z", "https://a.example/x?y=1"),
        ("x", "https://a.example/docs/x"),
        ("../x", "https://a.example/x"),
        ("?y", "https://a.example/docs/page?y"),
        ("#top", "https://a.example/docs/page"),
        ("//b.example/x", "https://b.example/x"),
        ("http://a.example/x", "http://a.example/x"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("", "https://a.example/docs/page"),
        ("http://[", ""),
        ("//[::1/x", ""),
        ("https://a]/", ""),
        ("\t/x\r\n", "https://a.example/x"),
    ],
)
def test_a_redirect_is_a_whole_url_without_fragment(status: int, location: str, target: str) -> None:
    assert redirected("https://a.example/docs/page", answer("", status, location=location)) == target


def test_a_redirect_without_a_location_leads_back() -> None:
    assert redirected("https://a.example/x", answer("", 302)) == "https://a.example/x"


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 400, 404, 500])
def test_no_other_status_redirects(status: int) -> None:
    assert redirected("https://a.example/", answer("", status, location="/x")) == ""
