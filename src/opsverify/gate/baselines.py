"""Whether a gate before a change is a baseline for the one after it. Pure.

What is compared must have been verified alike: by the same suite, on the same targets, under the same limits, a short
while ago. Only what the change record declares under ``[[scope]]`` may differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from opsverify.changes import Change, ScopeChange
from opsverify.gate.comparing import NOBODY
from opsverify.gate.settings import Gate
from opsverify.gate.story import Compared, Effect, Reason, Story
from opsverify.judgement import CLOCK_TOLERANCE
from opsverify.profile import Profile

ABOUT = "baseline"
MOST_NAMED = 5
EXEMPTION = "not_applicable"


class Terms(NamedTuple):
    """Under which terms a gate verifies; the names are those of a `Story`."""

    change: str
    scope: str
    profile: str
    profile_sha256: str
    parts: Mapping[str, str]
    targets: Mapping[str, Sequence[str]]
    limits: Mapping[str, str]
    suite_version: str
    suite_commit: str
    start: datetime


def terms_of(story: Story) -> Terms:
    """The terms of a gate that was held."""
    return Terms(*(getattr(story, name) for name in Terms._fields))


def newest(stories: Iterable[Story], change: str, profile: str) -> Story | None:
    """The newest gate before this change in this profile; a finished one, as every story that was kept is."""
    mine = [each for each in stories if (each.phase, each.change, each.profile) == ("pre", change, profile)]
    return max(mine, key=lambda each: each.start, default=None)


def none_found(change: str, profile: str) -> Reason:
    """Why nothing can be said where no gate was held before the change."""
    why = f"no gate was held before {change} in profile {profile}: there is nothing to compare with"
    return _reason(why)


def incomparable(pre: Story, post: Terms, change: Change, settings: Gate) -> list[Reason]:
    """Why what a gate before the change found is nothing to hold the one after it against; empty where it is."""
    found = [*_age(pre, post, change, settings), *_terms(terms_of(pre), post)]
    if pre.profile == post.profile:
        found += _profiles(terms_of(pre), post, change.scope)
    if pre.verdict in ("NO-GO", "INCONCLUSIVE"):
        why = f"the gate before the change said {pre.verdict}, and the change was made all the same"
        found.append(_reason(why, "WARN"))
    return found


def _age(pre: Story, post: Terms, change: Change, settings: Gate) -> list[Reason]:
    age = post.start - pre.start
    if max(pre.start, pre.end) > post.start + CLOCK_TOLERANCE:
        return [
            _reason(f"it is not from before: it ended at {_time(pre.end)}, and this gate began {_time(post.start)}")
        ]
    if change.execution is not None and change.execution.start < pre.start - CLOCK_TOLERANCE:
        began = _time(change.execution.start)
        return [_reason(f"it is not from before: the change was begun at {began}, and it only at {_time(pre.start)}")]
    if age > timedelta(hours=settings.baseline_hours):
        hours = age / timedelta(hours=1)
        return [_reason(f"it is stale: {hours:.1f} h old, at most {settings.baseline_hours:g} h are allowed")]
    return []


def _terms(pre: Terms, post: Terms) -> list[Reason]:
    found = []
    for name, words in (
        ("change", "change"),
        ("profile", "profile"),
        ("scope", "scope of the checks"),
        ("suite_version", "version of the suite"),
        ("suite_commit", "commit of the suite"),
    ):
        was, now = getattr(pre, name), getattr(post, name)
        if was != now:
            found.append(_reason(f"another {words}: {was or 'all'} before, {now or 'all'} now"))
    differ = [name for name in sorted({*pre.limits, *post.limits}) if pre.limits.get(name) != post.limits.get(name)]
    if differ:
        shown = [
            f"{each} ({pre.limits.get(each, 'none')} before, {post.limits.get(each, 'none')} now)" for each in differ
        ]
        found.append(_reason(f"other limits: {_some(shown)}"))
    return found


def _profiles(pre: Terms, post: Terms, scope: Sequence[ScopeChange]) -> list[Reason]:
    """What differs between two states of one profile, and is not declared."""
    targets = [*_gone(pre.targets, post.targets, "removed", scope), *_gone(post.targets, pre.targets, "added", scope)]
    if targets:
        return [_reason(f"other targets, which the change does not declare: {_some(sorted(targets))}")]
    same = pre.profile_sha256 == post.profile_sha256
    if not same and not scope:
        return [_reason("the profile is not the one of before, and the change declares no change of scope")]
    if not same and not (pre.parts and post.parts):
        return [_reason("the profile is not the one of before, and it is not on record what of it differs")]
    # The text of a profile may name variables of the environment: the same text may say something else now.
    differ = sorted(each for each in {*pre.parts, *post.parts} if pre.parts.get(each) != post.parts.get(each))
    undeclared = [each for each in differ if not _is_declared(each, pre.parts, post.parts, scope)]
    if undeclared:
        return [_reason(f"the profile differs in what the change does not declare: {_some(undeclared)}")]
    return []


def _gone(
    one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]], becomes: str, scope: Sequence[ScopeChange]
) -> list[str]:
    declared = {each.subject for each in scope if each.becomes == becomes}
    return [
        f"{kind} {name} {becomes}"
        for kind, names in one.items()
        for name in names
        if name not in other.get(kind, ()) and name not in declared
    ]


def _is_declared(part: str, pre: Mapping[str, str], post: Mapping[str, str], scope: Sequence[ScopeChange]) -> bool:
    """Whether a difference of the profile is one that the change declares; what is there on both sides never is."""
    kind, _, name = part.partition(" ")
    if kind == EXEMPTION:
        requirement, _, target = name.partition(" ")
        subjects = {each.subject for each in scope}
        if target not in ("", NOBODY):
            return not subjects.isdisjoint((target, f"{requirement}-{target}"))
        # One of a whole requirement goes when there is a first target of its kind. Whom else it was for shows in the
        # checks, each of which is to be declared.
        moved = any(each.becomes in ("added", "removed") for each in scope)
        return moved or any(each.startswith(f"{requirement}-") for each in subjects)
    if part in pre and part in post:
        return False
    becomes = "added" if part in post else "removed"
    return any((each.subject, each.becomes) == (name, becomes) for each in scope)


def parts(profile: Profile) -> dict[str, str]:
    """A digest of each target and each table of a profile, by which two states of it are told apart.

    Targets are named ``databases postgres``, exemptions ``not_applicable HLT-PG-05 replica-2``, all else by its key.
    """
    found: dict[str, str] = {}
    for key, value in profile.model_dump(mode="json").items():
        for entry in value if isinstance(value, list) else [value]:
            name = f"{key} {entry['name']}" if isinstance(value, list) and key != EXEMPTION else key
            if key == EXEMPTION:
                name = " ".join(filter(None, (key, entry["requirement"], entry["target"])))
            text = found.get(name, "") + json.dumps(entry, sort_keys=True)
            found[name] = hashlib.sha256(text.encode()).hexdigest()
    return found


def did_not_happen(change: Change, pre: Terms, post: Terms, compared: Sequence[Compared]) -> list[Reason]:
    """Declared changes of scope that are not there: what is promised to be verified is not, or the other way round.

    Of checks that are out of the scope of this gate nothing is said.
    """
    found = []
    before, after = ({name for names in terms.targets.values() for name in names} for terms in (pre, post))
    for each in change.scope:
        moved = each.becomes in ("added", "removed")
        if moved and each.subject in before | after:
            done = each.subject in (after - before if each.becomes == "added" else before - after)
            seen = True
        else:
            mine = [one for one in compared if each.subject in (one.subject, one.target)]
            done, seen = any(_became(one, each.becomes) for one in mine), bool(mine) or not post.scope
        if seen and not done:
            why = f"is declared to become {each.becomes}, and did not"
            found.append(Reason(effect="WARN", about=f"scope {each.subject}", why=why))
    return found


def _became(compared: Compared, becomes: str) -> bool:
    was, now = (side.state if side else None for side in (compared.pre, compared.post))
    match becomes:
        case "added":
            return was is None
        case "removed":
            return now is None
        case "not-applicable":
            return was != now == "not-applicable"
    return was == "not-applicable" != now


def _reason(why: str, effect: Effect = "INCONCLUSIVE") -> Reason:
    return Reason(effect=effect, about=ABOUT, why=why)


def _some(names: Sequence[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"and {rest} more"] if rest > 0 else [])])


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
