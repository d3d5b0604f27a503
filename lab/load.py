"""Requests of many customers at once, for the lab."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from lab.settings import SERVER_NAME, ports


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
