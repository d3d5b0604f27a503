"""Secrets never reach an artefact: everything that is written goes through a `Redactor` first.

A redactor keeps count of what it masked: which secret, by its name, in which form, how often. Neither the count nor
anything else that is written tells a secret's value, its length or a digest of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from opsverify import spellings

MASK = "[redacted]"
# Anything shorter turns up by chance in what live systems say (base64 of seven bytes does, in a gigabyte), and masking
# it would mask words that mean something else.
SHORTEST_SECRET = 8
SHORT, MOST_CLEAN = 100, 20_000  # characters of a text that is remembered as clean, and how many of these

# Secrets that the suite never loaded but may meet in an answer: connection strings, tokens, key blocks.
PATTERNS = (
    (
        "a password or token by its name",
        # On one line, and none of the words that nsswitch.conf has after passwd: a replay reads what is left, and has
        # to understand it as the run understood the whole.
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api_?key|passphrase)[\"']?\s*[=:][ \t]*[\"']?)"
            r"(?!(?:files|compat|db|sss|ldap|nis|nisplus|systemd|winbind)\b)[^\s\"',;&]+"
        ),
    ),
    # A container's environment, whole: names of variables do not tell which of them are secret.
    # What is left is JSON still: a replay reads it as the run did.
    (
        "the environment of a container",
        re.compile(r'("Env"\s*:\s*\[\s*")(?:[^"\\]|\\.)*(?:"\s*,\s*"(?:[^"\\]|\\.)*)*(?=")'),
    ),
    ("an Authorization header", re.compile(r"(?i)(authorization:\s*\w+\s+)\S+")),
    ("the password in a URL", re.compile(r"(\b\w{1,32}://[^\s:/@]{1,200}:)[^\s@]{1,500}+(?=@)")),
    ("a private key", re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)),
    ("a password hash of Redis", re.compile(r"(#)[0-9a-f]{64}\b")),  # in Redis' ACL LIST
    ("a password hash of PostgreSQL", re.compile(r"(SCRAM-SHA-256\$)\S+")),
    (
        "a password in redis.conf",
        re.compile(r"(?im)^([ \t]*(?:requirepass|masterauth|tls-(?:client-)?key-file-pass)[ \t]+)\S+"),
    ),
    ("an ACL user with a password", re.compile(r"(?im)^([ \t]*user[ \t]+\S+[ \t]+)(?=[^\n]*>)[^\n]*")),
)
BY_LOOKS = "none that was loaded"

Tally = Counter[tuple[str, str]]  # name of a secret and form; or `BY_LOOKS` and what it looks like


class Redactor:
    """Replaces every known secret, in every spelling it may appear in, by ``[redacted]``."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, tuple[str, tuple[spellings.Needle, ...]]] = {}
        self.tally: Tally = Counter()  # of what nobody else counts
        self._clean: set[str] = set()  # short texts without anything to mask: the names of keys come by the thousand

    def add(self, secret: str, name: str = "a secret") -> None:
        """Register a loaded secret, under the name by which it may be spoken of.

        Raises:
            ValueError: it is too short to be told from other text.
        """
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"{name}: shorter than {SHORTEST_SECRET} characters")
        raw = secret.encode("utf-8", "backslashreplace")
        known = self._secrets.get(raw)
        names = f"{known[0]}, {name}" if known and name not in known[0].split(", ") else name
        self._secrets[raw] = (names, spellings.needles(raw.decode("utf-8")))
        self._clean.clear()

    @property
    def names(self) -> list[str]:
        """The names of the loaded secrets."""
        return sorted({name for name, _ in self._secrets.values()})

    def text(self, text: str, tally: Tally | None = None) -> str:
        """Redact a text; lone surrogates, which no file can hold, are written as escapes.

        ``tally`` takes the count of what was masked; the redactor's own does without it.
        """
        if text in self._clean:
            return text
        tally = self.tally if tally is None else tally
        masked = text.encode("utf-8", "backslashreplace").decode("utf-8")
        if self._secrets:
            masked = self._masked(masked.encode("utf-8"), tally).decode("utf-8", "replace")
        for looks, pattern in PATTERNS:
            masked = pattern.sub(lambda found, looks=looks: _covered(found, looks, tally), masked)  # type: ignore[misc]
        if masked == text and len(text) <= SHORT and len(self._clean) < MOST_CLEAN:
            self._clean.add(text)
        return masked

    def value(self, value: Any, tally: Tally | None = None) -> Any:
        """Redact every text inside a JSON-like value."""
        if isinstance(value, str):
            return self.text(value, tally)
        if isinstance(value, dict):
            return {self.text(str(key), tally): self.value(each, tally) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, tally) for each in value]
        return value

    def leaks(self, text: str) -> bool:
        """Tell whether a text still holds a loaded secret in any spelling."""
        return bool(self.held(text.encode("utf-8", "backslashreplace")))

    def held(self, data: bytes) -> list[str]:
        """The names of the loaded secrets that some bytes hold, in any spelling."""
        return sorted({name for name, _, _ in self._held(data)})

    def forms(self, data: bytes) -> Iterator[tuple[str, spellings.Hit]]:
        """Every spelling of a loaded secret that some bytes hold: name of the secret, place and form."""
        held = self._held(data)
        if not held:
            return
        located = spellings.located(data)
        for name, secret, needles in held:
            for hit in spellings.hits(data, located, secret, needles):
                yield name, hit

    def _held(self, data: bytes) -> list[tuple[str, bytes, tuple[spellings.Needle, ...]]]:
        dense = spellings.condensed(data) if self._secrets else b""
        return [
            (name, secret, needles)
            for secret, (name, needles) in self._secrets.items()
            if spellings.spells(data, dense, secret, needles)
        ]

    def _masked(self, data: bytes, tally: Tally) -> bytes:
        for _ in range(3):  # what is left beside a mask may, with bad luck, spell a secret anew
            found = sorted(self.forms(data), key=lambda each: (each[1].start, -each[1].end))
            if not found:
                return data
            pieces: list[bytes] = []
            at = 0
            for name, hit in found:
                if hit.end <= at:
                    continue  # inside another one
                if hit.start >= at:
                    pieces += (data[at : hit.start], MASK.encode())
                tally[name, hit.form] += 1
                at = hit.end
            data = b"".join((*pieces, data[at:]))
        return MASK.encode() if self._held(data) else data


def _covered(found: re.Match[str], looks: str, tally: Tally) -> str:
    covered = f"{found[1]}{MASK}"
    if found[0] != covered:  # else it was masked before
        tally[BY_LOOKS, looks] += 1
    return covered


def rows(tally: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """A count as it is written: secret, form and times of each, in order."""
    return [{"secret": name, "form": form, "times": times} for (name, form), times in sorted(tally.items()) if times]
