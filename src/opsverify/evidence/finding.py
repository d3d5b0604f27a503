"""What a verification finds, in one word and one line each. Some of it only has to be known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from opsverify.texts import visible

Word = Literal[
    "ALTERED",
    "MISSING",
    "ADDED",
    "REORDERED",
    "TRUNCATED",
    "FORKED",
    "UNFINISHED",
    "UNSIGNED",
    "WRONG KEY",
    "WRONG NAMESPACE",
    "WRONG IDENTITY",
    "EXPIRED",
    "NOT YET VALID",
    "REVOKED",
    "SIGN-OFF",
    "PRUNED",
    "HEAD",
]
WIDTH = 16


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was sealed; not ``fatal``: nothing is wrong, but whoever relies on it has to know."""

    word: Word
    text: str
    fatal: bool = True

    def __str__(self) -> str:
        return line(self.word, self.text)

    def about(self, subject: str) -> Finding:
        """The same, said of a run among others."""
        return Finding(self.word, f"{subject}: {self.text}", self.fatal)


def line(label: str, text: str) -> str:
    """A label and a text in one line in which nothing acts on a terminal: file names may be anything."""

    return f"{label:<{WIDTH}}{visible(text)}".replace("\n", "\\n").rstrip()


def wrong(findings: Iterable[Finding]) -> bool:
    """Whether any of it is fatal."""
    return any(each.fatal for each in findings)
