"""What is stored has room to grow."""

import pytest

from opsverify.days import ends
from opsverify.errors import InsufficientFactsError
from opsverify.probes import growth, room
from opsverify.rules import growth as rules


@pytest.fixture
def spec(run, subject):
    """The database, with what its growth is judged by."""
    found = run.profile.target(subject.kind, subject.target)
    if found.growth is None:
        raise InsufficientFactsError(f"database {found.name}: the profile names no growth to judge its space by")
    return found


@pytest.fixture
def sizes(run, spec, fact, limits, now):
    """The size of the database over the days."""
    kept = spec.growth
    if kept.prometheus is None:
        raise InsufficientFactsError(f"database {spec.name}: the profile names no prometheus that knows its sizes")
    history, ahead = limits.history_days.number, limits.forecast_days.number
    moments = ends(now, 2 * int(history))
    return fact(growth.sizes, run.channel("prometheus", kept.prometheus), kept.series, moments, history, ahead)


@pytest.fixture
def space(run, spec, fact):
    """What is left on the filesystem of its data."""
    return fact(room.spaces, run.channel("host", spec.growth.data.host), (spec.growth.data.path,))[0]


@pytest.fixture
def archived(run, spec, fact):
    """What its backups take, where they lie on the same host."""
    store = run.profile.target("backups", spec.store) if spec.store else None
    if store is None or store.host != spec.growth.data.host:
        return room.NOTHING
    return fact(room.of_store, run.channel("host", store.host), store)


@pytest.mark.requirement("CAP-STO-01")
def test_database_has_room_to_grow(
    run, request, spec, sizes, space, archived, database, fact, limits, now, chart, judge
):
    """A database that cannot write its log stops at once; a larger volume takes weeks to order."""
    full_at = sizes.current + space.available
    chart(f"size of {spec.name}", "bytes", rules.points(sizes, now), full_at, rules.line(sizes, limits, now))
    short = rules.too_short(sizes.days, limits, now)
    if short:
        judge(rules.filed(short, request.getfixturevalue("attestation"), now))
        return
    kept_days = int(run.catalogue.limits("CAP-STO-04").retention_days.number)
    present = fact(growth.present, database)
    judge(rules.has_room(sizes, present, space, archived, kept_days, limits, now))
