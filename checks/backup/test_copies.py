"""The backups are elsewhere too: on other media, off site, the same as here, and no key lies beside them."""

import pytest

from opsverify.errors import UnansweredError
from opsverify.probes import Attempt, archives, verification
from opsverify.probes import copies as places
from opsverify.rules import copies


@pytest.fixture
def made(run, backups):
    """The copies of the store that the profile names, each with the channel to its machine."""
    mine = [each for each in run.profile.copies if each.store == backups.name]
    return [(each, run.channel("vault", each.vault) if each.vault else run.channel("host", each.host)) for each in mine]


@pytest.fixture
def held(made, backups, fact):
    """What each of the copies holds."""
    return [fact(places.of_copy, host, copy, backups.timezone, backups.timeout_s) for copy, host in made]


@pytest.fixture
def here(host, backups, dumps, held, fact):
    """SHA-256 of the store's own dumps of the names that the copies hold as their newest, by name."""
    copied = {each.newest.name for each in held if each.newest}
    same = [each for each in dumps if each.name in copied]
    return {each.name: fact(verification.digest, host, each, backups.timeout_s) for each in same}


@pytest.fixture
def sealed(host, backups, made, fact):
    """What lies in the sensitive folders of the store and of its copies, by place."""

    seen = {}
    for each, where in [(backups, host), *made]:
        for folder in each.sensitive:
            try:
                found = fact(archives.files_reachable, where, folder)
                packets = fact(archives.encryptions, where, found, backups.timeout_s)
                keys = fact(archives.private_keys, where, folder, backups.timeout_s) if found else ()
                seen[f"{each.name}:{folder}"] = Attempt(places.Sealed(packets, keys))
            except UnansweredError as error:  # a fact about the place, which hides nothing of the others
                seen[f"{each.name}:{folder}"] = Attempt(None, str(error))
    return seen


@pytest.mark.slow
@pytest.mark.requirement("BP-BAK-01")
def test_copies_follow_the_3_2_1_rule(run, host, backups, dumps, held, here, fact, limits, judge):
    """Two folders on one disk are lost together, and so are all disks of one house."""
    kept = backups.production
    production = fact(places.of_production, run.channel("host", kept.host) if kept.host else None, kept)
    store = fact(places.of_store, host, backups, dumps[-1] if dumps else None)
    judge(copies.three_two_one(production, store, held, dumps, here, limits))


@pytest.mark.slow
@pytest.mark.requirement("BP-BAK-03")
def test_sensitive_backups_are_sealed_and_their_key_is_elsewhere(sealed, attestation, missing, now, judge):
    """Who takes the archive takes the key along, if it lies beside it."""
    judge(copies.sealed(sealed, attestation, missing, now))


@pytest.mark.slow
@pytest.mark.requirement("BP-BAK-04")
def test_newest_backup_is_off_site(held, here, digests, limits, missing, now, judge):
    """A transfer that stopped, or that copies half a file, is not noticed until the house has burnt down."""
    judge(copies.offsite_is_recent(held, here, digests, limits, missing, now))
