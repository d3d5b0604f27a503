"""Work for the lab: requests of many customers at once, and the application's statements many times over."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from lab import engine
from lab.settings import SERVER_NAME, ports

# As the application would ask; PostgreSQL takes those that differ in a number or a name only for the same statement.
STATEMENTS = (
    "SELECT usd, at FROM prices WHERE symbol = 'ETH' ORDER BY at DESC LIMIT {}",
    "SELECT count(*) AS swaps, sum(amount_in) AS volume FROM swaps WHERE user_id = {}",
    "SELECT id, owner, created_at FROM api_keys WHERE revoked_at IS NULL AND id <> {}",
)


def traffic(requests: int, parallel: int = 32) -> dict[int, int]:
    """Send requests through nginx, and count the answers by status."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(
        f"https://127.0.0.1:{ports()['HTTPS']}/v1/config",
        headers={"Host": SERVER_NAME, "Connection": "close"},
    )

    def send(_: int) -> int:
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return int(error.code)

    counted: dict[int, int] = {}
    with ThreadPoolExecutor(parallel) as pool:
        for status in pool.map(send, range(requests)):
            counted[status] = counted.get(status, 0) + 1
    return counted


def statements(calls: int = 150) -> None:
    """Run each of STATEMENTS that many times as the application's role, in one session."""
    login = (
        "env",
        "PGPASSFILE=/var/lib/lab/pgpass",
        "PGSSLMODE=verify-full",
        "PGSSLROOTCERT=/etc/ssl/certs/lab-root-ca.crt",
    )
    lines = "".join(f"{statement.format(10 + call)};\n" for call in range(calls) for statement in STATEMENTS)
    psql = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "tokenswap", "-w", "-h", "postgres", "tokenswap")
    engine.inside("node", *login, *psql, stdin=lines.encode())
