"""Findings of a dependency audit that the program lives with for a while: named, reasoned, approved, with an end.

``accepted.toml`` holds ``[[accepted]]`` tables and nothing else.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, Field

from opsverify.attestations import parsed, plausible
from opsverify.catalogue import Strict, Text


class Acceptance(Strict):
    """One advisory (``GHSA-…``, ``CVE-…``) that is accepted through the day ``expires`` (UTC)."""

    advisory: Text
    reason: Text
    approved_by: Text
    expires: Annotated[dt.date, AfterValidator(plausible)]


class _File(Strict):
    accepted: list[Acceptance] = Field(default_factory=list)


def parse(text: str, file: str) -> list[Acceptance]:
    """The entries of a file, in its order.

    Raises:
        UsageError: one line with file and key.
    """
    return parsed(_File, text, file).accepted
