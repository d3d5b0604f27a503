"""Stories for the tests of what keeps, tells and shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from opsverify.gate.story import Phase, Reason, Story

FAILS = "passed before, and fails now"
START = datetime(2026, 11, 23, 12, tzinfo=UTC)


def story(phase: Phase = "pre", identity: str = "0a1b2c3d", **more: Any) -> Story:
    """A gate with nothing to say but GO; ``more`` is what is otherwise."""
    known: dict[str, Any] = {
        "id": identity,
        "phase": phase,
        "change": "CHG-1",
        "summary": "A release",
        "class_": "standard",
        "scope": "",
        "profile": "test",
        "profile_sha256": "a" * 64,
        "change_sha256": "b" * 64,
        "targets": {"host": ["one"]},
        "limits": {},
        "suite_version": "0.1.0",
        "suite_commit": "abc",
        "user": "mara",
        "runner": "ci-7",
        "ci": "",
        "start": START,
        "end": START + timedelta(seconds=40),
        "verdict": "GO",
        "exit_status": 0,
        "sentence": "nothing speaks against it.",
        "sentence_zh": "没有问题。",
        "reasons": [],
        "checks": [],
        "verification": None,
    }
    return Story(**(known | more))


def reason(
    effect: Any = "NO-GO", about: str = "HLT-PG-01-postgres", why: str = "passed before, and fails now"
) -> Reason:
    """One reason."""
    return Reason(effect=effect, about=about, why=why)
