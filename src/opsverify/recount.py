"""What a record says as a whole, counted again from its checks, its inputs and its transcript.

A replay performs what the record names. So it has to be seen too that the record names everything, each once, and that
what it sums up is what its checks add up to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from opsverify.record import Entry, Record
from opsverify.recorded import Exchange
from opsverify.run import Run
from opsverify.transcript import natural

# Of a check that was not performed: what was left out or not reached is not tested, what was lost an error.
NOT_PERFORMED = ("not-tested", "error")


def subject(entry: Mapping[str, Any]) -> str:
    """What a check's entry is about."""
    return f"{entry['requirement']}-{entry['target']}"


def problems(run: Run, results: Mapping[str, Any], exchanges: Iterable[Exchange]) -> Iterator[str]:
    """What a record says otherwise than its inputs, its checks and its transcript do, a line each.

    Args:
        run: as its inputs have it, under its own limits.
        results: its ``results.json``, in shape.
        exchanges: its transcript.
    """
    entries = results["checks"]
    for name, value in _identity(run).items():
        if results["run"][name] != value:
            yield f"run.{name}: results.json says {results['run'][name]!r}, inputs/ say {value!r}"
    yield from _strangers(run, entries)
    yield from _not_performed(entries)
    known = {each.id for each in exchanges}
    yield from _gaps(known)
    for each in entries:
        lacking = [name for name in each["exchanges"] if name not in known]
        if lacking:
            yield f"{subject(each)}: rests on exchange {', '.join(lacking)}, which the transcript lacks"
    yield from _sums(run, results)


def _identity(run: Run) -> dict[str, str]:
    return {
        "id": run.id,
        "purpose": run.purpose,
        "change": run.change,
        "profile": run.profile.name,
        "profile_sha256": run.loaded.digest,
        "start": run.started.isoformat(timespec="milliseconds"),
    }


def _strangers(run: Run, entries: Iterable[Entry]) -> Iterator[str]:
    """What was to be verified is in the record once, and nothing else is."""
    there, wanted = Counter(map(subject, entries)), {str(each) for each in run.population()}
    for name in sorted(wanted - set(there)):
        yield f"{name}: was to be verified, and results.json does not have it"
    for name in sorted(set(there) - wanted):
        yield f"{name}: stands in results.json, and was not to be verified"
    for name, times in there.items():
        if times > 1:
            yield f"{name}: stands in results.json {times} times"


def _not_performed(entries: Iterable[Entry]) -> Iterator[str]:
    for each in entries:
        if not each["check"] and each["state"] not in NOT_PERFORMED:
            yield f"{subject(each)}: is on record as {each['state']}, and was not performed"


def _gaps(known: Iterable[str]) -> Iterator[str]:
    """Each process numbers what it asks, from 1 on."""
    numbers: dict[str, set[int]] = {}
    for part, number, _ in map(natural, known):
        numbers.setdefault(part, set()).add(number)
    for part, found in numbers.items():
        if max(found) > len(found):
            lacking = next(number for number in count(1) if number not in found)
            yield f"the transcript has no exchange {part}{'-' * bool(part)}{lacking}, and has later ones"


def _sums(run: Run, results: Mapping[str, Any]) -> Iterator[str]:
    counted = Record(run, selection=results["run"]["selection"]).counted(results["checks"])
    for name, value in counted.pop("run").items():
        if results["run"][name] != value:
            yield f"run.{name}: results.json says {results['run'][name]!r}, its checks add up to {value!r}"
    for name, value in counted.items():
        if _plain(results[name]) != _plain(value):
            yield f"{name}: is not what the checks of results.json add up to"


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
