"""The store of backups that a check is about, or that its database names; and its dumps."""

import pytest

from opsverify.errors import InsufficientFactsError
from opsverify.probes import archives, verification
from opsverify.rules import backup


@pytest.fixture
def store(run, subject):
    """The backup store: the target itself, or the one that a database's archive and base backups lie in."""
    target = run.profile.target(subject.kind, subject.target)
    if subject.kind == "backups":
        return target
    if target.store is None:
        raise InsufficientFactsError(
            f"database {target.name}: names no store in the profile, so nobody knows where its archive lies"
        )
    return run.profile.target("backups", target.store)


@pytest.fixture
def store_host(run, store):
    """The host that the store lies on."""
    return run.channel("host", store.host)


@pytest.fixture
def dumps(host, backups, fact):
    """The database dumps of the store, oldest first."""
    return backup.dumps(fact(archives.files, host, backups.database, backups.timezone))


@pytest.fixture
def digests(host, backups, fact):
    """What the store's manifest says of its files, by name."""
    return fact(archives.manifest, host, backups.manifest)


@pytest.fixture
def newest(run, dumps):
    """The newest dumps, which every run reads in full."""
    return dumps[-int(run.catalogue.limits("BAK-INTEG-01").verified_newest.number) :]


@pytest.fixture
def verified(host, backups, ledger, digests, progress, fact):
    """``verified(dumps, days)``: what reading them in full shows, or showed an earlier run of the last ``days``."""

    def verify(dumps, reread_after_days=0.0):
        written = tuple(sorted(digests.items()))
        asked = (host, ledger, backups, tuple(dumps), written, progress, reread_after_days)
        return fact(verification.verified, *asked)

    return verify
