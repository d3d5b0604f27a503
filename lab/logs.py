"""The application's logs of the past weeks: JSON lines, one rotated file a day, as logrotate would have left them."""

from __future__ import annotations

import gzip
import json
import random
import time
import uuid
from datetime import UTC, datetime

DAY = 86400
ROUTES = ("/v1/pools", "/v1/prices", "/v1/stats", "/v1/config", "/v1/swaps")


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def stamp(at: float) -> str:
    """A moment as log lines have it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def begin(day: str) -> int:
    """The second at which a day begins."""
    return int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp())


def _line(at: float, rng: random.Random) -> str:
    route = rng.choice(ROUTES)
    failed = rng.random() < 0.003
    detail = not failed and rng.random() < 0.2
    trace = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    status = 500 if failed else 200
    return json.dumps(
        {
            "timestamp": stamp(at),
            "level": "ERROR" if failed else "DEBUG" if detail else "INFO",
            "service": "tokenswap-api",
            "module": "http",
            "trace_id": trace,
            "user_id": None,
            "message": f"{'POST' if route.endswith('swaps') else 'GET'} {route} {status}",
            "data": {"status": status, "duration_ms": rng.randrange(3, 90)},
        },
        separators=(",", ":"),
    )


def lacking(days: int, there: set[str]) -> list[str]:
    """The days among the last so many whole ones that are not there; as 2026-11-23."""
    midnight = now() // DAY * DAY
    wanted = (f"{datetime.fromtimestamp(midnight - back * DAY, UTC):%Y-%m-%d}" for back in range(days, 0, -1))
    return [day for day in wanted if day not in there]


def of_day(day: str) -> tuple[bytes, int]:
    """Content and modification time of the compressed log of one day."""
    midnight = begin(day)
    rng = random.Random(midnight)  # noqa: S311
    lines = [_line(midnight + second + rng.random() * 200, rng) for second in range(60, DAY - 240, 240)]
    return gzip.compress("\n".join(lines).encode() + b"\n", mtime=midnight), midnight + DAY
