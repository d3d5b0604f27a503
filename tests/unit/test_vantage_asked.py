"""A blackbox exporter over the web channel: what it is asked, in which order, and whose word is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from opsverify import targets
from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError, UnreachableError
from opsverify.probes.vantage import View, view
from opsverify.transcript import Transcript
from tests.unit.test_probes_vantage import READS, Captured, exposed, module

TARGET = "https://api.example/health?deep=1&x=%20"


class Exporter:
    """Answers /config and /probe by what it is told; keeps what it was asked."""

    def __init__(self, config: str, probe: str, status: tuple[int, int] = (200, 200)) -> None:
        self.said = {"/config": (status[0], config), "/probe": (status[1], probe)}
        self.asked: list[str] = []
        self.bounds: list[str | None] = []

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        self.bounds.append(request.headers["X-Prometheus-Scrape-Timeout-Seconds"])
        status, text = self.said[request.path.partition("?")[0]]
        request.send_response(status)
        request.send_header("Content-Length", str(len(text.encode())))
        request.end_headers()
        request.wfile.write(text.encode())


Ask = Callable[..., View]


@pytest.fixture
def ask(transcript: Transcript, tmp_path: Path, web_server: Callable[..., int]) -> Iterator[Ask]:
    opened: list[WebChannel] = []

    def make(exporter: Exporter | None, name: str = "m", port: int = 0) -> View:
        port = port or web_server(exporter)
        spec = targets.Vantage(name="far", url=f"http://127.0.0.1:{port}", module=name, target=TARGET, timeout_s=1.0)
        opened.append(WebChannel(spec, tmp_path, transcript))
        return view(opened[-1], spec.module, spec.target)

    yield make
    for each in opened:
        each.close()


def test_the_module_is_read_before_it_is_let_look(ask: Ask) -> None:
    exporter = Exporter(module(READS), exposed())
    assert ask(exporter) == View(True, 200, 0.25, tls=True, trusted=True)
    encoded = "https%3A%2F%2Fapi.example%2Fhealth%3Fdeep%3D1%26x%3D%2520"
    assert exporter.asked == ["/config", f"/probe?module=m&target={encoded}"]
    assert exporter.bounds == [None, "1"]  # so that the exporter gives up a target before it is given up itself


@pytest.mark.parametrize(
    ("http", "trusted"),
    [
        (READS, True),
        (READS | {"tls_config": {"server_name": "api.example"}}, True),
        (READS | {"tls_config": {"server_name": "other.example"}}, False),
        (READS | {"tls_config": {"server_name": "example"}}, False),
        (READS | {"tls_config": {"insecure_skip_verify": True}}, False),
        (READS | {"tls_config": {"insecure_skip_verify": True, "server_name": "api.example"}}, False),
        ({"tls_config": {"server_name": "api.example"}}, False),
        ({"fail_if_body_not_matches_regexp": [".*"]}, False),
        ({}, False),
    ],
)
def test_a_module_is_trusted_that_reads_the_body_and_verifies_the_targets_name(
    ask: Ask, http: dict[str, Any], trusted: bool
) -> None:
    assert ask(Exporter(module(http), exposed())) == View(True, 200, 0.25, tls=True, trusted=trusted)


@pytest.mark.parametrize("name", ["Host", "host"])
def test_a_host_header_is_a_server_name_too(ask: Ask, name: str) -> None:
    http = READS | {"headers": {name: "other.example"}}
    assert not ask(Exporter(module(http), exposed())).trusted


def test_a_real_exporter_is_asked(ask: Ask, captured: Captured) -> None:
    config = captured("blackbox-config.yaml")
    seen = ask(Exporter(config, captured("blackbox-probe-refused.txt")), "insecure")
    assert seen == View(False, 0, 0.000589417, tls=False, trusted=False)


def test_without_its_module_nothing_is_looked_at(ask: Ask) -> None:
    exporter = Exporter(module(READS), exposed())
    with pytest.raises(UnansweredError, match=r"^vantage far: /config: no module 'nosuch' of the kind http in it"):
        ask(exporter, "nosuch")
    assert exporter.asked == ["/config"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ((404, 200), "/config answered with status 404: 'x{2,}"),
        ((302, 200), "/config answered with status 302"),
        ((200, 400), "/probe answered with status 400"),
        ((200, 500), "/probe answered with status 500"),
        ((200, 204), "/probe answered with status 204"),
    ],
)
def test_another_status_than_200_is_an_error(ask: Ask, status: tuple[int, int], said: str) -> None:
    bodies = [module(READS) if status[0] == 200 else "x" * 999, exposed()]
    with pytest.raises(UnansweredError, match=f"^vantage far: {said}") as error:
        ask(Exporter(bodies[0], bodies[1], status))
    assert len(str(error.value)) < 300


def test_an_exporter_that_is_down_is_an_error_and_no_finding(ask: Ask, closed_port: int) -> None:
    with pytest.raises(UnreachableError, match=r"far at .* cannot be reached"):
        ask(None, port=closed_port)
