"""The web channel, against servers in this process: what is asked, what comes back, and when it is given up."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from opsverify import targets
from opsverify.channels.base import LONGEST_ANSWER
from opsverify.channels.web import WebChannel
from opsverify.errors import RefusedError, UnansweredError, UnreachableError, UsageError
from opsverify.redaction import Redactor
from opsverify.transcript import Transcript

Serve = Callable[..., int]
Reply = Callable[..., Callable[[BaseHTTPRequestHandler], None]]
Open = Callable[..., WebChannel]
Exchanges = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def channel(transcript: Transcript, tmp_path: Path) -> Iterator[Open]:
    opened: list[WebChannel] = []

    def make(url: str, **more: Any) -> WebChannel:
        spec = targets.Endpoint(name="api", url=url, **{"timeout_s": 1.0, **more})
        opened.append(WebChannel(spec, tmp_path, transcript))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.mark.parametrize("status", [200, 204, 301, 404, 500, 503])
def test_an_answer_is_an_answer_whatever_its_status(
    web_server: Serve, reply: Reply, channel: Open, status: int
) -> None:
    answer = channel(f"http://127.0.0.1:{web_server(reply(status, b'', X_Seen='yes'))}").get("/health")
    assert (answer.status, answer.headers["x-seen"]) == (status, "yes")
    assert 0 <= answer.seconds < 1


def test_a_redirect_is_not_followed(web_server: Serve, reply: Reply, channel: Open) -> None:
    port = web_server(reply(302, b"", Location="http://192.0.2.1/"))
    assert channel(f"http://127.0.0.1:{port}").get("/").status == 302


@pytest.mark.parametrize("location", ["http://[", "//[::1", "https://a]/"])
def test_a_redirect_to_no_address_is_an_answer_that_leads_nowhere(
    web_server: Serve, channel: Open, exchanges: Exchanges, reply: Reply, location: str
) -> None:
    asked = channel(f"http://127.0.0.1:{web_server(reply(302, b'', Location=location))}")
    for ask in (asked.get, asked.page, lambda: asked.get("/x")):
        answer = ask()
        assert (answer.status, answer.headers["location"]) == (302, location)
    assert len(exchanges()) == 3


def test_a_redirect_that_trickles_in_is_given_up_in_time(web_server: Serve, channel: Open) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", "/x")
        request.send_header("Content-Length", "30")
        request.end_headers()
        for _ in range(30):
            request.wfile.write(b"x")
            time.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(UnansweredError, match=r"took longer than 0.3 s"):
        channel(f"http://127.0.0.1:{web_server(handle)}", timeout_s=0.3).get("/")
    assert time.monotonic() - begun < 1


def test_question_and_answer_are_in_the_transcript(
    web_server: Serve, reply: Reply, channel: Open, exchanges: Exchanges
) -> None:
    port = web_server(reply(200, b'{"password": "hunter22"}'))
    channel(f"http://127.0.0.1:{port}").get("/api/v1/query", {"query": "up"})
    (exchange,) = exchanges()
    assert exchange["question"] == {"GET": f"http://127.0.0.1:{port}/api/v1/query", "params": {"query": "up"}}
    assert exchange["answer"]["status"] == 200
    assert "hunter22" not in str(exchange)


def test_a_token_goes_with_every_question_and_into_no_record(web_server: Serve, tmp_path: Path) -> None:
    heard = []

    def handle(request: BaseHTTPRequestHandler) -> None:  # says what it heard, as a server that is being debugged
        heard.append(request.headers["Authorization"])
        request.send_response(401)
        request.send_header("X-Heard", heard[-1])
        request.send_header("Content-Length", str(len(heard[-1])))
        request.end_headers()
        request.wfile.write(heard[-1].encode())

    redactor = Redactor()
    redactor.add("glsa_0123456789")
    transcript = Transcript(tmp_path / "transcript.jsonl", redactor, "")
    spec = targets.Endpoint(name="grafana", url=f"http://127.0.0.1:{web_server(handle)}")
    channel = WebChannel(spec, tmp_path, transcript, token=SecretStr("glsa_0123456789"))
    channel.get("/api/search")
    channel.page()
    channel.close()
    record = (tmp_path / "transcript.jsonl").read_text(encoding="utf-8")
    assert heard == ["Bearer glsa_0123456789"] * 2
    assert record.count("[redacted]") == 4
    assert "glsa_" not in record


@pytest.mark.parametrize("token", ["glsa_01\nglsa_02", "glsa 01", "glsa_é", "glsa_\u20ac", "glsa_\0"])
def test_a_token_that_no_header_can_carry_is_told_of_without_it(
    transcript: Transcript, tmp_path: Path, token: str
) -> None:
    spec = targets.Endpoint(name="grafana", url="http://127.0.0.1:1")
    with pytest.raises(UsageError, match=r"^grafana: the token has characters") as told:
        WebChannel(spec, tmp_path, transcript, token=SecretStr(token))
    assert "glsa" not in str(told.value)


def test_the_path_of_the_url_goes_before_that_of_the_question(web_server: Serve, channel: Open) -> None:
    asked = []

    def handle(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.path, request.headers["Host"]))
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()

    port = web_server(handle)
    channel(f"http://127.0.0.1:{port}/base/").get("/x", {"q": "a b&c"})
    channel("http://api.example/ws/", connect=f"127.0.0.1:{port}").get()
    channel("http://api.example", connect=f"127.0.0.1:{port}").get()
    assert asked == [
        ("/base/x?q=a+b%26c", f"127.0.0.1:{port}"),
        ("/ws/", "api.example"),
        ("/", "api.example"),
    ]


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", "/-/reload"),
        ("", "/-/quit"),
        ("/prometheus", "/-/reload"),
        ("", "/api/v1/admin/tsdb/delete_series"),
        ("", "/api/v2/admin"),
        ("", "/api/v1/write"),
        ("", "/api/v1/otlp/v1/metrics"),
        ("", "/%2D/quit"),
        ("", "/%2d/reload"),
        ("/prometheus", "/%2D/quit"),
        ("", "/-%2Fquit"),
        ("", "/-%2fquit?x=1"),
        ("", "/%2D%2Fquit"),
        ("", "/a/../-/quit"),
        ("", "/a/../%2D/quit"),
        ("", "/a/%2e%2E/%2D/quit"),
        ("", "/-/healthy/../quit"),
        ("", "/%2D/ready/../quit"),
        ("", "/api/v1/%61dmin/tsdb/delete_series"),
        ("", "/api/v1/./admin/tsdb"),
        ("", "/api/v1/%2E/admin/tsdb"),
        ("", "/api/v1/x/../admin/tsdb"),
        ("", "/api/./v1/admin?x=1"),
        ("", "/api%2Fv1%2Fadmin/tsdb"),
        ("", "/api/v1/%77rite"),
        ("", "/api/v1/./otlp/v1/metrics"),
        ("/a/..", "/%2D/quit"),
        ("", "//%2D/quit"),
        ("", "///-/quit"),
        ("", "/%252D/quit"),
        ("", "/%252d%252fquit"),
        ("", "/a%252f..%252f-/quit"),
        ("", "/api//v1/admin/tsdb"),
        ("", "/api/v1//%61dmin"),
        ("", "/api/v1%2F%2Fwrite"),
        ("/prometheus/", "//-/quit"),
        ("", "/-/ready/..//quit?x=/-/ready"),
        ("", "@evil.example/"),
        ("", ":80@evil.example/"),
    ],
)
def test_a_path_that_changes_a_server_is_refused(
    channel: Open, closed_port: int, exchanges: Exchanges, base: str, path: str
) -> None:
    with pytest.raises(RefusedError, match=r"refused to ask"):
        channel(f"http://127.0.0.1:{closed_port}{base}").get(path)
    assert "refused" in exchanges()[0]["failure"]


@pytest.mark.parametrize(
    "path",
    [
        "/-/ready",
        "/-/healthy",
        "/%2D/healthy",
        "/a/../-/ready",
        "/api/v1/query",
        "/api/v2/silences",
        "/api/v1/administrators",
        "/api/v1/x/../writers",
        "/a%2Fb/%C3%A9/%zz",
        "/docs/a-/quit",
        "/x?next=/-/me",
        "/x?next=/api/v1/admin/tsdb",
        "/x?next=/../-/quit",
        "//[x",
        "//a:b/",
        "//-/ready",
    ],
)
def test_a_path_that_only_reads_is_asked(web_server: Serve, reply: Reply, channel: Open, path: str) -> None:
    assert channel(f"http://127.0.0.1:{web_server(reply())}").get(path).status == 200


def test_a_closed_port_costs_one_attempt(channel: Open, closed_port: int, exchanges: Exchanges) -> None:
    asked = channel(f"http://127.0.0.1:{closed_port}")
    for _ in range(3):
        with pytest.raises(UnreachableError, match=r"cannot be reached: .*refused"):
            asked.get("/")
    assert len(exchanges()) == 1
    assert "0x" not in exchanges()[0]["failure"]


def test_a_server_that_never_answers_is_given_up_after_two_time_outs(
    web_server: Serve, channel: Open, exchanges: Exchanges
) -> None:
    asked = channel(f"http://127.0.0.1:{web_server(lambda _: time.sleep(2))}", timeout_s=0.3)
    begun = time.monotonic()
    with pytest.raises(UnansweredError, match=r"^api: GET /slow: no answer within 0\.3 s$") as error:
        asked.get("/slow")
    assert not isinstance(error.value, UnreachableError)
    for _ in range(3):
        with pytest.raises(UnreachableError, match=r"no answer within 0\.3 s, again$"):
            asked.get("/")
    assert time.monotonic() - begun < 1.5
    assert len(exchanges()) == 2


def test_slow_questions_between_answers_do_not_make_a_server_unreachable(web_server: Serve, channel: Open) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        if request.path == "/slow":
            time.sleep(2)
        request.send_response(204)
        request.end_headers()

    asked = channel(f"http://127.0.0.1:{web_server(handle)}", timeout_s=0.3)
    for _ in range(2):
        with pytest.raises(UnansweredError, match="no answer within") as error:
            asked.get("/slow")
        assert not isinstance(error.value, UnreachableError)
        assert asked.get("/").status == 204


def test_an_answer_that_trickles_in_is_given_up_in_time(web_server: Serve, channel: Open) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        for _ in range(100):
            request.wfile.write(b"x")
            time.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(UnansweredError, match=r"took longer than 0.4 s"):
        channel(f"http://127.0.0.1:{web_server(handle)}", timeout_s=0.4).get("/")
    assert time.monotonic() - begun < 1.5


def test_an_answer_that_breaks_off_is_no_answer_but_the_server_stays_reachable(
    web_server: Serve, channel: Open
) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100" if request.path == "/cut" else "2")
        request.end_headers()
        request.wfile.write(b"ok")
        request.close_connection = True

    asked = channel(f"http://127.0.0.1:{web_server(handle)}")
    with pytest.raises(UnansweredError, match=r"broke off") as error:
        asked.get("/cut")
    assert not isinstance(error.value, UnreachableError)
    assert asked.get("/").text == "ok"


def test_an_answer_that_is_too_long_is_an_error_never_a_cut_fact(
    web_server: Serve, reply: Reply, channel: Open
) -> None:
    port = web_server(reply(200, b"x" * (LONGEST_ANSWER + 1)))
    with pytest.raises(UnansweredError, match=r"longer than 8388608 bytes"):
        channel(f"http://127.0.0.1:{port}", timeout_s=5.0).get("/")


def test_a_long_answer_arrives_whole(web_server: Serve, reply: Reply, channel: Open) -> None:
    port = web_server(reply(200, b"x" * 3_000_000))
    assert len(channel(f"http://127.0.0.1:{port}", timeout_s=5.0).get("/").text) == 3_000_000


def test_a_compressed_answer_is_read(web_server: Serve, reply: Reply, channel: Open) -> None:
    port = web_server(reply(200, gzip.compress(b"metrics " * 9999), Content_Encoding="gzip"))
    assert channel(f"http://127.0.0.1:{port}").get("/").text == "metrics " * 9999


def test_a_chunked_answer_is_read(web_server: Serve, channel: Open) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")

    assert channel(f"http://127.0.0.1:{web_server(handle)}").get("/").text == "abcdefg"


def test_bytes_that_are_no_text_are_kept_visible(web_server: Serve, reply: Reply, channel: Open) -> None:
    assert channel(f"http://127.0.0.1:{web_server(reply(200, b'a%cb' % 0xFF))}").get("/").text == "a\ufffdb"


def test_the_name_of_the_url_is_verified_where_another_address_is_dialled(
    web_server: Serve, reply: Reply, channel: Open, authority: Any
) -> None:
    port = web_server(reply(200, b"ok"), authority.issue("api.example"))
    asked = channel("https://api.example", connect=f"127.0.0.1:{port}", ca=authority.ca)
    assert asked.get("/").text == "ok"


@pytest.mark.parametrize("name", ["other.example", "api.example"])
def test_a_certificate_of_another_name_or_issuer_is_not_talked_to(
    web_server: Serve, reply: Reply, channel: Open, authority: Any, name: str
) -> None:
    port = web_server(reply(200, b"ok"), authority.issue(name))
    ca = {"ca": authority.ca} if name == "other.example" else {}
    with pytest.raises(UnreachableError):
        channel("https://api.example", connect=f"127.0.0.1:{port}", **ca).get("/")


def test_a_websocket_handshake_ends_with_its_headers(web_server: Serve, channel: Open) -> None:
    seen: dict[str, str] = {}

    def handle(request: BaseHTTPRequestHandler) -> None:
        seen.update(request.headers.items())
        request.send_response(101)
        request.send_header("Upgrade", "WebSocket")
        request.send_header("Connection", "Upgrade")
        request.end_headers()
        request.close_connection = True

    answer = channel(f"ws://127.0.0.1:{web_server(handle)}/ws/").upgrade()
    assert (answer.status, answer.headers["upgrade"], answer.text) == (101, "WebSocket", "")
    assert seen["Upgrade"] == "websocket"
    assert seen["Sec-WebSocket-Version"] == "13"
    assert len(seen["Sec-WebSocket-Key"]) == 24


def test_what_speaks_no_http_is_unreachable_or_unanswered(channel: Open, web_server: Serve) -> None:
    port = web_server(lambda request: request.wfile.write(b"SSH-2.0-x\r\n\r\n") and None)
    with pytest.raises(UnansweredError):
        channel(f"http://127.0.0.1:{port}").get("/")
