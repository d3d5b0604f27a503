"""The application's logs of the past weeks: JSON lines, one rotated file a day, as logrotate would have left them."""

from __future__ import annotations

import gzip
import json
import random
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

DAY = 86400
ROUTES = ("/v1/pools", "/v1/prices", "/v1/stats", "/v1/config", "/v1/swaps")


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def _line(at: float, rng: random.Random) -> str:
    route = rng.choice(ROUTES)
    failed = rng.random() < 0.003
    trace = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    status = 500 if failed else 200
    return json.dumps(
        {
            "timestamp": stamp,
            "level": "ERROR" if failed else "INFO",
            "service": "tokenswap-api",
            "module": "http",
            "trace_id": trace,
            "user_id": None,
            "message": f"{'POST' if route.endswith('swaps') else 'GET'} {route} {status}",
            "data": {"status": status, "duration_ms": rng.randrange(3, 90)},
        },
        separators=(",", ":"),
    )


def rotated(days: int) -> Iterator[tuple[str, bytes, int]]:
    """(file name, content, modification time) of each of the last `days` whole days."""
    rng = random.Random(7)  # noqa: S311
    midnight = now() // DAY * DAY
    for back in range(days, 0, -1):
        begin = midnight - back * DAY
        lines = [_line(begin + second + rng.random() * 200, rng) for second in range(60, DAY - 240, 240)]
        name = datetime.fromtimestamp(begin, UTC).strftime("app.log-%Y%m%d.gz")
        yield name, gzip.compress("\n".join(lines).encode() + b"\n", mtime=begin), begin + DAY
