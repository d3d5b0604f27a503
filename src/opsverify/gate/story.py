"""What a gate has to say, as ``gate.json`` keeps it: its verdict, and everything that the verdict rests on.

Written by the gate, read back by the gate after the change, by ``opsverify gate show`` and by the page. Nothing here
asks or decides anything.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from opsverify.catalogue import Strict
from opsverify.changes import Class

Phase = Literal["pre", "post"]
Verdict = Literal["GO", "WARN", "NO-GO", "INCONCLUSIVE"]
Effect = Literal["info", "WARN", "INCONCLUSIVE", "NO-GO"]
# The worst one wins: what is known to be wrong is worse than what is not known.
WORSE: tuple[Effect, ...] = ("info", "WARN", "INCONCLUSIVE", "NO-GO")
EXIT_STATUS: dict[Verdict, int] = {"GO": 0, "WARN": 0, "NO-GO": 10, "INCONCLUSIVE": 20}
Comparison = Literal[
    "ok",
    "regression",
    "pre-existing",
    "worsened",
    "fixed",
    "unknown",
    "unstable",
    "coverage lost",
    "new failure",
    "new",
    "scope change",
    "waived",
]


class Side(Strict):
    """What one check said on one side of the change: entry of ``results.json``, and its state each time it was asked.

    ``samples`` has one state unless the check was probed again.
    """

    state: str
    message: str
    observations: list[dict[str, Any]]
    samples: list[str]
    waiver: dict[str, Any] | None = None


class Compared(Strict):
    """One check before and after; a side is None where the check was not there. Before a change there is no post."""

    subject: str
    requirement: str
    target: str
    title: str
    title_zh: str
    manual: str
    severity: str
    must_pass: bool
    pre: Side | None
    post: Side | None
    comparison: Comparison | None
    effect: Effect
    why: str


class Reason(Strict):
    """One reason for the verdict: what it is about, and in one sentence why."""

    effect: Effect
    about: str
    why: str


class Poll(Strict):
    """One look at whether the targets are ready; ``waiting`` says for what, by target."""

    at: AwareDatetime
    waiting: dict[str, str]


class Settling(Strict):
    """How readiness came after the change."""

    settled: bool
    seconds: float
    polls: list[Poll]


class Snapshot(Strict):
    """The configuration of the live systems: area (``pg_settings postgres``) to name to value, as text.

    ``unread`` are the areas that could not be read, with why not.
    """

    areas: dict[str, dict[str, str]] = Field(default_factory=dict)
    unread: dict[str, str] = Field(default_factory=dict)


class Drift(Strict):
    """One difference of configuration: None where the name was not there on that side; who declared it."""

    area: str
    name: str
    before: str | None
    after: str | None
    declared: bool
    effect: Effect


class Undone(Strict):
    """A declared difference that did not happen, and what is there instead."""

    what: str
    before: str
    after: str
    found: str


class Measured(Strict):
    """One number on both sides, in seconds: the samples, their medians, and whether the later ones are worse.

    ``worse_by`` is the share by which the median grew; ``p`` the exact one-sided p of Mann and Whitney.
    """

    name: str
    pre: list[float]
    post: list[float]
    median_pre: float | None
    median_post: float | None
    worse_by: float | None
    p: float | None
    effect: Effect
    why: str


class Verification(Strict):
    """A run of the checks that the gate made: its directory from the project's root, and the digest of its results."""

    directory: str
    results_sha256: str
    selection: str
    verdict: str


class Rollback(Strict):
    """The hook on NO-GO: what was run, how it ended (None: it did not end in time), and what the gate said after it."""

    command: list[str]
    exit_status: int | None
    seconds: float
    output: str
    verdict: Verdict | None
    reasons: list[Reason]
    verification: Verification | None


class Baseline(Strict):
    """The pre-change gate that a post-change gate is held against."""

    id: str
    directory: str
    start: AwareDatetime
    age_seconds: float


class Story(Strict):
    """All of it: ``gate.json``. ``parts`` are digests of what the profile consists of, by `baselines.parts`."""

    id: str
    phase: Phase
    change: str
    summary: str
    class_: Class
    scope: str
    profile: str
    profile_sha256: str
    parts: dict[str, str] = Field(default_factory=dict)
    change_sha256: str
    targets: dict[str, list[str]]
    limits: dict[str, str]
    suite_version: str
    suite_commit: str
    user: str
    runner: str
    ci: str
    start: AwareDatetime
    end: AwareDatetime
    verdict: Verdict
    exit_status: int
    sentence: str
    sentence_zh: str
    reasons: list[Reason]
    checks: list[Compared]
    verification: Verification | None
    reprobes: list[Verification] = Field(default_factory=list)
    baseline: Baseline | None = None
    settling: Settling | None = None
    configuration: Snapshot = Snapshot()
    drift: list[Drift] = Field(default_factory=list)
    undone: list[Undone] = Field(default_factory=list)
    samples: dict[str, list[float]] = Field(default_factory=dict)
    numbers: list[Measured] = Field(default_factory=list)
    rollback: Rollback | None = None
