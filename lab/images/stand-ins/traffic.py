"""A gentle stream of customers: about one request a second through nginx, now and then a swap."""

from __future__ import annotations

import http.client
import itertools
import random
import ssl
import time

import jaeger

CA = "/etc/ssl/certs/lab-root-ca.crt"
READS = ("/v1/pools", "/v1/prices", "/v1/stats", "/v1/config", "/v1/prices")


def ask(method: str, path: str) -> None:
    connection = http.client.HTTPSConnection(
        "api.tokenswap.io", timeout=5, context=ssl.create_default_context(cafile=CA)
    )
    began, clock = time.time(), time.monotonic()
    try:
        connection.request(method, path, headers={"User-Agent": "lab-traffic"})
        connection.getresponse().read()
    finally:
        connection.close()
    jaeger.record(method, path, began, time.monotonic() - clock)


def run() -> None:
    told = 0.0
    for number in itertools.count():
        method, path = ("POST", "/v1/swaps") if number % 10 == 9 else ("GET", READS[number % len(READS)])
        try:
            ask(method, path)
        except (
            OSError,
            http.client.HTTPException,
        ) as error:  # the stack is being broken on purpose, or still starting
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"traffic: {error}", flush=True)
        time.sleep(random.uniform(0.8, 1.2))  # noqa: S311
