"""Our reading of a tree of routes is Alertmanager's own, by the tool that comes with it."""

from __future__ import annotations

import json

from lab import engine
from tests.unit.routing_cases import CONFIGURATION, ROUTES


def test_alerts_go_where_amtool_says() -> None:
    path = "/tmp/routes.yml"
    engine.inside("alertmanager", "sh", "-c", f"cat > {path}", stdin=CONFIGURATION.encode())
    try:
        for labels, receivers in ROUTES:
            told = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
            said = engine.inside("alertmanager", "amtool", "config", "routes", "test", f"--config.file={path}", *told)
            assert said.strip().split(",") == receivers, labels
    finally:
        engine.inside("alertmanager", "rm", "-f", path)
