"""Copies: 3-2-1 with production counted, off site and the same as here, sealed with the key elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsverify import stores
from opsverify.channels.shell import Host
from opsverify.errors import InsufficientFactsError, UnansweredError
from opsverify.judgement import Limits, Observation, unmet
from opsverify.probes import Attempt
from opsverify.probes.archives import Encryption, StoredFile
from opsverify.probes.copies import Holding, Sealed, device, machine, of_copy, of_production
from opsverify.probes.documents import Attested
from opsverify.rules import copies

LimitsOf = Callable[[str], Limits]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def met(observations: list[Observation]) -> bool:
    assert observations, "nothing was observed"
    return not unmet(observations)


def dump(hours: float, ending: str = ".sql.gz") -> StoredFile:
    moment = NOW - timedelta(hours=hours)
    name = f"backup_{moment:%Y%m%d_%H%M%S}{ending}"
    return StoredFile(f"/b/{name}", name, 1000, moment)


DUMPS = [dump(58), dump(34), dump(10, ".dump"), dump(10)]
DIGESTS = {each.name: f"digest of {each.name}" for each in DUMPS}
NEWEST = DUMPS[-1]
HERE, THERE = "ssh://ops@db.internal", "ssh://ops@far.example"
PRODUCTION = Holding("production", "one", machine=HERE, device=1)
STORE = Holding("nightly", "one", machine=HERE, device=1, newest=NEWEST)
COPY = Holding("far", "two", offsite=True, machine=THERE, device=1, newest=NEWEST, digest=DIGESTS[NEWEST.name])
NEAR = replace(COPY, name="near", provider="one", offsite=False, machine=HERE, device=2)
BLIND = replace(COPY, device=None, newest=None, digest="", unanswered="host far cannot be reached")


def judged(limits_of: LimitsOf, made: list[Holding], **changes: Holding) -> list[Observation]:
    places = {"production": PRODUCTION, "store": STORE, **changes}
    limits = limits_of("BP-BAK-01")
    return copies.three_two_one(places["production"], places["store"], made, DUMPS, DIGESTS, limits)


def holding(newest: StoredFile, **changes: Any) -> Holding:
    return replace(COPY, newest=newest, digest=DIGESTS.get(newest.name, "x"), **changes)


@pytest.mark.parametrize(
    ("made", "good"),
    [
        ([COPY], True),
        ([replace(COPY, provider="one")], True),  # another machine is another device
        ([], False),
        ([NEAR], False),  # none is off site
        ([replace(NEAR, offsite=True)], False),  # a second disk of the same machine is not off site, whatever is said
        ([replace(COPY, machine=HERE)], False),  # two folders on one device, whatever provider is named
        ([NEAR, COPY], True),
        ([replace(COPY, newest=None, digest="")], False),  # an empty folder is no copy
        ([replace(COPY, digest="other")], False),
        ([holding(DUMPS[2])], True),  # the other format of the same moment
        ([holding(DUMPS[1])], True),  # the newest but one
        ([holding(DUMPS[0])], False),
        ([holding(dump(1))], False),  # one that the store does not have
        ([replace(COPY, newest=None, digest=""), replace(COPY, name="third")], True),
    ],
)
def test_three_copies_two_media_one_off_site(limits_of: LimitsOf, made: list[Holding], good: bool) -> None:
    assert met(judged(limits_of, made)) is good


def test_a_copy_that_does_not_count_says_why(limits_of: LimitsOf) -> None:
    for bad, why in {
        replace(COPY, digest="other"): f"its {NEWEST.name} differs from the store's",
        replace(COPY, newest=None): "holds no dump",
        holding(DUMPS[0]): f"its newest is {DUMPS[0].name}",
    }.items():
        assert f"far ({why})" in " / ".join(map(str, judged(limits_of, [bad])))


def test_a_provider_that_keeps_the_data_is_a_medium_of_its_own(limits_of: LimitsOf) -> None:
    managed = Holding("production", "managed")
    assert met(judged(limits_of, [COPY], production=managed))
    same = [replace(COPY, provider="managed")]
    assert not met(judged(limits_of, same, production=managed, store=replace(STORE, provider="managed")))


def test_an_empty_store_is_no_copy(limits_of: LimitsOf) -> None:
    assert not met(judged(limits_of, [COPY], store=replace(STORE, newest=None)))


def test_what_cannot_be_looked_at_makes_neither_a_pass_nor_a_finding(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="far: host far cannot be reached"):
        judged(limits_of, [BLIND])
    assert met(judged(limits_of, [replace(BLIND, name="other"), COPY]))
    near_only = replace(BLIND, offsite=False)
    assert not met(judged(limits_of, [near_only])), "even if it held the newest, none would be off site"
    with pytest.raises(InsufficientFactsError, match="production: "):
        judged(limits_of, [COPY], production=replace(PRODUCTION, device=None, unanswered="not known"))


def recent(
    limits_of: LimitsOf, made: list[Holding], missing: Any = "fail", manifest: dict[str, str] = DIGESTS
) -> list[Observation]:
    return copies.offsite_is_recent(made, DIGESTS, manifest, limits_of("BP-BAK-04"), missing, NOW)


@pytest.mark.parametrize(
    ("made", "good"),
    [
        ([COPY], True),
        ([holding(DUMPS[1])], False),
        ([replace(COPY, digest="other")], False),
        ([replace(COPY, newest=None)], False),
        ([NEAR], False),
        ([], False),
        ([COPY, replace(COPY, name="other", newest=None)], False),
        ([holding(dump(1))], False),
    ],
)
def test_every_copy_off_site_is_young_and_the_same(limits_of: LimitsOf, made: list[Holding], good: bool) -> None:
    assert met(recent(limits_of, made)) is good


@pytest.mark.parametrize(("hours", "good"), [(26, True), (26.001, False), (27, False), (-0.05, True), (-1, False)])
def test_the_age_of_a_copy_is_that_in_its_name(limits_of: LimitsOf, hours: float, good: bool) -> None:
    file = dump(hours)
    digests = {file.name: "d"}
    made = [replace(COPY, newest=replace(file, modified=NOW), digest="d")]
    assert met(copies.offsite_is_recent(made, digests, digests, limits_of("BP-BAK-04"), "fail", NOW)) is good


@pytest.mark.parametrize("manifest", [{}, {NEWEST.name: "other"}])
def test_a_copy_is_held_against_the_manifest_too(limits_of: LimitsOf, manifest: dict[str, str]) -> None:
    assert not met(recent(limits_of, [COPY], manifest=manifest))


def test_a_copy_that_does_not_answer_is_an_error_and_hides_no_finding(limits_of: LimitsOf) -> None:
    with pytest.raises(InsufficientFactsError, match="far: host far cannot be reached"):
        recent(limits_of, [BLIND, COPY])
    assert not met(recent(limits_of, [BLIND, holding(DUMPS[1])]))
    with pytest.raises(InsufficientFactsError, match="copies off site: none"):
        recent(limits_of, [], missing="error")


ARCHIVE = Encryption("keys.tar.gz.gpg", 0, frozenset({3, 18}), 0)
STATED = cast(
    Attested,
    SimpleNamespace(
        entry=SimpleNamespace(expires=NOW.date(), sha256="a", artefact="evidence.md", date=NOW.date()), digest="a"
    ),
)


def of(*archives: Encryption, keys: tuple[str, ...] = ()) -> Attempt[Sealed]:
    return Attempt(Sealed(archives, keys))


@pytest.mark.parametrize(
    ("there", "good"),
    [
        (of(ARCHIVE), True),
        (of(), False),
        (of(ARCHIVE, Encryption("plain.tar.gz", 2, frozenset(), 0)), False),
        (of(ARCHIVE, replace(ARCHIVE, tags=frozenset({3, 18, 5}))), False),  # a secret key behind it
        (of(replace(ARCHIVE, tags=frozenset({5, 7, 13}))), False),
        (of(ARCHIVE, keys=("id_rsa",)), False),
        (of(replace(ARCHIVE, name="backup_passphrase.gpg")), False),
        (of(replace(ARCHIVE, name="deeper/Pass-Phrase.txt.gpg")), False),
        (of(replace(ARCHIVE, missing=3)), False),
    ],
)
@pytest.mark.parametrize("place", ["nightly:/backup/secure", "far:/copies/secure"])
def test_everything_is_encrypted_and_no_key_lies_beside_it(there: Attempt[Sealed], good: bool, place: str) -> None:
    folders = {"nightly:/backup/secure": of(ARCHIVE), "far:/copies/secure": of(ARCHIVE), place: there}
    found = copies.sealed(folders, STATED, "fail", NOW)
    assert met(found) is good
    assert all(place in str(each) for each in unmet(found))


def test_that_the_key_is_elsewhere_is_stated() -> None:
    folders = {"nightly:/backup/secure": of(ARCHIVE)}
    assert not met(copies.sealed(folders, None, "fail", NOW))
    assert not met(copies.sealed(folders, STATED, "fail", NOW + timedelta(days=1)))
    with pytest.raises(InsufficientFactsError, match="attestation: none"):
        copies.sealed(folders, None, "error", NOW)


def test_a_folder_that_does_not_answer_is_an_error_and_hides_no_finding() -> None:
    folders = {"nightly:/b": of(ARCHIVE), "far:/c": Attempt[Sealed](None, "host far cannot be reached")}
    with pytest.raises(InsufficientFactsError, match="far:/c: host far cannot be reached"):
        copies.sealed(folders, STATED, "fail", NOW)
    assert not met(copies.sealed({**folders, "nightly:/b": of()}, STATED, "fail", NOW))


def test_a_real_folder_lies_on_a_real_device(local: Host, tmp_path: Any) -> None:
    assert device(local, str(tmp_path)) == tmp_path.stat().st_dev
    with pytest.raises(UnansweredError, match="/no/such"):
        device(local, "/no/such")


def test_what_a_real_copy_holds(local: Host, tmp_path: Any) -> None:
    (tmp_path / "NOTES").write_text("x")
    spec = stores.Copy(name="far", store="nightly", vault="far", provider="two", offsite=True, database=str(tmp_path))
    known = Holding("far", "two", True, machine(local), tmp_path.stat().st_dev)
    assert of_copy(local, spec, "UTC", 5) == known
    for day in (20, 22, 21):
        (tmp_path / f"backup_202611{day}_021500.sql.gz").write_text(f"{day}")
    found = of_copy(local, spec, "UTC", 5)
    assert (found.newest and found.newest.name, found.digest[:8], found.unanswered) == (
        "backup_20261122_021500.sql.gz",
        "785f3ec7",
        "",
    )
    gone = of_copy(local, spec.model_copy(update={"database": "/no/such"}), "UTC", 5)
    assert "No such file" in gone.unanswered


ID, BOOT = "0b405b47811b4c11823fee2a8310861f", "4793187d-6c83-4e50-9bf4-0c0185598660"


def reached(connection: str, status: int = 0, told: str = "") -> Any:
    answer = SimpleNamespace(rc=status, stdout=told)
    return SimpleNamespace(spec=SimpleNamespace(connection=connection), run=lambda _: answer)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (reached("ssh://a@db", told=f"{ID}\n{BOOT}\n"), reached("ssh://b@10.0.0.7", told=f"{ID}\n{BOOT}\n"), True),
        (reached("ssh://a@db", told=f"{ID}\n{BOOT}\n"), reached("ssh://a@far", told=f"{ID}\n{BOOT[::-1]}\n"), False),
        (reached("ssh://a@db", 1, f"{BOOT}\n"), reached("ssh://a@far", 1, f"{BOOT}\n"), False),
        (reached("ssh://a@db", 1), reached("ssh://copier@DB:22", 1), True),
        (reached("ssh://a@db:1022", 1), reached("ssh://a@db", 1), False),
        (reached("ssh://a@db", told=f"\n{BOOT}\n"), reached("ssh://a@far", told=f"\n{BOOT}\n"), False),
    ],
)
def test_a_machine_is_the_same_under_another_name_or_account(one: Any, other: Any, same: bool) -> None:
    assert (machine(one) == machine(other)) is same


def test_where_production_lies(local: Host, tmp_path: Any) -> None:
    managed = of_production(None, stores.Production(provider="cloud"))
    assert (managed.machine, managed.device, managed.provider) == (None, None, "cloud")
    mine = stores.Production(provider="us", host="here", path=str(tmp_path))
    assert of_production(local, mine).device == tmp_path.stat().st_dev
