"""The API's fault switch."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

from lab import engine

FAULT_SWITCH = "/run/tokenswap/faults.json"


@contextlib.contextmanager
def api_misbehaves(**faults: float | str) -> Iterator[None]:
    """The API's fault switch is on: error_share, delay_ms, health."""
    engine.inside("tokenswap-api", "sh", "-c", f"cat > {FAULT_SWITCH}", stdin=json.dumps(faults).encode())
    time.sleep(1.5)
    try:
        yield
    finally:
        engine.inside("tokenswap-api", "rm", "-f", FAULT_SWITCH)
        time.sleep(1.5)
