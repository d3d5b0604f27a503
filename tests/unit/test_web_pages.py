"""Pages over the web channel: redirects are followed on their own host, so often and no further."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from opsverify import targets
from opsverify.channels.web import MOST_REDIRECTS, WebChannel
from opsverify.errors import RefusedError, UnansweredError, UnreachableError
from opsverify.probes import links
from opsverify.transcript import Transcript

Serve = Callable[..., int]
Open = Callable[..., WebChannel]
Exchanges = Callable[[], list[dict[str, Any]]]


class Site:
    """Redirects by path; any other path is answered with its own name. ``asked`` is what was asked for."""

    def __init__(self, **redirects: str) -> None:
        self.redirects = {f"/{name}": target for name, target in redirects.items()}
        self.asked: list[str] = []
        self.status = 302

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        path = request.path.partition("?")[0]
        body = b"" if path in self.redirects else f"<title>{path}</title>".encode()
        request.send_response(self.status if path in self.redirects else 200)
        if path in self.redirects:
            request.send_header("Location", self.redirects[path])
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def channel(transcript: Transcript, tmp_path: Path) -> Iterator[Open]:
    opened: list[WebChannel] = []

    def make(url: str, **more: Any) -> WebChannel:
        spec = targets.Link(name="docs", role="docs", url=url, marker="m", **{"timeout_s": 1.0, **more})
        opened.append(WebChannel(spec, tmp_path, transcript))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.mark.parametrize(("url", "asked"), [("", "/"), ("/", "/"), ("/docs", "/docs"), ("/docs/", "/docs/")])
def test_the_page_of_the_url_is_asked_for(web_server: Serve, channel: Open, url: str, asked: str) -> None:
    site = Site()
    answer = channel(f"http://127.0.0.1:{web_server(site)}{url}").page()
    assert (site.asked, answer.status) == ([asked], 200)


@pytest.mark.parametrize(
    ("url", "asked"), [("?a=1&b=%20", "/?a=1&b=%20"), ("/?a", "/?a"), ("/docs?a=/x", "/docs?a=/x"), ("/docs?", "/docs")]
)
def test_the_page_is_asked_for_with_the_query_of_its_url(
    web_server: Serve, channel: Open, url: str, asked: str
) -> None:
    site = Site()
    channel(f"http://127.0.0.1:{web_server(site)}{url}#part").page()
    assert site.asked == [asked]


def test_a_redirect_is_relative_to_the_path_and_leaves_the_query(web_server: Serve, channel: Open) -> None:
    site = Site(**{"docs/a": "b"})
    channel(f"http://127.0.0.1:{web_server(site)}/docs/a?x=1").page()
    assert site.asked == ["/docs/a?x=1", "/docs/b"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target", ["/b/", "b/", "./b/", "../b/", "//127.0.0.1:{port}/b/", "http://127.0.0.1:{port}/b/"]
)
def test_a_redirect_on_the_same_host_is_followed(web_server: Serve, channel: Open, status: int, target: str) -> None:
    site = Site()
    site.status = status
    port = web_server(site)
    site.redirects["/a"] = target.format(port=port)
    answer = channel(f"http://127.0.0.1:{port}/a").page()
    assert (site.asked, answer.status, answer.text) == (["/a", "/b/"], 200, "<title>/b/</title>")


def test_a_redirect_keeps_its_query_and_leaves_its_fragment(web_server: Serve, channel: Open) -> None:
    site = Site(a="/b?x=1&y=%20#part")
    channel(f"http://127.0.0.1:{web_server(site)}/a").page()
    assert site.asked == ["/a", "/b?x=1&y=%20"]


@pytest.mark.parametrize(
    "target",
    [
        "http://192.0.2.1/",
        "//192.0.2.1/b",
        "//%2D/quit",  # to a host of this name
        "https://127.0.0.1:{port}/b",
        "http://127.0.0.1:1/b",
        "http://127.0.0.1/b",
        "http://127.0.0.1:{port}@192.0.2.1/b",
        "http://127.0.0.1:{port}.example/b",
        "http://127.0.0.1:{port}0/b",
        "http://user@127.0.0.1:{port}/b",
        "http://localhost:{port}/b",
        "ftp://127.0.0.1:{port}/b",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,x",
    ],
)
def test_a_redirect_to_another_host_or_scheme_is_an_answer_and_not_followed(
    web_server: Serve, channel: Open, target: str
) -> None:
    site = Site()
    port = web_server(site)
    site.redirects["/a"] = target.format(port=port)
    asked = channel(f"http://127.0.0.1:{port}/a")
    answer = asked.page()
    assert (site.asked, answer.status) == (["/a"], 302)
    assert answer.headers["location"] == target.format(port=port)
    found = links.page(asked, "m").required()
    assert (found.status, found.elsewhere) == (302, target.format(port=port))


@pytest.mark.parametrize(("hops", "status"), [(1, 200), (MOST_REDIRECTS, 200), (MOST_REDIRECTS + 1, 302), (50, 302)])
def test_redirects_are_followed_so_often_and_no_further(
    web_server: Serve, channel: Open, hops: int, status: int
) -> None:
    site = Site(**{str(each): f"/{each + 1}" for each in range(hops)})
    answer = channel(f"http://127.0.0.1:{web_server(site)}/0").page()
    assert answer.status == status
    assert len(site.asked) == min(hops, MOST_REDIRECTS) + 1


@pytest.mark.parametrize("target", ["/a", "", "#x", "http://127.0.0.1:{port}/a"])
def test_a_page_that_leads_back_to_itself_ends(web_server: Serve, channel: Open, target: str) -> None:
    site = Site()
    port = web_server(site)
    site.redirects["/a"] = target.format(port=port)
    assert channel(f"http://127.0.0.1:{port}/a").page().status == 302
    assert len(site.asked) == MOST_REDIRECTS + 1


def test_two_pages_that_lead_to_each_other_end(web_server: Serve, channel: Open) -> None:
    site = Site(a="/b", b="/a")
    assert channel(f"http://127.0.0.1:{web_server(site)}/a").page().status == 302
    assert site.asked == ["/a", "/b"] * 3


@pytest.mark.parametrize(
    "target",
    [
        "/-/reload",
        "/-/quit",
        "/x/../-/reload",
        "/api/v1/admin/tsdb",
        "/api/v1/write",
        "http://127.0.0.1:{port}//%2D/quit",
        "/%252D/quit",
        "/api//v1/admin/tsdb",
        "/a/../-/quit",
        "http://127.0.0.1:{port}//-/quit",
        "/%2D/quit",
        "/%2d/quit?x=1",
        "/x/%2e%2E/%2D/reload#part",
        "/-%2Fquit",
        "/api/v1/%61dmin/tsdb",
        "/api/v1/./admin/tsdb",
        "/api/%2e/v1/x/../admin/tsdb?x",
        "./api/v1/%77rite",
        "http://127.0.0.1:{port}/%2D/quit",
    ],
)
def test_a_redirect_to_what_changes_a_server_is_refused(
    web_server: Serve, channel: Open, exchanges: Exchanges, target: str
) -> None:
    site = Site()
    port = web_server(site)
    site.redirects["/a"] = target.format(port=port)
    with pytest.raises(RefusedError, match="the path is not on the read-only list"):
        channel(f"http://127.0.0.1:{port}/a").page()
    assert site.asked == ["/a"]
    assert "refused" in exchanges()[-1]["failure"]


@pytest.mark.parametrize("target", ["/x?next=/-/me", "/x?next=/api/v1/admin/"])
def test_a_query_is_no_path(web_server: Serve, channel: Open, target: str) -> None:
    site = Site(a=target)
    assert channel(f"http://127.0.0.1:{web_server(site)}/a").page().status == 200
    assert site.asked == ["/a", target]


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}//[x", "http://127.0.0.1:{port}//a:b/"])
def test_a_path_that_looks_like_a_host_is_a_path(web_server: Serve, channel: Open, target: str) -> None:
    site = Site()
    port = web_server(site)
    site.redirects["/a"] = target.format(port=port)
    assert channel(f"http://127.0.0.1:{port}/a").page().status == 200
    assert len(site.asked) == 2


@pytest.mark.parametrize("target", ["http://[", "//[::1"])
def test_a_page_that_leads_to_no_address_is_a_finding(web_server: Serve, channel: Open, target: str) -> None:
    site = Site(a=target)
    asked = channel(f"http://127.0.0.1:{web_server(site)}/a")
    found = links.page(asked, "m").required()
    assert (found.status, found.elsewhere) == (302, target)


def test_a_page_that_cannot_be_read_is_a_finding(web_server: Serve, reply: Callable[..., Any], channel: Open) -> None:
    found = links.page(channel(f"http://127.0.0.1:{web_server(reply(200, b'm<![x]>'))}"), "m")
    assert found.value is None
    assert "the page cannot be read" in found.failure


def test_every_step_is_in_the_transcript(web_server: Serve, channel: Open, exchanges: Exchanges) -> None:
    site = Site(a="/b", b="/c")
    port = web_server(site)
    channel(f"http://127.0.0.1:{port}/a").page()
    assert [each["question"]["GET"] for each in exchanges()] == [f"http://127.0.0.1:{port}/{each}" for each in "abc"]


def test_redirects_go_by_the_name_where_another_address_is_dialled(web_server: Serve, channel: Open) -> None:
    site = Site(a="http://docs.example/b", b="http://127.0.0.1/c")
    answer = channel("http://docs.example/a", connect=f"127.0.0.1:{web_server(site)}").page()
    assert (site.asked, answer.status) == (["/a", "/b"], 302)


def test_a_page_over_tls_is_itself(web_server: Serve, reply: Callable[..., Any], channel: Open, authority: Any) -> None:
    port = web_server(reply(200, b"<title>T</title>m"), authority.issue("docs.example"))
    asked = channel("https://docs.example", connect=f"127.0.0.1:{port}", ca=authority.ca)
    assert links.page(asked, "m").required() == links.Page(200, True, "", "T", True)


def test_a_page_that_does_not_answer_is_a_finding_and_no_error(channel: Open, closed_port: int) -> None:
    found = links.page(channel(f"http://127.0.0.1:{closed_port}"), "m")
    assert found.value is None
    assert "refused" in found.failure


def test_a_redirect_into_silence_is_no_page(web_server: Serve, channel: Open) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        if request.path == "/a":
            request.send_response(302)
            request.send_header("Location", "/b")
            request.send_header("Content-Length", "0")
            request.end_headers()
        request.close_connection = True

    with pytest.raises((UnansweredError, UnreachableError)):
        channel(f"http://127.0.0.1:{web_server(handle)}/a").page()


@pytest.mark.parametrize("probe", [links.grafana, links.kibana])
def test_a_status_interface_behind_a_login_is_not_followed(
    web_server: Serve, channel: Open, probe: Callable[[WebChannel], Any]
) -> None:
    site = Site(**{"api/health": "/login", "api/status": "/login"})
    found = probe(channel(f"http://127.0.0.1:{web_server(site)}")).required()
    assert (found.status, found.claims, len(site.asked)) == (302, "no state", 1)
