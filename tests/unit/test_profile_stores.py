"""What a profile says of backups, copies, keys and logs, and the one line in which a mistake ends."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from opsverify.errors import UsageError
from opsverify.profile import LoadedProfile
from opsverify.stores import ApiKeys, ContainerLogs, JournalLogs, KeyPairs, LogFiles, LogIndex
from tests.unit.test_profile import load_text

STORES = """
name = "test"
description = "d"
[[hosts]]
name = "node"
connection = "ssh://ops@node.example"
administrators = ["alice"]
[[vaults]]
name = "far"
connection = "ssh://ops@far.example"
[[services]]
name = "feed"
role = "feed"
host = "node"
[[databases]]
name = "pg"
address = "127.0.0.1:5432"
dbname = "x"
user = "u"
password = { env = "TEST_SECRET" }
store = "nightly"
[[backups]]
name = "nightly"
host = "node"
database = "/b"
manifest = "/SUMS"
sensitive = ["/s"]
base = "/base"
wal = "/wal"
provider = "us"
production = { provider = "us", host = "node", path = "/data" }
since = 2026-01-31
[[copies]]
name = "offsite"
store = "nightly"
vault = "far"
provider = "them"
offsite = true
database = "/copies"
[[keystores]]
name = "keys"
role = "api"
database = "pg"
[[keystores]]
name = "signed"
role = "api"
inventory = "keys.toml"
signers = "signers"
[[keystores]]
name = "pairs"
role = "keypairs"
host = "node"
path = "/etc/keypairs"
[[logs]]
name = "files"
role = "files"
host = "node"
folder = "/var/log/app"
[[logs]]
name = "index"
role = "index"
url = "http://127.0.0.1:9200"
index = "app-*"
level = "TRACE"
[[logs]]
name = "journal"
role = "journal"
host = "node"
identifier = "settlement"
level = "INFO"
[[logs]]
name = "engine"
role = "containers"
service = "feed"
"""


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", "hunter22")


@pytest.fixture
def whole(tmp_path: Path) -> LoadedProfile:
    return load_text(tmp_path, STORES)


def test_each_is_of_the_kind_that_its_role_says(whole: LoadedProfile) -> None:
    profile = whole.profile
    assert [type(each) for each in profile.keystores] == [ApiKeys, ApiKeys, KeyPairs]
    assert [type(each) for each in profile.logs] == [LogFiles, LogIndex, JournalLogs, ContainerLogs]
    assert [each.level for each in profile.logs] == ["DEBUG", "TRACE", "INFO", "DEBUG"]
    assert profile.names("keystore.api", "keystore.keypairs") == ["keys", "signed", "pairs"]
    assert profile.names("logs.index") == ["index"]
    assert [each.priority for each in profile.logs if isinstance(each, JournalLogs)] == [6]
    assert profile.names("host") == ["node"], "a vault is no host to verify"
    assert profile.backups[0].since == date(2026, 1, 31)
    assert profile.databases[0].administrators == ["postgres"]


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("keystore", "keys", "database-pg"),
        ("keystore", "signed", "keystore-signed"),
        ("keystore.keypairs", "pairs", "node"),
        ("logs", "files", "node"),
        ("logs", "index", "logs-index"),
        ("logs.journal", "journal", "node"),
        ("logs.containers", "engine", "node"),
        ("backups", "nightly", "node"),
    ],
)
def test_questions_go_to_where_the_thing_is_kept(whole: LoadedProfile, kind: str, name: str, place: str) -> None:
    assert whole.profile.place(kind, name) == place  # type: ignore[arg-type]


PRODUCTION = 'production = { provider = "us", host = "node", path = "/data" }'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('store = "nightly"\n[[b', 'store = "nihgtly"\n[[b', "database pg: store: 'nihgtly' is no backups"),
        ('store = "nightly"\nvault', 'store = "x"\nvault', "copy offsite: store: 'x' is no backups"),
        ('vault = "far"', 'vault = "fra"', "copy offsite: vault: 'fra' is no vault of this profile (it has: far)"),
        ('vault = "far"', 'vault = "far"\nhost = "node"', "copies.0: expected either host or vault"),
        ('vault = "far"\n', "", "copies.0: expected either host or vault"),
        ('database = "pg"\n', "", "keystores.0.api: expected either database, or inventory and signers"),
        ('database = "pg"\n', 'database = "gp"\n', "keystore keys: database: 'gp' is no database"),
        ('signers = "signers"\n', "", "keystores.1.api: expected either database, or inventory and signers"),
        ('role = "keypairs"', 'role = "pairs"', "keystores.2: "),
        ('host = "node"\npath', 'host = "nod"\npath', "keystore pairs: host: 'nod' is no host"),
        ('host = "node"\nfolder', 'host = "nod"\nfolder', "logs files: host: 'nod' is no host"),
        ('service = "feed"', 'service = "fed"', "logs engine: service: 'fed' is no service"),
        ('"settlement"', '"--rotate"', "logs.2.journal.identifier: String should match pattern"),
        ('level = "INFO"', 'level = "TRACE"', "logs.2.journal.level: Input should be 'EMERG', "),
        ('"app-*"', '"app"', "logs.1.index.index: String should match pattern"),
        (PRODUCTION, PRODUCTION.replace(', path = "/data"', ""), "expected host and path, or neither"),
        (PRODUCTION, PRODUCTION.replace('"node"', '"nod"'), "backups nightly: production.host: 'nod' is no host"),
        ("2026-01-31", "1026-01-31", "backups.0.since: "),
        ("2026-01-31", '"2026-01-31"', "backups.0.since: "),
        ('name = "node"', 'name = "far"', "'node' is no host of this profile"),
        ("[[vaults]]", '[scratch]\nbin = "/usr/bin"\nimage = "x"\n[[vaults]]', "scratch: expected bin or image, not"),
    ],
)
def test_a_mistake_ends_in_one_line_with_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in STORES
    with pytest.raises(UsageError) as error:
        load_text(tmp_path, STORES.replace(old, new, 1))
    assert str(error.value).startswith("profiles/test/profile.toml: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
