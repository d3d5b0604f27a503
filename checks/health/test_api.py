"""The API answers, says that it is healthy, exposes its metrics and upgrades to a WebSocket."""

import pytest

from opsverify.probes import web
from opsverify.rules import health


@pytest.mark.requirement("HLT-API-01")
def test_api_is_healthy(api, fact, limits, judge):
    """What a customer meets first. A 200 of a proxy, or of a page that says "unhealthy", is no health."""
    judge(health.api_healthy(fact(web.health, api), limits))


@pytest.mark.requirement("HLT-API-02")
def test_api_exposes_its_metrics(api, fact, limits, judge):
    """Without metrics every alert and every capacity figure is silent, and silence looks like peace."""
    judge(health.metrics_exposed(fact(web.metrics, api), limits))


@pytest.mark.requirement("HLT-WS-01")
def test_websocket_upgrades(websocket, fact, judge):
    """Prices are pushed over the WebSocket; a proxy that loses the upgrade header freezes them unnoticed."""
    judge(health.websocket_upgrades(fact(web.handshake, websocket)))
