"""Backups as other profiles would have them, and what a second run takes over from the first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from lab import engine, faults
from tests.lab.conftest import Outcome, Verify

PROVIDER = 'provider = "another machine, as far as the lab goes"'
SAME_PROVIDER = {PROVIDER: 'provider = "the machine of the lab"'}
OFF_SITE = (
    'vault = "offsite"\n' + PROVIDER + '\noffsite = true\ndatabase = "/copies/database"\nsensitive = ["/copies/secure"]'
)
PRODUCTION = 'production = { provider = "the machine of the lab", host = "node", path = "/srv/postgresql" }'
OF_THE_STORE = 'wal = "/backup/wal"\n'
# The node once more, as if it were somebody else's.
ITSELF = """
[[vaults]]
name = "itself"
connection = "docker://{}"
"""
NEAR = """
[[copies]]
name = "near"
store = "nightly"
host = "node"
provider = "the machine of the lab"
offsite = {offsite}
database = "{folder}"
"""


@contextmanager
def copied_to(folder: str) -> Iterator[None]:
    """The newest dumps are in another folder of the node too."""
    make = f"mkdir -m 0755 {folder} && cp -p $(ls /backup/database/backup_* | tail -4) {folder}"
    with faults.on_node(f"{make} && chmod 0644 {folder}/*", f"rm -rf {folder}"):
        yield


def observed(outcome: Outcome, check: str) -> str:
    return " / ".join(f"{each['name']}: {each['observed']}" for each in outcome.check(check)["observations"])


@pytest.mark.parametrize("where", ['host = "node"', 'vault = "itself"'], ids=["by its name", "under another name"])
def test_two_folders_on_one_device_are_one_medium_and_not_off_site(where: str, verify: Verify) -> None:
    here = OFF_SITE.replace('vault = "offsite"', where).replace("/copies/database", "/backup/mirror")
    here = here.replace('sensitive = ["/copies/secure"]', "")
    with copied_to("/backup/mirror"):
        outcome = verify(
            "-k", "BP-BAK-01", replace={OFF_SITE: here}, append=ITSELF.format(engine.containers()["node"]["Id"])
        )
    assert outcome.red == {"BP-BAK-01-nightly": "fail"}
    told = observed(outcome, "BP-BAK-01-nightly")
    assert "copies, production among them (production, nightly, offsite): 3" in told
    assert re.search(r"media \([^)]*\): 1", told)
    assert "copies off site (none): 0" in told


def test_a_second_device_does_for_a_second_provider(verify: Verify) -> None:
    with copied_to("/srv/data/mirror"):
        near = NEAR.format(offsite="false", folder="/srv/data/mirror")
        outcome = verify("-k", "BP-BAK-01", replace=SAME_PROVIDER, append=near)
    assert outcome.red == {}, outcome.output
    assert re.search(r"media \([^)]*\): 3", observed(outcome, "BP-BAK-01-nightly"))


def test_a_second_provider_does_for_a_second_device(verify: Verify) -> None:
    devices = {
        name: engine.inside(name, "stat", "-c", "%d", folder)
        for name, folder in {"node": "/backup", "offsite": "/copies"}.items()
    }
    assert devices["node"] == devices["offsite"], "in the lab both lie on the disk of the developer's machine"
    managed = {PRODUCTION: 'production = { provider = "a cloud" }'}
    outcome = verify("-k", "BP-BAK-01", replace=managed)
    assert outcome.red == {}, outcome.output
    assert "a cloud" in observed(outcome, "BP-BAK-01-nightly")


@pytest.mark.parametrize(("days", "state"), [(0, "error"), (1, "pass"), (3, "pass"), (50, "fail")])
def test_a_young_service_is_judged_since_its_first_day(verify: Verify, days: int, state: str) -> None:
    since = datetime.now(UTC).date() - timedelta(days=days)
    with faults.day_removed(40):
        outcome = verify("-k", "CAP-STO-04", replace={OF_THE_STORE: f"{OF_THE_STORE}since = {since}\n"})
    assert outcome.states["CAP-STO-04-nightly"] == state, outcome.output


def read(outcome: Outcome) -> tuple[int, int]:
    """How many dumps were read now, and how many taken over."""
    found = re.search(r"(\d+) read now, (\d+) unchanged", observed(outcome, "CAP-STO-04-nightly"))
    assert found, outcome.output
    return int(found[1]), int(found[2])


def asked_to_read(outcome: Outcome) -> int:
    lines = (outcome.directory / "transcript.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(
        "zcat" in str(each["question"]) or "pg_restore" in str(each["question"]) for each in map(json.loads, lines)
    )


def test_a_second_run_reads_the_newest_and_what_has_changed(verify: Verify) -> None:
    first = verify("-k", "CAP-STO-04")
    assert first.red == {}, first.output
    fresh, taken = read(first)
    assert (fresh > 85, taken) == (True, 0)
    second = verify("-k", "CAP-STO-04")
    again, spared = read(second)
    # The newest five are always read; one of them is of the day on which the lab was started, which need not be over.
    assert (again <= 5, spared > 85, again + spared) == (True, True, fresh)
    assert asked_to_read(second) == 5
    touched = faults.dump_of_day(30)
    with faults.file_saved(touched, f"touch {touched}"):
        assert read(verify("-k", "CAP-STO-04")) == (again + 1, spared - 1)
    ledger = second.directory.parent / "verified.jsonl"
    lines = ledger.read_text(encoding="utf-8").splitlines()
    ledger.write_text("\n".join(["{", *lines[1:]]) + "\n", encoding="utf-8")
    spoilt = verify("-k", "CAP-STO-04")
    assert "no verdicts in line 1" in observed(spoilt, "CAP-STO-04-nightly")
    assert spoilt.red == {}


def test_a_dump_that_is_altered_behind_its_times_is_caught_by_the_run_after(verify: Verify) -> None:
    assert verify("-k", "CAP-STO-04").red == {}
    with faults.day_altered(50):
        assert verify("-k", "CAP-STO-04").red == {"CAP-STO-04-nightly": "fail"}
        assert verify("-k", "CAP-STO-04").red == {"CAP-STO-04-nightly": "fail"}, "what is bad is read again"
    assert verify("-k", "CAP-STO-04").red == {}


def test_the_account_that_copies_can_neither_read_nor_replace_nor_remove() -> None:
    ssh = "ssh -q -o BatchMode=yes -o UserKnownHostsFile=/var/lib/lab/offsite_known_hosts"
    to = f"{ssh} -i /var/lib/lab/copier_ed25519 copier@offsite"
    before = engine.inside("offsite", "find", "/copies/database", "-name", "backup_*", "-printf", "%p %s %i\n")
    for command in ("rm /copies/database/SHA256SUMS", "cat /copies/database/SHA256SUMS", "", "held; id"):
        assert engine.inside("node", "sh", "-c", f"{to} '{command}' < /dev/null", check=False) == ""
    assert "database/SHA256SUMS" in engine.inside("node", "sh", "-c", f"{to} held < /dev/null")
    name = faults.dump_of_day(0 if before.count(f"{datetime.now(UTC):%Y%m%d}") else 1).rpartition("/")[2]
    forge = "mkdir -p /run/forged/database && cd /run/forged && cp /backup/database/SHA256SUMS database/"
    engine.inside("node", "sh", "-c", f"{forge} && echo x > database/{name} && tar -c database | {to} store")
    engine.inside("node", "rm", "-r", "/run/forged")
    assert engine.inside("offsite", "find", "/copies/database", "-name", "backup_*", "-printf", "%p %s %i\n") == before
