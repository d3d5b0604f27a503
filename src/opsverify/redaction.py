"""Secrets never reach an artefact: everything that is written goes through a `Redactor` first."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
SHORTEST_SECRET = 4  # anything shorter would mask half of every answer

# Secrets that the suite never loaded but may meet in an answer: connection strings, tokens, key blocks.
PATTERNS = (
    (
        # On one line, and none of the words that nsswitch.conf has after passwd: a replay reads what is left, and has
        # to understand it as the run understood the whole.
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api_?key|passphrase)[\"']?\s*[=:][ \t]*[\"']?)"
            r"(?!(?:files|compat|db|sss|ldap|nis|nisplus|systemd|winbind)\b)[^\s\"',;&]+"
        ),
        1,
    ),
    # A container's environment, whole: names of variables do not tell which of them are secret.
    # What is left is JSON still: a replay reads it as the run did.
    (re.compile(r'("Env"\s*:\s*\[\s*")(?:[^"\\]|\\.)*(?:"\s*,\s*"(?:[^"\\]|\\.)*)*(?=")'), 1),
    (re.compile(r"(?i)(authorization:\s*\w+\s+)\S+"), 1),
    (re.compile(r"(\b\w{1,32}://[^\s:/@]{1,200}:)[^\s@]{1,500}+(?=@)"), 1),
    (re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL), 1),
    (re.compile(r"(#)[0-9a-f]{64}\b"), 1),  # a password hash in Redis' ACL LIST
    (re.compile(r"(SCRAM-SHA-256\$)\S+"), 1),
    (re.compile(r"(?im)^([ \t]*(?:requirepass|masterauth|tls-(?:client-)?key-file-pass)[ \t]+)\S+"), 1),  # redis.conf
    (re.compile(r"(?im)^([ \t]*user[ \t]+\S+[ \t]+)(?=[^\n]*>)[^\n]*"), 1),  # an ACL user with a password in plain
)


class Redactor:
    """Replaces every known secret, in every spelling it may appear in, by ``[redacted]``."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()

    def add(self, secret: str) -> None:
        """Register a loaded secret: plain, base64, URL-encoded, hexadecimal and JSON-escaped."""
        if len(secret) < SHORTEST_SECRET:
            return
        raw = secret.encode()
        self._spellings |= {
            secret,
            base64.b64encode(raw).decode(),
            base64.urlsafe_b64encode(raw).decode(),
            quote(secret, safe=""),
            quote_plus(secret),
            raw.hex(),
            json.dumps(secret)[1:-1],
        }

    def text(self, text: str) -> str:
        """Redact a text; lone surrogates, which no file can hold, are written as escapes."""
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        for spelling in sorted(self._spellings, key=len, reverse=True):
            text = text.replace(spelling, MASK)
        for pattern, kept in PATTERNS:
            text = pattern.sub(rf"\{kept}{MASK}", text)
        return text

    def value(self, value: Any) -> Any:
        """Redact every text inside a JSON-like value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def leaks(self, text: str) -> bool:
        """Tell whether a text still holds a loaded secret in any spelling."""
        return any(spelling in text for spelling in self._spellings)
