"""How the gate judges: the table ``[gate]`` of a profile. Every key has a default."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from opsverify.catalogue import Strict

Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


class Gate(Strict):
    """Settings of the gate.

    ``baseline_hours`` is how old the run before a change may be after it. Readiness has settled after ``settle_polls``
    good polls in a row, ``settle_interval_seconds`` apart, and is waited for ``settle_seconds`` at most.
    ``samples`` latencies are taken of each target on each side; a median is worse when it is so by more than the
    share ``median_share`` and by more than ``floor_seconds``, with a one-sided p of at most ``p_value``.
    ``reprobes`` is how often a failing check is asked once more. ``rollback_seconds`` bounds the hook on NO-GO.
    """

    baseline_hours: Annotated[float, Field(gt=0, le=168, allow_inf_nan=False)] = 4.0
    settle_polls: Annotated[int, Field(ge=2, le=100)] = 3
    settle_interval_seconds: Seconds = 2.0
    settle_seconds: Seconds = 120.0
    samples: Annotated[int, Field(ge=5, le=1000)] = 20
    median_share: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.10
    floor_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.005
    p_value: Annotated[float, Field(gt=0, le=0.05)] = 0.01
    reprobes: Annotated[int, Field(ge=0, le=2)] = 2
    rollback_seconds: Seconds = 900.0

    @model_validator(mode="after")
    def _can_settle(self) -> Self:
        least = (self.settle_polls - 1) * self.settle_interval_seconds
        if self.settle_seconds < least:
            raise ValueError(f"settle_seconds: expected at least {least:g}, which so many polls take")
        return self
