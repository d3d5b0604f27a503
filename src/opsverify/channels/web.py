"""The web channel: GET requests to one HTTP server, and the WebSocket handshake.

A profile may dial another address than the name in the URL (``connect``): host header, SNI and the name that
the certificate is held against stay those of the URL.
"""

from __future__ import annotations

import base64
import os
import posixpath
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from opsverify import __version__, targets
from opsverify.channels.base import LONGEST_ANSWER, Channel
from opsverify.channels.coding import Coding
from opsverify.errors import UnansweredError, UnreachableError, UsageError
from opsverify.transcript import Transcript

# Paths that change a monitoring server, or stop it, even when asked with GET by mistake of a proxy.
DENIED = re.compile(r"(^|/)-/(?!(ready|healthy)$)|/api/v\d+/admin(/|$)|/api/v\d+/(write|otlp)(/|$)")


TOKEN = re.compile(r"[!-~]+")
MOST_REDIRECTS = 5
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, headers with lower-case names, body as text, and how long it took in seconds."""

    status: int
    headers: dict[str, str]
    text: str
    seconds: float


def redirected(url: str, answer: Answer) -> str:
    """Where an answer to ``url`` redirects to, as a whole URL without fragment; empty when that is nowhere."""
    if answer.status not in (301, 302, 303, 307, 308):
        return ""
    try:
        return urldefrag(urljoin(url, answer.headers.get("location", ""))).url
    except ValueError:  # no address at all
        return ""


def _as_read(path: str) -> str:
    """A path as a server may read it: nothing encoded (not even twice), no empty segments, no dots."""
    return posixpath.normpath(re.sub(r"/+", "/", unquote(unquote(path.partition("?")[0]))))


class _DialElsewhere(HTTPAdapter):
    """Dials ``connect`` while TLS speaks to, and verifies, the name of the URL."""

    def __init__(self, server_name: str) -> None:
        self._server_name = server_name
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._server_name, assert_hostname=self._server_name, **kwargs)


class WebChannel(Channel):
    """Questions to one HTTP server. Nothing but GET exists here, and no redirect is followed to another host.

    ``token`` goes with every question, as a bearer's.

    Raises:
        UsageError: it is one that no header can carry, as of a file with two lines.
    """

    kind = "web"

    def __init__(
        self, endpoint: targets.Endpoint, root: Path, transcript: Transcript, *, token: SecretStr | None = None
    ) -> None:
        super().__init__(endpoint.name, "bearer" if token else "anonymous", endpoint.timeout_s, transcript)
        self.spec = endpoint
        url = urlsplit(re.sub(r"^ws", "http", endpoint.url))
        self._base = url.path
        self._page = f"{url.path or '/'}{'?' * bool(url.query)}{url.query}"
        self._name = f"{url.scheme}://{url.netloc}"
        self._origin = f"{url.scheme}://{endpoint.connect or url.netloc}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": f"opsverify/{__version__}"})
        if token is not None:
            if not TOKEN.fullmatch(token.get_secret_value()):
                raise UsageError(
                    f"{endpoint.name}: the token has characters that none has: spaces, lines, other than ASCII"
                )
            self._session.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        if endpoint.connect:
            self._session.headers["Host"] = url.netloc
            self._session.mount("https://", _DialElsewhere(str(url.hostname)))
        self._timed_out = False  # the latest question, for an answer
        self._verify = str(root / endpoint.ca) if endpoint.ca else True

    def get(
        self, path: str = "", params: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask one GET request, whatever the status of its answer.

        Raises:
            RefusedError: the path is one that changes the server.
            UnreachableError: no connection, no valid TLS, or no answer in time twice in a row.
            UnansweredError: no answer in time, or the answer broke off or is too long.
        """
        return self._get((self._base.rstrip("/") + path if path else self._base) or "/", params, headers)

    def page(self) -> Answer:
        """Ask for the page that the URL names, and follow its redirects as long as they stay on its host.

        Returns:
            the last answer: one that redirects elsewhere, or once more than `MOST_REDIRECTS`, is returned as it is.

        Raises:
            UnreachableError, UnansweredError: as `get`.
        """
        here = f"{self._name}{self._page}"
        answer = self._get(self._page, None, None)
        for _ in range(MOST_REDIRECTS):
            target = redirected(here, answer)
            path = self._path_here(target)
            if not path:
                break
            here = target
            answer = self._get(path, None, None)
        return answer

    def _path_here(self, url: str) -> str:
        """Path and query of a URL on this very host, scheme and port; empty for any other."""
        try:
            there, here = urlsplit(url), urlsplit(self._name)
            ports = [each.port or PORTS.get(each.scheme) for each in (there, here)]
        except ValueError:
            return ""
        same = (there.scheme, there.hostname, ports[0]) == (here.scheme, here.hostname, ports[1])
        if not same or "@" in there.netloc:
            return ""
        return urlunsplit(("", "", re.sub(r"^/*", "/", there.path), there.query, ""))

    def _get(self, path: str, params: dict[str, str] | None, headers: dict[str, str] | None) -> Answer:
        question = {"GET": f"{self._name}{path}", **({"params": params} if params else {})}
        if DENIED.search(_as_read(path)) or not path.startswith("/"):
            raise self.refuse(question, "the path is not on the read-only list")
        return self.exchange(question, lambda: self._send(path, params, headers), ANSWER)

    def upgrade(self) -> Answer:
        """Ask for a WebSocket handshake (RFC 6455, section 4.1) and return the answer to it."""
        key = base64.b64encode(os.urandom(16)).decode()
        return self.get(
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": key,
            }
        )

    def _send(self, path: str, params: dict[str, str] | None, headers: dict[str, str] | None) -> Answer:
        begun = time.monotonic()
        try:
            asked = requests.Request("GET", f"{self._origin}{path}", params=params, headers=headers)
            prepared = self._session.prepare_request(asked)
            # Past the session, which would read where an answer redirects to, and all of its body, without a bound.
            adapter = self._session.get_adapter(str(prepared.url))
            with adapter.send(prepared, stream=True, timeout=self.timeout_s, verify=self._verify) as answer:
                self._timed_out = False
                body = b"" if answer.status_code == requests.codes.switching_protocols else self._read(answer, begun)
                names = {name.lower(): value for name, value in answer.headers.items()}
                seconds = round(time.monotonic() - begun, 6)
                return Answer(answer.status_code, names, body.decode("utf-8", "replace"), seconds)
        except requests.ReadTimeout:
            # One slow question is no proof that the server is down, but a second one in a row is not waited for again.
            why = f"GET {path}: no answer within {self.timeout_s:g} s"
            if self._timed_out:
                raise UnreachableError(f"{self.target} at {self.spec.url} cannot be used: {why}, again") from None
            self._timed_out = True
            raise UnansweredError(f"{self.target}: {why}") from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise UnreachableError(f"{self.target} at {self.spec.url} cannot be reached: {_reason(error)}") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise UnansweredError(f"{self.target}: the answer broke off: {_reason(error)}") from None

    def _read(self, answer: requests.Response, begun: float) -> bytes:
        body = b""
        # read1 returns with whatever came, so that an answer that trickles in cannot outlast the time-out.
        while chunk := answer.raw.read1(65536, decode_content=True):
            body += chunk
            if len(body) > LONGEST_ANSWER:
                raise UnansweredError(f"{self.target}: the answer is longer than {LONGEST_ANSWER} bytes")
            if time.monotonic() - begun > self.timeout_s:
                raise UnansweredError(f"{self.target}: the answer took longer than {self.timeout_s:g} s")
        return body

    def close(self) -> None:
        """Close the session's connections."""
        self._session.close()


def _written(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "headers": answer.headers, "body": answer.text, "seconds": answer.seconds}


def _read_again(written: dict[str, Any]) -> Answer:
    return Answer(written["status"], written["headers"], written["body"], written["seconds"])


ANSWER = Coding(_written, _read_again)


def _reason(error: Exception) -> str:
    """The innermost reason of a requests error, without its object addresses."""
    text = str(error)
    inner = re.findall(r"(?:Error|Exception)\((?:[^()]*?,\s*)?(['\"])(.+?)\1\)", text)
    reason = inner[-1][1].rpartition("): ")[2] if inner else text
    return re.sub(r"<[^>]*object at 0x[0-9a-f]+>:?\s*", "", reason)
