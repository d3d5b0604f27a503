"""Facts about how the API is seen from outside its host: by a blackbox exporter, through public DNS and TLS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml
from prometheus_client.parser import text_string_to_metric_families

from opsverify.channels.web import WebChannel
from opsverify.errors import UnansweredError
from opsverify.probes import about

NEEDED = ("probe_success", "probe_http_status_code", "probe_duration_seconds", "probe_http_ssl")
MOST_REPEATS = 4
UNHEALTHY = ('{"status":"unhealthy"}', '{"status": "unhealthy"}', "")


@dataclass(frozen=True)
class Module:
    """A module of the exporter: whether it would notice an unhealthy body, and whether it verifies TLS, by which name.

    ``server_name`` is empty where it is the target's own; without one of its own, the exporter takes a Host header's.
    """

    reads_body: bool
    verifies: bool
    server_name: str


@dataclass(frozen=True)
class View:
    """A look of a blackbox exporter, taken just now: whether it succeeded, HTTP status, seconds, TLS to the end.

    ``trusted`` says that its module reads the body and verifies the certificate; without, success says little.
    """

    success: bool
    status: int
    seconds: float
    tls: bool
    trusted: bool


def view(vantage: WebChannel, module: str, target: str) -> View:
    """Let the exporter look now, by a module whose configuration is read first.

    Raises:
        UnansweredError: it does not answer, has no such module, or says nothing of what it saw.
    """
    with about(f"vantage {vantage.target}"):
        found = parse_module(_get(vantage, "/config"), module)
        named = found.server_name.lower() in ("", urlsplit(target).hostname)
        # Its own bound has to be reached before ours, or a target that hangs would look like an exporter that does.
        bound = {"X-Prometheus-Scrape-Timeout-Seconds": f"{vantage.timeout_s:g}"}
        seen = _get(vantage, "/probe", {"module": module, "target": target}, bound)
        return parse_probe(seen, trusted=found.reads_body and found.verifies and named)


def _get(
    vantage: WebChannel, path: str, params: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> str:
    answer = vantage.get(path, params, headers)
    if answer.status != 200:
        raise UnansweredError(f"{path} answered with status {answer.status}: {answer.text[:200]!r}")
    return answer.text


def parse_module(text: str, module: str) -> Module:
    """A module of the exporter's configuration.

    Raises:
        UnansweredError: it is no configuration, or has no such module of the kind http.
    """
    try:
        # Nothing but texts, lists and mappings: what a hostile configuration could make of other types is not wanted.
        found: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)["modules"][module]  # noqa: S506
        http: dict[str, Any] = found.get("http") or {}
        tls: dict[str, Any] = http.get("tls_config") or {}
        patterns = http.get("fail_if_body_not_matches_regexp")
        headers = {str(name).lower(): each for name, each in (http.get("headers") or {}).items()}
        if found["prober"] != "http":
            raise KeyError(module)
        return Module(
            reads_body=isinstance(patterns, list) and any(map(_notices, patterns)),
            verifies=str(tls.get("insecure_skip_verify", "false")).lower() == "false",
            server_name=str(tls.get("server_name") or headers.get("host", "")),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise UnansweredError(f"/config: no module {module!r} of the kind http in it") from None


def _notices(pattern: object) -> bool:
    """Whether an unhealthy body would not match; a pattern that is not understood here counts for nothing."""
    # The exporter's expressions are of another kind: what Python has not, or takes too long for, counts for nothing.
    text = str(pattern)
    if "[:" in text or re.search(r"\{\d", text) or len(re.findall(r"[*+?]", text)) > MOST_REPEATS:
        return False
    try:
        return not any(re.search(text, body) for body in UNHEALTHY)
    except (re.error, OverflowError, RecursionError):
        return False


def parse_probe(text: str, *, trusted: bool) -> View:
    """What /probe exposes of the look; the status is 0 where it came to none.

    Raises:
        UnansweredError: something of it is missing.
    """
    try:
        samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
        values = {each.name: each.value for each in samples if each.name in NEEDED}
        success, status, seconds, tls = (values[name] for name in NEEDED)
        return View(success == 1, int(status), float(seconds), tls == 1, trusted)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise UnansweredError(f"/probe: {type(error).__name__} {error}: {text[:200]!r}") from None
