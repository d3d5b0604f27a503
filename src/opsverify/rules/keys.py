"""Rules of the chapter *security*: API keys are rotated in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opsverify.judgement import CLOCK_TOLERANCE, Limits, Observation, holds, none_of, within
from opsverify.probes.keys import ApiKey, KeysOnRecord, Moment


def rotated(record: KeysOnRecord, limits: Limits, now: datetime) -> list[Observation]:
    """Every key that is not revoked was created a short while ago; one without a date is as old as can be.

    A record without an active key shows nothing: that may be an old one, which nobody keeps any more.
    """
    observations = _signed(record, now)
    if record.problem:
        return observations
    impossible = [each for each in record.keys if _revoked_before_it_was(each, now)]
    active = [each for each in record.keys if not _past(each.revoked, now) or each in impossible]
    ages = {each: _age(each.created, now) for each in active}
    of = f"active keys ({len(record.keys) - len(active)} revoked)"
    limit, known = limits.key_age_days, [age for age in ages.values() if age is not None]
    old = [f"{key} ({age:.1f} days)" for key, age in ages.items() if age is not None and not limit.met(age)]
    to_come = [str(key) for key, age in ages.items() if age is not None and age < -CLOCK_TOLERANCE / timedelta(days=1)]
    unknown = [str(key) for key, age in ages.items() if age is None]
    if known:
        observations.append(within("oldest active key", max(known), limit))
    return [
        *observations,
        holds(f"active keys of {len(record.keys)} on record", len(active), "at least 1", bool(active)),
        none_of(f"active keys older than {limit.value} days", old, seen=len(active), of=of),
        none_of("active keys without a date of creation", unknown, seen=len(active), of=of),
        none_of("active keys created in the future", to_come, seen=len(active), of=of),
        none_of("keys revoked before they were created", map(str, impossible), seen=len(record.keys), of="keys"),
    ]


def _signed(record: KeysOnRecord, now: datetime) -> list[Observation]:
    if record.signers is None:
        return [holds("source", record.source, "shown", met=True)]
    expected = "by an allowed signer"
    if record.problem:
        return [holds(f"signature of {record.source}", record.problem, expected, met=False)]
    current = [each for each in record.signers if each.holds_at(now)]
    shown = ", ".join(f"{each.principals} ({each.bounds})" for each in current or record.signers)
    return [holds(f"signature of {record.source}", f"by {shown}", f"{expected} of {now:%Y-%m-%d}", bool(current))]


def _revoked_before_it_was(key: ApiKey, now: datetime) -> bool:
    """Within a day it cannot be told, where no more than a day is on record."""
    created, revoked = _age(key.created, now), _age(key.revoked, now)
    return created is not None and revoked is not None and revoked > created + 1


def _past(revoked: Moment, now: datetime) -> bool:
    """Whether a key is revoked already."""
    age = _age(revoked, now)
    return age is not None and age >= 0


def _age(moment: Moment, now: datetime) -> float | None:
    """Days since a moment; whole ones where only the day (UTC) is on record."""
    if moment is None:
        return None
    if isinstance(moment, datetime):
        return (now - moment) / timedelta(days=1)
    return float((now.astimezone(UTC).date() - moment).days)
