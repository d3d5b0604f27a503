"""Rules of the chapter *backup* about copies: 3-2-1, off site, encrypted with the key elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from opsverify.judgement import Limit, Limits, Observation, aged, holds, none_of, unmet, within
from opsverify.probes import Attempt
from opsverify.probes.archives import SECRET_KEY_TAGS, StoredFile
from opsverify.probes.copies import Holding, Sealed
from opsverify.probes.documents import Attested
from opsverify.rules import security
from opsverify.rules.statements import Missing, attestation, complete, lack

PASSPHRASE = re.compile(r"pass[-_ ]?(phrase|word)", re.IGNORECASE)
COUNTED = 2  # a copy that is made after the dump may lack the newest one for a while


def three_two_one(
    production: Holding,
    store: Holding,
    copies: Sequence[Holding],
    dumps: Sequence[StoredFile],
    digests: Mapping[str, str],
    limits: Limits,
) -> list[Observation]:
    """With production counted there are enough copies, on enough media, enough of them off site.

    A copy counts when it holds a dump of the newest two moments among the store's ``dumps`` (oldest first) as it is;
    ``digests`` are those of the store's files, by name. What may not be looked at is given the benefit of the doubt
    for a finding, and none for a pass.

    Raises:
        InsufficientFactsError: what may not be looked at would make the difference.
    """
    wanted = newest_two(dumps)
    idle = {each.name: why for each in copies if (why := _why_not(each, wanted, digests))}
    places = [each for each in (production, store, *copies) if each.name not in idle]
    if not (store.newest or store.unanswered):
        places.remove(store)
    blind = [each for each in places if each.unanswered]
    others = [f"{name} ({why})" for name, why in idle.items()]
    aside = [Observation("copies that do not count", tuple(others), "none that is needed", True)] if others else []
    best = _counts(places, production, store, limits)
    sure = _counts([each for each in places if each not in blind], production, store, limits)
    if unmet(sure) and not unmet(best):
        return complete(aside, [f"{each.name}: {each.unanswered}" for each in blind])
    return [*(best if unmet(best) else sure), *aside]


def newest_two(dumps: Sequence[StoredFile]) -> set[str]:
    """The names of the dumps of the newest two moments; there may be one in each format."""
    moments = sorted({each.named for each in dumps if each.named})[-COUNTED:]
    return {each.name for each in dumps if each.named in moments}


def _why_not(copy: Holding, wanted: Collection[str], digests: Mapping[str, str]) -> str:
    """Why a copy does not count; empty when it does, or may."""
    if copy.unanswered:
        return ""
    if copy.newest is None:
        return "holds no dump"
    if copy.newest.name not in wanted:
        return f"its newest is {copy.newest.name}"
    return "" if copy.digest == digests.get(copy.newest.name) else f"its {copy.newest.name} differs from the store's"


def _counts(places: Sequence[Holding], production: Holding, store: Holding, limits: Limits) -> list[Observation]:
    """Copies, media and places off site among the places that count."""
    at_home = {each.machine for each in (production, store)} - {None}
    offsite = [each for each in places if each.offsite and each.machine not in at_home]
    return [
        _counted("copies, production among them", [each.name for each in places], limits.copies),
        _counted("media", media(places), limits.media),
        _counted("copies off site", [each.name for each in offsite], limits.offsite),
    ]


def _counted(name: str, found: Sequence[str], limit: Limit) -> Observation:
    return within(f"{name} ({', '.join(found) or 'none'})", len(found), limit)


def media(places: Sequence[Holding]) -> list[str]:
    """The media that the data lie on, in words.

    One device of one machine is one medium, whatever is said of its provider. Where a provider keeps the data and there
    is no device to look at, all that is with this provider is taken for one medium.
    """
    devices = {(each.machine, each.device): each for each in places if each.machine is not None}
    providers = {each.provider for each in places if each.machine is None}
    apart = [each for each in devices.values() if each.provider not in providers]
    return [*(f"{each.provider}: device of {each.name}" for each in apart), *sorted(providers)]


def offsite_is_recent(
    copies: Sequence[Holding],
    digests: Mapping[str, str],
    manifest: Mapping[str, str],
    limits: Limits,
    missing: Missing,
    now: datetime,
) -> list[Observation]:
    """The newest dump of each copy off site is young by its name, and is the store's own, and its manifest's.

    ``digests`` are those of the store's files, by name.

    Raises:
        InsufficientFactsError: there is no copy off site and that is no finding; or one cannot be looked at.
    """
    seen: list[Observation] = []
    lacking: list[str] = []
    found = [each for each in copies if each.offsite]
    if not found:
        lack("copies off site", "none", missing, seen, lacking)
    for copy in found:
        if copy.unanswered:
            lacking.append(f"{copy.name}: {copy.unanswered}")
        elif copy.newest is None:
            seen.append(holds(f"dumps in {copy.name}", "none found", "at least one", met=False))
        else:
            seen += _is_recent(copy, copy.newest, digests, manifest, limits, now)
    return complete(seen, lacking)


def _is_recent(
    copy: Holding,
    newest: StoredFile,
    digests: Mapping[str, str],
    manifest: Mapping[str, str],
    limits: Limits,
    now: datetime,
) -> list[Observation]:
    here, written = digests.get(newest.name), manifest.get(newest.name)
    return [
        aged(f"{newest.name} in {copy.name}, age by name", newest.named or now, now, limits.copy_age_seconds),
        holds("its SHA-256", copy.digest, f"as in the store: {here or 'no such file'}", copy.digest == here),
        holds("in the manifest", written or "not listed", copy.digest, copy.digest == written),
    ]


def sealed(
    folders: Mapping[str, Attempt[Sealed]], found: Attested | None, missing: Missing, now: datetime
) -> list[Observation]:
    """Everything in the sensitive folders is encrypted, no key or pass phrase lies beside it, and somebody states that.

    ``folders`` are those of the store and of all its copies, by place.

    Raises:
        InsufficientFactsError: one of them cannot be looked at, or there is no statement and that is no finding.
    """
    seen, lacking = attestation(found, missing, now)
    for place, looked in folders.items():
        if looked.value is None:
            lacking.append(f"{place}: {looked.failure}")
            continue
        archives = looked.value.archives
        seen += security.archives_encrypted({place: archives})
        packets = [f"{each.name} (secret-key packets)" for each in archives if each.tags & SECRET_KEY_TAGS]
        keys = [f"{name} (private key)" for name in looked.value.private_keys]
        phrases = [f"{each.name} (by its name)" for each in archives if PASSPHRASE.search(each.name)]
        beside = none_of(f"keys in {place}", [*packets, *keys, *phrases], seen=len(archives), of="files")
        seen.append(beside)
    return complete(seen, lacking)
