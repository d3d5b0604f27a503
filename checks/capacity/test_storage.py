"""What is stored has room to grow."""

import pytest

from opsverify.days import ends
from opsverify.errors import InsufficientFactsError
from opsverify.probes import growth, room
from opsverify.record import recorder_of
from opsverify.rules import forecast
from opsverify.rules import growth as rules


@pytest.fixture
def spec(run, subject):
    """The database, with what its growth is judged by."""
    found = run.profile.target(subject.kind, subject.target)
    if found.growth is None:
        raise InsufficientFactsError(f"database {found.name}: the profile names no growth to judge its space by")
    return found


@pytest.fixture
def present(request, database, fact):
    """What the database takes now. It is on record however the check ends: later runs may have no other history."""
    found = fact(growth.present, database)
    recorder_of(request.node).observe([rules.now_takes(found.size)])
    return found


@pytest.fixture
def sizes(run, subject, spec, present, history, fact, limits, now):
    """The size of the database over the days, and who remembers it."""
    kept = spec.growth
    if kept.prometheus is None:
        earlier = history.earlier()
        source = forecast.rests_on(earlier)
        return rules.of_own_runs(earlier, subject.requirement, subject.target, present, limits), source
    days, ahead = limits.history_days.number, limits.forecast_days.number
    channel = run.channel("prometheus", kept.prometheus)
    return fact(growth.sizes, channel, kept.series, ends(now, 2 * int(days)), days, ahead), None


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
def test_database_has_room_to_grow(run, request, spec, sizes, present, space, archived, limits, now, chart, judge):
    """A database that cannot write its log stops at once; a larger volume takes weeks to order."""
    known, source = sizes
    chart(
        f"size of {spec.name}, and where its filesystem is full",
        "bytes",
        rules.points(known, now),
        known.current + space.available,
        rules.line(known, limits, now),
    )
    told = [source] if source else []
    short = rules.too_short(known.days, limits, now)
    if short:
        judge([*rules.filed(short, request.getfixturevalue("attestation"), now), *told])
        return
    kept_days = int(run.catalogue.limits("CAP-STO-04").retention_days.number)
    judge([*rules.has_room(known, present, space, archived, kept_days, limits, now), *told])
